package resources

import "fmt"

// Completion prints what makes a shell complete the words of this program.
type Completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish,powershell" help:"bash, zsh, fish or powershell."`
}

// Run prints the script.
func (c *Completion) Run(e *Env) error {
	_, err := fmt.Fprint(e.Out, shellScripts[c.Shell])
	return err
}

// The scripts ask the program itself what a word can be. Bash and PowerShell give the line,
// because bash breaks words at = and :, and PowerShell loses empty ones.
var shellScripts = map[string]string{
	"bash": `# autocrud completion for bash: source <(autocrud completion bash)
_autocrud() {
	local IFS=$'\n' out
	out=($(AUTOCRUD_LINE="${COMP_LINE:0:COMP_POINT}" "${COMP_WORDS[0]}" __complete bash "$2" 2>/dev/null))
	if [ "${out[0]}" = ":file" ]; then
		compopt -o default -o filenames 2>/dev/null
		COMPREPLY=()
		return
	fi
	COMPREPLY=("${out[@]}")
	case "${COMPREPLY[0]}" in
	*= | *. | */) [ "${#COMPREPLY[@]}" = 1 ] && compopt -o nospace 2>/dev/null ;;
	esac
}
complete -F _autocrud autocrud
`,
	"zsh": `#compdef autocrud
# autocrud completion for zsh: source <(autocrud completion zsh), after compinit
_autocrud() {
	local -a out found shown
	local line
	out=("${(@f)$("${(Q)words[1]}" __complete zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ "$out[1]" == ":file" ]]; then
		_files
		return
	fi
	for line in "${out[@]}"; do
		[[ -n "$line" ]] || continue
		found+=("${line%%$'\t'*}")
		shown+=("${line/$'\t'/  }")
	done
	(( $#found )) && compadd -l -d shown -a found
}
compdef _autocrud autocrud
`,
	"fish": `# autocrud completion for fish: autocrud completion fish | source
function __autocrud_complete
	set -l words (commandline -opc)
	set -l word (commandline -ct)
	set -l out ($words[1] __complete fish $words[2..-1] "$word" 2>/dev/null)
	if test "$out[1]" = ":file"
		__fish_complete_path "$word"
	else
		printf '%s\n' $out
	end
end
complete -c autocrud -f -a '(__autocrud_complete)'
`,
	"powershell": `# autocrud completion for PowerShell: autocrud completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName autocrud -ScriptBlock {
	param($word, $ast, $cursor)
	$line = $ast.ToString()
	if ($line.Length -lt $cursor) { $line = $line.PadRight($cursor) } else { $line = $line.Substring(0, $cursor) }
	$env:AUTOCRUD_LINE = $line
	& $ast.CommandElements[0].ToString() __complete powershell 2>$null | ForEach-Object {
		$found, $help = $_ -split "` + "`t" + `", 2
		if ($found -ne ':file') {
			if (-not $help) { $help = $found }
			[System.Management.Automation.CompletionResult]::new($found, $found, 'ParameterValue', $help)
		}
	}
	Remove-Item Env:AUTOCRUD_LINE
}
`,
}

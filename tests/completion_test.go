package tests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// TestCompletionInShells asks real shells, where they are.
func TestCompletionInShells(t *testing.T) {
	h := newHand(t, handModels)
	h.c.Post(t, "/v1/movies?id=heat", map[string]any{"title": "Heat"}).Want(t, 201)
	h.c.Post(t, "/v1/movies?id=heaven", map[string]any{"title": "Heaven"}).Want(t, 201)
	bin := filepath.Dir(apitest.Program(t))
	for line, want := range map[string]string{
		"autocrud ge":                         "get",
		"autocrud get mo":                     "movies",
		"autocrud get movies hea":             "heat heaven",
		"autocrud get movies heat hea":        "heaven",
		"autocrud describe movies/heav":       "movies/heaven",
		"autocrud get movies --ord":           "--order",
		"autocrud get movies --order ye":      "year",
		"autocrud get movies --columns=ti":    "title",
		"autocrud get movies -o js":           "json jsonpath=",
		"autocrud get movies --view pub":      "published",
		"autocrud explain movies.ti":          "movies.title",
		"autocrud explain movies.crew.":       "movies.crew.role movies.crew.who",
		"autocrud can del":                    "delete",
		"autocrud completion z":               "zsh",
		"autocrud get nothing x":              "",
		"autocrud import mov":                 "movies",
		"autocrud export movies --filter 'ye": "year",
	} {
		if got := h.bash(bin, line); got != want {
			t.Errorf("bash completes %q as %q, want %q", line, got, want)
		}
	}
	words := strings.Fields(h.ok("__complete", "zsh", "get", "movies", "hea"))
	if !slices.Equal(words, []string{"heat", "heaven"}) {
		t.Errorf("zsh and fish are told %q", words)
	}
	h.zsh(bin)
	for _, shell := range []string{"fish", "powershell"} {
		if out := h.ok("completion", shell); !strings.Contains(out, "__complete "+shell) {
			t.Errorf("%s: %s", shell, out)
		}
	}
}

// bash completes a line in a bash as Readline would.
func (h *hand) bash(bin, line string) string {
	h.t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		h.t.Fatal("there is no bash: ", err)
	}
	// Readline gives what follows the last of its word breaks as the current word.
	script := `source <(autocrud completion bash)
COMP_LINE=$1 COMP_POINT=${#1}
COMP_WORDS=(autocrud) cur=${1##*[ =:]}
_autocrud autocrud "$cur" ""
printf '%s ' "${COMPREPLY[@]}"`
	cmd := exec.CommandContext(h.t.Context(), "bash", "-c", script, "bash", line)
	cmd.Env = append(append(os.Environ(), h.env...), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Errorf("%s: %v: %s", line, err, out)
	}
	return strings.TrimSpace(string(out))
}

// zsh presses Tab in a real zsh, if the machine has one.
func (h *hand) zsh(bin string) {
	h.t.Helper()
	if _, err := exec.LookPath("zsh"); err != nil {
		if os.Getenv("AUTOCRUD_TEST_ZSH") != "" {
			h.t.Fatal("there is no zsh: ", err)
		}
		h.t.Log("there is no zsh here; make test-full has one")
		return
	}
	script := `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; stty cols 200; autoload -Uz compinit; compinit -u -d '"$1"'/dump; source <(autocrud completion zsh); print READ""Y'
while zpty -r shell line; do [[ $line == *READY* ]] && break; done
zpty -w -n shell $'autocrud get movies heav\t'
zpty -w shell ' -o name; print DON""E'
while zpty -r shell line; do print -r -- "$line"; [[ $line == *DONE* ]] && break; done`
	cmd := exec.CommandContext(h.t.Context(), "zsh", "-f", "-c", script, "zsh", h.t.TempDir())
	cmd.Env = append(append(os.Environ(), h.env...), "PATH="+bin+":"+os.Getenv("PATH"))
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "movies/heaven") {
		h.t.Errorf("zsh: %v: %q", err, out)
	}
}

package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/autocrud-go/autocrud/internal/cli/grammar"
	"github.com/autocrud-go/autocrud/internal/cli/resources"
	"github.com/autocrud-go/autocrud/internal/cli/show"
)

// completeCommand is what the scripts of `completion` call: the shell, and the words up to
// the cursor, or AUTOCRUD_LINE and what the shell takes for the last word.
const completeCommand = "__complete"

// complete prints what the last word can be, a candidate a line, with its meaning behind
// a tab for shells that show it.
func complete(ctx context.Context, args []string, s Streams) {
	if len(args) == 0 {
		return
	}
	shell, words, shown := args[0], args[1:], ""
	line, byLine := os.LookupEnv("AUTOCRUD_LINE")
	if byLine {
		words = shellWords(line)[1:]
		if shell == "bash" && len(words) > 0 && len(args) > 1 {
			// Bash replaces only what follows the last = or :.
			shown = strings.TrimSuffix(words[len(words)-1], strings.Trim(args[1], `"'`))
		}
	}
	var c commands
	for _, found := range program.Complete(&c, words, func(p grammar.Place) []grammar.Candidate { return resources.Candidates(ctx, p) }) {
		word := show.Line(found.Word)
		if rest, ok := strings.CutPrefix(word, shown); ok {
			word = rest
		}
		if shell == "bash" {
			fmt.Fprintln(s.Out, quotedFor(word))
			continue
		}
		fmt.Fprintln(s.Out, strings.TrimSuffix(word+"\t"+show.Line(found.Help), "\t"))
	}
}

// quotedFor escapes blanks, which a shell would take for the end of the word.
func quotedFor(word string) string { return strings.ReplaceAll(word, " ", `\ `) }

// shellWords are the words of a line that is being written; the last one may be empty, and
// its quotes open.
func shellWords(line string) []string {
	words, word := []string{}, ""
	quote, begun := rune(0), true
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word, escaped = word+string(r), false
		case r == '\\' && quote != '\'':
			escaped = true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, begun = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if begun {
				words = append(words, word)
			}
			word, begun = "", false
		default:
			word, begun = word+string(r), true
		}
	}
	return append(words, word)
}

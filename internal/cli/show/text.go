// Package show writes values for the person at a terminal, or for a program behind a
// pipe: tables, JSON, YAML and parts by JSONPath. Nothing that a value holds acts on the
// terminal: control characters are written as escapes.
package show

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// acts reports whether a terminal may do something else with a rune than show it: control
// characters of both sets, line and paragraph separators, and what turns the direction of text.
func acts(r rune) bool {
	return unicode.IsControl(r) || r == '\u061C' || r >= '\u200B' && r <= '\u200F' && r != '\u200D' ||
		r >= '\u2028' && r <= '\u202E' || r >= '\u2060' && r <= '\u206F' || r == '\uFEFF' || r >= 0xE0000 && r <= 0xE007F
}

// Line is a text on one line.
func Line(s string) string { return clean(s, "") }

// Text is a text that keeps its lines and tabs.
func Text(s string) string { return clean(s, "\n\t") }

func clean(s, keep string) string {
	if strings.IndexFunc(s, func(r rune) bool { return acts(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteRune(utf8.RuneError)
		case !acts(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Width is how many columns a text takes.
func Width(s string) int { return uniseg.StringWidth(s) }

// cut shortens a text to a width.
func cut(s string, width int) string {
	if Width(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	var b strings.Builder
	n := 0
	for g := uniseg.NewGraphemes(s); g.Next(); n += g.Width() {
		if n+g.Width() > width-1 {
			break
		}
		b.WriteString(g.Str())
	}
	return b.String() + "…"
}

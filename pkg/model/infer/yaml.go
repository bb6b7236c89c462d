package infer

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// writer writes lines of YAML.
type writer struct{ strings.Builder }

func (w *writer) line(depth int, format string, args ...any) {
	w.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// reserved are words that YAML may read as something else than text.
var reserved = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

// quoted is a text as YAML reads it, with quotes where it needs them.
func quoted(s string) string {
	if plain.MatchString(s) && !slices.Contains(reserved, strings.ToLower(s)) {
		return s
	}
	return strconv.Quote(s)
}

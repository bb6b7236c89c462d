package show

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// Value is a decoded value as text: a text itself, null as nothing, everything else as JSON.
func Value(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Cell is a value in a table: of a list its elements.
func Cell(v any) string {
	list, ok := v.([]any)
	if !ok {
		return Value(v)
	}
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = Value(e)
	}
	return strings.Join(texts, ", ")
}

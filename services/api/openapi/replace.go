package openapi

import (
	"slices"
	"strings"
)

// replacing is a schema of what replaces a document: what is writeOnly is kept when
// it is left out, and null removes it.
func replacing(root any) any {
	marked := func(v any) bool {
		for range 8 { // references to references
			m, _ := v.(map[string]any)
			if m["writeOnly"] == true {
				return true
			}
			ref, _ := m["$ref"].(string)
			if !strings.HasPrefix(ref, "#/") {
				return false
			}
			v = root
			for token := range strings.SplitSeq(ref[2:], "/") {
				m, _ := v.(map[string]any)
				v = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
			}
		}
		return false
	}
	orNull := func(v any) any { return map[string]any{"anyOf": []any{v, map[string]any{"type": "null"}}} }
	var all []map[string]any
	eachSchema(root, func(m map[string]any) { all = append(all, m) })
	for _, m := range all {
		props, _ := m["properties"].(map[string]any)
		for _, name := range sortedKeys(props) {
			if !marked(props[name]) {
				continue
			}
			props[name] = orNull(props[name])
			required, _ := m["required"].([]any)
			m["required"] = slices.DeleteFunc(slices.Clone(required), func(x any) bool { return x == name })
			if len(m["required"].([]any)) == 0 {
				delete(m, "required")
			}
		}
		if v := m["additionalProperties"]; marked(v) {
			m["additionalProperties"] = orNull(v)
		}
	}
	return root
}

package model

import "strings"

// HasPath reports whether the schema describes a property at the dotted path.
func (t *Type) HasPath(path string) bool {
	_, err := shapes{t.tree}.find(path)
	return err == nil
}

// HasNames is HasPath of property names, which may hold dots.
func (t *Type) HasNames(names []string) bool {
	_, err := shapes{t.tree}.follow(strings.Join(names, "."), names)
	return err == nil
}

// SplitPath gives the names of a dotted path.
func SplitPath(path string) []string { return strings.Split(path, ".") }

// Collect lists the values at a path, through lists.
func Collect(v any, names []string) []any {
	switch v := v.(type) {
	case []any:
		var out []any
		for _, x := range v {
			out = append(out, Collect(x, names)...)
		}
		return out
	case map[string]any:
		if x, ok := v[names[0]]; ok {
			if len(names) == 1 {
				return []any{x}
			}
			return Collect(x, names[1:])
		}
	}
	return nil
}

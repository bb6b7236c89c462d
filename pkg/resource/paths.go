package resource

import "strings"

// HasPath reports whether the schema describes a property at the dotted path.
func (t *Type) HasPath(path string) bool {
	_, err := shapes{t.tree}.find(path)
	return err == nil
}

func splitPath(path string) []string { return strings.Split(path, ".") }

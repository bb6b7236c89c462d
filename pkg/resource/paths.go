package resource

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

func splitPath(path string) []string { return strings.Split(path, ".") }

package plan

import (
	"strings"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
)

// describing are the keywords that no value is refused by.
var describing = map[string]bool{"title": true, "description": true, "default": true, "examples": true, "deprecated": true, "readOnly": true,
	"writeOnly": true, "$comment": true, "$schema": true, "$id": true, "contentEncoding": true, "contentMediaType": true, "contentSchema": true, "$defs": true}

func describes(k string) bool { return describing[k] || strings.HasPrefix(k, "x-") }

// Keywords that hold schemas, by how.
var (
	ofOne  = map[string]bool{"items": true, "additionalProperties": true, "unevaluatedProperties": true, "unevaluatedItems": true, "then": true, "else": true, "if": true, "not": true, "contains": true, "propertyNames": true}
	ofList = map[string]bool{"prefixItems": true, "allOf": true, "anyOf": true, "oneOf": true}
	ofMap  = map[string]bool{"properties": true, "patternProperties": true, "dependentSchemas": true}
)

// equal reports whether two schemas say the same in the same words, apart from what
// only describes. References are followed: what they lead to has to be equal.
func (w *widening) equal(old, changed any) bool {
	if w.budget--; w.budget < 0 {
		return false
	}
	a, ok := old.(map[string]any)
	b, also := changed.(map[string]any)
	if !ok || !also {
		return ok == also && old == changed
	}
	for k := range b {
		if _, ok := a[k]; !ok && !describes(k) {
			return false
		}
	}
	for k, x := range a {
		if describes(k) {
			continue
		}
		y, ok := b[k]
		if !ok || !w.equalKeyword(k, x, y) {
			return false
		}
	}
	return true
}

func (w *widening) equalKeyword(k string, x, y any) bool {
	switch {
	case k == "$ref":
		return w.equalReference(x, y)
	case ofOne[k]:
		return w.equal(x, y)
	case ofList[k]:
		a, b := listOf(x), listOf(y)
		for i := range a {
			if i >= len(b) || !w.equal(a[i], b[i]) {
				return false
			}
		}
		return len(a) == len(b)
	case ofMap[k]:
		a, _ := x.(map[string]any)
		b, _ := y.(map[string]any)
		for name := range a {
			other, ok := b[name]
			if !ok || !w.equal(a[name], other) {
				return false
			}
		}
		return len(a) == len(b)
	}
	return jsonpatch.Equal(x, y)
}

// equalReference takes a pair that is met again to be equal: if nothing else
// differs, it is.
func (w *widening) equalReference(x, y any) bool {
	a, ok := x.(string)
	b, also := y.(string)
	if !ok || !also {
		return false
	}
	p := pair{a, b}
	if w.same[p] {
		return true
	}
	w.same[p] = true
	defer delete(w.same, p)
	return w.equal(w.old.resolve(a), w.new.resolve(b))
}

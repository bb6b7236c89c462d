package model

import (
	"maps"
	"reflect"
	"slices"
)

func (e *effective) wasSeen(node map[string]any) bool {
	_, ok := e.seen[reflect.ValueOf(node).Pointer()]
	return ok
}

// checkReferred refuses references to a binary at a place that is no schema, for
// which its meaning would be lost.
func (e *effective) checkReferred() {
	for _, ref := range slices.Sorted(maps.Keys(e.refs)) {
		target, _ := LookupRef(e.root, ref)
		if node, ok := target.(map[string]any); ok && !e.wasSeen(node) && holdsKey(target, "x-binary") {
			e.p.Add(e.refs[ref], "schema: $ref %q leads to no place of a schema; x-binary has a meaning in $defs", ref)
		}
	}
}

func holdsKey(v any, key string) bool {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v[key]; ok {
			return true
		}
		for _, x := range v {
			if holdsKey(x, key) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(x any) bool { return holdsKey(x, key) })
	}
	return false
}

// checkCircles refuses schemas that describe a value by describing it again: no
// value could be compared with them.
func (e *effective) checkCircles() {
	const under, done = 1, 2
	state := map[uintptr]int{}
	var walk func(v any) bool
	walk = func(v any) bool {
		node, ok := v.(map[string]any)
		if !ok {
			return false
		}
		id := reflect.ValueOf(node).Pointer()
		if state[id] != 0 {
			return state[id] == under
		}
		state[id] = under
		defer func() { state[id] = done }()
		return slices.ContainsFunc(e.sameValue(node), walk)
	}
	for _, at := range e.places {
		if walk(at.node) {
			e.p.Add(at.ptr, "schema: the schema leads in a circle: it describes a value by itself")
			return
		}
	}
}

// sameValue lists the schemas that describe the value of a schema too.
func (e *effective) sameValue(node map[string]any) []any {
	out := slices.Concat(listOf(node["allOf"]), listOf(node["anyOf"]), listOf(node["oneOf"]), []any{node["if"], node["then"], node["else"], node["not"]})
	if ref, ok := node["$ref"].(string); ok {
		target, _ := LookupRef(e.root, ref)
		out = append(out, target)
	}
	dependent, _ := node["dependentSchemas"].(map[string]any)
	return slices.AppendSeq(out, maps.Values(dependent))
}

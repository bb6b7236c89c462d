package plan_test

import (
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
)

// generator makes random schemas and values of a small world, in which they meet.
type generator struct {
	*rand.Rand
	defs []string
}

func (g generator) name() string { return []string{"a", "b", "c"}[g.IntN(3)] }

func (g generator) small() any {
	return []any{nil, true, false, int64(0), int64(1), int64(2), int64(3), 1.5, 0.5, "", "a", "b", "ab", "abc", []any{}, map[string]any{}}[g.IntN(16)]
}

// value is one of a few levels.
func (g generator) value(depth int) any {
	if depth > 0 && g.IntN(3) == 0 {
		out := map[string]any{}
		for range g.IntN(3) {
			out[g.name()] = g.value(depth - 1)
		}
		return out
	}
	if depth > 0 && g.IntN(4) == 0 {
		out := []any{}
		for range g.IntN(4) {
			out = append(out, g.value(depth-1))
		}
		return out
	}
	return g.small()
}

// model is a whole schema with definitions.
func (g generator) model() map[string]any {
	out := map[string]any{"type": "object", "properties": g.properties(3)}
	if g.IntN(3) == 0 {
		out["required"] = []any{g.name()}
	}
	if g.IntN(4) == 0 {
		out["additionalProperties"] = g.schema(1)
	}
	if g.IntN(4) == 0 {
		out["allOf"] = []any{g.schema(2)}
	}
	defs := map[string]any{}
	for _, d := range g.defs {
		defs[d] = g.schema(2)
	}
	out["$defs"] = defs
	return out
}

func (g generator) properties(depth int) map[string]any {
	out := map[string]any{}
	for range 1 + g.IntN(3) {
		out[g.name()] = g.schema(depth - 1)
	}
	return out
}

func (g generator) list(depth int) []any {
	var out []any
	for range 1 + g.IntN(2) {
		out = append(out, g.schema(depth-1))
	}
	return out
}

// schema is one with a few keywords.
func (g generator) schema(depth int) any {
	if g.IntN(25) == 0 {
		return g.IntN(3) > 0
	}
	out := map[string]any{}
	for range 1 + g.IntN(3) {
		g.keyword(out, depth)
	}
	return out
}

func (g generator) keyword(out map[string]any, depth int) {
	n := int64(g.IntN(3))
	simple := []func(){
		func() {
			out["type"] = []any{"null", "boolean", "integer", "number", "string", "object", "array"}[g.IntN(7)]
		},
		func() {
			out["type"] = []any{[]any{"string", "null"}, []any{"integer", "string"}, []any{"number", "null"}}[g.IntN(3)]
		},
		func() { out["enum"] = []any{g.small(), g.small(), g.small()} },
		func() { out["const"] = g.small() },
		func() { out["minimum"] = []any{n, 0.5}[g.IntN(2)] },
		func() { out["maximum"] = n + 1 },
		func() { out["exclusiveMinimum"] = []any{n, 1.5}[g.IntN(2)] },
		func() { out["exclusiveMaximum"] = n + 1 },
		func() { out["multipleOf"] = []any{int64(1), int64(2), 0.5}[n] },
		func() { out["minLength"] = n },
		func() { out["maxLength"] = n },
		func() { out["pattern"] = []string{"^a", "b$", "^ab"}[n] },
		func() { out["minItems"] = n },
		func() { out["maxItems"] = n },
		func() { out["uniqueItems"] = true },
		func() { out["required"] = []any{g.name()} },
		func() { out["dependentRequired"] = map[string]any{g.name(): []any{g.name()}} },
		func() { out["minProperties"] = n },
		func() { out["maxProperties"] = n },
		func() { out["additionalProperties"] = g.IntN(2) == 0 },
		func() { out["description"] = "d" },
		func() { out["type"], out["default"] = "integer", n },
		func() { out["type"], out["default"] = "string", "a" },
	}
	if depth <= 0 || g.IntN(3) == 0 {
		simple[g.IntN(len(simple))]()
		return
	}
	nested := []func(){
		func() { out["properties"] = g.properties(depth) },
		func() { out["type"], out["properties"] = "object", g.properties(depth) },
		func() { out["items"] = g.schema(depth - 1) },
		func() { out["prefixItems"] = g.list(depth) },
		func() { out["contains"] = g.schema(depth - 1) },
		func() { out["contains"], out["minContains"] = g.schema(depth-1), n },
		func() { out["contains"], out["maxContains"] = g.schema(depth-1), n+1 },
		func() { out["additionalProperties"] = g.schema(depth - 1) },
		func() { out["unevaluatedProperties"] = g.IntN(2) == 0 },
		func() { out["patternProperties"] = map[string]any{[]string{"^a", "b"}[n%2]: g.schema(depth - 1)} },
		func() { out["propertyNames"] = map[string]any{"enum": []any{g.name(), g.name()}} },
		func() { out["dependentSchemas"] = map[string]any{g.name(): g.schema(depth - 1)} },
		func() { out["allOf"] = g.list(depth) },
		func() { out["anyOf"] = g.list(depth) },
		func() { out["oneOf"] = g.list(depth) },
		func() { out["not"] = g.schema(depth - 1) },
		func() { out["if"], out["then"] = g.schema(depth-1), g.schema(depth-1) },
		func() { out["if"], out["else"] = g.schema(depth-1), g.schema(depth-1) },
		func() { out["$ref"] = "#/$defs/" + g.defs[g.IntN(len(g.defs))] },
		func() { out["unevaluatedItems"] = g.IntN(2) == 0 },
	}
	nested[g.IntN(len(nested))]()
}

// mutated is a copy of a schema with a change somewhere.
func (g generator) mutated(v map[string]any) map[string]any {
	out := jsonpatch.Clone(v).(map[string]any)
	var nodes []map[string]any
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			nodes = append(nodes, v)
			for _, k := range sortedKeys(v) {
				if k != "enum" && k != "const" && k != "dependentRequired" {
					walk(v[k])
				}
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(out)
	node := nodes[g.IntN(len(nodes))]
	keys := sortedKeys(node)
	switch {
	case len(keys) > 0 && g.IntN(3) == 0:
		k := keys[g.IntN(len(keys))]
		if k != "$defs" && k != "d" && k != "e" {
			delete(node, k)
		}
	case len(keys) > 0 && g.IntN(3) == 0:
		k := keys[g.IntN(len(keys))]
		switch x := node[k].(type) {
		case int64:
			node[k] = max(x+int64(g.IntN(3))-1, 0)
		case []any:
			if k == "anyOf" || k == "oneOf" || k == "allOf" {
				node[k] = append(x, g.schema(1))
			} else if k == "enum" {
				node[k] = append(x, g.small())
			}
		}
	default:
		if isSchema(node) {
			g.keyword(node, 2)
		} else {
			node[g.name()] = g.schema(1) // a property more
		}
	}
	return out
}

// isSchema tells a schema from an object of properties.
func isSchema(node map[string]any) bool {
	for _, k := range []string{"a", "b", "c", "d", "e", "^a"} {
		if _, ok := node[k]; ok {
			return false
		}
	}
	return true
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

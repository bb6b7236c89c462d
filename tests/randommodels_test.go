package tests_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// A randomModel is a model with everything that a schema can nest, and documents
// that fit it.
type randomModel struct {
	name   string
	schema map[string]any
	index  []string
	refs   map[string]any
	make   func() (sent, kept any) // a document as it is written, and as it is read then
	files  map[string]string       // digest -> content of all binaries that were made
	r      *rand.Rand
}

// piece is a schema and what makes values of it.
type piece struct {
	schema map[string]any
	make   func() (sent, kept any)
}

// randomModelOf is the model of a seed.
func randomModelOf(seed uint64, name string) *randomModel {
	g := &randomModel{name: name, index: []string{}, r: rand.New(rand.NewPCG(seed, 14)), files: map[string]string{}, refs: map[string]any{}}
	object := g.object(3, "")
	owner := piece{map[string]any{"type": []any{"string", "null"}}, func() (any, any) {
		if g.r.IntN(3) == 0 {
			return nil, nil
		}
		id := fmt.Sprintf("target%d", g.r.IntN(3))
		return id, id
	}}
	props := object.schema["properties"].(map[string]any)
	props["owner"] = owner.schema
	g.refs["owner"] = map[string]any{"type": "targets", "onDelete": []any{"restrict", "cascade", "set_null", "dangling"}[g.r.IntN(4)]}
	object.schema["$defs"] = map[string]any{
		"file": map[string]any{"x-binary": map[string]any{"maxBytes": 1000}}, "alias": ref("file"),
		"holder": map[string]any{"type": "object", "properties": map[string]any{"file": ref("alias"), "note": map[string]any{"type": "string", "default": "none"}}},
		"tree": map[string]any{"type": "object", "properties": map[string]any{"file": ref("file"), "label": map[string]any{"type": "string"},
			"children": map[string]any{"type": "array", "items": ref("tree")}}},
	}
	g.schema = object.schema
	g.make = func() (any, any) {
		sent, kept := object.make()
		s, k := owner.make()
		sent.(map[string]any)["owner"], kept.(map[string]any)["owner"] = s, k
		return sent, kept
	}
	return g
}

func ref(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }

// text is the model file.
func (g *randomModel) text() string {
	b, err := json.Marshal(map[string]any{"name": g.name, "schema": g.schema, "index": g.index, "refs": g.refs})
	if err != nil {
		panic(err)
	}
	return string(b)
}

var randomNames = []string{"a", "b", "c d", "é", "@type", "1st", "x-y", "AND", "null", "Название"}

// object makes one of up to four properties; path is where it is, "-" when
// nothing in it can be indexed.
func (g *randomModel) object(depth int, path string) piece {
	props, required := map[string]any{}, []any{}
	parts := map[string]piece{}
	for range 1 + g.r.IntN(4) {
		name := randomNames[g.r.IntN(len(randomNames))]
		if parts[name].make != nil {
			continue
		}
		at := "-"
		if path != "-" {
			at = strings.TrimPrefix(path+"."+name, ".")
		}
		parts[name] = g.value(depth, at)
		props[name] = parts[name].schema
		if g.r.IntN(3) == 0 {
			required = append(required, name)
		}
	}
	names := slices.Sorted(maps.Keys(parts))
	return piece{map[string]any{"type": "object", "properties": props, "required": required}, func() (any, any) {
		sent, kept := map[string]any{}, map[string]any{}
		for _, name := range names {
			if !slices.Contains(required, any(name)) && g.r.IntN(4) == 0 {
				if d, ok := props[name].(map[string]any)["default"]; ok {
					kept[name] = d
				}
				continue
			}
			sent[name], kept[name] = parts[name].make()
		}
		return sent, kept
	}}
}

// value makes a piece of any kind.
func (g *randomModel) value(depth int, path string) piece {
	if depth == 0 {
		return g.scalar(path)
	}
	switch g.r.IntN(13) {
	case 0:
		return g.object(depth-1, path)
	case 1: // a list of values that can be indexed
		return g.list(g.scalar(path), "items")
	case 2:
		return g.list(g.list(g.value(depth-1, "-"), "items"), "items")
	case 3:
		return g.mapOf(g.value(depth-1, "-"), "")
	case 4:
		return g.mapOf(g.value(depth-1, "-"), "patternProperties")
	case 5:
		return g.mapOf(g.value(depth-1, "-"), "unevaluatedProperties")
	case 6:
		x := g.scalar(path)
		return piece{map[string]any{"anyOf": []any{x.schema, map[string]any{"type": "null"}}}, func() (any, any) {
			if g.r.IntN(3) == 0 {
				return nil, nil
			}
			return x.make()
		}}
	case 7:
		return g.forms(depth)
	case 8:
		return piece{map[string]any{"x-binary": map[string]any{"contentTypes": []any{"text/*"}}}, g.binary}
	case 9:
		return piece{ref("alias"), g.binary}
	case 10:
		return piece{ref("holder"), g.holder}
	case 11:
		return piece{ref("tree"), func() (any, any) { return g.tree(2) }}
	}
	return g.scalar(path)
}

func (g *randomModel) holder() (any, any) {
	if g.r.IntN(3) == 0 {
		return map[string]any{}, map[string]any{"note": "none"}
	}
	s, k := g.binary()
	return map[string]any{"file": s}, map[string]any{"file": k, "note": "none"}
}

func (g *randomModel) tree(depth int) (any, any) {
	sent, kept := map[string]any{"label": "l"}, map[string]any{"label": "l"}
	if g.r.IntN(2) == 0 {
		sent["file"], kept["file"] = g.binary()
	}
	if depth > 0 {
		s, k := g.tree(depth - 1)
		sent["children"], kept["children"] = []any{s}, []any{k}
	}
	return sent, kept
}

// forms makes one of two, told apart by a constant.
func (g *randomModel) forms(depth int) piece {
	var forms []any
	var parts []piece
	for _, kind := range []string{"one", "two"} {
		x := g.object(depth-1, "-")
		x.schema["properties"].(map[string]any)["kind"] = map[string]any{"const": kind}
		x.schema["required"] = append(x.schema["required"].([]any), "kind")
		forms = append(forms, x.schema)
		parts = append(parts, piece{nil, func() (any, any) {
			s, k := x.make()
			s.(map[string]any)["kind"], k.(map[string]any)["kind"] = kind, kind
			return s, k
		}})
	}
	// Which form holds is not known before it is complete, so there are no defaults
	// in it: the parts must not leave anything to them.
	for _, f := range forms {
		dropDefaults(f)
	}
	return piece{map[string]any{"oneOf": forms}, func() (any, any) {
		s, k := parts[g.r.IntN(2)].make()
		return s, withoutDefaults(s, k)
	}}
}

// dropDefaults takes the defaults out of a schema.
func dropDefaults(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "default")
		for _, x := range v {
			dropDefaults(x)
		}
	case []any:
		for _, x := range v {
			dropDefaults(x)
		}
	}
}

// withoutDefaults leaves out of what is kept what was not sent, but for the parts
// of a binary.
func withoutDefaults(sent, kept any) any {
	switch k := kept.(type) {
	case map[string]any:
		s, _ := sent.(map[string]any)
		out := map[string]any{}
		for name, x := range k {
			if _, given := s[name]; given {
				out[name] = withoutDefaults(s[name], x)
			} else if k["digest"] != nil {
				out[name] = x
			}
		}
		return out
	case []any:
		s, _ := sent.([]any)
		out := make([]any, len(k))
		for i := range k {
			out[i] = withoutDefaults(s[i], k[i])
		}
		return out
	}
	return kept
}

func (g *randomModel) list(x piece, keyword string) piece {
	return piece{map[string]any{"type": "array", keyword: x.schema}, func() (any, any) {
		sent, kept := []any{}, []any{}
		for range g.r.IntN(4) {
			s, k := x.make()
			sent, kept = append(sent, s), append(kept, k)
		}
		return sent, kept
	}}
}

func (g *randomModel) mapOf(x piece, keyword string) piece {
	schema := map[string]any{"type": "object"}
	switch keyword {
	case "patternProperties":
		schema[keyword] = map[string]any{"^k\\d$": x.schema}
	case "unevaluatedProperties":
		schema["allOf"] = []any{map[string]any{"properties": map[string]any{"known": map[string]any{"type": "string"}}}}
		schema[keyword] = x.schema
	default:
		schema["additionalProperties"] = x.schema
	}
	return piece{schema, func() (any, any) {
		sent, kept := map[string]any{}, map[string]any{}
		for i := range g.r.IntN(3) {
			name := fmt.Sprintf("k%d", i)
			sent[name], kept[name] = x.make()
		}
		return sent, kept
	}}
}

// binary makes one, by content.
func (g *randomModel) binary() (any, any) {
	text := fmt.Sprintf("file %d of %s", g.r.IntN(1000), g.name)
	digest := digestOf([]byte(text))
	g.files[digest] = text
	return map[string]any{"base64": base64.StdEncoding.EncodeToString([]byte(text))},
		map[string]any{"digest": digest, "size": int64(len(text)), "content_type": "text/plain; charset=utf-8"}
}

// scalar makes a value of one kind, of few, so that several documents have it.
func (g *randomModel) scalar(path string) piece {
	var values []any
	schema := map[string]any{}
	switch g.r.IntN(5) {
	case 0:
		schema["type"] = "string"
		values = []any{"", "x", "é\"'`\\%_", "会社", "a b\n"}
	case 1:
		schema["type"] = "integer"
		values = []any{int64(0), int64(-7), int64(9007199254740993), int64(9223372036854775807)}
	case 2:
		schema["type"] = "number"
		values = []any{int64(1), 0.5, -2.25, 1e300, 1e-7}
	case 3:
		schema["type"] = "boolean"
		values = []any{true, false}
	case 4:
		schema["type"], schema["format"] = "string", "date-time"
		values = []any{"2026-11-27T12:00:00Z", "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"}
	}
	if path != "-" && g.r.IntN(4) > 0 && !slices.Contains(g.index, path) {
		g.index = append(g.index, path)
	}
	if g.r.IntN(4) == 0 {
		schema["default"] = values[len(values)-1]
	}
	return piece{schema, func() (any, any) {
		v := values[g.r.IntN(len(values))]
		return v, v
	}}
}

// filterFor is a filter that finds the documents with a value.
func filterFor(path string, v any, inList bool) string {
	names := strings.Split(path, ".")
	for i, n := range names {
		names[i] = "`" + n + "`"
	}
	field := strings.Join(names, ".")
	switch {
	case v == nil:
		return "isNull(" + field + ")"
	case inList:
		return field + ":" + literal(v)
	}
	return field + " = " + literal(v)
}

func literal(v any) string { return string(model.AppendCanonical(nil, v)) }

// valuesAt gives the values at a path of a document, and whether it leads to a list.
func valuesAt(doc any, names []string) (values []any, list bool) {
	for _, n := range names {
		m, ok := doc.(map[string]any)
		if !ok {
			return nil, false
		}
		doc = m[n]
	}
	if l, ok := doc.([]any); ok {
		return l, true
	}
	return []any{doc}, false
}

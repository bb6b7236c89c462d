package model

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Defaults returns a copy of a document in which missing properties have the
// default of their schema, also inside objects and list elements. Neither the
// document nor the type shares memory with it.
func (t *Type) Defaults(tree any) any {
	tree = CloneTree(tree)
	if t.filler != nil {
		t.filler.fill(tree)
	}
	return tree
}

// CloneTree copies a decoded document, down to its values.
func CloneTree(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v)+2)
		for k, x := range v {
			m[k] = CloneTree(x)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = CloneTree(x)
		}
		return list
	}
	return v
}

// filler is what one schema says about defaults.
type filler struct {
	properties []fillerProperty // by name
	patterns   []fillerPattern
	others     *filler   // of properties that the two above do not name
	rest       *filler   // unevaluatedProperties
	first      []*filler // prefixItems
	elements   *filler   // after those
	left       *filler   // unevaluatedItems
	also       []*filler // schemas of the same value
	guess      bool      // others may describe it too, which no default depends on
}

type fillerPattern struct {
	re     *regexp.Regexp
	inside *filler
}

type fillerProperty struct {
	name    string
	has     bool
	value   any // complete: its own missing parts are filled in
	inside  *filler
	pointer string // of the default, in the schema
}

func (f *filler) fill(v any) {
	switch v := v.(type) {
	case map[string]any:
		for i := range f.properties {
			p := &f.properties[i]
			if x, ok := v[p.name]; ok {
				p.inside.fill(x)
			} else if p.has {
				v[p.name] = CloneTree(p.value)
			}
		}
		if f.hasMaps() {
			for name, x := range v {
				f.eachOther(name, func(inside *filler) { inside.fill(x) })
			}
		}
	case []any:
		for i, x := range v {
			if inside := f.element(i); inside != nil {
				inside.fill(x)
			}
		}
	}
	for _, x := range f.also {
		x.fill(v)
	}
}

func (f *filler) hasMaps() bool { return len(f.patterns) > 0 || f.others != nil || f.rest != nil }

// eachOther calls fn with the schemas of a property beside those of its name.
func (f *filler) eachOther(name string, fn func(*filler)) {
	known := f.names(name)
	for _, x := range f.patterns {
		if x.re.MatchString(name) {
			known = true
			fn(x.inside)
		}
	}
	switch {
	case known:
	case f.others != nil:
		fn(f.others)
	case f.rest != nil && !slices.ContainsFunc(f.also, func(x *filler) bool { return x.describes(name) }):
		fn(f.rest)
	}
}

func (f *filler) names(name string) bool {
	_, ok := slices.BinarySearchFunc(f.properties, name, func(p fillerProperty, name string) int { return strings.Compare(p.name, name) })
	return ok
}

// describes reports whether a property is described by more than
// unevaluatedProperties, as far as can be known without its value.
func (f *filler) describes(name string) bool {
	return f.guess || f.names(name) || f.others != nil ||
		slices.ContainsFunc(f.patterns, func(x fillerPattern) bool { return x.re.MatchString(name) }) ||
		slices.ContainsFunc(f.also, func(x *filler) bool { return x.describes(name) })
}

func (f *filler) element(i int) *filler {
	switch {
	case i < len(f.first):
		return f.first[i]
	case f.elements != nil:
		return f.elements
	case f.left != nil && !slices.ContainsFunc(f.also, func(x *filler) bool { return x.guess || x.element(i) != nil }):
		return f.left
	}
	return nil
}

var errEndlessDefault = errors.New("a default that holds itself")

// complete fills in the defaults inside a default that is not complete yet.
func (f *filler) complete(v any, depth int) (any, error) {
	if depth > MaxJSONDepth {
		return nil, errEndlessDefault
	}
	var err error
	switch v := v.(type) {
	case map[string]any:
		for _, p := range f.properties {
			x, ok := v[p.name]
			if !ok && p.has {
				x, ok = CloneTree(p.value), true
			}
			if ok {
				if v[p.name], err = p.inside.complete(x, depth+1); err != nil {
					return nil, err
				}
			}
		}
		if f.hasMaps() {
			for _, name := range slices.Sorted(maps.Keys(v)) {
				f.eachOther(name, func(inside *filler) {
					if err == nil {
						v[name], err = inside.complete(v[name], depth+1)
					}
				})
			}
			if err != nil {
				return nil, err
			}
		}
	case []any:
		for i, x := range v {
			if inside := f.element(i); inside != nil {
				if v[i], err = inside.complete(x, depth+1); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, x := range f.also {
		if v, err = x.complete(v, depth+1); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// fillers builds the filler of each schema once; schemas may refer to
// themselves.
type fillers struct {
	root   map[string]any
	byPath map[string]*filler
	any    bool
}

func (b *fillers) build(v any, pointer string) *filler {
	if f, ok := b.byPath[pointer]; ok {
		return f
	}
	f := &filler{}
	b.byPath[pointer] = f
	node, _ := v.(map[string]any)
	props, _ := node["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(props)) {
		at := PointerTo(pointer+"/properties", name)
		p := fillerProperty{name: name, inside: b.build(props[name], at)}
		p.value, p.pointer, p.has = b.defaultOf(props[name], at, 0)
		b.any = b.any || p.has
		f.properties = append(f.properties, p)
	}
	b.buildOthers(f, node, pointer)
	if ref, ok := node["$ref"].(string); ok {
		if target, ok := LookupRef(b.root, ref); ok {
			f.also = append(f.also, b.build(target, ref[1:]))
		}
	}
	for i, x := range listOf(node["allOf"]) {
		f.also = append(f.also, b.build(x, PointerTo(pointer+"/allOf", i)))
	}
	// Of alternatives only one that stands alone beside null is certain.
	for _, k := range []string{"anyOf", "oneOf"} {
		only := -1
		for i, x := range listOf(node[k]) {
			if (shapes{b.root}).kinds(x, 0) == nulls {
				continue
			}
			if only >= 0 {
				only = -1
				break
			}
			only = i
		}
		f.guess = f.guess || only < 0 && len(listOf(node[k])) > 0
		if only >= 0 {
			f.also = append(f.also, b.build(listOf(node[k])[only], PointerTo(pointer+"/"+k, only)))
		}
	}
	return f
}

// buildOthers adds what is said of properties without a name and of elements.
func (b *fillers) buildOthers(f *filler, node map[string]any, pointer string) {
	f.guess = hasAny(node, "if", "dependentSchemas", "contains")
	patterns, _ := node["patternProperties"].(map[string]any)
	for _, expression := range slices.Sorted(maps.Keys(patterns)) {
		if re, err := compilePattern(expression); err == nil {
			f.patterns = append(f.patterns, fillerPattern{re, b.build(patterns[expression], PointerTo(pointer+"/patternProperties", expression))})
		}
	}
	for i, x := range listOf(node["prefixItems"]) {
		f.first = append(f.first, b.build(x, PointerTo(pointer+"/prefixItems", i)))
	}
	one := func(key string) *filler {
		if _, ok := node[key]; !ok {
			return nil
		}
		return b.build(node[key], PointerTo(pointer, key))
	}
	f.others, f.elements = one("additionalProperties"), one("items")
	if !hasAny(node, "if", "anyOf", "oneOf", "dependentSchemas", "contains") { // certain to be left over
		f.rest, f.left = one("unevaluatedProperties"), one("unevaluatedItems")
	}
}

// defaultOf is the default of a schema or of the one it refers to.
func (b *fillers) defaultOf(v any, pointer string, depth int) (any, string, bool) {
	node, ok := v.(map[string]any)
	if !ok || depth > 16 {
		return nil, "", false
	}
	if d, ok := node["default"]; ok {
		return d, pointer, true
	}
	if ref, ok := node["$ref"].(string); ok {
		if target, ok := LookupRef(b.root, ref); ok {
			return b.defaultOf(target, ref[1:], depth+1)
		}
	}
	return nil, "", false
}

// compileDefaults makes the filler and checks that every default fits.
func (t *Type) compileDefaults(c *jsonschema.Compiler, p *Problems) {
	b := &fillers{root: t.tree, byPath: map[string]*filler{}}
	root := b.build(t.tree, "")
	if !b.any {
		return
	}
	complete := map[*fillerProperty]any{}
	for _, at := range slices.Sorted(maps.Keys(b.byPath)) {
		f := b.byPath[at]
		for i := range f.properties {
			if prop := &f.properties[i]; prop.has {
				complete[prop] = t.checkDefault(c, prop, p)
			}
		}
	}
	for prop, v := range complete {
		prop.value = v
	}
	t.filler = root
}

func (t *Type) checkDefault(c *jsonschema.Compiler, prop *fillerProperty, p *Problems) any {
	at := "/schema" + prop.pointer + "/default"
	v, err := prop.inside.complete(CloneTree(prop.value), 0)
	if err != nil {
		p.Add(at, "schema: the default of %q never ends: %v", prop.name, err)
		return nil
	}
	schema, err := compileAt(c, prop.pointer)
	if err != nil {
		p.Add(at, "schema: the default of %q cannot be checked: %v", prop.name, err)
		return nil
	}
	var failed *jsonschema.ValidationError
	if errors.As(schema.Validate(v), &failed) {
		for _, f := range explain(failed, t.properties, t.tree) {
			if f.Pointer != "" {
				f.Pointer += " "
			}
			p.Add(at, "schema: the default of %q does not fit: %s%s", prop.name, f.Pointer, f.Detail)
		}
	}
	return v
}

package openapi

import (
	"net/url"
	"slices"
	"strings"
)

// placed makes components of a schema: one for itself and one for each of its
// definitions, wherever they are, since generators take what is inside a
// component for members of it. The references lead to where things are then.
func (n *namer) placed(name string, schema any) object {
	p := placing{namer: n, name: name, moved: map[string]string{}}
	p.find(schema, "")
	out := object{{name, schema}}
	out = append(out, p.found...)
	for _, c := range out {
		eachSchema(c.value, p.point)
	}
	return out
}

// placing is the moving of one schema's definitions.
type placing struct {
	*namer
	name  string
	moved map[string]string // pointer -> component
	found object
}

// find takes the definitions out of a schema that is at a pointer.
func (p *placing) find(v any, at string) {
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			p.find(x, at+"/"+itoa(i))
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			m, isMap := v[k].(map[string]any)
			switch {
			case valueKeywords[k]:
			case isMap && (k == "$defs" || k == "definitions"):
				for _, def := range sortedKeys(m) {
					here := at + "/" + k + pointerToKey(def)
					component := p.namer.name(p.name + orElse(pascal(def), "Part"))
					p.moved[here] = component
					p.find(m[def], here)
					p.found = append(p.found, member{component, m[def]})
				}
				delete(v, k)
			case isMap && mapKeywords[k]:
				for _, name := range sortedKeys(m) {
					p.find(m[name], at+"/"+k+pointerToKey(name))
				}
			default:
				p.find(v[k], at+"/"+k)
			}
		}
	}
}

// point makes a reference lead to where its target was moved.
func (p *placing) point(schema map[string]any) {
	ref, ok := schema["$ref"].(string)
	if !ok || !strings.HasPrefix(ref, "#") || strings.HasPrefix(ref, "#/components/") {
		return
	}
	pointer, err := url.PathUnescape(ref[1:])
	if err != nil {
		pointer = ref[1:]
	}
	component, rest := p.name, pointer
	for _, here := range sortedByLength(p.moved) {
		if below, ok := strings.CutPrefix(pointer, here); ok && (below == "" || below[0] == '/') {
			component, rest = p.moved[here], below
			break
		}
	}
	schema["$ref"] = "#/components/schemas/" + component + (&url.URL{Path: rest}).EscapedPath()
}

// sortedByLength lists the keys, the longest first.
func sortedByLength(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return keys
}

// used leaves out the components that nothing refers to, from the operations on.
func used(components, paths object) object {
	byRef := map[string]any{}
	for _, kind := range components {
		for _, c := range kind.value.(object) {
			byRef["#/components/"+kind.key+"/"+c.key] = c.value
		}
	}
	seen := map[string]bool{}
	var walk func(v any)
	follow := func(v any) {
		ref, _ := v.(string)
		parts := strings.SplitN(ref, "/", 5)
		if len(parts) < 4 {
			return
		}
		if ref = strings.Join(parts[:4], "/"); !seen[ref] {
			seen[ref] = true
			walk(byRef[ref])
		}
	}
	walk = func(v any) {
		switch v := v.(type) {
		case object:
			for _, m := range v {
				if m.key == "$ref" {
					follow(m.value)
				}
				walk(m.value)
			}
		case map[string]any:
			for k, x := range v {
				if k == "$ref" {
					follow(x)
				}
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(paths)
	var out object
	for _, kind := range components {
		kept := object{}
		for _, c := range kind.value.(object) {
			if kind.key == "securitySchemes" || seen["#/components/"+kind.key+"/"+c.key] {
				kept = append(kept, c)
			}
		}
		out = append(out, member{kind.key, kept})
	}
	return out
}

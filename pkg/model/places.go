package model

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
)

// places finds the binaries of a document by walking it with its schema: a
// value is at a place of a binary when any schema that describes it, however it
// got there, says x-binary. Alternatives all count, so nothing that may be a
// binary is overlooked; which of them holds is for the validator to say.
type places struct {
	root   map[string]any
	mark   func(node map[string]any) (Binaries, bool) // what is looked for
	byNode map[uintptr]*placeNode
	start  *placeNode
}

// placeNode is what one schema says of the inside of its values.
type placeNode struct {
	binary     bool     // it is what is looked for
	spec       Binaries // of a binary
	reaches    bool     // it or something inside of it is a binary
	properties map[string]*placeNode
	patterns   []patternPlace
	others     *placeNode // of properties that the two above do not name
	rest       *placeNode // unevaluatedProperties
	first      []*placeNode
	elements   *placeNode   // after the first ones
	left       *placeNode   // unevaluatedItems
	contains   *placeNode   // of any element
	also       []*placeNode // schemas that may describe the same value
	certain    []*placeNode // those of also that always do
}

type patternPlace struct {
	re     *regexp.Regexp
	inside *placeNode
}

// findPlaces returns nil when the schema holds no binary.
func findPlaces(root map[string]any) *places {
	return findMarked(root, func(node map[string]any) (Binaries, bool) {
		spec, ok := node["x-binary"]
		return binariesOf(spec), ok
	})
}

// findMarked is findPlaces for any mark of a schema.
func findMarked(root map[string]any, mark func(node map[string]any) (Binaries, bool)) *places {
	p := &places{root: root, mark: mark, byNode: map[uintptr]*placeNode{}}
	p.start = p.build(root)
	for changed := true; changed; { // schemas refer to themselves: until nothing is found any more
		changed = false
		for _, n := range p.byNode {
			if !n.reaches && (n.binary || slices.ContainsFunc(n.inside(), func(x *placeNode) bool { return x.reaches })) {
				n.reaches, changed = true, true
			}
		}
	}
	if !p.start.reaches {
		return nil
	}
	return p
}

// inside lists the nodes that a node leads to.
func (n *placeNode) inside() []*placeNode {
	out := slices.Collect(maps.Values(n.properties))
	for _, x := range n.patterns {
		out = append(out, x.inside)
	}
	for _, x := range []*placeNode{n.others, n.rest, n.elements, n.left, n.contains} {
		if x != nil {
			out = append(out, x)
		}
	}
	return append(append(out, n.first...), n.also...)
}

func (p *places) build(v any) *placeNode {
	node, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	id := reflect.ValueOf(node).Pointer()
	if n, ok := p.byNode[id]; ok {
		return n
	}
	n := &placeNode{properties: map[string]*placeNode{}}
	p.byNode[id] = n
	if spec, ok := p.mark(node); ok {
		n.binary, n.spec = true, spec
		return n
	}
	props, _ := node["properties"].(map[string]any)
	for name, x := range props {
		n.properties[name] = p.orNothing(x)
	}
	patterns, _ := node["patternProperties"].(map[string]any)
	for expression, x := range patterns {
		if re, err := compilePattern(expression); err == nil {
			n.patterns = append(n.patterns, patternPlace{re, p.orNothing(x)})
		}
	}
	n.others, n.rest = p.build(node["additionalProperties"]), p.build(node["unevaluatedProperties"])
	for _, x := range listOf(node["prefixItems"]) {
		n.first = append(n.first, p.orNothing(x))
	}
	n.elements, n.left, n.contains = p.build(node["items"]), p.build(node["unevaluatedItems"]), p.build(node["contains"])
	p.buildSame(n, node)
	return n
}

// buildSame adds the schemas of the same value.
func (p *places) buildSame(n *placeNode, node map[string]any) {
	add := func(v any, certain bool) {
		if x := p.build(v); x != nil {
			n.also = append(n.also, x)
			if certain {
				n.certain = append(n.certain, x)
			}
		}
	}
	if ref, ok := node["$ref"].(string); ok {
		target, _ := LookupRef(p.root, ref)
		add(target, true)
	}
	for _, x := range listOf(node["allOf"]) {
		add(x, true)
	}
	for _, k := range []string{"anyOf", "oneOf"} {
		for _, x := range listOf(node[k]) {
			add(x, false)
		}
	}
	for _, k := range []string{"if", "then", "else"} {
		add(node[k], false)
	}
	dependent, _ := node["dependentSchemas"].(map[string]any)
	for _, x := range dependent {
		add(x, false)
	}
}

var noPlace = &placeNode{}

// orNothing is build for what must not be missing: a name that is known.
func (p *places) orNothing(v any) *placeNode {
	if n := p.build(v); n != nil {
		return n
	}
	return noPlace
}

// describing gives the nodes and all that may describe the same value.
func describing(nodes []*placeNode) []*placeNode {
	out := make([]*placeNode, 0, len(nodes))
	var add func(n *placeNode)
	add = func(n *placeNode) {
		if n == nil || !n.reaches || slices.Contains(out, n) {
			return
		}
		out = append(out, n)
		for _, x := range n.also {
			add(x)
		}
	}
	for _, n := range nodes {
		add(n)
	}
	return out
}

// binaryVisit is given an object at a place of a binary; what it returns takes
// the object's place.
type binaryVisit func(at string, v map[string]any) (any, error)

// visit calls fn for each object of a document that is at a place of a binary.
func (p *places) visit(doc any, fn binaryVisit) error {
	if p == nil {
		return nil
	}
	_, err := visitPlaces([]*placeNode{p.start}, doc, "", fn)
	return err
}

func visitPlaces(nodes []*placeNode, v any, at string, fn binaryVisit) (any, error) {
	if nodes = describing(nodes); len(nodes) == 0 {
		return v, nil
	}
	switch x := v.(type) {
	case map[string]any:
		if slices.ContainsFunc(nodes, func(n *placeNode) bool { return n.binary }) && standsForBinary(x) {
			return fn(at, x)
		}
		for _, name := range slices.Sorted(maps.Keys(x)) {
			var inside []*placeNode
			for _, n := range nodes {
				inside = append(inside, n.property(name)...)
			}
			if len(inside) == 0 {
				continue
			}
			made, err := visitPlaces(inside, x[name], PointerTo(at, name), fn)
			if err != nil {
				return v, err
			}
			x[name] = made
		}
	case []any:
		for i := range x {
			var inside []*placeNode
			for _, n := range nodes {
				inside = append(inside, n.element(i)...)
			}
			if len(inside) == 0 {
				continue
			}
			made, err := visitPlaces(inside, x[i], at+"/"+strconv.Itoa(i), fn)
			if err != nil {
				return v, err
			}
			x[i] = made
		}
	}
	return v, nil
}

// standsForBinary reports whether an object is meant as one: an object of another
// form, where the schema allows one beside a binary, is not.
func standsForBinary(v map[string]any) bool {
	if _, inline := v["base64"]; inline {
		return true
	}
	_, ok := v["digest"]
	return ok
}

// property gives the schemas of a property.
func (n *placeNode) property(name string) (out []*placeNode) {
	known := false
	if x, ok := n.properties[name]; ok {
		out, known = append(out, x), true
	}
	for _, x := range n.patterns {
		if x.re.MatchString(name) {
			out, known = append(out, x.inside), true
		}
	}
	if !known && n.others != nil {
		out = append(out, n.others)
	}
	if n.rest != nil && !n.evaluates(name, 0) {
		out = append(out, n.rest)
	}
	return out
}

// evaluates reports whether a property is certainly described by more than
// unevaluatedProperties. When it is not certain, both count.
func (n *placeNode) evaluates(name string, depth int) bool {
	if _, ok := n.properties[name]; ok || n.others != nil || depth > 16 {
		return true
	}
	if slices.ContainsFunc(n.patterns, func(x patternPlace) bool { return x.re.MatchString(name) }) {
		return true
	}
	return slices.ContainsFunc(n.certain, func(x *placeNode) bool { return x.evaluates(name, depth+1) })
}

// element gives the schemas of an element of a list.
func (n *placeNode) element(i int) (out []*placeNode) {
	switch {
	case i < len(n.first):
		out = append(out, n.first[i])
	case n.elements != nil:
		out = append(out, n.elements)
	case n.left != nil:
		out = append(out, n.left)
	}
	if n.contains != nil {
		out = append(out, n.contains)
	}
	return out
}

// lists gives the schemas of any element of a list.
func (n *placeNode) lists() []*placeNode {
	return append(slices.Clone(n.first), n.elements, n.left, n.contains)
}

// maxDescribed bounds how much of a schema that refers to itself in many ways
// is described.
const maxDescribed = 1000

// describe lists the places by dotted path, lists left out, "*" for the names of
// a map; a schema that holds itself once.
func (p *places) describe() map[string]Binaries {
	if p == nil {
		return nil
	}
	out := map[string]Binaries{}
	under, steps := map[*placeNode]bool{}, 0
	var walk func(path string, n *placeNode)
	walk = func(path string, n *placeNode) {
		if steps++; n == nil || !n.reaches || under[n] || steps > maxDescribed {
			return
		}
		if n.binary {
			out[path] = n.spec
			return
		}
		under[n] = true
		defer delete(under, n)
		for _, name := range slices.Sorted(maps.Keys(n.properties)) {
			walk(dotted(path, name), n.properties[name])
		}
		for _, x := range n.patterns {
			walk(dotted(path, "*"), x.inside)
		}
		for _, x := range []*placeNode{n.others, n.rest} {
			walk(dotted(path, "*"), x)
		}
		for _, x := range slices.Concat(n.first, []*placeNode{n.elements, n.left, n.contains}, n.also) {
			walk(path, x)
		}
	}
	walk("", p.start)
	return out
}

// binariesOf reads what x-binary holds.
func binariesOf(spec any) Binaries {
	m, _ := spec.(map[string]any)
	b := Binaries{}
	b.MaxBytes, _ = m["maxBytes"].(int64)
	for _, x := range listOf(m["contentTypes"]) {
		s, _ := x.(string)
		b.ContentTypes = append(b.ContentTypes, s)
	}
	return b
}

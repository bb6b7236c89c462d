package plan

import (
	"maps"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// Widens reports whether every value that fits the old schema certainly fits the
// new one too. Both are effective schemas, as model.Type has them, decoded. When
// it is false the new one is not always narrower: only the data can tell.
func Widens(old, changed any) bool {
	w := widening{old: side{root: old}, new: side{root: changed}, budget: maxSteps, same: map[pair]bool{}, open: map[pair]bool{}}
	facts, possible := w.old.facts(old)
	return !possible || w.implies(facts, changed)
}

// The work that one comparison may take. What is not proved by then is left to the
// data.
const (
	maxSteps  = 50_000
	maxSplits = 4
)

// side is one of the two schemas.
type side struct{ root any }

// resolve follows a reference of a schema.
func (s side) resolve(ref string) any {
	root, _ := s.root.(map[string]any)
	target, ok := model.LookupRef(root, ref)
	if !ok {
		return nil
	}
	return target
}

// fact is a schema of the old side that a value is known to fit, its references
// and allOf being facts of their own.
type fact struct {
	node map[string]any
	// told are the alternatives (anyOf, oneOf, if) that were decided already.
	told []string
}

// facts are the schemas that a value which fits v fits. possible is false when no
// value does.
func (s side) facts(v any) (out []fact, possible bool) {
	node, ok := v.(map[string]any)
	if !ok {
		return nil, v != false
	}
	out = []fact{{node: node}}
	parts := slices.Clone(listOf(node["allOf"]))
	if ref, ok := node["$ref"].(string); ok {
		parts = append(parts, s.resolve(ref))
	}
	for _, p := range parts {
		more, possible := s.facts(p)
		if !possible {
			return nil, false
		}
		out = append(out, more...)
	}
	return out, true
}

// widening is one comparison. w.old is the side of the facts: for what a schema
// forbids (not) the sides change places.
type widening struct {
	old, new side
	budget   int
	splits   int
	same     map[pair]bool // pairs of references that are taken to be the same
	open     map[pair]bool // pairs of references whose comparison is under way
}

// pair are two references.
type pair struct{ old, new string }

// turned compares the other way round.
func (w *widening) turned() *widening {
	return &widening{old: w.new, new: w.old, budget: w.budget, splits: w.splits, same: map[pair]bool{}, open: map[pair]bool{}}
}

// reverse reports whether what fits a new schema certainly fits an old one.
func (w *widening) reverse(changed, old any) bool {
	t := w.turned()
	defer func() { w.budget = t.budget }()
	return t.schema(changed, old)
}

// schema reports whether what fits the schema old fits the schema n.
func (w *widening) schema(old, n any) bool {
	facts, possible := w.old.facts(old)
	return !possible || w.implies(facts, n)
}

// implies reports whether a value that all facts are true of fits n.
func (w *widening) implies(facts []fact, n any) bool {
	if w.budget--; w.budget < 0 {
		return false
	}
	node, ok := n.(map[string]any)
	if !ok {
		return n == true || typesOf(facts) == 0
	}
	if typesOf(facts) == 0 {
		return true
	}
	for _, f := range facts {
		if len(f.told) == 0 && w.equal(f.node, node) {
			return true
		}
	}
	ok = w.members(facts, node)
	return ok || w.split(facts, n)
}

// members looks at the keywords of a schema one by one.
func (w *widening) members(facts []fact, node map[string]any) bool {
	for _, k := range slices.Sorted(maps.Keys(node)) {
		if !w.keyword(facts, node, k) {
			return false
		}
	}
	return true
}

// keyword reports whether a value fits one keyword of a schema.
func (w *widening) keyword(facts []fact, node map[string]any, k string) bool {
	v := node[k]
	switch k {
	case "$ref":
		return w.reference(facts, v)
	case "type":
		return typesOf(facts)&^typesIn(v) == 0
	case "const", "enum":
		return within(facts, valuesIn(node, k))
	case "allOf":
		return !slices.ContainsFunc(listOf(v), func(x any) bool { return !w.implies(facts, x) })
	case "anyOf":
		return slices.ContainsFunc(listOf(v), func(x any) bool { return w.implies(facts, x) })
	case "oneOf":
		return w.oneOf(facts, listOf(v))
	case "not":
		return w.forbidden(facts, v)
	case "if", "then", "else":
		return k != "if" || w.conditional(facts, node)
	}
	if check, ok := scalarKeywords[k]; ok {
		return check(facts, v) || typesOf(facts)&scalarTypes[k] == 0
	}
	if check, ok := objectKeywords[k]; ok {
		return typesOf(facts)&objects == 0 || check(w, facts, node)
	}
	if check, ok := listKeywords[k]; ok {
		return typesOf(facts)&lists == 0 || check(w, facts, node)
	}
	return !slices.Contains(unsupported, k) // all others only describe
}

// unsupported keywords are of no schema of a model; where one is there after all,
// nothing is certain.
var unsupported = []string{"dependencies", "definitions", "additionalItems", "$dynamicRef", "$recursiveRef"}

// reference compares with what a reference leads to. A pair of references that is
// met again inside of its own comparison is about a part of the value, and holds
// if everything else does.
func (w *widening) reference(facts []fact, v any) bool {
	ref, _ := v.(string)
	target := w.new.resolve(ref)
	if target == nil {
		return false
	}
	for _, f := range facts {
		own, ok := f.node["$ref"].(string)
		if !ok {
			continue
		}
		p := pair{own, ref}
		if w.open[p] {
			return true
		}
		w.open[p] = true
		holds := w.schema(w.old.resolve(own), target)
		delete(w.open, p)
		if holds {
			return true
		}
	}
	return w.implies(facts, target)
}

// oneOf: exactly one has to fit. That at least one does says it where no value
// fits two; else the alternatives have to be the old ones.
func (w *widening) oneOf(facts []fact, alternatives []any) bool {
	for _, f := range facts {
		if w.sameAlternatives(listOf(f.node["oneOf"]), alternatives) {
			return true
		}
	}
	for i, a := range alternatives {
		for _, b := range alternatives[:i] {
			if !w.new.disjoint(a, b) {
				return false
			}
		}
	}
	return slices.ContainsFunc(alternatives, func(x any) bool { return w.implies(facts, x) })
}

// sameAlternatives reports whether two lists hold the same schemas, in any order.
func (w *widening) sameAlternatives(old, changed []any) bool {
	if len(old) == 0 || len(old) != len(changed) {
		return false
	}
	left := slices.Clone(changed)
	for _, o := range old {
		i := slices.IndexFunc(left, func(n any) bool { return w.equal(o, n) || w.schema(o, n) && w.reverse(n, o) })
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return true
}

// disjoint reports whether certainly no value fits both of two schemas.
func (s side) disjoint(a, b any) bool {
	fa, possible := s.facts(a)
	if !possible {
		return true
	}
	fb, possible := s.facts(b)
	return !possible || apart(slices.Concat(fa, fb), s)
}

// apart reports whether facts contradict each other: by type, by the values that
// are allowed, or by those of a property that is required.
func apart(facts []fact, s side) bool {
	if typesOf(facts) == 0 {
		return true
	}
	if typesOf(facts) != objects {
		return false
	}
	for _, name := range requiredIn(facts) {
		var about []fact
		for _, f := range facts {
			if x, ok := propertiesOf(f.node)[name]; ok {
				own, possible := s.facts(x)
				if !possible {
					return true
				}
				about = append(about, own...)
			}
		}
		if typesOf(about) == 0 {
			return true
		}
	}
	return false
}

// forbidden: what the new schema forbids was forbidden before, or cannot be.
func (w *widening) forbidden(facts []fact, n any) bool {
	for _, f := range facts {
		if old, ok := f.node["not"]; ok && w.reverse(n, old) {
			return true
		}
	}
	banned, possible := w.new.facts(n)
	return !possible || typesOf(slices.Concat(facts, banned)) == 0
}

// conditional compares if, then and else: the question has to be the same one.
func (w *widening) conditional(facts []fact, node map[string]any) bool {
	branch := func(of map[string]any, k string) any {
		if x, ok := of[k]; ok {
			return x
		}
		return true
	}
	then, otherwise := branch(node, "then"), branch(node, "else")
	if w.implies(facts, then) && w.implies(facts, otherwise) {
		return true
	}
	for _, f := range facts {
		question, ok := f.node["if"]
		if !ok || !w.equal(question, node["if"]) {
			continue
		}
		with := func(k string) bool {
			more, possible := w.old.facts(branch(f.node, k))
			return !possible || w.implies(slices.Concat(facts, more), node[k])
		}
		if (node["then"] == nil || with("then")) && (node["else"] == nil || with("else")) {
			return true
		}
	}
	return false
}

// split looks at each alternative of the facts by itself: each has to do.
func (w *widening) split(facts []fact, n any) bool {
	if w.splits >= maxSplits {
		return false
	}
	w.splits++
	defer func() { w.splits-- }()
	for i, f := range facts {
		for _, k := range []string{"anyOf", "oneOf"} {
			alternatives := listOf(f.node[k])
			if len(alternatives) == 0 || slices.Contains(f.told, k) {
				continue
			}
			if w.each(tell(facts, i, k), alternatives, n) {
				return true
			}
		}
		if _, ok := f.node["if"]; ok && !slices.Contains(f.told, "if") {
			then, otherwise := f.node["then"], f.node["else"]
			yes := map[string]any{"allOf": []any{f.node["if"], orTrue(then)}}
			if w.each(tell(facts, i, "if"), []any{yes, orTrue(otherwise)}, n) {
				return true
			}
		}
	}
	node, _ := n.(map[string]any)
	return (node["anyOf"] != nil || node["oneOf"] != nil || node["$ref"] != nil) && w.byType(facts, n)
}

func orTrue(v any) any {
	if v == nil {
		return true
	}
	return v
}

// tell notes that the alternatives k of one fact are decided.
func tell(facts []fact, i int, k string) []fact {
	out := slices.Clone(facts)
	out[i].told = append(slices.Clone(out[i].told), k)
	return out
}

// each reports whether a value fits n whichever alternative it has.
func (w *widening) each(facts []fact, alternatives []any, n any) bool {
	for _, a := range alternatives {
		more, possible := w.old.facts(a)
		if possible && !w.implies(slices.Concat(facts, more), n) {
			return false
		}
	}
	return true
}

// byType looks at the values of each type by themselves.
func (w *widening) byType(facts []fact, n any) bool {
	var names []any
	for _, t := range typeNames {
		if typesOf(facts)&t.types != 0 {
			names = append(names, map[string]any{"type": t.name})
		}
	}
	return len(names) > 1 && w.each(facts, names, n)
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

func propertiesOf(node map[string]any) map[string]any {
	m, _ := node["properties"].(map[string]any)
	return m
}

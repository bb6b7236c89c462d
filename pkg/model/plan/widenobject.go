package plan

import (
	"maps"
	"math/big"
	"slices"
)

// objectKeywords report whether an object that the facts are true of fits a keyword
// of a schema.
var objectKeywords map[string]func(w *widening, facts []fact, node map[string]any) bool

func init() { // they call each other
	objectKeywords = map[string]func(w *widening, facts []fact, node map[string]any) bool{
		"required":              (*widening).required,
		"dependentRequired":     (*widening).dependentRequired,
		"dependentSchemas":      (*widening).dependentSchemas,
		"properties":            (*widening).properties,
		"patternProperties":     (*widening).patternProperties,
		"additionalProperties":  (*widening).additional,
		"unevaluatedProperties": (*widening).unevaluated,
		"propertyNames":         (*widening).propertyNames,
	}
	listKeywords = map[string]func(w *widening, facts []fact, node map[string]any) bool{
		"prefixItems":      (*widening).prefixItems,
		"items":            (*widening).items,
		"contains":         (*widening).contains,
		"minContains":      func(*widening, []fact, map[string]any) bool { return true }, // of contains
		"maxContains":      func(*widening, []fact, map[string]any) bool { return true },
		"unevaluatedItems": func(*widening, []fact, map[string]any) bool { return false },
	}
}

// requiredIn are the properties that an object certainly has.
func requiredIn(facts []fact) (out []string) {
	for _, f := range facts {
		for _, x := range listOf(f.node["required"]) {
			if name, ok := x.(string); ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

func (w *widening) required(facts []fact, node map[string]any) bool {
	has := requiredIn(facts)
	return !slices.ContainsFunc(listOf(node["required"]), func(x any) bool {
		name, _ := x.(string)
		return !slices.Contains(has, name)
	})
}

func (w *widening) dependentRequired(facts []fact, node map[string]any) bool {
	wanted, _ := node["dependentRequired"].(map[string]any)
	has := requiredIn(facts)
	for name, list := range wanted {
		if _, possible := w.about(facts, name); !possible {
			continue
		}
		said := slices.Clone(has)
		for _, f := range facts {
			own, _ := f.node["dependentRequired"].(map[string]any)
			for _, x := range listOf(own[name]) {
				s, _ := x.(string)
				said = append(said, s)
			}
		}
		for _, x := range listOf(list) {
			if s, _ := x.(string); s != name && !slices.Contains(said, s) {
				return false
			}
		}
	}
	return true
}

func (w *widening) dependentSchemas(facts []fact, node map[string]any) bool {
	wanted, _ := node["dependentSchemas"].(map[string]any)
	for name, n := range wanted {
		if _, possible := w.about(facts, name); !possible {
			continue
		}
		all := slices.Clone(facts)
		possible := true
		for _, f := range facts {
			own, _ := f.node["dependentSchemas"].(map[string]any)
			if x, ok := own[name]; ok && possible {
				var more []fact
				more, possible = w.old.facts(x)
				all = append(all, more...)
			}
		}
		if possible && !w.implies(all, n) {
			return false
		}
	}
	return true
}

// about are the facts about a property of an object. possible is false when the
// object cannot have it.
func (w *widening) about(facts []fact, name string) (out []fact, possible bool) {
	for _, f := range facts {
		x, ok := propertiesOf(f.node)[name]
		if !ok {
			if x, ok = rest(f.node); !ok {
				if w.old.closed(f.node, name) {
					return nil, false
				}
				continue
			}
		}
		own, possible := w.old.facts(x)
		if !possible {
			return nil, false
		}
		out = append(out, own...)
	}
	return out, true
}

// rest is the schema of the properties that a schema does not name, where that is
// certain: no pattern could have taken one.
func rest(node map[string]any) (any, bool) {
	if patterns, _ := node["patternProperties"].(map[string]any); len(patterns) > 0 {
		return nil, false
	}
	x, ok := node["additionalProperties"]
	return x, ok
}

// closed reports whether unevaluatedProperties forbids a name.
func (s side) closed(node map[string]any, name string) bool {
	if node["unevaluatedProperties"] != false {
		return false
	}
	names := named{names: map[string]any{}, patterns: map[string]any{}}
	return s.names(node, &names, true, 0) && len(names.patterns) == 0 && names.names[name] == nil
}

// named are the properties that schemas of one value speak of.
type named struct{ names, patterns map[string]any }

// names gathers the properties that a schema, and all others of the same value,
// speak of. With every, those count that hold on a condition too. It is false when
// the names are not bounded: some schema takes any.
func (s side) names(v any, out *named, every bool, depth int) bool {
	node, ok := v.(map[string]any)
	if !ok {
		return v != nil || !every
	}
	if depth > 16 { // what is not looked into counts against the claim
		return !every
	}
	maps.Copy(out.names, nonNil(propertiesOf(node)))
	patterns, _ := node["patternProperties"].(map[string]any)
	maps.Copy(out.patterns, nonNil(patterns))
	bounded := true
	if x, ok := node["additionalProperties"]; ok && x != false {
		bounded = false
	}
	if x, ok := node["unevaluatedProperties"]; ok && x != false && depth > 0 {
		bounded = false
	}
	parts := slices.Clone(listOf(node["allOf"]))
	if ref, ok := node["$ref"].(string); ok {
		parts = append(parts, s.resolve(ref))
	}
	if every {
		parts = append(parts, listOf(node["anyOf"])...)
		parts = append(parts, listOf(node["oneOf"])...)
		for _, k := range []string{"if", "then", "else"} {
			if x, ok := node[k]; ok {
				parts = append(parts, x)
			}
		}
		dependent, _ := node["dependentSchemas"].(map[string]any)
		parts = slices.AppendSeq(parts, maps.Values(dependent))
	}
	for _, p := range parts {
		bounded = s.names(p, out, every, depth+1) && bounded
	}
	return bounded
}

// nonNil stands for every schema by something that is not nil.
func nonNil(m map[string]any) map[string]any {
	out := map[string]any{}
	for k := range m {
		out[k] = true
	}
	return out
}

func (w *widening) properties(facts []fact, node map[string]any) bool {
	for name, n := range propertiesOf(node) {
		about, possible := w.about(facts, name)
		if possible && !w.implies(about, n) {
			return false
		}
	}
	return true
}

// others are the facts about the properties that no fact names, and the names that
// one does. open is false when there can be no others.
func (w *widening) others(facts []fact) (about []fact, open bool, names, patterns map[string]any) {
	names, patterns, open = map[string]any{}, map[string]any{}, true
	for _, f := range facts {
		maps.Copy(names, nonNil(propertiesOf(f.node)))
		own, _ := f.node["patternProperties"].(map[string]any)
		maps.Copy(patterns, own)
		if f.node["additionalProperties"] == false {
			open = false
		}
		if x, ok := rest(f.node); ok && open {
			var more []fact
			if more, ok = w.old.facts(x); !ok {
				open = false
			}
			about = append(about, more...)
		}
		if f.node["unevaluatedProperties"] == false {
			all := named{names: map[string]any{}, patterns: map[string]any{}}
			if w.old.names(f.node, &all, true, 0) {
				open = false
				maps.Copy(names, all.names)
				for p := range all.patterns {
					if patterns[p] == nil {
						patterns[p] = true
					}
				}
			}
		}
	}
	return about, open, names, patterns
}

// patternProperties: what a pattern may match is not looked into, so every property
// of the old side has to fit, but for those of the same pattern.
func (w *widening) patternProperties(facts []fact, node map[string]any) bool {
	about, open, names, patterns := w.others(facts)
	wanted, _ := node["patternProperties"].(map[string]any)
	for pattern, n := range wanted {
		if slices.ContainsFunc(facts, func(f fact) bool {
			own, _ := f.node["patternProperties"].(map[string]any)
			x, ok := own[pattern]
			return ok && w.schema(x, n)
		}) {
			continue
		}
		if open && !w.implies(about, n) || !w.all(facts, names, patterns, n) {
			return false
		}
	}
	return true
}

// all reports whether the named properties of the old side fit a schema.
func (w *widening) all(facts []fact, names, patterns map[string]any, n any) bool {
	for name := range names {
		about, possible := w.about(facts, name)
		if possible && !w.implies(about, n) {
			return false
		}
	}
	for _, x := range patterns {
		if !w.schema(x, n) {
			return false
		}
	}
	return true
}

// additional: whatever the new schema does not name fits what it says of the rest.
func (w *widening) additional(facts []fact, node map[string]any) bool {
	n := node["additionalProperties"]
	if n == true {
		return true
	}
	about, open, names, patterns := w.others(facts)
	for name := range propertiesOf(node) {
		delete(names, name)
	}
	taken, _ := node["patternProperties"].(map[string]any)
	for pattern := range taken {
		delete(patterns, pattern)
	}
	return (!open || w.implies(about, n)) && w.all(facts, names, patterns, n)
}

// evaluated gathers the properties that a schema of the new side certainly speaks of:
// in all that a value has to fit, and in the alternatives that it does fit. It is
// false when some schema takes every property.
func (w *widening) evaluated(facts []fact, node map[string]any, out *named) bool {
	bounded := w.new.names(node, out, false, 0)
	for _, k := range []string{"anyOf", "oneOf"} {
		for _, x := range listOf(node[k]) {
			if alternative, ok := x.(map[string]any); ok && w.implies(facts, x) {
				bounded = w.new.names(alternative, out, false, 1) && bounded
			}
		}
	}
	return bounded
}

// unevaluated: every name that the old side allows is one that the new schema
// certainly speaks of.
func (w *widening) unevaluated(facts []fact, node map[string]any) bool {
	n := node["unevaluatedProperties"]
	if n == true {
		return true
	}
	known := named{names: map[string]any{}, patterns: map[string]any{}}
	if !w.evaluated(facts, node, &known) {
		return true // some schema takes every property
	}
	about, open, names, patterns := w.others(facts)
	for name := range known.names {
		delete(names, name)
	}
	for pattern := range known.patterns {
		delete(patterns, pattern)
	}
	return (!open || w.implies(about, n)) && w.all(facts, names, patterns, n)
}

func (w *widening) propertyNames(facts []fact, node map[string]any) bool {
	n := node["propertyNames"]
	for _, f := range facts {
		if own, ok := f.node["propertyNames"]; ok && w.schema(own, n) {
			return true
		}
	}
	_, open, names, patterns := w.others(facts)
	if open || len(patterns) > 0 {
		about := []fact{{node: map[string]any{"type": "string"}}}
		return w.implies(about, n)
	}
	for name := range names {
		if !w.implies([]fact{{node: map[string]any{"const": name}}}, n) {
			return false
		}
	}
	return true
}

// listKeywords do the same for lists.
var listKeywords map[string]func(w *widening, facts []fact, node map[string]any) bool

// element are the facts about one element of a list.
func (w *widening) element(facts []fact, i int) (out []fact, possible bool) {
	for _, f := range facts {
		prefix := listOf(f.node["prefixItems"])
		var x any = true
		if i < len(prefix) {
			x = prefix[i]
		} else if items, ok := f.node["items"]; ok {
			x = items
		}
		own, possible := w.old.facts(x)
		if !possible || !room(f.node, i) {
			return nil, false
		}
		out = append(out, own...)
	}
	return out, true
}

// room reports whether a list may have an element at i.
func room(node map[string]any, i int) bool {
	most := number(node["maxItems"])
	return most == nil || most.Cmp(new(big.Rat).SetInt64(int64(i))) > 0
}

func (w *widening) prefixItems(facts []fact, node map[string]any) bool {
	for i, n := range listOf(node["prefixItems"]) {
		about, possible := w.element(facts, i)
		if possible && !w.implies(about, n) {
			return false
		}
	}
	return true
}

func (w *widening) items(facts []fact, node map[string]any) bool {
	from, through := len(listOf(node["prefixItems"])), 0
	for _, f := range facts {
		through = max(through, len(listOf(f.node["prefixItems"])))
	}
	for i := from; i <= max(from, through); i++ { // the last one stands for all after it
		about, possible := w.element(facts, i)
		if possible && !w.implies(about, node["items"]) {
			return false
		}
	}
	return true
}

func (w *widening) contains(facts []fact, node map[string]any) bool {
	n, least, most := contained(node)
	if least.Sign() == 0 && most == nil {
		return true
	}
	for _, f := range facts {
		own, atLeast, atMost := contained(f.node)
		if own == nil {
			continue
		}
		enough := least.Cmp(atLeast) <= 0 && w.schema(own, n)
		few := most == nil || atMost != nil && atMost.Cmp(most) <= 0 && w.reverse(n, own)
		if enough && few {
			return true
		}
	}
	return false
}

// contained reads contains and how often it has to fit; most is nil for any number.
func contained(node map[string]any) (schema any, least, most *big.Rat) {
	least = big.NewRat(1, 1)
	if n := number(node["minContains"]); n != nil {
		least = n
	}
	return node["contains"], least, number(node["maxContains"])
}

package plan

import (
	"math/big"
	"slices"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
)

// types is a set of what a value may be. Numbers are whole or not: an integer is a
// number without a fraction.
type types uint8

const (
	nulls types = 1 << iota
	booleans
	wholes
	fractions
	texts
	objects
	lists

	everything = nulls | booleans | wholes | fractions | texts | objects | lists
	numbers    = wholes | fractions
)

var typeNames = []struct {
	name  string
	types types
}{{"null", nulls}, {"boolean", booleans}, {"integer", wholes}, {"number", numbers}, {"string", texts}, {"object", objects}, {"array", lists}}

// typesIn reads the keyword type.
func typesIn(v any) (out types) {
	for _, x := range append(slices.Clone(listOf(v)), v) {
		for _, t := range typeNames {
			if x == t.name {
				out |= t.types
			}
		}
	}
	return out
}

// typeOf is that of one value.
func typeOf(v any) types {
	switch v := v.(type) {
	case nil:
		return nulls
	case bool:
		return booleans
	case int64:
		return wholes
	case float64:
		if r := number(v); r != nil && r.IsInt() {
			return wholes
		}
		return fractions
	case string:
		return texts
	case []any:
		return lists
	}
	return objects
}

// typesOf are those of a value that all facts are true of; none: there is none.
func typesOf(facts []fact) types {
	out := everything
	for _, f := range facts {
		if v, ok := f.node["type"]; ok {
			out &= typesIn(v)
		}
	}
	if values, ok := valuesOf(facts); ok {
		var of types
		for _, v := range values {
			of |= typeOf(v)
		}
		out &= of
	}
	return out
}

// valuesIn are the values that const or enum allows.
func valuesIn(node map[string]any, k string) []any {
	if k == "const" {
		return []any{node["const"]}
	}
	return listOf(node["enum"])
}

// valuesOf are all that a value may be, where the facts name them.
func valuesOf(facts []fact) (out []any, ok bool) {
	for _, f := range facts {
		for _, k := range []string{"const", "enum"} {
			if _, has := f.node[k]; !has {
				continue
			}
			values := valuesIn(f.node, k)
			if !ok {
				out, ok = values, true
				continue
			}
			out = slices.DeleteFunc(slices.Clone(out), func(v any) bool { return !contains(values, v) })
		}
	}
	if !ok {
		return nil, false
	}
	of := everything
	for _, f := range facts {
		if v, has := f.node["type"]; has {
			of &= typesIn(v)
		}
	}
	return slices.DeleteFunc(slices.Clone(out), func(v any) bool { return typeOf(v)&of == 0 }), true
}

func contains(values []any, v any) bool {
	return slices.ContainsFunc(values, func(x any) bool { return jsonpatch.Equal(x, v) })
}

// within reports whether the facts allow only the given values.
func within(facts []fact, allowed []any) bool {
	values, ok := valuesOf(facts)
	if !ok {
		left := typesOf(facts)
		if contains(allowed, nil) {
			left &^= nulls
		}
		if contains(allowed, true) && contains(allowed, false) {
			left &^= booleans
		}
		return left == 0
	}
	return !slices.ContainsFunc(values, func(v any) bool { return !contains(allowed, v) })
}

// number is a number of a document, exactly; nil: it is none.
func number(v any) *big.Rat {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case float64:
		return new(big.Rat).SetFloat64(v)
	}
	return nil
}

// scalarTypes are what a keyword is about; values of other types pass it by.
var scalarTypes = map[string]types{
	"minimum": numbers, "exclusiveMinimum": numbers, "maximum": numbers, "exclusiveMaximum": numbers, "multipleOf": numbers,
	"minLength": texts, "maxLength": texts, "pattern": texts, "format": texts,
	"minItems": lists, "maxItems": lists, "uniqueItems": lists, "minProperties": objects, "maxProperties": objects,
}

// scalarKeywords report whether facts say what a keyword does.
var scalarKeywords = map[string]func(facts []fact, v any) bool{
	"minimum":          func(facts []fact, v any) bool { return bounded(facts, v, lower, false) },
	"exclusiveMinimum": func(facts []fact, v any) bool { return bounded(facts, v, lower, true) },
	"maximum":          func(facts []fact, v any) bool { return bounded(facts, v, upper, false) },
	"exclusiveMaximum": func(facts []fact, v any) bool { return bounded(facts, v, upper, true) },
	"multipleOf":       multiple,
	"minLength":        func(facts []fact, v any) bool { return lengthy(facts, v) || atLeast(facts, "minLength", v) },
	"maxLength":        func(facts []fact, v any) bool { return brief(facts, v) || atMost(facts, "maxLength", v) },
	"pattern":          func(facts []fact, v any) bool { return said(facts, "pattern", v) },
	"format":           func(facts []fact, v any) bool { return said(facts, "format", v) },
	"minItems":         func(facts []fact, v any) bool { return atLeast(facts, "minItems", v) },
	"maxItems":         func(facts []fact, v any) bool { return atMost(facts, "maxItems", v) },
	"uniqueItems": func(facts []fact, v any) bool {
		return v != true || said(facts, "uniqueItems", true) || atMost(facts, "maxItems", int64(1))
	},
	"minProperties": func(facts []fact, v any) bool {
		least := number(v)
		return least != nil && least.Cmp(new(big.Rat).SetInt64(int64(len(requiredIn(facts))))) <= 0 || atLeast(facts, "minProperties", v)
	},
	"maxProperties": func(facts []fact, v any) bool { return atMost(facts, "maxProperties", v) },
}

// said reports whether a fact has the keyword with that very value.
func said(facts []fact, k string, v any) bool {
	return slices.ContainsFunc(facts, func(f fact) bool {
		own, ok := f.node[k]
		return ok && jsonpatch.Equal(own, v)
	})
}

func atLeast(facts []fact, k string, v any) bool {
	least := number(v)
	return least != nil && (least.Sign() <= 0 || slices.ContainsFunc(facts, func(f fact) bool {
		own := number(f.node[k])
		return own != nil && own.Cmp(least) >= 0
	}))
}

func atMost(facts []fact, k string, v any) bool {
	most := number(v)
	return most != nil && slices.ContainsFunc(facts, func(f fact) bool {
		own := number(f.node[k])
		return own != nil && own.Cmp(most) <= 0
	})
}

// lengthy and brief look at the values, where the facts name them.
func lengthy(facts []fact, v any) bool {
	return textsFit(facts, v, func(n int, want *big.Rat) bool { return new(big.Rat).SetInt64(int64(n)).Cmp(want) >= 0 })
}

func brief(facts []fact, v any) bool {
	return textsFit(facts, v, func(n int, want *big.Rat) bool { return new(big.Rat).SetInt64(int64(n)).Cmp(want) <= 0 })
}

func textsFit(facts []fact, v any, fits func(n int, want *big.Rat) bool) bool {
	want := number(v)
	values, ok := valuesOf(facts)
	return ok && want != nil && !slices.ContainsFunc(values, func(x any) bool {
		s, isText := x.(string)
		return isText && !fits(utf8.RuneCountInString(s), want)
	})
}

// direction says which end of the numbers a bound is of.
type direction struct {
	inclusive, exclusive string
	sign                 int // of what is further inside
}

var (
	lower = direction{"minimum", "exclusiveMinimum", 1}
	upper = direction{"maximum", "exclusiveMaximum", -1}
)

// bounded reports whether every number that the facts allow is at least as far
// inside as the bound, and inside of it when it is strict.
func bounded(facts []fact, v any, d direction, strict bool) bool {
	want := number(v)
	if want == nil {
		return false
	}
	inside := func(got *big.Rat, past bool) bool {
		c := got.Cmp(want) * d.sign
		return c > 0 || c == 0 && (past || !strict)
	}
	if values, ok := valuesOf(facts); ok {
		return !slices.ContainsFunc(values, func(x any) bool { n := number(x); return n != nil && !inside(n, false) })
	}
	whole := typesOf(facts)&fractions == 0
	for _, f := range facts {
		if n := number(f.node[d.inclusive]); n != nil && inside(next(n, d, whole, false), false) {
			return true
		}
		if n := number(f.node[d.exclusive]); n != nil && inside(next(n, d, whole, true), !whole) {
			return true
		}
	}
	return false
}

// next is the outermost number within a bound: for whole numbers the whole one.
func next(n *big.Rat, d direction, whole, strict bool) *big.Rat {
	if !whole {
		return n
	}
	floor := new(big.Int).Div(n.Num(), n.Denom()) // Euclidean, the denominator is positive
	switch {
	case !n.IsInt() && d.sign > 0, n.IsInt() && strict && d.sign > 0:
		floor.Add(floor, big.NewInt(1))
	case n.IsInt() && strict:
		floor.Sub(floor, big.NewInt(1))
	}
	return new(big.Rat).SetInt(floor)
}

func multiple(facts []fact, v any) bool {
	of := number(v)
	if of == nil || of.Sign() == 0 {
		return false
	}
	divides := func(n *big.Rat) bool { return new(big.Rat).Quo(n, of).IsInt() }
	if values, ok := valuesOf(facts); ok {
		return !slices.ContainsFunc(values, func(x any) bool { n := number(x); return n != nil && !divides(n) })
	}
	if typesOf(facts)&fractions == 0 && divides(big.NewRat(1, 1)) {
		return true
	}
	return slices.ContainsFunc(facts, func(f fact) bool {
		n := number(f.node["multipleOf"])
		return n != nil && divides(n)
	})
}

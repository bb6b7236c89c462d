package sqlrender

import (
	"math"

	"github.com/autocrud-go/autocrud/pkg/query"
)

type verdict uint8

const (
	depends  verdict = iota // on the row
	isAlways                // true of every value that is there
	isNever                 // false of every value that is there
)

// exact rewrites a comparison with a number so that the constant has the type
// of the column. Databases convert one side when the types differ, and lose
// digits above 2^53; here nothing is lost.
func exact(kind query.Kind, op query.Op, v query.Value) (query.Op, query.Value, verdict) {
	switch x := v.(type) {
	case float64:
		if kind == query.Integer {
			return floatToInteger(op, x)
		}
	case int64:
		if kind == query.Number {
			return integerToFloat(op, x)
		}
	}
	return op, v, depends
}

func floatToInteger(op query.Op, f float64) (query.Op, query.Value, verdict) {
	switch {
	case f >= 1<<63:
		return op, nil, outside(op, query.Less, query.LessEqual)
	case f < -1<<63:
		return op, nil, outside(op, query.Greater, query.GreaterEqual)
	}
	floor := math.Floor(f)
	if floor == f {
		return op, int64(f), depends
	}
	return between(op, int64(floor), int64(floor)+1)
}

func integerToFloat(op query.Op, i int64) (query.Op, query.Value, verdict) {
	f := float64(i)
	switch {
	case f < 1<<63 && int64(f) == i:
		return op, f, depends
	case f >= 1<<63 || int64(f) > i:
		return between(op, math.Nextafter(f, math.Inf(-1)), f)
	}
	return between(op, f, math.Nextafter(f, math.Inf(1)))
}

// outside decides a comparison with a constant beyond all values of the
// column; the operators given are then true.
func outside(op, a, b query.Op) verdict {
	if op == a || op == b || op == query.NotEqual {
		return isAlways
	}
	return isNever
}

// between decides a comparison with a constant that lies between two
// neighbours of the column's type.
func between(op query.Op, low, high query.Value) (query.Op, query.Value, verdict) {
	switch op {
	case query.Less, query.LessEqual:
		return query.LessEqual, low, depends
	case query.Greater, query.GreaterEqual:
		return query.GreaterEqual, high, depends
	case query.NotEqual:
		return op, nil, isAlways
	}
	return op, nil, isNever
}

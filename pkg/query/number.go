package query

import (
	"math"
	"strconv"
	"strings"
)

// A constant has the values of what it is compared with. A field of kind
// Number holds 64-bit floating point numbers, so a constant beside it is the
// nearest of them, as the stored value was: a number that is too long to be
// kept exactly equals itself. A field of kind Integer holds exact integers, so
// a constant beside it is exact, whatever it looks like.

// nearest is an integer as a field of kind Number holds it.
func nearest(i int64) Value {
	f := float64(i)
	if f < 1<<63 && int64(f) == i {
		return i
	}
	return f
}

// Rounds reports whether an integer is compared with a floating point number.
func (e CompareFields) Rounds() bool {
	left, _ := subject{field: e.Left, via: e.LeftVia}.kind()
	right, _ := subject{field: e.Right, via: e.RightVia}.kind()
	return left != right
}

func asFloat(v Value) Value {
	if i, ok := v.(int64); ok {
		return float64(i)
	}
	return v
}

// Any integer is on the same side of these.
var (
	aboveAll   = float64(1 << 63)
	belowAll   = math.Nextafter(-1<<63, math.Inf(-1))
	noneEquals = 0.5
)

// integerBound writes "x op text", x being an integer of 64 bits, with a
// constant that compares exactly; nearest is text as a float.
func integerBound(op Op, text string, nearest float64) (Op, Value) {
	digits, exp, neg := decimal(text)
	whole, sign := "0", ""
	if neg {
		sign = "-"
	}
	switch {
	case exp >= 0 && len(digits)+exp <= 19:
		whole = digits + strings.Repeat("0", exp)
	case exp >= 0:
		return op, beyond(neg, nearest)
	case len(digits)+exp > 19:
		return op, beyond(neg, nearest)
	case len(digits)+exp > 0:
		whole = digits[:len(digits)+exp]
	}
	i, err := strconv.ParseInt(sign+orZero(whole), 10, 64)
	switch {
	case err != nil:
		return op, beyond(neg, nearest)
	case exp >= 0:
		return op, i
	case math.Trunc(nearest) != nearest: // it lies between the same integers
		return op, nearest
	case op == Equal || op == NotEqual:
		return op, noneEquals
	case neg && (op == Less || op == LessEqual): // i is the integer above
		return Less, i
	case neg:
		return GreaterEqual, i
	case op == Less || op == LessEqual: // i is the integer below
		return LessEqual, i
	}
	return Greater, i
}

func orZero(digits string) string {
	if digits == "" {
		return "0"
	}
	return digits
}

func beyond(neg bool, nearest float64) Value {
	if neg {
		return min(nearest, belowAll)
	}
	return max(nearest, aboveAll)
}

// maxExponent is larger than that of any number a document can hold.
const maxExponent = 1 << 20

// decimal splits a JSON number into its significant digits, without leading or
// trailing zeros, and the power of ten they are multiplied with.
func decimal(text string) (digits string, exp int, neg bool) {
	text, neg = strings.CutPrefix(text, "-")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		var err error
		if exp, err = strconv.Atoi(text[i+1:]); err != nil || exp > maxExponent || exp < -maxExponent {
			exp = maxExponent
			if text[i+1] == '-' {
				exp = -maxExponent
			}
		}
		text = text[:i]
	}
	if i := strings.IndexByte(text, '.'); i >= 0 {
		exp -= len(text) - i - 1
		text = text[:i] + text[i+1:]
	}
	digits = strings.TrimRight(text, "0")
	exp += len(text) - len(digits)
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		exp = 0
	}
	return digits, exp, neg
}

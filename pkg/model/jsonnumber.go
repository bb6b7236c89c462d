package model

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

func (d *decoder) digits() int {
	start := d.i
	for d.i < len(d.s) && d.s[d.i] >= '0' && d.s[d.i] <= '9' {
		d.i++
	}
	return d.i - start
}

func (d *decoder) number() (any, error) {
	start := d.i
	if d.s[d.i] == '-' {
		d.i++
	}
	first := d.i
	n := d.digits()
	if n == 0 {
		return nil, d.unexpected("a digit")
	}
	if n > 1 && d.s[first] == '0' {
		d.i = first
		return nil, d.fail("a number must not begin with 0")
	}
	whole := true
	if d.i < len(d.s) && d.s[d.i] == '.' {
		whole = false
		d.i++
		if d.digits() == 0 {
			return nil, d.unexpected("a digit")
		}
	}
	if d.i < len(d.s) && (d.s[d.i] == 'e' || d.s[d.i] == 'E') {
		whole = false
		d.i++
		if d.i < len(d.s) && (d.s[d.i] == '+' || d.s[d.i] == '-') {
			d.i++
		}
		if d.digits() == 0 {
			return nil, d.unexpected("a digit")
		}
	}
	text := d.s[start:d.i]
	if whole {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			return v, nil
		}
	} else if v, ok := integral(text); ok {
		return v, nil
	}
	if d.exact && (whole || rounds(text)) {
		d.refuse("must fit a signed 64-bit integer, or be written with an exponent")
		return nil, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) || math.IsInf(f, 0) {
		d.refuse("is beyond the range of a 64-bit floating point number")
		return nil, nil
	}
	if err != nil {
		return nil, d.fail("bad number")
	}
	// A fraction too small for float64 leaves an integer behind, which must
	// read the same when it is written again.
	if !whole && f == math.Trunc(f) && math.Abs(f) < 1<<63 && !integralText(text) {
		return int64(f), nil
	}
	return f, nil
}

// integral gives the exact value of a number with a fraction or an exponent
// when that is an integer that fits.
func integral(text string) (int64, bool) {
	digits, zeros, neg, ok := decimal(text)
	if !ok || zeros < 0 || len(digits)+zeros > 19 {
		return 0, false
	}
	if digits == "" {
		return 0, true
	}
	if neg {
		digits = "-" + digits
	}
	v, err := strconv.ParseInt(digits+strings.Repeat("0", zeros), 10, 64)
	return v, err == nil
}

// rounds reports whether a number with a fraction or an exponent is an integer
// beyond 64 bits all of whose digits were meant: more than any float64 tells.
func rounds(text string) bool {
	digits, zeros, _, ok := decimal(text)
	return ok && zeros >= 0 && len(digits) > 17
}

// integralText reports whether the exact value is an integer of any size.
func integralText(text string) bool {
	_, zeros, _, ok := decimal(text)
	return ok && zeros >= 0
}

// decimal splits a number into its significant digits, without leading or
// trailing zeros, and the power of ten they are multiplied with. It gives up
// on exponents that no finite number but zero can have.
func decimal(text string) (digits string, zeros int, neg, ok bool) {
	text, neg = strings.CutPrefix(text, "-")
	exp := 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		var err error
		if exp, err = strconv.Atoi(text[i+1:]); err != nil || exp > 1<<30 || exp < -1<<30 {
			mantissa := strings.Trim(text[:i], "0.")
			return "", 0, neg, mantissa == ""
		}
		text = text[:i]
	}
	if i := strings.IndexByte(text, '.'); i >= 0 {
		exp -= len(text) - i - 1
		text = text[:i] + text[i+1:]
	}
	digits = strings.TrimRight(text, "0")
	exp += len(text) - len(digits)
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		exp = 0
	}
	return digits, exp, neg, true
}

package model

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// AppendCanonical appends v as canonical JSON: keys in the order of their
// bytes, no white space, no escape that is not needed, the shortest number
// that reads back. Equal values have equal text, and DecodeJSON gives the
// value back. It takes what DecodeJSON returns and int; any other type and a
// number that is not finite is a defect of the caller and panics.
func AppendCanonical(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return appendString(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case float64:
		return appendFloat(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, x := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendCanonical(dst, x)
		}
		return append(dst, ']')
	case map[string]any:
		return appendObject(dst, v)
	}
	panic(fmt.Sprintf("resource: %T is no JSON value", v))
}

func appendObject(dst []byte, m map[string]any) []byte {
	var few [16]string // most objects are small: no allocation for their keys
	keys := few[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, k)
		dst = append(dst, ':')
		dst = AppendCanonical(dst, m[k])
	}
	return append(dst, '}')
}

func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		panic(fmt.Sprintf("resource: %v is no JSON number", f))
	}
	if f == 0 {
		return append(dst, '0') // also for -0
	}
	// Beyond the integers an exponent tells that it is none.
	if a := math.Abs(f); a >= 1e-6 && a < 1<<63 {
		if f == math.Trunc(f) {
			return strconv.AppendInt(dst, int64(f), 10)
		}
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// e-07 is written e-7, as in other programs.
	if i := bytes.IndexByte(dst[start:], 'e') + start; dst[i+2] == '0' {
		dst = append(dst[:i+2], dst[i+3:]...)
	}
	return dst
}

const hexDigits = "0123456789abcdef"

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// EqualJSON reports whether two values are the same JSON: 1 and 1.0 are.
func EqualJSON(a, b any) bool {
	return reflect.DeepEqual(a, b) || bytes.Equal(AppendCanonical(nil, a), AppendCanonical(nil, b))
}

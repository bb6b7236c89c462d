package jsonpatch

import "math"

// Merge is RFC 7396: what the patch makes of a document. Neither is changed,
// and the result may share memory with both.
func Merge(doc, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	old, _ := doc.(map[string]any)
	out := make(map[string]any, len(old)+len(p))
	for k, v := range old {
		out[k] = v
	}
	for k, v := range p {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = Merge(out[k], v)
		}
	}
	return out
}

// Clone is a copy that shares no memory that can be changed.
func Clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = Clone(x)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = Clone(x)
		}
		return list
	}
	return v
}

// Equal compares as RFC 6902 section 4.6 says: numbers by value, objects without
// order.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, x := range a {
			y, ok := b[k]
			if !ok || !Equal(x, y) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case int64:
		if f, ok := b.(float64); ok {
			return sameNumber(a, f)
		}
	case float64:
		if i, ok := b.(int64); ok {
			return sameNumber(i, a)
		}
	}
	return a == b
}

// sameNumber compares without rounding.
func sameNumber(i int64, f float64) bool {
	return f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63 && int64(f) == i
}

// size is how many bytes a value has as JSON, about; it stops counting beyond
// most.
func size(v any, most int) int {
	n := 8
	switch v := v.(type) {
	case string:
		n = len(v) + 2
	case map[string]any:
		n = 2
		for k, x := range v {
			if n > most {
				break
			}
			n += len(k) + 4 + size(x, most-n)
		}
	case []any:
		n = 2
		for _, x := range v {
			if n > most {
				break
			}
			n += 1 + size(x, most-n)
		}
	}
	return n
}

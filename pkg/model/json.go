package model

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// The limits of one JSON document.
const (
	MaxJSONDepth  = 64      // objects and lists inside each other
	MaxJSONValues = 100_000 // values of any kind, containers included
)

// DecodeJSON reads one JSON text (RFC 8259) strictly into map[string]any,
// []any, string, int64, float64, bool and nil. A number whose value is
// integral and fits becomes an int64, however it is written; every other one a
// float64.
//
// Broken, empty or trailing JSON, duplicate keys, text that is not Unicode and
// documents over the limits are an *Error with code invalid_request that tells
// the position. What is JSON but cannot be kept, the character NUL and numbers
// beyond float64, is validation_failed with a pointer.
//
// It is for stored documents. DecodeInput reads what a client sends.
func DecodeJSON(b []byte) (any, error) { return decodeJSON(b, false) }

// DecodeInput is DecodeJSON for what comes from outside: an integer that does not
// fit 64 bits is validation_failed too, wherever it is, for it would be rounded.
// With an exponent, 1e19, it is a floating-point number.
func DecodeInput(b []byte) (any, error) { return decodeJSON(b, true) }

func decodeJSON(b []byte, exact bool) (any, error) {
	d := decoder{s: string(b), exact: exact} // one copy; strings without escapes are parts of it
	if !utf8.ValidString(d.s) {
		for d.i < len(d.s) {
			r, n := utf8.DecodeRuneInString(d.s[d.i:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			d.i += n
		}
		return nil, d.fail("text is not valid UTF-8")
	}
	if strings.HasPrefix(d.s, "\uFEFF") {
		return nil, d.fail("a byte order mark is not allowed")
	}
	d.space()
	if d.i == len(d.s) {
		return nil, d.fail("the document is empty")
	}
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	d.space()
	if d.i < len(d.s) {
		return nil, d.fail("unexpected text after the end of the document")
	}
	if len(d.unkept) > 0 {
		return nil, &fault.Error{Code: fault.ValidationFailed, Detail: "the document holds values that cannot be stored", Fields: d.unkept}
	}
	return v, nil
}

type decoder struct {
	s      string
	i      int
	values int
	depth  int
	exact  bool
	path   [MaxJSONDepth]jsonStep
	// unkept collects the reasons for a 422. They count only when the whole
	// text turns out to be JSON: a 400 comes first.
	unkept []fault.FieldError
}

// jsonStep is one level of the place being read: a key, or an index when inList.
type jsonStep struct {
	key    string
	index  int
	inList bool
}

func (d *decoder) fail(reason string) error {
	at := min(d.i, len(d.s))
	line := 1 + strings.Count(d.s[:at], "\n")
	column := at - strings.LastIndexByte(d.s[:at], '\n')
	return fault.Errorf(fault.InvalidRequest, "invalid JSON at byte %d (line %d, column %d): %s", at, line, column, reason)
}

func (d *decoder) refuse(detail string) {
	if len(d.unkept) < MaxFieldErrors {
		d.unkept = append(d.unkept, fault.FieldError{Pointer: d.pointer(), Detail: detail})
	}
}

func (d *decoder) pointer() string {
	var b []byte
	for _, s := range d.path[:d.depth] {
		b = append(b, '/')
		if s.inList {
			b = strconv.AppendInt(b, int64(s.index), 10)
		} else {
			b = append(b, EscapePointer(s.key)...)
		}
	}
	return string(b)
}

func (d *decoder) space() {
	for d.i < len(d.s) {
		switch d.s[d.i] {
		case ' ', '\t', '\n', '\r':
			d.i++
		default:
			return
		}
	}
}

func (d *decoder) value() (any, error) {
	if d.values++; d.values > MaxJSONValues {
		return nil, d.fail("more than 100,000 values")
	}
	if d.i >= len(d.s) {
		return nil, d.fail("the document ends too early")
	}
	switch c := d.s[d.i]; {
	case c == '"':
		s, nul, err := d.string()
		if nul {
			d.refuse("must not hold the character NUL (U+0000)")
		}
		return s, err
	case c == '{':
		return d.object()
	case c == '[':
		return d.list()
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	rest := d.s[d.i:]
	switch {
	case strings.HasPrefix(rest, "true"):
		d.i += 4
		return true, nil
	case strings.HasPrefix(rest, "false"):
		d.i += 5
		return false, nil
	case strings.HasPrefix(rest, "null"):
		d.i += 4
		return nil, nil
	}
	return nil, d.unexpected("a value")
}

func (d *decoder) unexpected(want string) error {
	if d.i >= len(d.s) {
		return d.fail("the document ends too early")
	}
	r, _ := utf8.DecodeRuneInString(d.s[d.i:])
	return d.fail("unexpected " + strconv.QuoteRune(r) + ", expected " + want)
}

func (d *decoder) enter() error {
	if d.depth == MaxJSONDepth {
		return d.fail("nested deeper than 64 levels")
	}
	d.path[d.depth] = jsonStep{}
	d.depth++
	d.i++ // the bracket
	d.space()
	return nil
}

func (d *decoder) leave() {
	d.depth--
	d.i++
}

func (d *decoder) object() (any, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	m := map[string]any{}
	if d.i < len(d.s) && d.s[d.i] == '}' {
		d.leave()
		return m, nil
	}
	for {
		if d.i >= len(d.s) || d.s[d.i] != '"' {
			return nil, d.unexpected("a key in double quotes")
		}
		start := d.i
		key, nul, err := d.string()
		if err != nil {
			return nil, err
		}
		if _, twice := m[key]; twice {
			d.i = start
			return nil, d.fail("duplicate key " + strconv.Quote(key))
		}
		d.path[d.depth-1].key = key
		if nul {
			d.refuse("a key must not hold the character NUL (U+0000)")
		}
		d.space()
		if d.i >= len(d.s) || d.s[d.i] != ':' {
			return nil, d.unexpected("':'")
		}
		d.i++
		d.space()
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		m[key] = v
		more, err := d.more('}')
		if err != nil {
			return nil, err
		}
		if !more {
			return m, nil
		}
	}
}

func (d *decoder) list() (any, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	list := []any{}
	if d.i < len(d.s) && d.s[d.i] == ']' {
		d.leave()
		return list, nil
	}
	for {
		d.path[d.depth-1] = jsonStep{index: len(list), inList: true}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		more, err := d.more(']')
		if err != nil {
			return nil, err
		}
		if !more {
			return list, nil
		}
	}
}

// more reads what follows a member: a comma, or the end of its container.
func (d *decoder) more(end byte) (bool, error) {
	d.space()
	if d.i < len(d.s) {
		switch d.s[d.i] {
		case end:
			d.leave()
			return false, nil
		case ',':
			d.i++
			d.space()
			return true, nil
		}
	}
	return false, d.unexpected("',' or '" + string(end) + "'")
}

// string reads a string and tells whether it holds NUL.
func (d *decoder) string() (s string, nul bool, err error) {
	d.i++
	start := d.i
	for ; d.i < len(d.s); d.i++ {
		switch c := d.s[d.i]; {
		case c == '"':
			s = d.s[start:d.i]
			d.i++
			return s, false, nil
		case c == '\\':
			return d.escaped(start)
		case c < 0x20:
			return "", false, d.fail("control characters in a string must be escaped")
		}
	}
	return "", false, d.fail("a string does not end")
}

// escaped reads the rest of a string from its first escape on.
func (d *decoder) escaped(start int) (string, bool, error) {
	buf := append(make([]byte, 0, 2*(d.i-start)+16), d.s[start:d.i]...)
	nul := false
	for d.i < len(d.s) {
		c := d.s[d.i]
		switch {
		case c == '"':
			d.i++
			return string(buf), nul, nil
		case c < 0x20:
			return "", false, d.fail("control characters in a string must be escaped")
		case c != '\\':
			buf = append(buf, c)
			d.i++
			continue
		}
		if d.i+1 >= len(d.s) {
			break
		}
		switch e := d.s[d.i+1]; e {
		case '"', '\\', '/':
			buf = append(buf, e)
		case 'b':
			buf = append(buf, '\b')
		case 'f':
			buf = append(buf, '\f')
		case 'n':
			buf = append(buf, '\n')
		case 'r':
			buf = append(buf, '\r')
		case 't':
			buf = append(buf, '\t')
		case 'u':
			r, n, err := d.rune()
			if err != nil {
				return "", false, err
			}
			nul = nul || r == 0
			buf = utf8.AppendRune(buf, r)
			d.i += n
			continue
		default:
			return "", false, d.fail("unknown escape in a string")
		}
		d.i += 2
	}
	return "", false, d.fail("a string does not end")
}

// rune reads \uXXXX, or the pair of them that makes one character.
func (d *decoder) rune() (r rune, length int, err error) {
	r, ok := hex4(d.s[d.i:])
	if !ok {
		return 0, 0, d.fail(`\u needs four hexadecimal digits`)
	}
	if !utf16.IsSurrogate(r) {
		return r, 6, nil
	}
	low, ok := hex4(d.s[d.i+6:])
	if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
		return pair, 12, nil
	}
	return 0, 0, d.fail("a surrogate escape without its other half")
}

func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// CheckSize refuses a document that could not be read again.
func CheckSize(doc any) error {
	values := 0
	var beyond func(v any, depth int) bool
	beyond = func(v any, depth int) bool {
		if values++; values > MaxJSONValues {
			return true
		}
		switch v := v.(type) {
		case map[string]any:
			for _, x := range v {
				if beyond(x, depth+1) {
					return true
				}
			}
			return depth == MaxJSONDepth
		case []any:
			for _, x := range v {
				if beyond(x, depth+1) {
					return true
				}
			}
			return depth == MaxJSONDepth
		}
		return false
	}
	if beyond(doc, 0) {
		return fault.Errorf(fault.TooLarge, "a document has at most %d values, nested at most %d levels deep", MaxJSONValues, MaxJSONDepth)
	}
	return nil
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// EscapePointer makes a key a reference token of a pointer (RFC 6901).
func EscapePointer(key string) string {
	if !strings.ContainsAny(key, "~/") {
		return key
	}
	return pointerEscapes.Replace(key)
}

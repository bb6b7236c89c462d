package query

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// literal is a constant before it is known what it is compared with.
type literal struct {
	tok   token
	null  bool
	value Value  // string, int64, float64, bool, or time.Time made by now()
	text  string // of a number: as it is written
	// Of a variable: that it is one, that it has no value, and its values.
	variable, missing, list bool
	values                  []Value
}

// atValue reports whether a constant begins here.
func (p *parser) atValue() bool {
	t := p.peek()
	switch t.kind {
	case tokString, tokNumber:
		return true
	case tokSymbol:
		return t.text == "-"
	case tokName:
		if t.quoted {
			return false
		}
		switch t.text {
		case "true", "false", "null":
			return true
		case "now", "duration":
			return p.calls(1)
		}
		_, ok := p.variable(t)
		return ok
	}
	return false
}

// notValue explains why what follows an operator is no constant.
func (p *parser) notValue() *Error {
	t := p.peek()
	switch {
	case p.reserved(t):
		return p.fail(t, "there is no %s; there are principal.id, principal.groups and principal.claims.<name>", clip(t.text))
	case t.kind == tokName && p.known(t.text):
		return p.fail(t, "a value is expected here, not a field")
	case t.kind == tokName && (strings.EqualFold(t.text, "true") || strings.EqualFold(t.text, "false") || strings.EqualFold(t.text, "null")):
		return p.fail(t, "write %s in lower case", strings.ToLower(t.text))
	case t.kind == tokName:
		return p.fail(t, "expected a value, found %s; strings are written in double quotes", t.describe())
	}
	return p.fail(t, "expected a value, found %s", t.describe())
}

// value reads a constant.
func (p *parser) value() (literal, *Error) {
	t := p.take()
	if err := p.constant(t); err != nil {
		return literal{}, err
	}
	if v, ok := p.variable(t); ok {
		return v.literal(t), nil
	}
	switch {
	case t.kind == tokString:
		return literal{tok: t, value: t.text}, nil
	case t.kind == tokNumber:
		return p.number(t, t.text)
	case t.kind == tokSymbol && t.text == "-":
		n := p.take()
		if n.kind != tokNumber {
			return literal{}, p.fail(n, "expected a number after \"-\", found %s", n.describe())
		}
		return p.number(t, "-"+n.text)
	case t.text == "null":
		return literal{tok: t, null: true}, nil
	case t.text == "duration":
		return literal{}, p.fail(t, "a duration is only added to or taken from now()")
	case t.text == "now":
		return p.nowValue(t)
	}
	return literal{tok: t, value: t.text == "true"}, nil
}

// constant counts the values of a filter.
func (p *parser) constant(t token) *Error {
	if p.constants++; p.constants > MaxConstants {
		return p.fail(t, "a filter has at most %d values; ask in several requests", MaxConstants)
	}
	return nil
}

// number keeps integers exact while they fit int64.
func (p *parser) number(t token, text string) (literal, *Error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return literal{tok: t, value: i, text: text}, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return literal{}, p.fail(t, "the number is out of range")
	}
	return literal{tok: t, value: f, text: text}, nil
}

// nowValue reads now(), now() - duration("24h") and now() + duration("24h").
func (p *parser) nowValue(t token) (literal, *Error) {
	if err := p.expect("("); err != nil {
		return literal{}, err
	}
	if err := p.expect(")"); err != nil {
		return literal{}, err
	}
	now := p.now
	if p.is("-") || p.is("+") {
		minus := p.take().text == "-"
		d, err := p.duration()
		if err != nil {
			return literal{}, err
		}
		if minus {
			d = -d
		}
		now = now.Add(d)
	}
	return literal{tok: t, value: now.UTC()}, nil
}

func (p *parser) duration() (time.Duration, *Error) {
	if !p.accept("duration") {
		return 0, p.fail(p.peek(), "expected duration(\"...\"), found %s", p.peek().describe())
	}
	if err := p.expect("("); err != nil {
		return 0, err
	}
	t := p.take()
	if t.kind != tokString {
		return 0, p.fail(t, "duration takes a string such as \"24h\"")
	}
	d, err := ParseDuration(t.text)
	if err != nil {
		return 0, p.fail(t, "%q is no duration; units are w, d, h, m, s, ms, us, as in \"30d\" or \"1h30m\"", clip(t.text))
	}
	return d, p.expect(")")
}

// operand is the constant that a subject is compared with: of its kind, and
// folded where the subject is.
func (p *parser) operand(s subject, kind Kind, v literal) (Value, *Error) {
	if at, ok := v.value.(time.Time); ok && s.field.Day && kind == Text && s.via == Plain {
		return at.UTC().Format(time.DateOnly), nil
	}
	c, err := p.convert(s.name(), kind, v)
	if text, ok := c.(string); ok && s.via == Lower {
		return Fold(text), err
	}
	return c, err
}

// convert gives the constant the kind of what it is compared with, or refuses.
func (p *parser) convert(name string, kind Kind, v literal) (Value, *Error) {
	if v.null {
		return nil, p.fail(v.tok, "null is not a value here; use isNull")
	}
	switch x := v.value.(type) {
	case string:
		if kind == Text {
			return x, nil
		}
		if kind == Time {
			t, err := ParseTime(x)
			if err != nil {
				return nil, p.fail(v.tok, "%s is a time: %q is not one as in RFC 3339, for example \"2024-05-01T12:00:00Z\"", name, clip(x))
			}
			return t, nil
		}
	case int64:
		switch kind {
		case Integer:
			return x, nil
		case Number:
			return nearest(x), nil
		}
	case float64:
		switch {
		case kind == Integer && v.text != "":
			_, c := integerBound(Equal, v.text, x)
			return c, nil
		case kind == Integer || kind == Number:
			return x, nil
		}
	case bool:
		if kind == Boolean {
			return x, nil
		}
	case time.Time:
		if kind == Time {
			return time.UnixMicro(Micros(x)).UTC(), nil
		}
	}
	return nil, p.fail(v.tok, "%s is of kind %s and cannot be compared with a %s", name, kind, literalKind(v.value))
}

func literalKind(v Value) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case time.Time:
		return "time"
	}
	return "number"
}

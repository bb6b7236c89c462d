package query

import (
	"cmp"
	"time"
)

// MaxTerms is how many terms an order has.
const MaxTerms = 8

// ParseOrder reads "year desc, title". Every error is an *Error. An empty
// source is an empty order.
func ParseOrder(fields Fields, src string) (Order, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{fields: fields, src: src, toks: toks}
	var order Order
	if p.peek().kind == tokEnd {
		return nil, nil
	}
	for {
		t := p.peek()
		term, err := p.orderTerm()
		if err != nil {
			return nil, err
		}
		for _, o := range order {
			if o.Field.Name == term.Field.Name {
				return nil, p.fail(t, "%s is named twice", o.Field.Name)
			}
		}
		if order = append(order, term); len(order) > MaxTerms {
			return nil, p.fail(t, "an order has at most %d terms", MaxTerms)
		}
		if p.accept(",") {
			continue
		}
		if t := p.peek(); t.kind != tokEnd {
			return nil, p.fail(t, "expected asc, desc, a comma or the end, found %s", t.describe())
		}
		return order, nil
	}
}

func (p *parser) orderTerm() (Term, *Error) {
	t := p.take()
	if t.kind != tokName {
		return Term{}, p.fail(t, "expected a field, found %s", t.describe())
	}
	f, err := p.field(t)
	if err != nil {
		return Term{}, err
	}
	if f.List {
		return Term{}, p.fail(t, "%s is a list and has no order", f.Name)
	}
	desc := p.accept("desc")
	if !desc {
		p.accept("asc")
	}
	return Term{f, desc}, nil
}

// IDField is the name of the field that ends every order, ascending.
const IDField = "meta.id"

// Compare orders two rows as every backend must: term by term, missing values
// last in both directions, the id last and ascending.
func (o Order) Compare(a, b Row) int {
	for _, t := range o {
		if c := compareTerm(t, a.Value(t.Field.Name), b.Value(t.Field.Name)); c != 0 {
			return c
		}
	}
	return compareTerm(Term{}, a.Value(IDField), b.Value(IDField))
}

// After reports whether the row comes after the cursor in the order.
func (o Order) After(row Row, c Cursor) bool {
	for i, t := range o {
		if d := compareTerm(t, row.Value(t.Field.Name), c.Values[i]); d != 0 {
			return d > 0
		}
	}
	return compareTerm(Term{}, row.Value(IDField), c.ID) > 0
}

// Cursor is the place after the row.
func (o Order) Cursor(row Row) Cursor {
	c := Cursor{Values: make([]Value, len(o))}
	for i, t := range o {
		c.Values[i] = row.Value(t.Field.Name)
	}
	c.ID, _ = row.Value(IDField).(string)
	return c
}

func compareTerm(t Term, a, b Value) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	c, _ := compareValues(a, b)
	if t.Desc {
		return -c
	}
	return c
}

// compareValues compares two values of comparable kinds; ok is false for
// others and for null. Numbers compare exactly, whatever their Go type.
func compareValues(a, b Value) (c int, ok bool) {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return cmp.Compare(x, y), ok // UTF-8 keeps the order of code points
	case int64:
		switch y := b.(type) {
		case int64:
			return cmp.Compare(x, y), true
		case float64:
			return compareIntFloat(x, y), true
		}
	case float64:
		switch y := b.(type) {
		case int64:
			return -compareIntFloat(y, x), true
		case float64:
			return cmp.Compare(x, y), true
		}
	case bool:
		y, ok := b.(bool)
		return boolInt(x) - boolInt(y), ok
	case time.Time:
		y, ok := b.(time.Time)
		return cmp.Compare(Micros(x), Micros(y)), ok
	}
	return 0, false
}

// compareIntFloat compares without rounding either side.
func compareIntFloat(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	t := int64(f) // towards zero
	if c := cmp.Compare(i, t); c != 0 {
		return c
	}
	return cmp.Compare(0, f-float64(t))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

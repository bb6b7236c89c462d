package query

// subject is a field as a comparison sees it.
type subject struct {
	field Field
	via   Via
	tok   token
}

// kind of what is compared; ok is false for a whole list.
func (s subject) kind() (Kind, bool) {
	if s.via == Length {
		return Integer, true
	}
	return s.field.Kind, !s.field.List
}

var operators = map[string]Op{
	"=": Equal, "!=": NotEqual, "<": Less, "<=": LessEqual, ">": Greater, ">=": GreaterEqual,
}

// mirrored is the operator with its sides exchanged.
var mirrored = map[Op]Op{
	Equal: Equal, NotEqual: NotEqual, Less: Greater, LessEqual: GreaterEqual, Greater: Less, GreaterEqual: LessEqual,
}

// comparison reads "operand op operand" with the field on either side.
func (p *parser) comparison() (Expr, *Error) {
	if first := p.peek(); !p.calls(1) {
		if v, ok := p.variable(first); ok {
			return p.variableFirst(first, v)
		}
	}
	if p.atValue() {
		return p.valueFirst()
	}
	s, err := p.subject()
	if err != nil {
		return nil, err
	}
	t := p.take()
	op, isOp := operators[t.text]
	switch {
	case t.kind == tokSymbol && t.text == ":":
		return p.unchained(p.has(s, t))
	case t.kind != tokSymbol || !isOp:
		return nil, p.fail(t, "expected an operator (= != < <= > >= :) after %s, found %s", s.tok.describe(), t.describe())
	case p.atField():
		right, err := p.subject()
		if err != nil {
			return nil, err
		}
		return p.unchained(p.compareFields(s, op, t, right))
	case !p.atValue():
		return nil, p.notValue()
	}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	return p.unchained(p.compare(s, op, t, v))
}

// valueFirst reads "2000 <= year".
func (p *parser) valueFirst() (Expr, *Error) {
	first := p.peek()
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	t := p.take()
	op, ok := operators[t.text]
	if t.kind != tokSymbol || !ok {
		return nil, p.fail(first, "a value alone is no condition; compare a field with it%s", p.hintName(first))
	}
	if p.atValue() {
		return nil, p.fail(first, "a comparison needs a field on one side%s", p.hintName(first))
	}
	s, err := p.subject()
	if err != nil {
		return nil, err
	}
	return p.unchained(p.compare(s, mirrored[op], t, v))
}

// hintName tells how to name a field that is called as a constant is.
func (p *parser) hintName(t token) string {
	if keywords[t.text] && t.kind == tokName && p.known(t.text) {
		return ", or write " + Quote(t.text) + " for the field of this name"
	}
	return ""
}

// atField reports whether a field, or a function of one, begins here.
func (p *parser) atField() bool {
	t := p.peek()
	if t.kind != tokName || p.atValue() {
		return false
	}
	return t.quoted || p.known(t.text) || p.calls(1) && (t.text == "len" || t.text == "lower")
}

// compareFields types "left op right".
func (p *parser) compareFields(left subject, op Op, at token, right subject) (Expr, *Error) {
	kinds := [2]Kind{}
	for i, s := range []subject{left, right} {
		kind, single := s.kind()
		if !single {
			return nil, p.fail(s.tok, "%s is a list and is not compared with a field", s.name())
		}
		kinds[i] = kind
	}
	numbers := (kinds[0] == Integer || kinds[0] == Number) && (kinds[1] == Integer || kinds[1] == Number)
	switch {
	case kinds[0] != kinds[1] && !numbers:
		return nil, p.fail(at, "%s is of kind %s and %s of kind %s: fields of one kind are compared", left.name(), kinds[0], right.name(), kinds[1])
	case kinds[0] == Boolean && op != Equal && op != NotEqual:
		return nil, p.fail(at, "%s is of kind boolean: only = and != compare it", left.name())
	case (left.via == Lower) != (right.via == Lower):
		return nil, p.fail(at, "a folded text is compared with a folded text: write lower(...) on both sides")
	}
	return CompareFields{left.field, left.via, op, right.field, right.via}, nil
}

// unchained refuses a second operator after a whole comparison.
func (p *parser) unchained(e Expr, err *Error) (Expr, *Error) {
	if err != nil {
		return nil, err
	}
	t := p.peek()
	if _, ok := operators[t.text]; t.kind == tokSymbol && (ok || t.text == ":") {
		return nil, p.fail(t, "comparisons cannot be chained; join two with AND")
	}
	return e, nil
}

// subject reads field, len(field) or lower(field).
func (p *parser) subject() (subject, *Error) {
	t := p.take()
	if t.kind != tokName {
		return subject{}, p.fail(t, "expected a field, found %s", t.describe())
	}
	via := Plain
	if p.is("(") {
		if t.quoted {
			return subject{}, p.fail(t, "%s is a field, not a function", Quote(t.text))
		}
		switch t.text {
		case "len":
			via = Length
		case "lower":
			via = Lower
		default:
			return subject{}, p.unknownFunction(t)
		}
		p.take()
		inner := p.take()
		if inner.kind != tokName {
			return subject{}, p.fail(inner, "%s takes a field, found %s", t.text, inner.describe())
		}
		if p.is("(") {
			return subject{}, p.fail(inner, "%s takes a field, not a function", t.text)
		}
		if err := p.expect(")"); err != nil {
			return subject{}, err
		}
		t = inner
	}
	f, err := p.field(t)
	if err != nil {
		return subject{}, err
	}
	switch {
	case via == Length && f.Kind != Text && !f.List:
		return subject{}, p.fail(t, "len takes a text or a list; %s is %s", f.Name, describeField(f))
	case via == Lower && (f.Kind != Text || f.List):
		return subject{}, p.fail(t, "lower takes a text; %s is %s", f.Name, describeField(f))
	}
	return subject{f, via, t}, nil
}

// field resolves the name in t.
func (p *parser) field(t token) (Field, *Error) {
	f, ok := p.fields.Lookup(t.text)
	if !ok && p.reserved(t) {
		return Field{}, p.fail(t, "there is no %s; there are principal.id, principal.groups and principal.claims.<name>", clip(t.text))
	}
	if !ok {
		return Field{}, unknownField(p.fields, t.text, column(p.src, t.at))
	}
	return f, nil
}

func describeField(f Field) string {
	if f.List {
		return "a list of " + f.Kind.String() + " values"
	}
	return "of kind " + f.Kind.String()
}

// compare types "s op v".
func (p *parser) compare(s subject, op Op, at token, v literal) (Expr, *Error) {
	if v.missing {
		return undecided{}, nil
	}
	if v.list {
		return nil, p.fail(v.tok, "%s is a list: ask in(%s, %s)", v.tok.text, s.name(), v.tok.text)
	}
	if v.null {
		if s.via != Plain {
			return nil, p.fail(v.tok, "compare the field itself with null")
		}
		switch op {
		case Equal:
			return IsNull{s.field}, nil
		case NotEqual:
			return Not{IsNull{s.field}}, nil
		}
		return nil, p.fail(at, "null can only be compared with = and !=")
	}
	kind, single := s.kind()
	if !single {
		return nil, p.fail(at, "%s is a list: use %s:value to ask for an element", s.name(), s.name())
	}
	if kind == Boolean && op != Equal && op != NotEqual {
		return nil, p.fail(at, "%s is of kind boolean: only = and != compare it", s.field.Name)
	}
	c, err := p.operand(s, kind, v)
	if err != nil {
		return p.misfit(v, err)
	}
	if f, ok := v.value.(float64); ok && kind == Integer && v.text != "" {
		op, c = integerBound(op, v.text, f)
	}
	return Compare{Field: s.field, Via: s.via, Op: op, Value: c}, nil
}

// name is the subject as the caller wrote it.
func (s subject) name() string {
	switch s.via {
	case Length:
		return "len(" + Quote(s.field.Name) + ")"
	case Lower:
		return "lower(" + Quote(s.field.Name) + ")"
	}
	return Quote(s.field.Name)
}

// has types "field:value" and "field:*".
func (p *parser) has(s subject, at token) (Expr, *Error) {
	if s.via != Plain {
		return nil, p.fail(at, "\":\" takes a field on its left, not a function")
	}
	if p.accept("*") {
		return Not{IsNull{s.field}}, nil
	}
	if !s.field.List {
		return nil, p.fail(at, "\":\" asks a list for an element and %s is no list: use = (or %s:* for any value)", s.name(), s.name())
	}
	if !p.atValue() {
		return nil, p.notValue()
	}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if v.null {
		return nil, p.fail(v.tok, "no element equals null; isNull(%s) asks for a missing list", s.field.Name)
	}
	if v.missing {
		return undecided{}, nil
	}
	if v.list { // any of them
		any := Or{}
		for _, x := range v.values {
			if c, err := p.convert(s.field.Name, s.field.Kind, literal{tok: v.tok, value: x}); err == nil {
				any.Terms = append(any.Terms, Has{s.field, c})
			}
		}
		switch len(any.Terms) {
		case 0:
			return Const{false}, nil
		case 1:
			return any.Terms[0], nil
		}
		return any, nil
	}
	c, err := p.convert("an element of "+s.field.Name, s.field.Kind, v)
	if err != nil {
		return p.misfit(v, err)
	}
	return Has{s.field, c}, nil
}

// misfit is a comparison with a value of another kind: unknown for a variable,
// whose value the writer of the filter did not choose.
func (p *parser) misfit(v literal, err *Error) (Expr, *Error) {
	if v.variable && v.tok.text != "principal.id" {
		return undecided{}, nil
	}
	return nil, err
}

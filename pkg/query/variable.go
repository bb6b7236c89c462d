package query

import "strings"

// Variable is a name that stands for a constant: one value, or with List
// several. A variable without any value is Missing: what is compared with it is
// unknown.
type Variable struct {
	Values  []Value // string, int64, float64, bool
	List    bool
	Missing bool
}

// undecided is what a comparison with a missing variable is. It never leaves
// Parse.
type undecided struct{}

func (undecided) expr() {}

// variable finds the variable that a token names.
func (p *parser) variable(t token) (Variable, bool) {
	if t.kind != tokName || t.quoted || p.variables == nil {
		return Variable{}, false
	}
	return p.variables(t.text)
}

// reserved reports whether a name looks like a variable and is none.
func (p *parser) reserved(t token) bool {
	return t.kind == tokName && !t.quoted && p.variables != nil && strings.HasPrefix(t.text, "principal.") && !p.known(t.text)
}

// variableFirst reads a condition that begins with a variable: variable:value,
// variable op value, variable op field.
func (p *parser) variableFirst(first token, v Variable) (Expr, *Error) {
	p.take()
	t := p.take()
	op, isOp := operators[t.text]
	switch {
	case t.kind == tokSymbol && t.text == ":":
		if !v.List && !v.Missing {
			return nil, p.fail(t, "\":\" asks a list for an element and %s is no list: use =", first.text)
		}
		if !p.atValue() {
			return nil, p.notValue()
		}
		x, err := p.value()
		if err != nil {
			return nil, err
		}
		return p.unchained(membership(v, x), nil)
	case t.kind != tokSymbol || !isOp:
		return nil, p.fail(t, "expected an operator (= != < <= > >= :) after %s, found %s", first.text, t.describe())
	case p.atValue():
		x, err := p.value()
		if err != nil {
			return nil, err
		}
		return p.unchained(constant(v, op, x), nil)
	}
	s, err := p.subject()
	if err != nil {
		return nil, err
	}
	return p.unchained(p.compare(s, mirrored[op], t, v.literal(first)))
}

func (v Variable) literal(t token) literal {
	l := literal{tok: t, variable: true, missing: v.Missing || !v.List && len(v.Values) == 0, list: v.List, values: v.Values}
	if !v.List && !l.missing {
		l.value = v.Values[0]
	}
	return l
}

func kindOf(v Value) Kind {
	switch v.(type) {
	case string:
		return Text
	case bool:
		return Boolean
	case int64, float64:
		return Number
	}
	return 0
}

// membership decides whether a list variable holds a constant.
func membership(v Variable, x literal) Expr {
	if v.Missing || x.missing || x.null || x.list {
		return undecided{}
	}
	for _, y := range v.Values {
		if sameValue(y, x.value) {
			return Const{true}
		}
	}
	return Const{false}
}

func sameValue(a, b Value) bool {
	return kindOf(a) != 0 && kindOf(a) == kindOf(b) && Eval(Compare{Field: Field{Kind: kindOf(a)}, Op: Equal, Value: b}, Values{"": a}) == True
}

// constant decides a comparison of a variable with a constant.
func constant(v Variable, op Op, x literal) Expr {
	if v.Missing || v.List || len(v.Values) == 0 || x.missing || x.list || x.null || kindOf(v.Values[0]) == 0 || kindOf(v.Values[0]) != kindOf(x.value) {
		return undecided{}
	}
	e := Compare{Field: Field{Kind: kindOf(x.value)}, Op: op, Value: x.value}
	switch Eval(e, Values{"": v.Values[0]}) {
	case True:
		return Const{true}
	case False:
		return Const{false}
	}
	return undecided{}
}

// decide takes what is undecided out of a tree: in its place comes what makes
// the whole the least true. That is exact, because only rows for which the whole
// is true are answered, and every operator is monotone.
func decide(e Expr, negated bool) Expr {
	switch e := e.(type) {
	case undecided:
		return Const{negated}
	case And:
		return And{decideAll(e.Terms, negated)}
	case Or:
		return Or{decideAll(e.Terms, negated)}
	case Not:
		return Not{decide(e.Term, !negated)}
	}
	return e
}

func decideAll(terms []Expr, negated bool) []Expr {
	out := make([]Expr, len(terms))
	for i, x := range terms {
		out[i] = decide(x, negated)
	}
	return out
}

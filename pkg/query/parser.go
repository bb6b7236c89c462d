package query

import (
	"fmt"
	"strings"
	"time"
)

// MaxDepth is how deep parentheses and NOT may nest.
const MaxDepth = 32

// Options of Parse.
type Options struct {
	Now time.Time // what now() means; zero: the moment of parsing
	// Variables finds what a name stands for; nil: there are no variables. A
	// name beginning with "principal." that it does not know is refused.
	Variables func(name string) (Variable, bool)
	// Negated tells that the caller puts a NOT before the filter, which matters
	// for what a missing variable makes unknown.
	Negated bool
}

// Parse reads a filter. Every error is an *Error. An empty source is the
// filter that is always true.
//
// The grammar is AIP-160 without its ambiguities: AND and OR mixed need
// parentheses, comparisons do not chain, juxtaposition means nothing.
//
//	expr    = term { "AND" term } | term { "OR" term }
//	term    = "NOT" term | "(" expr ")" | predicate | operand op operand
//	operand = field | len(field) | lower(field) | value
//
// A field whose name is no dotted identifier, or a keyword, is written in
// backticks.
func Parse(fields Fields, src string, o Options) (Expr, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{fields: fields, src: src, toks: toks, now: o.Now, variables: o.Variables}
	if p.peek().kind == tokEnd {
		return Const{true}, nil
	}
	e, err := p.expr()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.expectedConnective(t)
	}
	if o.Variables == nil {
		return e, nil
	}
	return decide(e, o.Negated), nil
}

type parser struct {
	fields Fields
	src    string
	toks   []token
	next   int
	depth  int
	now    time.Time

	constants int // values read so far

	variables func(name string) (Variable, bool)
}

func (p *parser) peek() token { return p.toks[p.next] }

// take consumes one token; the end is never passed.
func (p *parser) take() token {
	t := p.toks[p.next]
	if t.kind != tokEnd {
		p.next++
	}
	return t
}

func (p *parser) fail(t token, format string, args ...any) *Error {
	return &Error{Column: column(p.src, t.at), Detail: fmt.Sprintf(format, args...)}
}

// is reports whether the next token is this symbol or keyword.
func (p *parser) is(text string) bool {
	t := p.peek()
	return (t.kind == tokSymbol || t.kind == tokName) && t.text == text && !t.quoted
}

func (p *parser) accept(text string) bool {
	if !p.is(text) {
		return false
	}
	p.next++
	return true
}

func (p *parser) expect(text string) *Error {
	if !p.accept(text) {
		return p.fail(p.peek(), "expected %q, found %s", text, p.peek().describe())
	}
	return nil
}

// enter counts one level; leave undoes it.
func (p *parser) enter(t token) *Error {
	if p.depth++; p.depth > MaxDepth {
		return p.fail(t, "nested deeper than %d levels", MaxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// expectedConnective explains what may follow a complete term.
func (p *parser) expectedConnective(t token) *Error {
	if up := strings.ToUpper(t.text); t.kind == tokName && !t.quoted && t.text != up && (up == "AND" || up == "OR") {
		return p.fail(t, "write %s in upper case", up)
	}
	if t.kind == tokSymbol && t.text == ")" {
		return p.fail(t, "this parenthesis was never opened")
	}
	return p.fail(t, "expected AND, OR or the end, found %s", t.describe())
}

// expr reads terms joined by one kind of connective.
func (p *parser) expr() (Expr, *Error) {
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	terms, joint := []Expr{first}, ""
	for p.is("AND") || p.is("OR") {
		t := p.take()
		if joint != "" && joint != t.text {
			return nil, p.fail(t, "AND and OR are mixed: use parentheses to say which comes first")
		}
		joint = t.text
		e, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, e)
	}
	switch joint {
	case "AND":
		return And{terms}, nil
	case "OR":
		return Or{terms}, nil
	}
	return first, nil
}

func (p *parser) term() (Expr, *Error) {
	t := p.peek()
	switch {
	case p.is("NOT"):
		p.take()
		if err := p.enter(t); err != nil {
			return nil, err
		}
		defer p.leave()
		e, err := p.term()
		if err != nil {
			return nil, err
		}
		return Not{e}, nil
	case p.is("("):
		p.take()
		if err := p.enter(t); err != nil {
			return nil, err
		}
		defer p.leave()
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			if n := p.peek(); n.kind != tokEnd {
				return nil, p.expectedConnective(n)
			}
			return nil, p.fail(t, "this parenthesis is never closed")
		}
		return e, nil
	case t.kind == tokName && !t.quoted && t.text != "NOT" && strings.EqualFold(t.text, "not") && !p.known(t.text):
		return nil, p.fail(t, "write NOT in upper case")
	case p.is("AND"), p.is("OR"):
		return nil, p.fail(t, "%s needs a condition before it%s", t.text, p.hintName(t))
	case t.kind == tokName && !t.quoted && p.calls(1):
		if parse, ok := predicates[t.text]; ok {
			p.next += 2
			return parse(p, t)
		}
	}
	return p.comparison()
}

// known reports whether the model has such a field.
func (p *parser) known(name string) bool {
	_, ok := p.fields.Lookup(name)
	return ok
}

// calls reports whether an opening parenthesis is n tokens ahead.
func (p *parser) calls(n int) bool {
	i := p.next + n
	return i < len(p.toks) && p.toks[i].kind == tokSymbol && p.toks[i].text == "("
}

package query

import (
	"slices"
	"strings"
)

const (
	// MaxValues is how many values in() takes.
	MaxValues = 1000
	// MaxConstants is how many values and patterns a filter has in all. What a
	// database does with each costs more the more there are.
	MaxConstants = 5000
)

// predicates are the functions that are conditions by themselves. The name and
// the parenthesis are already read. Filled at start: they call the parser,
// which reads this table.
var predicates map[string]func(*parser, token) (Expr, *Error)

func init() {
	predicates = map[string]func(*parser, token) (Expr, *Error){
		"isNull":     (*parser).isNull,
		"in":         (*parser).in,
		"startsWith": textPredicate(StartsWith),
		"endsWith":   textPredicate(EndsWith),
		"contains":   textPredicate(Contains),
		"icontains":  textPredicate(ContainsFold),
		"matches":    textPredicate(Regexp),
	}
}

// functionNames lists them all for messages.
const functionNames = "startsWith, endsWith, contains, icontains, matches, in, len, lower, isNull, now"

func (p *parser) unknownFunction(t token) *Error {
	for name := range predicates {
		if strings.EqualFold(name, t.text) && name != t.text {
			return p.fail(t, "unknown function %s; write %s", clip(t.text), name)
		}
		if name == t.text {
			return p.fail(t, "%s is a condition by itself and takes no operator", name)
		}
	}
	return p.fail(t, "unknown function %s; there are %s", clip(t.text), functionNames)
}

// whole refuses an operator after a predicate.
func (p *parser) whole(e Expr, name token) (Expr, *Error) {
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	t := p.peek()
	if _, ok := operators[t.text]; t.kind == tokSymbol && (ok || t.text == ":") {
		return nil, p.fail(t, "%s is a condition by itself and takes no operator", name.text)
	}
	return e, nil
}

func (p *parser) isNull(name token) (Expr, *Error) {
	t := p.take()
	if t.kind != tokName {
		return nil, p.fail(t, "isNull takes a field, found %s", t.describe())
	}
	f, err := p.field(t)
	if err != nil {
		return nil, err
	}
	return p.whole(IsNull{f}, name)
}

func (p *parser) in(name token) (Expr, *Error) {
	s, err := p.subject()
	if err != nil {
		return nil, err
	}
	kind, single := s.kind()
	if !single {
		return nil, p.fail(s.tok, "%s is a list: use %s:value to ask for an element", s.field.Name, s.field.Name)
	}
	e := In{Field: s.field, Via: s.via}
	variable, missing := false, false
	for p.accept(",") {
		if !p.atValue() {
			return nil, p.notValue()
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		if v.variable {
			variable = true
			missing = missing || v.missing
			for _, x := range append(slices.Clone(v.values), v.value) {
				if c, err := p.operand(s, kind, literal{tok: v.tok, value: x}); x != nil && err == nil && len(e.Values) < MaxValues {
					e.Values = append(e.Values, c)
				}
			}
			continue
		}
		c, err := p.operand(s, kind, v)
		if err != nil {
			return nil, err
		}
		if len(e.Values) == MaxValues {
			return nil, p.fail(v.tok, "in takes at most %d values", MaxValues)
		}
		e.Values = append(e.Values, c)
	}
	switch {
	case missing:
		return p.whole(undecided{}, name)
	case variable && len(e.Values) == 0:
		return p.whole(Const{false}, name)
	}
	if len(e.Values) == 0 {
		return nil, p.fail(p.peek(), "in takes a field and at least one value")
	}
	return p.whole(e, name)
}

func textPredicate(m Match) func(*parser, token) (Expr, *Error) {
	return func(p *parser, name token) (Expr, *Error) {
		s, err := p.subject()
		if err != nil {
			return nil, err
		}
		if s.via == Length || s.field.Kind != Text {
			return nil, p.fail(s.tok, "%s takes a text or a list of texts; %s is %s", name.text, s.field.Name, describeField(s.field))
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
		t := p.take()
		if t.kind != tokString {
			return nil, p.fail(t, "%s takes a string, found %s", name.text, t.describe())
		}
		if err := p.constant(t); err != nil {
			return nil, err
		}
		if m == Regexp {
			if err := CheckRegexp(t.text); err != nil {
				return nil, p.fail(t, "the pattern %s", err)
			}
		}
		return p.whole(TextMatch{Field: s.field, Via: s.via, Match: m, Pattern: pattern(m, s.via, t.text)}, name)
	}
}

// pattern is what a folded text is searched for: folded too, and a regular
// expression that takes a letter for any of its forms.
func pattern(m Match, via Via, text string) string {
	switch {
	case via != Lower:
		return text
	case m != Regexp:
		return Fold(text)
	case strings.HasPrefix(text, "(?i)") || text == "":
		return text
	}
	return "(?i)" + text
}

package query

import (
	"strings"
	"unicode/utf8"
)

// Truth is a value of three-valued logic.
type Truth uint8

// In this order AND is the smaller and OR the larger of two.
const (
	False Truth = iota
	Unknown
	True
)

// String names the truth value.
func (t Truth) String() string { return [...]string{"false", "unknown", "true"}[t] }

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Eval gives the meaning of a filter for one row. It is the reference that
// every backend must agree with.
func Eval(e Expr, row Row) Truth {
	switch e := e.(type) {
	case And:
		t := True
		for _, x := range e.Terms {
			t = min(t, Eval(x, row))
		}
		return t
	case Or:
		t := False
		for _, x := range e.Terms {
			t = max(t, Eval(x, row))
		}
		return t
	case Not:
		return True - Eval(e.Term, row)
	case Const:
		return truth(e.Value)
	case IsNull:
		return truth(row.Value(e.Field.Name) == nil)
	case Has:
		return evalHas(e, row)
	case Compare:
		return evalCompare(e.Op, see(row, e.Field, e.Via), e.Value)
	case CompareFields:
		left, right := see(row, e.Left, e.LeftVia), see(row, e.Right, e.RightVia)
		if e.Rounds() {
			left, right = asFloat(left), asFloat(right)
		}
		return evalCompare(e.Op, left, right)
	case In:
		return evalIn(e, see(row, e.Field, e.Via))
	case TextMatch:
		return evalText(e, see(row, e.Field, e.Via))
	}
	return Unknown
}

// see gives the field through via, nil when it is missing.
func see(row Row, f Field, via Via) Value {
	v := row.Value(f.Name)
	switch via {
	case Length:
		switch x := v.(type) {
		case string:
			return int64(utf8.RuneCountInString(x))
		case []Value:
			return int64(len(x))
		}
		return nil
	case Lower:
		if s, ok := v.(string); ok {
			return Fold(s)
		}
		return nil
	}
	return v
}

func evalHas(e Has, row Row) Truth {
	list, ok := row.Value(e.Field.Name).([]Value)
	if !ok {
		return Unknown
	}
	for _, v := range list {
		if c, ok := compareValues(v, e.Value); ok && c == 0 {
			return True
		}
	}
	return False
}

func evalCompare(op Op, v, with Value) Truth {
	c, ok := compareValues(v, with)
	if !ok {
		return Unknown
	}
	switch op {
	case Equal:
		return truth(c == 0)
	case NotEqual:
		return truth(c != 0)
	case Less:
		return truth(c < 0)
	case LessEqual:
		return truth(c <= 0)
	case Greater:
		return truth(c > 0)
	}
	return truth(c >= 0)
}

func evalIn(e In, v Value) Truth {
	if v == nil {
		return Unknown
	}
	for _, w := range e.Values {
		if c, ok := compareValues(v, w); ok && c == 0 {
			return True
		}
	}
	return False
}

func evalText(e TextMatch, v Value) Truth {
	if list, ok := v.([]Value); ok {
		for _, element := range list {
			if evalText(e, element) == True {
				return True
			}
		}
		return False
	}
	s, ok := v.(string)
	if !ok {
		return Unknown
	}
	switch e.Match {
	case StartsWith:
		return truth(strings.HasPrefix(s, e.Pattern))
	case EndsWith:
		return truth(strings.HasSuffix(s, e.Pattern))
	case Contains:
		return truth(strings.Contains(s, e.Pattern))
	case ContainsFold:
		return truth(strings.Contains(Fold(s), Fold(e.Pattern)))
	}
	re, err := CompileRegexp(e.Pattern)
	if err != nil {
		return Unknown
	}
	return truth(re.MatchString(s))
}

package query

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// String writes the tree as a filter that Parse reads back to an equal tree;
// equal trees are written alike.
func String(e Expr) string {
	switch e := e.(type) {
	case And:
		return printTerms(e.Terms, " AND ")
	case Or:
		return printTerms(e.Terms, " OR ")
	case Not:
		return "NOT " + printTerm(e.Term)
	case Const:
		if e.Value {
			return ""
		}
		return "FALSE" // no filter of the language says so
	case IsNull:
		return "isNull(" + Quote(e.Field.Name) + ")"
	case Has:
		return Quote(e.Field.Name) + ":" + printValue(e.Value)
	case Compare:
		return printSubject(e.Field, e.Via) + " " + printOp(e.Op) + " " + printValue(e.Value)
	case CompareFields:
		return printSubject(e.Left, e.LeftVia) + " " + printOp(e.Op) + " " + printSubject(e.Right, e.RightVia)
	case In:
		parts := []string{printSubject(e.Field, e.Via)}
		for _, v := range e.Values {
			parts = append(parts, printValue(v))
		}
		return "in(" + strings.Join(parts, ", ") + ")"
	case TextMatch:
		name := [...]string{"", "startsWith", "endsWith", "contains", "icontains", "matches"}[e.Match]
		return name + "(" + printSubject(e.Field, e.Via) + ", " + printValue(e.Pattern) + ")"
	}
	return fmt.Sprintf("%T", e)
}

func printTerms(terms []Expr, joint string) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = printTerm(t)
	}
	return strings.Join(parts, joint)
}

// printTerm puts parentheses where the grammar needs them.
func printTerm(e Expr) string {
	switch e.(type) {
	case And, Or:
		return "(" + String(e) + ")"
	}
	return String(e)
}

func printSubject(f Field, via Via) string { return subject{field: f, via: via}.name() }

func printOp(op Op) string { return [...]string{"", "=", "!=", "<", "<=", ">", ">="}[op] }

func printValue(v Value) string {
	switch v := v.(type) {
	case string:
		b, _ := json.Marshal(v)
		return string(b)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return `"` + v.UTC().Format(time.RFC3339Nano) + `"`
	}
	return "null"
}

// String writes the order as ParseOrder reads it.
func (o Order) String() string {
	parts := make([]string, len(o))
	for i, t := range o {
		parts[i] = Quote(t.Field.Name)
		if t.Desc {
			parts[i] += " desc"
		}
	}
	return strings.Join(parts, ", ")
}

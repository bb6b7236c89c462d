// Package sqlrender turns the typed tree of a query into SQL, once for all
// databases. What databases say differently is behind Dialect. Identifiers
// come only from the Table it is given, values are only ever arguments, and
// what comes out answers as query.Eval does.
//
// Three-valued logic needs no NOT in SQL: a condition is written either as
// "is true" or as "is false", and NOT changes from one to the other. Both are
// plain conditions that a planner can serve from an index.
package sqlrender

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud/pkg/query"
)

// Dialect is what databases say differently. Operands are SQL expressions
// that the renderer made; a text operand is never null when it matters.
type Dialect interface {
	// Placeholder is the n-th argument, counted from 1, with its type where the
	// database needs to be told; the same n may occur more than once.
	Placeholder(n int, v query.Value) string
	// Arg is how a value is passed; it never fails for a value of a kind.
	Arg(v query.Value) any
	// Float is a number as the nearest 64-bit floating point number.
	Float(number string) string
	// Length is the number of code points.
	Length(text string) string
	// EndsWith compares the last n code points of text with suffix.
	EndsWith(text, suffix string, n int) string
	// Contains is true when part occurs in text, by code point.
	Contains(text, part string) string
	// Fold is query.Fold.
	Fold(text string) string
	// Matches is query.CompileRegexp(p).MatchString(text), pattern being the
	// argument Pattern(p).
	Matches(text, pattern string) string
	Pattern(p string) string
	// Member is true when the list of the column's row holds one of the values
	// and never true when it is missing; NotMember may be true when it is
	// missing. The values themselves come along for what the dialect knows of
	// them.
	Member(c Column, values []query.Value, placeholders []string) string
	NotMember(c Column, placeholders []string) string
	// AnyElement is true when the condition is true of an element of the list, and
	// false when it is true of none or the list is missing; never null.
	AnyElement(c Column, cond func(element string) string) string
	// ListLength is the number of elements, null for a missing list.
	ListLength(c Column) string
	// Sum is the exact sum of a column of numbers as text: in decimal, or of an
	// integer as "high low", which is high * 2^32 + low.
	Sum(expr string, k query.Kind) string
	// Extreme is the smallest or the largest value of a column.
	Extreme(expr string, k query.Kind, largest bool) string
	// Elements joins each row with the different elements of a list column, once
	// with null when there are none. The element is the column name.
	Elements(t Table, c Column, name string) string
	// Period is query.Period.Key of a column of times; arg adds an argument.
	Period(expr string, p query.Period, arg func(query.Value) string) string
	// Sort is one key of ORDER BY that puts null last.
	Sort(expr string, desc, nullable bool) string
}

// Column is where a field is.
type Column struct {
	SQL      string // quoted name
	Folded   string // quoted name of the folded text, where it is stored
	Members  string // of a list: what the dialect needs to find its elements
	Kind     query.Kind
	Nullable bool
}

// Table is where a type is.
type Table struct {
	Name    string // quoted; the wide columns of a page are read from here
	From    string // what a filter reads, Name when empty; it has Name's columns
	Key     string // quoted column that joins a found row with its wide columns; empty: no need
	ID      string // quoted column of the resource id
	Columns map[string]Column
}

func (t Table) from() string {
	if t.From != "" {
		return t.From
	}
	return t.Name
}

// Renderer builds one statement and gathers its arguments.
type Renderer struct {
	d Dialect
	t Table
	*statement
}

type statement struct {
	args []any
	err  error
}

// New begins a statement on a table.
func New(d Dialect, t Table) *Renderer { return &Renderer{d, t, &statement{}} }

// As goes on with the same statement, seeing the table in another way.
func (r *Renderer) As(d Dialect, t Table) *Renderer { return &Renderer{d, t, r.statement} }

// Arg adds an argument and returns its placeholder.
func (r *Renderer) Arg(v query.Value) string {
	r.args = append(r.args, r.d.Arg(v))
	return r.d.Placeholder(len(r.args), v)
}

// ErrNoColumn: the table lacks a field that was asked for.
var ErrNoColumn = errors.New("no column for the field")

// Args are the arguments so far; the error is ErrNoColumn or a defect.
func (r *Renderer) Args() ([]any, error) { return r.args, r.err }

const (
	always = "1=1"
	never  = "1=0"
)

// Where writes the condition that the filter is true; nil is no condition.
func (r *Renderer) Where(e query.Expr) string {
	if e == nil {
		return always
	}
	return r.is(e, true)
}

// is writes the condition that e has the truth value want.
func (r *Renderer) is(e query.Expr, want bool) string {
	switch e := e.(type) {
	case query.And:
		return r.joined(e.Terms, want)
	case query.Or:
		return r.either(e.Terms, want)
	case query.Not:
		return r.is(e.Term, !want)
	case query.Const:
		return constant(e.Value == want)
	case query.IsNull:
		c := r.column(e.Field)
		if want {
			return c.SQL + " IS NULL"
		}
		return c.SQL + " IS NOT NULL"
	case query.Has:
		return r.has(e.Field, []query.Value{e.Value}, want)
	case query.Compare:
		return r.compare(e, want)
	case query.CompareFields:
		return r.compareFields(e, want)
	case query.In:
		return r.in(e, want)
	case query.TextMatch:
		return r.text(e, want)
	}
	r.fail("cannot render %T", e)
	return never
}

func (r *Renderer) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func constant(b bool) string {
	if b {
		return always
	}
	return never
}

// joined writes AND as a balanced tree: databases limit how deep an expression
// is, and a flat chain counts as a deep one.
func (r *Renderer) joined(terms []query.Expr, want bool) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = r.is(t, want)
	}
	if want {
		return balanced(parts, " AND ")
	}
	return balanced(parts, " OR ")
}

func balanced(parts []string, joint string) string {
	switch len(parts) {
	case 0:
		return constant(joint == " AND ")
	case 1:
		return parts[0]
	}
	m := len(parts) / 2
	return "(" + balanced(parts[:m], joint) + joint + balanced(parts[m:], joint) + ")"
}

func (r *Renderer) column(f query.Field) Column {
	c, ok := r.t.Columns[f.Name]
	if !ok {
		r.fail("%w %q", ErrNoColumn, f.Name)
		return Column{SQL: "NULL"}
	}
	return c
}

// operand is the field seen through via.
func (r *Renderer) operand(f query.Field, via query.Via) string {
	c := r.column(f)
	switch {
	case via == query.Length && f.List:
		return r.d.ListLength(c)
	case via == query.Length:
		return r.d.Length(c.SQL)
	case via == query.Lower:
		return r.folded(c)
	}
	return c.SQL
}

func (r *Renderer) folded(c Column) string {
	if c.Folded != "" {
		return c.Folded
	}
	return r.d.Fold(c.SQL)
}

// has writes that the list holds one of the values, or that it holds none.
func (r *Renderer) has(f query.Field, values []query.Value, want bool) string {
	c := r.column(f)
	var possible []query.Value
	var args []string
	for _, v := range values {
		if _, v, verdict := exact(f.Kind, query.Equal, v); verdict != isNever {
			possible, args = append(possible, v), append(args, r.Arg(v))
		}
	}
	switch {
	case len(possible) == 0 && want:
		return never
	case len(possible) == 0:
		return c.SQL + " IS NOT NULL"
	case want:
		return r.d.Member(c, possible, args)
	}
	return "(" + c.SQL + " IS NOT NULL AND " + r.d.NotMember(c, args) + ")"
}

// either writes OR. Memberships of one list become one: a database looks up
// each by itself.
func (r *Renderer) either(terms []query.Expr, want bool) string {
	var rest []query.Expr
	var lists []query.Field
	values := map[string][]query.Value{}
	for _, t := range terms {
		h, ok := t.(query.Has)
		if !ok {
			rest = append(rest, t)
			continue
		}
		if values[h.Field.Name] == nil {
			lists = append(lists, h.Field)
		}
		values[h.Field.Name] = append(values[h.Field.Name], h.Value)
	}
	var parts []string
	for _, t := range rest {
		parts = append(parts, r.is(t, want))
	}
	for _, f := range lists {
		parts = append(parts, r.has(f, values[f.Name], want))
	}
	if want {
		return balanced(parts, " OR ")
	}
	return balanced(parts, " AND ")
}

var opSQL = map[query.Op]string{
	query.Equal: "=", query.NotEqual: "<>", query.Less: "<", query.LessEqual: "<=", query.Greater: ">", query.GreaterEqual: ">=",
}

var opposite = map[query.Op]query.Op{
	query.Equal: query.NotEqual, query.NotEqual: query.Equal,
	query.Less: query.GreaterEqual, query.GreaterEqual: query.Less,
	query.Greater: query.LessEqual, query.LessEqual: query.Greater,
}

func (r *Renderer) compare(e query.Compare, want bool) string {
	op := e.Op
	if !want {
		op = opposite[op]
	}
	o := r.operand(e.Field, e.Via)
	op, v, verdict := exact(kindOf(e.Field, e.Via), op, e.Value)
	switch verdict {
	case isAlways:
		return o + " IS NOT NULL"
	case isNever:
		return never
	}
	return o + " " + opSQL[op] + " " + r.Arg(v)
}

// compareFields is null, which is neither, when one of the two is.
func (r *Renderer) compareFields(e query.CompareFields, want bool) string {
	op := e.Op
	if !want {
		op = opposite[op]
	}
	left, right := r.operand(e.Left, e.LeftVia), r.operand(e.Right, e.RightVia)
	if e.Rounds() {
		left, right = r.d.Float(left), r.d.Float(right)
	}
	return left + " " + opSQL[op] + " " + right
}

func kindOf(f query.Field, via query.Via) query.Kind {
	if via == query.Length {
		return query.Integer
	}
	return f.Kind
}

func (r *Renderer) in(e query.In, want bool) string {
	o := r.operand(e.Field, e.Via)
	var list []string
	for _, v := range e.Values {
		if _, w, verdict := exact(kindOf(e.Field, e.Via), query.Equal, v); verdict == depends {
			list = append(list, r.Arg(w))
		}
	}
	switch {
	case len(list) == 0 && want:
		return never
	case len(list) == 0:
		return o + " IS NOT NULL"
	case want:
		return o + " IN (" + strings.Join(list, ",") + ")"
	}
	return o + " NOT IN (" + strings.Join(list, ",") + ")"
}

// text writes the text predicates, of a list that one of its elements meets it.
func (r *Renderer) text(e query.TextMatch, want bool) string {
	c := r.column(e.Field)
	if !e.Field.List {
		return r.textOf(e, r.operand(e.Field, e.Via), r.folded(c), want)
	}
	cond := r.d.AnyElement(c, func(element string) string { return r.textOf(e, element, r.d.Fold(element), true) })
	if want {
		return cond
	}
	return "(" + c.SQL + " IS NOT NULL AND NOT " + cond + ")"
}

// textOf writes a text predicate on an expression. A prefix is a range of the order
// by code point, so that an index on the field serves it.
func (r *Renderer) textOf(e query.TextMatch, o, folded string, want bool) string {
	if e.Pattern == "" {
		if want {
			return o + " IS NOT NULL"
		}
		return never
	}
	var cond string
	switch e.Match {
	case query.StartsWith:
		return r.prefix(o, e.Pattern, want)
	case query.EndsWith:
		cond = r.d.EndsWith(o, r.Arg(e.Pattern), utf8.RuneCountInString(e.Pattern))
	case query.Contains:
		cond = r.d.Contains(o, r.Arg(e.Pattern))
	case query.ContainsFold:
		cond = r.d.Contains(folded, r.Arg(query.Fold(e.Pattern)))
	case query.Regexp:
		cond = r.d.Matches(o, r.Arg(r.d.Pattern(e.Pattern)))
	default:
		r.fail("cannot render text predicate %d", e.Match)
		return never
	}
	if want {
		return cond
	}
	return "NOT (" + cond + ")" // of null it is null, which is not true either
}

func (r *Renderer) prefix(o, p string, want bool) string {
	end, bounded := afterPrefix(p)
	low := r.Arg(p)
	switch {
	case want && bounded:
		return "(" + o + " >= " + low + " AND " + o + " < " + r.Arg(end) + ")"
	case want:
		return o + " >= " + low
	case bounded:
		return "(" + o + " < " + low + " OR " + o + " >= " + r.Arg(end) + ")"
	}
	return o + " < " + low
}

// afterPrefix is the smallest text above every text that begins with p; there
// is none when p is made of the last code point.
func afterPrefix(p string) (string, bool) {
	runes := []rune(p)
	for len(runes) > 0 {
		n := len(runes) - 1
		if runes[n] < utf8.MaxRune {
			runes[n]++
			if runes[n] == 0xD800 {
				runes[n] = 0xE000 // surrogates are no characters
			}
			return string(runes), true
		}
		runes = runes[:n]
	}
	return "", false
}

// Package query is the filter and order language of every list: fields, a
// parser, a typed tree, and an evaluator that gives the meaning which the SQL
// renderers must reproduce. It knows no storage and no HTTP.
//
// The language follows AIP-160 with the three-valued logic of SQL: a
// comparison with a missing value is unknown, NOT unknown is unknown, and only
// rows for which the filter is true are answered.
package query

import (
	"slices"
	"time"
)

// Kind says how the values of a field compare.
type Kind uint8

// The kinds a field can have. Text compares by code point, Integer and Number
// as numbers with each other, Time as instants with microsecond precision.
const (
	Text Kind = iota + 1
	Integer
	Number
	Boolean
	Time
)

// String names the kind as error messages do.
func (k Kind) String() string {
	switch k {
	case Text:
		return "text"
	case Integer:
		return "integer"
	case Number:
		return "number"
	case Boolean:
		return "boolean"
	case Time:
		return "time"
	}
	return "unknown"
}

// Field is something a filter may name: an indexed field of the data by its
// dotted path ("credits.director") or a field of the meta ("meta.created_at").
type Field struct {
	Name string
	Kind Kind
	List bool // a list of values of Kind
	Day  bool // a Text whose values are dates as in RFC 3339, "2024-05-01"
}

// Fields is the set of fields a filter may name.
type Fields struct {
	byName map[string]Field
	names  []string
}

// NewFields builds a set; a later field replaces an earlier one of its name.
func NewFields(fields ...Field) Fields {
	f := Fields{byName: make(map[string]Field, len(fields))}
	for _, x := range fields {
		if _, ok := f.byName[x.Name]; !ok {
			f.names = append(f.names, x.Name)
		}
		f.byName[x.Name] = x
	}
	slices.Sort(f.names)
	return f
}

// Lookup finds a field by its full name.
func (f Fields) Lookup(name string) (Field, bool) {
	x, ok := f.byName[name]
	return x, ok
}

// Find is Lookup with an *Error that says which fields there are.
func (f Fields) Find(name string) (Field, error) {
	if x, ok := f.byName[name]; ok {
		return x, nil
	}
	return Field{}, unknownField(f, name, 0)
}

// Names lists the names in alphabetical order.
func (f Fields) Names() []string { return f.names }

// Value is one of nil, string, int64, float64, bool and time.Time. A row gives
// a list field as []Value.
type Value = any

// Row gives the values of one resource to the evaluator, by the field's name.
// A missing field is nil.
type Row interface {
	Value(name string) Value
}

// Values is a Row made of a map.
type Values map[string]Value

// Value implements Row.
func (v Values) Value(name string) Value { return v[name] }

// Expr is a node of the typed tree. A tree that Parse returned is checked
// against its fields: every operand has the kind its operator needs.
type Expr interface{ expr() }

// And is true when all its terms are. It has at least two.
type And struct{ Terms []Expr }

// Or is true when one of its terms is. It has at least two.
type Or struct{ Terms []Expr }

// Not turns true into false and leaves unknown unknown.
type Not struct{ Term Expr }

// Op is a comparison operator.
type Op uint8

// The comparison operators.
const (
	Equal Op = iota + 1
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
)

// Via says what is done to a field before it is compared.
type Via uint8

// What a comparison looks at: the field itself, its length (code points of a
// text, elements of a list) or its folded text, with which a constant is folded
// too.
const (
	Plain Via = iota
	Length
	Lower
)

// Compare compares a field with a constant of its kind; never null.
type Compare struct {
	Field Field
	Via   Via
	Op    Op
	Value Value
}

// CompareFields compares two fields of one row: of the same kind, or both of
// them numbers, of which an integer beside a Number is the nearest float. It is
// unknown when one of them is missing.
type CompareFields struct {
	Left     Field
	LeftVia  Via
	Op       Op
	Right    Field
	RightVia Via
}

// In is true when the field, seen through Via, equals one of Values; none of
// them is null.
type In struct {
	Field  Field
	Via    Via
	Values []Value
}

// Has is list membership: true when the list holds Value, false when it does
// not, unknown when the list is missing or null. An element that is null is
// equal to nothing.
type Has struct {
	Field Field
	Value Value
}

// IsNull is true when the field is missing or null and false otherwise; it is
// never unknown. An empty list is not null.
type IsNull struct{ Field Field }

// Match is what a text predicate looks for.
type Match uint8

// The text predicates. ContainsFold compares Fold of both sides; Regexp is
// unanchored and uses the subset that every backend answers alike.
const (
	StartsWith Match = iota + 1
	EndsWith
	Contains
	ContainsFold
	Regexp
)

// TextMatch is a predicate on a text field, seen through Plain or Lower. Of a list
// of texts it is true when it is true of an element, false when it is true of none,
// unknown when the list is missing or null; no pattern is found in an element that
// is null.
type TextMatch struct {
	Field   Field
	Via     Via
	Match   Match
	Pattern string
}

// Const is always the same; a rule without a condition is Const{true}.
type Const struct{ Value bool }

func (And) expr()     {}
func (Or) expr()      {}
func (Not) expr()     {}
func (Compare) expr() {}

func (CompareFields) expr() {}

func (In) expr()        {}
func (Has) expr()       {}
func (IsNull) expr()    {}
func (TextMatch) expr() {}
func (Const) expr()     {}

// Constants is how many values and patterns a tree has.
func Constants(e Expr) (n int) {
	switch e := e.(type) {
	case And:
		for _, t := range e.Terms {
			n += Constants(t)
		}
	case Or:
		for _, t := range e.Terms {
			n += Constants(t)
		}
	case Not:
		return Constants(e.Term)
	case In:
		return len(e.Values)
	case Compare, Has, TextMatch:
		return 1
	}
	return n
}

// Term is one key of an order. Missing values come last in both directions.
type Term struct {
	Field Field
	Desc  bool
}

// Order is the sort keys, most significant first. The id always follows as the
// last, ascending key and is never in the list.
type Order []Term

// Cursor is the place after a row in an order: the row's sort values and id.
type Cursor struct {
	Values []Value
	ID     string
}

// Micros is how a time is compared and stored: microseconds since 1970 UTC,
// rounded towards the past.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Conjuncts are the conditions that all hold where an expression does: the terms of an
// AND, of those within it too, or the expression itself.
func Conjuncts(e Expr) []Expr {
	and, ok := e.(And)
	if !ok {
		return []Expr{e}
	}
	var out []Expr
	for _, t := range and.Terms {
		out = append(out, Conjuncts(t)...)
	}
	return out
}

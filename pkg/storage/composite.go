package storage

import (
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
)

// WalkedBy are the fields of the composite index along which a page can be walked, where
// the filter says what they are equal to; none when there is no such index. Few rows or
// many, the walk meets no other ones.
func (d Definition) WalkedBy(filter query.Expr, order query.Order) []string {
	equal := equalFields(filter)
	for _, group := range d.Composite {
		n := 0
		for n < len(group) && slices.Contains(equal, strings.TrimPrefix(group[n], "-")) {
			n++
		}
		if n > 0 && n < len(group) && slices.Equal(terms(order), group[n:]) {
			fields := make([]string, n)
			for i := range fields {
				fields[i] = strings.TrimPrefix(group[i], "-")
			}
			return fields
		}
	}
	return nil
}

// Composites that a model may have.
const (
	MaxComposite       = 8 // of a type: each costs a write as much as a field does
	MaxCompositeFields = 6
)

// ordersAside are fields beside those of the data that a composite index may have.
var ordersAside = []string{"meta.created_at", "meta.updated_at"}

// Composable reports whether a field beside those of the data may be in a composite index.
func Composable(field string) bool { return slices.Contains(ordersAside, field) }

// Suggested is the composite index by which lists with such a filter and order would find
// their pages at once; nil when there can be none, or is one.
func (d Definition) Suggested(filter query.Expr, order query.Order) []string {
	if d.WalkedBy(filter, order) != nil {
		return nil
	}
	may := func(field string) bool {
		return Composable(field) || slices.ContainsFunc(d.Fields, func(f query.Field) bool { return f.Name == field && !f.List })
	}
	var out []string
	for _, f := range equalFields(filter) {
		if may(f) && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	by := terms(order)
	if len(out) == 0 || len(by) == 0 || len(out)+len(by) > MaxCompositeFields {
		return nil
	}
	for _, term := range by {
		if field := strings.TrimPrefix(term, "-"); !may(field) || slices.Contains(out, field) {
			return nil
		}
	}
	return append(out, by...)
}

// equalFields are the fields that have one value in whatever a filter finds.
func equalFields(filter query.Expr) (out []string) {
	if filter == nil {
		return nil
	}
	for _, e := range query.Conjuncts(filter) {
		if c, ok := e.(query.Compare); ok && c.Op == query.Equal && c.Via == query.Plain && !c.Field.List {
			out = append(out, c.Field.Name)
		}
	}
	return out
}

// terms are those of an order as a composite index has them.
func terms(order query.Order) (out []string) {
	for _, t := range order {
		name := t.Field.Name
		if t.Desc {
			name = "-" + name
		}
		out = append(out, name)
	}
	return out
}

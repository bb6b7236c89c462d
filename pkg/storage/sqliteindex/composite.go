package sqliteindex

import (
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
)

// walkedBy are the fields of the composite index along which the page of a search can be
// walked, where the filter says what they are equal to; none when there is no such index.
// Few rows or many, the walk meets no other ones.
func (t *writable) walkedBy(s *search) []string {
	if s.Filter == nil {
		return nil
	}
	equal := equalFields(s.Filter)
	for _, group := range t.def.Composite {
		n := 0
		for n < len(group) && slices.Contains(equal, strings.TrimPrefix(group[n], "-")) {
			n++
		}
		if n > 0 && n < len(group) && ordersBy(s.Order, group[n:]) {
			fields := make([]string, n)
			for i := range fields {
				fields[i] = strings.TrimPrefix(group[i], "-")
			}
			return fields
		}
	}
	return nil
}

// equalFields are the fields that have one value in whatever a filter finds.
func equalFields(filter query.Expr) (out []string) {
	for _, e := range conjuncts(filter) {
		if c, ok := e.(query.Compare); ok && c.Op == query.Equal && c.Via == query.Plain && !c.Field.List {
			out = append(out, c.Field.Name)
		}
	}
	return out
}

// ordersBy reports whether rows in the order of an index's fields are in an order.
func ordersBy(order query.Order, terms []string) bool {
	if len(order) != len(terms) {
		return false
	}
	for i, term := range terms {
		path, desc := strings.CutPrefix(term, "-")
		if order[i].Field.Name != path || order[i].Desc != desc {
			return false
		}
	}
	return true
}

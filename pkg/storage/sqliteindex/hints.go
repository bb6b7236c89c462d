package sqliteindex

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// few is how many rows are better sorted than found along the order's index.
const few = 2000

// hints tell the planner what it cannot know: whether an equality leaves few
// rows. If it does, they are found first and sorted; if not, the order's index
// is walked and each row is looked at until the page is full. The wrong choice
// costs a hundred times more, in either direction. They change no answer.
type hints struct {
	elements map[element]bool // of lists: those that few rows have
	common   []string         // fields that are equal in many rows
}

// hints looks at the conditions that must all hold, counting to few at most.
func (x *Index) hints(ctx context.Context, t *table, q storage.Search) (hints, error) {
	h := hints{elements: map[element]bool{}}
	for _, e := range conjuncts(q.Filter) {
		switch e := e.(type) {
		case query.Has:
			c, ok := t.view.Columns[e.Field.Name]
			if !ok {
				continue
			}
			n, err := x.countFew(ctx, c.Members, "v", e.Value)
			if err != nil {
				return h, err
			}
			h.elements[element{c.Members, e.Value}] = n < few
		case query.Compare:
			c, ok := t.view.Columns[e.Field.Name]
			if !ok || !c.Nullable || e.Op != query.Equal || e.Via != query.Plain {
				continue // meta fields have no index of their own
			}
			n, err := x.countFew(ctx, t.view.Name, c.SQL, e.Value)
			if err != nil {
				return h, err
			}
			if n == few {
				h.common = append(h.common, e.Field.Name)
			}
		}
	}
	return h, nil
}

func conjuncts(e query.Expr) []query.Expr {
	and, ok := e.(query.And)
	if !ok {
		return []query.Expr{e}
	}
	var out []query.Expr
	for _, t := range and.Terms {
		out = append(out, conjuncts(t)...)
	}
	return out
}

func (x *Index) countFew(ctx context.Context, table, column string, v query.Value) (n int, err error) {
	stmt, done, err := x.prepared.get(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s = ?1 LIMIT %d)", table, column, few))
	if err != nil {
		return 0, err
	}
	defer done()
	err = stmt.QueryRowContext(ctx, dialect{}.Arg(v)).Scan(&n)
	return n, err
}

// apply hides the indexes of common fields from the planner (a unary plus does
// that) unless the order walks along them.
func (h hints) apply(s *search) {
	for _, name := range h.common {
		if slices.ContainsFunc(s.Order, func(t query.Term) bool { return t.Field.Name == name }) {
			continue
		}
		s.view.Columns = maps.Clone(s.view.Columns)
		c := s.view.Columns[name]
		c.SQL = "+" + c.SQL
		s.view.Columns[name] = c
	}
}

package sqliteindex

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// few is how many rows are better sorted than found along the order's index. A
// test changes it to see that both ways answer alike.
var few = 1000

// hints tell the planner what it cannot know: whether a condition leaves few
// rows. If one does, they are found first and sorted; if not, the order's
// index is walked and each row is looked at until the page is full. The wrong
// choice costs a hundred times more, in either direction. Hints change no
// answer, so it does not matter that they are asked for beforehand.
type hints struct {
	elements map[element]bool // of lists: those that few rows have
	rare     []string         // fields of conditions that few rows meet
	common   []string         // fields that are equal in many rows
}

// hints looks at the conditions that must all hold and have an index, counting
// to few at most.
func (x *Index) hints(ctx context.Context, t *writable, q storage.Search) (hints, error) {
	h := hints{elements: map[element]bool{}}
	for _, e := range conjuncts(q.Filter) {
		field, equal := t.indexed(e)
		if field.Name == "" {
			continue
		}
		n, err := x.countFew(ctx, t, e)
		if err != nil {
			return h, err
		}
		has, isHas := e.(query.Has)
		switch {
		case isHas:
			h.elements[element{t.view.Columns[field.Name].Members, has.Value}] = n < few
		case n < few:
			h.rare = append(h.rare, field.Name)
		case equal:
			h.common = append(h.common, field.Name)
		}
	}
	return h, nil
}

// indexed is the field of a condition that an index can answer, if it is one.
func (t *writable) indexed(e query.Expr) (f query.Field, equal bool) {
	via := query.Plain
	switch e := e.(type) {
	case query.Has:
		f = e.Field
	case query.Compare:
		f, via, equal = e.Field, e.Via, e.Op == query.Equal
		if e.Op == query.NotEqual {
			via = query.Length
		}
	case query.In:
		f, via, equal = e.Field, e.Via, true
	case query.TextMatch:
		f, via = e.Field, e.Via
		if e.Match != query.StartsWith {
			via = query.Length
		}
	}
	if via != query.Plain || !t.hasIndex(f.Name) {
		return query.Field{}, false
	}
	return f, equal
}

// hasIndex leaves out the job fields: the index of their state is made for the
// order their searches have.
func (t *writable) hasIndex(name string) bool {
	if slices.Contains([]string{query.IDField, "meta.created_at", "meta.updated_at"}, name) {
		return true
	}
	return slices.ContainsFunc(t.def.Fields, func(f query.Field) bool { return f.Name == name })
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

// countFew counts the rows that meet a condition, few at most.
func (x *Index) countFew(ctx context.Context, t *writable, e query.Expr) (n int, err error) {
	r := sqlrender.New(dialect{table: t.view.Name}, t.view)
	text := fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s LIMIT %d)", t.view.Name, r.Where(e), few)
	if has, ok := e.(query.Has); ok { // without a look at the rows
		r = sqlrender.New(dialect{}, t.view)
		text = fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE v = %s LIMIT %d)", t.view.Columns[has.Field.Name].Members, r.Arg(has.Value), few)
	}
	args, err := r.Args()
	if err != nil {
		return 0, err
	}
	stmt, done, err := x.prepared.get(ctx, text)
	if err != nil {
		return 0, err
	}
	defer done()
	err = stmt.QueryRowContext(ctx, args...).Scan(&n)
	return n, err
}

// apply hides indexes from the planner, which a unary plus does: those of the
// order when few rows are left to sort, else those of common values.
func (h hints) apply(s *search) {
	ordered := func(name string) bool {
		return slices.ContainsFunc(s.Order, func(t query.Term) bool { return t.Field.Name == name })
	}
	s.view.Columns = maps.Clone(s.view.Columns)
	hide := func(name string) {
		if c, ok := s.view.Columns[name]; ok && c.SQL[0] != '+' {
			c.SQL = "+" + c.SQL
			s.view.Columns[name] = c
		}
	}
	if len(h.rare) > 0 {
		for _, t := range s.Order {
			if !slices.Contains(h.rare, t.Field.Name) {
				hide(t.Field.Name)
			}
		}
		return
	}
	for _, name := range h.common {
		if !ordered(name) {
			hide(name)
		}
	}
}

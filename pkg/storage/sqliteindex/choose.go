package sqliteindex

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// few is how many rows are better sorted than found along the order's index. A
// test changes it to see that both ways answer alike.
var few = 1000

// maxRare is how many conditions of a filter are looked at. Each writes the
// filter once more, so that of a long one, in bytes, none is.
const (
	maxRare    = 4
	longFilter = 8 << 10
)

// SQLite cannot know, when it plans, whether a condition leaves few rows. If
// one does, they are best found first and sorted; if not, the order's index is
// walked and each row is looked at until the page is full. The wrong choice
// costs a hundred times more, in either direction. So the statement holds all
// ways, counts the rows of each condition that has an index up to few, and
// gives the ways that it does not take a limit of 0.

// rare are the conditions of the filter that few rows may meet.
func (s *search) rare(t *writable) (out []query.Expr) {
	if s.Filter == nil || s.isLong() {
		return nil
	}
	walked := t.def.WalkedBy(s.Filter, s.Order)
	for _, e := range query.Conjuncts(s.Filter) {
		if slices.Contains(walked, t.indexed(e).Name) {
			continue
		}
		if f := t.indexed(e); f.Name != "" && f.Name != s.Order[0].Field.Name && len(out) < maxRare {
			out = append(out, e)
		}
	}
	return out
}

// isLong reports whether the filter is better written once only: SQLite looks an
// argument that it meets again up among all of them.
func (s *search) isLong() bool { return s.Filter != nil && len(query.String(s.Filter)) > longFilter }

// choose sets up the ways of a page. A unary plus hides a column's index from
// the planner.
func (s *search) choose(t *writable) {
	rare := s.rare(t)
	walk := maps.Clone(s.view.Columns)
	for _, e := range rare {
		name := t.indexed(e).Name
		if c := walk[name]; c.Members == "" && !slices.ContainsFunc(s.Order, func(t query.Term) bool { return t.Field.Name == name }) {
			c.SQL = "+" + c.SQL
			walk[name] = c
		}
	}
	view := s.view
	view.Columns = walk
	none := map[element]bool{}
	s.r = sqlrender.New(dialect{table: t.view.Name, fromElements: none}, view)
	var counts, others []string
	for i, e := range rare {
		counts = append(counts, fmt.Sprintf("%s AS n%d", t.areFew(s.r, e), i))
		s.ways = append(s.ways, way{s.found(t, e), fmt.Sprintf("(SELECT %s FROM few)", strings.Join(append(others, fmt.Sprintf("n%d", i)), " AND "))})
		others = append(others, fmt.Sprintf("NOT n%d", i))
	}
	if len(rare) > 0 {
		s.with = "WITH few AS MATERIALIZED (SELECT " + strings.Join(counts, ", ") + ") "
		s.unless = "(SELECT " + strings.Join(others, " AND ") + " FROM few)"
	}
}

// way is another way than the walk, and when it is taken.
type way struct {
	r      *sqlrender.Renderer
	onlyIf string
}

// found sees the table so that only the condition's index is left.
func (s *search) found(t *writable, e query.Expr) *sqlrender.Renderer {
	name := t.indexed(e).Name
	view := s.view
	view.Columns = maps.Clone(view.Columns)
	for n, c := range view.Columns {
		if n != name && c.Members == "" {
			c.SQL = "+" + c.SQL
			view.Columns[n] = c
		}
	}
	elements := map[element]bool{}
	if has, ok := e.(query.Has); ok {
		elements[element{view.Columns[name].Members, has.Value}] = true
	}
	return s.r.As(dialect{table: t.view.Name, fromElements: elements}, view)
}

// areFew tells whether fewer than few rows meet a condition. To skip rows costs
// a third of counting them.
func (t *writable) areFew(r *sqlrender.Renderer, e query.Expr) string {
	r = r.As(dialect{table: t.view.Name}, t.view)
	from := t.view.Name
	var cond string
	if has, ok := e.(query.Has); ok { // without a look at the rows
		from, cond = t.view.Columns[has.Field.Name].Members, "v = "+r.Arg(has.Value)
	} else {
		cond = r.Where(e)
	}
	return fmt.Sprintf("(SELECT 1 FROM %s WHERE %s LIMIT 1 OFFSET %d) IS NULL", from, cond, few-1)
}

// indexed is the field of a condition that an index can answer, if it is one.
func (t *writable) indexed(e query.Expr) (f query.Field) {
	via := query.Plain
	switch e := e.(type) {
	case query.Has:
		f = e.Field
	case query.Compare:
		f, via = e.Field, e.Via
		if e.Op == query.NotEqual {
			via = query.Length
		}
	case query.In:
		f, via = e.Field, e.Via
	case query.TextMatch:
		f, via = e.Field, e.Via
		if e.Match != query.StartsWith || f.List {
			via = query.Length
		}
	}
	if via != query.Plain || !t.hasIndex(f.Name) {
		return query.Field{}
	}
	return f
}

// hasIndex leaves out the job fields: the index of their state is made for the
// order their searches have.
func (t *writable) hasIndex(name string) bool {
	if slices.Contains([]string{query.IDField, "meta.created_at", "meta.updated_at"}, name) {
		return true
	}
	return slices.ContainsFunc(t.def.Fields, func(f query.Field) bool { return f.Name == name })
}

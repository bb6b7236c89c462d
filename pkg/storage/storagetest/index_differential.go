package storagetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// filters is how many random filters the index and the evaluator answer.
const filters = 600

// texts, numbers and so on are values that are known to be told apart wrongly.
var (
	texts = []string{"", "a", "A", "b", "Heat", "heat", "HEAT 100%", "a_b", "a*b", "%", "_", "*", `quo"te`, `back\slash`, "it's", "é", "e\u0301", "É",
		"ß", "ẞ", "ς", "Σ", "σ", "İ", "ı", "K", "k", "日本", "😀", "a😀b", "\uFFFF", "line\nbreak", " ", "null", "true", "1", "1.0", "z", "zz", "𝒳", "a\u00a0b", "5 µm", "5 ΜM", "ſ", "λόγος", "ΛΌΓΟΣ"}
	integers = []int64{0, 1, -1, 2, 3, 1999, 2000, 1 << 53, 1<<53 + 1, -(1<<53 + 1), math.MaxInt64, math.MinInt64, math.MaxInt64 - 1}
	floats   = []float64{0, 1, -1, 0.5, -0.5, 1.5, 2, 2000, 1 << 53, 1<<53 + 2, 1 << 63, -(1 << 63), 1e300, -1e300, 5e-324, 0.1, 1e18, math.Copysign(0, -1)}
	times    = []time.Time{epoch, epoch.Add(time.Microsecond), epoch.Add(-time.Hour), time.UnixMicro(0).UTC(), time.UnixMicro(-1).UTC(), epoch.AddDate(50, 0, 0)}
	patterns = []string{"a", "^a", "a$", "^$", "", "(?i)heat", "[a-z]+", "[^a-z]", "a|b", "(?:a|H).*", `\d+`, `100%`, `a.b`, "é", `\s`, "^.$", "(?i)σ", "e{1,2}"}
)

// resourceRow gives a change to the evaluator.
type resourceRow struct {
	meta   *storage.Meta
	values query.Values
}

func (r resourceRow) Value(name string) query.Value {
	if strings.HasPrefix(name, "meta.") {
		return storage.MetaValue(r.meta, name)
	}
	return r.values[name]
}

// randomRows fills an index and gives the same rows to the evaluator.
func randomRows(t *testing.T, x storage.Index, g *generator) (rows []query.Row) {
	define(t, x, movies())
	var changes []storage.IndexChange
	for i := range 80 {
		values := g.row()
		c := change(uint64(i+1), fmt.Sprintf("m%02d", g.IntN(90)), storage.Created, values)
		if slices.ContainsFunc(changes, func(o storage.IndexChange) bool { return o.Event.Meta.ID == c.Event.Meta.ID }) {
			continue
		}
		c.Event.Meta.CreatedAt = pick(g, times)
		encode(&c)
		c.Event.Meta.Seq = c.Event.Seq
		changes = append(changes, c)
		rows = append(rows, resourceRow{&c.Event.Meta, values})
	}
	apply(t, x, changes...)
	return rows
}

// differential holds the index to the evaluator: same ids, same order, with
// pages of several sizes.
func differential(t *testing.T, x storage.Index) {
	g := &generator{rand.New(rand.NewPCG(20240501, 7))}
	rows := randomRows(t, x, g)
	for n := range filters {
		src, s := g.search(t, n)
		if got, expected := ids(t, x, s), reference(rows, s.Filter, s.Order); !slices.Equal(got, expected) {
			t.Fatalf("filter %d: %s\norder by %s\n got %v\nwant %v", n, src, s.Order, got, expected)
		}
	}
}

// search makes the n-th search; its filter comes along as text.
func (g *generator) search(t *testing.T, n int) (string, storage.Search) {
	src := g.expr(3)
	e, err := query.Parse(movies().QueryFields(), src, query.Options{Now: epoch})
	ok(t, err)
	return src, storage.Search{Filter: e, Order: g.order(), Limit: []int{200, 200, 1, 7}[n%4]}
}

// reference answers a search in memory.
func reference(rows []query.Row, e query.Expr, o query.Order) []string {
	var found []query.Row
	for _, r := range rows {
		if e == nil || query.Eval(e, r) == query.True {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, o.Compare)
	out := []string{}
	for _, r := range found {
		out = append(out, r.Value(query.IDField).(string))
	}
	return out
}

type generator struct{ *rand.Rand }

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

func (g *generator) row() query.Values {
	v := query.Values{}
	set := func(name string, value query.Value) {
		if g.IntN(5) > 0 {
			v[name] = value
		}
	}
	set("title", pick(g, texts))
	set("year", pick(g, integers))
	set("score", pick(g, floats))
	set("open", g.IntN(2) == 0)
	set("released", pick(g, times))
	genres, marks := []query.Value{}, []query.Value{}
	for range g.IntN(4) {
		genres = append(genres, pick(g, texts))
		marks = append(marks, pick(g, floats))
		if g.IntN(6) == 0 {
			genres = append(genres, nil)
		}
	}
	set("genres", genres)
	set("marks", marks)
	return v
}

func (g *generator) order() query.Order {
	var o query.Order
	all := movies().QueryFields()
	for range g.IntN(4) + 1 {
		f, _ := all.Lookup(pick(g, []string{"title", "year", "score", "open", "released", "meta.created_at", "meta.id", "meta.seq"}))
		if !slices.ContainsFunc(o, func(t query.Term) bool { return t.Field.Name == f.Name }) {
			o = append(o, query.Term{Field: f, Desc: g.IntN(2) == 0})
		}
	}
	return o
}

func (g *generator) expr(depth int) string {
	if depth == 0 || g.IntN(4) == 0 {
		return g.predicate()
	}
	switch g.IntN(3) {
	case 0:
		return "NOT (" + g.expr(depth-1) + ")"
	default:
		joint := pick(g, []string{" AND ", " OR "})
		parts := []string{}
		for range 2 + g.IntN(2) {
			parts = append(parts, "("+g.expr(depth-1)+")")
		}
		return strings.Join(parts, joint)
	}
}

func (g *generator) text() string { return printed(pick(g, texts)) }

func printed(v query.Value) string {
	s := query.String(query.Compare{Field: query.Field{Name: "x"}, Op: query.Equal, Value: v})
	return strings.TrimPrefix(s, "x = ")
}

func (g *generator) number() string {
	switch g.IntN(3) {
	case 0:
		return printed(pick(g, integers))
	case 1:
		return printed(pick(g, floats))
	}
	return pick(g, []string{"0.5", "9007199254740992.5", "9007199254740993", "1e19", "-1e19", "9223372036854775807.0", "1.0", "2000", "99999999999999999999",
		"9007199254740993.0", "9223372036854775806.5", "-9223372036854775807.5", "-9223372036854775808.5", "1e-400", "1999.99999999999999999999", "9007199254740993.5"})
}

func (g *generator) predicate() string {
	op := " " + pick(g, []string{"=", "!=", "<", "<=", ">", ">="}) + " "
	switch g.IntN(17) {
	case 15:
		pair := pick(g, [][2]string{{"year", "score"}, {"score", "meta.seq"}, {"year", "meta.seq"}, {"released", "meta.created_at"}, {"title", "meta.id"}, {"lower(title)", "lower(meta.id)"},
			{"len(title)", "len(genres)"}, {"len(genres)", "year"}, {"len(marks)", "score"}, {"title", "title"}, {"meta.created_by", "title"}})
		if g.IntN(2) == 0 {
			pair[0], pair[1] = pair[1], pair[0]
		}
		return pair[0] + op + pair[1]
	case 0:
		return "title" + op + g.text()
	case 1:
		return "lower(title)" + op + g.text()
	case 2:
		return "len(title)" + op + pick(g, []string{"1", "0", "2.5", "-1", "3"})
	case 3:
		return "len(" + pick(g, []string{"genres", "marks"}) + ")" + op + fmt.Sprint(g.IntN(4))
	case 4, 5:
		return pick(g, []string{"year", "score", "meta.seq"}) + op + g.number()
	case 6:
		return "open" + pick(g, []string{" = ", " != "}) + pick(g, []string{"true", "false"})
	case 7:
		return pick(g, []string{"released", "meta.created_at"}) + op + pick(g, []string{printed(pick(g, times)), g.zoned(), `now() - duration("1h")`})
	case 8:
		return "genres:" + g.text()
	case 9:
		return "marks:" + g.number()
	case 10:
		return g.nullness()
	case 11, 12:
		f := pick(g, []string{"startsWith", "endsWith", "contains", "icontains"})
		return f + "(" + pick(g, []string{"title", "title", "lower(title)", "meta.id", "genres", "genres"}) + ", " + g.text() + ")"
	case 13:
		if g.IntN(2) == 0 {
			return "matches(" + pick(g, []string{"title", "lower(title)", "genres"}) + ", " + printed(g.pattern()) + ")"
		}
		return "matches(" + pick(g, []string{"title", "genres"}) + ", " + printed(pick(g, patterns)) + ")"
	case 14:
		return "in(" + pick(g, []string{"title", "lower(title)"}) + ", " + g.text() + ", " + g.text() + ")"
	}
	return "in(" + pick(g, []string{"year", "score", "len(title)"}) + ", " + g.number() + ", " + g.number() + ")"
}

func (g *generator) nullness() string {
	field := pick(g, []string{"title", "year", "score", "open", "released", "genres", "marks"})
	return fmt.Sprintf(pick(g, []string{"isNull(%s)", "%s:*", "%s = null", "%s != null"}), field)
}

package storagetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// aggregations is how many random aggregations are compared.
const aggregations = 300

func field(t *testing.T, name string) query.Field {
	t.Helper()
	f, found := movies().QueryFields().Lookup(name)
	if !found {
		t.Fatalf("no field %s", name)
	}
	return f
}

// groups walks all pages of an aggregation.
func groups(t *testing.T, x storage.Index, a storage.Aggregation) (out []storage.Group) {
	t.Helper()
	a.Type = "movies"
	if a.Limit == 0 {
		a.Limit = 1000
	}
	for {
		page, err := x.Aggregate(t.Context(), a)
		ok(t, err)
		if len(page.Groups) > a.Limit {
			t.Fatalf("%d groups, limit %d", len(page.Groups), a.Limit)
		}
		out = append(out, page.Groups...)
		if page.Next == nil {
			return out
		}
		a.After = page.Next
	}
}

// shown writes groups with the types of their values.
func shown(gs []storage.Group) string {
	s := ""
	value := func(v any) {
		switch x := v.(type) {
		case time.Time:
			s += x.UTC().Format(time.RFC3339Nano)
		case float64:
			s += "f" + strconv.FormatFloat(x, 'g', -1, 64)
		default:
			s += fmt.Sprintf("%T %q", v, fmt.Sprint(v))
		}
		s += " "
	}
	for _, g := range gs {
		s += "["
		for _, list := range [][]any{g.Key, {g.Count}, g.Sum, g.Avg, g.Min, g.Max} {
			s += "|"
			for _, v := range list {
				value(v)
			}
		}
		s += "]\n"
	}
	return s
}

func groupsOfAll(t *testing.T, x storage.Index) {
	define(t, x, movies())
	all := storage.Aggregation{Sum: []query.Field{field(t, "year")}, Avg: []query.Field{field(t, "score")}, Max: []query.Field{field(t, "title")}}
	want(t, shown(groups(t, x, all)), shown([]storage.Group{{Count: 0, Sum: []any{nil}, Avg: []any{nil}, Max: []any{nil}}}))
	big := int64(math.MaxInt64)
	apply(t, x,
		change(1, "a", storage.Created, query.Values{"title": "b", "year": big, "score": 0.1}),
		change(2, "b", storage.Created, query.Values{"title": "é", "year": big, "score": 0.2}),
		change(3, "c", storage.Created, query.Values{"title": "B"}),
		change(4, "d", storage.Created, query.Values{"year": int64(1), "score": 9.0}),
		change(5, "d", storage.Deleted, query.Values{"year": int64(1), "score": 9.0}))
	want(t, shown(groups(t, x, all)), shown([]storage.Group{{Count: 3, Sum: []any{json.Number("18446744073709551614")}, Avg: []any{0.15}, Max: []any{"é"}}}))
	page, err := x.Aggregate(t.Context(), storage.Aggregation{Type: "movies", Limit: 1})
	ok(t, err)
	want(t, page.Applied, uint64(5))
}

// sumsAreExact adds numbers in decimal: what databases add in one way up to a
// limit and in another beyond it.
func sumsAreExact(t *testing.T, x storage.Index) {
	define(t, x, movies())
	hard := []float64{0.1, 0.2, 0.30000000000000004, 1e308, -1e308, 5e-324, 1e-7, 0.0000005, -0.0000005, 0.1234565, 1.0000004999999999,
		999999999.999999, 999999999.9999999, 1e9, 1000000000.1, -999999999.999999, -1e9, 123456789.12345678, 1e15, 9007199254740993, 4503599627.370497,
		997236467.7630169, 912999675.6576279, 174451918.75045902} // times 10^6 these are integers, rounded
	g := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		hard = append(hard, math.Round(g.Float64()*1e9)/1e6, g.NormFloat64()*math.Pow(10, float64(g.IntN(30)-15)))
	}
	var rows []query.Row
	var changes []storage.IndexChange
	for i, score := range hard {
		// A group of each alone, and larger ones.
		for n, year := range []int64{int64(i), 10_000 + int64(i%7), 20_000} {
			values := query.Values{"year": year, "score": score}
			c := change(uint64(len(rows)+1), fmt.Sprintf("r%d-%d", i, n), storage.Created, values)
			changes, rows = append(changes, c), append(rows, resourceRow{&c.Event.Meta, values})
		}
	}
	apply(t, x, changes...)
	a := storage.Aggregation{By: []query.Field{field(t, "year")}, Sum: []query.Field{field(t, "score")}, Avg: []query.Field{field(t, "score")}, Limit: 1000}
	want(t, shown(groups(t, x, a)), shown(referenceGroups(rows, a)))
}

func groupsByElement(t *testing.T, x storage.Index) {
	define(t, x, movies())
	list := func(v ...query.Value) query.Values { return query.Values{"genres": v} }
	apply(t, x, change(1, "a", storage.Created, list("x", "x", nil)), change(2, "b", storage.Created, list("x", "y")),
		change(3, "c", storage.Created, query.Values{}), change(4, "d", storage.Created, query.Values{"genres": []query.Value{}}))
	by := storage.Aggregation{By: []query.Field{field(t, "genres")}, Order: []storage.GroupTerm{{Key: storage.ByCount, Desc: true}}, Limit: 2}
	want(t, shown(groups(t, x, by)), shown([]storage.Group{{Key: []any{"x"}, Count: 2}, {Key: []any{nil}, Count: 2}, {Key: []any{"y"}, Count: 1}}))
}

// aggregates holds the index to a reference in memory.
func aggregates(t *testing.T, x storage.Index) {
	g := &generator{rand.New(rand.NewPCG(77, 3))}
	rows := randomRows(t, x, g)
	for n := range aggregations {
		a, src := g.aggregation(t)
		if n%3 == 0 {
			a.Limit = 1 + g.IntN(3)
		}
		if got, expected := shown(groups(t, x, a)), shown(referenceGroups(rows, a)); got != expected {
			t.Fatalf("aggregation %d: by %v order %v filter %s\n got\n%s\nwant\n%s", n, a.By, a.Order, src, got, expected)
		}
	}
}

func (g *generator) aggregation(t *testing.T) (a storage.Aggregation, src string) {
	some := func(most int, names ...string) (out []query.Field) {
		for range g.IntN(most + 1) {
			f := field(t, pick(g, names))
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
		return out
	}
	a.By = some(3, "title", "year", "score", "open", "released", "genres", "marks", "meta.status", "meta.created_at")
	a.Sum, a.Avg = some(2, "year", "score", "meta.seq"), some(2, "year", "score")
	a.Min, a.Max = some(2, "title", "year", "score", "open", "released", "meta.created_at"), some(2, "title", "year", "score", "open", "released")
	if g.IntN(2) == 0 {
		a.Order = append(a.Order, storage.GroupTerm{Key: storage.ByCount, Desc: g.IntN(2) == 0})
	}
	if len(a.By) > 0 && g.IntN(2) == 0 {
		a.Order = append(a.Order, storage.GroupTerm{Key: g.IntN(len(a.By)), Desc: g.IntN(2) == 0})
	}
	if g.IntN(2) == 0 {
		src = g.expr(2)
		e, err := query.Parse(movies().QueryFields(), src, query.Options{Now: epoch})
		ok(t, err)
		a.Filter = e
	}
	return a, src
}

// referenceGroups answers an aggregation in memory.
func referenceGroups(rows []query.Row, a storage.Aggregation) []storage.Group {
	type bucket struct {
		key  []query.Value
		rows []query.Row
	}
	byKey := map[string]*bucket{}
	if len(a.By) == 0 {
		byKey[""] = &bucket{}
	}
	for _, r := range rows {
		if a.Filter != nil && query.Eval(a.Filter, r) != query.True {
			continue
		}
		for _, k := range keysOf(a.By, r) {
			name := shown([]storage.Group{{Key: k}})
			if len(a.By) == 0 {
				name = ""
			}
			if byKey[name] == nil {
				byKey[name] = &bucket{key: k}
			}
			byKey[name].rows = append(byKey[name].rows, r)
		}
	}
	var out []storage.Group
	for _, b := range byKey {
		g := storage.Group{Key: b.key, Count: int64(len(b.rows))}
		for _, f := range a.Sum {
			g.Sum = append(g.Sum, referenceSum(f, b.rows))
		}
		for _, f := range a.Avg {
			g.Avg = append(g.Avg, referenceAvg(f, b.rows))
		}
		for _, f := range a.Min {
			g.Min = append(g.Min, extreme(f, b.rows, false))
		}
		for _, f := range a.Max {
			g.Max = append(g.Max, extreme(f, b.rows, true))
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(x, y storage.Group) int {
		for _, t := range a.Terms() {
			var c int
			if t.Key < 0 {
				c = cmp.Compare(x.Count, y.Count)
				if t.Desc {
					c = -c
				}
			} else {
				f := a.By[t.Key]
				f.List = false
				c = query.Order{{Field: f, Desc: t.Desc}}.Compare(query.Values{f.Name: x.Key[t.Key]}, query.Values{f.Name: y.Key[t.Key]})
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return out
}

// keysOf are the groups a row is in.
func keysOf(by []query.Field, r query.Row) [][]query.Value {
	out := [][]query.Value{nil}
	for _, f := range by {
		values := []query.Value{oneZero(r.Value(f.Name))}
		if f.List {
			values = nil
			list, _ := r.Value(f.Name).([]query.Value)
			for _, v := range list {
				if v = oneZero(v); v != nil && !slices.Contains(values, v) {
					values = append(values, v)
				}
			}
			if values == nil {
				values = []query.Value{nil}
			}
		}
		var next [][]query.Value
		for _, k := range out {
			for _, v := range values {
				next = append(next, append(slices.Clone(k), v))
			}
		}
		out = next
	}
	return out
}

func oneZero(v query.Value) query.Value {
	if f, isFloat := v.(float64); isFloat && f == 0 {
		return 0.0
	}
	return v
}

func exactly(f query.Field, rows []query.Row) (sum *big.Rat, n int64) {
	for _, r := range rows {
		part := new(big.Rat)
		switch v := r.Value(f.Name).(type) {
		case int64:
			part.SetInt64(v)
		case float64:
			part.SetString(strconv.FormatFloat(v, 'g', -1, 64))
		default:
			continue
		}
		if sum == nil {
			sum = new(big.Rat)
		}
		sum.Add(sum, part)
		n++
	}
	return sum, n
}

func referenceSum(f query.Field, rows []query.Row) any {
	sum, _ := exactly(f, rows)
	if sum == nil {
		return nil
	}
	if f.Kind == query.Number {
		v, _ := sum.Float64()
		return oneZero(v)
	}
	if !sum.Num().IsInt64() {
		return json.Number(sum.Num().String())
	}
	return sum.Num().Int64()
}

func referenceAvg(f query.Field, rows []query.Row) query.Value {
	sum, n := exactly(f, rows)
	if sum == nil {
		return nil
	}
	v, _ := sum.Quo(sum, new(big.Rat).SetInt64(n)).Float64()
	return oneZero(v)
}

func extreme(f query.Field, rows []query.Row, largest bool) (best query.Value) {
	for _, r := range rows {
		v := r.Value(f.Name)
		if v == nil {
			continue
		}
		c := query.Order{{Field: f}}.Compare(query.Values{f.Name: v}, query.Values{f.Name: best})
		if best == nil || largest && c > 0 || !largest && c < 0 {
			best = oneZero(v)
		}
	}
	return best
}

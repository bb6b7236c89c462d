package storagetest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Fuzz asks an empty index whatever is read as a filter, an order and a
// full-text query. The index must answer each as the evaluator does: nothing
// that passes the parser fails in the database, or means something else there.
func Fuzz(f *testing.F, x storage.Index) {
	for _, filter := range []string{"", `year >= 2000 AND (genres:"Drama" OR title = "Heat") AND NOT isNull(title)`, `matches(title, "(?i)^a{2,3}[b-d]|\\w$")`,
		`released < now() - duration("24h")`, `in(len(title), 1, -2.5e3)`, `title = "\ud83d\ude00"`, `NOT NOT marks:1.0`, `icontains(title, "%_\\'\"")`,
		`endsWith(lower(title), "HEAT")`, `title = "x' OR 1=1 --"`, `contains(title, "\");DROP TABLE movies;")`, `score = 1e300 OR year = 9223372036854775808`,
		`meta.created_at != "0001-01-01T00:00:00Z"`, `matches(title, "[^\\]\\-é-ü]{0,9}$")`, `open = false`, `matches(genres, "^a|") AND NOT icontains(genres, "É")`, `len(genres) >= 2.5`} {
		f.Add(filter, "year desc, title", `heat "été über" stra*`)
		f.Add(filter, "meta.created_at", "")
	}
	rows, changes := (&generator{rand.New(rand.NewPCG(5, 11))}).resources()
	define(f, x, movies())
	apply(f, x, changes...)
	fields := movies().QueryFields()
	f.Fuzz(func(t *testing.T, filter, order, text string) {
		s := storage.Search{Text: text, Limit: 60}
		var err error
		if filter != "" {
			if s.Filter, err = query.Parse(fields, filter, query.Options{Now: epoch}); err != nil {
				return
			}
		}
		if s.Order, err = query.ParseOrder(fields, order); err != nil {
			return
		}
		if _, err := query.ParseText(text); err != nil {
			return
		}
		if len(s.Order) == 0 {
			s.Order = query.Order{{Field: field(t, "meta.created_at"), Desc: true}}
		}
		expected := reference(visible(t, rows, changes, s), s.Filter, s.Order)
		if got := ids(t, x, s); !slices.Equal(got, expected) {
			t.Fatalf("%q %q %q:\n got %v\nwant %v", filter, order, text, got, expected)
		}
		grouped(t, x, s, len(expected))
	})
}

// grouped holds the groups of a search to the number of its rows.
func grouped(t *testing.T, x storage.Index, s storage.Search, n int) {
	a := storage.Aggregation{Filter: s.Filter, Text: s.Text, Limit: 7, Sum: []query.Field{field(t, "score")}, Max: []query.Field{field(t, "title")}}
	for i, term := range s.Order[:min(len(s.Order), storage.MaxKeys)] {
		a.By = append(a.By, term.Field)
		a.Order = append(a.Order, storage.GroupTerm{Key: i, Desc: term.Desc})
	}
	all := int64(0)
	for _, g := range groups(t, x, a) {
		all += g.Count
	}
	if all != int64(n) {
		t.Fatalf("%s: %d in groups by %s, want %d", query.String(s.Filter), all, s.Order, n)
	}
}

package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// pagesOfBytes walks rows of different sizes: each is met once, whatever the order,
// and no page brings more than it may, but for a first row that is larger.
func pagesOfBytes(t *testing.T, x storage.Index) {
	define(t, x, movies())
	var changes []storage.IndexChange
	for i := range 40 {
		c := change(uint64(i+1), fmt.Sprintf("m%02d", i), storage.Created, query.Values{"title": fmt.Sprint("a ", i%5), "year": int64(i % 3)})
		switch i % 4 {
		case 0: // far from its row
			c.Content, c.Event.Revision.Size = nil, 100_000
		case 1:
			c.Content, c.Event.Revision.Size = nil, 5_000_000
		default:
			c.Content = []byte(`{"x":"` + strings.Repeat("x", 1000*i) + `"}`)
		}
		c.Text = []string{fmt.Sprint("a ", i%5), ""}
		encode(&c)
		changes = append(changes, c)
	}
	apply(t, x, changes...)
	const most = 300_000
	for _, s := range []storage.Search{{}, {Order: order(t, "year desc, title")}, {Order: order(t, "title")}, {Text: "a"}, {Filter: filter(t, "year >= 1"), Total: true}, {Bare: true}} {
		var met []string
		pages := 0
		s.Type, s.Limit, s.MaxBytes = "movies", 1000, most
		for {
			page, err := x.Search(t.Context(), s)
			ok(t, err)
			if len(page.Rows) == 0 {
				t.Fatal("a page without a row")
			}
			size := int64(0)
			for _, r := range page.Rows {
				size += r.Bytes(s.Bare)
				met = append(met, r.ID)
			}
			if size > most && len(page.Rows) > 1 {
				t.Fatalf("%d rows bring %d bytes", len(page.Rows), size)
			}
			pages++
			if s.After = page.Next; s.After == nil {
				break
			}
		}
		unlimited := s
		unlimited.MaxBytes, unlimited.After = 0, nil
		if all := ids(t, x, unlimited); !slices.Equal(met, all) {
			t.Fatalf("met %q, want %q", met, all)
		}
		if several := pages > 5; several == s.Bare {
			t.Errorf("%d pages, bare %v", pages, s.Bare)
		}
	}
}

// listsMultiply groups by several lists: up to a limit exactly, beyond it not at
// all, and at no cost that counts.
func listsMultiply(t *testing.T, x storage.Index) {
	define(t, x, movies())
	texts := func(n int) (out []query.Value) {
		for i := range n {
			out = append(out, fmt.Sprint("g", i))
		}
		return out
	}
	numbers := func(n int) (out []query.Value) {
		for i := range n {
			out = append(out, float64(i))
		}
		return out
	}
	marks := field(t, "marks")
	apply(t, x, change(1, "edge", storage.Created, query.Values{"genres": texts(500), "marks": numbers(500), "year": int64(1)}),
		change(2, "none", storage.Created, query.Values{"year": int64(2)}), change(3, "one", storage.Created, query.Values{"genres": texts(1000), "year": int64(2)}),
		change(4, "over", storage.Created, query.Values{"genres": texts(20_000), "marks": numbers(20_000), "year": int64(3)}),
		change(5, "gone", storage.Created, query.Values{"genres": texts(20_000), "marks": numbers(20_000), "year": int64(1)}),
		change(6, "gone", storage.Deleted, query.Values{"genres": texts(20_000), "marks": numbers(20_000), "year": int64(1)}))
	both := []query.Field{field(t, "genres"), marks}
	count := func(by []query.Field, where string) (int, error) {
		a := storage.Aggregation{Type: "movies", By: by, Limit: 1, Order: []storage.GroupTerm{{Key: storage.ByCount}}}
		if where != "" {
			a.Filter = filter(t, where)
		}
		g, err := x.Aggregate(t.Context(), a)
		return len(g.Groups), err
	}
	for where, refused := range map[string]bool{"year = 1": false, "year = 2": false, "year = 3": true, "year < 3": true, "": true} {
		n, err := count(both, where)
		var e *query.Error
		switch {
		case refused && !errors.As(err, &e):
			t.Errorf("%q: %d groups, %v", where, n, err)
		case refused && !strings.Contains(err.Error(), "combinations of elements"):
			t.Errorf("%q: %v", where, err)
		case !refused && (err != nil || n != 1):
			t.Errorf("%q: %d groups, %v", where, n, err)
		}
	}
	for _, by := range [][]query.Field{{field(t, "genres")}, {marks, field(t, "year")}, {field(t, "year")}} {
		if n, err := count(by, ""); err != nil || n != 1 {
			t.Errorf("by %v: %d groups, %v", by, n, err)
		}
	}
}

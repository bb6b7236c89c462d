package storagetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

func pagesMeetEveryRow(t *testing.T, x storage.Index) {
	define(t, x, movies())
	var changes []storage.IndexChange
	for i := range 40 {
		v := query.Values{"year": int64(i % 4)}
		if i%4 == 3 {
			v["year"] = nil
		}
		changes = append(changes, change(uint64(i+1), fmt.Sprintf("m%02d", 39-i), storage.Created, v))
	}
	apply(t, x, changes...)
	for _, o := range []string{"year", "year desc", "meta.id desc", "meta.created_at desc, year"} {
		for limit := 1; limit <= 41; limit += 8 {
			seen := map[string]bool{}
			for _, id := range ids(t, x, storage.Search{Order: order(t, o), Limit: limit}) {
				if seen[id] {
					t.Fatalf("order %q, limit %d: %s twice", o, limit, id)
				}
				seen[id] = true
			}
			want(t, len(seen), 40)
		}
	}
}

func defaultOrder(t *testing.T, x storage.Index) {
	define(t, x, movies())
	a, b, c := change(1, "a", storage.Created, nil), change(2, "b", storage.Created, nil), change(3, "c", storage.Created, nil)
	b.Event.Meta.CreatedAt = a.Event.Meta.CreatedAt
	encode(&b)
	apply(t, x, a, b, c)
	want(t, ids(t, x, storage.Search{Limit: 1}), []string{"c", "a", "b"})
}

func total(t *testing.T, x storage.Index) {
	define(t, x, movies())
	var changes []storage.IndexChange
	for i := range 10 {
		changes = append(changes, change(uint64(i+1), fmt.Sprint(i), storage.Created, query.Values{"year": int64(i)}))
	}
	apply(t, x, changes...)
	s := storage.Search{Type: "movies", Limit: 3, Filter: filter(t, "year >= 2"), Total: true}
	page, err := x.Search(t.Context(), s)
	ok(t, err)
	want(t, page.Total, int64(8))
	s.After = page.Next
	page, err = x.Search(t.Context(), s)
	ok(t, err)
	want(t, page.Total, int64(8))
	s.Total = false
	page, err = x.Search(t.Context(), s)
	ok(t, err)
	want(t, page.Total, int64(-1))
}

func bare(t *testing.T, x storage.Index) {
	define(t, x, movies())
	large := change(2, "b", storage.Created, nil)
	large.Content = nil
	apply(t, x, change(1, "a", storage.Created, nil), large)
	page, err := x.Search(t.Context(), storage.Search{Type: "movies", Limit: 2, Bare: true})
	ok(t, err)
	want(t, len(page.Rows), 2)
	want(t, page.Rows[1].Content == nil, true)
	page, err = x.Search(t.Context(), storage.Search{Type: "movies", Limit: 2})
	ok(t, err)
	want(t, page.Rows[0].Content == nil, true)
	want(t, string(page.Rows[1].Content), `{"id":"a"}`)
}

func listReplaced(t *testing.T, x storage.Index) {
	define(t, x, movies())
	list := func(v ...query.Value) query.Values { return query.Values{"genres": v} }
	apply(t, x, change(1, "a", storage.Created, list("x", "x", nil)), change(2, "b", storage.Created, list("x")))
	want(t, ids(t, x, storage.Search{Filter: filter(t, `genres:"x" AND len(genres) = 3`)}), []string{"a"})
	apply(t, x, change(3, "a", storage.Updated, list("y")))
	want(t, ids(t, x, storage.Search{Filter: filter(t, `genres:"x"`)}), []string{"b"})
	want(t, ids(t, x, storage.Search{Filter: filter(t, `genres:"y"`)}), []string{"a"})
	apply(t, x, change(4, "a", storage.Updated, query.Values{}))
	want(t, ids(t, x, storage.Search{Filter: filter(t, `genres:"y" OR NOT genres:"y"`)}), []string{"b"})
}

func withText(c storage.IndexChange, text ...string) storage.IndexChange {
	c.Text = text
	return c
}

func fullText(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x,
		withText(change(1, "a", storage.Created, nil), "The Dark Knight", "Batman fights"),
		withText(change(2, "b", storage.Created, nil), "Knight of the Dark", "été à Paris"),
		withText(change(3, "c", storage.Created, nil), "Heat 100%", "Bank robbery AND NOT near"))
	byID := order(t, "meta.id")
	for q, w := range map[string][]string{
		`dark knight`:      {"a", "b"},
		`"dark knight"`:    {"a"},
		`KNIGHT batman`:    {"a"}, // words of two fields
		`bat*`:             {"a"},
		`bat`:              {},
		`ete`:              {"b"},
		`ÉTÉ paris`:        {"b"},
		`100%`:             {"c"},
		`and not`:          {"c"}, // ordinary words
		`near(bank`:        {"c"},
		`dark heat`:        {},
		`*`:                {},
		`"" -`:             {},
		`w0`:               {},
		`robbery "the" he`: {},
	} {
		if got := ids(t, x, storage.Search{Text: q, Order: byID}); fmt.Sprint(got) != fmt.Sprint(w) {
			t.Errorf("%s: got %v, want %v", q, got, w)
		}
	}
	apply(t, x, withText(change(4, "a", storage.Updated, nil), "Begins", ""))
	want(t, ids(t, x, storage.Search{Text: "dark", Order: byID}), []string{"b"})
	want(t, ids(t, x, storage.Search{Text: "begins", Filter: filter(t, `meta.id = "a"`)}), []string{"a"})
	apply(t, x, change(5, "b", storage.Purged, nil))
	want(t, ids(t, x, storage.Search{Text: "dark", Deletion: storage.LiveAndDeleted}), []string{})
}

func relevancePages(t *testing.T, x storage.Index) {
	define(t, x, movies())
	var changes []storage.IndexChange
	for i := range 20 {
		text := "heat"
		for range i % 5 {
			text += " heat cold"
		}
		changes = append(changes, withText(change(uint64(i+1), fmt.Sprintf("m%02d", i), storage.Created, query.Values{"year": int64(i)}), text, ""))
	}
	apply(t, x, changes...)
	seen := map[string]bool{}
	for _, id := range ids(t, x, storage.Search{Text: "heat", Filter: filter(t, "year >= 1"), Limit: 3}) {
		seen[id] = true
	}
	want(t, len(seen), 19)
	page, err := x.Search(t.Context(), storage.Search{Type: "movies", Text: "heat", Limit: 1, Total: true})
	ok(t, err)
	want(t, page.Total, int64(20))
}

// wholeBatches moves all rows from one year to the next in each batch; a
// reader must never see two years.
func wholeBatches(t *testing.T, x storage.Index) {
	define(t, x, movies())
	batch := func(round int) []storage.IndexChange {
		var out []storage.IndexChange
		for i := range 20 {
			out = append(out, change(uint64(round*20+i+1), fmt.Sprint(i), storage.Updated, query.Values{"year": int64(round)}))
		}
		return out
	}
	apply(t, x, batch(0)...)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				page, err := x.Search(t.Context(), storage.Search{Type: "movies", Limit: 100, Order: query.Order{{Field: query.Field{Name: "year", Kind: query.Integer}}}})
				if err != nil || len(page.Rows) != 20 {
					t.Errorf("%d rows, %v", len(page.Rows), err)
					return
				}
				if low, high := page.Rows[0].Seq-1, page.Rows[19].Seq-1; low/20 != high/20 {
					t.Errorf("sequences %d and %d in one answer", low, high)
					return
				}
				if page.Applied > page.Rows[19].Seq && page.Applied > page.Rows[0].Seq+20 {
					t.Errorf("answer says applied %d but holds %d", page.Applied, page.Rows[0].Seq)
					return
				}
			}
		})
	}
	deadline := time.Now().Add(10 * time.Second)
	for round := 1; round <= 100 && time.Now().Before(deadline); round++ {
		apply(t, x, batch(round)...)
	}
	close(done)
	wg.Wait()
}

// longestFilters are of the greatest length that is read, in several forms.
func longestFilters(t *testing.T, x storage.Index) {
	define(t, x, movies())
	var changes []storage.IndexChange
	for i := range 30 {
		changes = append(changes, change(uint64(i+1), fmt.Sprintf("m%02d", i), storage.Created, query.Values{"title": fmt.Sprint(i), "year": int64(i), "genres": []query.Value{fmt.Sprint(i)}}))
	}
	apply(t, x, changes...)
	for _, form := range []string{`year=%d OR `, `endsWith(title,"%d") OR `, `startsWith(title,"%d") OR `, `genres:"%d" OR `, `icontains(title,"%d") OR `, `NOT year=%d OR `} {
		src := ""
		for i := 1000; len(src) < query.MaxSource-100 && i < 1000+query.MaxConstants-2; i++ {
			src += fmt.Sprintf(form, i)
		}
		src = "year >= 0 AND (" + src + "year = 7)"
		n := len(ids(t, x, storage.Search{Filter: filter(t, src), Order: order(t, "year desc, title"), Limit: 20}))
		if n == 0 {
			t.Errorf("%s: nothing found", form)
		}
	}
}

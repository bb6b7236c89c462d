package storagetest

import (
	"context"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// draft is a change that leaves a draft as HEAD while what another change left is
// published.
func draft(seq uint64, published storage.IndexChange, values query.Values) storage.IndexChange {
	c := change(seq, published.Event.Meta.ID, storage.Updated, values)
	c.Event.Meta.CreatedAt = published.Event.Meta.CreatedAt
	c.Event.Meta.Status, c.Event.Revision.Status, c.Event.Revision.Number = storage.Draft, storage.Draft, 2
	c.Event.Meta.Published, c.Event.Shown = 1, published.Event.Snapshot()
	encode(&c)
	return c
}

// stable is a change that publishes its own state.
func stable(seq uint64, id string, action storage.Action, values query.Values) storage.IndexChange {
	c := change(seq, id, action, values)
	c.Event.Meta.Published = 1
	encode(&c)
	return c
}

// views are the ids that a search finds in the view of HEAD and in the published one.
func views(t *testing.T, x storage.Index, s storage.Search) (head, published []string) {
	t.Helper()
	head = ids(t, x, s)
	s.View = storage.PublishedView
	return head, ids(t, x, s)
}

func both(t *testing.T, x storage.Index, s storage.Search, head, published []string) {
	t.Helper()
	h, p := views(t, x, s)
	want(t, h, head)
	want(t, p, published)
}

func publishedBesideDrafts(t *testing.T, x storage.Index) {
	define(t, x, movies())
	a := stable(1, "a", storage.Created, query.Values{"title": "Heat", "genres": []query.Value{"Crime"}})
	a.Text = []string{"heat", ""}
	b := stable(2, "b", storage.Created, query.Values{"title": "Alien"})
	apply(t, x, a, b)
	all := storage.Search{Order: order(t, "meta.id")}
	both(t, x, all, []string{"a", "b"}, []string{"a", "b"})

	d := draft(3, a, query.Values{"title": "Heat 2", "genres": []query.Value{"Drama"}})
	d.Text = []string{"second", ""}
	apply(t, x, d)
	both(t, x, all, []string{"a", "b"}, []string{"a", "b"})
	both(t, x, storage.Search{Filter: filter(t, `title = "Heat"`)}, []string{}, []string{"a"})
	both(t, x, storage.Search{Filter: filter(t, `title = "Heat 2"`)}, []string{"a"}, []string{})
	both(t, x, storage.Search{Filter: filter(t, `genres:"Crime"`)}, []string{}, []string{"a"})
	both(t, x, storage.Search{Filter: filter(t, `genres:"Drama"`)}, []string{"a"}, []string{})
	both(t, x, storage.Search{Text: "heat"}, []string{}, []string{"a"})
	both(t, x, storage.Search{Text: "second"}, []string{"a"}, []string{})
	row, err := x.Head(t.Context(), "movies", "a")
	if ok(t, err); row.EventID != d.Event.ID {
		t.Errorf("the head is %s", row.EventID)
	}
	for view, n := range map[storage.View]int64{storage.HeadView: 2, storage.PublishedView: 2} {
		g, err := x.Aggregate(t.Context(), storage.Aggregation{Type: "movies", View: view, Limit: 1})
		if ok(t, err); g.Groups[0].Count != n {
			t.Errorf("view %d counts %d", view, g.Groups[0].Count)
		}
	}

	later := draft(4, a, query.Values{"title": "Heat 3"})
	apply(t, x, later, d) // and one that is delivered again
	both(t, x, storage.Search{Filter: filter(t, `startsWith(title, "Heat")`)}, []string{"a"}, []string{"a"})

	first := change(5, "c", storage.Created, query.Values{"title": "never shown"}) // a draft from the start
	first.Event.Meta.Status, first.Event.Revision.Status, first.Event.Meta.Published = storage.Draft, storage.Draft, storage.Unpublished
	encode(&first)
	apply(t, x, first)
	both(t, x, all, []string{"a", "b", "c"}, []string{"a", "b"})

	apply(t, x, stable(6, "a", storage.Updated, query.Values{"title": "Heat 4"}))
	both(t, x, storage.Search{Filter: filter(t, `startsWith(title, "Heat")`)}, []string{"a"}, []string{"a"})
	both(t, x, storage.Search{Filter: filter(t, `title = "Heat"`)}, []string{}, []string{})
	both(t, x, storage.Search{Text: "heat"}, []string{}, []string{})

	apply(t, x, draft(7, stable(6, "a", storage.Updated, nil), query.Values{"title": "Heat 5"}))
	gone := change(8, "a", storage.Deleted, query.Values{"title": "Heat 5"})
	gone.Event.Meta.Published = storage.Unpublished
	encode(&gone)
	apply(t, x, gone)
	both(t, x, all, []string{"b", "c"}, []string{"b"})
	both(t, x, storage.Search{Deletion: storage.OnlyDeleted}, []string{"a"}, []string{"b"})

	c := change(9, "b", storage.Purged, nil)
	apply(t, x, draft(10, b, query.Values{"title": "Alien 2"}))
	c.Event.Seq = 11
	encode(&c)
	apply(t, x, c)
	both(t, x, all, []string{"c"}, []string{})
}

func publishedIsAskedFor(t *testing.T, x storage.Index) {
	define(t, x, movies())
	a := stable(1, "a", storage.Created, query.Values{"title": "Heat"})
	apply(t, x, a, draft(2, a, query.Values{"title": "in one batch"}))
	both(t, x, storage.Search{Filter: filter(t, `title = "Heat"`)}, []string{}, []string{"a"})

	other := stable(3, "b", storage.Created, query.Values{"title": "Alien"})
	d := draft(4, other, query.Values{"title": "Alien 2"}) // what it shows is not delivered
	asked := 0
	d.Shown = func(context.Context) (*storage.IndexChange, error) { asked++; return &other, nil }
	apply(t, x, d)
	both(t, x, storage.Search{Filter: filter(t, `title = "Alien"`)}, []string{}, []string{"b"})
	apply(t, x, d)
	apply(t, x, other)
	both(t, x, storage.Search{Filter: filter(t, `startsWith(title, "Alien")`)}, []string{"b"}, []string{"b"})
	if asked != 1 {
		t.Errorf("it was asked for %d times", asked)
	}
}

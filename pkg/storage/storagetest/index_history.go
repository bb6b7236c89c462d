package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

func purgeErases(t *testing.T, x storage.Index) {
	define(t, x, movies())
	old := change(1, "a", storage.Created, query.Values{"title": "secret", "genres": []query.Value{"x"}})
	apply(t, x, old, change(2, "a", storage.Updated, query.Values{"title": "secret"}), change(3, "b", storage.Created, nil))
	apply(t, x, change(4, "a", storage.Purged, nil))
	apply(t, x, old) // late
	for _, d := range []storage.Deletion{storage.Live, storage.LiveAndDeleted} {
		want(t, ids(t, x, storage.Search{Deletion: d}), []string{"b"})
	}
	want(t, ids(t, x, storage.Search{Deletion: storage.OnlyDeleted}), []string{})
	events, err := x.Events(t.Context(), storage.EventQuery{Type: "movies", ID: "a"})
	ok(t, err)
	want(t, len(events), 1)
	row, err := x.Head(t.Context(), "movies", "a")
	ok(t, err)
	want(t, row.Event.Action, storage.Purged)
	want(t, row.Content == nil, true)
	if _, err := x.Read(t.Context(), "movies", "a"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	rows, err := x.Heads(t.Context(), "movies", []string{"b", "never", "a"})
	ok(t, err)
	seqs := map[string]uint64{}
	for _, e := range rows {
		seqs[e.Meta.ID] = e.Seq
	}
	want(t, seqs, map[string]uint64{"a": 4, "b": 3})
	apply(t, x, change(5, "a", storage.Created, query.Values{"title": "new"}))
	want(t, ids(t, x, storage.Search{Filter: filter(t, `title = "new"`)}), []string{"a"})
}

func dropsTombstones(t *testing.T, x storage.Index) {
	define(t, x, movies())
	for i, id := range []string{"a", "b", "c"} {
		apply(t, x, change(uint64(2*i+1), id, storage.Created, query.Values{"title": id, "genres": []query.Value{"x"}}), change(uint64(2*i+2), id, storage.Purged, nil))
	}
	apply(t, x, change(7, "b", storage.Created, query.Values{"title": "again"}), change(8, "d", storage.Created, nil), change(9, "d", storage.Deleted, nil))
	for range 2 { // a batch may be repeated; what is no tombstone stays
		ok(t, x.Apply(t.Context(), storage.Batch{Through: 10, Dropped: []uint64{2, 4, 7, 9, 500}}))
	}
	for id, left := range map[string][]uint64{"a": nil, "b": {7}, "c": {6}, "d": {8, 9}} {
		events, err := x.Events(t.Context(), storage.EventQuery{Type: "movies", ID: id})
		ok(t, err)
		var seqs []uint64
		for _, p := range events {
			seqs = append(seqs, p.Seq)
		}
		want(t, seqs, left)
		row, err := x.Head(t.Context(), "movies", id)
		if left == nil {
			want(t, errors.Is(err, storage.ErrNotFound), true)
			continue
		}
		ok(t, err)
		want(t, row.Event.Seq, left[len(left)-1])
	}
	apply(t, x, change(11, "a", storage.Created, query.Values{"title": "again", "genres": []query.Value{"x", "y"}}))
	want(t, ids(t, x, storage.Search{Filter: filter(t, `genres:"x"`)}), []string{"a"})
	want(t, ids(t, x, storage.Search{Filter: filter(t, `title = "again"`), Deletion: storage.LiveAndDeleted}), []string{"a", "b"})
}

func history(t *testing.T, x storage.Index) {
	define(t, x, movies())
	var changes []storage.IndexChange
	for seq := uint64(1); seq <= 6; seq++ {
		c := change(seq, "a", storage.Updated, nil)
		c.Event.Wrote = int(seq+1) / 2 // 1 1 2 2 3 3
		if seq == 6 {
			c.Event.Wrote = 0
		}
		encode(&c)
		changes = append(changes, c, change(seq+100, "b", storage.Created, nil))
	}
	apply(t, x, changes...)
	for _, c := range []struct {
		q    storage.EventQuery
		want []uint64
	}{
		{storage.EventQuery{}, []uint64{1, 2, 3, 4, 5, 6}},
		{storage.EventQuery{Limit: 2}, []uint64{1, 2}},
		{storage.EventQuery{After: 2, Limit: 2}, []uint64{3, 4}},
		{storage.EventQuery{Descending: true, Limit: 2}, []uint64{6, 5}},
		{storage.EventQuery{Descending: true, After: 5, Limit: 2}, []uint64{4, 3}},
		{storage.EventQuery{Until: epoch.Add(3 * time.Second), Descending: true, Limit: 1}, []uint64{3}},
		{storage.EventQuery{Wrote: 2}, []uint64{3, 4}},
		{storage.EventQuery{Written: true, Descending: true, Limit: 1}, []uint64{5}},
	} {
		c.q.Type, c.q.ID = "movies", "a"
		events, err := x.Events(t.Context(), c.q)
		ok(t, err)
		var got []uint64
		for _, e := range events {
			got = append(got, e.Seq)
			want(t, e.Event.Seq, e.Seq)
			want(t, e.Event.ID, fmt.Sprintf("event-%d", e.Seq))
		}
		want(t, got, c.want)
	}
}

// everything asks for events of all resources, as the audit does.
func everything(t *testing.T, x storage.Index) {
	define(t, x, movies())
	var changes []storage.IndexChange
	for seq := uint64(1); seq <= 12; seq++ {
		c := change(seq, fmt.Sprint("r", seq%3), storage.Updated, nil)
		if seq%4 == 0 {
			c.Event.Meta.Type = "zebras" // not defined: only its history is kept
		}
		if seq > 6 {
			c.Event.Principal = "user:\"ann\" <é>"
			c.Event.UserAgent = `,"principal":"user:bob"`
		}
		if seq%2 == 0 {
			c.Event.Action = storage.Deleted
		}
		encode(&c)
		changes = append(changes, c)
	}
	apply(t, x, changes...)
	for _, c := range []struct {
		q    storage.EventQuery
		want []uint64
	}{
		{storage.EventQuery{Span: 100, Limit: 3}, []uint64{1, 2, 3}},
		{storage.EventQuery{After: 3, Span: 4}, []uint64{4, 5, 6, 7}},
		{storage.EventQuery{Descending: true, After: 13, Span: 100, Limit: 2}, []uint64{12, 11}},
		{storage.EventQuery{Descending: true, After: 9, Span: 3}, []uint64{8, 7, 6}},
		{storage.EventQuery{Type: "zebras", Span: 100}, []uint64{4, 8, 12}},
		{storage.EventQuery{Type: "zebras", Descending: true, After: 12, Span: 100}, []uint64{8, 4}},
		{storage.EventQuery{Principal: "user:\"ann\" <é>", Span: 100, Limit: 2}, []uint64{7, 8}},
		{storage.EventQuery{ID: "r1", Descending: true, After: 13, Span: 100, Limit: 2}, []uint64{10, 7}},
		{storage.EventQuery{Principal: "user:bob", Span: 100}, nil},
		{storage.EventQuery{Principal: "user:", Span: 100}, nil},
		{storage.EventQuery{Action: storage.Deleted, After: 7, Span: 100}, []uint64{8, 10, 12}},
		{storage.EventQuery{Since: epoch.Add(10 * time.Second), Span: 100}, []uint64{10, 11, 12}},
		{storage.EventQuery{Since: epoch.Add(4 * time.Second), Until: epoch.Add(5 * time.Second), Span: 100}, []uint64{4, 5}},
	} {
		events, err := x.Events(t.Context(), c.q)
		ok(t, err)
		var got []uint64
		for _, e := range events {
			got = append(got, e.Seq)
		}
		want(t, got, c.want)
	}
}

func types(t *testing.T, x storage.Index) {
	define(t, x, movies())
	other := change(2, "z", storage.Created, nil)
	other.Event.Meta.Type = "zebras" // not defined: only its history is kept
	encode(&other)
	gone := change(3, "g", storage.Purged, nil)
	gone.Event.Meta.Type = "ghosts"
	encode(&gone)
	apply(t, x, change(1, "a", storage.Created, nil), other, gone)
	got, err := x.Types(t.Context())
	ok(t, err)
	want(t, got, []string{"movies", "zebras"})
}

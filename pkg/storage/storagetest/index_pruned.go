package storagetest

import (
	"fmt"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// numbered is an event that wrote a revision.
func numbered(seq uint64, id string, number int, binaries ...string) storage.IndexChange {
	c := change(seq, id, storage.Updated, nil)
	c.Event.Wrote, c.Event.Revision.Number, c.Event.Meta.RevisionCount, c.Event.Binaries = number, number, number, binaries
	c.Event.Revision.ID = fmt.Sprint(id, ":", number)
	encode(&c)
	return c
}

func prune(t *testing.T, x storage.Index, through uint64, pruned ...*storage.Pruned) {
	t.Helper()
	ok(t, x.Apply(t.Context(), storage.Batch{Through: through, Pruned: pruned}))
}

func prunedIsTold(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x, numbered(1, "a", 1), numbered(2, "a", 2), numbered(3, "a", 3), numbered(4, "b", 1))
	told := func(id string) *storage.Pruned {
		t.Helper()
		p, err := x.Pruned(t.Context(), "movies", id)
		ok(t, err)
		return p
	}
	want(t, told("a") == nil, true)
	later := &storage.Pruned{Type: "movies", ID: "a", Seq: 6, Through: 2}
	prune(t, x, 5, &storage.Pruned{Type: "movies", ID: "a", Seq: 5, Through: 2, Except: []int{1}})
	want(t, told("a").Numbers(1), false)
	prune(t, x, 6, later, later)
	prune(t, x, 6, &storage.Pruned{Type: "movies", ID: "a", Seq: 5, Through: 2, Except: []int{1}}) // late
	p := told("a")
	want(t, []bool{p.Numbers(1), p.Numbers(2), p.Numbers(3)}, []bool{true, true, false})
	want(t, p.Seq, uint64(6))
	want(t, told("b") == nil, true)
	apply(t, x, change(7, "a", storage.Purged, nil))
	want(t, told("a") == nil, true)
	prune(t, x, 7, later) // delivered again, the resource is gone
	want(t, told("a") == nil, true)
	ok(t, x.Reset(t.Context(), "another log", 0))
	want(t, told("a") == nil, true)
}

func prunedHoldNothing(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x, numbered(1, "a", 1, "sha256:one", "sha256:both"), numbered(2, "a", 2, "sha256:both", "sha256:two"), numbered(3, "b", 1, "sha256:one"))
	prune(t, x, 4, &storage.Pruned{Type: "movies", ID: "a", Seq: 4, Through: 1})
	for digest, holders := range map[string][]string{"sha256:one": {"b"}, "sha256:both": {"a"}, "sha256:two": {"a"}} {
		found, err := x.Holders(t.Context(), digest, "", "", 10)
		ok(t, err)
		var ids []string
		for _, h := range found {
			ids = append(ids, h.ID)
		}
		want(t, ids, holders)
	}
}

func historyIsKept(t *testing.T, x storage.Index) {
	define(t, x, movies())
	gone := numbered(1, "a", 1)
	gone.Event.Idempotency = &storage.Idempotency{Key: "k"}
	encode(&gone)
	apply(t, x, numbered(2, "a", 2))
	batch := storage.Batch{Through: 3, History: []*storage.Event{gone.Event}, Pruned: []*storage.Pruned{{Type: "movies", ID: "a", Seq: 3, Through: 1}}}
	for range 2 {
		ok(t, x.Apply(t.Context(), batch))
	}
	seqs := func() (out []uint64) {
		events, err := x.Events(t.Context(), storage.EventQuery{Type: "movies", ID: "a"})
		ok(t, err)
		for _, p := range events {
			out = append(out, p.Seq)
		}
		return out
	}
	want(t, seqs(), []uint64{1, 2})
	past, err := x.Keyed(t.Context(), "ann", "k")
	ok(t, err)
	want(t, past.Seq, uint64(1))
	row, err := x.Head(t.Context(), "movies", "a")
	ok(t, err)
	want(t, row.Event.Seq, uint64(2))
	other := movies()
	other.Hash = "another"
	_, err = x.Define(t.Context(), []storage.Definition{other})
	ok(t, err)
	ok(t, x.Apply(t.Context(), storage.Batch{Through: 3, Replay: []string{"movies"}, Changes: []storage.IndexChange{numbered(2, "a", 2)}}))
	want(t, seqs(), []uint64{1, 2}) // a replay does not find it in the log, and it stays
	apply(t, x, change(4, "a", storage.Purged, nil))
	ok(t, x.Apply(t.Context(), batch))
	want(t, seqs(), []uint64{4})
}

package states

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

func rowOf(id string, seq uint64) *storage.Row {
	return &storage.Row{ID: id, Seq: seq, Meta: []byte(`{}`), Revision: []byte(`{}`), Content: []byte(`{}`)}
}

// What is kept is never older than what the index holds of a resource, nor than what this
// process said that it wrote, whatever the order
// in which commits, the indexer and those that read tell of it.
func TestHeadsAreNeverBehindTheIndex(t *testing.T) {
	const ids = 24
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := NewHeads(16_000) // some of them
		var log []*storage.Event
		var late []*storage.Event // committed, and not told of by this process yet
		applied := uint64(0)
		said := map[string]uint64{} // the newest that this process told of
		newest := func(id string, through uint64) (e *storage.Event) {
			for _, x := range log[:through] {
				if x.Meta.ID == id {
					e = x
				}
			}
			return e
		}
		type reading struct {
			id             string
			age, at, asked uint64
			row            *storage.Event // as the index had it
			head           bool
		}
		var readings []reading
		anyone := func() int { return rng.IntN(1 + rng.IntN(ids)) } // some are busier than others
		for step := range 2000 {
			id := fmt.Sprint(anyone())
			switch rng.IntN(7) {
			case 0, 1: // a commit
				e := event(id, uint64(len(log)+1))
				e.Content, e.Header = []byte(`{}`), []byte(`{}`)
				if rng.IntN(8) == 0 {
					e.Action = storage.Purged
				}
				log = append(log, e)
				if rng.IntN(10) > 0 { // else another program's, or its outcome is not known
					late = append(late, e)
				}
			case 2: // this process tells of one
				if len(late) > 0 {
					i := rng.IntN(len(late))
					h.Committed(late[i])
					said[late[i].Meta.ID] = max(said[late[i].Meta.ID], late[i].Seq)
					late = append(late[:i], late[i+1:]...)
				}
			case 3: // the indexer applies some
				if n := uint64(len(log)) - applied; n > 40 || n > 0 && rng.IntN(20) == 0 {
					through := applied + 1 + uint64(rng.IntN(int(n)))
					var told []Told
					for _, e := range log[applied:through] {
						told = append(told, Told{Key{"notes", e.Meta.ID}, e.Seq})
					}
					h.Applied(told, through)
					applied = through
				}
			case 4: // a reader begins
				x := reading{id: id, asked: applied, head: rng.IntN(2) == 0}
				if e, row, age := h.read(Key{"notes", id}); e == nil && row == nil {
					x.age, x.at, x.row = age, applied, newest(id, applied)
					readings = append(readings, x)
				}
			case 5: // and has read
				if len(readings) > 0 {
					i := rng.IntN(len(readings))
					x := readings[i]
					readings = append(readings[:i], readings[i+1:]...)
					if x.row == nil || x.row.Action == storage.Purged {
						break
					}
					if x.head {
						h.keepEvent(Key{"notes", x.id}, x.row, x.at)
					} else {
						h.keepRow(Key{"notes", x.id}, rowOf(x.id, x.row.Seq), x.age, x.asked)
					}
				}
			case 6:
				if rng.IntN(20) == 0 {
					h.Clear()
				}
			}
			for i := range ids {
				id := fmt.Sprint(i)
				e, row, _ := h.read(Key{"notes", id})
				seq := uint64(0)
				if e != nil {
					seq = e.Seq
				} else if row != nil {
					seq = row.Seq
				}
				want := said[id]
				if e := newest(id, applied); e != nil {
					want = max(want, e.Seq)
				}
				if seq > 0 && seq < want {
					t.Fatalf("seed %d, step %d: %s is kept at %d, it is known to be at %d, the index is at %d", seed, step, id, seq, want, applied)
				}
				if _, asOf := h.event(Key{"notes", id}); asOf > applied {
					t.Fatalf("seed %d, step %d: nothing is said to come before %d, the index is at %d", seed, step, asOf, applied)
				}
			}
			if h.Bytes() > h.limit || len(h.byKey) != h.order.Len() {
				t.Fatalf("seed %d, step %d: it keeps %d bytes of %d, %d and %d", seed, step, h.Bytes(), h.limit, len(h.byKey), h.order.Len())
			}
		}
	}
}

// What is used stays, and what was not used for longest goes first.
func TestHeadsForgetWhatWasNotUsed(t *testing.T) {
	h := NewHeads(100_000)
	put := func(id string, seq uint64) {
		e := event(id, seq)
		e.Content, e.Header = make([]byte, 1000), []byte("header")
		h.Committed(e)
	}
	put("kept", 1)
	want := event("kept", 1)
	want.Header = []byte("header")
	for seq := uint64(2); seq < 500; seq++ {
		put(fmt.Sprint("other", seq), seq)
		if e, _ := h.event(Key{"notes", "kept"}); e == nil || e.Header != nil || e.Digest() != want.Digest() {
			t.Fatalf("after %d others it is %+v", seq, e)
		}
	}
	if e, _ := h.event(Key{"notes", "other2"}); e != nil || h.Bytes() > 100_000 || h.Bytes() < 90_000 {
		t.Errorf("%d bytes are kept, the second: %v", h.Bytes(), e)
	}
	large := event("large", 1000)
	large.Content = make([]byte, 50_000)
	h.Committed(large)
	if e, _ := h.event(Key{"notes", "large"}); e != nil {
		t.Error("one that would push out many is kept")
	}
}

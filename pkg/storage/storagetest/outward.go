package storagetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// OutwardUnderTest is a new, empty stream of events: two ways to it, as two
// processes would have, and what it holds, as places in the log.
type OutwardUnderTest struct {
	A, B  storage.Outward
	Holds func() []uint64
}

// TestOutward holds an adapter to the contract of storage.Outward.
func TestOutward(t *testing.T, open func(t *testing.T) OutwardUnderTest) {
	event := func(seq uint64, id string, action storage.Action) storage.Outgoing {
		return storage.Outgoing{Body: []byte(`{}`), Event: &storage.Event{ID: uuid.NewString(), Seq: seq, Action: action, At: time.Now(),
			Meta: storage.Meta{Type: "notes", ID: id}}}
	}
	at := func(t *testing.T, o storage.Outward, want uint64) {
		t.Helper()
		if p, err := o.Position(t.Context()); err != nil || p.Seq != want {
			t.Fatalf("at %+v, %v; want %d", p, err, want)
		}
	}
	publish := func(t *testing.T, o storage.Outward, events ...storage.Outgoing) {
		t.Helper()
		if err := o.Publish(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(t *testing.T, u OutwardUnderTest, want ...uint64) {
		t.Helper()
		got := u.Holds()
		same := len(got) == len(want)
		for i := range min(len(got), len(want)) {
			same = same && got[i] == want[i]
		}
		if !same {
			t.Fatalf("it holds %v, want %v", got, want)
		}
	}
	t.Run("PositionIsThatOfTheNewestEvent", func(t *testing.T) {
		u := open(t)
		at(t, u.A, 0)
		publish(t, u.A, event(3, "a", storage.Created), event(7, "b", storage.Created))
		publish(t, u.A, event(9, "a", storage.Updated))
		at(t, u.A, 9)
		at(t, u.B, 9)
		holds(t, u, 3, 7, 9)
	})
	t.Run("TheSlowerPublisherLoses", func(t *testing.T) {
		u := open(t)
		at(t, u.A, 0)
		at(t, u.B, 0)
		publish(t, u.A, event(3, "a", storage.Created), event(7, "b", storage.Created))
		for _, late := range [][]storage.Outgoing{{event(3, "a", storage.Created)}, {event(8, "c", storage.Created)},
			{event(5, "c", storage.Created), event(7, "b", storage.Created), event(9, "d", storage.Created)}} {
			if err := u.B.Publish(t.Context(), late); !errors.Is(err, storage.ErrConflict) {
				t.Fatalf("a late publish: %v, want a conflict", err)
			}
		}
		holds(t, u, 3, 7)
		at(t, u.B, 7)
		publish(t, u.B, event(8, "c", storage.Created))
		holds(t, u, 3, 7, 8)
	})
	t.Run("APublisherThatIsBehindRepeatsNothing", func(t *testing.T) {
		u := open(t)
		at(t, u.A, 0)
		publish(t, u.A, event(3, "a", storage.Created))
		at(t, u.B, 3)
		publish(t, u.A, event(7, "b", storage.Created), event(8, "c", storage.Created))
		err := u.B.Publish(t.Context(), []storage.Outgoing{event(7, "b", storage.Created), event(8, "c", storage.Created), event(9, "d", storage.Created)})
		if err != nil && !errors.Is(err, storage.ErrConflict) {
			t.Fatal(err)
		}
		if p, err := u.A.Position(t.Context()); err != nil || p.Seq == 8 {
			publish(t, u.A, event(9, "d", storage.Created))
		}
		holds(t, u, 3, 7, 8, 9)
	})
	t.Run("EraseTakesWhatIsBeforeTheTombstone", func(t *testing.T) {
		u := open(t)
		at(t, u.A, 0)
		tombstone := event(9, "a", storage.Purged)
		publish(t, u.A, event(3, "a", storage.Created), event(5, "aa", storage.Created), event(7, "a", storage.Updated), tombstone, event(11, "a", storage.Created))
		if n, err := u.B.Erase(t.Context(), tombstone.Event); n != 2 || err != nil {
			t.Fatalf("erased %d, %v", n, err)
		}
		holds(t, u, 5, 9, 11)
		if n, err := u.B.Erase(t.Context(), tombstone.Event); n != 0 || err != nil {
			t.Fatalf("erased %d again, %v", n, err)
		}
		publish(t, u.A, event(12, "a", storage.Updated))
		holds(t, u, 5, 9, 11, 12)
	})
	t.Run("EraseWaitsForTheTombstone", func(t *testing.T) {
		u := open(t)
		at(t, u.A, 0)
		publish(t, u.A, event(3, "a", storage.Created))
		tombstone := event(9, "a", storage.Purged)
		done := make(chan error, 1)
		go func() {
			_, err := u.B.Erase(t.Context(), tombstone.Event)
			done <- err
		}()
		select {
		case err := <-done:
			t.Fatalf("erased before the tombstone: %v", err)
		case <-time.After(20 * time.Millisecond): // it has begun, most likely
		}
		publish(t, u.A, event(7, "a", storage.Updated), tombstone)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		holds(t, u, 9)
	})
}

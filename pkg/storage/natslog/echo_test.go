package natslog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

// reader reads a log from a sequence until an entry that ends it.
type reader struct {
	name    string
	entries []storage.Entry
	asked   int
	err     error
}

// read stops now and then, so that what is held for it is dropped.
func (r *reader) read(t *testing.T, l *natslog.Log, seq, until uint64, slow int) {
	feed, err := l.Follow(t.Context(), seq)
	if err != nil {
		r.err = err
		return
	}
	defer feed.Close()
	for i := 0; len(r.entries) == 0 || r.entries[len(r.entries)-1].Seq < until; i++ {
		if slow > 0 && i%slow == slow-1 {
			time.Sleep(5 * time.Millisecond) // a reader that is busy
		}
		e, ok := feed.Ready()
		if !ok {
			if e, err = feed.Next(t.Context()); err != nil {
				r.err = err
				return
			}
		}
		if natslog.Asks(feed) {
			r.asked++
		}
		r.entries = append(r.entries, e)
	}
}

// TestReadersOfThisProcessMissNothing: whatever is appended side by side, refused, erased,
// loaded past it or written by another program, a reader from memory is told the same as
// the log holds, in order and once.
func TestReadersOfThisProcessMissNothing(t *testing.T) {
	var wire *checks
	l := testenv.Log(t, func(o *natslog.Options) {
		o.Wire = func(real natslog.Wire) natslog.Wire { wire = &checks{Wire: real}; return wire }
	})
	l.SetEcho(40)
	const total = 1000
	readers := []*reader{{name: "quick"}, {name: "slow"}, {name: "slower"}, {name: "late"}}
	var reading, writing sync.WaitGroup
	reading.Go(func() { readers[0].read(t, l, 1, total, 0) })
	reading.Go(func() { readers[1].read(t, l, 1, total, 40) })
	reading.Go(func() { readers[2].read(t, l, 1, total, 7) })
	last := func() uint64 {
		s, err := l.State(t.Context())
		if err != nil {
			t.Error(err)
		}
		return s.Last
	}
	for w := range 6 {
		writing.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 3))
			newest := map[string]uint64{} // by subject
			for last() < total {
				unit := make([]storage.Record, 1+rng.IntN(3))
				for i := range unit {
					subject := fmt.Sprintf("rev.notes.%d-%d-%d", w, i, rng.IntN(5))
					unit[i] = storage.Record{Subject: subject, ID: uuid.NewString(), Expected: newest[subject], Data: fmt.Appendf(nil, "data %d", rng.IntN(1000))}
				}
				if unit[0].Expected > 1 && rng.IntN(10) == 0 {
					unit[0].Expected-- // is refused
				}
				end, err := l.Append(t.Context(), unit)
				if errors.Is(err, storage.ErrConflict) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for i, r := range unit {
					newest[r.Subject] = end - uint64(len(unit)-1-i)
				}
				switch {
				case rng.IntN(60) == 0:
					if _, err := l.Erase(t.Context(), unit[0].Subject, newest[unit[0].Subject]); err != nil {
						t.Error(err)
					}
				case w == 0 && rng.IntN(20) == 0: // another program
					m := natslog.Message{Record: storage.Record{Subject: "ac.main.rev.other.a", ID: uuid.NewString(), Data: []byte("theirs")}, Check: natslog.CheckNothing}
					if r := wire.Wire.Publish(t.Context(), []natslog.Message{m})[0]; !r.Clean() {
						t.Error(r)
					}
				}
			}
		})
	}
	reading.Go(func() { readers[3].read(t, l, 700, total, 0) })
	writing.Wait()
	if _, err := l.Append(t.Context(), []storage.Record{{Subject: "rev.notes.end", ID: uuid.NewString()}}); err != nil {
		t.Fatal(err)
	}
	reading.Wait()
	for _, r := range readers {
		if r.err != nil {
			t.Fatalf("%s: %v", r.name, r.err)
		}
		told := map[uint64]storage.Entry{}
		before := uint64(0)
		for _, e := range r.entries {
			if e.Seq <= before {
				t.Fatalf("%s is told %d after %d", r.name, e.Seq, before)
			}
			before, told[e.Seq] = e.Seq, e
		}
		for seq := r.entries[0].Seq; seq <= before; seq++ {
			want, err := l.At(t.Context(), seq)
			if errors.Is(err, storage.ErrNotFound) {
				continue // erased, before or after it was told
			}
			got := told[seq]
			if err != nil || got.Subject != want.Subject || got.ID != want.ID || string(got.Data) != string(want.Data) || got.More != want.More {
				t.Fatalf("%s is told %+v, the log has %+v, %v", r.name, got, want, err)
			}
		}
		t.Logf("%s: %d entries, %d from the server", r.name, len(r.entries), r.asked)
	}
	if q := readers[0]; q.asked == len(q.entries) {
		t.Error("a reader in step asks the server for everything")
	}
}

// TestAnEntryOfAnotherProgramIsTold, also when this one writes nothing any more.
func TestAnEntryOfAnotherProgramIsTold(t *testing.T) {
	var wire *checks
	l := testenv.Log(t, func(o *natslog.Options) {
		o.Wire = func(real natslog.Wire) natslog.Wire { wire = &checks{Wire: real}; return wire }
	})
	feed, err := l.Follow(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	m := natslog.Message{Record: storage.Record{Subject: "ac.main.rev.other.a", ID: uuid.NewString(), Data: []byte("theirs")}, Check: natslog.CheckNothing}
	if r := wire.Wire.Publish(t.Context(), []natslog.Message{m})[0]; !r.Clean() {
		t.Fatal(r)
	}
	if e, err := feed.Next(t.Context()); err != nil || string(e.Data) != "theirs" {
		t.Fatalf("%+v, %v", e, err)
	}
}

// TestAnEntryThatIsNotErasedIsTold: an erasing that failed leaves it in the log, and so in
// memory.
func TestAnEntryThatIsNotErasedIsTold(t *testing.T) {
	l := testenv.Log(t, func(*natslog.Options) {})
	for i := range 3 {
		if _, err := l.Append(t.Context(), []storage.Record{{Subject: fmt.Sprint("rev.notes.", i), ID: uuid.NewString(), Data: []byte{'0' + byte(i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("broken")
	if err := l.DeleteOne(t.Context(), 2, func(context.Context, uint64) error { return broken }); !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("an erasing that failed: %v", err)
	}
	feed, err := l.Follow(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	if natslog.Asks(feed) {
		t.Fatal("the server is asked for what is in memory")
	}
	for i := range 3 {
		if e, err := feed.Next(t.Context()); err != nil || string(e.Data) != fmt.Sprint(i) {
			t.Fatalf("entry %d is told as %+v, %v", i+1, e, err)
		}
	}
}

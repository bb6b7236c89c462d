package natslog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/faultlog"
	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/pkg/storage/storagetest"
)

func TestLogBehindTheBarrier(t *testing.T) {
	storagetest.TestLog(t, func(t *testing.T) storage.Log { return testenv.Log(t, nil) })
}

func TestLogSyncedByTheServer(t *testing.T) {
	storagetest.TestLog(t, func(t *testing.T) storage.Log {
		return testenv.Log(t, func(o *natslog.Options) { o.BlockDir = "" })
	})
}

func TestLogInMemory(t *testing.T) {
	storagetest.TestLog(t, func(t *testing.T) storage.Log {
		return testenv.Log(t, func(o *natslog.Options) { o.Memory = true })
	})
}

// The barrier rests on this and nothing else: what the server acknowledged is
// in a block file already.
func TestAcknowledgedBytesAreInTheBlockFile(t *testing.T) {
	n, err := natslog.StartEmbedded(t.TempDir(), natslog.Sync{Barrier: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	js, _ := jetstream.New(n.Conn)
	if err := natslog.Provision(t.Context(), js, natslog.Options{}); err != nil {
		t.Fatal(err)
	}
	pad := strings.Repeat("z", 6000)
	blocks := 0
	for i := range 6000 {
		mark := fmt.Sprintf("MARK%08d", i)
		if _, err := js.Publish(t.Context(), fmt.Sprintf("ac.main.rev.n.%d", i), []byte(mark+pad)); err != nil {
			t.Fatal(err)
		}
		if i%25 != 0 {
			continue
		}
		names, _ := filepath.Glob(filepath.Join(n.BlockDir("main"), "*.blk"))
		blocks = len(names)
		if !newestHold(names, mark) {
			t.Fatalf("acknowledged message %d is in no block file", i)
		}
	}
	if blocks < 3 {
		t.Fatalf("only %d blocks: the test did not see one roll", blocks)
	}
}

// newestHold looks into the files written last.
func newestHold(names []string, mark string) bool {
	now := time.Now()
	for _, name := range names {
		if s, err := os.Stat(name); err != nil || now.Sub(s.ModTime()) > 5*time.Second {
			continue
		}
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte(mark)) {
			return true
		}
	}
	return false
}

// appender is what both a Log and a trusting client can do.
type appender func(ctx context.Context, unit []storage.Record) (uint64, error)

// storm lets writers compare-and-set a few subjects and reports what they were
// told: the ids acknowledged with their sequence, and the ids refused.
func storm(t *testing.T, l storage.Log, do appender) (acked map[string]uint64, refused []string) {
	t.Helper()
	const writers, writes, keys = 8, 60, 3
	acked = map[string]uint64{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var unknown atomic.Int32
	for w := range writers {
		wg.Go(func() {
			for i := range writes {
				key := fmt.Sprint("k", (w+i)%keys)
				last := uint64(0)
				if e, err := l.Last(t.Context(), "rev.notes."+key); err == nil {
					last = e.Seq
				}
				r := storage.Record{Subject: "rev.notes." + key, ID: uuid.NewString(), Expected: last, Data: []byte("x")}
				unit := []storage.Record{r}
				if i%4 == 0 {
					unit = []storage.Record{{Subject: "claim." + uuid.NewString(), ID: uuid.NewString()}, r}
				}
				seq, err := do(t.Context(), unit)
				mu.Lock()
				switch {
				case err == nil:
					acked[r.ID] = seq
				case errors.Is(err, storage.ErrConflict):
					refused = append(refused, r.ID)
				default:
					unknown.Add(1)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d acknowledged, %d refused, %d unknown", len(acked), len(refused), unknown.Load())
	return acked, refused
}

// lies compares what was told with the log.
func lies(t *testing.T, l storage.Log, acked map[string]uint64, refused []string) (n int) {
	t.Helper()
	stored := map[string]uint64{}
	s, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for seq := s.First; seq <= s.Last; seq++ {
		e, err := l.At(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := stored[e.ID]; twice {
			t.Logf("%s is stored twice", e.ID)
			n++
		}
		stored[e.ID] = seq
	}
	for id, seq := range acked {
		if stored[id] != seq {
			t.Logf("acknowledged at %d, stored at %d", seq, stored[id])
			n++
		}
	}
	for _, id := range refused {
		if seq := stored[id]; seq != 0 {
			t.Logf("refused, but stored at %d", seq)
			n++
		}
	}
	return n
}

func liar(t *testing.T, seed uint64) (*natslog.Log, *faultlog.Wire) {
	var w *faultlog.Wire
	l := testenv.Log(t, func(o *natslog.Options) {
		o.Wire = func(real natslog.Wire) natslog.Wire {
			w = faultlog.New(real, faultlog.All, seed)
			return w
		}
	})
	return l, w
}

func TestTheLogDecidesWhateverTheServerSays(t *testing.T) {
	for seed := range uint64(3) {
		l, w := liar(t, seed)
		acked, refused := storm(t, l, l.Append)
		if n := lies(t, l, acked, refused); n > 0 {
			t.Errorf("seed %d: %d wrong answers", seed, n)
		}
		for _, kind := range []string{"false rejection", "lost ack", "lost request", "doubled", "false duplicate", "stale read"} {
			if w.Told()[kind] == 0 {
				t.Errorf("seed %d: the server never told a %s", seed, kind)
			}
		}
	}
}

// The same storm with a client that believes replies must be caught: otherwise
// the test above proves nothing.
func TestTrustingTheReplyIsCaught(t *testing.T) {
	l, w := liar(t, 1)
	believe := func(ctx context.Context, unit []storage.Record) (uint64, error) {
		for i := range unit {
			unit[i].Subject = "ac.main." + unit[i].Subject
		}
		msgs := make([]natslog.Message, len(unit))
		for i := range unit {
			msgs[i].Record = unit[i]
		}
		var r natslog.Reply
		if len(unit) == 1 {
			r = w.Publish(ctx, msgs)[0]
		} else {
			r = w.Batch(ctx, msgs)
		}
		switch {
		case r.Code != 0:
			return 0, storage.ErrConflict
		case r.Err != nil:
			return 0, storage.ErrUnknown
		}
		return r.Seq, nil
	}
	acked, refused := storm(t, l, believe)
	if lies(t, l, acked, refused) == 0 {
		t.Fatal("no wrong answer was found although replies were believed")
	}
}

func TestUnknownOutcomeIsSaid(t *testing.T) {
	l := testenv.Log(t, func(o *natslog.Options) {
		o.Timeout = 300 * time.Millisecond
		o.Wire = func(real natslog.Wire) natslog.Wire {
			return faultlog.New(real, faultlog.Rates{LostRequest: 1, StaleRead: 1}, 1)
		}
	})
	_, err := l.Append(t.Context(), []storage.Record{{Subject: "rev.notes.a", ID: uuid.NewString()}})
	if !errors.Is(err, storage.ErrUnknown) {
		t.Fatalf("%v, want an unknown outcome", err)
	}
}

// While the barrier is held back, what was appended is stored but must not be
// seen by a follower or a reader.
func TestNothingIsSeenBeforeItIsDurable(t *testing.T) {
	hold := make(chan struct{})
	var held atomic.Bool
	l := testenv.Log(t, func(o *natslog.Options) {
		o.BeforeSync = func() {
			if held.Load() {
				<-hold
			}
		}
	})
	first, err := l.Append(t.Context(), []storage.Record{{Subject: "rev.notes.a", ID: uuid.NewString()}})
	if err != nil {
		t.Fatal(err)
	}
	held.Store(true)
	done := make(chan error, 1)
	go func() {
		_, err := l.Append(t.Context(), []storage.Record{{Subject: "rev.notes.a", ID: uuid.NewString(), Expected: first}})
		done <- err
	}()
	f, err := l.Follow(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if e, err := f.Next(t.Context()); err != nil || e.Seq != first {
		t.Fatalf("%+v %v", e, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	seen := make(chan storage.Entry, 1)
	go func() {
		if e, err := f.Next(ctx); err == nil {
			seen <- e
		}
	}()
	select {
	case e := <-seen:
		t.Fatalf("entry %d was seen before it was durable", e.Seq)
	case err := <-done:
		t.Fatalf("an append was answered before it was durable: %v", err)
	case <-ctx.Done():
	}
	if l.Durable() != first {
		t.Fatalf("watermark %d, want %d", l.Durable(), first)
	}
	held.Store(false)
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if l.Durable() != first+1 {
		t.Fatalf("watermark %d, want %d", l.Durable(), first+1)
	}
}

func TestReopenedLogKeepsIdentityAndEntries(t *testing.T) {
	dir := t.TempDir()
	l, stop, err := testenv.OpenLog(t, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := l.Append(t.Context(), []storage.Record{{Subject: "rev.notes.a", ID: "e1", Data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := l.State(t.Context())
	stop()
	l, stop, err = testenv.OpenLog(t, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	after, err := l.State(t.Context())
	if err != nil || after != before || after.Last != seq {
		t.Fatalf("before %+v, after %+v, %v", before, after, err)
	}
}

func TestDriftedSettingsAreRefused(t *testing.T) {
	n, err := natslog.StartEmbedded(t.TempDir(), natslog.Sync{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	js, _ := jetstream.New(n.Conn)
	if err := natslog.Provision(t.Context(), js, natslog.Options{}); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), natslog.StreamName("main"))
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*jetstream.StreamConfig){
		"max age":                  func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"direct get":               func(c *jetstream.StreamConfig) { c.AllowDirect = true },
		"max messages per subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 },
		"discard":                  func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
	} {
		c := s.CachedInfo().Config
		edit(&c)
		if _, err := js.UpdateStream(t.Context(), c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err := natslog.Open(t.Context(), n.Conn, natslog.Options{})
		if !errors.Is(err, storage.ErrDrift) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s drifted: %v", name, err)
		}
		if _, err := js.UpdateStream(t.Context(), s.CachedInfo().Config); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// A log that has one writer compares what it knows to be the newest with the stream,
// and a writer that should not be there is met all the same: its entries are never
// written over, and it is told of.
func TestASecondWriterIsNoticed(t *testing.T) {
	var wire *checks
	told := make(chan struct{}, 100)
	l := testenv.Log(t, func(o *natslog.Options) {
		o.Wire = func(real natslog.Wire) natslog.Wire { wire = &checks{Wire: real}; return wire }
		o.Foreign = func() { told <- struct{}{} }
	})
	write := func(id string, expected uint64) (uint64, error) {
		return l.Append(t.Context(), []storage.Record{{Subject: "rev.notes." + id, ID: uuid.NewString(), Expected: expected}})
	}
	must := func(seq uint64, err error) uint64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	other := func(id string, expected uint64) uint64 {
		t.Helper()
		r := wire.Wire.Publish(t.Context(), []natslog.Message{{Record: storage.Record{Subject: "ac.main.rev.notes." + id, ID: uuid.NewString(), Expected: expected}}})[0]
		if !r.Clean() {
			t.Fatal(r)
		}
		return r.Seq
	}
	a, b := must(write("a", 0)), must(write("b", 0))
	a = must(write("a", a))
	if n := wire.stream.Load(); n != 1 {
		t.Fatalf("%d records were compared with the stream, want the update", n)
	}
	theirs := other("a", a)
	if _, err := write("a", a); !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("%v, want a conflict with the second writer", err)
	}
	b = must(write("b", b)) // after an entry that is not ours
	select {                // an append is answered before the log settles what it left
	case <-told:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is told of a second writer")
	}
	if _, err := write("a", a); !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("%v, want a conflict with the second writer", err)
	}
	a = must(write("a", theirs))
	unit := func(x, y uint64) []storage.Record {
		return []storage.Record{{Subject: "rev.notes.a", ID: uuid.NewString(), Expected: x}, {Subject: "rev.notes.b", ID: uuid.NewString(), Expected: y}}
	}
	last := must(l.Append(t.Context(), unit(a, b)))
	before := wire.stream.Load()
	last = must(l.Append(t.Context(), unit(last-1, last)))
	if wire.stream.Load() != before+1 {
		t.Error("a unit of which everything is known is not compared with the stream")
	}
	theirs = other("b", last)
	if _, err := l.Append(t.Context(), unit(last-1, last)); !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("%v, want a conflict with the second writer", err)
	}
	must(l.Append(t.Context(), unit(last-1, theirs)))
}

// checks counts what is compared with the stream.
type checks struct {
	natslog.Wire
	stream atomic.Int64
}

func (c *checks) Publish(ctx context.Context, msgs []natslog.Message) []natslog.Reply {
	c.look(msgs)
	return c.Wire.Publish(ctx, msgs)
}

func (c *checks) Batch(ctx context.Context, msgs []natslog.Message) natslog.Reply {
	c.look(msgs)
	return c.Wire.Batch(ctx, msgs)
}

func (c *checks) look(msgs []natslog.Message) {
	for _, m := range msgs {
		if m.Check == natslog.CheckStream {
			c.stream.Add(1)
		}
	}
}

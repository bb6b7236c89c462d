package natslog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

// events is a server with a stream of events.
func events(t *testing.T) (*natslog.Embedded, *natslog.Outward, jetstream.Stream) {
	t.Helper()
	n, err := natslog.StartEmbedded(t.TempDir(), natslog.Sync{Barrier: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	w := testenv.Outward(t, n.Events, natslog.OutwardOptions{})
	js, err := jetstream.New(n.Events)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), "AC_MAIN_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	return n, w, s
}

func outgoing(seq uint64, id string) storage.Outgoing {
	return storage.Outgoing{Body: []byte("{}"), Event: &storage.Event{ID: uuid.NewString(), Seq: seq, Action: storage.Created, At: time.Now(), Meta: storage.Meta{Type: "notes", ID: id}}}
}

func subjects(t *testing.T, s jetstream.Stream) (out []string) {
	t.Helper()
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimPrefix(m.Subject, "ac.main.event."))
	}
	return out
}

// What others put into the stream of events is removed and told, wherever it comes
// from, and no event is lost or held up by it.
func TestForeignMessagesHoldNoEventUp(t *testing.T) {
	const subject = "ac.main.event.notes.created."
	header := func(pairs ...string) nats.Header {
		h := nats.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	for name, foreign := range map[string][]*nats.Msg{
		"an answer of the server":   {{Subject: subject + "x", Data: []byte(`{"type":"io.nats.jetstream.api.v1.account_info_response"}`)}},
		"nothing but a status":      {{Subject: subject + "x", Header: header("Status", "408", "Description", "Request Timeout")}},
		"several":                   {{Subject: subject + "x"}, {Subject: "ac.main.event.y"}, {Subject: subject + "z", Data: []byte("z")}},
		"a sequence far ahead":      {{Subject: subject + "x", Header: header("ce-sequence", "999999")}},
		"an event's headers copied": {{Subject: subject + "x", Header: header("ce-sequence", "1", "ce-id", "1", "ce-type", "autocrud.notes.created", "ce-subject", "a")}},
		"no subject of events":      {{Subject: "ac.main.event.notes", Header: header("ce-sequence", "7", "ce-id", "1", "ce-type", "autocrud.notes.created", "ce-subject", "a")}},
	} {
		t.Run(name, func(t *testing.T) {
			n, w, s := events(t)
			var told int
			w.Foreign(func(n int, err error) {
				told += n
				if err != nil {
					t.Error(err)
				}
			})
			put := func() {
				for _, m := range foreign {
					if _, err := n.Events.RequestMsgWithContext(t.Context(), m); err != nil {
						t.Fatal(err)
					}
				}
			}
			put() // into a stream that holds nothing
			if p, err := w.Position(t.Context()); err != nil || p.Seq != 0 || p.Since.IsZero() {
				t.Fatalf("it is at %+v, %v", p, err)
			}
			if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(1, "a"), outgoing(3, "b")}); err != nil {
				t.Fatal(err)
			}
			put()
			if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(5, "c")}); !errors.Is(err, storage.ErrConflict) {
				t.Fatalf("behind a foreign message: %v", err)
			}
			if p, err := w.Position(t.Context()); err != nil || p.Seq != 3 {
				t.Fatalf("it is at %+v, %v", p, err)
			}
			if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(5, "c"), outgoing(6, "d")}); err != nil {
				t.Fatal(err)
			}
			if got := subjects(t, s); fmt.Sprint(got) != "[notes.created.a notes.created.b notes.created.c notes.created.d]" {
				t.Errorf("it holds %q", got)
			}
			if told != 2*len(foreign) {
				t.Errorf("told of %d, want %d", told, 2*len(foreign))
			}
		})
	}
}

// TestForeignMessagesThatCannotBeRemovedAreSteppedOver has a publisher without the
// right to delete.
func TestForeignMessagesThatCannotBeRemovedAreSteppedOver(t *testing.T) {
	n, w, s := events(t)
	if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(1, "a")}); err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.DenyDelete = true
	if _, err := mustJS(t, n).UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := n.Events.RequestWithContext(t.Context(), "ac.main.event.notes.created.x", nil); err != nil {
			t.Fatal(err)
		}
	}
	var failed error
	w.Foreign(func(_ int, err error) { failed = err })
	if p, err := w.Position(t.Context()); err != nil || p.Seq != 1 || failed == nil {
		t.Fatalf("it is at %+v, %v; told %v", p, err, failed)
	}
	if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(2, "b")}); err != nil {
		t.Fatal(err)
	}
	if p, err := w.Position(t.Context()); err != nil || p.Seq != 2 {
		t.Fatalf("it is at %+v, %v", p, err)
	}
}

func mustJS(t *testing.T, n *natslog.Embedded) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(n.Events)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// TestAForeignMessageAmongEventsTakesTheirPlace has one arrive while a go of events
// is under way.
func TestAForeignMessageAmongEventsTakesTheirPlace(t *testing.T) {
	n, w, s := events(t)
	if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(1, "a")}); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(1+i%20) * 2 * time.Millisecond): // on a slow machine too a batch gets through between two
				_ = n.Events.Publish("ac.main.event.notes.created.x", nil) // it may be refused
			}
		}
	}()
	const all = 3000
	told := uint64(1)
	for deadline := time.Now().Add(2 * time.Minute); told < all/10 && time.Now().Before(deadline); {
		var batch []storage.Outgoing
		for seq := told + 1; seq <= min(told+50, all); seq++ {
			batch = append(batch, outgoing(seq, fmt.Sprint("e", seq)))
		}
		err := w.Publish(t.Context(), batch)
		if err != nil && !errors.Is(err, storage.ErrConflict) {
			t.Fatal(err)
		}
		p, err := w.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		told = p.Seq
	}
	close(stop)
	<-done
	if _, err := w.Position(t.Context()); err != nil { // what came last is removed
		t.Fatal(err)
	}
	want := uint64(1)
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Header.Get("ce-sequence"); got != fmt.Sprint(want) {
			t.Fatalf("at %d it holds event %q, want %d", seq, got, want)
		}
		want++
	}
	if want < 100 {
		t.Errorf("it holds %d events", want-1)
	}
}

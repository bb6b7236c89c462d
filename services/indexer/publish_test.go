package indexer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
	"github.com/autocrud-go/autocrud/services/indexer"
)

// told is one message of the outward stream.
type told struct {
	seq           uint64 // in the log
	subject, body string
	header        map[string][]string
}

// toldUpTo reads the whole stream, which must hold the event at a sequence of the
// log within a while.
func toldUpTo(t *testing.T, s *testenv.Stack, through uint64) (out []told) {
	t.Helper()
	js, err := jetstream.New(s.NATS)
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.OrderedConsumer(t.Context(), natslog.OutwardName("main"), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	iter, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer iter.Stop()
	for len(out) == 0 || out[len(out)-1].seq < through {
		m, err := iter.Next(jetstream.NextMaxWait(10 * time.Second))
		if err != nil {
			t.Fatalf("%d events, then %v", len(out), err)
		}
		seq, err := strconv.ParseUint(m.Headers().Get("ce-sequence"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, told{seq, m.Subject(), string(m.Data()), m.Headers()})
	}
	return out
}

// logged are the sequences of the events that are to be told.
func logged(t *testing.T, s *testenv.Stack) (out []uint64) {
	t.Helper()
	state, err := s.Log.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); ; {
		e, err := s.Log.Next(t.Context(), "rev.>", seq)
		if err != nil || e.Seq > state.Last {
			return out
		}
		if typ, _, _ := storage.SplitRevisionSubject(e.Subject); !model.IsBuiltin(typ) {
			out = append(out, e.Seq)
		}
		seq = e.Seq + 1
	}
}

func create(t *testing.T, s *testenv.Stack, id string, year int) *resource.Resource {
	t.Helper()
	r, err := s.Manager.Create(t.Context(), "films", map[string]any{"title": id, "year": int64(year)}, resource.CreateOptions{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sequences(all []told) (out []uint64) {
	for _, x := range all {
		out = append(out, x.seq)
	}
	return out
}

func TestEveryEventIsToldOnceAfterRestarts(t *testing.T) {
	dir := t.TempDir()
	types := testenv.Types(t, before)
	made := 0
	for range 6 {
		// The streams are kept; the index is new every second time, and the
		// process ends while events are under way.
		s := testenv.Open(t, dir, types, testenv.StackOptions{Memory: false})
		for range 200 + rand.IntN(200) {
			create(t, s, fmt.Sprint("f", made), made)
			made++
		}
		s.Stop()
	}
	s := testenv.Open(t, dir, types, testenv.StackOptions{})
	last := create(t, s, "last", 1)
	got, want := sequences(toldUpTo(t, s, last.Seq)), logged(t, s)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("told %d events, the log has %d:\n%v\n%v", len(got), len(want), got, want)
	}
}

func TestWhatIsToldIsACloudEventWithTheEnvelope(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, before), testenv.StackOptions{})
	ctx := policy.WithActor(t.Context(), policy.Actor{Principal: "user:Zoë"})
	r, err := s.Manager.Create(ctx, "films", map[string]any{"title": "Heat", "year": int64(1995)}, resource.CreateOptions{ID: "heat"})
	if err != nil {
		t.Fatal(err)
	}
	x := toldUpTo(t, s, r.Seq)[0]
	if x.subject != "ac.main.event.films.created.heat" {
		t.Errorf("subject %s", x.subject)
	}
	for name, want := range map[string]string{"ce-specversion": "1.0", "ce-id": r.EventID, "ce-source": "/autocrud/main/films",
		"ce-type": "autocrud.films.created", "ce-subject": "heat", "ce-sequence": fmt.Sprint(r.Seq), "ce-datacontenttype": "application/json",
		"ce-principal": "user%3AZo%C3%AB"} {
		if got := x.header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, err := time.Parse(time.RFC3339Nano, x.header["ce-time"][0]); err != nil {
		t.Error(err)
	}
	var env struct{ Data, Meta, Revision json.RawMessage }
	if err := json.Unmarshal([]byte(x.body), &env); err != nil || string(env.Data) != string(r.Data) || string(env.Meta) != string(r.Meta) || string(env.Revision) != string(r.Revision) {
		t.Errorf("%s, %v\nwant %s %s %s", x.body, err, r.Data, r.Meta, r.Revision)
	}
}

func TestContentTooLargeForAMessageIsReferredTo(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, before), testenv.StackOptions{})
	for id, size := range map[string]int{"middle": 500 << 10, "large": 3 << 20} {
		doc := map[string]any{"title": strings.Repeat("x", size)}
		if _, err := s.Manager.Create(t.Context(), "films", doc, resource.CreateOptions{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range toldUpTo(t, s, create(t, s, "last", 1).Seq) {
		ref := x.header["ce-dataref"]
		switch {
		case strings.HasSuffix(x.subject, ".large") && (len(ref) != 1 || ref[0] != "/v1/films/large/revisions/1" || strings.Contains(x.body, `"data"`)):
			t.Errorf("%s with %v is %.200s", x.subject, ref, x.body)
		case strings.HasSuffix(x.subject, ".middle") && (ref != nil || len(x.body) < 500<<10):
			t.Errorf("%s with %v is %.200s", x.subject, ref, x.body)
		}
	}
}

func TestAPurgeErasesWhatWasTold(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, before), testenv.StackOptions{})
	create(t, s, "stays", 1)
	create(t, s, "goes", 2)
	if _, err := s.Manager.Delete(t.Context(), "films", "goes", resource.Match{}); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Manager.Upkeep.Purge(t.Context(), "films", "goes", resource.Match{}); err != nil || !p.Done {
		t.Fatal(p, err)
	}
	last := create(t, s, "goes", 3)
	var got []string
	for _, x := range toldUpTo(t, s, last.Seq) {
		got = append(got, strings.TrimPrefix(x.subject, "ac.main.event.films."))
	}
	if want := "[created.stays purged.goes created.goes]"; fmt.Sprint(got) != want {
		t.Errorf("told %v, want %s", got, want)
	}
}

// TestANewStreamBeginsWithWhatItWouldHold takes the stream away: the next one
// holds what is younger than its age, and nothing twice.
func TestANewStreamBeginsWithWhatItWouldHold(t *testing.T) {
	dir := t.TempDir()
	types := testenv.Types(t, before)
	old := time.Now().Add(-30 * 24 * time.Hour)
	s := testenv.Open(t, dir, types, testenv.StackOptions{Manager: func(o *resource.Options) { o.Now = func() time.Time { return old } }})
	for i := range 300 {
		create(t, s, fmt.Sprint("old", i), i)
	}
	s.Stop()
	s = testenv.Open(t, dir, types, testenv.StackOptions{})
	for i := range 300 {
		create(t, s, fmt.Sprint("new", i), i)
	}
	js, err := jetstream.New(s.NATS)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), natslog.OutwardName("main")); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s = testenv.Open(t, dir, types, testenv.StackOptions{})
	got := sequences(toldUpTo(t, s, create(t, s, "last", 1).Seq))
	if want := logged(t, s)[300:]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("told %d: %v, want %d: %v", len(got), got, len(want), want)
	}
}

// TestTwoPublishersTellEverythingOnce runs a second indexer over the same log.
func TestTwoPublishersTellEverythingOnce(t *testing.T) {
	types := testenv.Types(t, before)
	s := testenv.Open(t, t.TempDir(), types, testenv.StackOptions{})
	index, err := sqliteindex.Open(t.Context(), ":memory:", sqliteindex.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	second := indexer.New(types, s.Log, s.Blobs, index, states.NewProgress(),
		indexer.Options{Outward: testenv.Outward(t, s.NATS, natslog.OutwardOptions{})})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = second.Run(ctx) }() // it ends with its context only
	defer func() { cancel(); <-done }()
	for i := range 500 {
		create(t, s, fmt.Sprint("f", i), i)
	}
	got, want := sequences(toldUpTo(t, s, create(t, s, "last", 1).Seq)), logged(t, s)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("told %d events, the log has %d:\n%v\n%v", len(got), len(want), got, want)
	}
}

func TestAStreamWithOtherSettingsIsRefused(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, before), testenv.StackOptions{})
	js, err := jetstream.New(s.NATS)
	if err != nil {
		t.Fatal(err)
	}
	o := natslog.OutwardOptions{MaxAge: time.Hour, MaxBytes: 5 << 20}
	if err := natslog.ProvisionOutward(t.Context(), js, o); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), natslog.OutwardName("main"))
	if err != nil {
		t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	if c.MaxAge != time.Hour || c.MaxBytes != 5<<20 {
		t.Errorf("the stream keeps %s and %d bytes", c.MaxAge, c.MaxBytes)
	}
	c.Discard = jetstream.DiscardNew
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := natslog.ProvisionOutward(t.Context(), js, o); !errors.Is(err, storage.ErrDrift) {
		t.Errorf("a stream that refuses what is new: %v", err)
	}
}

// TestForeignMessagesStopNoPublishing puts what is no event into the stream, before
// a start, while events are written, and while nothing is.
func TestForeignMessagesStopNoPublishing(t *testing.T) {
	dir := t.TempDir()
	types := testenv.Types(t, before)
	put := func(s *testenv.Stack, subjects ...string) {
		t.Helper()
		for _, subject := range subjects {
			if _, err := s.NATS.RequestWithContext(t.Context(), subject, []byte(`{"error":"no event"}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := testenv.Open(t, dir, types, testenv.StackOptions{})
	create(t, s, "a", 1)
	toldUpTo(t, s, create(t, s, "b", 2).Seq)
	put(s, "ac.main.event.films.created.x", "ac.main.event.films.created.y")
	s.Stop() // damaged as an older version left it
	s = testenv.Open(t, dir, types, testenv.StackOptions{})
	genuine(t, s, create(t, s, "c", 3).Seq)
	for i := range 50 {
		if i%10 == 5 {
			put(s, "ac.main.event.x")
		}
		create(t, s, fmt.Sprint("d", i), i)
	}
	put(s, "ac.main.event.films.purged.a")
	last := create(t, s, "last", 9)
	all := genuine(t, s, last.Seq)
	if want := logged(t, s); fmt.Sprint(all) != fmt.Sprint(want) {
		t.Errorf("told %v, want %v", all, want)
	}
}

// genuine waits until the stream ends with an event and tells which it holds.
func genuine(t *testing.T, s *testenv.Stack, through uint64) (out []uint64) {
	t.Helper()
	js, err := jetstream.New(s.NATS)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), natslog.OutwardName("main"))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		m, err := stream.GetLastMsgForSubject(t.Context(), "ac.main.event.>")
		if err == nil && m.Header.Get("ce-sequence") == fmt.Sprint(through) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stream ends with %v, %v", m, err)
		}
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		at, err := strconv.ParseUint(m.Header.Get("ce-sequence"), 10, 64)
		if err != nil {
			t.Errorf("it holds %s: %s", m.Subject, m.Data)
			continue
		}
		out = append(out, at)
	}
	return out
}

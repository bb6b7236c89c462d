package hook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/hook"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

const films = `
name: films
schema: {type: object, properties: {title: {type: string}, year: {type: integer}}}
index: [year]
`

type film struct {
	Title string
	Year  int
}

// open starts a program's parts with a listening server, and a connection to it
// that has the rights of a subscriber only.
func open(t *testing.T, dir string) (*testenv.Stack, *nats.Conn) {
	s := testenv.Open(t, dir, testenv.Types(t, films), testenv.StackOptions{Listen: natslog.Listen{Addr: "127.0.0.1:0"}})
	nc, err := nats.Connect(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return s, nc
}

func write(t *testing.T, s *testenv.Stack, id string, year int) uint64 {
	t.Helper()
	doc := map[string]any{"title": id, "year": int64(year)}
	r, _, err := s.Manager.Update(t.Context(), "films", id, doc, resource.UpdateOptions{})
	if fault.CodeOf(err) == fault.NotFound {
		r, err = s.Manager.Create(t.Context(), "films", doc, resource.CreateOptions{ID: id})
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Seq
}

// heard collects what a handler was called with.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) add(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, text)
}

func (h *heard) wait(t *testing.T, n int) []string {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		h.mu.Lock()
		got := append([]string(nil), h.all...)
		h.mu.Unlock()
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("heard %d of %d: %q", len(got), n, got)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// subscribe runs until the returned function is called.
func subscribe(t *testing.T, nc *nats.Conn, o hook.Options, fn func(context.Context, hook.Event[film]) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	if o.Backoff == nil {
		o.Backoff = func(int) time.Duration { return time.Millisecond }
	}
	go func() { done <- hook.Subscribe(ctx, nc, o, fn) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestASubscriberHearsEverythingInOrderAndFindsIt(t *testing.T) {
	s, nc := open(t, t.TempDir())
	var h heard
	stop := subscribe(t, nc, hook.Options{Type: "films", Begin: hook.Start}, func(ctx context.Context, e hook.Event[film]) error {
		l, err := s.Manager.List(ctx, "films", resource.ListOptions{Consistency: resource.Eventual, Filter: fmt.Sprint("meta.seq >= ", e.Seq, ` AND meta.id = "`, e.Resource, `"`)})
		if err != nil || len(l.Items) != 1 {
			t.Errorf("%s at %d is not found: %v", e.Resource, e.Seq, err)
		}
		if e.Meta.ID != e.Resource || e.Meta.Seq != e.Seq || e.Revision == nil || e.Data.Title != e.Resource || e.Principal != "anonymous" || e.At.IsZero() || e.Attempt != 1 {
			t.Errorf("heard %+v", e)
		}
		h.add(fmt.Sprint(e.Action, e.Resource, e.Data.Year))
		return nil
	})
	defer stop()
	var want []string
	for i := range 200 {
		id := fmt.Sprint("f", i%20)
		write(t, s, id, i)
		action := "updated"
		if i < 20 {
			action = "created"
		}
		want = append(want, fmt.Sprint(action, id, i))
	}
	if got := h.wait(t, 200); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func TestADurableSubscriptionGoesOnWhereItWas(t *testing.T) {
	s, nc := open(t, t.TempDir())
	var h heard
	o := hook.Options{Name: "mailer", Type: "films", Actions: []string{"created"}, Begin: hook.Start}
	handler := func(_ context.Context, e hook.Event[film]) error { h.add(e.Resource); return nil }
	stop := subscribe(t, nc, o, handler)
	write(t, s, "a", 1)
	write(t, s, "a", 2)
	h.wait(t, 1)
	stop()
	write(t, s, "b", 3)
	defer subscribe(t, nc, o, handler)()
	write(t, s, "c", 3)
	if got := h.wait(t, 3); fmt.Sprint(got) != "[a b c]" {
		t.Errorf("heard %q", got)
	}
}

// TestBeginIsForNewSubscriptions: a program that names another beginning each time
// it starts goes on where it was.
func TestBeginIsForNewSubscriptions(t *testing.T) {
	s, nc := open(t, t.TempDir())
	var h heard
	handler := func(_ context.Context, e hook.Event[film]) error { h.add(e.Resource); return nil }
	want := ""
	for i, begin := range []hook.Begin{hook.Since(time.Now().Add(-time.Hour)), hook.Since(time.Now().Add(time.Hour)), hook.Now, hook.Start} {
		id := fmt.Sprint("f", i)
		write(t, s, id, 1)
		stop := subscribe(t, nc, hook.Options{Name: "mailer", Begin: begin}, handler)
		want = strings.TrimSpace(want + " " + id)
		if got := strings.Join(h.wait(t, i+1), " "); got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
		stop()
	}
}

// TestAnUnnamedSubscriptionHasNoGap: the server forgets it, as it does when no client
// asked for events for a while.
func TestAnUnnamedSubscriptionHasNoGap(t *testing.T) {
	t.Parallel()
	s, nc := open(t, t.TempDir())
	var h heard
	slow, ready := make(chan struct{}), make(chan struct{}, 1)
	defer subscribe(t, nc, hook.Options{Logger: slog.New(slog.DiscardHandler)}, func(_ context.Context, e hook.Event[film]) error {
		h.add(e.Resource)
		if e.Resource == "slow" {
			ready <- struct{}{}
			<-slow
		}
		return nil
	})()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	program, err := jetstream.New(s.NATS)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for deadline := time.Now().Add(20 * time.Second); len(names) == 0 && time.Now().Before(deadline); {
		stream, err := program.Stream(t.Context(), "AC_MAIN_EVENTS") // a subscriber may list none
		if err != nil {
			t.Fatal(err)
		}
		for name := range stream.ConsumerNames(t.Context()).Name() {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		t.Fatalf("consumers %q", names)
	}
	write(t, s, "slow", 1)
	<-ready
	if err := js.DeleteConsumer(t.Context(), "AC_MAIN_EVENTS", names[0]); err != nil {
		t.Fatal(err)
	}
	write(t, s, "missed", 1)
	close(slow)
	if got := h.wait(t, 2); fmt.Sprint(got) != "[slow missed]" {
		t.Errorf("heard %q", got)
	}
}

func TestAFailedEventIsTriedAgainInOrderAndThenKept(t *testing.T) {
	s, nc := open(t, t.TempDir())
	var h, dead heard
	refused := true
	o := hook.Options{Name: "x", Begin: hook.Start, Attempts: 3, DeadLetter: func(_ context.Context, f hook.Failed) error {
		if refused { // the dead letters are not to be had: it comes again
			refused = false
			return errors.New("not now")
		}
		dead.add(fmt.Sprint(f.Subject, f.Attempts, f.Err))
		return nil
	}}
	defer subscribe(t, nc, o, func(_ context.Context, e hook.Event[film]) error {
		h.add(fmt.Sprint(e.Resource, e.Attempt))
		switch {
		case e.Resource == "bad":
			return errors.New("no")
		case e.Resource == "panics" && e.Attempt == 1:
			panic("oh")
		case e.Resource == "hopeless":
			return hook.Fatal(errors.New("never"))
		}
		return nil
	})()
	for _, id := range []string{"a", "bad", "panics", "hopeless", "b"} {
		write(t, s, id, 1)
	}
	want := "[a1 bad1 bad2 bad3 bad1 bad2 bad3 panics1 panics2 hopeless1 b1]"
	if got := h.wait(t, 11); fmt.Sprint(got) != want {
		t.Errorf("heard %q, want %s", got, want)
	}
	if got := dead.wait(t, 2); fmt.Sprint(got) != "[ac.main.event.films.created.bad3 no ac.main.event.films.created.hopeless1 never]" {
		t.Errorf("dead letters %q", got)
	}
}

// TestASubscriberMayDoNothingElse tries what a subscriber has no right to.
func TestASubscriberMayDoNothingElse(t *testing.T) {
	s, nc := open(t, t.TempDir())
	write(t, s, "a", 1)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := js.DeleteStream(ctx, "AC_MAIN_EVENTS"); err == nil {
		t.Error("it may delete the stream of events")
	}
	if _, err := js.Stream(ctx, "AC_MAIN_LOG"); err == nil {
		t.Error("it may look at the log")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := js.OrderedConsumer(ctx, "AC_MAIN_LOG", jetstream.OrderedConsumerConfig{}); err == nil {
		t.Error("it may read the log")
	}
	live, err := nc.SubscribeSync("ac.main.live.films.>")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"ac.main.event.films.created.x", "ac.main.rev.films.x", "ac.main.live.films.created.x"} {
		if err := nc.Publish(subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	write(t, s, "b", 2)
	m, err := live.NextMsg(10 * time.Second)
	if err != nil || m.Subject != "ac.main.live.films.created.b" || m.Header.Get("ce-type") != "autocrud.films.created" || !strings.Contains(string(m.Data), `"title":"b"`) {
		t.Errorf("live: %v, %v", m, err)
	}
	if last := nc.LastError(); last == nil || !errors.Is(last, nats.ErrPermissionViolation) {
		t.Errorf("the last error is %v", last)
	}
	if _, port, err := net.SplitHostPort(strings.TrimPrefix(s.Addr, "nats://")); err != nil || port == "0" {
		t.Error(s.Addr, err)
	}
}

// TestASubscriberReachesNothingThroughTheServer has the server itself put
// messages where the subscriber may not: as its answer to a question, and as
// what a consumer delivers.
func TestASubscriberReachesNothingThroughTheServer(t *testing.T) {
	s, nc := open(t, t.TempDir())
	write(t, s, "a", 1)
	before, err := s.Log.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for { // once there is an event to deliver
		info, err := js.StreamInfo("AC_MAIN_EVENTS")
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Msgs > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("there is no event")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := nc.PublishRequest("$JS.API.INFO", "ac.main.rev.films.reply", nil); err != nil {
		t.Fatal(err)
	}
	c, err := js.AddConsumer("AC_MAIN_EVENTS", &nats.ConsumerConfig{AckPolicy: nats.AckNonePolicy})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.AC_MAIN_EVENTS."+c.Name, "ac.main.rev.films.next", []byte("1")); err != nil {
		t.Fatal(err)
	}
	_, _ = js.AddConsumer("AC_MAIN_EVENTS", &nats.ConsumerConfig{DeliverSubject: "ac.main.rev.films.push", AckPolicy: nats.AckNonePolicy}) // may be refused
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	// What was asked for properly afterwards has arrived.
	proper, err := js.PullSubscribe("", "", nats.BindStream("AC_MAIN_EVENTS"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proper.Fetch(1, nats.MaxWait(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Log.State(t.Context()); err != nil || after.Last != before.Last {
		t.Errorf("the log ended at %d and ends at %d, %v", before.Last, after.Last, err)
	}
}

// TestWhatTheServerAnswersIsNoEvent asks everything that a subscriber may ask, to be
// answered on subjects of the stream of events itself.
func TestWhatTheServerAnswersIsNoEvent(t *testing.T) {
	s, nc := open(t, t.TempDir())
	write(t, s, "a", 1)
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	sub, err := js.PullSubscribe("", "mine", nats.BindStream("AC_MAIN_EVENTS"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := sub.Fetch(1, nats.MaxWait(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	asks := map[string]string{"$JS.API.INFO": "", "$JS.API.STREAM.NAMES": "", "$JS.API.STREAM.INFO.AC_MAIN_EVENTS": "", "$JS.API.CONSUMER.INFO.AC_MAIN_EVENTS.mine": "",
		"$JS.API.CONSUMER.INFO.AC_MAIN_EVENTS.none": "", "$JS.API.CONSUMER.DELETE.AC_MAIN_EVENTS.none": "", "$JS.API.CONSUMER.CREATE.AC_MAIN_EVENTS.x": "{", "$JS.API.CONSUMER.MSG.NEXT.AC_MAIN_EVENTS.mine": `{"batch":5,"no_wait":true}`,
		"$JS.API.CONSUMER.DURABLE.CREATE.AC_MAIN_EVENTS.y": `{"stream_name":"AC_MAIN_EVENTS","config":{"durable_name":"y","deliver_subject":"ac.main.live.films.created.forged","ack_policy":"none"}}`,
		"$JS.API.CONSUMER.CREATE.AC_MAIN_EVENTS.z":         `{"stream_name":"AC_MAIN_EVENTS","config":{"name":"z","deliver_subject":"ac.main.event.films.created.pushed","ack_policy":"none"}}`, first[0].Reply: ""}
	for subject, body := range asks {
		for _, answer := range []string{"ac.main.event.films.created.answer", "ac.main.event.x.y.z", "ac.main.rev.films.answer"} {
			if err := nc.PublishRequest(subject, answer, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	info, err := js.StreamInfo("AC_MAIN_EVENTS") // what was asked before has been answered
	if err != nil {
		t.Fatal(err)
	}
	if info.State.LastSeq != 1 {
		t.Errorf("the stream of events ends at %d", info.State.LastSeq)
	}
	var got heard
	go func() {
		_ = hook.Subscribe(t.Context(), nc, hook.Options{Begin: hook.Start}, func(_ context.Context, e hook.Event[film]) error {
			got.add(e.Resource)
			return nil
		})
	}()
	write(t, s, "b", 2)
	if all := got.wait(t, 2); fmt.Sprint(all) != "[a b]" {
		t.Errorf("heard %q", all)
	}
}

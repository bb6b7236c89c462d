package natslog_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
)

func consumers(t *testing.T, s jetstream.Stream) []string {
	t.Helper()
	list := s.ConsumerNames(t.Context())
	out := slices.Sorted(func(yield func(string) bool) {
		for name := range list.Name() {
			if !yield(name) {
				return
			}
		}
	})
	if list.Err() != nil {
		t.Fatal(list.Err())
	}
	return out
}

func next(t *testing.T, s storage.Subscription) (uint64, storage.Receipt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	told, receipt, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return told.Seq, receipt
}

// The stream is filled some time after the log: what was behind the place that was
// asked for is not told because it comes later.
func TestASubscriptionBeginsBehindAPlaceThatIsNotPublishedYet(t *testing.T) {
	_, w, _ := events(t)
	publish := func(seq uint64) {
		t.Helper()
		if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(seq, "a")}); err != nil {
			t.Fatal(err)
		}
	}
	publish(1)
	after := uint64(3)
	subscribe := func(o storage.SubscribeOptions) storage.Subscription {
		t.Helper()
		sub, err := w.Subscribe(t.Context(), "webhook-late--", o)
		if err != nil {
			t.Fatal(err)
		}
		return sub
	}
	subscribe(storage.SubscribeOptions{After: &after}).Close()
	publish(2)
	publish(3)
	publish(4)
	again := subscribe(storage.SubscribeOptions{}) // as after a restart
	seq, receipt := next(t, again)
	if seq != 4 {
		t.Errorf("told of %d first, want 4", seq)
	}
	if err := receipt.Done(); err != nil {
		t.Fatal(err)
	}
	again.Close()
	publish(5)
	wider := subscribe(storage.SubscribeOptions{Open: 7}) // changed
	defer wider.Close()
	if seq, _ := next(t, wider); seq != 5 {
		t.Errorf("told of %d next, want 5", seq)
	}
}

func isHook(name string) bool { return strings.HasPrefix(name, "webhook-") }

// A subscription that was made under its own name goes on where it was, under one
// that cannot be guessed.
func TestASubscriptionGoesOnUnderASealedName(t *testing.T) {
	_, w, s := events(t)
	if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(1, "a")}); err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(2, "b"), outgoing(3, "c")}); err != nil {
		t.Fatal(err)
	}
	all := uint64(0)
	for _, name := range []string{"webhook-read--", "webhook-new--"} {
		sub, err := w.Subscribe(t.Context(), name, storage.SubscribeOptions{After: &all})
		if err != nil {
			t.Fatal(err)
		}
		if name == "webhook-read--" {
			_, receipt := next(t, sub)
			if err := receipt.Done(); err != nil {
				t.Fatal(err)
			}
		}
		sub.Close()
	}
	w.Seal([]byte("key"))
	for range 2 { // it can be repeated
		if err := w.Adopt(t.Context(), isHook); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := w.Subscribed(t.Context(), "webhook-"); err != nil || fmt.Sprint(slices.Sorted(slices.Values(names))) != "[webhook-new-- webhook-read--]" {
		t.Errorf("subscribed are %q, %v", names, err)
	}
	for name, want := range map[string]uint64{"webhook-read--": 2, "webhook-new--": 1} {
		sub, err := w.Subscribe(t.Context(), name, storage.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if seq, _ := next(t, sub); seq != want {
			t.Errorf("%s goes on with %d, want %d", name, seq, want)
		}
		sub.Close()
		if err := w.Unsubscribe(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if got := consumers(t, s); fmt.Sprint(got) != "[webhook-new-- webhook-read--]" {
		t.Errorf("consumers %q", got)
	}
}

// TestASubscriberReachesNoOtherConsumer has a subscriber take what webhooks are to
// be told.
func TestASubscriberReachesNoOtherConsumer(t *testing.T) {
	n, err := natslog.StartListening(t.TempDir(), natslog.Sync{Barrier: true}, natslog.Listen{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	w := testenv.Outward(t, n.Events, natslog.OutwardOptions{})
	w.Seal([]byte("key"))
	s, err := mustJS(t, n).Stream(t.Context(), "AC_MAIN_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := w.Subscribe(t.Context(), "webhook-w1--", storage.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	nc, err := nats.Connect(n.Server.ClientURL(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := js.Stream(t.Context(), "AC_MAIN_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	for name := range theirs.ConsumerNames(short).Name() {
		t.Errorf("it is told of %s", name)
	}
	for info := range theirs.ListConsumers(short).Info() {
		t.Errorf("it is told of %s", info.Name)
	}
	for _, name := range []string{"webhook-w1--", "webhook-w1", "*", ">"} {
		for _, call := range []string{"INFO", "MSG.NEXT", "DELETE"} {
			if m, err := nc.Request("$JS.API.CONSUMER."+call+".AC_MAIN_EVENTS."+name, nil, 100*time.Millisecond); err == nil && !strings.Contains(string(m.Data), `"error"`) && m.Header.Get("Status") == "" {
				t.Errorf("%s of %s: %s", call, name, m.Data)
			}
		}
	}
	if err := w.Publish(t.Context(), []storage.Outgoing{outgoing(4, "a")}); err != nil {
		t.Fatal(err)
	}
	if seq, _ := next(t, sub); seq != 4 {
		t.Errorf("the webhook is told of %d", seq)
	}
	t.Run("NorHasItMoreThanItsConsumers", func(t *testing.T) {
		for i := range natslog.MaxSubscribers + 20 {
			if _, err := js.CreateConsumer(t.Context(), "AC_MAIN_EVENTS", jetstream.ConsumerConfig{Durable: fmt.Sprintf("d%04d", i)}); err != nil {
				t.Fatal(err)
			}
		}
		for name, config := range map[string]string{"push": `{"name":"push","deliver_subject":"ac.main.live.notes.created.forged","ack_policy":"none"}`, "inbox": `{"name":"inbox","deliver_subject":"_INBOX.x","ack_policy":"none"}`} {
			if _, err := nc.Request("$JS.API.CONSUMER.CREATE.AC_MAIN_EVENTS."+name, []byte(`{"stream_name":"AC_MAIN_EVENTS","config":`+config+`}`), 5*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan []string, 10)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = w.Police(ctx, 10*time.Millisecond, isHook, func(names []string, err error) { gone <- names }) // it ends with its context
		}()
		var all []string
		for len(all) < 22 {
			select {
			case names := <-gone:
				all = append(all, names...)
			case <-time.After(20 * time.Second):
				t.Fatalf("taken away are %q", all)
			}
		}
		cancel()
		<-done
		left := consumers(t, s)
		if len(left) != natslog.MaxSubscribers+1 || !slices.Contains(left, "d0000") || !slices.Contains(left, "d0127") || slices.Contains(left, "push") || slices.Contains(left, "inbox") {
			t.Errorf("%d are left: %q", len(left), left)
		}
	})
}

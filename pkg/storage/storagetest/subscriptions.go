package storagetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// SubscriptionsUnderTest is a new, empty stream of events, and two ways to its
// subscriptions, as two processes have them.
type SubscriptionsUnderTest struct {
	Outward storage.Outward
	A, B    storage.Subscriptions
}

// publish tells of one event for each sequence; those that 10 divides are about
// another type.
func (u SubscriptionsUnderTest) publish(t *testing.T, seqs ...uint64) {
	t.Helper()
	if _, err := u.Outward.Position(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, seq := range seqs {
		typ := "notes"
		if seq%10 == 0 {
			typ = "tasks"
		}
		e := &storage.Event{ID: uuid.NewString(), Seq: seq, Action: storage.Created, At: time.Now(), Meta: storage.Meta{Type: typ, ID: fmt.Sprint("r", seq)}}
		if err := u.Outward.Publish(t.Context(), []storage.Outgoing{{Body: []byte(`{"data":{}}`), Event: e}}); err != nil {
			t.Fatal(err)
		}
	}
}

// start is the option to hear everything.
func start() *uint64 { return new(uint64) }

func subscribe(t *testing.T, s storage.Subscriptions, name string, o storage.SubscribeOptions) storage.Subscription {
	t.Helper()
	sub, err := s.Subscribe(t.Context(), name, o)
	if err != nil {
		t.Fatal(err)
	}
	open := &opened{Subscription: sub, close: sync.OnceFunc(sub.Close)}
	t.Cleanup(open.Close)
	return open
}

// opened is a subscription that a test, and then its end, may close.
type opened struct {
	storage.Subscription
	close func()
}

// Close ends the subscription.
func (o *opened) Close() { o.close() }

// next takes an event, which must be that of the sequence.
func next(t *testing.T, s storage.Subscription, seq uint64) (storage.Message, storage.Receipt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	told, receipt, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if told.Seq != seq {
		t.Fatalf("the event of %d came, not that of %d", told.Seq, seq)
	}
	return told, receipt
}

// done takes events and says that they are done.
func done(t *testing.T, s storage.Subscription, seqs ...uint64) {
	t.Helper()
	for _, seq := range seqs {
		_, r := next(t, s, seq)
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSubscriptions holds an adapter to the contract of storage.Subscriptions.
func TestSubscriptions(t *testing.T, open func(t *testing.T) SubscriptionsUnderTest) {
	t.Run("EventsComeInOrderWithWhatTheyTell", func(t *testing.T) {
		u := open(t)
		u.publish(t, 3, 5, 10)
		s := subscribe(t, u.A, "w", storage.SubscribeOptions{After: start()})
		told, r := next(t, s, 3)
		if told.ID == "" || told.Type != "notes" || told.Resource != "r3" || told.Action != storage.Created || told.Attempt != 1 || string(told.Body) != `{"data":{}}` {
			t.Errorf("told %+v", told)
		}
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
		done(t, s, 5, 10)
		u.publish(t, 11)
		done(t, s, 11)
	})
	t.Run("ANameGoesOnWhereItWas", func(t *testing.T) {
		u := open(t)
		u.publish(t, 1, 2, 3)
		s := subscribe(t, u.A, "w", storage.SubscribeOptions{After: start()})
		done(t, s, 1, 2)
		s.Close()
		done(t, subscribe(t, u.B, "w", storage.SubscribeOptions{After: start()}), 3)
		done(t, subscribe(t, u.B, "other", storage.SubscribeOptions{After: start()}), 1, 2, 3)
	})
	t.Run("WhatIsTriedAgainComesAgain", func(t *testing.T) {
		u := open(t)
		u.publish(t, 1, 2)
		s := subscribe(t, u.A, "w", storage.SubscribeOptions{After: start()})
		_, r := next(t, s, 1)
		if err := r.Retry(0); err != nil {
			t.Fatal(err)
		}
		told, r := next(t, s, 1) // before the one that follows
		if told.Attempt != 2 {
			t.Errorf("it is attempt %d", told.Attempt)
		}
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
		done(t, s, 2)
	})
	t.Run("AfterSilenceAnotherGetsIt", func(t *testing.T) {
		u := open(t)
		u.publish(t, 1)
		o := storage.SubscribeOptions{After: start(), Silence: time.Second}
		next(t, subscribe(t, u.A, "w", o), 1) // and then it is silent
		if told, _ := next(t, subscribe(t, u.B, "w", o), 1); told.Attempt < 2 {
			t.Errorf("it is attempt %d", told.Attempt)
		}
	})
	t.Run("TwoUnderANameShareItsEvents", func(t *testing.T) {
		u := open(t)
		u.publish(t, 1, 2)
		o := storage.SubscribeOptions{After: start(), Open: 2}
		a, b := subscribe(t, u.A, "w", o), subscribe(t, u.B, "w", o)
		_, first := next(t, a, 1)
		_, second := next(t, b, 2)
		for _, r := range []storage.Receipt{first, second} {
			if err := r.Done(); err != nil {
				t.Fatal(err)
			}
		}
		u.publish(t, 3)
		done(t, a, 3)
	})
	t.Run("OnlyTheGivenTypesCome", func(t *testing.T) {
		u := open(t)
		u.publish(t, 9, 10, 11, 20)
		done(t, subscribe(t, u.A, "w", storage.SubscribeOptions{After: start(), Types: []string{"tasks"}}), 10, 20)
	})
	t.Run("ItBeginsBehindAPlace", func(t *testing.T) {
		u := open(t)
		u.publish(t, 2, 4, 6, 8)
		for after, first := range map[uint64]uint64{1: 2, 2: 4, 3: 4, 7: 8} {
			done(t, subscribe(t, u.A, fmt.Sprint("after-", after), storage.SubscribeOptions{After: &after}), first)
		}
	})
	t.Run("WithoutAPlaceItBeginsNow", func(t *testing.T) {
		u := open(t)
		u.publish(t, 1, 2)
		s := subscribe(t, u.A, "w", storage.SubscribeOptions{})
		u.publish(t, 3)
		done(t, s, 3)
	})
	t.Run("ANameThatIsForgottenBeginsAnew", func(t *testing.T) {
		u := open(t)
		u.publish(t, 1, 2)
		s := subscribe(t, u.A, "hooks-1", storage.SubscribeOptions{After: start()})
		done(t, s, 1)
		subscribe(t, u.A, "hooks-2", storage.SubscribeOptions{})
		subscribe(t, u.A, "else", storage.SubscribeOptions{})
		names := func(want ...string) {
			t.Helper()
			got, err := u.B.Subscribed(t.Context(), "hooks-")
			if slices.Sort(got); err != nil || !slices.Equal(got, want) {
				t.Errorf("subscribed are %q, %v; want %q", got, err, want)
			}
		}
		names("hooks-1", "hooks-2")
		s.Close()
		for range 2 { // once more is no error
			if err := u.B.Unsubscribe(t.Context(), "hooks-1"); err != nil {
				t.Fatal(err)
			}
		}
		names("hooks-2")
		done(t, subscribe(t, u.A, "hooks-1", storage.SubscribeOptions{After: start()}), 1, 2)
	})
	t.Run("NextEndsWithItsContext", func(t *testing.T) {
		u := open(t)
		s := subscribe(t, u.A, "w", storage.SubscribeOptions{After: start()})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := s.Next(ctx); err == nil {
			t.Error("it gave an event where there is none")
		}
		u.publish(t, 1) // and the subscription goes on
		done(t, s, 1)
	})
}

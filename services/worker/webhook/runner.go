package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// runner delivers to one webhook.
type runner struct {
	d       *Dispatcher
	h       hook
	cancel  context.CancelFunc
	done    chan struct{}
	mu      sync.Mutex
	failing time.Time // since when it does nothing but fail; zero: it does not
	failed  time.Time // when the last attempt failed
}

// start begins to deliver once what was before has ended; before may be nil.
func (d *Dispatcher) start(ctx context.Context, h hook, before <-chan struct{}) *runner {
	r := &runner{d: d, h: h, done: make(chan struct{})}
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(r.done)
		if before != nil {
			<-before
		}
		r.run(ctx)
	}()
	return r
}

func (r *runner) run(ctx context.Context) {
	restart.Loop{First: 100 * time.Millisecond, Longest: 10 * time.Second, Failed: func(err error, _ time.Duration) {
		r.d.o.Logger.WarnContext(ctx, "delivering to a webhook begins again", "webhook", r.h.id, "error", err)
	}}.Run(ctx, r.deliver)
}

// grace is how long what is under way may go on when a webhook is changed or the
// process stops; what has not ended by then is sent again.
const grace = 3 * time.Second

// finishing is a context for what is under way: it ends some time after ctx.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-out.Done():
		}
	})
	return out, func() { stop(); cancel() }
}

// silence is how long a delivery may take before another process tries it.
const silence = sendTimeout + 15*time.Second

func (r *runner) deliver(ctx context.Context) error {
	open, hands := r.d.o.Open, make(chan struct{}, r.d.o.AtOnce)
	if r.h.data.Ordered {
		open = 1
	}
	o := storage.SubscribeOptions{Types: r.h.data.Types, Open: open, Silence: silence, Since: r.h.since()}
	if replay := r.h.data.Replay; r.h.replays() {
		switch {
		case replay.FromSeq != nil:
			// What is beyond the webhook's own sequence was none yet when it was asked for,
			// or is one of the log that the webhook was restored from.
			after := min(*replay.FromSeq, r.h.meta.Seq)
			o.After = &after
		case replay.FromTime != nil:
			at, err := model.ParseTime(*replay.FromTime)
			if err != nil {
				return err
			}
			if o.Since = at; at.IsZero() { // the zero time would mean now
				o.After = new(uint64)
			}
		}
	}
	sub, err := r.d.events.Subscribe(ctx, nameOf(r.h), o)
	if err != nil {
		return err
	}
	defer sub.Close()
	r.d.unsubscribe(ctx, r.h.id, nameOf(r.h))
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		alone, err := r.spare(ctx)
		if err != nil {
			return err
		}
		select {
		case hands <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		t, receipt, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case r.d.slots <- struct{}{}:
		case <-ctx.Done():
			_ = receipt.Retry(0) // or it comes again by itself
			return ctx.Err()
		}
		_ = receipt.Working() // it may have waited
		work := func() {
			defer func() { <-hands; <-r.d.slots }()
			r.one(ctx, t, receipt)
		}
		if alone || r.h.data.Ordered { // also when a purge takes away what is being sent
			work()
		} else {
			wg.Go(work)
		}
	}
}

// spare waits while an address has done nothing but fail for long, so that it is
// tried once a second. What is due then waits here rather than fail once more and
// be put off for hours: when the address is back, all of it is sent. alone says
// that the next event is to show whether it is.
func (r *runner) spare(ctx context.Context) (alone bool, err error) {
	for {
		r.mu.Lock()
		failing, left := r.failing, time.Until(r.failed.Add(time.Second))
		r.mu.Unlock()
		if failing.IsZero() || time.Since(failing) < r.d.o.SpareAfter {
			return false, nil
		}
		if left <= 0 {
			return true, nil
		}
		select { // one that is under way may succeed
		case <-time.After(min(left, 100*time.Millisecond)):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// one sends an event, or finds that it is not for this webhook. Whatever is not
// told to the receipt comes again by itself.
func (r *runner) one(ctx context.Context, t storage.Message, receipt storage.Receipt) {
	m, ok, err := r.message(ctx, &t)
	switch {
	case err != nil && ctx.Err() == nil:
		r.d.o.Logger.WarnContext(ctx, "an event for a webhook cannot be read", "webhook", r.h.id, "seq", t.Seq, "error", err)
		later(receipt, t.Attempt)
		return
	case err != nil:
		_ = receipt.Retry(0)
		return
	case !ok:
		_ = receipt.Done()
		return
	}
	secrets, err := r.d.m.Webhooks.Secrets(ctx, notify.Webhooks, r.h.id)
	if err != nil || ctx.Err() != nil {
		later(receipt, t.Attempt) // deleted meanwhile, most likely: then this ends soon
		return
	}
	sending, stop := finishing(ctx)
	defer stop()
	o, body := r.d.sender.send(sending, r.h.data.URL, secrets, m)
	if sending.Err() != nil && !o.ok() { // that is not what the address said
		_ = receipt.Retry(0)
		return
	}
	x := r.delivery(t, o, body)
	var wait time.Duration
	if !o.ok() {
		if wait = r.d.o.Backoff(t.Attempt); wait > 0 {
			wait, x.Outcome = max(wait, o.retryAfter), "retrying"
		} else {
			x.Outcome = "failed"
		}
	}
	r.record(sending, t, x)
	if wait > 0 {
		_ = receipt.Retry(wait)
	} else {
		_ = receipt.Done()
	}
	if reason := r.judge(o, x); reason != "" {
		r.pause(sending, reason)
	}
}

// later puts off an event that could not be looked at. The waits grow, because
// the server counts them as attempts.
func later(receipt storage.Receipt, attempt int) {
	_ = receipt.Retry(min(time.Second<<min(attempt-1, 20), 5*time.Minute))
}

// The time it may take to keep what was tried, or to pause; and to keep it when
// the last one was not kept, so that deliveries go on while their list is away.
const (
	recordTime = 5 * time.Second
	recordSoon = 100 * time.Millisecond
)

// record keeps what was tried. What is about a resource that was purged meanwhile
// is erased again: the purge may have been too early for it.
func (r *runner) record(ctx context.Context, t storage.Message, x storage.Delivery) {
	patience := recordTime
	if r.d.unkept.Load() {
		patience = recordSoon
	}
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := r.d.deliveries.Record(soon, x)
	r.d.unkept.Store(err != nil)
	if err != nil {
		r.d.o.Logger.WarnContext(ctx, "a delivery is not recorded", "webhook", r.h.id, "seq", x.Seq, "error", err)
		return
	}
	purged, err := r.d.m.Webhooks.Purged(ctx, t)
	if purged {
		_, err = r.d.deliveries.Erase(ctx, x.Type, x.Resource)
	}
	if err != nil {
		r.d.o.Logger.WarnContext(ctx, "a delivery may stay after its webhook was purged", "webhook", r.h.id, "seq", x.Seq, "error", err)
	}
}

// message is the body of an event's delivery; false when the event is not for this
// webhook.
func (r *runner) message(ctx context.Context, t *storage.Message) (message, bool, error) {
	h := r.h.data
	if !r.h.replays() && t.At.Before(r.h.since()) {
		return message{}, false, nil
	}
	if ok, err := r.d.m.Webhooks.MayTell(ctx, r.h.id, r.h.meta.Seq, t.Type); err != nil || !ok {
		return message{}, false, err
	}
	body := t.Body
	if strings.TrimSpace(h.Filter) != "" || r.prunes(t.Type) {
		n, told, err := r.d.m.Watches.Judged(ctx, h, t.Seq)
		if err != nil || !told {
			return message{}, false, err
		}
		t.Action, body, t.DataRef = n.Action, n.Envelope, ""
	}
	if len(h.Actions) > 0 && !slices.Contains(h.Actions, string(t.Action)) {
		return message{}, false, nil
	}
	return message{ID: t.ID, Type: t.Type + "." + string(t.Action), Timestamp: t.At, Seq: t.Seq, Principal: t.Principal, DataRef: t.DataRef, Data: body, trace: t.Trace}, true, nil
}

func (r *runner) delivery(t storage.Message, o outcome, body []byte) storage.Delivery {
	x := storage.Delivery{Webhook: r.h.id, EventID: t.ID, Type: t.Type, Resource: t.Resource, Action: t.Action, Seq: t.Seq, Attempt: t.Attempt,
		At: time.Now().UTC().Truncate(time.Microsecond), DurationMS: float64(o.took.Microseconds()) / 1000, Outcome: "delivered",
		Status: o.status, Error: o.text(), Response: o.answer, Request: storage.DeliveryRequest{URL: r.h.data.URL, Headers: o.headers, Body: json.RawMessage("null")}}
	switch {
	case r.prunes(t.Type):
		x.Response = "" // it may repeat what it was sent
	case len(body) <= maxKeptBody:
		x.Request.Body = body
	}
	return x
}

// prunes reports whether the content of a type is kept in one place, from which it will
// go: messages refer to it, and nothing else keeps it.
func (r *runner) prunes(typ string) bool {
	t, err := r.d.m.States.Type(typ)
	return err == nil && t.Retention.Prunes()
}

// judge tells why a webhook is to be paused, or nothing.
func (r *runner) judge(o outcome, x storage.Delivery) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.ok() {
		r.failing = time.Time{}
		return ""
	}
	r.failed = time.Now()
	if r.failing.IsZero() {
		r.failing = r.failed
	}
	switch since := time.Since(r.failing); {
	case o.status == http.StatusGone:
		return "it answered 410: it wants no more events"
	case x.Outcome == "failed":
		return fmt.Sprintf("the event %d was given up after %d attempts: %s", x.Seq, x.Attempt, x.Error)
	case since >= r.d.o.PauseAfter:
		return fmt.Sprintf("every attempt of %s failed, the last one: %s", since.Round(time.Second), x.Error)
	}
	return ""
}

// pause writes to the webhook that it is paused, which ends this runner and is
// an event like every other.
//
// One that was changed since is left alone: what its address was then says nothing
// of what it is now.
func (r *runner) pause(ctx context.Context, reason string) {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	ctx = policy.WithActor(ctx, policy.Actor{Principal: "system:webhooks"})
	now, err := r.d.m.Get(ctx, notify.Webhooks, r.h.id, resource.GetOptions{})
	if err == nil {
		if now.Seq != r.h.meta.Seq {
			return
		}
		_, err = r.d.m.Patch(ctx, notify.Webhooks, r.h.id, resource.Patch{Kind: resource.MergePatch,
			Body: map[string]any{"paused": true, "paused_reason": reason}}, resource.UpdateOptions{IfMatch: resource.Match{Events: []string{now.EventID}}})
	}
	switch code := fault.CodeOf(err); {
	case code == fault.Deleted || code == fault.NotFound || code == fault.PreconditionFailed:
		return
	case err != nil:
		r.d.o.Logger.ErrorContext(ctx, "a webhook cannot be paused", "webhook", r.h.id, "error", err)
		return
	}
	r.d.o.Logger.WarnContext(ctx, "a webhook is paused", "webhook", r.h.id, "reason", reason)
}

// Test sends one event that means nothing and tells what came of it.
func (d *Dispatcher) Test(ctx context.Context, id string) (storage.Delivery, error) {
	res, err := d.m.Get(ctx, notify.Webhooks, id, resource.GetOptions{})
	if err != nil {
		return storage.Delivery{}, err
	}
	r := &runner{d: d, h: hook{id: id}}
	if err := json.Unmarshal(res.Data, &r.h.data); err != nil {
		return storage.Delivery{}, err
	}
	secrets, err := d.m.Webhooks.Secrets(ctx, notify.Webhooks, id)
	if err != nil {
		return storage.Delivery{}, err
	}
	t := storage.Message{ID: uuid.NewString(), Type: notify.Webhooks, Resource: id, Action: "test", At: time.Now().UTC(), Attempt: 1}
	o, body := d.sender.send(ctx, r.h.data.URL, secrets, message{ID: t.ID, Type: "webhooks.test", Timestamp: t.At, Data: json.RawMessage("{}")})
	x := r.delivery(t, o, body)
	if !o.ok() {
		x.Outcome = "failed"
	}
	record, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := d.deliveries.Record(record, x); err != nil {
		return x, &fault.Error{Code: fault.Unavailable, Detail: "the test was sent; what came of it cannot be kept", Cause: err}
	}
	return x, nil
}

// Deliveries lists what was tried, newest first.
func (d *Dispatcher) Deliveries(ctx context.Context, id string, before uint64, limit int) ([]storage.Delivery, uint64, error) {
	return d.deliveries.List(ctx, id, before, limit)
}

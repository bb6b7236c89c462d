// Package webhook tells other servers of events, as Standard Webhooks 1.0
// describes: signed, at least once, with retries that wait longer and longer.
//
// Every webhook has a subscription of its own to the stream of events, which
// keeps where it stands; any number of processes may work on it. What was tried
// is kept in a stream, not in the log.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Options of a Dispatcher. The zero value is right.
type Options struct {
	// AtOnce is how many events this process sends to one address at the same
	// time, unless it is ordered. Default 8.
	AtOnce int
	// Open is how many events of one webhook may wait for another attempt while
	// those behind them are sent. Default 10,000.
	Open int
	// Concurrency is how many are sent at the same time in all. Default 256.
	Concurrency int
	// Backoff before the next attempt, 0 to give up. Default: 5 s, doubling up to
	// 6 h, for 3 days.
	Backoff func(attempt int) time.Duration
	// SpareAfter is how long an address may do nothing but fail before it is
	// tried once a second only. Default 1 min.
	SpareAfter time.Duration
	// PauseAfter is how long an address may do nothing but fail before it is
	// paused. Default 24 h.
	PauseAfter time.Duration
	Logger     *slog.Logger
}

// Dispatcher runs the webhooks.
type Dispatcher struct {
	m          *resource.Domain
	events     storage.Subscriptions
	deliveries storage.Deliveries
	sender     *Sender
	o          Options
	slots      chan struct{}
	unkept     atomic.Bool // the last delivery could not be kept

	mu      sync.Mutex
	runners map[string]*runner         // by id
	ending  map[string]<-chan struct{} // by id: closed when what was before has ended
}

// New makes a dispatcher.
func New(m *resource.Domain, events storage.Subscriptions, deliveries storage.Deliveries, s *Sender, o Options) *Dispatcher {
	if o.AtOnce == 0 {
		o.AtOnce = 8
	}
	if o.Open == 0 {
		o.Open = 10_000
	}
	if o.Concurrency == 0 {
		o.Concurrency = 256
	}
	if o.Backoff == nil {
		o.Backoff = threeDays
	}
	if o.SpareAfter == 0 {
		o.SpareAfter = time.Minute
	}
	if o.PauseAfter == 0 {
		o.PauseAfter = 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Dispatcher{m: m, events: events, deliveries: deliveries, sender: s, o: o, slots: make(chan struct{}, o.Concurrency), runners: map[string]*runner{}, ending: map[string]<-chan struct{}{}}
}

// threeDays doubles from 5 s to 6 h; the waits add up to three days.
func threeDays(attempt int) time.Duration {
	const first, longest, total = 5 * time.Second, 6 * time.Hour, 72 * time.Hour
	d, sum := first, time.Duration(0)
	for range attempt - 1 {
		sum += d
		d = min(2*d, longest)
	}
	if sum+d > total {
		return 0
	}
	return d
}

// Run delivers until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	restart.Loop{Longest: 5 * time.Second, Failed: func(err error, _ time.Duration) {
		if !errors.Is(err, notify.ErrBehind) {
			d.o.Logger.WarnContext(ctx, "following the webhooks begins again", "error", err)
		}
	}}.Run(ctx, d.follow)
	d.mu.Lock()
	ids := slices.Collect(maps.Keys(d.runners))
	d.mu.Unlock()
	for _, id := range ids { // all at once, and then they are waited for
		d.end(id, nil)
	}
	d.mu.Lock()
	ending := slices.Collect(maps.Values(d.ending))
	d.mu.Unlock()
	for _, ended := range ending {
		<-ended
	}
	return nil
}

// hook is a webhook as it is now.
type hook struct {
	id   string
	data notify.Webhook
	meta storage.Meta
	// restored is when it was, while this process knew it: what was before is not
	// its business, also where a replay had begun earlier.
	restored time.Time
}

// since is when what concerns it begins.
func (h hook) since() time.Time {
	if h.restored.After(h.meta.CreatedAt) {
		return h.restored
	}
	return h.meta.CreatedAt
}

// replays reports whether its deliveries begin where a replay says.
func (h hook) replays() bool { return h.data.Replay != nil && h.restored.IsZero() }

// follow keeps a runner for every webhook that is there and not paused: first
// those of a list, then as a watch from there tells.
func (d *Dispatcher) follow(ctx context.Context) error {
	there := map[string]bool{}
	var seq *uint64
	o := resource.ListOptions{Consistency: resource.Strong, Page: resource.PageOptions{Size: resource.MaxPageSize}, OrderBy: "meta.created_at"}
	for {
		page, err := d.m.List(ctx, notify.Webhooks, o)
		if err != nil {
			return err
		}
		if seq == nil {
			seq = &page.IndexSeq
		}
		for _, r := range page.Items {
			h := hook{id: r.ID}
			if err := errors.Join(json.Unmarshal(r.Data, &h.data), json.Unmarshal(r.Meta, &h.meta)); err != nil {
				return err
			}
			there[r.ID] = true
			d.set(ctx, h)
		}
		if o.Page.Token = page.NextPageToken; o.Page.Token == "" {
			break
		}
	}
	d.forget(ctx, there)
	w, err := d.m.Watches.Watch(ctx, resource.WatchOptions{Type: notify.Webhooks, After: seq, Trusted: true})
	if err != nil {
		return err
	}
	defer w.Close()
	for {
		n, err := w.Next(ctx)
		if err != nil {
			return err
		}
		var env struct {
			Data notify.Webhook
			Meta storage.Meta
		}
		if err := json.Unmarshal(n.Envelope, &env); err != nil {
			return err
		}
		h := hook{id: env.Meta.ID, data: env.Data, meta: env.Meta}
		switch n.Action {
		case storage.Purged:
			d.end(h.id, func() { d.unsubscribe(ctx, h.id, "") })
		case storage.Deleted:
			d.end(h.id, nil)
		case storage.Restored:
			d.end(h.id, func() { d.unsubscribe(ctx, h.id, "") })
			h.restored = h.meta.UpdatedAt
			d.set(ctx, h)
		default:
			d.set(ctx, h)
		}
	}
}

// set makes the runner of a webhook what the webhook says.
func (d *Dispatcher) set(ctx context.Context, h hook) {
	d.mu.Lock()
	old := d.runners[h.id]
	d.mu.Unlock()
	if old != nil && old.h.meta.Seq >= h.meta.Seq {
		return
	}
	if old != nil && nameOf(old.h) == nameOf(h) && h.restored.IsZero() {
		h.restored = old.h.restored
	}
	d.end(h.id, nil)
	if h.data.Paused || h.meta.Deleted {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runners[h.id] = d.start(ctx, h, d.ending[h.id])
}

// end stops the runner of a webhook and, once nothing of it is under way, does
// the rest. It does not wait: an address that hangs holds up no other webhook.
// What begins for this one afterwards does.
func (d *Dispatcher) end(id string, rest func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, before, ended := d.runners[id], d.ending[id], make(chan struct{})
	if r == nil && rest == nil {
		return
	}
	delete(d.runners, id)
	d.ending[id] = ended
	if r != nil {
		r.cancel()
	}
	go func() {
		if before != nil {
			<-before
		}
		if r != nil {
			<-r.done
		}
		if rest != nil {
			rest()
		}
		close(ended)
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.ending[id] == ended {
			delete(d.ending, id)
		}
	}()
}

// prefix of the names of subscriptions.
const prefix = "webhook-"

// Subscribes reports whether a name is one that webhooks subscribe under.
func Subscribes(name string) bool { return strings.HasPrefix(name, prefix) }

// forget ends what belongs to webhooks that are not there any more.
func (d *Dispatcher) forget(ctx context.Context, there map[string]bool) {
	d.mu.Lock()
	var gone []string
	for id := range d.runners {
		if !there[id] {
			gone = append(gone, id)
		}
	}
	d.mu.Unlock()
	for _, id := range gone {
		d.end(id, nil)
	}
	names, err := d.events.Subscribed(ctx, prefix)
	if err != nil {
		d.o.Logger.WarnContext(ctx, "subscriptions of webhooks cannot be listed", "error", err)
		return
	}
	for _, name := range names {
		id := idOf(name)
		if there[id] {
			continue
		}
		_, err := d.m.Get(ctx, notify.Webhooks, id, resource.GetOptions{IncludeDeleted: true, Consistency: resource.Strong})
		if fault.CodeOf(err) == fault.NotFound {
			d.unsubscribe(ctx, id, "")
		}
	}
}

// nameOf is the subscription of a webhook; a replay has another one.
func nameOf(h hook) string {
	name := prefix + h.id + "--"
	if h.data.Replay != nil {
		name += h.data.Replay.ID
	}
	return name
}

// idOf is the webhook of a subscription. Its id may hold any dashes; that of a
// replay holds single ones inside.
func idOf(name string) string {
	name = strings.TrimPrefix(name, prefix)
	return name[:max(strings.LastIndex(name, "--"), 0)]
}

// unsubscribe forgets the subscriptions of a webhook but one.
func (d *Dispatcher) unsubscribe(ctx context.Context, id, but string) {
	names, err := d.events.Subscribed(ctx, prefix+id+"--")
	for _, name := range names {
		if name != but && idOf(name) == id {
			err = errors.Join(err, d.events.Unsubscribe(ctx, name))
		}
	}
	if err != nil && ctx.Err() == nil {
		d.o.Logger.WarnContext(ctx, "a subscription of a webhook is left", "webhook", id, "error", err)
	}
}

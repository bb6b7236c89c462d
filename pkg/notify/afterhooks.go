package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// AfterHooks runs hooks of writes of all processes from the stream of events.
type AfterHooks struct {
	States   *states.States
	hookRuns *states.HookRuns
	log      storage.Log
	o        *states.Options
}

// NewAfterHooks follows the stream of events for the hooks of the options.
func NewAfterHooks(p commit.Parts) *AfterHooks {
	return &AfterHooks{States: p.States, hookRuns: p.Core.HookRuns, log: p.Core.Log, o: p.Core.Options}
}

// afterHooks is the name under which after-hooks keep where they are in the
// stream of events.
const afterHooks = "after-hooks"

// Subscribes reports whether a name is that under which after-hooks subscribe.
func Subscribes(name string) bool { return name == afterHooks }

// The bounds of after-hooks that are run from the stream: how many run at once,
// and how many events may wait for another try while others go on.
const (
	aftersAtOnce = 16
	aftersOpen   = 1000
)

// afterAttempts bounds how often the hooks of an event are tried; with the waits
// between them that is about a day.
const afterAttempts = 20

// RunAfterHooks follows the stream of events and runs every after-hook that did
// not end well right after its commit: its process died, it failed, or other
// processes write too and all run here. A hook that fails is tried again with
// growing waits and then given up with a line in the log, so its effects should
// be repeatable. It runs until ctx ends.
func (ah *AfterHooks) RunAfterHooks(ctx context.Context, events storage.Subscriptions) error {
	types := ah.o.Hooks.AfterTypes()
	if len(types) == 0 {
		<-ctx.Done()
		return nil
	}
	ah.hookRuns.Follow()
	o := storage.SubscribeOptions{Types: types, Open: aftersOpen, Silence: time.Minute, Since: ah.o.Now()}
	for ctx.Err() == nil {
		if err := ah.followAfter(ctx, events, o); err != nil && ctx.Err() == nil {
			ah.o.Logger.WarnContext(ctx, "following events for after-hooks begins again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return nil
}

func (ah *AfterHooks) followAfter(ctx context.Context, events storage.Subscriptions, o storage.SubscribeOptions) error {
	sub, err := events.Subscribe(ctx, afterHooks, o)
	if err != nil {
		return err
	}
	defer sub.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	hands := make(chan struct{}, aftersAtOnce)
	for {
		select {
		case hands <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		t, receipt, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer func() { <-hands }()
			ah.afterAgain(ctx, t, receipt)
		})
	}
}

// afterAgain runs the hooks of one event unless that was done. What is not told
// to the receipt comes again.
func (ah *AfterHooks) afterAgain(ctx context.Context, t storage.Message, receipt storage.Receipt) {
	hooks := ah.o.Hooks.AfterOf(t.Type, t.Action)
	done, running := ah.hookRuns.Take(t.Seq)
	switch {
	case len(hooks) == 0 || done:
		_ = receipt.Done()
		return
	case running:
		_ = receipt.Retry(time.Second)
		return
	case t.Attempt == 1 && !ah.o.HooksApart: // it may be about to run
		_ = receipt.Retry(250 * time.Millisecond)
		return
	}
	c, err := ah.changeAt(ctx, t.Seq)
	if errors.Is(err, storage.ErrNotFound) { // purged since
		_ = receipt.Done()
		return
	}
	if err == nil {
		ctx := policy.WithActor(ctx, c.Actor)
		for _, fn := range hooks {
			err = errors.Join(err, states.RunHook(ctx, fn, c))
		}
	}
	switch {
	case err == nil:
		_ = receipt.Done()
	case ctx.Err() != nil:
		_ = receipt.Retry(0)
	case t.Attempt >= afterAttempts:
		ah.o.Logger.ErrorContext(ctx, "an after-hook is given up", "type", t.Type, "id", t.Resource, "action", t.Action, "seq", t.Seq, "error", err)
		_ = receipt.Done()
	default:
		ah.o.Logger.ErrorContext(ctx, "an after-hook failed and is tried again", "type", t.Type, "id", t.Resource, "action", t.Action, "seq", t.Seq, "error", err)
		_ = receipt.Retry(min(time.Second<<min(t.Attempt-1, 12), 2*time.Hour))
	}
}

// changeAt is what hooks see of an event of the log; ErrNotFound when it was
// erased.
func (ah *AfterHooks) changeAt(ctx context.Context, seq uint64) (states.Change, error) {
	entry, err := ah.log.At(ctx, seq)
	if err != nil {
		return states.Change{}, err
	}
	at := &CachedEvent{entry: entry}
	e, err := at.decoded()
	if err != nil {
		return states.Change{}, err
	}
	t, err := ah.States.Type(e.Meta.Type)
	if err != nil {
		return states.Change{}, err
	}
	c := states.Change{Type: t.Name, ID: e.Meta.ID, Action: e.Action, Status: e.Meta.Status, Publishes: e.Publishes(),
		Actor: policy.Actor{Principal: e.Principal, RequestID: e.RequestID, Address: e.Address, UserAgent: e.UserAgent}}
	now, err := at.after(ctx, ah.States, t)
	if err != nil {
		return c, err
	}
	if e.Wrote > 0 && e.Action != storage.StatusChanged {
		c.New = now.Full
	}
	if e.Wrote == 0 && e.Changed() > 0 { // a revision that HEAD is not
		shown, err := shownBy(ctx, ah.States, t, e)
		if err != nil {
			return c, err
		}
		c.New = shown.Full
	}
	before, known, err := at.before(ctx, ah.States, t)
	if err == nil && known && before != nil {
		c.Old = before.Full
	}
	return c, err
}

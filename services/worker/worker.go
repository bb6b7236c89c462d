// Package worker runs jobs: it finds those that are due, claims each by a
// compare-and-set on the job, runs its handler under a deadline and records the
// outcome, fenced by the claim.
//
// The index says which jobs are due; a wake-up only says to look. So a job is
// never lost with a message: whoever looks next finds it.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Handler runs one attempt and returns the result as JSON, or nil. ctx ends at
// the attempt's deadline and when the worker stops.
type Handler func(ctx context.Context, c *resource.Claim, m *resource.Manager) (json.RawMessage, error)

// Options of a Worker. The zero value is right.
type Options struct {
	// Concurrency is how many handlers run at once. Default 16.
	Concurrency int
	// Sweep is how often due jobs are looked for without a wake-up. Default 5 s.
	Sweep time.Duration
	// Grace is how long running handlers may go on after a stop. Default 5 s.
	Grace time.Duration
	// Sole tells that no other worker lives, so that jobs which other names
	// claimed are free at once.
	Sole   bool
	Logger *slog.Logger
}

// Worker runs the jobs of all job types.
type Worker struct {
	m        *resource.Manager
	handlers map[string]Handler
	o        Options
	name     string
	wake     chan struct{}
	slots    chan struct{}

	mu      sync.Mutex
	running map[string]bool // type/id
}

// New makes a worker. Types without a handler in Go run their model's.
func New(m *resource.Manager, handlers map[string]Handler, o Options) *Worker {
	if o.Concurrency == 0 {
		o.Concurrency = 16
	}
	if o.Sweep == 0 {
		o.Sweep = 5 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Worker{m: m, handlers: map[string]Handler{}, o: o, name: "worker-" + uuid.NewString()[:8],
		wake: make(chan struct{}, 1), slots: make(chan struct{}, o.Concurrency), running: map[string]bool{}}
	for _, t := range m.Types() {
		if t.Job == nil {
			continue
		}
		switch h := t.Job.Handler; {
		case handlers[t.Name] != nil:
			w.handlers[t.Name] = handlers[t.Name]
		case h.HTTP != "":
			w.handlers[t.Name] = httpHandler(h.HTTP)
		case len(h.Exec) > 0:
			w.handlers[t.Name] = execHandler(h.Exec)
		}
	}
	return w
}

// Wake says that there may be something to do. It never blocks.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Applied wakes the worker when a batch of the indexer holds a job.
func (w *Worker) Applied(b storage.Batch) {
	for _, c := range b.Changes {
		if c.Event.Meta.Job != nil {
			w.Wake()
			return
		}
	}
}

// Run looks for jobs until ctx ends, then lets running handlers finish.
func (w *Worker) Run(ctx context.Context) error {
	if len(w.handlers) == 0 {
		<-ctx.Done()
		return nil
	}
	handlers, stop := context.WithCancel(context.WithoutCancel(ctx)) // they get their grace
	defer stop()
	var wg sync.WaitGroup
	for ctx.Err() == nil {
		next := w.sweep(ctx, handlers, &wg)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(w.o.Grace):
		stop()
		<-done
	}
	return nil
}

// sweep claims what is due and returns when to look again at the latest.
func (w *Worker) sweep(ctx, handlers context.Context, wg *sync.WaitGroup) time.Duration {
	next := w.o.Sweep
	for typ := range w.handlers {
		for {
			free := cap(w.slots) - len(w.slots)
			if free == 0 {
				break // a handler that ends wakes us
			}
			began, err := w.claimDue(ctx, handlers, wg, typ, free)
			if err != nil {
				if resource.CodeOf(err) != resource.IndexLag && ctx.Err() == nil {
					w.o.Logger.WarnContext(ctx, "looking for jobs failed", "type", typ, "error", err)
				}
				break
			}
			if began == 0 {
				break
			}
		}
		if at, err := w.m.NextJob(ctx, typ); err == nil && !at.IsZero() {
			next = min(next, max(time.Until(at), 5*time.Millisecond))
		}
	}
	return next
}

// claimDue begins up to free attempts.
func (w *Worker) claimDue(ctx, handlers context.Context, wg *sync.WaitGroup, typ string, free int) (int, error) {
	due, err := w.m.DueJobs(ctx, typ, 4*cap(w.slots))
	if err != nil {
		return 0, err
	}
	began := 0
	for _, meta := range due {
		if began == free || ctx.Err() != nil {
			break
		}
		if meta.Job.State == storage.JobRunning && w.alive(meta) || !w.enter(meta) {
			continue
		}
		w.slots <- struct{}{}
		began++
		wg.Go(func() {
			w.attempt(handlers, meta)
			w.leave(meta)
			<-w.slots
			w.Wake()
		})
	}
	return began, nil
}

// alive reports whether the worker that runs a job may still live. Whether its
// lease ran out is looked at by the claim.
func (w *Worker) alive(meta storage.Meta) bool {
	if w.o.Sole {
		return meta.Job.Worker == w.name
	}
	return meta.Job.StartedAt != nil && time.Since(*meta.Job.StartedAt) < w.lease(meta.Type)
}

func (w *Worker) enter(meta storage.Meta) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := meta.Type + "/" + meta.ID
	if w.running[k] {
		return false
	}
	w.running[k] = true
	return true
}

func (w *Worker) leave(meta storage.Meta) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, meta.Type+"/"+meta.ID)
}

// leaseMargin is what an attempt may take beyond its timeout.
const leaseMargin = 20 * time.Second

func (w *Worker) lease(typ string) time.Duration {
	t, err := w.m.Type(typ)
	if err != nil || t.Job == nil {
		return leaseMargin
	}
	return t.Job.Timeout + leaseMargin
}

// attempt claims, runs and finishes one job.
func (w *Worker) attempt(ctx context.Context, meta storage.Meta) {
	o := resource.ClaimOptions{Worker: w.name, Lease: w.lease(meta.Type)}
	if w.o.Sole {
		o.Dead = func(name string) bool { return name != w.name }
	}
	c, err := w.m.Claim(w.actor(ctx, meta), meta.Type, meta.ID, o)
	if err != nil {
		switch resource.CodeOf(err) {
		case resource.InvalidState, resource.Deleted, resource.NotFound: // somebody was faster
		default:
			w.o.Logger.WarnContext(ctx, "claiming a job failed", "type", meta.Type, "id", meta.ID, "error", err)
		}
		return
	}
	t, _ := w.m.Type(meta.Type) // it has a handler, so it is there
	result, err := w.run(ctx, t, c)
	outcome := resource.Outcome{Result: result}
	if err != nil {
		outcome = w.failed(ctx, t, c, err)
	}
	w.finish(w.actor(ctx, meta), c, outcome)
}

// actor makes what the worker does for a job the deed of its creator.
func (w *Worker) actor(ctx context.Context, meta storage.Meta) context.Context {
	return resource.WithActor(ctx, resource.Actor{Principal: meta.CreatedBy, UserAgent: w.name})
}

func (w *Worker) run(ctx context.Context, t *resource.Type, c *resource.Claim) (result json.RawMessage, err error) {
	ctx, cancel := context.WithTimeout(resource.WithActor(ctx, resource.Actor{Principal: c.Event.Meta.CreatedBy}), t.Job.Timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			w.o.Logger.ErrorContext(ctx, "a job handler panicked", "type", c.Type, "id", c.ID, "value", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("the handler panicked: %v", v)
		}
	}()
	result, err = w.handlers[t.Name](ctx, c, w.m)
	if err == nil && len(result) > 0 && !json.Valid(result) {
		return nil, errors.New("the handler's result is not JSON")
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("the attempt took longer than %s: %w", t.Job.Timeout, err)
	}
	return result, err
}

const maxErrorText = 4 << 10

// failed decides about another attempt.
func (w *Worker) failed(ctx context.Context, t *resource.Type, c *resource.Claim, err error) resource.Outcome {
	text := err.Error()
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	o := resource.Outcome{Err: text}
	switch delay, ok := job.Delay(err); {
	case job.Permanent(err):
	case ctx.Err() != nil: // the worker stops: the next one goes on at once
		o.RetryAt = time.Now()
	case ok:
		o.RetryAt = time.Now().Add(delay)
	default:
		o.RetryAt = time.Now().Add(backoff(t.Job.Backoff, c.Attempt))
	}
	return o
}

// backoff doubles from Initial to Max, give or take a tenth, so that jobs that
// failed together do not come back together.
func backoff(b resource.Backoff, attempt int) time.Duration {
	d := b.Initial
	for i := 1; i < attempt && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max)
	return d - d/10 + rand.N(d/5+1)
}

// finish records the outcome, trying again while the stores do not answer: the
// claim fences, so a repeated or late one does no harm.
func (w *Worker) finish(ctx context.Context, c *resource.Claim, o resource.Outcome) {
	ctx = context.WithoutCancel(ctx)
	for try := range 20 {
		err := w.m.Finish(ctx, c, o)
		switch resource.CodeOf(err) {
		case resource.Unavailable, resource.OutcomeUnknown, resource.Conflict:
			time.Sleep(min(time.Duration(try+1)*50*time.Millisecond, time.Second))
			continue
		}
		if err != nil {
			w.o.Logger.WarnContext(ctx, "an outcome was not recorded", "type", c.Type, "id", c.ID, "attempt", c.Attempt, "error", err)
		}
		return
	}
}

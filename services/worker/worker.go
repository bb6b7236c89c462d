// Package worker runs jobs. A Dispatcher knows which are due and hands them to
// Workers; a Worker claims each by a compare-and-set on the job, runs its
// handler under a deadline and records the outcome, fenced by the claim.
//
// What the two say to each other carries no truth: a message that is lost, or
// comes twice, costs time. The log tells who runs a job and what became of it.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Handler runs one attempt and returns the result as JSON, or nil. ctx ends at
// the attempt's deadline, when the job is cancelled and when the worker stops.
type Handler func(ctx context.Context, a *job.Attempt) (json.RawMessage, error)

// Options of a Worker. The zero value is right.
type Options struct {
	// Concurrency is how many handlers run at once. Default 16.
	Concurrency int
	// Beat is how often the worker tells what it runs. Default 300 ms.
	Beat time.Duration
	// Grace is how long running handlers may go on after a stop. Default 5 s.
	Grace time.Duration
	// Stuck is how long a handler may go on after its context ended, before its
	// slot is given to another one. Default 10 s.
	Stuck    time.Duration
	Live     *states.Live // gets the progress of handlers; nil: no API in this process shows it
	Observer Observer
	Tracer   trace.Tracer // of attempts; nil: no spans are made
	Logger   *slog.Logger
}

// Observer is told what became of attempts, for metrics.
type Observer interface {
	// Attempted: one ended as "succeeded", "failed" (for good), "retried",
	// "snoozed" or "refused" (it no longer counted).
	Attempted(typ, queue, outcome string, took time.Duration)
}

type nobody struct{}

func (nobody) Attempted(string, string, string, time.Duration) {}

// Worker runs the jobs of all job types it has a handler for.
type Worker struct {
	m      *resource.Domain
	source Source
	inGo   map[string]Handler // by type
	o      Options
	name   string
	slots  chan struct{}
	does   atomic.Pointer[work]
	others chan struct{} // what it does is something else now

	mu       sync.Mutex
	running  map[string]*attempt // by token
	returned []Named
}

// New makes a worker. Types without a handler in Go run their model's.
func New(m *resource.Domain, source Source, handlers map[string]Handler, o Options) *Worker {
	if o.Concurrency == 0 {
		o.Concurrency = 16
	}
	if o.Beat == 0 {
		o.Beat = 300 * time.Millisecond
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Stuck == 0 {
		o.Stuck = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	w := &Worker{m: m, source: source, inGo: handlers, o: o, name: "worker-" + uuid.NewString()[:8],
		slots: make(chan struct{}, o.Concurrency), running: map[string]*attempt{}, others: make(chan struct{}, 1)}
	w.Use(m.States.Types())
	return w
}

// work is what a worker does.
type work struct {
	handlers map[string]Handler
	types    []string
}

// Use has the worker run the jobs of these types from now on. Handlers that run go on.
func (w *Worker) Use(types []*model.Type) {
	does := &work{handlers: map[string]Handler{}}
	for _, t := range types {
		if t.Job == nil {
			continue
		}
		switch h := t.Job.Handler; {
		case w.inGo[t.Name] != nil:
			does.handlers[t.Name] = w.inGo[t.Name]
		case h.HTTP != "":
			does.handlers[t.Name] = httpHandler(h.HTTP)
		case len(h.Exec) > 0:
			does.handlers[t.Name] = execHandler(h)
		default:
			continue
		}
		does.types = append(does.types, t.Name)
	}
	w.does.Store(does)
	select {
	case w.others <- struct{}{}:
	default:
	}
}

// errStopping is why handlers end when their worker does; errRevoked when their
// attempt no longer counts.
var (
	errStopping = errors.New("the worker stops")
	errRevoked  = errors.New("the attempt no longer counts: the job was cancelled, deleted or taken over")
)

// Run takes jobs until ctx ends, then lets running handlers finish. Those that
// need longer than the grace are stopped and their jobs given back at once,
// without counting the attempt.
func (w *Worker) Run(ctx context.Context) error {
	for len(w.does.Load().types) == 0 {
		select {
		case <-w.others:
		case <-ctx.Done():
			return nil
		}
	}
	handlers, stop := context.WithCancelCause(context.WithoutCancel(ctx)) // they get their grace
	defer stop(nil)
	beating, silence := context.WithCancel(context.WithoutCancel(ctx))
	var beats, attempts sync.WaitGroup
	beats.Go(func() { w.beat(beating) })
	w.take(ctx, handlers, &attempts)
	done := make(chan struct{})
	go func() { attempts.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(w.o.Grace):
		stop(errStopping)
		<-done
	}
	silence()
	beats.Wait()
	return nil
}

// take fetches jobs for the slots that are free.
func (w *Worker) take(ctx, handlers context.Context, attempts *sync.WaitGroup) {
	failed := false
	for {
		n := w.acquire(ctx)
		if n == 0 {
			return
		}
		grants, err := w.source.Fetch(ctx, Fetch{Worker: w.name, Types: w.does.Load().types, Max: n})
		for range n - len(grants) {
			<-w.slots
		}
		if ctx.Err() != nil {
			for _, g := range grants {
				w.giveBack(Named{g.Head.Meta.Type, g.Head.Meta.ID})
				<-w.slots
			}
			return
		}
		if err != nil {
			if !failed {
				w.o.Logger.WarnContext(ctx, "no jobs can be fetched", "error", err)
			}
			pause(ctx, 100*time.Millisecond)
		}
		failed = err != nil
		for _, g := range grants {
			attempts.Go(func() {
				defer func() { <-w.slots }()
				w.attempt(handlers, g)
			})
		}
	}
}

// acquire takes all slots that are free, waiting for the first; 0 when ctx
// ended.
func (w *Worker) acquire(ctx context.Context) int {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	n := 1
	for {
		select {
		case w.slots <- struct{}{}:
			n++
			continue
		default:
		}
		return n
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (w *Worker) giveBack(n Named) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returned = append(w.returned, n)
}

// maxBeat bounds the attempts of one message.
const maxBeat = 500

// beat tells what runs until ctx ends, and stops what no longer counts.
func (w *Worker) beat(ctx context.Context) {
	t := time.NewTicker(w.o.Beat)
	defer t.Stop()
	for {
		last := false
		select {
		case <-t.C:
		case <-ctx.Done():
			last = true
		}
		for _, b := range w.signs() {
			c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			orders, err := w.source.Beat(c, b)
			cancel()
			if err != nil {
				w.o.Logger.DebugContext(ctx, "a sign of life was not answered", "error", err)
				break
			}
			w.stop(orders.Stop)
		}
		if last {
			return
		}
	}
}

// signs are the messages of one beat; none when there is nothing to tell.
func (w *Worker) signs() (out []Beat) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := Beat{Worker: w.name, Returned: w.returned}
	w.returned = nil
	for token, a := range w.running {
		b.Running = append(b.Running, Running{Named: Named{a.Type, a.ID}, Token: token, Attempt: a.Claim.Attempt, Seq: a.Event.Seq, Progress: a.progress()})
		if len(b.Running) == maxBeat {
			out = append(out, b)
			b = Beat{Worker: w.name}
		}
	}
	if len(b.Running)+len(b.Returned) > 0 {
		out = append(out, b)
	}
	return out
}

func (w *Worker) stop(tokens []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, token := range tokens {
		if a := w.running[token]; a != nil {
			a.cancel(errRevoked)
		}
	}
}

func (w *Worker) enter(a *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[a.Token] = a
}

// Running counts the attempts under way.
func (w *Worker) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.running)
}

// Slots are how many there may be at once.
func (w *Worker) Slots() int { return cap(w.slots) }

func (w *Worker) leave(a *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, a.Token)
}

// actor makes what the worker does for a job the deed of its owner.
func (w *Worker) actor(ctx context.Context, job *storage.Event) context.Context {
	return w.m.Guard.ActForJob(ctx, job, w.name)
}

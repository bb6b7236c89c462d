package worker

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Dispatcher knows every job that is not finished and hands those that are due
// to the workers that ask: by priority and time, within the limits of their
// queues, one of each concurrency key, each job to one worker.
//
// It learns of changes from the processes that commit, at once, and from the indexer,
// after each transaction, and looks at the whole index now and then, so that
// nothing that was missed stays missed.
// It keeps nothing: another one in its place is as good once it has looked.
// Two at once would only make workers lose claims.
type Dispatcher struct {
	m *resource.Domain
	o DispatcherOptions

	mu       sync.Mutex
	types    map[string]bool // of jobs
	unseen   bool            // there are types whose jobs were not looked for
	jobs     map[Named]*known
	lanes    map[laneKey]*lane
	queues   map[string]*queue
	serials  map[serialKey]*serial
	children map[Named]map[Named]bool // by the job they wait for
	later    byTime
	busy     map[*known]bool // handed out or running
	waiters  []*waiter
	ready    int // jobs in all lanes
	applied  uint64
	loading  bool
	over     map[Named]uint64 // that ended and that the index does not say so yet
	ends     []ended          // those of over, in the order in which they came
	loaded   chan struct{}
	isLoaded bool
	kick     chan struct{}
}

// DispatcherOptions of a Dispatcher. The zero value is right.
type DispatcherOptions struct {
	// Sole tells that the only worker is in this process, so that what was
	// running when it began runs no more.
	Sole bool
	// Silence is how long a worker may say nothing of an attempt before another
	// one takes it over. Default 15 s.
	Silence time.Duration
	// Unclaimed is how long a job that was handed out may stay unclaimed before
	// it is handed out again. Default 5 s.
	Unclaimed time.Duration
	// Sweep is how often the whole index is looked at. Default 30 s, and no
	// more than a fiftieth of the time.
	Sweep time.Duration
	// Known bounds how many jobs of a type and queue are held in memory. Default
	// 200,000. Beyond it a job waits until there is room, whatever its priority.
	Known int
	// Connected tells since when messages of workers arrive; zero: they do not.
	// Default: always.
	Connected func() time.Time
	// Cancel ends a job that can never start. Default: this process writes that.
	Cancel func(ctx context.Context, job Named, reason string) error
	Logger *slog.Logger
}

// NewDispatcher makes one; Run makes it work.
func NewDispatcher(m *resource.Domain, o DispatcherOptions) *Dispatcher {
	if o.Silence == 0 {
		o.Silence = 15 * time.Second
	}
	if o.Unclaimed == 0 {
		o.Unclaimed = 5 * time.Second
	}
	if o.Sweep == 0 {
		o.Sweep = 30 * time.Second
	}
	if o.Known == 0 {
		o.Known = 200_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Cancel == nil {
		o.Cancel = func(ctx context.Context, job Named, reason string) error { return cancelFor(ctx, m, job, reason) }
	}
	if o.Connected == nil {
		begun := time.Now()
		o.Connected = func() time.Time { return begun }
	}
	d := &Dispatcher{m: m, o: o, types: map[string]bool{}, jobs: map[Named]*known{}, lanes: map[laneKey]*lane{}, queues: map[string]*queue{},
		serials: map[serialKey]*serial{}, children: map[Named]map[Named]bool{}, busy: map[*known]bool{}, over: map[Named]uint64{},
		loading: true, loaded: make(chan struct{}), kick: make(chan struct{}, 1)}
	d.know(m.States.Types())
	return d
}

// Use has the dispatcher look after the jobs of these types from now on.
func (d *Dispatcher) Use(types []*model.Type) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.know(types)
	d.unseen = true
	d.wakeUp()
}

// know notes which types are those of jobs.
func (d *Dispatcher) know(types []*model.Type) {
	d.types = map[string]bool{}
	for _, t := range types {
		if t.Job != nil {
			d.types[t.Name] = true
			d.laneOf(t.Job.Queue, t.Name) // so that what is counted has all types
		}
	}
}

// Run looks after the jobs until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	next := time.Now() // of the look at the whole index
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(next) || d.wantsMore() {
			err := d.load(ctx)
			took := time.Since(now)
			next = now.Add(max(d.o.Sweep, 50*took))
			if err != nil {
				next = time.Now().Add(200 * time.Millisecond)
				if fault.CodeOf(err) != fault.IndexLag && ctx.Err() == nil {
					d.o.Logger.WarnContext(ctx, "looking for jobs failed", "error", err)
				}
			}
		}
		timer := time.NewTimer(min(d.tick(ctx), time.Until(next)))
		select {
		case <-ctx.Done():
		case <-d.kick:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// wantsMore reports whether there is room for jobs that were left out.
func (d *Dispatcher) wantsMore() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unseen {
		return true
	}
	for _, l := range d.lanes {
		if l.left && l.size() < d.o.Known/2 {
			return true
		}
	}
	return false
}

// load learns of every job that the index says is not finished.
func (d *Dispatcher) load(ctx context.Context) error {
	d.mu.Lock()
	d.loading, d.unseen = true, false
	types := slices.Collect(maps.Keys(d.types))
	for _, l := range d.lanes {
		l.left = false
	}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.loading = false
		d.mu.Unlock()
	}()
	if err := d.loadQueues(ctx); err != nil {
		return err
	}
	for _, typ := range types {
		for _, state := range jobs.UnfinishedStates {
			if err := d.loadState(ctx, typ, state); err != nil {
				return err
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.isLoaded {
		d.isLoaded = true
		if d.o.Sole {
			for j := range d.busy {
				d.takeOver(j)
			}
		}
		close(d.loaded)
	}
	d.feed()
	return nil
}

// loadState learns of the jobs of a type in one state. Of those that run, the
// newest event is needed: it has the token.
func (d *Dispatcher) loadState(ctx context.Context, typ string, state storage.JobState) error {
	var running []string
	err := d.m.Jobs.JobsIn(ctx, typ, state, func(meta storage.Meta) bool {
		if state == storage.JobRunning {
			running = append(running, meta.ID)
			return true
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.update(&meta, "", nil)
		return !d.laneOf(meta.Job.Queue, typ).left
	})
	for len(running) > 0 && err == nil {
		n := min(len(running), resource.MaxPageSize)
		var events []*storage.Event
		if events, err = d.m.Jobs.Heads(ctx, typ, running[:n]); err != nil {
			return err
		}
		d.mu.Lock()
		for _, e := range events {
			d.update(&e.Meta, e.Attempt, e)
		}
		d.mu.Unlock()
		running = running[n:]
	}
	return err
}

// Applied tells what the index holds now. It never blocks for long.
func (d *Dispatcher) Applied(b storage.Batch) {
	if len(b.Replay) > 0 {
		return // history
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range b.Changes {
		d.take(b.Changes[i].Event)
	}
	d.applied = max(d.applied, b.Through)
	if !d.loading { // what is being read may be older
		n := 0
		for ; n < len(d.ends) && d.ends[n].seq <= d.applied; n++ {
			if x := d.ends[n]; d.over[x.Named] == x.seq {
				delete(d.over, x.Named)
			}
		}
		d.ends = d.ends[n:]
	}
	d.feed()
}

// Committed tells of an event that is in the log, before the index knows of it.
// It never blocks for long.
func (d *Dispatcher) Committed(e *storage.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.take(e)
	d.feed()
}

// take takes in an event, which is of any type.
func (d *Dispatcher) take(e *storage.Event) {
	switch {
	case d.types[e.Meta.Type]:
		d.update(&e.Meta, e.Attempt, e)
	case e.Meta.Type == jobs.QueueSettings:
		d.setQueue(e.Meta.ID, e)
	}
}

// tick does what time brings and returns when it brings more.
func (d *Dispatcher) tick(ctx context.Context) time.Duration {
	d.mu.Lock()
	now := time.Now()
	for len(d.later) > 0 && d.later[0].at <= now.UnixMicro() {
		j := d.later[0]
		d.detach(j)
		d.settle(j)
	}
	lost := d.silent(now)
	wait := d.serve()
	if len(d.later) > 0 {
		wait = min(wait, time.UnixMicro(d.later[0].at).Sub(now))
	}
	d.mu.Unlock()
	d.refresh(ctx, lost)
	return min(max(wait, time.Millisecond), time.Second)
}

// silent finds attempts whose worker says nothing any more, and jobs that were
// handed out and not claimed.
func (d *Dispatcher) silent(now time.Time) (lost []Named) {
	connected := d.o.Connected()
	if connected.IsZero() {
		return nil // no worker can be heard
	}
	for j := range d.busy {
		quiet := now.Sub(j.confirmed)
		if heard := now.Sub(connected); heard < quiet {
			quiet = heard
		}
		switch {
		case j.phase == running && quiet > d.o.Silence:
			d.o.Logger.Warn("an attempt is taken over: its worker says nothing any more", "type", j.Type, "id", j.ID)
			d.takeOver(j)
		case j.phase == granted && quiet > d.o.Unclaimed:
			lost = append(lost, j.Named)
		}
	}
	return lost
}

// refresh looks at the log for jobs that were handed out and not claimed: the
// message may be lost, or what is known of the job is not so.
func (d *Dispatcher) refresh(ctx context.Context, lost []Named) {
	for _, n := range lost {
		e, err := d.m.Jobs.Newest(ctx, n.Type, n.ID)
		if err != nil {
			return // the next tick tries again
		}
		d.mu.Lock()
		if j := d.jobs[n]; j != nil && j.phase == granted {
			switch {
			case e == nil:
				d.drop(j)
			case e.Seq > j.seq:
				d.update(&e.Meta, e.Attempt, e)
			default:
				d.detach(j)
				d.settle(j)
			}
			d.feed()
		}
		d.mu.Unlock()
	}
}

// Waiting is what waits or runs in a queue, of one type.
type Waiting struct {
	Queue, Type             string
	Ready, Waiting, Running int
	Next                    time.Duration // since when the job that is to start next is due
}

// Waiting counts the jobs that are known.
func (d *Dispatcher) Waiting() []Waiting {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Waiting, 0, len(d.lanes))
	for _, l := range d.lanes {
		w := Waiting{Queue: l.queue.name, Type: l.typ, Ready: l.n[ready], Waiting: l.n[blocked] + l.n[later], Running: l.n[granted] + l.n[running]}
		if len(l.ready) > 0 {
			w.Next = time.Since(time.UnixMicro(l.ready[0].at))
		}
		out = append(out, w)
	}
	return out
}

// wakeUp makes Run look at the time again.
func (d *Dispatcher) wakeUp() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

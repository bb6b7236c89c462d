package worker

import (
	"context"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// waiter is a Fetch that waits.
type waiter struct {
	f    Fetch
	jobs chan []grantedJob // buffered
}

// grantedJob is a job that is handed out, without its event if that is not held.
type grantedJob struct {
	Named
	event    *storage.Event
	takeover string
}

// maxWait is how long a Fetch waits for something to do. A worker that died
// meanwhile is handed nothing after it.
const maxWait = time.Second

// maxGrantBytes bounds the payloads that one Fetch hands out, which may travel
// in one message.
const maxGrantBytes = 256 << 10

// Fetch implements Source.
func (d *Dispatcher) Fetch(ctx context.Context, f Fetch) ([]Grant, error) {
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case <-d.loaded:
	case <-timer.C:
		return nil, nil
	case <-ctx.Done():
		return nil, nil
	}
	w := &waiter{f: f, jobs: make(chan []grantedJob, 1)}
	d.mu.Lock()
	jobs, wait := d.pick(f)
	if len(jobs) == 0 {
		d.waiters = append(d.waiters, w)
		if wait < time.Second {
			d.wakeUp()
		}
	}
	d.mu.Unlock()
	if len(jobs) > 0 {
		return d.heads(ctx, jobs)
	}
	select {
	case jobs = <-w.jobs:
	case <-timer.C:
	case <-ctx.Done():
	}
	if jobs == nil {
		d.mu.Lock()
		d.waiters = slices.DeleteFunc(d.waiters, func(x *waiter) bool { return x == w })
		d.mu.Unlock()
		select {
		case jobs = <-w.jobs: // it was served at the same moment
		default:
		}
	}
	if len(jobs) > 0 && ctx.Err() != nil {
		d.giveBack(jobs)
		return nil, nil
	}
	return d.heads(ctx, jobs)
}

// feed serves those that wait.
func (d *Dispatcher) feed() {
	if d.serve() < time.Second {
		d.wakeUp() // Run looks again when the limit allows more
	}
}

// serve is feed for Run; it returns when a rate limit may allow more.
func (d *Dispatcher) serve() time.Duration {
	wait := time.Second
	if !d.isLoaded {
		return wait
	}
	for i := 0; i < len(d.waiters) && d.ready > 0; {
		w := d.waiters[i]
		jobs, until := d.pick(w.f)
		wait = min(wait, until)
		if len(jobs) == 0 {
			i++
			continue
		}
		w.jobs <- jobs
		d.waiters = slices.Delete(d.waiters, i, i+1)
	}
	return wait
}

// pick hands out the most urgent jobs that their queues allow, and tells when a
// rate limit allows more.
func (d *Dispatcher) pick(f Fetch) (out []grantedJob, wait time.Duration) {
	wait = time.Second
	now := time.Now()
	for len(out) < f.Max && d.ready > 0 {
		var best *lane
		for _, l := range d.lanes {
			if len(l.ready) == 0 || best != nil && more(l.ready[0], best.ready[0]) > 0 || !slices.Contains(f.Types, l.typ) {
				continue
			}
			ok, until := l.queue.open(now)
			if !ok {
				wait = min(wait, until)
				continue
			}
			best = l
		}
		if best == nil {
			break
		}
		j := best.ready[0]
		d.detach(j)
		d.occupy(j, granted)
		best.queue.started(now)
		out = append(out, grantedJob{j.Named, j.event, j.takeover})
	}
	return out, wait
}

// heads turns jobs into grants, reading the events that are not held, one
// statement for each type.
func (d *Dispatcher) heads(ctx context.Context, jobs []grantedJob) ([]Grant, error) {
	missing := map[string][]string{}
	for _, j := range jobs {
		if j.event == nil {
			missing[j.Type] = append(missing[j.Type], j.ID)
		}
	}
	found := map[Named]*storage.Event{}
	for typ, ids := range missing {
		events, err := d.m.Jobs.Heads(ctx, typ, ids)
		if err != nil {
			d.giveBack(jobs)
			return nil, err
		}
		for _, e := range events {
			found[Named{typ, e.Meta.ID}] = e
		}
	}
	out := make([]Grant, 0, len(jobs))
	size := 0
	for i, j := range jobs {
		if j.event == nil {
			j.event = found[j.Named]
		}
		if j.event == nil { // the index is behind
			j.event, _ = d.m.Jobs.Newest(ctx, j.Type, j.ID)
		}
		if j.event == nil {
			continue // gone; it is looked at again when it stays unclaimed
		}
		if size += len(j.event.Header) + len(j.event.Content); size > maxGrantBytes && i > 0 {
			d.giveBack(jobs[i:])
			break
		}
		out = append(out, Grant{j.event, j.takeover})
	}
	return out, nil
}

// giveBack makes jobs ready again that were handed out and not taken.
func (d *Dispatcher) giveBack(jobs []grantedJob) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range jobs {
		d.ungrant(j.Named)
	}
	d.feed()
}

func (d *Dispatcher) ungrant(n Named) {
	if j := d.jobs[n]; j != nil && j.phase == granted {
		d.detach(j)
		d.settle(j)
	}
}

// Beat implements Source.
func (d *Dispatcher) Beat(_ context.Context, b Beat) (Orders, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out Orders
	now := time.Now()
	for _, r := range b.Running {
		j := d.jobs[r.Named]
		switch {
		case j == nil:
			if d.applied >= r.Seq && d.isLoaded && !d.loading {
				out.Stop = append(out.Stop, r.Token)
			}
		case j.token == r.Token:
			if j.phase == ready && j.takeover == r.Token { // it lives after all
				d.detach(j)
				j.takeover = ""
				d.occupy(j, running)
			}
			j.confirmed = now
		case j.seq >= r.Seq:
			out.Stop = append(out.Stop, r.Token)
		default:
			j.confirmed = now // claimed, and not in the index yet
		}
	}
	for _, n := range b.Returned {
		d.ungrant(n)
	}
	d.feed()
	return out, nil
}

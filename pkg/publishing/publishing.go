// Package publishing does what is scheduled when its time comes: it publishes resources,
// or takes back what is published, as the principals that asked for it.
//
// What is scheduled is a part of the state of its resource, so nothing is kept here: the
// index tells what is due, and the log lets one commit do it, however many processes try. A process that
// was away does at once what it missed.
package publishing

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const (
	// tick is how often the clock is read, which may be set.
	tick = 50 * time.Millisecond
	// lookSeldom is how often the index is asked when nothing was written.
	lookSeldom = 5 * time.Second
	// ahead is how far what comes next is looked for; it is more than lookSeldom.
	ahead = time.Minute
	// again is the pause after what did not succeed.
	again = 250 * time.Millisecond
	// atOnce is how many resources are read, and together how many groups are done.
	atOnce  = 1000
	groups  = 16
	sayless = time.Minute // between two warnings
)

// Publisher does what is due. One process needs to run it; more do no harm.
type Publisher struct {
	o          *states.Options
	states     *states.States
	progress   *states.Progress
	index      states.Index
	publishing *commit.Publishing

	looked  time.Time // when the index was asked
	applied uint64    // how far it was then
	next    time.Time // when the next is due; zero: not known
	warned  time.Time
}

// New makes one; Run makes it work.
func New(p commit.Parts) *Publisher {
	return &Publisher{o: p.Core.Options, states: p.States, progress: p.Core.Progress, index: p.Core.Index, publishing: p.Publishing}
}

// Run does what is due until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := tick
		if now := p.states.Now(); p.toLook(now) {
			if err := p.look(ctx, now); err != nil && ctx.Err() == nil {
				wait = again
				p.warn(ctx, err)
			}
		}
		if left := p.next.Sub(p.states.Now()); !p.next.IsZero() && left > 0 {
			wait = min(wait, left)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// toLook reports whether the index may tell more than it did: something was written, the
// time of the next has come, the clock was set, or much time has passed.
func (p *Publisher) toLook(now time.Time) bool {
	since := now.Sub(p.looked)
	return p.progress.Applied() != p.applied || !p.next.IsZero() && !now.Before(p.next) || since < 0 || since >= lookSeldom
}

func (p *Publisher) warn(ctx context.Context, err error) {
	if now := time.Now(); now.Sub(p.warned) >= sayless && fault.CodeOf(err) != fault.IndexLag {
		p.warned = now
		p.o.Logger.WarnContext(ctx, "what is scheduled cannot be done yet", "error", err)
	}
}

// look does what is due and learns what comes next.
func (p *Publisher) look(ctx context.Context, now time.Time) error {
	p.looked = time.Time{} // unless it succeeds it is done again
	applied := p.progress.Applied()
	soon, err := p.index.Due(ctx, now.Add(ahead), 1)
	if err != nil {
		return states.StoreError(err)
	}
	if len(soon) > 0 && !soon[0].At.After(now) {
		if err := p.doAll(ctx, now); err != nil {
			return err
		}
		p.next = p.states.Now() // there may be more
		return nil
	}
	p.looked, p.applied, p.next = now, applied, time.Time{}
	if len(soon) > 0 {
		p.next = soon[0].At
	}
	return nil
}

// doAll does what is due, and waits until the index knows it.
func (p *Publisher) doAll(ctx context.Context, now time.Time) error {
	due, err := p.due(ctx, now)
	if err != nil {
		return err
	}
	var last atomic.Uint64
	var g errgroup.Group
	g.SetLimit(groups)
	for _, together := range grouped(due) {
		g.Go(func() error {
			seq, err := p.publishing.Do(ctx, together)
			for was := last.Load(); seq > was && !last.CompareAndSwap(was, seq); was = last.Load() {
			}
			return err
		})
	}
	failed := g.Wait()
	for _, d := range due { // what was done by others meanwhile is not known here yet
		last.Store(max(last.Load(), d.Seq))
	}
	if err := p.progress.Wait(ctx, last.Load()); err != nil {
		return err
	}
	return failed
}

// due lists what is due; of a release all or nothing. Before a release is listed the index
// holds whatever was written until then, so that nothing of it is missed.
func (p *Publisher) due(ctx context.Context, now time.Time) ([]storage.Due, error) {
	fresh := false
	for limit := atOnce; ; limit *= 2 {
		found, err := p.index.Due(ctx, now, limit)
		if err != nil {
			return nil, states.StoreError(err)
		}
		if !fresh && hasRelease(found) {
			if err := p.states.Freshen(ctx, states.Strong, 0); err != nil {
				return nil, err
			}
			fresh = true
			limit /= 2 // the same once more
			continue
		}
		if len(found) < limit {
			return found, nil
		}
		if whole := withoutCut(found); len(whole) > 0 {
			return whole, nil
		}
	}
}

func hasRelease(found []storage.Due) bool {
	for _, d := range found {
		if d.Release != "" {
			return true
		}
	}
	return false
}

// withoutCut leaves out the releases of which the rest may come behind the last one found.
func withoutCut(found []storage.Due) (whole []storage.Due) {
	last := found[len(found)-1].At
	for _, d := range found {
		if d.Release == "" || d.At.Before(last) {
			whole = append(whole, d)
		}
	}
	return whole
}

// grouped puts together what is done together.
func grouped(due []storage.Due) (out [][]storage.Due) {
	at := map[string]int{}
	for _, d := range due {
		if i, known := at[d.Release]; known && d.Release != "" {
			out[i] = append(out[i], d)
			continue
		}
		at[d.Release] = len(out)
		out = append(out, []storage.Due{d})
	}
	return out
}

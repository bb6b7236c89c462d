package retention

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const (
	// maxDoomed and maxHeaders bound what one entry prunes: it has to fit into a
	// message, and the upkeep has other things to do in between.
	maxDoomed  = 1500
	maxHeaders = 300
	// eventsAtOnce is how many events of a resource are read at a time.
	eventsAtOnce = 500
)

// revision is what the history tells of one.
type revision struct {
	written time.Time // when it was changed last
	events  []*storage.Event
}

// decide says what of a resource is to be pruned, whose last event is head and up to
// which the index is; nil when nothing is. more tells that it is not all.
func (k *Keeper) decide(ctx context.Context, t *model.Type, head *storage.Event, keep model.Retention) (_ *storage.Pruned, more bool, err error) {
	if head.Action == storage.Purged || head.Meta.Job != nil && !head.Meta.Job.State.Final() {
		return nil, false, nil
	}
	before, err := k.o.Index.Pruned(ctx, t.Name, head.Meta.ID)
	if err != nil {
		return nil, false, err
	}
	kept := keptNumbers(before, head.Meta.RevisionCount)
	if len(kept) < 2 || keep.Days == 0 && len(kept) <= keep.Revisions {
		return nil, false, nil
	}
	due := map[int]bool{}
	if keep.Revisions > 0 {
		for _, n := range kept[:max(0, len(kept)-keep.Revisions)] {
			due[n] = true
		}
	}
	history, err := k.history(ctx, t, head, kept, before)
	if err != nil {
		return nil, false, err
	}
	if keep.Days > 0 {
		oldest := k.o.Now().Add(-time.Duration(keep.Days) * 24 * time.Hour)
		for _, n := range kept {
			if r := history[n]; r != nil && r.written.Before(oldest) {
				due[n] = true
			}
		}
	}
	if err := k.spare(ctx, t, head, due); err != nil || len(due) == 0 {
		return nil, false, err
	}
	p := &storage.Pruned{Type: t.Name, ID: head.Meta.ID}
	if before != nil {
		p.Through = before.Through
	}
	var headers []*storage.Event
	for _, n := range kept { // the oldest first
		if !due[n] {
			continue
		}
		r := history[n]
		if r == nil {
			return nil, false, fmt.Errorf("revision %d is not in the history", n)
		}
		d := doomed(n, r)
		if len(p.Erase) == maxDoomed || len(p.Erase) > 0 && len(headers)+len(d.Inline) > maxHeaders {
			more = true
			break
		}
		for _, e := range r.events {
			if e.Inline {
				headers = append(headers, e)
			}
		}
		p.Erase = append(p.Erase, d)
		p.Through = max(p.Through, n)
	}
	for _, n := range kept {
		if n <= p.Through && !slices.ContainsFunc(p.Erase, func(d storage.Doomed) bool { return d.Number == n }) {
			p.Except = append(p.Except, n)
		}
	}
	p.Headers, err = archive.PackHeaders(headers)
	return p, more, err
}

// keptNumbers are the revisions that were not pruned yet, in order.
func keptNumbers(before *storage.Pruned, count int) []int {
	var out []int
	from := 0
	if before != nil {
		out, from = slices.Clone(before.Except), before.Through
	}
	for n := from + 1; n <= count; n++ {
		out = append(out, n)
	}
	return out
}

// doomed is what has to be erased of a revision.
func doomed(n int, r *revision) storage.Doomed {
	d := storage.Doomed{Number: n}
	for _, e := range r.events {
		if e.Ref != "" && !slices.Contains(d.Refs, e.Ref) {
			d.Refs = append(d.Refs, e.Ref)
		}
		if !e.Apart {
			d.Told = append(d.Told, e.Seq)
		}
		if e.Inline {
			d.Inline = append(d.Inline, e.Seq)
		}
		for _, b := range e.Binaries {
			if !slices.Contains(d.Binaries, b) {
				d.Binaries = append(d.Binaries, b)
			}
		}
	}
	return d
}

// history reads the events of the given revisions, the newest first, until those that
// made them were met. Revisions that an earlier pruning spared are far behind; they
// are asked for one by one.
func (k *Keeper) history(ctx context.Context, t *model.Type, head *storage.Event, numbers []int, before *storage.Pruned) (map[int]*revision, error) {
	out := map[int]*revision{}
	missing := map[int]bool{}
	var spared []int
	for _, n := range numbers {
		if before != nil && n <= before.Through {
			spared = append(spared, n)
		} else {
			missing[n] = true
		}
	}
	add := func(e *storage.Event) {
		r := out[e.Revision.Number]
		if r == nil {
			r = &revision{}
			out[e.Revision.Number] = r
		}
		r.events = append(r.events, e)
		if e.Wrote > 0 && e.At.After(r.written) {
			r.written = e.At
		}
	}
	wanted := func(n int) bool { _, ok := slices.BinarySearch(numbers, n); return ok }
	q := storage.EventQuery{Type: t.Name, ID: head.Meta.ID, After: head.Seq + 1, Descending: true, Limit: eventsAtOnce}
	for len(missing) > 0 {
		page, err := k.o.Index.Events(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			q.After = p.Seq
			if e := p.Event; e.Action != storage.Purged && wanted(e.Revision.Number) {
				add(e)
				if made(e) {
					delete(missing, e.Revision.Number)
				}
			}
		}
		if len(page) < q.Limit {
			break
		}
	}
	for _, n := range spared {
		if err := k.sparedHistory(ctx, q, n, out, add); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sparedHistory adds the events before those of a query that wrote one revision; where
// they hold content, all that led to it.
func (k *Keeper) sparedHistory(ctx context.Context, q storage.EventQuery, n int, out map[int]*revision, add func(*storage.Event)) error {
	q.Wrote, q.Limit = n, 0
	page, err := k.o.Index.Events(ctx, q)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(page, func(p storage.Past) bool { return !p.Event.Apart }) {
		q.Wrote = 0
		if page, err = k.o.Index.Events(ctx, q); err != nil {
			return err
		}
	}
	for _, p := range page {
		if p.Event.Action != storage.Purged && p.Event.Revision.Number == n {
			add(p.Event)
		}
	}
	return nil
}

// made reports whether an event is the one that made its revision.
func made(e *storage.Event) bool {
	return e.Wrote == e.Revision.Number && e.Action != storage.Modified && e.Action != storage.StatusChanged && e.At.Equal(e.Revision.CreatedAt)
}

// spare takes out what must not be pruned.
func (k *Keeper) spare(ctx context.Context, t *model.Type, head *storage.Event, due map[int]bool) error {
	delete(due, head.Revision.Number)
	if len(due) == 0 {
		return nil
	}
	if x := head.Meta.Scheduled; x != nil {
		delete(due, int(x.Revision))
	}
	if head.Shown != nil { // also of a deleted resource, with which it comes back
		delete(due, head.Shown.Revision.Number)
	}
	stable, err := k.newestStable(ctx, t, head)
	if err != nil {
		return err
	}
	delete(due, stable)
	return k.spareReferred(ctx, t, head.Meta.ID, due)
}

// newestStable is the number of the newest stable revision on the chain from HEAD; 0
// when there is none.
func (k *Keeper) newestStable(ctx context.Context, t *model.Type, e *storage.Event) (int, error) {
	for r := e.Revision; ; {
		if r.Status == storage.Stable {
			return r.Number, nil
		}
		if r.Parent == nil {
			return 0, nil
		}
		var n int
		if _, err := fmt.Sscanf((*r.Parent)[len(e.Meta.ID):], ":%d", &n); err != nil {
			return 0, fmt.Errorf("revision %s has the parent %q", r.ID, *r.Parent)
		}
		page, err := k.o.Index.Events(ctx, storage.EventQuery{Type: t.Name, ID: e.Meta.ID, Wrote: n, Descending: true, Limit: 1})
		if err != nil || len(page) == 0 {
			return 0, err
		}
		e := page[0].Event
		if e.Revision.Number != n { // it made that stable while HEAD was another
			e = e.PublishedState()
		}
		r = e.Revision
	}
}

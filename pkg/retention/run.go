package retention

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const (
	// every is how often it is looked what was written.
	every = 2 * time.Second
	// byAge is how often every resource is looked at: revisions grow old unwritten.
	byAge = time.Hour
	// span is how many sequences are looked at in one go.
	span = 5000
	// atOnce is how many resources are pruned at a time.
	atOnce = 8
	// sweepPage is how many resources are listed in one go.
	sweepPage = 200
)

// Run keeps what the types say until ctx ends: of what is written within seconds, and
// once of everything that was there before. When the types are replaced it goes on with
// the new ones where it was.
func (k *Keeper) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := k.o.Types.Changed()
		types := map[string]*model.Type{}
		for _, t := range k.o.Types.All() {
			if t.Retention.Prunes() {
				types[t.Name] = t
			}
		}
		now, stop := context.WithCancel(ctx)
		var keeping sync.WaitGroup
		keeping.Go(func() { k.run(now, types) })
		select {
		case <-ctx.Done():
		case <-changed:
		}
		stop()
		keeping.Wait()
	}
	return nil
}

// run keeps what these types say.
func (k *Keeper) run(ctx context.Context, types map[string]*model.Type) {
	if len(types) == 0 {
		return
	}
	failed := func(err error, _ time.Duration) {
		k.o.Logger.WarnContext(ctx, "keeping the retention of types begins again", "error", err)
	}
	at, err := k.follows(ctx)
	if err != nil {
		at = new(uint64)
	}
	var all sync.WaitGroup
	all.Go(func() {
		restart.Loop{Failed: failed}.Run(ctx, func(ctx context.Context) error { return k.sweepEvery(ctx, types) })
	})
	restart.Loop{Failed: failed}.Run(ctx, func(ctx context.Context) error { return k.follow(ctx, types, at) })
	all.Wait()
}

// follows is up to where it was looked what was written: at first where the index is.
func (k *Keeper) follows(ctx context.Context) (*uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at != nil {
		return k.at, nil
	}
	pos, err := k.o.Index.Position(ctx)
	if err == nil {
		k.at = &pos.Applied
	}
	return k.at, err
}

// follow prunes what was written since a sequence, again and again.
func (k *Keeper) follow(ctx context.Context, types map[string]*model.Type, at *uint64) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := k.Written(ctx, types, at); err != nil {
			return err
		}
	}
}

// Written prunes what was written after a sequence and moves it to where the index is.
// Types whose first pruning was not announced yet wait for that.
func (k *Keeper) Written(ctx context.Context, types map[string]*model.Type, at *uint64) error {
	pos, err := k.o.Index.Position(ctx)
	if err != nil {
		return err
	}
	for *at < pos.Applied {
		through := min(*at+span, pos.Applied)
		events, err := k.o.Index.Events(ctx, storage.EventQuery{After: *at, Span: through - *at})
		if err != nil {
			return err
		}
		written := map[resource]bool{}
		for _, p := range events {
			if m := p.Event.Meta; types[m.Type] != nil && m.RevisionCount > 1 && k.begun(m.Type) {
				written[resource{m.Type, m.ID}] = true
			}
		}
		g, pruning := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for r := range written {
			g.Go(func() error {
				t := types[r.typ]
				_, err := k.Prune(pruning, t, r.id, t.Retention, Principal)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		*at = through
	}
	return nil
}

// begun reports whether the first pruning of a type was announced.
func (k *Keeper) begun(typ string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.announced[typ]
}

// sweepEvery looks at every resource once, and again every hour where age counts.
func (k *Keeper) sweepEvery(ctx context.Context, types map[string]*model.Type) error {
	for {
		for _, name := range slices.Sorted(maps.Keys(types)) {
			t, s := types[name], k.sweepOf(types[name])
			if !s.done.IsZero() && (t.Retention.Days == 0 || k.o.Now().Sub(s.done) < byAge) {
				continue
			}
			if !s.done.IsZero() {
				s.after = "" // once more
			}
			if err := k.keepFrom(ctx, t, &s.after); err != nil {
				return err
			}
			k.mu.Lock() // others ask whether it is
			s.done = k.o.Now()
			k.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(byAge / 60):
		}
	}
}

// sweep is how far the look at every resource of a type is. It outlives the types: a
// replacement of them does not begin it again.
type sweep struct {
	keep  model.Retention // what it is for
	after string          // the last id that was looked at
	done  time.Time       // when it came to the end; zero: it has not
}

// sweepOf is that of a type, a new one when the type keeps something else now.
func (k *Keeper) sweepOf(t *model.Type) *sweep {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sweeps[t.Name]
	if s == nil || s.keep != t.Retention {
		s = &sweep{keep: t.Retention}
		k.sweeps[t.Name] = s
	}
	return s
}

// Keep prunes every resource of a type down to what its retention keeps. The first time
// it tells how much that is before it begins.
func (k *Keeper) Keep(ctx context.Context, t *model.Type) error {
	after := ""
	return k.keepFrom(ctx, t, &after)
}

// keepFrom is Keep for the resources after an id, which it moves on.
func (k *Keeper) keepFrom(ctx context.Context, t *model.Type, after *string) error {
	_, err := k.o.Log.Last(ctx, storage.PrunedSubjects(t.Name))
	if errors.Is(err, storage.ErrNotFound) {
		revisions, resources, err := k.Due(ctx, t, t.Retention)
		if err != nil {
			return err
		}
		if revisions > 0 {
			k.o.Logger.WarnContext(ctx, "the retention of a type is kept for the first time: revisions are pruned for good",
				"type", t.Name, "revisions", revisions, "resources", resources, "keeps_revisions", t.Retention.Revisions, "keeps_days", t.Retention.Days)
		}
	} else if err != nil {
		return err
	}
	k.mu.Lock()
	k.announced[t.Name] = true
	k.mu.Unlock()
	revisions := 0
	defer func() {
		if revisions > 0 {
			k.o.Logger.InfoContext(ctx, "pruned revisions", "type", t.Name, "revisions", revisions)
		}
	}()
	for {
		next, page, err := k.PrunePage(ctx, t, t.Retention, Principal, *after)
		revisions += page.Revisions
		if err != nil || next == "" {
			return err
		}
		*after = next
	}
}

// PrunePage prunes some resources down to what a retention keeps, those after an id; next
// is the id to go on after, empty at the end.
func (k *Keeper) PrunePage(ctx context.Context, t *model.Type, keep model.Retention, principal, after string) (next string, out Outcome, err error) {
	next, err = k.page(ctx, t, after, func(head *storage.Event) error {
		out.Looked++
		p, _, err := k.decide(ctx, t, head, keep)
		if err != nil || p == nil {
			return err
		}
		one, err := k.Prune(ctx, t, head.Meta.ID, keep, principal)
		if out.Revisions += one.Revisions; one.Revisions > 0 {
			out.Resources++
		}
		return err
	})
	return next, out, err
}

// Due counts what would be pruned of all resources of a type.
func (k *Keeper) Due(ctx context.Context, t *model.Type, keep model.Retention) (revisions, resources int, err error) {
	err = k.each(ctx, t, func(head *storage.Event) error {
		p, more, err := k.decide(ctx, t, head, keep)
		if err != nil || p == nil {
			return err
		}
		resources++
		if revisions += len(p.Erase); more && keep.Days == 0 { // an estimate: some may be spared
			revisions += max(0, head.Meta.RevisionCount-keep.Revisions-len(p.Erase))
		}
		return nil
	})
	return revisions, resources, err
}

// each calls fn for the last event of every resource, deleted or not, that has more than
// one revision.
func (k *Keeper) each(ctx context.Context, t *model.Type, fn func(head *storage.Event) error) error {
	for after := ""; ; {
		next, err := k.page(ctx, t, after, fn)
		if err != nil || next == "" {
			return err
		}
		after = next
	}
}

// page is each for some resources, those after an id; next is empty at the end.
func (k *Keeper) page(ctx context.Context, t *model.Type, after string, fn func(head *storage.Event) error) (next string, err error) {
	fields := t.Definition().QueryFields()
	byID, _ := fields.Lookup("meta.id")
	count, _ := fields.Lookup("meta.revision_count")
	q := storage.Search{Type: t.Name, Order: query.Order{{Field: byID}}, Limit: sweepPage, Deletion: storage.LiveAndDeleted, Bare: true,
		Filter: query.Compare{Field: count, Op: query.Greater, Value: int64(1)}}
	if after != "" {
		q.After = &query.Cursor{Values: []query.Value{after}, ID: after}
	}
	page, err := k.o.Index.Search(ctx, q)
	if err != nil {
		return "", err
	}
	for _, row := range page.Rows {
		head, err := k.o.Index.Head(ctx, t.Name, row.ID)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err == nil {
			err = fn(head.Event)
		}
		if err != nil {
			return "", err
		}
		next = row.ID
	}
	if page.Next == nil {
		return "", nil
	}
	return next, nil
}

package upkeep

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// PruneEvery removes finished jobs that are older than their type keeps them, and
// what is left of them a month later, until ctx ends.
func (up *Upkeep) PruneEvery(ctx context.Context) error {
	every := time.Hour
	for _, t := range up.types.All() {
		if t.Job != nil && t.Job.Keep > 0 {
			every = min(every, max(t.Job.Keep/10, time.Second))
		}
	}
	var expired time.Time
	timer := time.NewTimer(min(every, time.Minute))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			timer.Reset(every)
		}
		n, err := up.Prune(ctx)
		if err != nil && ctx.Err() == nil {
			up.o.Logger.WarnContext(ctx, "pruning jobs ended early", "error", err)
		} else if n > 0 {
			up.o.Logger.InfoContext(ctx, "pruned finished jobs", "jobs", n)
		}
		if time.Since(expired) < time.Hour {
			continue
		}
		expired = time.Now()
		n, err = up.Expire(ctx, ExpireAge)
		if err != nil && ctx.Err() == nil {
			up.o.Logger.WarnContext(ctx, "dropping old tombstones ended early", "error", err)
		} else if n > 0 {
			up.o.Logger.InfoContext(ctx, "dropped old tombstones and released claims", "entries", n)
		}
	}
}

// Prune removes finished jobs that are older than their type keeps them, and
// returns how many. They leave a tombstone, as a purge does.
func (up *Upkeep) Prune(ctx context.Context) (n int, err error) {
	for _, name := range up.types.Names() {
		t := up.types.Named(name)
		if t.Job == nil || t.Job.Keep <= 0 {
			continue
		}
		k, err := up.pruneType(ctx, t)
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (up *Upkeep) pruneType(ctx context.Context, t *model.Type) (n int, err error) {
	fields := t.Definition().QueryFields()
	state, _ := fields.Lookup("meta.job.state")
	updated, _ := fields.Lookup("meta.updated_at")
	before := up.o.Now().Add(-t.Job.Keep)
	ctx = policy.WithActor(ctx, policy.Actor{Principal: archive.RetentionCause})
	q := storage.Search{Type: t.Name, Bare: true, Limit: bulkPage, Order: query.Order{{Field: updated}}, Deletion: storage.LiveAndDeleted, Filter: query.And{Terms: []query.Expr{
		query.Compare{Field: updated, Op: query.Less, Value: before},
		query.In{Field: state, Values: []query.Value{string(storage.JobStateDone), string(storage.JobStateFailed), string(storage.JobStateCancel)}}}}}
	for {
		page, err := up.index.Search(ctx, q)
		if err != nil {
			return n, states.StoreError(err)
		}
		for _, row := range page.Rows {
			pruned, err := up.prune(ctx, t, row.ID, before)
			if err != nil {
				return n, err
			}
			if pruned {
				n++
			}
		}
		if q.After = page.Next; q.After == nil {
			return n, nil
		}
	}
}

// prune leaves a job's tombstone; upkeep removes what is before it.
func (up *Upkeep) prune(ctx context.Context, t *model.Type, id string, before time.Time) (bool, error) {
	out, err := up.Writer.Write(ctx, t, id, commit.Plan{Action: "", Make: func(ctx context.Context, w *commit.Mutation, s states.State) (commit.Step, error) {
		if !s.Exists() || s.Event.Meta.Job == nil || !s.Event.Meta.Job.State.Final() || !s.Event.At.Before(before) {
			return commit.Step{}, fault.Errorf(fault.InvalidState, "job %q is not to be pruned any more", id)
		}
		next, err := up.Writer.Tombstone(ctx, s)
		next.Event.Cause = archive.RetentionCause
		return next, err
	}})
	switch fault.CodeOf(err) {
	case fault.InvalidState, fault.NotFound, fault.Referenced:
		return false, nil
	}
	return out.Changed, err
}

package commit

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Publishing publishes resources and takes back what is published, now or at a time, one
// by one or several together.
type Publishing struct {
	Writer  *Writer
	Batches *Batches
}

// When says when something is published, or taken back. The zero value is now.
type When struct {
	At     time.Time
	Cancel bool // what is scheduled is not done
	// Newest publishes what is HEAD when the time comes; else it is the revision that is
	// HEAD now.
	Newest bool
}

func (w When) now() bool { return w.At.IsZero() && !w.Cancel }

// Publish publishes HEAD: a draft becomes stable, a stable revision that was taken back
// is published again. What is published stays as it is.
func (pb *Publishing) Publish(ctx context.Context, typ, id string, w When, match Match) (*states.Resource, error) {
	return pb.run(ctx, typ, id, storage.ToPublish, w, match)
}

// Unpublish takes back what is published, and leaves HEAD as it is.
func (pb *Publishing) Unpublish(ctx context.Context, typ, id string, w When, match Match) (*states.Resource, error) {
	return pb.run(ctx, typ, id, storage.ToUnpublish, w, match)
}

func (pb *Publishing) run(ctx context.Context, typ, id string, do storage.ScheduledAction, w When, match Match) (*states.Resource, error) {
	t, err := pb.Writer.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	return pb.Writer.Run(ctx, t, id, pb.plan(t, id, do, timing{When: w}, match))
}

// timing is When, of one resource or of a release.
type timing struct {
	When
	release string
}

// plan is that of publishing or taking back now, or of what is to be scheduled.
func (pb *Publishing) plan(t *model.Type, id string, do storage.ScheduledAction, w timing, match Match) Plan {
	return pb.planOn(t, id, match, func(ctx context.Context, t *model.Type, s states.State, before *storage.Event) (Step, error) {
		switch {
		case !w.now():
			return pb.schedule(ctx, s, do, w)
		case do == storage.ToUnpublish:
			return pb.takeBack(ctx, s, before)
		}
		return pb.publishHead(ctx, t, s, before)
	})
}

// onState makes a step of a live resource and of what is published of it.
type onState func(ctx context.Context, t *model.Type, s states.State, before *storage.Event) (Step, error)

func (pb *Publishing) planOn(t *model.Type, id string, match Match, next onState) Plan {
	return Plan{Action: "publish", Make: func(ctx context.Context, _ *Mutation, s states.State) (Step, error) {
		if err := states.RequireLive(t, id, s); err != nil {
			return Step{}, err
		}
		if err := match.Check(t, s); err != nil {
			return Step{}, err
		}
		before, err := publishedBefore(ctx, pb.Writer.States, t, s)
		if err != nil {
			return Step{}, err
		}
		return next(ctx, t, s, before)
	}}
}

func (pb *Publishing) publishHead(ctx context.Context, t *model.Type, s states.State, before *storage.Event) (Step, error) {
	switch {
	case s.Event.Revision.Status == storage.Draft:
		content, err := pb.Writer.States.Content(ctx, s.Event)
		if err != nil {
			return Step{}, err
		}
		return pb.Writer.setStatus(t, s, content, storage.Stable, ""), nil
	case before != nil && before.Revision.Number == s.Event.Revision.Number:
		return Step{}, nil
	}
	return pb.Writer.Unchanged(ctx, s, Successor(s, storage.MadePublic))
}

func (pb *Publishing) takeBack(ctx context.Context, s states.State, before *storage.Event) (Step, error) {
	if before == nil {
		return Step{}, nil
	}
	return pb.Writer.Unchanged(ctx, s, Successor(s, storage.TakenBack))
}

// schedule writes down what is to be done, in the place of what was, or that it is not.
func (pb *Publishing) schedule(ctx context.Context, s states.State, do storage.ScheduledAction, w timing) (Step, error) {
	was := s.Event.Meta.Scheduled
	if w.Cancel {
		if was == nil {
			return Step{}, nil
		}
		e := Successor(s, storage.Unplanned)
		e.Meta.Scheduled, e.ScheduledGroups = nil, nil
		return pb.Writer.Unchanged(ctx, s, e)
	}
	a := policy.ActorOf(ctx)
	if a.Identity != nil && a.Identity.Limit != "" {
		return Step{}, policy.Denied(ctx, nil, "", "publish", policy.Decision{Why: "a handler that is limited by the role of its type of jobs has nothing done later"})
	}
	if !w.At.After(pb.Writer.States.Now()) {
		return Step{}, &fault.Error{Code: fault.ValidationFailed, Detail: "the body is not valid: /at is in the past",
			Fields: []fault.FieldError{{Pointer: "/at", Detail: "must be in the future; without it, it is done now"}}}
	}
	next := &storage.Scheduled{Action: do, At: w.At, By: a.Principal, Release: w.release}
	if do == storage.ToPublish && !w.Newest {
		next.Revision = storage.ScheduledRevision(s.Event.Revision.Number)
	}
	if next.Equal(was) {
		return Step{}, nil
	}
	e := Successor(s, storage.Planned)
	e.Meta.Scheduled, e.ScheduledGroups = next, a.InGroups()
	return pb.Writer.Unchanged(ctx, s, e)
}

// PublishItem is a resource that a release publishes.
type PublishItem struct {
	Type, ID string
	IfMatch  Match
}

// Release publishes several resources together, all or none, now or at a time. Like a
// batch that fails it returns the error that refused it, and the results say which.
func (pb *Publishing) Release(ctx context.Context, items []PublishItem, w When) ([]BatchResult, error) {
	at := timing{When: w}
	if !w.At.IsZero() {
		at.release = states.NewUUID()
	}
	ops := make([]BatchOperation, len(items))
	for i, x := range items {
		ops[i] = BatchOperation{Op: "publish", Type: x.Type, ID: x.ID, plan: func(t *model.Type) Plan {
			return pb.plan(t, x.ID, storage.ToPublish, at, x.IfMatch)
		}}
	}
	return pb.Batches.Batch(ctx, ops, true)
}

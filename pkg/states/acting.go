package states

import (
	"context"
	"errors"

	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// What acts later (a job, a schedule, a webhook) acts as its owner: the principal
// that made it, or the last one that changed it. So a change of another's never
// gives the rights of the other. An admin has every right there is and may have
// changed the owner's rights as well, so an admin's change leaves the owner as it
// is: what the admin did not write must not act with the admin's rights.

// ownerOf is the principal that a resource acts as, after an event of it.
func ownerOf(e *storage.Event) string {
	if e.Owner != "" {
		return e.Owner
	}
	return e.Meta.CreatedBy
}

// ActFor is a context whose operations are those of a principal, with the rights
// that it has when it does them. The program's own principals, which no policy
// knows, have every right.
func (gd *Guard) ActFor(ctx context.Context, a policy.Actor, groups []string) context.Context {
	if gd.o.Access != nil {
		a.Identity = gd.o.Access.CreatorOf(a.Principal, groups)
	}
	return policy.WithActor(ctx, a)
}

// ActForOwner is ActFor for the owner of what acts later.
func (gd *Guard) ActForOwner(ctx context.Context, e *storage.Event) context.Context {
	return gd.ActFor(ctx, policy.Actor{Principal: ownerOf(e)}, e.Groups)
}

// EventAt is the event of a resource at a place in the log; nil when it is not there
// any more.
func (st *States) EventAt(ctx context.Context, k Key, seq uint64) (*storage.Event, error) {
	entry, err := st.log.At(ctx, seq)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, StoreError(err)
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil || e.Meta.Type != k.Type || e.Meta.ID != k.ID {
		return nil, err
	}
	return e, nil
}

// ActForJob is ActFor for the handler of a job: it has the rights of the job's
// owner, limited to those of the role of its type. What it writes names the job as
// its cause.
func (gd *Guard) ActForJob(ctx context.Context, job *storage.Event, userAgent string) context.Context {
	ctx = gd.ActForOwner(ctx, job)
	a := policy.ActorOf(ctx)
	a.UserAgent, a.Cause = userAgent, job.Meta.Type+"/"+job.Meta.ID
	t := gd.types.Named(job.Meta.Type)
	if gd.o.Access != nil && t != nil && t.Job != nil && t.Job.Role != "" {
		if a.Identity == nil {
			a.Identity = &policy.Identity{Admin: true}
		}
		a.Identity.Limit = t.Job.Role
	}
	return policy.WithActor(ctx, a)
}

// MayRun refuses a job whose owner may not have it run any more.
func (gd *Guard) MayRun(ctx context.Context, job *storage.Event) error {
	t := gd.types.Named(job.Meta.Type)
	if gd.o.Access == nil || t == nil {
		return nil
	}
	ctx = gd.ActForOwner(ctx, job)
	x := gd.AccessTo(ctx, t)
	if x == nil {
		return nil
	}
	v, err := gd.ViewOf(ctx, t, job)
	if err != nil {
		return err
	}
	switch {
	case t.Runs != nil:
		return gd.May(ctx, gd.types.Named(t.Runs.Type), t.Runs.Name)
	case gd.strategies.Of(t).Runs != nil:
		return gd.strategies.Of(t).Runs(ctx, v.Content)
	}
	if d := x.On("create", v); !d.Allowed {
		return policy.Denied(ctx, t, job.Meta.ID, "create", d)
	}
	return nil
}

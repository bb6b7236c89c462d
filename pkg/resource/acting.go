package resource

import (
	"context"
	"errors"

	"github.com/autocrud-go/autocrud/pkg/model"
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

// choosesActs are the actions of a change that decides what is done later, or that
// it is done again. What a worker records of a job is none of them.
func choosesActs(a storage.Action) bool {
	switch a {
	case storage.Created, storage.Updated, storage.Modified, storage.Switched, storage.StatusChanged, storage.Restored, storage.JobRerun:
		return true
	}
	return false
}

// takesOver reports whether an event makes the actor of the context the owner.
func (gt *Gate) takesOver(ctx context.Context, t *model.Type, e *storage.Event) bool {
	if !gt.strategies.actsLater(t) || !choosesActs(e.Action) {
		return false
	}
	return e.Action == storage.Created || policy.ActorOf(ctx).Identity != nil && gt.o.Access != nil && gt.Guard.Admin(ctx) != nil
}

// own writes down the owner as whom the resource of an event acts, and its groups.
func (gt *Gate) own(ctx context.Context, t *model.Type, e *storage.Event) {
	if !gt.takesOver(ctx, t, e) {
		return
	}
	a := policy.ActorOf(ctx)
	e.Groups, e.Owner = a.InGroups(), ""
	if a.Principal != e.Meta.CreatedBy {
		e.Owner = a.Principal
	}
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

// actForOwner is ActFor for the owner of what acts later.
func (gd *Guard) actForOwner(ctx context.Context, e *storage.Event) context.Context {
	return gd.ActFor(ctx, policy.Actor{Principal: ownerOf(e)}, e.Groups)
}

// eventAt is the event of a resource at a place in the log; nil when it is not there
// any more.
func (st *States) eventAt(ctx context.Context, k key, seq uint64) (*storage.Event, error) {
	entry, err := st.log.At(ctx, seq)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, stored(err)
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil || e.Meta.Type != k.typ || e.Meta.ID != k.id {
		return nil, err
	}
	return e, nil
}

// ActForJob is ActFor for the handler of a job: it has the rights of the job's
// owner, limited to those of the role of its type. What it writes names the job as
// its cause.
func (gd *Guard) ActForJob(ctx context.Context, job *storage.Event, userAgent string) context.Context {
	ctx = gd.actForOwner(ctx, job)
	a := policy.ActorOf(ctx)
	a.UserAgent, a.Cause = userAgent, job.Meta.Type+"/"+job.Meta.ID
	t := gd.types[job.Meta.Type]
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
	t := gd.types[job.Meta.Type]
	if gd.o.Access == nil || t == nil {
		return nil
	}
	ctx = gd.actForOwner(ctx, job)
	x := gd.accessTo(ctx, t)
	if x == nil {
		return nil
	}
	v, err := gd.view(ctx, t, job)
	if err != nil {
		return err
	}
	switch {
	case t.Runs != nil:
		return gd.May(ctx, gd.types[t.Runs.Type], t.Runs.Name)
	case gd.strategies.of(t).Runs != nil:
		return gd.strategies.of(t).Runs(ctx, v.content)
	}
	if d := x.On("create", v); !d.Allowed {
		return policy.Denied(ctx, t, job.Meta.ID, "create", d)
	}
	return nil
}

// mayMakeAct refuses a change that would make the actor the owner of a job which it
// could not have made: the job would fail when its time comes.
func (gt *Gate) mayMakeAct(ctx context.Context, t *model.Type, p plan, next step) error {
	e := next.event
	if t.Job == nil || p.action == "" || e.Action == storage.Created || e.Meta.Job == nil || e.Meta.Deleted || e.Meta.Job.State.Final() || !gt.takesOver(ctx, t, e) {
		return nil
	}
	if t.Runs != nil {
		return gt.Guard.May(ctx, gt.types[t.Runs.Type], t.Runs.Name)
	}
	x := gt.Guard.accessTo(ctx, t)
	if x == nil || gt.strategies.of(t).Runs != nil { // mayHand asks what it does
		return nil
	}
	content, err := t.Current(next.content, e.Revision.SchemaVersion)
	if err != nil {
		return err
	}
	if d := x.On("create", newView(t, e, content)); !d.Allowed {
		d.Why = "the job would be run as you, and you may not make it: " + d.Why
		return policy.Denied(ctx, t, e.Meta.ID, "create", d)
	}
	return nil
}

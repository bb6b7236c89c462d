package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

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
	if !gt.strategies.ActsLater(t) || !choosesActs(e.Action) {
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

// mayMakeAct refuses a change that would make the actor the owner of a job which it
// could not have made: the job would fail when its time comes.
func (gt *Gate) mayMakeAct(ctx context.Context, t *model.Type, p Plan, next Step) error {
	e := next.Event
	if t.Job == nil || p.Action == "" || e.Action == storage.Created || e.Meta.Job == nil || e.Meta.Deleted || e.Meta.Job.State.Final() || !gt.takesOver(ctx, t, e) {
		return nil
	}
	if t.Runs != nil {
		return gt.Guard.May(ctx, gt.types.Named(t.Runs.Type), t.Runs.Name)
	}
	x := gt.Guard.AccessTo(ctx, t)
	if x == nil || gt.strategies.Of(t).Runs != nil { // mayHand asks what it does
		return nil
	}
	content, err := t.Current(next.Content, e.Revision.SchemaVersion)
	if err != nil {
		return err
	}
	if d := x.On("create", states.NewViewOf(t, e, content, next.read())); !d.Allowed {
		d.Why = "the job would be run as you, and you may not make it: " + d.Why
		return policy.Denied(ctx, t, e.Meta.ID, "create", d)
	}
	return nil
}

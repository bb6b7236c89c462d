package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// limits are what a write may not touch, for prepare.
type limits struct {
	access *policy.Permissions
	action string
	actor  policy.Actor
	before *states.View // nil: a new resource
}

// MayPlan refuses a plan that the actor may carry out on no resource of a type.
func (wr *Writer) MayPlan(ctx context.Context, t *model.Type, p Plan) error {
	if p.Action == "" {
		return nil
	}
	return wr.Guard.May(ctx, t, p.Action)
}

// Planned is the one way to a step: it is asked for a plan that the actor may
// carry out on the state before it and on the state after it.
func (wr *Writer) Planned(ctx context.Context, t *model.Type, p Plan, s states.State) (Step, error) {
	w, err := wr.mutate(ctx, t, p, s)
	if err != nil {
		return Step{}, err
	}
	x := wr.Guard.AccessTo(ctx, t)
	if x == nil || p.Action == "" {
		next, err := p.Make(ctx, w, s)
		if err != nil || next.Event == nil {
			return next, err
		}
		next.secret = w.secret
		return wr.Gate.gate(ctx, nil, t, p, s, next)
	}
	if d := x.May(p.Action); !d.Allowed {
		return Step{}, policy.Denied(ctx, t, "", p.Action, d)
	}
	l := &limits{access: x, action: p.Action, actor: policy.ActorOf(ctx)}
	w.limits = l
	if s.Exists() {
		v, err := wr.Guard.ViewOf(ctx, t, s.Event)
		if err != nil {
			return Step{}, err
		}
		readable := x.On("read", v).Allowed
		switch {
		case p.Action == "create":
			if !readable {
				return taken(ctx, w, t, p, s)
			}
		case !readable:
			return Step{}, states.RequireLive(t, s.Event.Meta.ID, states.State{})
		default:
			if d := x.On(p.Action, v); !d.Allowed {
				return Step{}, policy.Denied(ctx, t, s.Event.Meta.ID, p.Action, d)
			}
		}
		l.before = v
	}
	next, err := p.Make(ctx, w, s)
	if err != nil || next.Event == nil {
		return next, l.censor(err)
	}
	next.secret = w.secret
	return wr.Gate.gate(ctx, l, t, p, s, next)
}

// taken says no more than that an id is taken by what the actor may not read.
func taken(ctx context.Context, w *Mutation, t *model.Type, p Plan, s states.State) (Step, error) {
	_, err := p.Make(ctx, w, s)
	id := s.Event.Meta.ID
	switch fault.CodeOf(err) {
	case fault.PreconditionFailed, fault.Deleted:
		return Step{}, fault.Errorf(fault.PreconditionFailed, "%s %q exists already", t.Name, id)
	case fault.AlreadyExists:
		return Step{}, fault.Errorf(fault.AlreadyExists, "%s %q exists already", t.Name, id)
	case "":
		if err == nil {
			err = states.RequireLive(t, id, states.State{})
		}
	}
	return Step{}, err
}

// publishes reports whether a step makes stable what was a draft, or would be one if
// nothing else were said.
func publishes(t *model.Type, s states.State, e *storage.Event) bool {
	if e.Wrote == 0 || e.Revision.Status != storage.Stable {
		return false
	}
	if e.Action == storage.StatusChanged || e.Action == storage.Modified {
		return true
	}
	return t.DraftFirst() && (e.Action == storage.Created || e.Action == storage.Updated)
}

package resource

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// limits are what a write may not touch, for prepare.
type limits struct {
	access *policy.Permissions
	action string
	actor  policy.Actor
	before *sight // nil: a new resource
}

// mayPlan refuses a plan that the actor may carry out on no resource of a type.
func (wr *Writer) mayPlan(ctx context.Context, t *model.Type, p plan) error {
	if p.action == "" {
		return nil
	}
	return wr.Guard.May(ctx, t, p.action)
}

// planned is the one way to a step: it is asked for a plan that the actor may
// carry out on the state before it and on the state after it.
func (wr *Writer) planned(ctx context.Context, t *model.Type, p plan, s state) (step, error) {
	w, err := wr.mutate(ctx, t, p, s)
	if err != nil {
		return step{}, err
	}
	x := wr.Guard.accessTo(ctx, t)
	if x == nil || p.action == "" {
		next, err := p.make(ctx, w, s)
		if err != nil || next.event == nil {
			return next, err
		}
		next.secret = w.secret
		return wr.Gate.gate(ctx, nil, t, p, s, next)
	}
	if d := x.May(p.action); !d.Allowed {
		return step{}, policy.Denied(ctx, t, "", p.action, d)
	}
	l := &limits{access: x, action: p.action, actor: policy.ActorOf(ctx)}
	w.limits = l
	if s.exists() {
		v, err := wr.Guard.view(ctx, t, s.event)
		if err != nil {
			return step{}, err
		}
		readable := x.On("read", v).Allowed
		switch {
		case p.action == "create":
			if !readable {
				return wr.taken(ctx, w, t, p, s)
			}
		case !readable:
			return step{}, live(t, s.event.Meta.ID, state{})
		default:
			if d := x.On(p.action, v); !d.Allowed {
				return step{}, policy.Denied(ctx, t, s.event.Meta.ID, p.action, d)
			}
		}
		l.before = v
	}
	next, err := p.make(ctx, w, s)
	if err != nil || next.event == nil {
		return next, l.censor(err)
	}
	next.secret = w.secret
	return wr.Gate.gate(ctx, l, t, p, s, next)
}

// taken says no more than that an id is taken by what the actor may not read.
func (wr *Writer) taken(ctx context.Context, w *mutation, t *model.Type, p plan, s state) (step, error) {
	_, err := p.make(ctx, w, s)
	id := s.event.Meta.ID
	switch fault.CodeOf(err) {
	case fault.PreconditionFailed, fault.Deleted:
		return step{}, fault.Errorf(fault.PreconditionFailed, "%s %q exists already", t.Name, id)
	case fault.AlreadyExists:
		return step{}, fault.Errorf(fault.AlreadyExists, "%s %q exists already", t.Name, id)
	case "":
		if err == nil {
			err = live(t, id, state{})
		}
	}
	return step{}, err
}

// publishes reports whether a step makes stable what was a draft, or would be one if
// nothing else were said.
func publishes(t *model.Type, s state, e *storage.Event) bool {
	if e.Wrote == 0 || e.Revision.Status != storage.Stable {
		return false
	}
	if e.Action == storage.StatusChanged || e.Action == storage.Modified {
		return true
	}
	return t.DraftFirst() && (e.Action == storage.Created || e.Action == storage.Updated)
}

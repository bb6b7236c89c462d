package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Question is whether a principal may do something: on a type, on a resource of it,
// or, for create and update, with data.
type Question struct {
	Action, Type, ID string
	Data             any
	Principal        string   // default: the caller; others are for admins
	Groups           []string // of the principal
}

// Questions answers what an actor may do.
type Questions struct{ Writer *Writer }

// Can answers it as the write itself would, references included, with the rule that
// decides. That a resource is there is told only to a principal that may read it.
func (qs *Questions) Can(ctx context.Context, q Question) (policy.Decision, error) {
	if q.Action == "" || q.Type == "" {
		return policy.Decision{}, &fault.Error{Code: fault.ValidationFailed, Detail: "action and type are needed", Fields: []fault.FieldError{{Pointer: "", Detail: "needs action and type"}}}
	}
	t, err := qs.Writer.States.Type(q.Type)
	if err != nil {
		return policy.Decision{}, err
	}
	if q.Principal != "" && q.Principal != policy.ActorOf(ctx).Principal || q.Groups != nil {
		if err := qs.Writer.Guard.Admin(ctx); err != nil {
			return policy.Decision{}, err
		}
		who := policy.Actor{Principal: q.Principal}
		if who.Principal == "" {
			who.Principal = policy.ActorOf(ctx).Principal
		}
		ctx = qs.Writer.Guard.ActFor(ctx, who, q.Groups)
	}
	if qs.Writer.o.Access == nil {
		return policy.Decision{Allowed: true, Why: "authentication is off"}, nil
	}
	d := policy.Decision{Allowed: true, Rule: "admin", Why: "admin has every right"}
	x := qs.Writer.Guard.AccessTo(ctx, t)
	if x != nil && x.Pinned(q.Action) {
		return qs.canPublished(ctx, x.In(true), t, q)
	}
	if x != nil {
		if d = x.May(q.Action); !d.Allowed {
			return d, nil
		}
	}
	if q.ID == "" && q.Data == nil {
		return d, nil
	}
	s, err := qs.asked(ctx, x, t, q)
	if err != nil || s == nil {
		return policy.Decision{Why: "there is no such resource, or it may not be read"}, err
	}
	if x != nil && s.Exists() {
		v, err := qs.Writer.Guard.ViewOf(ctx, t, s.Event)
		if err != nil {
			return policy.Decision{}, err
		}
		if d = x.On(q.Action, v); !d.Allowed {
			return d, nil
		}
	} else if x != nil {
		who, now := policy.ActorOf(ctx), qs.Writer.States.Now()
		e := &storage.Event{Meta: storage.Meta{Type: t.Name, CreatedAt: now, CreatedBy: who.Principal, UpdatedAt: now, UpdatedBy: who.Principal, Status: t.DefaultStatus}}
		if d = x.On(q.Action, states.NewView(t, e, (&limits{}).defaulted(t, q.Data))); !d.Allowed {
			return d, nil
		}
	}
	p, ok := qs.planAsked(t, q)
	if !ok {
		return d, nil
	}
	return d.Unless(qs.tryOut(ctx, t, p, *s))
}

// asked is the state that a question is about; nil when the actor may not know of
// it, or there is none. A create is about none, whatever has its id.
func (qs *Questions) asked(ctx context.Context, x *policy.Permissions, t *model.Type, q Question) (*states.State, error) {
	if q.ID == "" {
		return &states.State{}, nil
	}
	if err := model.CheckID(q.ID); err != nil {
		return nil, err
	}
	if q.Action == "create" {
		return &states.State{}, nil
	}
	s, err := qs.Writer.States.Head(ctx, states.Key{Type: t.Name, ID: q.ID}, false)
	if err != nil || !s.Exists() {
		return nil, err
	}
	if x != nil {
		if ok, err := qs.Writer.Guard.Readable(ctx, t, s.Event); err != nil || !ok {
			return nil, err
		}
	}
	return &s, nil
}

// planAsked is the plan of the write that a question is about; ok is false when the
// action is no write.
func (qs *Questions) planAsked(t *model.Type, q Question) (p Plan, ok bool) {
	any := Match{Any: true}
	switch q.Action {
	case "create":
		return qs.Writer.PlanCreate(t, q.ID, q.Data, CreateOptions{ID: q.ID}), q.Data != nil
	case "update", "modify":
		if q.Data != nil {
			return qs.Writer.planUpdate(t, q.ID, q.Data, UpdateOptions{IfMatch: any, InPlace: q.Action == "modify"}), q.ID != ""
		}
	case "delete":
		return qs.Writer.planDelete(t, q.ID, any), true
	case "restore":
		p, err := qs.Writer.planRestore(t, q.ID, RestoreOptions{IfMatch: any})
		return p, err == nil
	case "purge":
		return Plan{Action: "purge", Make: func(ctx context.Context, _ *Mutation, s states.State) (Step, error) {
			return qs.Writer.Tombstone(ctx, s)
		}}, true
	case "publish", "switch":
	default:
		return p, false
	}
	return Plan{Action: q.Action, Make: func(ctx context.Context, w *Mutation, s states.State) (Step, error) {
		return qs.Writer.Unchanged(ctx, s, Successor(s, storage.Updated))
	}}, q.ID != ""
}

// tryOut does what a write does up to where it would be committed.
func (qs *Questions) tryOut(ctx context.Context, t *model.Type, p Plan, s states.State) error {
	next, err := qs.Writer.Planned(ctx, t, p, s)
	if err != nil || next.Event == nil {
		return err
	}
	u := newUnit()
	u.plan(t, next)
	return Censored(ctx, qs.Writer.Guard, t, qs.Writer.Claims.constrain(ctx, t, s, next.Event, next.Content, u))
}

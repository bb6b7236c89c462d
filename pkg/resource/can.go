package resource

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
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

// Can answers it as the write itself would, references included, with the rule that
// decides. That a resource is there is told only to a principal that may read it.
func (m *Manager) Can(ctx context.Context, q Question) (policy.Decision, error) {
	if q.Action == "" || q.Type == "" {
		return policy.Decision{}, &fault.Error{Code: fault.ValidationFailed, Detail: "action and type are needed", Fields: []fault.FieldError{{Pointer: "", Detail: "needs action and type"}}}
	}
	t, err := m.parts.States.Type(q.Type)
	if err != nil {
		return policy.Decision{}, err
	}
	if q.Principal != "" && q.Principal != policy.ActorOf(ctx).Principal || q.Groups != nil {
		if err := m.parts.Guard.Admin(ctx); err != nil {
			return policy.Decision{}, err
		}
		who := policy.Actor{Principal: q.Principal}
		if who.Principal == "" {
			who.Principal = policy.ActorOf(ctx).Principal
		}
		ctx = m.parts.Guard.ActFor(ctx, who, q.Groups)
	}
	if m.parts.Core.Options.Access == nil {
		return policy.Decision{Allowed: true, Why: "authentication is off"}, nil
	}
	d := policy.Decision{Allowed: true, Rule: "admin", Why: "admin has every right"}
	x := m.parts.Guard.accessTo(ctx, t)
	if x != nil {
		if d = x.May(q.Action); !d.Allowed {
			return d, nil
		}
	}
	if q.ID == "" && q.Data == nil {
		return d, nil
	}
	s, err := m.asked(ctx, x, t, q)
	if err != nil || s == nil {
		return policy.Decision{Why: "there is no such resource, or it may not be read"}, err
	}
	if x != nil && s.exists() {
		v, err := m.parts.Guard.view(ctx, t, s.event)
		if err != nil {
			return policy.Decision{}, err
		}
		if d = x.On(q.Action, v); !d.Allowed {
			return d, nil
		}
	} else if x != nil {
		who, now := policy.ActorOf(ctx), m.parts.States.now()
		e := &storage.Event{Meta: storage.Meta{Type: t.Name, CreatedAt: now, CreatedBy: who.Principal, UpdatedAt: now, UpdatedBy: who.Principal, Status: t.DefaultStatus}}
		if d = x.On(q.Action, newView(t, e, (&limits{}).defaulted(t, q.Data))); !d.Allowed {
			return d, nil
		}
	}
	p, ok := m.planAsked(t, q)
	if !ok {
		return d, nil
	}
	return d.Unless(m.tryOut(ctx, t, p, *s))
}

// asked is the state that a question is about; nil when the actor may not know of
// it, or there is none. A create is about none, whatever has its id.
func (m *Manager) asked(ctx context.Context, x *policy.Permissions, t *model.Type, q Question) (*state, error) {
	if q.ID == "" {
		return &state{}, nil
	}
	if err := model.CheckID(q.ID); err != nil {
		return nil, err
	}
	if q.Action == "create" {
		return &state{}, nil
	}
	s, err := m.parts.States.head(ctx, key{t.Name, q.ID}, false)
	if err != nil || !s.exists() {
		return nil, err
	}
	if x != nil {
		if ok, err := m.parts.Guard.readable(ctx, t, s.event); err != nil || !ok {
			return nil, err
		}
	}
	return &s, nil
}

// planAsked is the plan of the write that a question is about; ok is false when the
// action is no write.
func (m *Manager) planAsked(t *model.Type, q Question) (p plan, ok bool) {
	any := Match{Any: true}
	switch q.Action {
	case "create":
		return m.parts.Writer.planCreate(t, q.ID, q.Data, CreateOptions{ID: q.ID}), q.Data != nil
	case "update", "modify":
		if q.Data != nil {
			return m.parts.Writer.planUpdate(t, q.ID, q.Data, UpdateOptions{IfMatch: any, InPlace: q.Action == "modify"}), q.ID != ""
		}
	case "delete":
		return m.parts.Writer.planDelete(t, q.ID, any), true
	case "restore":
		p, err := m.parts.Writer.planRestore(t, q.ID, RestoreOptions{IfMatch: any})
		return p, err == nil
	case "purge":
		return plan{action: "purge", make: func(ctx context.Context, _ *mutation, s state) (step, error) { return m.parts.Writer.tombstone(ctx, s) }}, true
	case "publish", "switch":
	default:
		return p, false
	}
	return plan{action: q.Action, make: func(ctx context.Context, w *mutation, s state) (step, error) {
		return m.parts.Writer.unchanged(ctx, s, successor(s, storage.Updated))
	}}, q.ID != ""
}

// tryOut does what a write does up to where it would be committed.
func (m *Manager) tryOut(ctx context.Context, t *model.Type, p plan, s state) error {
	next, err := m.parts.Writer.planned(ctx, t, p, s)
	if err != nil || next.event == nil {
		return err
	}
	u := newUnit()
	u.plan(t, next)
	return m.parts.Guard.censored(ctx, t, m.parts.Claims.constrain(ctx, t, s, next.event, next.content, u))
}

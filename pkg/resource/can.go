package resource

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Question is whether somebody may do something: on a type, on a resource of it,
// or, for create, with data.
type Question struct {
	Action, Type, ID string
	Data             any
	Principal        string   // default: who asks; others are for admins
	Groups           []string // of the principal
}

// Can answers it, with the rule that decides. That a resource is there is told
// only to who may read it.
func (m *Manager) Can(ctx context.Context, q Question) (Decision, error) {
	if q.Action == "" || q.Type == "" {
		return Decision{}, &Error{Code: ValidationFailed, Detail: "action and type are needed", Fields: []FieldError{{Pointer: "", Detail: "needs action and type"}}}
	}
	t, err := m.Type(q.Type)
	if err != nil {
		return Decision{}, err
	}
	if q.Principal != "" && q.Principal != ActorOf(ctx).Principal || q.Groups != nil {
		if err := m.Admin(ctx); err != nil {
			return Decision{}, err
		}
		who := Actor{Principal: q.Principal}
		if who.Principal == "" {
			who.Principal = ActorOf(ctx).Principal
		}
		ctx = m.ActFor(ctx, who, q.Groups)
	}
	x := m.accessTo(ctx, t)
	if x == nil {
		if m.o.Access == nil {
			return Decision{Allowed: true, Why: "authentication is off"}, nil
		}
		return Decision{Allowed: true, Rule: "admin", Why: "admin has every right"}, nil
	}
	d := x.may(q.Action)
	if !d.Allowed {
		return d, nil
	}
	switch {
	case q.ID != "":
		if err := CheckID(q.ID); err != nil {
			return Decision{}, err
		}
		s, err := m.head(ctx, key{t.Name, q.ID}, false)
		if err != nil {
			return Decision{}, err
		}
		hidden := Decision{Why: "there is no such resource, or it may not be read"}
		if !s.exists() {
			return hidden, nil
		}
		v, err := m.view(ctx, t, s.event)
		if err != nil {
			return Decision{}, err
		}
		if !x.on("read", v).Allowed {
			return hidden, nil
		}
		return x.on(q.Action, v), nil
	case q.Data != nil:
		who := ActorOf(ctx)
		now := m.now()
		e := &storage.Event{Meta: storage.Meta{Type: t.Name, CreatedAt: now, CreatedBy: who.Principal, UpdatedAt: now, UpdatedBy: who.Principal, Status: t.DefaultStatus}}
		return x.on(q.Action, newView(t, e, (&limits{}).defaulted(t, q.Data))), nil
	}
	return d, nil
}

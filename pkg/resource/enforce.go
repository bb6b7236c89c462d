package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Refusal is what somebody was not allowed to do.
type Refusal struct {
	Actor            Actor
	Action, Type, ID string
	Decision         Decision
}

// Error implements error: it is why the actor was not allowed to.
func (r *Refusal) Error() string { return r.Decision.Why }

// RefusalOf returns what an error refused, nil when it is about no right.
func RefusalOf(err error) *Refusal {
	var e *fault.Error
	if !errors.As(err, &e) {
		return nil
	}
	var r *Refusal
	errors.As(e.Refusal, &r)
	return r
}

// accessTo is what the actor of the context may do with a type; nil: everything,
// because no policy is in force, or because it is the program itself, or admin.
func (m *Manager) accessTo(ctx context.Context, t *model.Type) *access {
	if m.o.Access == nil {
		return nil
	}
	actor := ActorOf(ctx)
	if actor.Identity == nil {
		return nil
	}
	x := m.o.Access.of(actor, t)
	if x.full() {
		return nil
	}
	return x
}

func denied(ctx context.Context, t *model.Type, id, action string, d Decision) error {
	name := ""
	if t != nil {
		name = t.Name
	}
	return &fault.Error{Code: fault.PermissionDenied, Detail: d.Why, Refusal: &Refusal{Actor: ActorOf(ctx), Action: action, Type: name, ID: id, Decision: d}}
}

// May refuses an action that the actor is allowed on no resource of a type.
func (m *Manager) May(ctx context.Context, t *model.Type, action string) error {
	if x := m.accessTo(ctx, t); x != nil {
		if d := x.may(action); !d.Allowed {
			return denied(ctx, t, "", action, d)
		}
	}
	return nil
}

// Admin refuses an actor that has not every right there is: a role with admin on all
// types, and no rule that denies it anything. What is about the whole store would
// show or change what the rule denies.
func (m *Manager) Admin(ctx context.Context) error {
	actor := ActorOf(ctx)
	if m.o.Access == nil || actor.Identity == nil {
		return nil
	}
	actor = m.o.Access.asNow(actor)
	admin := false
	if actor.Identity.Scopes == nil && actor.Identity.Limit == "" {
		if actor.Identity.Admin {
			return nil
		}
		for _, role := range m.o.Access.rolesOf(actor) {
			for i, r := range role.Rules {
				if r.denies() {
					return denied(ctx, nil, "", "admin", Decision{Rule: fmt.Sprintf("role %s, rule %d", role.Name, i+1),
						Why: fmt.Sprintf("this is about everything there is, and rule %d of role %s denies a part", i+1, role.Name)})
				}
				admin = admin || slices.Contains(r.Types, "*") && slices.Contains(r.Actions, "admin")
			}
		}
	}
	if admin {
		return nil
	}
	return denied(ctx, nil, "", "admin", Decision{Why: "this needs a role with admin on all types"})
}

// Knows reports whether the actor has any right on a type.
func (m *Manager) Knows(ctx context.Context, t *model.Type) bool {
	x := m.accessTo(ctx, t)
	if x == nil || x.admin && x.scoped("read") {
		return true
	}
	return slices.ContainsFunc(x.allow, func(g grant) bool {
		return slices.ContainsFunc(g.rule.Actions, func(a string) bool { return a == "*" && x.scopes == nil || x.scoped(a) })
	})
}

// KnowsSome refuses the caller that has no right on any type.
func (m *Manager) KnowsSome(ctx context.Context) error {
	for _, t := range m.types {
		if m.Knows(ctx, t) {
			return nil
		}
	}
	return denied(ctx, nil, "", "read", Decision{Why: "no rule allows anything on any type"})
}

// MayKnow refuses an actor that has no right on a type.
func (m *Manager) MayKnow(ctx context.Context, t *model.Type) error {
	if m.Knows(ctx, t) {
		return nil
	}
	return denied(ctx, t, "", "read", Decision{Why: "no rule allows anything on " + t.Name})
}

// MayWriteSome refuses who may not write a resource of any type.
func (m *Manager) MayWriteSome(ctx context.Context) error {
	first := error(nil)
	for _, t := range m.types {
		for _, action := range []string{"create", "update", "modify"} {
			err := m.May(ctx, t, action)
			if err == nil {
				return nil
			}
			first = err
		}
	}
	return first
}

// view is a state as rules are asked about it.
func (m *Manager) view(ctx context.Context, t *model.Type, e *storage.Event) (*sight, error) {
	content, err := m.contentNow(ctx, t, e)
	if err != nil {
		return nil, err
	}
	return newView(t, e, content), nil
}

func newView(t *model.Type, e *storage.Event, content []byte) *sight {
	s := &sight{typ: t, event: e, content: content}
	_ = s.read() // content that cannot be asked about has no values
	return s
}

// readable is the event when the actor may read the state it left.
func (m *Manager) readable(ctx context.Context, t *model.Type, e *storage.Event) (bool, error) {
	x := m.accessTo(ctx, t)
	if x == nil {
		return true, nil
	}
	if !x.may("read").Allowed {
		return false, nil
	}
	v, err := m.view(ctx, t, e)
	return err == nil && x.on("read", v).Allowed, err
}

// visible limits a state that was found to what the actor may read: a state that
// may not be read is like one that is not there.
func (m *Manager) visible(ctx context.Context, t *model.Type, id string, s state) error {
	x := m.accessTo(ctx, t)
	if x != nil {
		if d := x.may("read"); !d.Allowed {
			return denied(ctx, t, id, "read", d)
		}
	}
	if !s.exists() {
		return nil
	}
	if x != nil {
		ok, err := m.readable(ctx, t, s.event)
		if err != nil {
			return err
		}
		if !ok {
			return live(t, id, state{})
		}
	}
	return m.tellRead(ctx, t, "read", id)
}

// mayRead is readable for a resource that is not read yet.
func (m *Manager) mayRead(ctx context.Context, k key) (bool, error) {
	t := m.types[k.typ]
	if t == nil || m.accessTo(ctx, t) == nil {
		return true, nil
	}
	s, err := m.head(ctx, k, false)
	if err != nil || !s.exists() {
		return false, err
	}
	return m.readable(ctx, t, s.event)
}

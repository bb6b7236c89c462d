package resource

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// limits are what a write may not touch, for prepare.
type limits struct {
	access *access
	action string
	actor  Actor
	before *sight // nil: a new resource
	patch  bool   // the document is what a patch made: what it lacks was removed
}

type limitsKey struct{}

func limitsOf(ctx context.Context) *limits {
	l, _ := ctx.Value(limitsKey{}).(*limits)
	return l
}

// mayPlan refuses a plan that the actor may carry out on no resource of a type.
func (m *Manager) mayPlan(ctx context.Context, t *Type, p plan) error {
	if p.action == "" {
		return nil
	}
	return m.May(ctx, t, p.action)
}

// planned is the one way to a step: it is asked for a plan that the actor may
// carry out on the state before it and on the state after it.
func (m *Manager) planned(ctx context.Context, t *Type, p plan, s state) (step, error) {
	x := m.accessTo(ctx, t)
	if x == nil || p.action == "" {
		next, err := p.make(ctx, s)
		if err != nil || next.event == nil {
			return next, err
		}
		return m.gate(ctx, nil, t, p, s, next)
	}
	if d := x.may(p.action); !d.Allowed {
		return step{}, denied(ctx, t, "", p.action, d)
	}
	l := &limits{access: x, action: p.action, actor: ActorOf(ctx)}
	ctx = context.WithValue(ctx, limitsKey{}, l)
	if s.exists() {
		v, err := m.view(ctx, t, s.event)
		if err != nil {
			return step{}, err
		}
		readable := x.on("read", v).Allowed
		switch {
		case p.action == "create":
			if !readable {
				return m.taken(ctx, t, p, s)
			}
		case !readable:
			return step{}, live(t, s.event.Meta.ID, state{})
		default:
			if d := x.on(p.action, v); !d.Allowed {
				return step{}, denied(ctx, t, s.event.Meta.ID, p.action, d)
			}
		}
		l.before = v
	}
	next, err := p.make(ctx, s)
	if err != nil || next.event == nil {
		return next, l.censor(err)
	}
	return m.gate(ctx, l, t, p, s, next)
}

// taken says no more than that an id is taken by what the actor may not read.
func (m *Manager) taken(ctx context.Context, t *Type, p plan, s state) (step, error) {
	_, err := p.make(ctx, s)
	id := s.event.Meta.ID
	switch CodeOf(err) {
	case PreconditionFailed, Deleted:
		return step{}, Errorf(PreconditionFailed, "%s %q exists already", t.Name, id)
	case AlreadyExists:
		return step{}, Errorf(AlreadyExists, "%s %q exists already", t.Name, id)
	case "":
		if err == nil {
			err = live(t, id, state{})
		}
	}
	return step{}, err
}

// publishes tells that a step makes stable what was a draft, or would be one if
// nothing else were said.
func publishes(t *Type, s state, e *storage.Event) bool {
	if e.Wrote == 0 || e.Revision.Status != storage.Stable {
		return false
	}
	if e.Action == storage.StatusChanged || e.Action == storage.Modified {
		return true
	}
	return t.draftFirst() && (e.Action == storage.Created || e.Action == storage.Updated)
}

// mayAlso refuses what would give its writer rights by a detour: a key that may do
// more than itself, a schedule of jobs it may not make, a webhook that is told what
// it may not watch.
func (m *Manager) mayAlso(ctx context.Context, t *Type, content []byte) error {
	if !t.Builtin || m.Admin(ctx) == nil {
		return nil
	}
	switch t.Name {
	case APIKeys:
		k, err := readKey(content)
		if err != nil {
			return err
		}
		return m.mayHand(ctx, t, k)
	case Schedules:
		s, err := readSchedule(content)
		if err != nil {
			return err
		}
		if jobs := m.types[s.Type]; jobs != nil {
			return m.May(ctx, jobs, "create")
		}
	case BulkJobs:
		b, _, err := readBulk(content)
		if err != nil {
			return err
		}
		if target := m.types[b.Type]; target != nil {
			return m.May(ctx, target, bulkRight(b.Op))
		}
	case Webhooks:
		var h Webhook
		if err := json.Unmarshal(content, &h); err != nil {
			return err
		}
		for _, of := range m.Types() {
			if of.Builtin || len(h.Types) > 0 && !slices.Contains(h.Types, of.Name) {
				continue
			}
			if !m.watchesAll(ctx, of) {
				return denied(ctx, of, "", "watch", Decision{Why: "a webhook is told everything about " + of.Name + ", which needs the right to watch all of it"})
			}
		}
	}
	return nil
}

// mayHand refuses a key that may do what its writer may not: one with groups or
// roles that it has not, or without the scopes that limit it.
func (m *Manager) mayHand(ctx context.Context, t *Type, k *apiKey) error {
	actor := m.o.Access.asNow(ActorOf(ctx))
	refuse := func(why string) error { return denied(ctx, t, "", "create", Decision{Why: why}) }
	if actor.Identity.Scopes != nil || actor.Identity.Limit != "" {
		return refuse("who is limited by scopes or a role of jobs makes no keys")
	}
	for _, g := range k.Groups {
		if !slices.Contains(actor.Identity.Groups, g) {
			return refuse("only an admin gives a key groups that it is not in itself")
		}
	}
	own := m.o.Access.rolesOf(actor)
	for _, r := range m.o.Access.rolesOf(Actor{Principal: "key:" + k.Name, Identity: k.identity}) {
		if !slices.ContainsFunc(own, func(o Role) bool { return o.Name == r.Name }) {
			return refuse("only an admin makes or changes a key with roles that it has not itself")
		}
	}
	return nil
}

// watchesAll reports whether the actor may watch every resource of a type and see
// all of it.
func (m *Manager) watchesAll(ctx context.Context, t *Type) bool {
	x := m.accessTo(ctx, t)
	return x == nil || x.may("watch").Allowed && x.rows("watch") == nil && len(x.everHidden("watch")) == 0
}

// bulkRight is the right that each write of a bulk change needs.
func bulkRight(op string) string {
	if op == "patch" {
		return "update"
	}
	return op
}

package resource

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// mayHand refuses a step on what hands rights to others, or uses them later, by an
// actor that does not have those rights itself: a key, a role, a binding, a schedule,
// a webhook, a bulk change. It asks about the state before the step and about the
// one after it, so that nothing stronger than the actor is changed or taken away.
func (m *Manager) mayHand(ctx context.Context, t *model.Type, p plan, s state, next step) error {
	if !t.Builtin || p.action == "" || m.Admin(ctx) == nil {
		return nil
	}
	if s.exists() {
		content, err := m.content(ctx, s.event)
		if err != nil {
			return err
		}
		if err := m.mayHave(ctx, t, content); err != nil {
			return err
		}
	}
	if next.event.Action == storage.Purged {
		return nil
	}
	if err := m.mayHave(ctx, t, next.content); err != nil || t.Name != policy.APIKeys {
		return err
	}
	return m.mayBe(ctx, t, p, s, next)
}

// mayHave refuses content that has rights which the actor has not.
func (m *Manager) mayHave(ctx context.Context, t *model.Type, content []byte) error {
	if a := policy.ActorOf(ctx); a.Identity.Limit != "" && t.Name != QueueSettings {
		return policy.Denied(ctx, t, "", "create", policy.Decision{Why: "a handler that is limited by the role of its type of jobs makes nothing that acts later"})
	}
	switch t.Name {
	case policy.APIKeys:
		k, err := policy.ReadKey(content)
		if err != nil {
			return err
		}
		return m.mayGiveKey(ctx, t, k)
	case policy.Roles:
		var r policy.Role
		if err := json.Unmarshal(content, &r); err != nil {
			return err
		}
		return m.mayGive(ctx, t, append([]policy.Role{r}, m.o.Access.RolesNamed(r.Includes...)...))
	case policy.Bindings:
		var b policy.Binding
		if err := json.Unmarshal(content, &b); err != nil {
			return err
		}
		if slices.ContainsFunc(b.Subjects, func(x string) bool { return strings.HasPrefix(x, policy.ScheduleSubject) }) {
			return policy.Denied(ctx, t, "", "update", policy.Decision{Why: "only an admin binds the schedule of a model: without a binding it has every right"})
		}
		return m.mayGive(ctx, t, m.o.Access.RolesNamed(b.Role))
	case Schedules:
		s, err := readSchedule(content)
		if err != nil {
			return err
		}
		return m.maySchedule(ctx, s)
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
		return m.mayBeTold(ctx, h)
	}
	return nil
}

// mayGive refuses roles of which a rule allows what no rule of the actor's own does.
// Rules that deny are for admins: to change one can give what it denies.
func (m *Manager) mayGive(ctx context.Context, t *model.Type, roles []policy.Role) error {
	actor := m.o.Access.AsNow(policy.ActorOf(ctx))
	refuse := func(why string) error { return policy.Denied(ctx, t, "", "create", policy.Decision{Why: why}) }
	if actor.Identity.Scopes != nil {
		return refuse("a key that is limited by scopes gives no rights")
	}
	var own []policy.Rule
	for _, r := range m.o.Access.RolesOf(actor) {
		own = append(own, r.Rules...)
	}
	if slices.ContainsFunc(own, policy.Rule.Denies) {
		return refuse("a rule denies something to you, so that you give no rights")
	}
	for _, r := range roles {
		for _, rule := range r.Rules {
			switch {
			case rule.Denies():
				return refuse("only an admin changes rules that deny, or takes them away")
			case !slices.ContainsFunc(own, rule.Within):
				return refuse("only an admin gives, changes or takes away rights that it has not itself, as role " + r.Name + " has")
			}
		}
	}
	return nil
}

// mayGiveKey refuses a key that may do what the actor may not: one with groups or
// roles that it has not, or without what limits it.
func (m *Manager) mayGiveKey(ctx context.Context, t *model.Type, k *policy.Key) error {
	actor := m.o.Access.AsNow(policy.ActorOf(ctx))
	refuse := func(why string) error { return policy.Denied(ctx, t, "", "create", policy.Decision{Why: why}) }
	if actor.Identity.Scopes != nil {
		return refuse("a key that is limited by scopes makes and changes no keys")
	}
	for _, g := range k.Groups {
		if !slices.Contains(actor.Identity.Groups, g) {
			return refuse("only an admin makes or changes a key with groups that it is not in itself")
		}
	}
	own := m.o.Access.RolesOf(actor)
	its := m.o.Access.RolesOf(policy.Actor{Principal: "key:" + k.Name, Identity: k.Identity})
	has := func(list []policy.Role, name string) bool {
		return slices.ContainsFunc(list, func(r policy.Role) bool { return r.Name == name })
	}
	for _, r := range its {
		if !has(own, r.Name) {
			return refuse("only an admin makes or changes a key with roles that it has not itself")
		}
	}
	for _, r := range own {
		if slices.ContainsFunc(r.Rules, policy.Rule.Denies) && !has(its, r.Name) {
			return refuse("a rule that denies its writer something must deny it to the key too: role " + r.Name)
		}
	}
	return nil
}

// mayBe refuses a step that gives the actor, or the holder of a key, another
// identity: a new secret for the key of another, or a name that another key had. What is
// "key:<name>" in a rule or an owner stays the same key for ever.
func (m *Manager) mayBe(ctx context.Context, t *model.Type, p plan, s state, next step) error {
	actor := policy.ActorOf(ctx)
	k, err := policy.ReadKey(next.content)
	if err != nil {
		return err
	}
	id := next.event.Meta.ID
	if s.exists() && p.asks.rotate != nil && s.event.Meta.CreatedBy != actor.Principal && actor.Principal != "key:"+k.Name {
		return policy.Denied(ctx, t, id, "update", policy.Decision{Why: "only an admin, the principal that made it or the key itself makes a new secret for a key"})
	}
	taken, err := m.nameTaken(ctx, k.Name, id, s.exists())
	if err != nil || !taken {
		return err
	}
	return &fault.Error{Code: fault.UniqueConflict, Field: "name", Detail: "another key has, or had, this name; only an admin gives the name of a former key again"}
}

// nameTaken reports whether another key has a name, or ever had it. The claim of a
// unique value stays on the log, without the value, when its holder gives it up or
// is purged. One with the id of a former key is another key.
func (m *Manager) nameTaken(ctx context.Context, name, id string, exists bool) (bool, error) {
	if last, known := m.o.Access.Formerly(name); known && last != id { // as far as the log tells, also one that was rebuilt
		return true, nil
	}
	hash := m.claimHash(policy.APIKeys, "name", []string{"name"}, map[string]any{"name": name})
	entry, err := m.log.Last(ctx, storage.ClaimSubject(hash))
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, stored(err)
	}
	var c claim
	if err := json.Unmarshal(entry.Data, &c); err != nil {
		return false, stored(errors.Join(storage.ErrCorrupt, err))
	}
	return c.ID != id || !exists, nil
}

// maySchedule refuses a schedule whose job the actor could not make now. It is the
// create of the job that is asked, up to where it would be committed.
func (m *Manager) maySchedule(ctx context.Context, s Schedule) error {
	t := m.types[s.Type]
	if t == nil || t.Job == nil {
		return nil // it makes no jobs
	}
	if err := m.May(ctx, t, "create"); err != nil {
		return err
	}
	_, err := m.planned(ctx, t, m.planCreate(t, "x", s.Payload, CreateOptions{}), state{})
	if code := fault.CodeOf(err); code == fault.PermissionDenied || code == "" {
		return err
	}
	if t.Builtin { // a payload that does not work now is judged all the same
		return m.mayHave(ctx, t, model.AppendCanonical(nil, s.Payload))
	}
	return nil // what else is wrong with the payload is told by the check of the schedule
}

// mayBeTold refuses a webhook for what the actor may not watch all of.
func (m *Manager) mayBeTold(ctx context.Context, h Webhook) error {
	for _, of := range m.Types() {
		if of.Builtin || len(h.Types) > 0 && !slices.Contains(h.Types, of.Name) {
			continue
		}
		if !m.watchesAll(ctx, of) {
			return policy.Denied(ctx, of, "", "watch", policy.Decision{Why: "a webhook is told everything about " + of.Name + ", which needs the right to watch all of it"})
		}
	}
	return nil
}

// watchesAll reports whether the actor may watch every resource of a type and see
// all of it.
func (m *Manager) watchesAll(ctx context.Context, t *model.Type) bool {
	x := m.accessTo(ctx, t)
	return x == nil || x.May("watch").Allowed && x.Rows("watch") == nil && len(x.EverHidden("watch")) == 0
}

// bulkRight is the right that each write of a bulk change needs.
func bulkRight(op string) string {
	if op == "patch" {
		return "update"
	}
	return op
}

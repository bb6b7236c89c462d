package resource

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
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
	if err := m.mayHave(ctx, t, next.content); err != nil || t.Name != APIKeys {
		return err
	}
	return m.mayBe(ctx, t, p, s, next)
}

// mayHave refuses content that has rights which the actor has not.
func (m *Manager) mayHave(ctx context.Context, t *model.Type, content []byte) error {
	if a := ActorOf(ctx); a.Identity.Limit != "" && t.Name != QueueSettings {
		return denied(ctx, t, "", "create", Decision{Why: "a handler that is limited by the role of its type of jobs makes nothing that acts later"})
	}
	switch t.Name {
	case APIKeys:
		k, err := readKey(content)
		if err != nil {
			return err
		}
		return m.mayGiveKey(ctx, t, k)
	case Roles:
		var r Role
		if err := json.Unmarshal(content, &r); err != nil {
			return err
		}
		return m.mayGive(ctx, t, append([]Role{r}, m.o.Access.rolesNamed(r.Includes...)...))
	case Bindings:
		var b Binding
		if err := json.Unmarshal(content, &b); err != nil {
			return err
		}
		if slices.ContainsFunc(b.Subjects, func(x string) bool { return strings.HasPrefix(x, scheduleSubject) }) {
			return denied(ctx, t, "", "update", Decision{Why: "only an admin binds the schedule of a model: without a binding it has every right"})
		}
		return m.mayGive(ctx, t, m.o.Access.rolesNamed(b.Role))
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
func (m *Manager) mayGive(ctx context.Context, t *model.Type, roles []Role) error {
	actor := m.o.Access.asNow(ActorOf(ctx))
	refuse := func(why string) error { return denied(ctx, t, "", "create", Decision{Why: why}) }
	if actor.Identity.Scopes != nil {
		return refuse("a key that is limited by scopes gives no rights")
	}
	var own []Rule
	for _, r := range m.o.Access.rolesOf(actor) {
		own = append(own, r.Rules...)
	}
	if slices.ContainsFunc(own, Rule.denies) {
		return refuse("a rule denies something to you, so that you give no rights")
	}
	for _, r := range roles {
		for _, rule := range r.Rules {
			switch {
			case rule.denies():
				return refuse("only an admin changes rules that deny, or takes them away")
			case !slices.ContainsFunc(own, rule.within):
				return refuse("only an admin gives, changes or takes away rights that it has not itself, as role " + r.Name + " has")
			}
		}
	}
	return nil
}

// within reports whether a rule that allows allows no more than another does.
func (r Rule) within(o Rule) bool {
	if o.denies() {
		return false
	}
	for _, name := range r.Types {
		if !o.reaches(name) {
			return false
		}
	}
	for _, a := range r.Actions {
		has := slices.Contains(o.Actions, a) || slices.Contains(o.Actions, "admin") ||
			a != "admin" && a != "audit" && slices.Contains(o.Actions, "*") || a == "create" && slices.Contains(o.Actions, "run")
		if !has {
			return false
		}
	}
	if where := strings.TrimSpace(o.Where); where != "" && where != strings.TrimSpace(r.Where) {
		return false
	}
	covered := func(paths, by []string) bool {
		return !slices.ContainsFunc(paths, func(p string) bool { return !under(p, by) })
	}
	return covered(o.Fields.Hide, r.Fields.Hide) && covered(o.Fields.ReadOnly, append(slices.Clone(r.Fields.ReadOnly), r.Fields.Hide...))
}

// reaches reports whether a rule is about every type that a name of a rule, perhaps
// with a wildcard, can be about.
func (r Rule) reaches(name string) bool {
	prefix, wild := strings.CutSuffix(name, "*")
	for _, own := range r.Types {
		if own == name {
			return true
		}
		if p, ok := strings.CutSuffix(own, "*"); ok && strings.HasPrefix(prefix, p) && (wild || !model.IsBuiltin(name) || own == "*" && slices.Contains(r.Actions, "admin")) {
			return true
		}
	}
	return false
}

func (r Rule) denies() bool { return r.Effect == "deny" }

// mayGiveKey refuses a key that may do what the actor may not: one with groups or
// roles that it has not, or without what limits it.
func (m *Manager) mayGiveKey(ctx context.Context, t *model.Type, k *apiKey) error {
	actor := m.o.Access.asNow(ActorOf(ctx))
	refuse := func(why string) error { return denied(ctx, t, "", "create", Decision{Why: why}) }
	if actor.Identity.Scopes != nil {
		return refuse("a key that is limited by scopes makes and changes no keys")
	}
	for _, g := range k.Groups {
		if !slices.Contains(actor.Identity.Groups, g) {
			return refuse("only an admin makes or changes a key with groups that it is not in itself")
		}
	}
	own := m.o.Access.rolesOf(actor)
	its := m.o.Access.rolesOf(Actor{Principal: "key:" + k.Name, Identity: k.identity})
	has := func(list []Role, name string) bool {
		return slices.ContainsFunc(list, func(r Role) bool { return r.Name == name })
	}
	for _, r := range its {
		if !has(own, r.Name) {
			return refuse("only an admin makes or changes a key with roles that it has not itself")
		}
	}
	for _, r := range own {
		if slices.ContainsFunc(r.Rules, Rule.denies) && !has(its, r.Name) {
			return refuse("a key has to be denied what is denied to its writer, by role " + r.Name)
		}
	}
	return nil
}

// mayBe refuses a step that makes the actor, or whom it gives the key to, somebody
// else: a new secret for the key of another, or a name that another key had. What is
// "key:<name>" in a rule or an owner stays the same key for ever.
func (m *Manager) mayBe(ctx context.Context, t *model.Type, p plan, s state, next step) error {
	actor := ActorOf(ctx)
	k, err := readKey(next.content)
	if err != nil {
		return err
	}
	id := next.event.Meta.ID
	if s.exists() && p.asks.rotate != nil && s.event.Meta.CreatedBy != actor.Principal && actor.Principal != "key:"+k.Name {
		return denied(ctx, t, id, "update", Decision{Why: "only an admin, the principal that made it or the key itself makes a new secret for a key"})
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
	if last, known := m.o.Access.formerly(name); known && last != id { // as far as the log tells, also one that was rebuilt
		return true, nil
	}
	hash := m.claimHash(APIKeys, "name", []string{"name"}, map[string]any{"name": name})
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
			return denied(ctx, of, "", "watch", Decision{Why: "a webhook is told everything about " + of.Name + ", which needs the right to watch all of it"})
		}
	}
	return nil
}

// watchesAll reports whether the actor may watch every resource of a type and see
// all of it.
func (m *Manager) watchesAll(ctx context.Context, t *model.Type) bool {
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

package rights

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// giving is what the built-in types that give rights do beyond their schema: API
// keys, roles and bindings. A principal gives only rights that it has.
type giving struct {
	access *policy.Access
	types  *registry.Types
	log    storage.Log
	// claimed is the id of the resource that holds unique values, or held them last.
	claimed func(ctx context.Context, typ string, fields []string, values map[string]query.Value) (id string, known bool, err error)
}

// Register gives API keys, roles and bindings their strategies.
func Register(p commit.Parts) {
	g := giving{access: p.Core.Options.Access, types: p.Core.Types, log: p.Core.Log, claimed: p.Claims.Claimed}
	for name, s := range g.strategies() {
		p.Core.Register(name, s)
	}
}

func (g giving) strategies() states.Strategies {
	return states.Strategies{
		policy.APIKeys: {Check: policy.SmallEnough, Hands: g.keyHands, Becomes: g.mayBe, Show: g.showUse, KeepsNames: true},
		policy.Users:   {Check: policy.SmallEnough, Becomes: g.mayBeUser},
		policy.Roles: {Check: func(content []byte) error { return policy.CheckRole(g.access, g.types.All(), content) },
			Hands: g.roleHands, Keeps: g.keepsRole},
		policy.Bindings: {Check: func(content []byte) error { return policy.CheckBinding(g.access, g.types.All(), content) }, Hands: g.bindingHands},
	}
}

func (g giving) keyHands(ctx context.Context, content []byte) error {
	k, err := policy.ReadKey(content)
	if err != nil {
		return err
	}
	return g.mayGiveKey(ctx, g.types.Named(policy.APIKeys), k)
}

func (g giving) roleHands(ctx context.Context, content []byte) error {
	var r policy.Role
	if err := json.Unmarshal(content, &r); err != nil {
		return err
	}
	return g.mayGive(ctx, g.types.Named(policy.Roles), append([]policy.Role{r}, g.access.RolesNamed(r.Includes...)...))
}

func (g giving) bindingHands(ctx context.Context, content []byte) error {
	var b policy.Binding
	if err := json.Unmarshal(content, &b); err != nil {
		return err
	}
	t := g.types.Named(policy.Bindings)
	if slices.ContainsFunc(b.Subjects, func(x string) bool { return strings.HasPrefix(x, policy.ScheduleSubject) }) {
		return policy.Denied(ctx, t, "", "update", policy.Decision{Why: "only an admin binds the schedule of a model: without a binding it has every right"})
	}
	return g.mayGive(ctx, t, g.access.RolesNamed(b.Role))
}

// mayGive refuses roles of which a rule allows what no rule of the actor's own does.
// Rules that deny are for admins: to change one can give what it denies.
func (g giving) mayGive(ctx context.Context, t *model.Type, roles []policy.Role) error {
	actor := g.access.AsNow(policy.ActorOf(ctx))
	refuse := func(why string) error { return policy.Denied(ctx, t, "", "create", policy.Decision{Why: why}) }
	if actor.Identity.Scopes != nil {
		return refuse("a key that is limited by scopes gives no rights")
	}
	var own []policy.Rule
	for _, r := range g.access.RolesOf(actor) {
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
func (g giving) mayGiveKey(ctx context.Context, t *model.Type, k *policy.Key) error {
	if d := g.access.MayGive(policy.ActorOf(ctx), policy.Actor{Principal: "key:" + k.Name, Identity: k.Identity}); !d.Allowed {
		return policy.Denied(ctx, t, "", "create", d)
	}
	return nil
}

// mayBeUser refuses a step to or from a user that may do what the actor may not.
func (g giving) mayBeUser(ctx context.Context, step states.Transition) error {
	id := step.After.Meta.ID
	if d := g.access.MayBecome(policy.ActorOf(ctx), id, step.BeforeContent, step.Content); !d.Allowed {
		return policy.Denied(ctx, g.types.Named(policy.Users), id, "update", d)
	}
	return nil
}

// mayBe refuses a step that gives the actor, or the holder of a key, another
// identity: a new secret for the key of another, or a name that another key had. What is
// "key:<name>" in a rule or an owner stays the same key for ever.
func (g giving) mayBe(ctx context.Context, step states.Transition) error {
	if step.After.Action == storage.Purged {
		return nil // it has no rights then
	}
	actor := policy.ActorOf(ctx)
	k, err := policy.ReadKey(step.Content)
	if err != nil {
		return err
	}
	id := step.After.Meta.ID
	if step.Before != nil && step.Rotates && step.Before.Meta.CreatedBy != actor.Principal && actor.Principal != "key:"+k.Name {
		return policy.Denied(ctx, g.types.Named(policy.APIKeys), id, "update", policy.Decision{Why: "only an admin, the principal that made it or the key itself makes a new secret for a key"})
	}
	taken, err := g.nameTaken(ctx, k.Name, id, step.Before != nil)
	if err != nil || !taken {
		return err
	}
	return &fault.Error{Code: fault.UniqueConflict, Field: "name", Detail: "another key has, or had, this name; only an admin gives the name of a former key again"}
}

// nameTaken reports whether another key has a name, or ever had it. The claim of a
// unique value stays on the log, without the value, when its holder gives it up or
// is purged. One with the id of a former key is another key.
func (g giving) nameTaken(ctx context.Context, name, id string, exists bool) (bool, error) {
	if last, known := g.access.Formerly(name); known && last != id { // as far as the log tells, also one that was rebuilt
		return true, nil
	}
	holder, known, err := g.claimed(ctx, policy.APIKeys, []string{"name"}, map[string]any{"name": name})
	return known && (holder != id || !exists), err
}

// keepsRole refuses a step after which a role has its name no more while something
// still gives that name to others: a role that gets the name later would give its
// rights to subjects that were not chosen for it.
func (g giving) keepsRole(_ context.Context, step states.Transition) error {
	if g.access == nil || step.Before == nil || step.Before.Meta.Deleted {
		return nil
	}
	var before, after policy.Role
	if err := json.Unmarshal(step.BeforeContent, &before); err != nil {
		return err
	}
	if !step.After.Meta.Deleted && step.After.Action != storage.Purged {
		if err := json.Unmarshal(step.Content, &after); err != nil {
			return err
		}
		if after.Name == before.Name {
			return nil
		}
	}
	if g.access.Given(before.Name, step.Before.Meta.ID) {
		return fault.Errorf(fault.Referenced, "a binding or another role names the role %s; change or delete that first", before.Name)
	}
	return nil
}

// showUse adds to an API key when it was used last, as far as this process and
// the log know.
func (g giving) showUse(ctx context.Context, r *states.Resource, how states.Showing) error {
	if g.access == nil || how.InList {
		return nil
	}
	all, _, err := policy.ReadUse(ctx, g.log)
	if err != nil {
		return states.StoreError(err)
	}
	at := max(all[r.ID], g.access.Uses()[r.ID])
	if at > 0 {
		t := time.Unix(at, 0).UTC()
		r.LastUsed = &t
	}
	return nil
}

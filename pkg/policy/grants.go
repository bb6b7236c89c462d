package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
)

// grant is a rule as it is for one actor and one type.
type grant struct {
	name     string // "role editor, rule 2"
	rule     Rule
	where    query.Expr // nil: always
	hide     []string
	readonly []string
}

// Permissions is what one actor may do with one type.
type Permissions struct {
	Type   *model.Type
	admin  bool
	scopes []Rule // of an API key; nil: all
	allow  []grant
	deny   []grant
	// limit is what the role of a type of jobs allows its handlers, besides; nil:
	// they are not limited.
	limit *Permissions
	// pinned are the rules that allow something in the published view only, published
	// is what is allowed in that one.
	pinned    []grant
	published *Permissions
	version   uint64
	until     time.Time // now() in a where is older afterwards
}

// grantCache keeps the access of an identity, which may live as long as a watch.
type grantCache struct {
	mu   sync.Mutex
	kept map[string]*Permissions
}

// grantsFor is how long now() may stand still in a rule.
const grantsFor = time.Second

// PermissionsOf finds what an actor may do with a type, as the policy is now.
func (a *Access) PermissionsOf(actor Actor, t *model.Type) *Permissions {
	c := &actor.Identity.grants
	version, now := a.Version.Load(), a.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.kept[t.Name]; x != nil && x.version == version && now.Before(x.until) {
		return x
	}
	actor = a.AsNow(actor)
	own := rules{name: "model " + t.Name, list: ownRules(t)}
	if actor.Identity.Public {
		own.list = nil
	}
	x := newAccess(actor, t, now, append([]rules{own}, rulesOf(a.RolesOf(actor))...))
	x.admin, x.scopes = x.admin || actor.Identity.Admin, actor.Identity.Scopes
	if role := actor.Identity.Limit; role != "" {
		x.limit = newAccess(actor, t, now, rulesOf(a.RolesNamed(role)))
	}
	x.published = x.inPublishedView()
	x.version, x.until = version, now.Add(grantsFor)
	if c.kept == nil {
		c.kept = map[string]*Permissions{}
	}
	c.kept[t.Name] = x
	return x
}

// rules are those of one role, or of a model.
type rules struct {
	name string
	list []Rule
}

func rulesOf(roles []Role) []rules {
	out := make([]rules, len(roles))
	for i, r := range roles {
		out[i] = rules{"role " + r.Name, r.Rules}
	}
	return out
}

// newAccess reads the rules that are about a type, as they are for an actor.
func newAccess(actor Actor, t *model.Type, now time.Time, of []rules) *Permissions {
	x := &Permissions{Type: t}
	fields := t.Definition().QueryFields()
	for _, from := range of {
		for i, r := range from.list {
			if !r.covers(t) {
				continue
			}
			deny := r.Effect == "deny"
			g := grant{name: fmt.Sprintf("%s, rule %d", from.name, i+1), rule: r, hide: r.Fields.Hide, readonly: r.Fields.ReadOnly}
			if strings.TrimSpace(r.Where) != "" {
				var err error
				if g.where, err = query.Parse(fields, r.Where, query.Options{Now: now, Variables: actor.variable, Negated: deny}); err != nil {
					if !deny {
						continue // it cannot match anything of this type
					}
					g.where = nil // what cannot be decided is denied
				}
			}
			switch {
			case deny:
				x.deny = append(x.deny, g)
			case r.pins():
				x.pinned = append(x.pinned, g)
			default:
				x.admin = x.admin || slices.Contains(r.Actions, "admin")
				x.allow = append(x.allow, g)
			}
		}
	}
	// A rule that denies wins over a role with admin too; its other rules name
	// every action.
	x.admin = x.admin && len(x.deny) == 0
	return x
}

// Full reports whether nothing is limited.
func (x *Permissions) Full() bool {
	return x.admin && x.scopes == nil && (x.limit == nil || x.limit.Full())
}

func (x *Permissions) scoped(action string) bool {
	if x.scopes == nil {
		return true
	}
	return slices.ContainsFunc(x.scopes, func(r Rule) bool {
		return r.covers(x.Type) && slices.ContainsFunc(r.Actions, func(a string) bool {
			return a == action || a == "admin" || a == "*" && action != "admin"
		})
	})
}

// Decision is whether something is allowed, and what decided.
type Decision struct {
	Allowed bool   `json:"allowed"`
	Rule    string `json:"rule"` // the rule that decided; empty: that there is none
	Why     string `json:"why"`
}

// May decides an action on a type, before any resource is looked at.
func (x *Permissions) May(action string) Decision {
	d := x.mayAlone(action)
	if d.Allowed && x.limit != nil {
		if limit := x.limit.mayAlone(action); !limit.Allowed {
			return Decision{Rule: limit.Rule, Why: "the role of the type of jobs does not allow it: " + limit.Why}
		}
	}
	return d
}

func (x *Permissions) mayAlone(action string) Decision {
	if !x.scoped(action) {
		return Decision{Why: fmt.Sprintf("the scopes of the API key leave out %s on %s", action, x.Type.Name)}
	}
	if x.admin {
		return Decision{Allowed: true, Rule: "admin", Why: "admin has every right"}
	}
	for _, g := range x.deny {
		if g.names(action) && g.where == nil {
			return Decision{Rule: g.name, Why: fmt.Sprintf("%s denies %s on %s", g.name, action, x.Type.Name)}
		}
	}
	for _, g := range x.allow {
		if g.names(action) {
			return Decision{Allowed: true, Rule: g.name, Why: fmt.Sprintf("%s allows %s on %s", g.name, action, x.Type.Name)}
		}
	}
	for _, g := range x.pinned {
		if g.names(action) {
			return Decision{Rule: g.name, Why: fmt.Sprintf("%s allows %s on %s in the published view only", g.name, action, x.Type.Name)}
		}
	}
	return Decision{Why: fmt.Sprintf("no rule allows %s on %s", action, x.Type.Name)}
}

// On decides an action on one state of a resource.
func (x *Permissions) On(action string, row query.Row) Decision {
	d := x.onAlone(action, row)
	if d.Allowed && x.limit != nil {
		if limit := x.limit.onAlone(action, row); !limit.Allowed {
			return Decision{Rule: limit.Rule, Why: "the role of the type of jobs does not allow it: " + limit.Why}
		}
	}
	return d
}

func (x *Permissions) onAlone(action string, row query.Row) Decision {
	d := x.mayAlone(action)
	if !d.Allowed || x.admin {
		return d
	}
	for _, g := range x.deny {
		if g.names(action) && query.Eval(g.where, row) != query.False {
			return Decision{Rule: g.name, Why: fmt.Sprintf("%s denies %s on this resource", g.name, action)}
		}
	}
	for _, g := range x.allow {
		if g.matches(action, row) {
			return Decision{Allowed: true, Rule: g.name, Why: fmt.Sprintf("%s allows %s on this resource", g.name, action)}
		}
	}
	return Decision{Why: fmt.Sprintf("no rule allows %s on this resource", action)}
}

func (g grant) matches(action string, row query.Row) bool {
	return g.names(action) && (g.where == nil || query.Eval(g.where, row) == query.True)
}

// Rows is the filter of the resources that an action is allowed on; nil: all.
// What a denying rule cannot decide is denied, as in on.
func (x *Permissions) Rows(action string) query.Expr {
	if x.limit != nil {
		return AllOf(x.rowsAlone(action), x.limit.rowsAlone(action))
	}
	return x.rowsAlone(action)
}

func (x *Permissions) rowsAlone(action string) query.Expr {
	if x.admin {
		return nil
	}
	any, all := query.Or{}, false
	for _, g := range x.allow {
		if !g.names(action) {
			continue
		}
		if all = g.where == nil; all {
			break
		}
		any.Terms = append(any.Terms, g.where)
	}
	var terms []query.Expr
	switch {
	case all:
	case len(any.Terms) == 0:
		return query.Const{Value: false}
	case len(any.Terms) == 1:
		terms = append(terms, any.Terms[0])
	default:
		terms = append(terms, any)
	}
	for _, g := range x.deny {
		if g.names(action) {
			if g.where == nil {
				return query.Const{Value: false}
			}
			terms = append(terms, query.Not{Term: g.where})
		}
	}
	return AllOf(terms...)
}

// AllOf joins conditions, of which some may be nil.
func AllOf(terms ...query.Expr) query.Expr {
	terms = slices.DeleteFunc(slices.Clone(terms), func(e query.Expr) bool { return e == nil })
	switch len(terms) {
	case 0:
		return nil
	case 1:
		return terms[0]
	}
	return query.And{Terms: terms}
}

// EverHidden lists the fields that some rule for the action hides: whether a row
// has one cannot be told before it is read, so none of them can be asked about.
func (x *Permissions) EverHidden(action string) (out []string) {
	if x.limit != nil {
		out = x.limit.EverHidden(action)
	}
	if x.admin {
		return out
	}
	for _, g := range x.allow {
		if g.names(action) {
			out = append(out, g.hide...)
		}
	}
	return out
}

// Hidden lists the fields of a state that no rule for the action shows.
func (x *Permissions) Hidden(action string, row query.Row) []string {
	return x.common(action, row, func(g grant) []string { return g.hide })
}

// Readonly lists the fields of a state that no rule for the action lets write.
func (x *Permissions) Readonly(action string, row query.Row) []string {
	return x.common(action, row, func(g grant) []string { return g.readonly })
}

// common are the paths that every rule which matches has.
func (x *Permissions) common(action string, row query.Row, of func(grant) []string) (out []string) {
	if x.limit != nil {
		defer func() { out = append(slices.Clone(out), x.limit.common(action, row, of)...) }()
	}
	first := true
	for _, g := range x.allow {
		if x.admin || !g.matches(action, row) {
			continue
		}
		if list := of(g); first {
			out, first = list, false
		} else {
			both := slices.DeleteFunc(slices.Clone(out), func(p string) bool { return !Under(p, list) })
			out = append(both, slices.DeleteFunc(slices.Clone(list), func(p string) bool { return !Under(p, out) })...)
		}
	}
	return out
}

// Under reports whether a path is one of the list or inside one of it.
func Under(path string, list []string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return path == p || strings.HasPrefix(path, p+".") })
}

// Touches reports whether a path is, holds or is inside one of the list.
func Touches(path string, list []string) bool {
	return Under(path, list) || slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(p, path+".") })
}

// Fields are those that may be asked about.
func (x *Permissions) Fields(action string) query.Fields {
	all := x.Type.Definition().QueryFields()
	hide := x.EverHidden(action)
	if len(hide) == 0 {
		return all
	}
	var out []query.Field
	for _, name := range all.Names() {
		if f, _ := all.Lookup(name); !Touches(name, hide) {
			out = append(out, f)
		}
	}
	return query.NewFields(out...)
}

// AsksFor reports whether a rule for an action asks for a field, or keeps it.
func (x *Permissions) AsksFor(action, path string) bool {
	asks := func(g grant) bool {
		return g.names(action) && (strings.Contains(g.rule.Where, path) || Touches(path, g.hide) || Touches(path, g.readonly))
	}
	return slices.ContainsFunc(x.allow, asks) || slices.ContainsFunc(x.deny, asks) || x.limit != nil && x.limit.AsksFor(action, path)
}

// AllowsSomething reports whether a rule allows the actor anything on the type.
func (x *Permissions) AllowsSomething() bool {
	return x.admin && x.scoped("read") || slices.ContainsFunc(x.In(true).allow, func(g grant) bool {
		return slices.ContainsFunc(g.rule.Actions, func(a string) bool { return a == "*" && x.scopes == nil || x.scoped(a) })
	})
}

// Everything decides whether an actor has every right there is: a role with admin on
// all types, and no rule that denies it anything.
func (a *Access) Everything(actor Actor) Decision {
	if actor.Identity == nil {
		return Decision{Allowed: true}
	}
	if actor.Identity.Public {
		return Decision{Why: "this needs an admin, and a credential"}
	}
	actor = a.AsNow(actor)
	admin := false
	if actor.Identity.Scopes == nil && actor.Identity.Limit == "" {
		if actor.Identity.Admin {
			return Decision{Allowed: true}
		}
		for _, role := range a.RolesOf(actor) {
			for i, r := range role.Rules {
				if r.Denies() {
					return Decision{Rule: fmt.Sprintf("role %s, rule %d", role.Name, i+1),
						Why: fmt.Sprintf("this is about everything there is, and rule %d of role %s denies a part", i+1, role.Name)}
				}
				admin = admin || slices.Contains(r.Types, "*") && slices.Contains(r.Actions, "admin")
			}
		}
	}
	if admin {
		return Decision{Allowed: true}
	}
	return Decision{Why: "this needs a role with admin on all types"}
}

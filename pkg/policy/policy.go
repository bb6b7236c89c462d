package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
)

// Rights are the actions a rule may name, besides "*" for all of them but admin
// and the names of custom actions. Admin is every right on its types; on "*" it
// is every right there is. Audit, on "*", is to read the audit; "*" is not that.
var Rights = []string{"create", "read", "list", "update", "modify", "publish", "delete", "restore", "switch", "purge", "migrate", "watch", "run", "rerun", "cancel", "audit", "admin"}

// Rule allows or denies actions on types: on all resources, or on those that
// Where, a filter with principal.id, principal.groups and principal.claims.<name>,
// matches.
type Rule struct {
	Types   []string   `json:"types"`   // names, "*" for all but those of the program itself, "draft-*"
	Actions []string   `json:"actions"` // Rights, names of custom actions, "*"
	Where   string     `json:"where,omitempty"`
	Effect  string     `json:"effect,omitempty"` // allow, which is the default, or deny, which wins
	Fields  FieldRules `json:"fields,omitzero"`
	View    string     `json:"view,omitempty"` // PublishedView, or head, which is the default
}

// FieldRules say which fields an allowing rule leaves out.
type FieldRules struct {
	Hide     []string `json:"hide,omitempty"`     // dotted paths that are not shown, asked about or written
	ReadOnly []string `json:"readonly,omitempty"` // dotted paths that are not written
}

// Role is rules under a name.
type Role struct {
	Name     string   `json:"name"`
	Includes []string `json:"includes,omitempty"` // roles whose rules it has too
	Rules    []Rule   `json:"rules,omitempty"`
}

// Binding gives a role to subjects: "user:ann", "group:press", "key:importer", Public.
type Binding struct {
	Role     string   `json:"role"`
	Subjects []string `json:"subjects"`
}

func sortedKeys[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// check finds what can never work in the rules.
func (r Role) check(names policyNames) (out []fault.FieldError) {
	for i, rule := range r.Rules {
		at := fmt.Sprintf("/rules/%d", i)
		add := func(part, format string, args ...any) {
			out = append(out, fault.FieldError{Pointer: at + part, Detail: fmt.Sprintf(format, args...)})
		}
		if len(rule.Types) == 0 || len(rule.Actions) == 0 {
			add("", "a rule needs types and actions")
		}
		if rule.Effect != "" && rule.Effect != "allow" && rule.Effect != "deny" {
			add("/effect", "is allow or deny")
		}
		for j, a := range rule.Actions {
			if why := names.action(rule, a); why != "" {
				add(fmt.Sprint("/actions/", j), "%s", why)
			}
		}
		if slices.Contains(rule.Actions, "admin") && (rule.Where != "" || len(rule.Fields.Hide)+len(rule.Fields.ReadOnly) > 0 || rule.Effect == "deny") {
			add("", "admin is every right, so that neither where, fields nor deny go with it")
		}
		if rule.Effect == "deny" && len(rule.Fields.Hide)+len(rule.Fields.ReadOnly) > 0 {
			add("/fields", "belong to a rule that allows")
		}
		rule.checkView(add)
		rule.checkTypes(names, add)
	}
	return out
}

// checkTypes looks at a rule as its types take it.
func (r Rule) checkTypes(names policyNames, add func(part, format string, args ...any)) {
	var covered []*model.Type
	for j, name := range r.Types {
		matched := false
		for _, t := range names.types {
			if r.covers(t) && (name == t.Name || strings.HasSuffix(name, "*")) {
				matched, covered = true, append(covered, t)
				r.checkWhere(t, name == t.Name, add)
			}
		}
		if !matched && !strings.HasSuffix(name, "*") {
			add(fmt.Sprint("/types/", j), "%q is no type%s", name, model.Hint(name, names.typeNames()))
		}
	}
	for kind, paths := range map[string][]string{"hide": r.Fields.Hide, "readonly": r.Fields.ReadOnly} {
		for j, path := range paths {
			if len(covered) == 0 || slices.ContainsFunc(covered, func(t *model.Type) bool { return t.HasPath(path) }) {
				continue
			}
			var known []string
			for _, t := range covered {
				known = append(known, t.Definition().QueryFields().Names()...)
			}
			near := ""
			if n := model.Nearest(path, known); n != "" {
				near = fmt.Sprintf("; did you mean %q?", n)
			}
			add(fmt.Sprintf("/fields/%s/%d", kind, j), "no type of the rule has a field %q%s", path, near)
		}
	}
}

// checkWhere looks at the filter of a rule as one type takes it. Under a wildcard a
// type may be without the fields.
func (r Rule) checkWhere(t *model.Type, named bool, add func(part, format string, args ...any)) {
	if r.Where == "" || !named {
		return
	}
	if _, err := query.Parse(t.Definition().QueryFields(), r.Where, query.Options{Variables: noPrincipal}); err != nil {
		add("/where", "for %s: %v", t.Name, err)
	}
}

// covers reports whether a rule is about a type.
func (r Rule) covers(t *model.Type) bool {
	for _, name := range r.Types {
		if name == t.Name {
			return true
		}
		prefix, wild := strings.CutSuffix(name, "*")
		if wild && strings.HasPrefix(t.Name, prefix) && (!t.Builtin || name == "*" && slices.Contains(r.Actions, "admin")) {
			return true
		}
	}
	return false
}

// names reports whether a rule is about an action. Admin is not named by "*".
func (r Rule) names(action string) bool {
	for _, a := range r.Actions {
		if a == action || a == "*" && action != "admin" || a == "admin" {
			return true
		}
	}
	return action == "create" && slices.Contains(r.Actions, "run")
}

// noPrincipal stands for any caller, when a rule is only checked.
func noPrincipal(name string) (query.Variable, bool) {
	return Actor{Principal: "user:nobody", Identity: &Identity{}}.variable(name)
}

// variable is what a principal. name of a where stands for.
func (a Actor) variable(name string) (query.Variable, bool) {
	switch {
	case name == "principal.id" && a.Identity != nil && a.Identity.Public:
		return query.Variable{Missing: true}, true // many callers share it: what one of them made is no other's
	case name == "principal.id":
		return query.Variable{Values: []query.Value{a.Principal}}, true
	case a.Identity == nil:
		return query.Variable{}, false
	case name == "principal.groups":
		v := query.Variable{List: true}
		for _, g := range a.Identity.Groups {
			v.Values = append(v.Values, g)
		}
		return v, true
	case !strings.HasPrefix(name, "principal.claims."):
		return query.Variable{}, false
	}
	switch x := a.Identity.Claims[strings.TrimPrefix(name, "principal.claims.")].(type) {
	case string, bool, int64, float64:
		return query.Variable{Values: []query.Value{x}}, true
	case []any:
		v := query.Variable{List: true}
		for _, y := range x {
			switch y.(type) {
			case string, bool, int64, float64:
				v.Values = append(v.Values, y)
			}
		}
		return v, true
	}
	return query.Variable{Missing: true}, true
}

// Identity is what a policy knows of the caller.
type Identity struct {
	Groups []string
	Claims map[string]any // of the token
	Scopes []Rule         // nil: none of its rights are taken away
	Admin  bool           // every right
	Public bool           // it is any caller without a credential
	Limit  string         // a role besides whose rules nothing is allowed; empty: none
	Until  time.Time      // when the token expires; zero: it is no token
	acting bool           // something is done for it: groups and scopes of a key are looked up again
	grants grantCache
}

// subjects are the names that bindings may have for an actor.
func (a Actor) subjects() []string {
	if a.Identity.Public {
		return []string{Public}
	}
	out := []string{a.Principal}
	for _, g := range a.Identity.Groups {
		out = append(out, "group:"+g)
	}
	return out
}

// ownerActions are what `access: owner` in a model allows every authenticated caller.
var ownerActions = []string{"create", "read", "list", "update", "modify", "publish", "delete", "restore", "switch", "watch", "cancel", "rerun"}

// ownRules are the rules that a model brings for every authenticated caller.
func ownRules(t *model.Type) []Rule {
	if t.Access != model.OwnerAccess {
		return nil
	}
	return []Rule{{Types: []string{t.Name}, Actions: ownerActions, Where: "meta.created_by = principal.id"}}
}

// AsProgram is a context whose operations no policy limits, for what the program
// does by itself. The actor stays the one that events name.
func AsProgram(ctx context.Context) context.Context {
	a := ActorOf(ctx)
	if a.Identity == nil {
		return ctx
	}
	a.groups, a.Identity = a.Identity.Groups, nil
	return WithActor(ctx, a)
}

// InGroups are the groups of the actor.
func (a Actor) InGroups() []string {
	if a.Identity != nil {
		return a.Identity.Groups
	}
	return a.groups
}

// Within reports whether a rule that allows allows no more than another does.
func (r Rule) Within(o Rule) bool {
	if o.Denies() {
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
	if o.pins() && !r.pins() {
		return false
	}
	if where := strings.TrimSpace(o.Where); where != "" && where != strings.TrimSpace(r.Where) {
		return false
	}
	covered := func(paths, by []string) bool {
		return !slices.ContainsFunc(paths, func(p string) bool { return !Under(p, by) })
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

// Denies reports whether the rule denies what it matches.
func (r Rule) Denies() bool { return r.Effect == "deny" }

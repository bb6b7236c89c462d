package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
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

// Binding gives a role to subjects: "user:ann", "group:press", "key:importer".
type Binding struct {
	Role     string   `json:"role"`
	Subjects []string `json:"subjects"`
}

// Policy is what a policy file holds.
type Policy struct {
	Roles    []Role
	Bindings []Binding
}

const maxPolicyFile = 1 << 20

// ParsePolicy reads a policy file, YAML or JSON: roles, each a list of rules or
// {includes, rules}, and bindings. Everything is checked against the types.
func ParsePolicy(text []byte, types []*Type) (*Policy, error) {
	if len(text) > maxPolicyFile {
		return nil, fmt.Errorf("it has over %d bytes", maxPolicyFile)
	}
	doc, err := readYAML(text, false)
	if err != nil {
		return nil, err
	}
	tree, err := json.Marshal(doc.tree)
	if err != nil {
		return nil, err
	}
	var file struct {
		Roles    map[string]json.RawMessage `json:"roles"`
		Bindings []Binding                  `json:"bindings"`
	}
	if err := strictly(tree, &file); err != nil {
		return nil, err
	}
	p := &Policy{Bindings: file.Bindings}
	for _, name := range sortedKeys(file.Roles) {
		r := Role{}
		var err error
		if raw := file.Roles[name]; raw[0] == '[' {
			err = strictly(raw, &r.Rules)
		} else {
			err = strictly(raw, &r)
		}
		if err != nil {
			return nil, fmt.Errorf("role %s: %w", name, err)
		}
		r.Name = name
		p.Roles = append(p.Roles, r)
	}
	return p, p.check(types)
}

func sortedKeys[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func (p *Policy) check(types []*Type) error {
	roles := map[string]Role{}
	for _, r := range p.Roles {
		if fields := r.check(types); len(fields) > 0 {
			return fmt.Errorf("role %s: %s %s", r.Name, fields[0].Pointer, fields[0].Detail)
		}
		roles[r.Name] = r
	}
	for _, r := range p.Roles {
		for _, name := range r.Includes {
			if _, ok := roles[name]; !ok {
				return fmt.Errorf("role %s includes %q, which is no role", r.Name, name)
			}
		}
		if around := circle(roles, r.Name); around != nil {
			return fmt.Errorf("role %s includes itself: %s", r.Name, strings.Join(around, " includes "))
		}
	}
	for i, b := range p.Bindings {
		if _, ok := roles[b.Role]; !ok {
			return fmt.Errorf("binding %d: %q is no role", i, b.Role)
		}
		for _, s := range b.Subjects {
			if !validSubject(s) {
				return fmt.Errorf("binding %d: a subject is user:, group: or key: and a name, not %q", i, s)
			}
		}
	}
	return nil
}

func validSubject(s string) bool {
	kind, name, ok := strings.Cut(s, ":")
	return ok && name != "" && (kind == "user" || kind == "group" || kind == "key")
}

// circle is the way from a role back to itself, or nil.
func circle(roles map[string]Role, start string) []string {
	seen := map[string]bool{}
	var walk func(name string, path []string) []string
	walk = func(name string, path []string) []string {
		for _, next := range roles[name].Includes {
			if next == start {
				return append(path, next)
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if found := walk(next, append(path, next)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(start, []string{start})
}

// check finds what can never work in the rules.
func (r Role) check(types []*Type) (out []FieldError) {
	for i, rule := range r.Rules {
		at := fmt.Sprintf("/rules/%d", i)
		add := func(part, format string, args ...any) {
			out = append(out, FieldError{Pointer: at + part, Detail: fmt.Sprintf(format, args...)})
		}
		if len(rule.Types) == 0 || len(rule.Actions) == 0 {
			add("", "needs types and actions")
		}
		if rule.Effect != "" && rule.Effect != "allow" && rule.Effect != "deny" {
			add("/effect", "is allow or deny")
		}
		for j, a := range rule.Actions {
			if a != "*" && !slices.Contains(Rights, a) && !actionName.MatchString(a) {
				add(fmt.Sprint("/actions/", j), "is no action")
			}
		}
		if slices.Contains(rule.Actions, "admin") && (rule.Where != "" || len(rule.Fields.Hide)+len(rule.Fields.ReadOnly) > 0 || rule.Effect == "deny") {
			add("", "admin is every right, so that neither where, fields nor deny go with it")
		}
		if rule.Effect == "deny" && len(rule.Fields.Hide)+len(rule.Fields.ReadOnly) > 0 {
			add("/fields", "belong to a rule that allows")
		}
		for j, name := range rule.Types {
			matched := 0
			for _, t := range types {
				if !rule.covers(t) {
					continue
				}
				if name != t.Name && !strings.HasSuffix(name, "*") {
					continue
				}
				matched++
				rule.checkFor(t, name == t.Name, add)
			}
			if matched == 0 && !strings.HasSuffix(name, "*") {
				add(fmt.Sprint("/types/", j), "%q is no type", name)
			}
		}
	}
	return out
}

// checkFor looks at a rule as one type takes it. Under a wildcard a type may be
// without the fields.
func (r Rule) checkFor(t *Type, named bool, add func(part, format string, args ...any)) {
	if r.Where != "" {
		if _, err := query.Parse(t.definition.QueryFields(), r.Where, query.Options{Variables: noPrincipal}); err != nil && named {
			add("/where", "for %s: %v", t.Name, err)
		}
	}
	for _, path := range append(slices.Clone(r.Fields.Hide), r.Fields.ReadOnly...) {
		if named && !t.HasPath(path) {
			add("/fields", "%s has no field %q", t.Name, path)
		}
	}
}

// covers reports whether a rule is about a type.
func (r Rule) covers(t *Type) bool {
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

// noPrincipal stands for whoever asks, when a rule is only checked.
func noPrincipal(name string) (query.Variable, bool) {
	return Actor{Principal: "user:nobody", Identity: &Identity{}}.variable(name)
}

// variable is what a principal. name of a where stands for.
func (a Actor) variable(name string) (query.Variable, bool) {
	switch {
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

// Identity is what a policy knows of who asks.
type Identity struct {
	Groups []string
	Claims map[string]any // of the token
	Scopes []Rule         // nil: none of its rights are taken away
	Admin  bool           // every right
	Limit  string         // a role besides whose rules nothing is allowed; empty: none
	Until  time.Time      // when the token expires; zero: it is no token
	acting bool           // something is done for it: groups and scopes of a key are looked up again
	grants grantCache
}

// subjects are the names that bindings may have for an actor.
func (a Actor) subjects() []string {
	out := []string{a.Principal}
	for _, g := range a.Identity.Groups {
		out = append(out, "group:"+g)
	}
	return out
}

// ownerAccess is the access of a type whose resources are their creators' own.
const ownerAccess = "owner"

// ownerActions are what `access: owner` in a model allows everybody who is known.
var ownerActions = []string{"create", "read", "list", "update", "modify", "publish", "delete", "restore", "switch", "watch", "cancel", "rerun"}

// ownRules are the rules that a model brings for everybody who is known.
func (t *Type) ownRules() []Rule {
	if t.Access != ownerAccess {
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

func (a Actor) inGroups() []string {
	if a.Identity != nil {
		return a.Identity.Groups
	}
	return a.groups
}

// draftFirst tells that what becomes stable in a type is published.
func (t *Type) draftFirst() bool { return t.DefaultStatus == storage.Draft }

package resource

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
)

// Access holds the policy that is in force: that of the file and what the
// resources of the types roles and bindings add to it, and the API keys. Follow
// keeps it up to date. Its methods are safe for concurrent use.
type Access struct {
	types   []*Type
	version atomic.Uint64

	mu       sync.RWMutex
	roles    map[string]Role     // of the file, by name
	bindings []Binding           // of the file
	added    map[string]Role     // of the resources, by id
	bound    map[string]Binding  // of the resources, by id
	keys     map[string]*apiKey  // by id
	subjects map[string][]string // subject -> roles
	named    map[string]Role     // every role, by name
	followed uint64              // sequence up to which the log was read
	seen     map[string]uint64   // "type/id" -> its newest event
	changed  chan struct{}       // closed and replaced when the policy changes
	admin    [][]byte            // hashes of keys with every right
	Refused  func(Refusal)       // told of every refusal; nil: nobody
	Now      func() time.Time    // nil: time.Now
}

// NewAccess begins with the policy of the file; nil: it has none.
func NewAccess(types []*Type, file *Policy) *Access {
	a := &Access{types: types, roles: map[string]Role{}, added: map[string]Role{}, bound: map[string]Binding{}, keys: map[string]*apiKey{}, seen: map[string]uint64{}, changed: make(chan struct{})}
	if file != nil {
		a.bindings = file.Bindings
		for _, r := range file.Roles {
			a.roles[r.Name] = r
		}
	}
	a.compile()
	return a
}

// compile makes the tables that requests look at. The caller holds the lock.
func (a *Access) compile() {
	a.named = map[string]Role{}
	for _, id := range sortedKeys(a.added) {
		a.named[a.added[id].Name] = a.added[id]
	}
	for name, r := range a.roles { // the file is the operator's: it wins
		a.named[name] = r
	}
	a.subjects = map[string][]string{}
	bind := func(b Binding) {
		for _, s := range b.Subjects {
			if !slices.Contains(a.subjects[s], b.Role) {
				a.subjects[s] = append(a.subjects[s], b.Role)
			}
		}
	}
	for _, b := range a.bindings {
		bind(b)
	}
	for _, id := range sortedKeys(a.bound) {
		bind(a.bound[id])
	}
	a.version.Add(1)
	close(a.changed)
	a.changed = make(chan struct{})
}

// rolesOf lists the roles of an actor and those that they include.
func (a *Access) rolesOf(actor Actor) (out []Role) {
	seen := map[string]bool{}
	var add func(names []string)
	add = func(names []string) {
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			if r, ok := a.named[name]; ok {
				out = append(out, r)
				add(r.Includes)
			}
		}
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, s := range actor.subjects() {
		add(a.subjects[s])
	}
	return out
}

// grant is a rule as it is for one actor and one type.
type grant struct {
	name     string // "role editor, rule 2"
	rule     Rule
	where    query.Expr // nil: always
	hide     []string
	readonly []string
}

// access is what one actor may do with one type.
type access struct {
	typ     *Type
	admin   bool
	scopes  []Rule // nil: all
	allow   []grant
	deny    []grant
	version uint64
	until   time.Time // now() in a where is older afterwards
}

// grantCache keeps the access of an identity, which may live as long as a watch.
type grantCache struct {
	mu   sync.Mutex
	kept map[string]*access
}

// grantsFor is how long now() may stand still in a rule.
const grantsFor = time.Second

// of finds what an actor may do with a type, as the policy is now.
func (a *Access) of(actor Actor, t *Type) *access {
	c := &actor.Identity.grants
	version, now := a.version.Load(), a.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.kept[t.Name]; x != nil && x.version == version && now.Before(x.until) {
		return x
	}
	x := a.build(actor, t, now)
	x.version, x.until = version, now.Add(grantsFor)
	if c.kept == nil {
		c.kept = map[string]*access{}
	}
	c.kept[t.Name] = x
	return x
}

func (a *Access) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

func (a *Access) build(actor Actor, t *Type, now time.Time) *access {
	out := &access{typ: t, admin: actor.Identity.Admin, scopes: actor.Identity.Scopes}
	fields := t.definition.QueryFields()
	take := func(name string, r Rule) {
		if !r.covers(t) {
			return
		}
		deny := r.Effect == "deny"
		if slices.Contains(r.Actions, "admin") && !deny {
			out.admin = true
		}
		g := grant{name: name, rule: r, hide: r.Fields.Hide, readonly: r.Fields.ReadOnly}
		if strings.TrimSpace(r.Where) != "" {
			var err error
			if g.where, err = query.Parse(fields, r.Where, query.Options{Now: now, Variables: actor.variable, Negated: deny}); err != nil {
				if !deny {
					return // it cannot match anything of this type
				}
				g.where = nil // what cannot be decided is denied
			}
		}
		if deny {
			out.deny = append(out.deny, g)
		} else {
			out.allow = append(out.allow, g)
		}
	}
	for i, r := range t.ownRules() {
		take(fmt.Sprintf("model %s, access rule %d", t.Name, i), r)
	}
	for _, role := range a.rolesOf(actor) {
		for i, r := range role.Rules {
			take(fmt.Sprintf("role %s, rule %d", role.Name, i), r)
		}
	}
	return out
}

// full reports whether nothing is limited.
func (x *access) full() bool { return x.admin && x.scopes == nil }

func (x *access) scoped(action string) bool {
	if x.scopes == nil {
		return true
	}
	return slices.ContainsFunc(x.scopes, func(r Rule) bool {
		return r.covers(x.typ) && slices.ContainsFunc(r.Actions, func(a string) bool {
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

// may decides an action on a type, before any resource is looked at.
func (x *access) may(action string) Decision {
	if !x.scoped(action) {
		return Decision{Why: fmt.Sprintf("the scopes of the API key leave out %s on %s", action, x.typ.Name)}
	}
	if x.admin {
		return Decision{Allowed: true, Rule: "admin", Why: "admin has every right"}
	}
	for _, g := range x.deny {
		if g.rule.names(action) && g.where == nil {
			return Decision{Rule: g.name, Why: fmt.Sprintf("%s denies %s on %s", g.name, action, x.typ.Name)}
		}
	}
	for _, g := range x.allow {
		if g.rule.names(action) {
			return Decision{Allowed: true, Rule: g.name, Why: fmt.Sprintf("%s allows %s on %s", g.name, action, x.typ.Name)}
		}
	}
	return Decision{Why: fmt.Sprintf("no rule allows %s on %s", action, x.typ.Name)}
}

// on decides an action on one state of a resource.
func (x *access) on(action string, row query.Row) Decision {
	d := x.may(action)
	if !d.Allowed || x.admin {
		return d
	}
	for _, g := range x.deny {
		if g.rule.names(action) && query.Eval(g.where, row) != query.False {
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
	return g.rule.names(action) && (g.where == nil || query.Eval(g.where, row) == query.True)
}

// rows is the filter of the resources that an action is allowed on; nil: all.
// What a denying rule cannot decide is denied, as in on.
func (x *access) rows(action string) query.Expr {
	if x.admin {
		return nil
	}
	any, all := query.Or{}, false
	for _, g := range x.allow {
		if !g.rule.names(action) {
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
		if g.rule.names(action) {
			if g.where == nil {
				return query.Const{Value: false}
			}
			terms = append(terms, query.Not{Term: g.where})
		}
	}
	return allOf(terms...)
}

// allOf joins conditions, of which some may be nil.
func allOf(terms ...query.Expr) query.Expr {
	terms = slices.DeleteFunc(slices.Clone(terms), func(e query.Expr) bool { return e == nil })
	switch len(terms) {
	case 0:
		return nil
	case 1:
		return terms[0]
	}
	return query.And{Terms: terms}
}

// everHidden lists the fields that some rule for the action hides: whether a row
// has one cannot be told before it is read, so none of them can be asked about.
func (x *access) everHidden(action string) (out []string) {
	if x.admin {
		return nil
	}
	for _, g := range x.allow {
		if g.rule.names(action) {
			out = append(out, g.hide...)
		}
	}
	return out
}

// hidden lists the fields of a state that no rule for the action shows, and
// readonly those that none lets write.
func (x *access) hidden(action string, row query.Row) []string {
	return x.common(action, row, func(g grant) []string { return g.hide })
}

func (x *access) readonly(action string, row query.Row) []string {
	return x.common(action, row, func(g grant) []string { return g.readonly })
}

// common are the paths that every rule which matches has.
func (x *access) common(action string, row query.Row, of func(grant) []string) (out []string) {
	first := true
	for _, g := range x.allow {
		if x.admin || !g.matches(action, row) {
			continue
		}
		if list := of(g); first {
			out, first = list, false
		} else {
			both := slices.DeleteFunc(slices.Clone(out), func(p string) bool { return !under(p, list) })
			out = append(both, slices.DeleteFunc(slices.Clone(list), func(p string) bool { return !under(p, out) })...)
		}
	}
	return out
}

// under reports whether a path is one of the list or inside one of it.
func under(path string, list []string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return path == p || strings.HasPrefix(path, p+".") })
}

// touches reports whether a path is, holds or is inside one of the list.
func touches(path string, list []string) bool {
	return under(path, list) || slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(p, path+".") })
}

// fields are those that may be asked about.
func (x *access) fields(action string) query.Fields {
	all := x.typ.definition.QueryFields()
	hide := x.everHidden(action)
	if len(hide) == 0 {
		return all
	}
	var out []query.Field
	for _, name := range all.Names() {
		if f, _ := all.Lookup(name); !touches(name, hide) {
			out = append(out, f)
		}
	}
	return query.NewFields(out...)
}

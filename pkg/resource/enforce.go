package resource

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Refusal is what somebody was not allowed to do.
type Refusal struct {
	Actor            Actor
	Action, Type, ID string
	Decision         Decision
}

// accessTo is what the actor of the context may do with a type; nil: everything,
// because no policy is in force, or because it is the program itself, or admin.
func (m *Manager) accessTo(ctx context.Context, t *Type) *access {
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

func denied(ctx context.Context, t *Type, id, action string, d Decision) error {
	name := ""
	if t != nil {
		name = t.Name
	}
	return &Error{Code: PermissionDenied, Detail: d.Why, Refusal: &Refusal{Actor: ActorOf(ctx), Action: action, Type: name, ID: id, Decision: d}}
}

// May refuses an action that the actor is allowed on no resource of a type.
func (m *Manager) May(ctx context.Context, t *Type, action string) error {
	if x := m.accessTo(ctx, t); x != nil {
		if d := x.may(action); !d.Allowed {
			return denied(ctx, t, "", action, d)
		}
	}
	return nil
}

// Admin refuses who has not every right.
func (m *Manager) Admin(ctx context.Context) error {
	actor := ActorOf(ctx)
	if m.o.Access == nil || actor.Identity == nil {
		return nil
	}
	if actor.Identity.Scopes == nil {
		if actor.Identity.Admin {
			return nil
		}
		for _, role := range m.o.Access.rolesOf(actor) {
			for _, r := range role.Rules {
				if slices.Contains(r.Types, "*") && slices.Contains(r.Actions, "admin") && r.Effect != "deny" {
					return nil
				}
			}
		}
	}
	return denied(ctx, nil, "", "admin", Decision{Why: "this needs a role with admin on all types"})
}

// Knows reports whether the actor has any right on a type.
func (m *Manager) Knows(ctx context.Context, t *Type) bool {
	x := m.accessTo(ctx, t)
	if x == nil || x.admin && x.scoped("read") {
		return true
	}
	return slices.ContainsFunc(x.allow, func(g grant) bool {
		return slices.ContainsFunc(g.rule.Actions, func(a string) bool { return a == "*" && x.scopes == nil || x.scoped(a) })
	})
}

// mayWriteSome refuses who may not write a resource of any type.
func (m *Manager) mayWriteSome(ctx context.Context) error {
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
func (m *Manager) view(ctx context.Context, t *Type, e *storage.Event) (*sight, error) {
	content, err := m.contentNow(ctx, t, e)
	if err != nil {
		return nil, err
	}
	return newView(t, e, content), nil
}

func newView(t *Type, e *storage.Event, content []byte) *sight {
	s := &sight{typ: t, event: e, content: content}
	_ = s.read() // content that cannot be asked about has no values
	return s
}

// readable is the event when the actor may read the state it left.
func (m *Manager) readable(ctx context.Context, t *Type, e *storage.Event) (bool, error) {
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
func (m *Manager) visible(ctx context.Context, t *Type, id string, s state) error {
	x := m.accessTo(ctx, t)
	if x == nil {
		return nil
	}
	if d := x.may("read"); !d.Allowed {
		return denied(ctx, t, id, "read", d)
	}
	if !s.exists() {
		return nil
	}
	ok, err := m.readable(ctx, t, s.event)
	if err == nil && !ok {
		return live(t, id, state{})
	}
	return err
}

// limits are what a write may not touch, for prepare.
type limits struct {
	access *access
	action string
	actor  Actor
	before *sight // nil: a new resource
}

type limitsKey struct{}

func limitsOf(ctx context.Context) *limits {
	l, _ := ctx.Value(limitsKey{}).(*limits)
	return l
}

// planned is the one way to a step: it is asked for a plan that the actor may
// carry out on the state before it and on the state after it.
func (m *Manager) planned(ctx context.Context, t *Type, p plan, s state) (step, error) {
	x := m.accessTo(ctx, t)
	if x == nil || p.action == "" {
		return p.make(ctx, s)
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
	return next, m.checkAfterwards(ctx, l, t, p, s, next)
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

// checkAfterwards asks whether the state that a step makes is allowed.
func (m *Manager) checkAfterwards(ctx context.Context, l *limits, t *Type, p plan, s state, next step) error {
	e := *next.event
	if e.Action == storage.Purged {
		return nil
	}
	now, who := m.now(), l.actor.Principal
	e.Meta.UpdatedAt, e.Meta.UpdatedBy = now, who
	if !s.exists() {
		e.Meta.CreatedAt, e.Meta.CreatedBy = now, who
	}
	content, err := t.current(next.content, e.Revision.SchemaVersion)
	if err != nil {
		return err
	}
	v := newView(t, &e, content)
	id := e.Meta.ID
	if p.action == "switch" && !l.access.on("read", v).Allowed {
		return Errorf(UnknownRevision, "%s %q has no revision %d", t.Name, id, e.Revision.Number)
	}
	actions := []string{p.action}
	if publishes(t, s, &e) && p.action != "publish" && p.action != "switch" {
		actions = append(actions, "publish")
	}
	for _, action := range actions {
		if d := l.access.on(action, v); !d.Allowed {
			return denied(ctx, t, id, action, d)
		}
	}
	return m.mayAlso(ctx, t, next.content)
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

// mayAlso refuses what would give its writer rights by a detour: a key with groups
// it is not in, a schedule of jobs it may not make, a webhook that is told what it
// may not watch.
func (m *Manager) mayAlso(ctx context.Context, t *Type, content []byte) error {
	if !t.Builtin || m.Admin(ctx) == nil {
		return nil
	}
	actor := ActorOf(ctx)
	switch t.Name {
	case APIKeys:
		k, err := readKey(content)
		if err != nil {
			return err
		}
		for _, g := range k.Groups {
			if !slices.Contains(actor.Identity.Groups, g) {
				return denied(ctx, t, "", "create", Decision{Why: "only an admin gives a key groups that it is not in itself"})
			}
		}
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
			if x := m.accessTo(ctx, of); x != nil && (!x.may("watch").Allowed || x.rows("watch") != nil || len(x.everHidden("watch")) > 0) {
				return denied(ctx, of, "", "watch", Decision{Why: "a webhook is told everything about " + of.Name + ", which needs the right to watch all of it"})
			}
		}
	}
	return nil
}

// bulkRight is the right that each write of a bulk change needs.
func bulkRight(op string) string {
	if op == "patch" {
		return "update"
	}
	return op
}

// censor takes out of an error what its reader may not know.
func (l *limits) censor(err error) error {
	var e *Error
	if l == nil || !errors.As(err, &e) || len(e.Fields) == 0 || e.Code == PermissionDenied {
		return err
	}
	hide := l.protected()
	hidden := false
	fields := make([]FieldError, 0, len(e.Fields))
	for _, f := range e.Fields {
		if path := strings.ReplaceAll(strings.Trim(f.Pointer, "/"), "/", "."); path != "" && under(withoutIndexes(path), hide) {
			hidden = true
			continue
		}
		fields = append(fields, f)
	}
	if !hidden {
		return err
	}
	return &Error{Code: e.Code, Detail: "a part that you may not see does not fit", Fields: append(fields, FieldError{Pointer: "", Detail: "a part that you may not see does not fit"})}
}

func withoutIndexes(path string) string {
	parts := slices.DeleteFunc(strings.Split(path, "."), func(p string) bool { return p != "" && strings.Trim(p, "0123456789") == "" })
	return strings.Join(parts, ".")
}

// protected are the fields that the writer may not see.
func (l *limits) protected() []string {
	if l.before == nil {
		return l.access.everHidden(l.action)
	}
	return outermost(append(slices.Clone(l.access.hidden("read", l.before)), l.access.hidden(l.action, l.before)...))
}

// outermost leaves each path once, and none inside another.
func outermost(paths []string) []string {
	slices.Sort(paths)
	paths = slices.Compact(paths)
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool {
		return slices.ContainsFunc(paths, func(q string) bool { return q != p && under(p, []string{q}) })
	})
}

// shown is content as its writer sees it, which is what a patch applies to.
func (l *limits) shown(content []byte) []byte {
	if l == nil || l.before == nil {
		return content
	}
	return redact(content, l.protected())
}

// merge completes a document with what its writer may not see or write, and
// refuses one that changes it.
func (l *limits) merge(ctx context.Context, t *Type, data any) (any, error) {
	doc, ok := data.(map[string]any)
	if l == nil || !ok {
		return data, nil
	}
	refuse := func(path, why string) error {
		err := denied(ctx, t, "", l.action, Decision{Why: "the field " + path + " " + why}).(*Error)
		err.Fields = []FieldError{{Pointer: "/" + strings.ReplaceAll(path, ".", "/"), Detail: why}}
		return err
	}
	if l.before == nil {
		row := newView(t, &storage.Event{Meta: storage.Meta{Type: t.Name, CreatedBy: l.actor.Principal, UpdatedBy: l.actor.Principal}}, l.defaulted(t, data))
		for _, path := range append(slices.Clone(l.access.hidden(l.action, row)), l.access.readonly(l.action, row)...) {
			if len(collect(doc, splitPath(path))) > 0 {
				return nil, refuse(path, "is not yours to write")
			}
		}
		return data, nil
	}
	tree, err := DecodeJSON(l.before.content)
	if err != nil {
		return nil, err
	}
	old, _ := tree.(map[string]any)
	for _, path := range l.protected() {
		if !keep(doc, old, splitPath(path), false) {
			return nil, refuse(path, "is not yours to write")
		}
	}
	for _, path := range slices.DeleteFunc(outermost(slices.Clone(l.access.readonly(l.action, l.before))), func(p string) bool { return touches(p, l.protected()) }) {
		if !keep(doc, old, splitPath(path), true) {
			return nil, refuse(path, "is not yours to change")
		}
	}
	return doc, nil
}

// defaulted is the content that a new document will have.
func (l *limits) defaulted(t *Type, data any) []byte {
	content := AppendCanonical(nil, data)
	copied, err := DecodeJSON(content)
	if err != nil {
		return content
	}
	return AppendCanonical(nil, t.Defaults(copied))
}

// keep makes a field of doc what it is in old. Where doc already says something
// it must be the same, and may only be there at all when the writer sees it.
func keep(doc, old map[string]any, names []string, seen bool) bool {
	name := names[0]
	was, had := old[name]
	is, has := doc[name]
	if len(names) == 1 {
		if !has {
			if had {
				doc[name] = was
			}
			return true
		}
		return seen && had && reflect.DeepEqual(was, is)
	}
	switch was := was.(type) {
	case map[string]any:
		sub, ok := is.(map[string]any)
		if !has || is == nil { // its other parts go, what is kept stays
			sub, ok = map[string]any{}, true
			if len(collect(was, names[1:])) == 0 {
				return true
			}
		}
		if !ok {
			return len(collect(was, names[1:])) == 0
		}
		doc[name] = sub
		return keep(sub, was, names[1:], seen)
	case []any:
		// Which element of a list was which cannot be told: it stays as it is.
		if len(collect(was, names[1:])) == 0 {
			return len(collect(is, names[1:])) == 0
		}
		shown := any(was)
		if !seen {
			shown = without(was, names[1:])
		}
		if has && reflect.DeepEqual(shown, is) {
			doc[name] = was
			return true
		}
		return false
	}
	return len(collect(is, names[1:])) == 0
}

// collect lists the values at a path, through lists.
func collect(v any, names []string) []any {
	switch v := v.(type) {
	case []any:
		var out []any
		for _, x := range v {
			out = append(out, collect(x, names)...)
		}
		return out
	case map[string]any:
		if x, ok := v[names[0]]; ok {
			if len(names) == 1 {
				return []any{x}
			}
			return collect(x, names[1:])
		}
	}
	return nil
}

// without is a copy of a value without what is at a path.
func without(v any, names []string) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = without(x, names)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			switch {
			case k != names[0]:
				out[k] = x
			case len(names) > 1:
				out[k] = without(x, names[1:])
			}
		}
		return out
	}
	return v
}

// redact takes fields out of content.
func redact(content []byte, hide []string) []byte {
	if len(hide) == 0 || content == nil {
		return content
	}
	tree, err := DecodeJSON(content)
	if err != nil {
		return []byte("{}")
	}
	for _, path := range hide {
		tree = without(tree, splitPath(path))
	}
	return AppendCanonical(nil, tree)
}

// redacted limits an answer to what the actor sees of it. Hash and size are those
// of what is shown: the hash of hidden values would let them be guessed.
func (m *Manager) redacted(ctx context.Context, t *Type, action string, r *Resource) (*Resource, error) {
	x := m.accessTo(ctx, t)
	if x == nil || r == nil {
		return r, nil
	}
	v, err := viewOf(t, r)
	if err != nil {
		return nil, err
	}
	data := []byte(r.Data)
	if !x.on(action, v).Allowed {
		data = []byte("{}")
	} else if hide := x.hidden(action, v); len(hide) > 0 {
		data = redact(r.Data, hide)
	} else {
		return r, nil
	}
	out := *r
	out.Data = data
	out.Revision, err = rehash(r.Revision, data)
	return &out, err
}

// viewOf is a resource as rules are asked about it.
func viewOf(t *Type, r *Resource) (*sight, error) {
	e := &storage.Event{Seq: r.Seq}
	if err := json.Unmarshal(r.Meta, &e.Meta); err != nil {
		return nil, err
	}
	return newView(t, e, r.Data), nil
}

func rehash(revision json.RawMessage, data []byte) (json.RawMessage, error) {
	if len(revision) == 0 {
		return revision, nil
	}
	var rev storage.Revision
	if err := json.Unmarshal(revision, &rev); err != nil {
		return nil, err
	}
	rev.Hash, rev.Size = hashOf(data), len(data)
	return json.Marshal(rev)
}

// narrow limits a search to what an action is allowed on.
func (m *Manager) narrow(ctx context.Context, t *Type, action string, e query.Expr) query.Expr {
	if x := m.accessTo(ctx, t); x != nil {
		if !x.may(action).Allowed {
			return query.Const{Value: false}
		}
		return allOf(e, x.rows(action))
	}
	return e
}

// redactAll limits the answers of a search, which found only what may be seen.
func (m *Manager) redactAll(ctx context.Context, t *Type, action string, items []*Resource) (err error) {
	x := m.accessTo(ctx, t)
	if x == nil || len(x.everHidden(action)) == 0 {
		return nil
	}
	for i, r := range items {
		if items[i], err = m.redacted(ctx, t, action, r); err != nil {
			return err
		}
	}
	return nil
}

// watched tells a watch what its actor may see of a state, which is asked for
// every event anew.
func (m *Manager) watched(ctx context.Context, e *storage.Event, content json.RawMessage) (json.RawMessage, bool) {
	t := m.types[e.Meta.Type]
	if t == nil {
		return nil, false
	}
	x := m.accessTo(ctx, t)
	if x == nil {
		return content, true
	}
	if !x.may("watch").Allowed {
		return nil, false
	}
	if content == nil { // gone: only who sees everything sees that
		return nil, x.rows("watch") == nil
	}
	v := newView(t, e, content)
	if !x.on("watch", v).Allowed {
		return nil, false
	}
	if hide := x.hidden("watch", v); len(hide) > 0 {
		return redact(content, hide), true
	}
	return content, true
}

// shownRevision is a revision as the actor sees it; ok is false when it may not.
func (m *Manager) shownRevision(ctx context.Context, t *Type, s state, e *storage.Event) (rev storage.Revision, ok bool, err error) {
	x := m.accessTo(ctx, t)
	if x == nil {
		return e.Revision, true, nil
	}
	was := *e
	was.Meta = s.event.Meta
	content, err := m.contentNow(ctx, t, e)
	if err != nil {
		return rev, false, err
	}
	v := newView(t, &was, content)
	if !x.on("read", v).Allowed {
		return rev, false, nil
	}
	rev = e.Revision
	if hide := x.hidden("read", v); len(hide) > 0 {
		data := redact(content, hide)
		rev.Hash, rev.Size = hashOf(data), len(data)
	}
	return rev, true, nil
}

// mayOpen reports whether a revision that the actor may read refers to a binary
// in what is shown of it.
func (m *Manager) mayOpen(ctx context.Context, t *Type, s state, digest string) (bool, error) {
	x := m.accessTo(ctx, t)
	if x == nil {
		return true, nil
	}
	holds := func(e *storage.Event) (bool, error) {
		if !slices.Contains(e.Binaries, digest) {
			return false, nil
		}
		was := *e
		was.Meta = s.event.Meta
		content, err := m.contentNow(ctx, t, e)
		if err != nil {
			return false, err
		}
		v := newView(t, &was, content)
		return x.on("read", v).Allowed && slices.Contains(t.digests(redact(content, x.hidden("read", v))), digest), nil
	}
	if ok, err := holds(s.event); ok || err != nil {
		return ok, err
	}
	for after := uint64(0); ; {
		events, err := m.index.Events(ctx, storage.EventQuery{Type: t.Name, ID: s.event.Meta.ID, After: after, Written: true, Limit: MaxPageSize})
		if err != nil {
			return false, stored(err)
		}
		for _, past := range events {
			if ok, err := holds(past.Event); ok || err != nil {
				return ok, err
			}
			after = past.Seq
		}
		if len(events) < MaxPageSize {
			return false, nil
		}
	}
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

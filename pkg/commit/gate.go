package commit

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Gate decides whether a step may be taken.
type Gate struct {
	Guard      *states.Guard
	Seals      *Seals
	States     *states.States
	o          *states.Options
	strategies states.Strategies
	types      *registry.Types
}

// gate decides whether a step may be taken, by the state before it, the state it
// makes, and its actor. Every step passes it, whatever made it: a write, a
// switch, a restore, one operation of a batch. What a step may do is decided here
// and not where it is made, so that no operation can forget it. l is nil when no
// policy limits the actor.
func (gt *Gate) gate(ctx context.Context, l *limits, t *model.Type, p Plan, s states.State, next Step) (Step, error) {
	if model.Superseded(t) {
		return Step{}, &fault.Error{Code: fault.Unavailable, RetryAfter: 5 * time.Second, Detail: "another process serves a newer model of " + t.Name + ", which this one cannot take over: it has to be started with that model"}
	}
	if next.Event.Action == storage.Purged {
		if err := gt.mayHand(ctx, t, p, s, next); err != nil {
			return Step{}, err
		}
		return next, gt.keeps(ctx, t, p, s, next)
	}
	next, err := gt.Seals.carried(ctx, t, s, next)
	if err != nil {
		return Step{}, err
	}
	if e := next.Event; t.Builtin && e.Meta.Status == storage.Draft && (!s.Exists() || s.Event.Meta.Status != storage.Draft) {
		return Step{}, fault.Errorf(fault.ValidationFailed, "%s have no drafts: a write is in force at once", t.Name)
	}
	if err := gt.gateReadOnly(ctx, t, s, next); err != nil {
		return Step{}, l.censor(err)
	}
	if l != nil {
		if err := gt.gateRules(ctx, l, t, p, s, next); err != nil {
			return Step{}, err
		}
	}
	if err := gt.publishesOther(ctx, l, t, p, next); err != nil {
		return Step{}, err
	}
	if err := keepsScheduled(s, next); err != nil {
		return Step{}, err
	}
	if err := gt.mayMakeAct(ctx, t, p, next); err != nil {
		return Step{}, err
	}
	if err := gt.mayHand(ctx, t, p, s, next); err != nil {
		return Step{}, err
	}
	if err := gt.fits(t, p, next); err != nil {
		return Step{}, l.censor(err)
	}
	return next, gt.keeps(ctx, t, p, s, next)
}

// gateRules asks the policy about the state that a step makes: whether it may be
// made, and whether it leaves alone the fields that its actor may not write.
func (gt *Gate) gateRules(ctx context.Context, l *limits, t *model.Type, p Plan, s states.State, next Step) error {
	e := *next.Event
	now, who := gt.States.Now(), l.actor.Principal
	e.Meta.UpdatedAt, e.Meta.UpdatedBy = now, who
	if !s.Exists() {
		e.Meta.CreatedAt, e.Meta.CreatedBy = now, who
	}
	content, err := states.ShownOf(t, &e, next.Content)
	if err != nil {
		return err
	}
	after := states.NewViewOf(t, &e, content, next.read())
	id := e.Meta.ID
	if next.from != 0 && !l.access.On("read", after).Allowed {
		return fault.Errorf(fault.UnknownRevision, "%s %q has no revision %d", t.Name, id, next.from)
	}
	actions := append([]string{p.Action}, next.also...)
	for _, action := range next.also {
		if d := l.access.May(action); !d.Allowed {
			return policy.Denied(ctx, t, "", action, d)
		}
		if l.before == nil {
			continue
		}
		if d := l.access.On(action, l.before); !d.Allowed {
			return policy.Denied(ctx, t, id, action, d)
		}
	}
	if err := l.keepsFields(ctx, t, actions, after); err != nil {
		return err
	}
	if publishes(t, s, &e) && p.Action != "publish" && p.Action != "switch" {
		actions = append(actions, "publish")
	}
	for _, action := range actions {
		if d := l.access.On(action, after); !d.Allowed {
			return policy.Denied(ctx, t, id, action, d)
		}
	}
	return nil
}

// mayBeginFrom refuses a patch of an older revision that its actor may not read,
// or of which it may see less than of the newest state, before the patch is tried:
// its outcome would show what is in there.
func (l *limits) mayBeginFrom(ctx context.Context, t *model.Type, next Step) error {
	if l == nil || next.from == 0 {
		return nil
	}
	content, err := t.Current(next.Content, next.Event.Revision.SchemaVersion)
	if err != nil {
		return err
	}
	from := states.NewViewOf(t, next.Event, content, next.read())
	if !l.access.On("read", from).Allowed {
		return fault.Errorf(fault.UnknownRevision, "%s %q has no revision %d", t.Name, next.Event.Meta.ID, next.from)
	}
	known := l.protected()
	for _, path := range l.access.Hidden("read", from) {
		if !policy.Under(path, known) {
			return l.refuse(ctx, t, path, notToWrite)
		}
	}
	return nil
}

// keepsFields refuses a step that changes a field which its actor may not see or
// write, by the rules for the state before it and for the state after it.
func (l *limits) keepsFields(ctx context.Context, t *model.Type, actions []string, after *states.View) error {
	var hidden, readonly []string
	for _, row := range []*states.View{l.before, after} {
		if row == nil {
			continue
		}
		if l.before != nil {
			hidden = append(hidden, l.access.Hidden("read", row)...)
		}
		for _, action := range actions {
			hidden = append(hidden, l.access.Hidden(action, row)...)
			readonly = append(readonly, l.access.Readonly(action, row)...)
		}
	}
	if len(hidden)+len(readonly) == 0 {
		return nil
	}
	f, err := newFieldsKept(t, l.before, after)
	if err != nil {
		return err
	}
	for _, path := range outermost(hidden) {
		if !f.kept(path) {
			return l.refuse(ctx, t, path, notToWrite)
		}
	}
	for _, path := range outermost(readonly) {
		if !f.kept(path) {
			return l.refuse(ctx, t, path, notToChange)
		}
	}
	return nil
}

// fieldsKept compares two states of a resource field by field.
type fieldsKept struct {
	typ           *model.Type
	before, after any
	filled        any // before with the defaults of today
}

func newFieldsKept(t *model.Type, before, after *states.View) (f fieldsKept, err error) {
	f.typ = t
	if f.after, err = after.Tree(); err != nil || before == nil {
		return f, err
	}
	if f.before, err = before.Tree(); err != nil {
		return f, err
	}
	f.filled = t.Defaults(f.before)
	return f, nil
}

// kept reports whether a field is after the step what it was before it, or what
// its default makes it.
func (f fieldsKept) kept(path string) bool {
	names := model.SplitPath(path)
	if f.before == nil {
		return agree(f.typ.Defaults(states.Without(f.after, names)), f.after, names)
	}
	return agree(f.before, f.after, names) || agree(f.filled, f.after, names)
}

// agree reports whether two documents have the same at a path. Which element of a
// list was which cannot be told, so a list that has anything there must be the
// same list.
func agree(a, b any, names []string) bool {
	_, list := a.([]any)
	if !list {
		_, list = b.([]any)
	}
	if list {
		return len(model.Collect(a, names)) == 0 && len(model.Collect(b, names)) == 0 || model.EqualJSON(a, b)
	}
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	was, had := x[names[0]]
	is, has := y[names[0]]
	if len(names) == 1 {
		return had == has && model.EqualJSON(was, is)
	}
	return agree(was, is, names[1:])
}

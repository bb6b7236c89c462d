package states

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Guard asks the policy about what is read and written, and leaves out of answers what
// the actor may not read.
type Guard struct {
	States     *States
	index      Index
	o          *Options
	strategies Strategies
	types      *registry.Types
}

// NewGuard asks the policy of the options.
func NewGuard(c Core, st *States) *Guard {
	return &Guard{States: st, index: c.Index, o: c.Options, strategies: c.Strategies, types: c.Types}
}

// AccessTo is what the actor of the context may do with a type; nil: everything,
// because no policy is in force, or because it is the program itself, or admin.
func (gd *Guard) AccessTo(ctx context.Context, t *model.Type) *policy.Permissions {
	if gd.o.Access == nil {
		return nil
	}
	actor := policy.ActorOf(ctx)
	if actor.Identity == nil {
		return nil
	}
	x := gd.o.Access.PermissionsOf(actor, t)
	if x.Full() {
		return nil
	}
	return x
}

// May refuses an action that the actor is allowed on no resource of a type.
func (gd *Guard) May(ctx context.Context, t *model.Type, action string) error {
	return gd.mayIn(ctx, t, action, storage.HeadView)
}

// Admin refuses an actor that has not every right there is: a role with admin on all
// types, and no rule that denies it anything. What is about the whole store would
// show or change what the rule denies.
func (gd *Guard) Admin(ctx context.Context) error {
	if gd.o.Access == nil {
		return nil
	}
	if d := gd.o.Access.Everything(policy.ActorOf(ctx)); !d.Allowed {
		return policy.Denied(ctx, nil, "", "admin", d)
	}
	return nil
}

// Knows reports whether the actor has any right on a type.
func (gd *Guard) Knows(ctx context.Context, t *model.Type) bool {
	x := gd.AccessTo(ctx, t)
	return x == nil || x.AllowsSomething()
}

// KnowsSome refuses the caller that has no right on any type.
func (gd *Guard) KnowsSome(ctx context.Context) error {
	for _, t := range gd.types.All() {
		if gd.Knows(ctx, t) {
			return nil
		}
	}
	return policy.Denied(ctx, nil, "", "read", policy.Decision{Why: "no rule allows anything on any type"})
}

// MayKnow refuses an actor that has no right on a type.
func (gd *Guard) MayKnow(ctx context.Context, t *model.Type) error {
	if gd.Knows(ctx, t) {
		return nil
	}
	return policy.Denied(ctx, t, "", "read", policy.Decision{Why: "no rule allows anything on " + t.Name})
}

// MayWriteSome refuses a caller that may not write a resource of any type.
func (gd *Guard) MayWriteSome(ctx context.Context) error {
	for _, t := range gd.types.All() {
		for _, action := range []string{"create", "update", "modify"} {
			if gd.May(ctx, t, action) == nil {
				return nil
			}
		}
	}
	return policy.Denied(ctx, nil, "", "create", policy.Decision{Why: "nothing allows this caller to write a resource of any type"})
}

// ViewOf is a state as rules are asked about it.
func (gd *Guard) ViewOf(ctx context.Context, t *model.Type, e *storage.Event) (*View, error) {
	content, err := gd.States.Shown(ctx, t, e)
	if err != nil {
		return nil, err
	}
	return NewView(t, e, content), nil
}

// NewView is a state with the given content, as it is shown.
func NewView(t *model.Type, e *storage.Event, content []byte) *View {
	return NewViewOf(t, e, content, nil)
}

// NewViewOf is NewView of content that was read already when it is the document's.
func NewViewOf(t *model.Type, e *storage.Event, content []byte, doc *model.Document) *View {
	s := &View{Type: t, Event: e, Content: content}
	if doc.Holds(content) && doc.IsOf(t, e.Revision.SchemaVersion) {
		s.doc = doc
	}
	_ = s.Read() // content that cannot be asked about has no values
	return s
}

// Readable reports whether the actor may read the state that the event left.
func (gd *Guard) Readable(ctx context.Context, t *model.Type, e *storage.Event) (bool, error) {
	return gd.readableIn(ctx, t, storage.HeadView, e)
}

// readableIn is Readable of a state that a view shows.
func (gd *Guard) readableIn(ctx context.Context, t *model.Type, view storage.View, e *storage.Event) (bool, error) {
	x := gd.accessIn(ctx, t, view)
	if x == nil {
		return true, nil
	}
	if !x.May("read").Allowed {
		return false, nil
	}
	v, err := gd.ViewOf(ctx, t, e)
	return err == nil && x.On("read", v).Allowed, err
}

// Visible limits a state that was found to what the actor may read: a state that
// may not be read is like one that is not there.
func (gd *Guard) Visible(ctx context.Context, t *model.Type, id string, s State) error {
	return gd.visibleIn(ctx, t, storage.HeadView, id, s)
}

// visibleIn is Visible of a state that a view shows.
func (gd *Guard) visibleIn(ctx context.Context, t *model.Type, view storage.View, id string, s State) error {
	x := gd.accessIn(ctx, t, view)
	if x != nil {
		if d := x.May("read"); !d.Allowed {
			return policy.Denied(ctx, t, id, "read", d)
		}
	}
	if !s.Exists() {
		return nil
	}
	if x != nil {
		ok, err := gd.readableIn(ctx, t, view, s.Event)
		if err != nil {
			return err
		}
		if !ok {
			return RequireLive(t, id, State{})
		}
	}
	return gd.TellRead(ctx, t, "read", id)
}

// MayRead is readable for a resource that is not read yet.
func (gd *Guard) MayRead(ctx context.Context, k Key) (bool, error) {
	t := gd.types.Named(k.Type)
	if t == nil || gd.AccessTo(ctx, t) == nil {
		return true, nil
	}
	s, err := gd.States.Head(ctx, k, false)
	if err != nil || !s.Exists() {
		return false, err
	}
	return gd.Readable(ctx, t, s.Event)
}

// WatchesAll reports whether the actor may watch every resource of a type and see
// all of it.
func (gd *Guard) WatchesAll(ctx context.Context, t *model.Type) bool {
	x := gd.AccessTo(ctx, t)
	return x == nil || x.May("watch").Allowed && x.Rows("watch") == nil && len(x.EverHidden("watch")) == 0
}

package states

import (
	"context"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Rules may allow an actor to read, list and watch in the published view only. What
// knows no views asks about HEAD and is refused; what does asks by ViewOn which of them
// the actor is shown, and then about what is allowed in that one.

// accessIn is AccessTo what a view shows.
func (gd *Guard) accessIn(ctx context.Context, t *model.Type, view storage.View) *policy.Permissions {
	x := gd.AccessTo(ctx, t)
	if x == nil {
		return nil
	}
	return x.In(view == storage.PublishedView)
}

// mayIn is May in a view.
func (gd *Guard) mayIn(ctx context.Context, t *model.Type, action string, view storage.View) error {
	if x := gd.accessIn(ctx, t, view); x != nil {
		if d := x.May(action); !d.Allowed {
			return policy.Denied(ctx, t, "", action, d)
		}
	}
	return nil
}

// ViewOn is the view in which the actor is shown a type by an action: what was asked
// for, or the published one where the actor is allowed no other.
func (gd *Guard) ViewOn(ctx context.Context, t *model.Type, action string, asked storage.View) storage.View {
	if x := gd.AccessTo(ctx, t); x != nil && x.Pinned(action) {
		return storage.PublishedView
	}
	return asked
}

// MayAsShown is May in the view in which the actor is shown a type.
func (gd *Guard) MayAsShown(ctx context.Context, t *model.Type, action string, asked storage.View) error {
	return gd.mayIn(ctx, t, action, gd.ViewOn(ctx, t, action, asked))
}

// pinned refuses what goes beyond the published view to an actor that is allowed no
// other.
func (gd *Guard) pinned(ctx context.Context, t *model.Type, action string, beyond bool) error {
	if !beyond {
		return nil
	}
	return gd.May(ctx, t, action)
}

// MayRefer reports whether the actor may read what a reference leads to, or a
// published revision of it; number is that of the revision, 0 for any.
func (gd *Guard) MayRefer(ctx context.Context, t *model.Type, e *storage.Event, number int) (bool, error) {
	if ok, err := gd.Readable(ctx, t, e); ok || err != nil || gd.ViewOn(ctx, t, "read", storage.HeadView) != storage.PublishedView {
		return ok, err
	}
	shown, err := gd.States.Published(ctx, Key{t.Name, e.Meta.ID}, e)
	if err != nil || shown == nil || number > 0 && number != shown.Revision.Number {
		return false, err
	}
	return gd.readableIn(ctx, t, storage.PublishedView, shown)
}

// Opened is the state of a live resource by which the actor opens a binary of it.
func (gd *Guard) Opened(ctx context.Context, t *model.Type, id string, s State) (State, error) {
	return gd.shownState(ctx, t, id, storage.HeadView, s)
}

// opensPublished reports whether what is published refers to a binary in what the actor
// is shown of it.
func (gd *Guard) opensPublished(ctx context.Context, t *model.Type, shown *storage.Event, digest string) (bool, error) {
	x := gd.accessIn(ctx, t, storage.PublishedView)
	if !slices.Contains(shown.Binaries, digest) {
		return false, nil
	}
	v, err := gd.ViewOf(ctx, t, shown)
	if err != nil {
		return false, err
	}
	return x.On("read", v).Allowed && slices.Contains(t.Digests(Redact(v.Content, x.Hidden("read", v))), digest), nil
}

package states

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Published is the state of a resource that the published view shows after an event of
// it; nil when it shows none. An event of before does not tell: then it is the newest
// stable revision on the chain from HEAD.
func (st *States) Published(ctx context.Context, k Key, e *storage.Event) (*storage.Event, error) {
	if e.Settled() != 0 {
		return e.PublishedState(), nil
	}
	old, err := st.newestStable(ctx, k, e)
	if fault.CodeOf(err) == fault.UnknownRevision {
		return nil, nil
	}
	return old, err
}

// settled is an event that tells what the published view shows after it.
func (st *States) settled(ctx context.Context, e *storage.Event) (*storage.Event, error) {
	if e.Settled() != 0 {
		return e, nil
	}
	shown, err := st.Published(ctx, Key{e.Meta.Type, e.Meta.ID}, e)
	if err != nil {
		return nil, err
	}
	out := *e
	out.Meta.Published = storage.Unpublished
	if shown != nil {
		out.Meta.Published = storage.Published(shown.Revision.Number)
	}
	return &out, nil
}

// getPublished reads one resource in the published view. What is not published, or may
// not be read, is as if it was not there.
func (rd *Reads) getPublished(ctx context.Context, t *model.Type, id string, o GetOptions) (*Resource, error) {
	x := rd.Guard.accessIn(ctx, t, storage.PublishedView)
	if x != nil {
		if d := x.May("read"); !d.Allowed {
			return nil, policy.Denied(ctx, t, id, "read", d)
		}
		if !o.AsOf.IsZero() { // what was is shown to those who see what is
			now := o
			now.AsOf = time.Time{}
			if _, err := rd.getPublished(ctx, t, id, now); err != nil {
				return nil, err
			}
		}
	}
	gone := RequireLive(t, id, State{})
	if !o.AsOf.IsZero() {
		gone = fault.Errorf(fault.NotFound, "there was no %s %q at %s", t.Name, id, o.AsOf.Format(time.RFC3339Nano))
	}
	e, err := rd.eventFor(ctx, Key{t.Name, id}, o)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, gone
	}
	shown, err := rd.States.Published(ctx, Key{t.Name, id}, e)
	if err != nil {
		return nil, err
	}
	if shown == nil {
		return nil, gone
	}
	if x != nil {
		if ok, err := rd.Guard.readableIn(ctx, t, storage.PublishedView, shown); err != nil || !ok {
			return nil, firstOf(err, gone)
		}
	}
	r, err := rd.Guard.resourceIn(ctx, storage.PublishedView, shown)
	if err == nil && t.Job != nil && o.AsOf.IsZero() {
		rd.o.Live.onto(t.Name, r)
	}
	return r, err
}

func firstOf(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// eventFor is the event of a resource that a read is about, as new as it asks; nil
// when there is none.
func (rd *Reads) eventFor(ctx context.Context, k Key, o GetOptions) (*storage.Event, error) {
	switch {
	case !o.AsOf.IsZero():
		if err := rd.States.Freshen(ctx, o.Consistency, o.MinSeq); err != nil {
			return nil, err
		}
		events, err := rd.index.Events(ctx, storage.EventQuery{Type: k.Type, ID: k.ID, Until: o.AsOf, Descending: true, Limit: 1})
		if err != nil || len(events) == 0 {
			return nil, StoreError(err)
		}
		return events[0].Event, nil
	case o.Consistency == Strong || o.MinSeq > 0 && o.MinSeq > max(rd.progress.Applied(), rd.recent.Last()):
		return rd.States.LastEvent(ctx, k)
	}
	s, err := rd.States.Head(ctx, k, false)
	return s.Event, err
}

// shownState is the state of a resource that a view shows and the actor may read; what
// there is not is refused.
func (gd *Guard) shownState(ctx context.Context, t *model.Type, id string, view storage.View, s State) (State, error) {
	if view = gd.ViewOn(ctx, t, "read", view); view == storage.PublishedView && s.Exists() {
		shown, err := gd.States.Published(ctx, Key{t.Name, id}, s.Event)
		if err != nil {
			return s, err
		}
		s = StateOf(shown, s.Fresh)
	}
	if err := gd.visibleIn(ctx, t, view, id, s); err != nil {
		return s, err
	}
	if !s.Exists() {
		return s, RequireLive(t, id, s)
	}
	return s, nil
}

// WatchablePublished reports whether what is published of a resource now may be watched
// as well as a state that was.
func (gd *Guard) WatchablePublished(ctx context.Context, t *model.Type, s *View) (bool, error) {
	x := gd.accessIn(ctx, t, storage.PublishedView)
	if x == nil {
		return true, nil
	}
	k := Key{t.Name, s.Event.Meta.ID}
	head, err := gd.States.Head(ctx, k, false)
	if err != nil || !head.Exists() {
		return false, err
	}
	shown, err := gd.States.Published(ctx, k, head.Event)
	if err != nil || shown == nil {
		return false, err
	}
	if shown.ID == s.Event.ID {
		return true, nil
	}
	v, err := gd.ViewOf(ctx, t, shown)
	return err == nil && x.On("watch", v).Allowed, err
}

package notify

import (
	"context"
	"encoding/json"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// viewOn is the view in which a watch is told of a type.
func (w *Watch) viewOn(ctx context.Context, t *model.Type) storage.View {
	if w.trusted {
		return w.view
	}
	return w.m.Guard.ViewOn(ctx, t, "watch", w.view)
}

// lookPublished decides what a watch of the published view is told of an event: the
// state that is published by it, or that what was published left; nothing of drafts.
func (w *Watch) lookPublished(ctx context.Context, m *CachedEvent, t *model.Type) (Notice, bool, error) {
	e := m.event
	n := Notice{Seq: e.Seq, Action: e.Action}
	now, err := w.shownAfter(ctx, m, t)
	if err != nil {
		return n, false, err
	}
	if now != nil {
		if !publishes(e, now.Event) {
			return n, false, nil
		}
		content, ok, err := w.sees(ctx, storage.PublishedView, now)
		if err == nil && ok && !w.trusted {
			ok, err = w.m.Guard.WatchablePublished(ctx, t, now)
		}
		if err != nil {
			return n, false, err
		}
		if ok {
			n.Envelope = now.Envelope(content)
			return n, true, nil
		}
		if w.filter == nil && w.visible(storage.PublishedView) == nil {
			return n, false, nil
		}
	}
	if left, err := w.leaves(ctx, m, t, now == nil); err != nil || !left {
		return n, false, err
	}
	n.Action = Left
	n.Envelope, err = json.Marshal(map[string]any{"meta": map[string]any{"type": t.Name, "id": e.Meta.ID, "seq": e.Seq}})
	return n, err == nil, err
}

// publishes reports whether what is published after an event is so by the event: it
// published that, or brought it back.
func publishes(e, shown *storage.Event) bool {
	return shown.ID == e.ID || e.Publishes() || e.Action == storage.Restored || e.Meta.Published == 0 && e.Action == storage.Switched
}

// shownAfter is the published state after an event; nil when there is none.
func (w *Watch) shownAfter(ctx context.Context, m *CachedEvent, t *model.Type) (*states.View, error) {
	if m.event.ShowsItself() {
		return m.after(ctx, w.m.States, t)
	}
	return shownBy(ctx, w.m.States, t, m.event)
}

// shownBy is the published state that an event tells of.
func shownBy(ctx context.Context, st *states.States, t *model.Type, e *storage.Event) (*states.View, error) {
	shown, err := st.Published(ctx, states.Key{Type: t.Name, ID: e.Meta.ID}, e)
	if err != nil || shown == nil {
		return nil, err
	}
	raw, err := st.RawContent(ctx, shown)
	if err != nil {
		return nil, err
	}
	v := &states.View{Type: t, Event: shown}
	v.Set(raw)
	return v, nil
}

// leaves reports whether the state that was published before an event is one that is
// watched. Gone tells that none is after it.
func (w *Watch) leaves(ctx context.Context, m *CachedEvent, t *model.Type, gone bool) (bool, error) {
	e := m.event
	told := e.Action == storage.TakenBack || e.Withheld
	if gone && e.Meta.Published != 0 && !told || e.Action == storage.Created {
		return false, nil
	}
	visible := w.visible(storage.PublishedView)
	if told && w.filter == nil && visible == nil {
		return true, nil
	}
	before := m.prior
	var event *storage.Event
	var err error
	if before != nil {
		event, err = before.decoded()
	} else {
		event, err = w.m.States.EventBefore(ctx, e)
	}
	if err != nil {
		return false, err
	}
	if event == nil || event.Action == storage.Purged { // it was erased, so that only the event tells
		if !told || visible == nil {
			return told, nil
		}
		_, ok := visible(ctx, e, nil)
		return ok, nil
	}
	was, err := shownBy(ctx, w.m.States, t, event)
	if err != nil || was == nil {
		return false, err
	}
	_, ok, err := w.sees(ctx, storage.PublishedView, was)
	return ok, err
}

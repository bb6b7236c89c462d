package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// published notes in the event of a step what the published view shows after it. A
// HEAD that becomes stable is published; a draft leaves what was published, which the
// event then holds, so that the newest event of a resource tells it all.
func published(ctx context.Context, st *states.States, t *model.Type, s states.State, next *Step) error {
	e := next.Event
	e.Shown, e.Withheld = nil, false
	if x := e.Meta.Scheduled; x != nil && !outlives(x, e) {
		e.Meta.Scheduled, e.ScheduledGroups = nil, nil
	}
	before, err := publishedBefore(ctx, st, t, s)
	if err != nil {
		return err
	}
	if e.Action == storage.Purged {
		e.Withheld = before != nil && !s.Event.Meta.Deleted
		return nil
	}
	if e.Meta.Deleted {
		e.Meta.Published, e.Withheld = storage.Unpublished, before != nil
		if before != nil && before.ID != s.Event.ID {
			e.Shown = before.Snapshot()
		}
		return nil
	}
	head := storage.Published(e.Revision.Number)
	stays := before != nil && before.Revision.Number == s.Event.Revision.Number && e.Revision.Number == s.Event.Revision.Number
	switch {
	case next.other != nil:
		next.other.onto(e)
	case e.Action == storage.TakenBack:
		e.Meta.Published = storage.Unpublished
	case becomesStable(s, next, before), stays && e.Action != storage.Planned && e.Action != storage.Unplanned:
		e.Meta.Published = head
	case before == nil:
		e.Meta.Published = storage.Unpublished
	default:
		e.Meta.Published, e.Shown = storage.Published(before.Revision.Number), before.Snapshot()
	}
	return nil
}

// hideSchedule has an event that is complete publish its state without what is scheduled:
// the published view does not tell it.
func hideSchedule(e *storage.Event) {
	if e.Meta.Scheduled != nil && e.ShowsItself() {
		e.ShowApart(*e.Snapshot())
	}
}

// becomesStable reports whether HEAD becomes a stable revision by a step. What was
// taken back is not published by a restore, a migration or the end of what it refers to,
// which keep all else as it was.
func becomesStable(s states.State, next *Step, before *storage.Event) bool {
	e := next.Event
	if e.Revision.Status != storage.Stable {
		return false
	}
	if next.Cleared && len(next.also) == 0 {
		return before != nil && before.Revision.Number == s.Event.Revision.Number
	}
	switch e.Action {
	case storage.Created, storage.Updated, storage.Modified, storage.Switched, storage.StatusChanged, storage.MadePublic:
		return true
	case storage.Restored:
		return e.Revision.Number != s.Event.Revision.Number && (before != nil || s.Event.Revision.Status == storage.Draft)
	case storage.Migrated:
		return before != nil && before.Revision.Number == s.Event.Revision.Number
	}
	return false
}

// publishedBefore is what the published view shows of a state, or, of a deleted
// resource, would show if it was restored; nil for nothing.
func publishedBefore(ctx context.Context, st *states.States, t *model.Type, s states.State) (*storage.Event, error) {
	if !s.Exists() {
		return nil, nil
	}
	e := s.Event
	if e.Meta.Deleted {
		live := *e
		live.Meta.Deleted = false
		if e.Meta.Published != 0 { // it tells what comes back
			live.Meta.Published = storage.Unpublished
			if e.Withheld && e.Shown != nil {
				live.Meta.Published = storage.Published(e.Shown.Revision.Number)
			} else if e.Withheld {
				live.Meta.Published = storage.Published(e.Revision.Number)
			}
		}
		e = &live
	}
	return st.Published(ctx, states.Key{Type: t.Name, ID: e.Meta.ID}, e)
}

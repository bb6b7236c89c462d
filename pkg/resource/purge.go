package resource

import (
	"context"
	"errors"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// purgeAtOnce is how many events a purge erases before it answers. Each costs
// up to 25 ms; a longer history is erased in the background.
const purgeAtOnce = 100

// Purge erases a resource for good: its revisions, its history, its place in
// the index. What stays is one event without content that says so. It returns
// false when the erasing goes on in the background.
func (m *Manager) Purge(ctx context.Context, typ, id string, match Match) (seq uint64, done bool, err error) {
	t, err := m.find(typ, id)
	if err != nil {
		return 0, false, err
	}
	if err := m.freshen(ctx, Default, 0); err != nil {
		return 0, false, err
	}
	history, err := m.index.Events(ctx, storage.EventQuery{Type: typ, ID: id, Limit: purgeAtOnce + 1})
	if err != nil {
		return 0, false, stored(err)
	}
	e, _, _, err := m.write(ctx, t, id, func(ctx context.Context, s state) (step, error) {
		if !s.exists() {
			return step{}, live(t, id, s)
		}
		if err := match.check(t, s); err != nil {
			return step{}, err
		}
		return tombstone(s), nil
	})
	if err != nil {
		return 0, false, err
	}
	if len(history) > purgeAtOnce {
		return e.Seq, false, nil // upkeep does it
	}
	ctx, cancel := committing(ctx)
	defer cancel()
	if err := m.erase(ctx, e); err != nil {
		m.o.Logger.WarnContext(ctx, "erasing goes on in the background", "type", typ, "id", id, "error", err)
		return e.Seq, false, nil
	}
	return e.Seq, true, m.progress.Wait(ctx, e.Seq)
}

// tombstone is the event that stays of a purged resource.
func tombstone(s state) step {
	old := s.event.Meta
	return step{event: &storage.Event{Action: storage.Purged, Meta: storage.Meta{Type: old.Type, ID: old.ID, Deleted: true, RevisionCount: old.RevisionCount,
		CreatedAt: old.CreatedAt, CreatedBy: old.CreatedBy}}}
}

// erase destroys what is before a tombstone: the revision objects, then the
// events that lead to them. It can be repeated.
func (m *Manager) erase(ctx context.Context, tombstone *storage.Event) error {
	subject := storage.RevisionSubject(tombstone.Meta.Type, tombstone.Meta.ID)
	gone, binaries := map[string]bool{}, map[string]bool{}
	for seq := uint64(1); ; {
		entry, err := m.log.Next(ctx, subject, seq)
		if errors.Is(err, storage.ErrNotFound) || err == nil && entry.Seq >= tombstone.Seq {
			break
		}
		if err != nil {
			return err
		}
		e, err := storage.DecodeEvent(entry.Data, entry.Seq)
		if err != nil {
			return err
		}
		if e.Ref != "" && !gone[e.Ref] {
			gone[e.Ref] = true
			if err := m.blobs.Delete(ctx, e.Ref); err != nil {
				return fmt.Errorf("erase the object of revision %s: %w", e.Revision.ID, err)
			}
		}
		for _, d := range e.Binaries {
			binaries[d] = true
		}
		seq = entry.Seq + 1
	}
	for d := range binaries { // the index holds the tombstone by then, so only others count
		if err := m.waitIndexed(ctx, tombstone.Seq); err != nil {
			return err
		}
		if _, err := m.sweepBinary(ctx, d); err != nil {
			return err
		}
	}
	_, err := m.log.Erase(ctx, subject, tombstone.Seq)
	return err
}

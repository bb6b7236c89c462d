package resource

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// SweepAge is how long what nothing refers to is kept: a write may be about to.
const SweepAge = 24 * time.Hour

// Swept is what Sweep removed.
type Swept struct {
	Objects  int   `json:"objects"`
	Binaries int   `json:"binaries"`
	Bytes    int64 `json:"bytes"` // of the binaries
}

// Sweep removes binaries and revision objects that nothing refers to and that
// are older than age. A write that is about to refer to a binary has touched it.
func (m *Manager) Sweep(ctx context.Context, age time.Duration) (Swept, error) {
	if err := m.Admin(ctx); err != nil {
		return Swept{}, err
	}
	var out Swept
	state, err := m.log.State(ctx)
	if err != nil {
		return out, err
	}
	if err := m.waitIndexed(ctx, state.Last); err != nil {
		return out, err
	}
	before := m.o.Now().Add(-age)
	err = m.blobs.ListBinaries(ctx, func(b storage.Binary, touched time.Time) error {
		if touched.After(before) {
			return nil
		}
		gone, err := m.sweepBinary(ctx, b.Digest)
		if gone {
			out.Binaries++
			out.Bytes += b.Size
		}
		return err
	})
	if err != nil {
		return out, err
	}
	return out, m.blobs.List(ctx, func(name, ref string) error {
		gone, err := m.sweepObject(ctx, name, ref, before)
		if gone {
			out.Objects++
		}
		return err
	})
}

// keepBinaries keeps a sweep from deleting what a write has looked at and not
// yet committed a reference to.
func (m *Manager) keepBinaries(types ...*Type) (release func()) {
	for _, t := range types {
		if len(t.Binaries) > 0 {
			m.sweeping.RLock()
			return m.sweeping.RUnlock
		}
	}
	return func() {}
}

// sweepBinary deletes a binary without holders.
func (m *Manager) sweepBinary(ctx context.Context, digest string) (bool, error) {
	m.sweeping.Lock()
	defer m.sweeping.Unlock()
	if err := m.waitIndexed(ctx, m.recent.last()); err != nil {
		return false, err
	}
	held, err := m.index.Holders(ctx, digest, "", "", 1)
	if err != nil || len(held) > 0 {
		return false, err
	}
	return true, m.blobs.DeleteBinary(ctx, digest)
}

// sweepObject deletes a revision object whose event was never committed. The
// key is "<type>/<revision id>/<event id>", and the event id holds its time.
func (m *Manager) sweepObject(ctx context.Context, name, ref string, before time.Time) (bool, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return false, nil
	}
	event, err := uuid.Parse(parts[2])
	if err != nil || event.Version() != 7 {
		return false, nil //nolint:nilerr // not one of ours
	}
	sec, nsec := event.Time().UnixTime()
	if time.Unix(sec, nsec).After(before) {
		return false, nil
	}
	id, n, _ := strings.Cut(parts[1], ":")
	number, err := strconv.Atoi(n)
	if err != nil {
		return false, nil //nolint:nilerr // not one of ours
	}
	events, err := m.index.Events(ctx, storage.EventQuery{Type: parts[0], ID: id, Wrote: number, Limit: 1000})
	if err != nil {
		return false, err
	}
	for _, p := range events {
		if p.Event.Ref == ref {
			return false, nil
		}
	}
	// The index leaves out types without a model: ask the log before deleting.
	entry, err := m.log.Last(ctx, storage.RevisionSubject(parts[0], id))
	if err == nil && m.types[parts[0]] == nil && entry.Seq > 0 {
		return false, nil
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return false, err
	}
	return true, m.blobs.Delete(ctx, ref)
}

// firstSweep is how long after the start the first sweep comes, so that a
// program that is restarted every day sweeps too.
const firstSweep = time.Hour

// SweepEvery sweeps now and then until ctx ends.
func (m *Manager) SweepEvery(ctx context.Context, every time.Duration) error {
	t := time.NewTimer(min(every, firstSweep))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			t.Reset(every)
		}
		out, err := m.Sweep(ctx, SweepAge)
		if err != nil && ctx.Err() == nil {
			m.o.Logger.WarnContext(ctx, "sweeping ended early", "error", err)
		} else if out.Objects+out.Binaries > 0 {
			m.o.Logger.InfoContext(ctx, "swept what nothing refers to", "objects", out.Objects, "binaries", out.Binaries, "bytes", out.Bytes)
		}
	}
}

package upkeep

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/states"
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
// What the index says nothing refers to, the log must not know either: the index
// leaves out types without a model. A log that cannot be read as a whole removes
// nothing.
func (up *Upkeep) Sweep(ctx context.Context, age time.Duration) (Swept, error) {
	if err := up.Guard.Admin(ctx); err != nil {
		return Swept{}, err
	}
	var out Swept
	state, err := up.log.State(ctx)
	if err != nil {
		return out, err
	}
	if err := up.States.WaitIndexed(ctx, state.Last); err != nil {
		return out, err
	}
	s := sweep{m: up, before: up.o.Now().Add(-age), binaries: map[string]bool{}, objects: map[string]string{}}
	if err := s.suspect(ctx); err != nil {
		return out, err
	}
	if len(s.binaries)+len(s.objects) == 0 {
		return out, nil
	}
	if err := s.clear(ctx, state); err != nil {
		return out, err
	}
	return s.remove(ctx)
}

// sweep is one run of Sweep.
type sweep struct {
	m        *Upkeep
	before   time.Time
	binaries map[string]bool   // suspected
	objects  map[string]string // suspected, key by reference
}

// suspect finds what the index knows nothing of.
func (s *sweep) suspect(ctx context.Context) error {
	err := s.m.blobs.ListBinaries(ctx, func(b storage.Binary, touched time.Time) error {
		if touched.After(s.before) {
			return nil
		}
		held, err := s.m.index.Holders(ctx, b.Digest, "", "", 1)
		if err == nil && len(held) == 0 {
			s.binaries[b.Digest] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.m.blobs.List(ctx, func(name, ref string) error {
		unknown, err := s.m.unknownObject(ctx, name, ref, s.before)
		if unknown {
			s.objects[ref] = name
		}
		return err
	})
}

// clear takes from the suspects what any event of the log refers to.
func (s *sweep) clear(ctx context.Context, state storage.LogState) error {
	unreadable := 0
	read, err := archive.ReadLog(ctx, s.m.log, state, func(entry storage.Entry) error {
		if _, _, ok := storage.SplitRevisionSubject(entry.Subject); !ok {
			return nil
		}
		e, err := storage.DecodeEvent(entry.Data, entry.Seq)
		if err != nil {
			unreadable++
			return nil //nolint:nilerr // counted
		}
		delete(s.objects, e.Ref)
		for _, d := range e.Binaries {
			delete(s.binaries, d)
		}
		return nil
	})
	if err != nil {
		return states.StoreError(err)
	}
	what := read.Damage()
	if what == "" && unreadable > 0 {
		what = fmt.Sprintf("%d events of the log cannot be read", unreadable)
	}
	if what != "" {
		return &fault.Error{Code: fault.InvalidState, Detail: "nothing was removed, because the references are not all known: " + what}
	}
	return nil
}

// remove deletes what is suspected still.
func (s *sweep) remove(ctx context.Context) (out Swept, err error) {
	err = s.m.blobs.ListBinaries(ctx, func(b storage.Binary, touched time.Time) error {
		if _, suspected := s.binaries[b.Digest]; !suspected || touched.After(s.before) {
			return nil
		}
		gone, err := s.m.Binaries.SweepBinary(ctx, b.Digest)
		if gone {
			out.Binaries++
			out.Bytes += b.Size
		}
		return err
	})
	if err != nil {
		return out, err
	}
	for ref, name := range s.objects {
		// Its event may have been committed since, if it took a day.
		unknown, err := s.m.unknownObject(ctx, name, ref, s.before)
		if err == nil && unknown {
			err = s.m.blobs.Delete(ctx, ref)
			out.Objects++
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// LeaveBinaries has purges leave binaries to the sweep, which asks the log too: there
// is data without a model, and the index does not know what it refers to.
func (up *Upkeep) LeaveBinaries() { up.leaving.Store(true) }

// unknownObject tells of a revision object whose event was never committed, as far
// as the index knows. The key is "<type>/<revision id>/<event id>", and the event id
// holds its time.
func (up *Upkeep) unknownObject(ctx context.Context, name, ref string, before time.Time) (bool, error) {
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
	events, err := up.index.Events(ctx, storage.EventQuery{Type: parts[0], ID: id, Wrote: number, Limit: 1000})
	if err != nil {
		return false, err
	}
	for _, p := range events {
		if p.Event.Ref == ref {
			return false, nil
		}
	}
	// The index leaves out types without a model: ask the log before deleting.
	entry, err := up.log.Last(ctx, storage.RevisionSubject(parts[0], id))
	if err == nil && up.types.Named(parts[0]) == nil && entry.Seq > 0 {
		return false, nil
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return false, err
	}
	return true, nil
}

// firstSweep is how long after the start the first sweep comes, so that a
// program that is restarted every day sweeps too.
const firstSweep = time.Hour

// SweepEvery sweeps now and then until ctx ends.
func (up *Upkeep) SweepEvery(ctx context.Context, every time.Duration) error {
	t := time.NewTimer(min(every, firstSweep))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			t.Reset(every)
		}
		out, err := up.Sweep(ctx, SweepAge)
		if err != nil && ctx.Err() == nil {
			up.o.Logger.WarnContext(ctx, "sweeping ended early", "error", err)
		} else if out.Objects+out.Binaries > 0 {
			up.o.Logger.InfoContext(ctx, "swept what nothing refers to", "objects", out.Objects, "binaries", out.Binaries, "bytes", out.Bytes)
		}
	}
}

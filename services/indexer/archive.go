package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// How the log is archived: what is new is saved at the latest after archiveAge,
// joined with the newest object while that is small.
const (
	archiveAge   = 2 * time.Second
	archiveSmall = 512 << 10 // bytes of entries
	archiveFull  = 4 << 20
	// archiveRecent is how many objects hold what a purge and a save can race
	// for: what the feed read ahead.
	archiveRecent = 4
)

// Archiver copies the log, without content, to where it can be rebuilt from.
// Where it stands is what the archive holds.
type Archiver struct {
	log     storage.Log
	archive storage.Archive
	logger  *slog.Logger
	done    atomic.Uint64
	recent  []*archive.Object // the last ones
}

// NewArchiver makes one; a nil logger is silent.
func NewArchiver(log storage.Log, archive storage.Archive, logger *slog.Logger) *Archiver {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Archiver{log: log, archive: archive, logger: logger}
}

// Archived is the last sequence that the archive holds, as far as this process
// knows.
func (a *Archiver) Archived() uint64 { return a.done.Load() }

// Run archives until ctx ends. Whatever fails is begun again.
func (a *Archiver) Run(ctx context.Context) error {
	restart.Loop{Failed: func(err error, pause time.Duration) {
		a.logger.WarnContext(ctx, "archiving begins again", "error", err, "in", pause)
	}}.Run(ctx, a.follow)
	return nil
}

// run is the object that is being filled.
type run struct {
	*archive.Object
	size  int
	saved string // the name under which a beginning of it is saved
	dirty bool
}

func (r *run) add(e storage.Entry) {
	r.Add(e)
	r.size += len(r.Entries[len(r.Entries)-1].Data) + len(e.Subject) + 64
	r.dirty = true
}

func (a *Archiver) follow(ctx context.Context) error {
	state, err := a.log.State(ctx)
	if err != nil {
		return err
	}
	saved, err := archive.NewReader(a.archive).Newest(ctx, state.Identity, archiveRecent)
	if err != nil {
		return fmt.Errorf("find out how far the archive is: %w", err)
	}
	from := state.First
	cur := &run{}
	a.recent = saved
	if n := len(saved); n > 0 {
		newest := saved[n-1]
		from = newest.Last + 1
		a.done.Store(newest.Last)
		size := 0
		for _, e := range newest.Entries {
			size += len(e.Data) + len(e.Subject) + 64
		}
		if size < archiveSmall {
			cur = &run{newest, size, newest.Name(), false}
		}
	}
	feed, err := a.log.Follow(ctx, from)
	if err != nil {
		return err
	}
	defer feed.Close()
	for {
		if cur, err = a.gather(ctx, feed, cur, state.Identity); err != nil {
			return err
		}
		if err := a.save(ctx, cur); err != nil {
			return err
		}
		if cur.size >= archiveSmall {
			cur = &run{}
		}
	}
}

// forget drops what is before a tombstone from what this process read before the
// purge and may have saved after it. What was saved before the purge is erased
// by the purge.
func (a *Archiver) forget(ctx context.Context, tombstone storage.Entry, cur *run) error {
	before := func(e storage.Entry) bool { return e.Subject == tombstone.Subject && e.Seq < tombstone.Seq }
	var seqs []uint64
	for _, o := range a.recent {
		for _, e := range o.Entries {
			if before(e) {
				seqs = append(seqs, e.Seq)
			}
		}
	}
	if cur.Object != nil {
		cur.Entries = slices.DeleteFunc(cur.Entries, before)
		cur.dirty = true
	}
	return archive.NewReader(a.archive).Forget(ctx, tombstone.Subject, seqs, tombstone.Seq)
}

// gather adds what is new to an object: until archiveAge after the first entry,
// or until it is full, and never the beginning of a unit alone.
func (a *Archiver) gather(ctx context.Context, feed storage.Feed, cur *run, identity string) (*run, error) {
	var deadline <-chan time.Time
	for {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if deadline != nil {
			wait, cancel = context.WithCancel(ctx)
			timer := time.AfterFunc(50*time.Millisecond, cancel)
			stop := cancel
			cancel = func() { timer.Stop(); stop() }
		}
		e, err := feed.Next(wait)
		cancel()
		switch {
		case err == nil:
			if cur.Object == nil {
				cur.Object = &archive.Object{Identity: identity, First: e.Seq}
			}
			cur.add(e)
			if archive.Erases(e) {
				if err := a.forget(ctx, e, cur); err != nil {
					return cur, err
				}
			}
			if deadline == nil {
				deadline = time.After(archiveAge)
			}
		case ctx.Err() != nil:
			return cur, ctx.Err()
		case !errors.Is(err, context.Canceled):
			return cur, err
		}
		if !cur.dirty || len(cur.Entries) > 0 && cur.Entries[len(cur.Entries)-1].More {
			continue
		}
		if cur.size >= archiveFull {
			return cur, nil
		}
		select {
		case <-deadline:
			return cur, nil
		default:
		}
	}
}

// save stores the object and removes the shorter one that it goes on from.
func (a *Archiver) save(ctx context.Context, r *run) error {
	data, err := r.Encode()
	if err != nil {
		return err
	}
	name := r.Name()
	if err := a.archive.Save(ctx, name, data); err != nil {
		return err
	}
	if r.saved != "" && r.saved != name {
		if err := a.archive.Remove(ctx, r.saved); err != nil {
			return err
		}
	}
	r.saved, r.dirty = name, false
	if n := len(a.recent); n == 0 || a.recent[n-1] != r.Object {
		a.recent = append(a.recent[max(0, n-archiveRecent+1):], r.Object)
	}
	a.done.Store(r.Last)
	return nil
}

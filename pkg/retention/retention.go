// Package retention prunes revisions: those beyond what the retention of their type
// keeps, or beyond what a caller asks for.
//
// What is pruned is decided for one resource at a time and committed to the log as an
// entry of its own, a storage.Pruned. From then on no reader gets those revisions; the
// upkeep, which follows the log, erases their content at that entry, again and again
// until it is done. So whatever crashes, what was committed is erased, and nothing else.
//
// HEAD, the newest stable revision, those that a resource refers to by a reference with
// `revision: true`, and everything of a job that is not finished are never pruned. The
// events stay: the history goes on to say who did what and when.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Principal is that of what the retention of a type prunes.
const Principal = "retention"

// Options are what a Keeper works with.
type Options struct {
	Log        storage.Log
	Blobs      storage.Blobs
	Index      storage.IndexReader
	Outward    storage.Outward    // nil: there is none
	Deliveries storage.Deliveries // nil: there are none
	Archive    storage.Archive    // nil: there is none
	Types      *registry.Types
	// Indexed returns when the index has applied a sequence.
	Indexed func(ctx context.Context, seq uint64) error
	// Lock keeps writers of this process from a resource until release is called.
	Lock func(typ, id string) (release func())
	// Upkept is up to where the upkeep has done its work.
	Upkept func(ctx context.Context) (uint64, error)
	// SweepBinary removes a binary that no resource holds any more.
	SweepBinary func(ctx context.Context, digest string) error
	// Sole is true when every write goes through this process, so that Lock excludes
	// them all.
	Sole   bool
	Now    func() time.Time
	Logger *slog.Logger
}

// Keeper prunes. It is safe for concurrent use.
type Keeper struct {
	o Options

	mu        sync.Mutex
	announced map[string]bool // types whose first pruning was told
	sweeps    map[string]*sweep
	at        *uint64 // up to where it was looked what was written; nil: not yet
}

// New makes a Keeper.
func New(o Options) *Keeper {
	return &Keeper{o: o, announced: map[string]bool{}, sweeps: map[string]*sweep{}}
}

// Outcome is what a pruning came to.
type Outcome struct {
	Revisions int // that were pruned
	Resources int // of which some were
	Looked    int // resources that were looked at
}

// maxTries bounds how often a pruning is decided again because another one of the
// same type was faster.
const maxTries = 64

// Prune prunes one resource down to what a retention keeps, as a principal.
func (k *Keeper) Prune(ctx context.Context, t *model.Type, id string, keep model.Retention, principal string) (out Outcome, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("prune %s %s: %w", t.Name, id, err)
		}
	}()
	for range maxTries {
		p, more, err := k.pruneOnce(ctx, t, id, keep, principal)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil || p == nil {
			return out, err
		}
		out.Revisions += len(p.Erase)
		if len(p.Headers) > 0 { // the log is rewritten for each: others have their turn in between
			if err := k.upkept(ctx, p.Seq); err != nil {
				return out, err
			}
		}
		if !more {
			return out, nil
		}
	}
	return out, storage.ErrConflict
}

// pruneOnce decides and commits once; nil when there was nothing to prune. more tells
// that not all was.
func (k *Keeper) pruneOnce(ctx context.Context, t *model.Type, id string, keep model.Retention, principal string) (_ *storage.Pruned, more bool, err error) {
	defer k.o.Lock(t.Name, id)()
	entry, err := k.o.Log.Last(ctx, storage.RevisionSubject(t.Name, id))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	head, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		return nil, false, err
	}
	subject := storage.PrunedSubject(t.Name, id)
	last, err := k.o.Log.Last(ctx, subject)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, false, err
	}
	if err := k.o.Indexed(ctx, max(head.Seq, last.Seq)); err != nil {
		return nil, false, err
	}
	p, more, err := k.decide(ctx, t, head, keep)
	if err != nil || p == nil {
		return nil, false, err
	}
	p.At, p.Principal = k.o.Now().UTC().Truncate(time.Microsecond), principal
	return p, more, k.commit(ctx, subject, last.Seq, p)
}

// commit appends what is pruned and waits until every reader can know it.
func (k *Keeper) commit(ctx context.Context, subject string, after uint64, p *storage.Pruned) error {
	data, err := p.Encode()
	if err != nil {
		return err
	}
	p.Seq, err = k.o.Log.Append(ctx, []storage.Record{{Subject: subject, ID: uuid.Must(uuid.NewV7()).String(), Expected: after, Data: data}})
	if err != nil {
		return err
	}
	return k.o.Indexed(ctx, p.Seq)
}

// upkept waits until the upkeep has done its work up to a sequence.
func (k *Keeper) upkept(ctx context.Context, seq uint64) error {
	for {
		at, err := k.o.Upkept(ctx)
		if err != nil || at >= seq {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

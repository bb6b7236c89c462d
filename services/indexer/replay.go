package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// replay fills the tables of types whose definition is new, from the log's
// history, while follow goes on with what is new. Both write through the index,
// which keeps the newest of each resource, so their order does not matter. It
// can end at any time and goes on where it was.
func (x *Indexer) replay(ctx context.Context) error {
	x.mu.Lock()
	fresh := x.fresh
	x.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	begun := time.Now()
	from, to := fresh[0].Replayed, uint64(0)
	for _, f := range fresh {
		from = min(from, f.Replayed)
		last, err := x.log.Last(ctx, storage.RevisionSubject(f.Type, ">"))
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("last event of %s: %w", f.Type, err)
		}
		to = max(to, min(last.Seq, f.Through))
		pruned, err := x.log.Last(ctx, storage.PrunedSubjects(f.Type))
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("what was pruned of %s: %w", f.Type, err)
		}
		to = max(to, min(pruned.Seq, f.Through))
	}
	x.o.Logger.InfoContext(ctx, "types are indexed anew beside their old index", "types", names(fresh), "from", from+1, "to", to)
	if err := x.replayRange(ctx, fresh, from, to); err != nil {
		return fmt.Errorf("replay for %v: %w", names(fresh), err)
	}
	x.o.Logger.InfoContext(ctx, "the new index answers", "types", names(fresh), "took", time.Since(begun))
	x.o.Heads.Clear() // the new tables say of some rows what the old ones did not
	x.toFill(nil)
	return nil
}

// toFill notes which types are to be filled.
func (x *Indexer) toFill(fresh []storage.PendingBuild) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fresh = fresh
	select {
	case <-x.filled:
		x.filled = make(chan struct{})
	default:
	}
	if len(fresh) == 0 {
		close(x.filled)
	}
}

// AwaitFilled returns when no table is being filled.
func (x *Indexer) AwaitFilled(ctx context.Context) error {
	x.mu.Lock()
	filled := x.filled
	x.mu.Unlock()
	select {
	case <-filled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fillEmpty is done at once with the types that have no events and returns the
// others.
func (x *Indexer) fillEmpty(ctx context.Context, fresh []storage.PendingBuild) (left []storage.PendingBuild, err error) {
	for _, f := range fresh {
		_, err := x.log.Last(ctx, storage.RevisionSubject(f.Type, ">"))
		switch {
		case err == nil:
			left = append(left, f)
		case !errors.Is(err, storage.ErrNotFound):
			return nil, fmt.Errorf("last event of %s: %w", f.Type, err)
		default:
			if err := x.refill(ctx, []storage.PendingBuild{f}, nil, storage.Batch{}, f.Through); err != nil {
				return nil, err
			}
		}
	}
	return left, nil
}

func names(fresh []storage.PendingBuild) (out []string) {
	for _, f := range fresh {
		out = append(out, f.Type)
	}
	return out
}

// skipped is how many entries of other types are passed over before the
// progress is noted.
const skipped = 20_000

func (x *Indexer) replayRange(ctx context.Context, fresh []storage.PendingBuild, from, to uint64) error {
	if from >= to { // only the end was not noted yet
		return x.refill(ctx, fresh, nil, storage.Batch{}, throughAll(fresh))
	}
	feed, err := x.log.Follow(ctx, from+1)
	if err != nil {
		return err
	}
	defer feed.Close()
	types := names(fresh)
	var changes []storage.IndexChange
	var gone storage.Batch
	entries := 0
	for {
		e, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		entries++
		x.prune(ctx, e, &gone)
		if typ, _, ok := storage.SplitRevisionSubject(e.Subject); ok && slices.Contains(types, typ) && e.Seq <= throughAll(fresh) {
			if event, doc, err := x.decode(e); err != nil {
				x.setAside(ctx, e, err)
			} else if c, err := x.change(ctx, e, event, doc); err != nil {
				return err
			} else if c != nil {
				changes = append(changes, *c)
			}
		}
		if e.Seq >= to {
			return x.refill(ctx, fresh, changes, gone, throughAll(fresh))
		}
		if len(changes) >= x.o.MaxBatch || entries >= skipped {
			if err := x.refill(ctx, fresh, changes, gone, e.Seq); err != nil {
				return err
			}
			changes, gone, entries = nil, storage.Batch{}, 0
		}
	}
}

func throughAll(fresh []storage.PendingBuild) (seq uint64) {
	for _, f := range fresh {
		seq = max(seq, f.Through)
	}
	return seq
}

func (x *Indexer) refill(ctx context.Context, fresh []storage.PendingBuild, changes []storage.IndexChange, gone storage.Batch, through uint64) error {
	if err := x.index.Apply(ctx, storage.Batch{Changes: changes, Pruned: gone.Pruned, History: gone.History, Through: through, Replay: names(fresh)}); err != nil {
		return fmt.Errorf("fill up to %d: %w", through, err)
	}
	return nil
}

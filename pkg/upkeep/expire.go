package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// ExpireAge is how long a pruned job's tombstone and a released claim stay: as
// long as anything that was begun before can still be under way.
const ExpireAge = 30 * 24 * time.Hour

// expirySettles is how long it takes until every process knows that watches from
// before a sequence are refused.
const expirySettles = 2 * time.Minute

// expirySpan is how much of the log is looked at in one go.
const expirySpan = 5000

// Expiry is an entry of ExpirySubject.
type Expiry struct {
	Done    uint64    `json:"done"` // up to here nothing is left to drop
	Gone    uint64    `json:"gone"` // a watch must not begin between 0 and this
	At      time.Time `json:"at"`   // when Gone was written
	Dropped []uint64  `json:"dropped,omitempty"`
}

// expiry is the newest entry of ExpirySubject, and its sequence.
func (up *Upkeep) expiry(ctx context.Context) (x Expiry, seq uint64, err error) {
	entry, err := up.log.Last(ctx, archive.ExpirySubject)
	if errors.Is(err, storage.ErrNotFound) {
		return x, 0, nil
	}
	if err != nil {
		return x, 0, states.StoreError(err)
	}
	return x, entry.Seq, json.Unmarshal(entry.Data, &x)
}

// Expire drops what only says that something was there, once it is older than
// age: the tombstones of pruned jobs and released claims, of which there are as
// many as there ever were jobs. The tombstones of purges stay, they say who
// erased what. It returns how many it dropped.
//
// A watch that began before a tombstone would never be told of it, so first the
// log says that such a watch is gone, and only a later call drops.
func (up *Upkeep) Expire(ctx context.Context, age time.Duration) (n int, err error) {
	if err := archive.AwaitLoaded(ctx, up.log); err != nil {
		return 0, err
	}
	limit, err := SequenceBefore(ctx, up.log, up.o.Now().Add(-age))
	if err != nil {
		return 0, err
	}
	n, err = up.expireClaims(ctx, limit)
	if err != nil {
		return n, fmt.Errorf("released claims: %w", err)
	}
	building, err := up.index.Building(ctx)
	if err != nil || len(building) > 0 { // its replay may have read what is dropped here
		return n, err
	}
	if err := up.States.WaitIndexed(ctx, limit); err != nil {
		return n, err
	}
	k, err := up.expireJobs(ctx, limit)
	if err != nil {
		err = fmt.Errorf("tombstones: %w", err)
	}
	return n + k, err
}

// SequenceBefore is the last sequence whose event, and so whatever is before it,
// is older than t; 0 when there is none.
func SequenceBefore(ctx context.Context, log storage.Log, t time.Time) (uint64, error) {
	state, err := log.State(ctx)
	if err != nil || state.Last == 0 {
		return 0, err
	}
	low, high := max(state.First, 1), state.Last+1
	for low < high { // the first event that is not older
		mid := low + (high-low)/2
		entry, err := log.Next(ctx, "rev.>", mid)
		if errors.Is(err, storage.ErrNotFound) {
			high = mid
			continue
		}
		if err != nil {
			return 0, err
		}
		e, err := storage.DecodeEvent(entry.Data, entry.Seq)
		if err == nil && e.At.Before(t) {
			low = entry.Seq + 1
		} else {
			high = mid
		}
	}
	return low - 1, nil
}

// expireJobs drops what every process knows to be gone, and then announces what
// is old enough to be next.
func (up *Upkeep) expireJobs(ctx context.Context, limit uint64) (n int, err error) {
	x, seq, err := up.expiry(ctx)
	if err != nil {
		return 0, err
	}
	if x.Gone > x.Done {
		if up.o.Now().Sub(x.At) < expirySettles {
			return 0, nil
		}
		if n, seq, err = up.dropPruned(ctx, &x, seq); err != nil {
			return n, err
		}
	}
	last := uint64(0)
	for from := x.Done; from < limit; from += expirySpan {
		found, err := up.prunedBetween(ctx, from, min(from+expirySpan, limit))
		if err != nil {
			return n, err
		}
		if len(found) > 0 {
			last = found[len(found)-1].Seq
		}
	}
	x.Dropped = nil
	switch {
	case last > 0:
		x.Gone, x.At = last, up.o.Now()
	case limit >= x.Done+markEvery: // so that it is not looked through again
		x.Done = limit
	default:
		return n, nil
	}
	_, err = up.appendSystem(ctx, archive.ExpirySubject, seq, x)
	return n, err
}

// dropPruned drops the tombstones up to where watches are gone, and notes in the
// log what the index is to forget.
func (up *Upkeep) dropPruned(ctx context.Context, x *Expiry, seq uint64) (n int, last uint64, err error) {
	needed, err := up.lastTicks(ctx)
	if err != nil {
		return 0, seq, err
	}
	for x.Done < x.Gone {
		through := min(x.Done+expirySpan, x.Gone)
		found, err := up.prunedBetween(ctx, x.Done, through)
		if err != nil {
			return n, seq, err
		}
		x.Done, x.Dropped = through, nil
		for _, e := range found {
			if needed[states.Key{Type: e.Meta.Type, ID: e.Meta.ID}] {
				continue
			}
			gone, err := up.dropLast(ctx, storage.RevisionSubject(e.Meta.Type, e.Meta.ID), e.Seq)
			if err != nil {
				return n, seq, err
			}
			if gone {
				x.Dropped = append(x.Dropped, e.Seq)
			}
		}
		if seq, err = up.appendSystem(ctx, archive.ExpirySubject, seq, x); err != nil {
			return n, seq, err
		}
		n += len(x.Dropped)
	}
	return n, seq, nil
}

// gone is what a process knows of ExpirySubject.
type gone struct {
	mu      sync.Mutex
	through uint64
	asked   time.Time
}

// WatchableFrom is the first sequence after which a watch can begin that is to be
// told of everything since, when the log keeps what is after kept.
func (up *Upkeep) WatchableFrom(ctx context.Context, kept uint64) (uint64, error) {
	up.gone.mu.Lock()
	defer up.gone.mu.Unlock()
	if now := up.o.Now(); up.gone.asked.IsZero() || now.Sub(up.gone.asked) > expirySettles/2 {
		x, _, err := up.expiry(ctx)
		if err != nil {
			return 0, err
		}
		up.gone.through, up.gone.asked = x.Gone, now
	}
	_, loaded, err := archive.Loading(ctx, up.log) // what was given away before that is of another log
	return max(kept, up.gone.through, loaded), states.StoreError(err)
}

// prunedBetween lists the tombstones of pruned jobs after a sequence.
func (up *Upkeep) prunedBetween(ctx context.Context, after, through uint64) (out []*storage.Event, err error) {
	past, err := up.index.Events(ctx, storage.EventQuery{Action: storage.Purged, After: after, Span: through - after})
	if err != nil {
		return nil, states.StoreError(err)
	}
	for _, p := range past {
		if p.Event.Cause == archive.RetentionCause {
			out = append(out, p.Event)
		}
	}
	return out, nil
}

// lastTicks are the jobs of the last time of every schedule that catches up: that
// one of them was there tells that the time was not missed.
func (up *Upkeep) lastTicks(ctx context.Context) (map[states.Key]bool, error) {
	all, err := up.Jobs.AllSchedules(ctx)
	if err != nil {
		return nil, err
	}
	out := map[states.Key]bool{}
	for _, s := range all {
		c, err := model.ParseCron(s.Cron, s.Timezone)
		if err != nil || s.CatchUp != "one" {
			continue
		}
		if last := c.Last(s.Changed, up.o.Now()); !last.IsZero() {
			out[states.Key{Type: s.Type, ID: s.TickID(last)}] = true
		}
	}
	return out, nil
}

// dropLast drops an entry when it is the last of its subject, and reports
// whether it is gone: another process may have been faster, or have died before
// that was noted.
func (up *Upkeep) dropLast(ctx context.Context, subject string, seq uint64) (bool, error) {
	entry, err := up.log.Last(ctx, subject)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return true, nil
	case err != nil:
		return false, states.StoreError(err)
	case entry.Seq == seq: // with what upkeep has not come to yet
		return true, states.StoreError(up.log.Drop(ctx, subject, seq))
	}
	_, err = up.log.At(ctx, seq) // the resource has a new life
	if errors.Is(err, storage.ErrNotFound) {
		return true, nil
	}
	return false, states.StoreError(err)
}

// expireClaims drops released claims. The next writer of the value finds no claim
// instead of a released one, which is the same to it.
func (up *Upkeep) expireClaims(ctx context.Context, limit uint64) (n int, err error) {
	var done archive.UpkeepMark
	entry, err := up.log.Last(ctx, archive.ClaimExpirySubject)
	if err == nil {
		err = json.Unmarshal(entry.Data, &done)
	} else if errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	if err != nil {
		return 0, states.StoreError(err)
	}
	from := done.Done
	for from < limit {
		c, err := up.log.Next(ctx, storage.ClaimSubject(">"), from+1)
		if errors.Is(err, storage.ErrNotFound) || err == nil && c.Seq > limit {
			from = limit
			break
		}
		if err != nil {
			return n, states.StoreError(err)
		}
		from = c.Seq
		var held commit.UniqueClaim
		if json.Unmarshal(c.Data, &held) != nil || held.Live || up.strategies[held.Type].KeepsNames {
			continue
		}
		last, err := up.log.Last(ctx, c.Subject)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return n, states.StoreError(err)
		}
		if err == nil && last.Seq == c.Seq {
			if err := up.log.Drop(ctx, c.Subject, c.Seq); err != nil {
				return n, states.StoreError(err)
			}
			n++
		}
	}
	if n == 0 && from < done.Done+markEvery {
		return n, nil
	}
	_, err = up.appendSystem(ctx, archive.ClaimExpirySubject, entry.Seq, archive.UpkeepMark{Done: from})
	return n, err
}

// appendSystem writes an entry of the program's own after the one that was seen.
func (up *Upkeep) appendSystem(ctx context.Context, subject string, after uint64, v any) (uint64, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	seq, err := up.log.Append(ctx, []storage.Record{{Subject: subject, ID: states.NewUUID(), Expected: after, Data: data}})
	return seq, states.StoreError(err)
}

package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// unlessPurged reports what is wrong with an event, unless its resource was purged
// after it: then the event is being erased, piece by piece, or is erased already.
func (v *verifier) unlessPurged(ctx context.Context, f Finding) {
	purged, err := v.tombs.after(ctx, v.m.log, states.Key{Type: f.Type, ID: f.ID}, f.Seq)
	if err != nil || !purged { // a log that cannot tell does not explain anything
		v.report(f)
	}
}

// doubt is an event that the log or the index does not have, which is right when
// its resource was purged.
type doubt struct {
	key     states.Key
	seq     uint64
	problem string
}

// settle reports the doubts that no purge explains.
func (v *verifier) settle(ctx context.Context) error {
	slices.SortFunc(v.doubts, func(a, b doubt) int { return cmp.Compare(a.seq, b.seq) }) // each part of the log is read once
	for _, d := range v.doubts {
		purged, err := v.tombs.after(ctx, v.m.log, d.key, d.seq)
		if err != nil {
			return err
		}
		if !purged {
			v.report(Finding{Type: d.key.Type, ID: d.key.ID, Seq: d.seq, Problem: d.problem})
		}
	}
	return nil
}

// tombs are the tombstones of the resources that were asked about.
type tombs struct {
	mu sync.Mutex
	of map[states.Key]tomb
}

// tomb is the last tombstone of a resource that was found, and the part of the log in
// which it was looked for.
type tomb struct{ seq, from, through uint64 }

// after reports whether the log holds a tombstone of a resource at a sequence or
// after it, whatever was made under the id since. It reads nothing before that.
func (t *tombs) after(ctx context.Context, log storage.Log, k states.Key, seq uint64) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, known := t.of[k]
	if !known || seq < at.from {
		at = tomb{seq: at.seq, from: seq, through: max(seq, 1) - 1}
	}
	for subject := storage.RevisionSubject(k.Type, k.ID); at.seq < seq; {
		entry, err := log.Next(ctx, subject, at.through+1)
		if errors.Is(err, storage.ErrNotFound) {
			break
		}
		if err != nil {
			return false, err
		}
		at.through = entry.Seq
		if e, err := storage.DecodeEvent(entry.Data, entry.Seq); err == nil && e.Action == storage.Purged {
			at.seq = entry.Seq
		}
	}
	t.of[k] = at
	return at.seq >= seq, nil
}

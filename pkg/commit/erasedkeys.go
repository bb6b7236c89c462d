package commit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A request that is sent again must neither bring back what was erased since it was
// answered, nor be done to what has that id by now. So the tombstone of a resource
// keeps which Idempotency-Keys wrote it, as hashes that tell nothing of the content,
// for as long as keys are remembered, and the next life of the id takes them over.

// maxErasedKeys bounds how many keys of one id are remembered, the newest.
const maxErasedKeys = 128

// erasedKey hides a principal and its key.
func erasedKey(principal, key string) string {
	sum := sha256.Sum256([]byte("autocrud erased key 1\x00" + principal + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// keysOf are the keys that wrote a resource, in this life of its id and earlier ones.
func (wr *Writer) keysOf(ctx context.Context, s states.State) ([]storage.ErasedKey, error) {
	if err := wr.progress.Wait(ctx, s.Seq()); err != nil {
		return nil, err
	}
	q := storage.EventQuery{Type: s.Event.Meta.Type, ID: s.Event.Meta.ID, Since: wr.o.Now().Add(-keepKeys), Descending: true, Limit: 500}
	var out []storage.ErasedKey // newest first
	for len(out) < maxErasedKeys {
		page, err := wr.index.Events(ctx, q)
		if err != nil {
			return nil, states.StoreError(err)
		}
		for _, p := range page {
			e := p.Event
			if e.Action == storage.Purged {
				continue
			}
			if e.Idempotency != nil {
				out = append(out, storage.ErasedKey{Key: erasedKey(e.Principal, e.Idempotency.Key), At: e.At})
			}
			for _, k := range slices.Backward(e.Erased) {
				out = append(out, k)
			}
			q.After = p.Seq
		}
		if len(page) < q.Limit {
			break
		}
	}
	slices.Reverse(out)
	return wr.remembered(out), nil
}

// remembered leaves out the keys that are forgotten by now.
func (wr *Writer) remembered(keys []storage.ErasedKey) (out []storage.ErasedKey) {
	for _, k := range keys {
		if wr.o.Now().Sub(k.At) <= keepKeys {
			out = append(out, k)
		}
	}
	return out[max(0, len(out)-maxErasedKeys):]
}

// notErased refuses a write under a key that wrote what was erased.
func (wr *Writer) notErased(ctx context.Context, s states.State) error {
	i := idempotencyOf(ctx)
	if i == nil || s.Last == nil {
		return nil
	}
	keys, err := wr.erasedBefore(ctx, s)
	if err != nil {
		return err
	}
	own := erasedKey(policy.ActorOf(ctx).Principal, i.Key)
	for _, k := range wr.remembered(keys) {
		if k.Key == own {
			return fault.Errorf(fault.Deleted, "the resource that this Idempotency-Key wrote was erased (:purge) after %s; use a new key to write it again", k.At.Format(time.RFC3339))
		}
	}
	return nil
}

// erasedBefore are the keys that wrote earlier lives of an id: they are with its
// tombstone, or with the first event of its life since.
func (wr *Writer) erasedBefore(ctx context.Context, s states.State) ([]storage.ErasedKey, error) {
	if s.Last.Action == storage.Purged || s.Last.Action == storage.Created {
		return s.Last.Erased, nil
	}
	if wr.o.Now().Sub(s.Event.Meta.CreatedAt) > keepKeys { // all of them are forgotten
		return nil, nil
	}
	if err := wr.progress.Wait(ctx, s.Seq()); err != nil {
		return nil, err
	}
	first, err := wr.index.Events(ctx, storage.EventQuery{Type: s.Event.Meta.Type, ID: s.Event.Meta.ID, Action: storage.Created, Descending: true, Limit: 1})
	if err != nil || len(first) == 0 {
		return nil, states.StoreError(err)
	}
	return first[0].Event.Erased, nil
}

// Tombstone is the event that stays of a purged resource.
func (wr *Writer) Tombstone(ctx context.Context, s states.State) (Step, error) {
	keys, err := wr.keysOf(ctx, s)
	old := s.Event.Meta
	return Step{Event: &storage.Event{Action: storage.Purged, Meta: storage.Meta{Type: old.Type, ID: old.ID, Deleted: true, RevisionCount: old.RevisionCount,
		CreatedAt: old.CreatedAt, CreatedBy: old.CreatedBy}, Erased: keys}}, err
}

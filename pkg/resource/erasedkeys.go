package resource

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A request that is sent again must not bring back what was erased since it was
// answered. So the tombstone of a resource keeps which Idempotency-Keys made it,
// as hashes that tell nothing of the content, for as long as keys are remembered.

// maxErasedKeys bounds how many lives of one id are remembered.
const maxErasedKeys = 16

// erasedKey hides a principal and its key.
func erasedKey(principal, key string) string {
	sum := sha256.Sum256([]byte("autocrud erased key 1\x00" + principal + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// keysOf are the keys that made a resource, in this life of its id and earlier ones.
func (m *Manager) keysOf(ctx context.Context, s state) ([]storage.ErasedKey, error) {
	if err := m.progress.Wait(ctx, s.seq()); err != nil {
		return nil, err
	}
	first, err := m.index.Events(ctx, storage.EventQuery{Type: s.event.Meta.Type, ID: s.event.Meta.ID, Limit: 2})
	if err != nil {
		return nil, stored(err)
	}
	var out []storage.ErasedKey
	for _, p := range first {
		e := p.Event
		if e.Action != storage.Created {
			continue
		}
		out = append(out, e.Erased...)
		if e.Idempotency != nil {
			out = append(out, storage.ErasedKey{Key: erasedKey(e.Principal, e.Idempotency.Key), At: e.At})
		}
	}
	return m.remembered(out), nil
}

// remembered leaves out the keys that are forgotten by now.
func (m *Manager) remembered(keys []storage.ErasedKey) (out []storage.ErasedKey) {
	for _, k := range keys {
		if m.o.Now().Sub(k.At) <= keepKeys {
			out = append(out, k)
		}
	}
	return out[max(0, len(out)-maxErasedKeys):]
}

// notErased refuses a create under the key that made what was erased.
func (m *Manager) notErased(ctx context.Context, s state) error {
	i := idempotencyOf(ctx)
	if i == nil || s.last == nil || s.last.Action != storage.Purged {
		return nil
	}
	own := erasedKey(ActorOf(ctx).Principal, i.Key)
	for _, k := range m.remembered(s.last.Erased) {
		if k.Key == own {
			return Errorf(Deleted, "what this Idempotency-Key made was erased (:purge) after %s; use a new key to make it again", k.At.Format(time.RFC3339))
		}
	}
	return nil
}

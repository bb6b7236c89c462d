package resource

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// RotateKey gives an API key a new secret, which is in the answer. The one before
// stays good for the overlap.
func (m *Manager) RotateKey(ctx context.Context, id string, overlap time.Duration, match Match) (*Resource, error) {
	t, err := m.States.find(policy.APIKeys, id)
	if err != nil {
		return nil, err
	}
	if overlap < 0 || overlap > policy.MaxOverlap {
		return nil, fault.Errorf(fault.InvalidRequest, "the overlap is from 0s to %s", policy.MaxOverlap)
	}
	p, err := m.Writer.planPatch(t, id, Patch{Kind: MergePatch, Body: map[string]any{}}, UpdateOptions{IfMatch: match})
	if err != nil {
		return nil, err
	}
	p.asks.rotate = &overlap
	out, err := m.Writer.write(ctx, t, id, p)
	if err != nil {
		return nil, err
	}
	r, err := m.Guard.answer(ctx, out.event, out.content)
	if err == nil {
		r.Secret = policy.KeyText(r.ID, out.secret)
	}
	return r, err
}

// freshKey makes a secret and keeps its hash; the one before is good for the
// time of the rotation.
func (w *mutation) freshKey(now time.Time) []model.Box {
	raw := make([]byte, policy.SecretBytes)
	_, _ = rand.Read(raw) // never fails
	w.secret = hex.EncodeToString(raw)
	list := []model.Box{{Key: policy.HashKey(w.secret)}}
	if old := w.sealed; w.asks.rotate != nil && len(old) > 0 {
		until := now.Add(*w.asks.rotate)
		old[0].Until = &until
		list = append(list, old[0])
	}
	return list
}

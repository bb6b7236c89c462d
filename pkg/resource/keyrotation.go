package resource

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// RotateKey gives an API key a new secret, which is in the answer. The one before
// stays good for the overlap.
func (m *Manager) RotateKey(ctx context.Context, id string, overlap time.Duration, match Match) (*Resource, error) {
	t, err := m.parts.States.find(policy.APIKeys, id)
	if err != nil {
		return nil, err
	}
	if overlap < 0 || overlap > policy.MaxOverlap {
		return nil, fault.Errorf(fault.InvalidRequest, "the overlap is from 0s to %s", policy.MaxOverlap)
	}
	p, err := m.parts.Writer.planPatch(t, id, Patch{Kind: MergePatch, Body: map[string]any{}}, UpdateOptions{IfMatch: match})
	if err != nil {
		return nil, err
	}
	p.asks.rotate = &overlap
	out, err := m.parts.Writer.write(ctx, t, id, p)
	if err != nil {
		return nil, err
	}
	r, err := m.parts.Guard.answer(ctx, out.event, out.content)
	if err == nil {
		r.Secret = policy.KeyText(r.ID, out.secret)
	}
	return r, err
}

package rights

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// Keys are the API keys beyond what every type has.
type Keys struct{ Writer *commit.Writer }

// RotateKey gives an API key a new secret, which is in the answer. The one before
// stays good for the overlap.
func (ks *Keys) RotateKey(ctx context.Context, id string, overlap time.Duration, match commit.Match) (*states.Resource, error) {
	t, err := ks.Writer.States.Find(policy.APIKeys, id)
	if err != nil {
		return nil, err
	}
	if overlap < 0 || overlap > policy.MaxOverlap {
		return nil, fault.Errorf(fault.InvalidRequest, "the overlap is from 0s to %s", policy.MaxOverlap)
	}
	p, err := ks.Writer.PlanPatch(t, id, commit.Patch{Kind: commit.MergePatch, Body: map[string]any{}}, commit.UpdateOptions{IfMatch: match})
	if err != nil {
		return nil, err
	}
	p.Asks.Rotate = &overlap
	out, err := ks.Writer.Write(ctx, t, id, p)
	if err != nil {
		return nil, err
	}
	r, err := ks.Writer.Guard.Answer(ctx, out.Event, out.Content)
	if err == nil {
		r.Secret = policy.KeyText(r.ID, out.Secret)
	}
	return r, err
}

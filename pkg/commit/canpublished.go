package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// canPublished answers a question of an actor that is allowed the action in the
// published view only: about what is published.
func (qs *Questions) canPublished(ctx context.Context, x *policy.Permissions, t *model.Type, q Question) (policy.Decision, error) {
	d := x.May(q.Action)
	if q.ID == "" {
		return d, nil
	}
	if err := model.CheckID(q.ID); err != nil {
		return policy.Decision{}, err
	}
	none := policy.Decision{Why: "there is no such resource, or it may not be read"}
	k := states.Key{Type: t.Name, ID: q.ID}
	s, err := qs.Writer.States.Head(ctx, k, false)
	if err != nil || !s.Exists() {
		return none, err
	}
	shown, err := qs.Writer.States.Published(ctx, k, s.Event)
	if err != nil || shown == nil {
		return none, err
	}
	v, err := qs.Writer.Guard.ViewOf(ctx, t, shown)
	if err != nil || !x.On("read", v).Allowed {
		return none, err
	}
	return x.On(q.Action, v), nil
}

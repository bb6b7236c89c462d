package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// Check returns what refuses a write to a live resource before its content is
// looked at: that the actor has not the right, that it is not there, that it is deleted, or the precondition.
func (wr *Writer) Check(ctx context.Context, action, typ, id string, match Match) error {
	t, err := wr.States.Find(typ, id)
	if err != nil {
		return err
	}
	s, err := wr.States.Head(ctx, states.Key{Type: typ, ID: id}, !wr.o.Sole)
	if err != nil {
		return err
	}
	if err := wr.Guard.May(ctx, t, action); err != nil {
		return err
	}
	if x := wr.Guard.AccessTo(ctx, t); x != nil && s.Exists() {
		v, err := wr.Guard.ViewOf(ctx, t, s.Event)
		switch {
		case err != nil:
			return err
		case !x.On("read", v).Allowed:
			return states.RequireLive(t, id, states.State{})
		}
		if d := x.On(action, v); !d.Allowed {
			return policy.Denied(ctx, t, id, action, d)
		}
	}
	if err := states.RequireLive(t, id, s); err != nil {
		return err
	}
	return match.Check(t, s)
}

package resource

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/policy"
)

// Check returns what refuses a write to a live resource before its content is
// looked at: that the actor has not the right, that it is not there, that it is deleted, or the precondition.
func (m *Manager) Check(ctx context.Context, action, typ, id string, match Match) error {
	t, err := m.parts.States.find(typ, id)
	if err != nil {
		return err
	}
	s, err := m.parts.States.head(ctx, key{typ, id}, !m.parts.Core.Options.Sole)
	if err != nil {
		return err
	}
	if err := m.parts.Guard.May(ctx, t, action); err != nil {
		return err
	}
	if x := m.parts.Guard.accessTo(ctx, t); x != nil && s.exists() {
		v, err := m.parts.Guard.view(ctx, t, s.event)
		switch {
		case err != nil:
			return err
		case !x.On("read", v).Allowed:
			return live(t, id, state{})
		}
		if d := x.On(action, v); !d.Allowed {
			return policy.Denied(ctx, t, id, action, d)
		}
	}
	if err := live(t, id, s); err != nil {
		return err
	}
	return match.check(t, s)
}

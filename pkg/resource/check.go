package resource

import "context"

// Check returns what refuses a write to a live resource before its content is
// looked at: that it is not there, that it is deleted, or the precondition.
func (m *Manager) Check(ctx context.Context, typ, id string, match Match) error {
	t, err := m.find(typ, id)
	if err != nil {
		return err
	}
	s, err := m.head(ctx, key{typ, id}, !m.o.Sole)
	if err != nil {
		return err
	}
	if err := live(t, id, s); err != nil {
		return err
	}
	return match.check(t, s)
}

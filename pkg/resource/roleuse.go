package resource

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// keepsRole refuses a step after which a role has its name no more while something
// still gives that name to others: a role that gets the name later would give its
// rights to subjects that nobody chose for it.
func (m *Manager) keepsRole(ctx context.Context, t *model.Type, s state, next step) error {
	if t.Name != Roles || m.o.Access == nil || !s.exists() || s.event.Meta.Deleted {
		return nil
	}
	name, err := m.roleName(ctx, s.event)
	if err != nil {
		return err
	}
	if e := next.event; !e.Meta.Deleted && e.Action != storage.Purged {
		var r Role
		if err := json.Unmarshal(next.content, &r); err != nil {
			return err
		}
		if r.Name == name {
			return nil
		}
	}
	if m.o.Access.given(name, s.event.Meta.ID) {
		return fault.Errorf(fault.Referenced, "a binding or another role names the role %s; change or delete that first", name)
	}
	return nil
}

func (m *Manager) roleName(ctx context.Context, e *storage.Event) (string, error) {
	content, err := m.content(ctx, e)
	if err != nil {
		return "", err
	}
	var r Role
	err = json.Unmarshal(content, &r)
	return r.Name, err
}

// given reports whether a binding, or a role other than that of the id, names a role.
func (a *Access) given(name, id string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, b := range a.bound {
		if b.Role == name {
			return true
		}
	}
	for of, r := range a.added {
		if of != id && slices.Contains(r.Includes, name) {
			return true
		}
	}
	return false
}

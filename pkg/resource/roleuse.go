package resource

import (
	"context"
	"encoding/json"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// keepsRole refuses a step after which a role has its name no more while something
// still gives that name to others: a role that gets the name later would give its
// rights to subjects that were not chosen for it.
func (m *Manager) keepsRole(ctx context.Context, t *model.Type, s state, next step) error {
	if t.Name != policy.Roles || m.o.Access == nil || !s.exists() || s.event.Meta.Deleted {
		return nil
	}
	name, err := m.roleName(ctx, s.event)
	if err != nil {
		return err
	}
	if e := next.event; !e.Meta.Deleted && e.Action != storage.Purged {
		var r policy.Role
		if err := json.Unmarshal(next.content, &r); err != nil {
			return err
		}
		if r.Name == name {
			return nil
		}
	}
	if m.o.Access.Given(name, s.event.Meta.ID) {
		return fault.Errorf(fault.Referenced, "a binding or another role names the role %s; change or delete that first", name)
	}
	return nil
}

func (m *Manager) roleName(ctx context.Context, e *storage.Event) (string, error) {
	content, err := m.content(ctx, e)
	if err != nil {
		return "", err
	}
	var r policy.Role
	err = json.Unmarshal(content, &r)
	return r.Name, err
}

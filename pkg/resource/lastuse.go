package resource

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/policy"
)

// showUse adds to an API key when it was used last, as far as this process and
// the log know.
func (m *Manager) showUse(ctx context.Context, r *Resource) error {
	if m.o.Access == nil {
		return nil
	}
	all, _, err := policy.ReadUse(ctx, m.log)
	if err != nil {
		return stored(err)
	}
	at := max(all[r.ID], m.o.Access.Uses()[r.ID])
	if at > 0 {
		t := time.Unix(at, 0).UTC()
		r.LastUsed = &t
	}
	return nil
}

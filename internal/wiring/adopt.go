package wiring

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/admin"
)

// adopt takes new unique and refs over for the data that is there. Data that
// does not fit is a matter of settings: nothing is served.
func adopt(ctx context.Context, m *admin.Admin, x *indexing, last uint64) error {
	types, err := m.Unadopted(ctx)
	if err != nil || len(types) == 0 {
		return err
	}
	if err := x.catchUp(ctx, last); err != nil {
		return err
	}
	for _, name := range types {
		if err := m.Adopt(ctx, name); err != nil {
			return wrong("%v", err)
		}
	}
	return nil
}

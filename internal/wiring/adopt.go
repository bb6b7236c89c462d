package wiring

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/indexer"
)

// adopt takes new unique and refs over for the data that is there. Data that
// does not fit is a matter of settings: nothing is served.
func adopt(ctx context.Context, m *resource.Manager, ix *indexer.Indexer, last uint64) error {
	types, err := m.Unadopted(ctx)
	if err != nil || len(types) == 0 {
		return err
	}
	if err := ix.CatchUp(ctx, last); err != nil {
		return err
	}
	for _, name := range types {
		if err := m.Adopt(ctx, name); err != nil {
			return wrong("%v", err)
		}
	}
	return nil
}

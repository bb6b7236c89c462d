package upkeep

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/retention"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// retains is what keeps the retention of types.
func (up *Upkeep) retains() retention.Options {
	return retention.Options{
		Log: up.log, Blobs: up.blobs, Index: up.index, Outward: up.o.Outward, Deliveries: up.o.Deliveries, Archive: up.o.Archive, Types: up.types,
		Indexed: up.States.WaitIndexed,
		Lock:    func(typ, id string) func() { return up.Writer.Hold(states.Key{Type: typ, ID: id}) },
		Upkept: func(ctx context.Context) (uint64, error) {
			at, _, err := up.upkeepMark(ctx)
			return at, err
		},
		SweepBinary: func(ctx context.Context, digest string) error {
			_, err := up.Binaries.SweepBinary(ctx, digest)
			return err
		},
		Sole: up.o.Sole, Now: up.o.Now, Logger: up.o.Logger,
	}
}

package indexer

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// CatchUp applies the log up to a sequence and returns, for what must see all
// data before anything is served.
func (x *Indexer) CatchUp(ctx context.Context, through uint64) error {
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = x.Run(running) // it ends with its context only
	}()
	defer func() { cancel(); <-done }()
	for {
		err := x.progress.Wait(ctx, through)
		if err == nil {
			return x.awaitFilled(ctx)
		}
		if resource.CodeOf(err) != resource.IndexLag || ctx.Err() != nil {
			return err
		}
	}
}

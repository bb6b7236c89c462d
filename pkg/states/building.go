package states

import (
	"context"
	"errors"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// rebuildPoll is how often a search looks whether the table it needs is there.
const rebuildPoll = 20 * time.Millisecond

// WhenBuilt asks the index. What only a table that is still being filled can
// answer is waited for as for any other index lag, unless the consistency is
// Eventual.
func WhenBuilt[T any](ctx context.Context, c Consistency, ask func() (T, error)) (T, error) {
	answer, err := ask()
	var building *storage.BuildError
	if c == Eventual || !errors.As(err, &building) {
		return answer, StoreError(err)
	}
	end := time.NewTimer(maxIndexWait)
	defer end.Stop()
	again := time.NewTicker(rebuildPoll)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-end.C:
			return answer, StoreError(err)
		case <-ctx.Done():
			return answer, StoreError(err)
		}
		if answer, err = ask(); !errors.As(err, &building) {
			return answer, StoreError(err)
		}
	}
}

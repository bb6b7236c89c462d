package wiring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// tailWait bounds the wait for an entry of the log that is there already.
const tailWait = 2 * time.Second

// typesAhead are the types of what the log holds and the index does not yet.
// The indexer passes over types without a model, so they are found here.
func typesAhead(ctx context.Context, st *stores) (types []string, err error) {
	pos, err := st.index.Position(ctx)
	if err != nil {
		return nil, err
	}
	state, err := st.log.State(ctx)
	if err != nil || pos.Applied >= state.Last {
		return nil, err
	}
	feed, err := st.log.Follow(ctx, max(pos.Applied+1, state.First))
	if err != nil {
		return nil, fmt.Errorf("read the log from %d on: %w", pos.Applied+1, err)
	}
	defer feed.Close()
	for seq := uint64(0); seq < state.Last; {
		e, err := nextOf(ctx, feed)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			break // the last ones were erased
		}
		if err != nil {
			return nil, err
		}
		seq = e.Seq
		if typ, _, ok := storage.SplitRevisionSubject(e.Subject); ok && !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	return types, nil
}

func nextOf(ctx context.Context, feed storage.Feed) (storage.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, tailWait)
	defer cancel()
	return feed.Next(ctx)
}

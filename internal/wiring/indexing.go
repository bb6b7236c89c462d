package wiring

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/services/indexer"
)

// indexing is the progress of the index as this process sees it. An index in a file
// belongs to this process; a shared one is written by the leader, which tells the
// other processes how far it is.
type indexing struct {
	st       *stores
	types    []*model.Type
	indexer  *indexer.Indexer // nil in a process that only reads
	progress *states.Progress
	leading  atomic.Bool
	doubt    chan struct{} // a message said less than we know
	logger   *slog.Logger
}

func newIndexing(st *stores, types []*model.Type, p *states.Progress, logger *slog.Logger) *indexing {
	return &indexing{st: st, types: types, progress: p, doubt: make(chan struct{}, 1), logger: logger}
}

// onApplied is the subject on which the writer of the index tells its progress.
const onApplied = "index.applied"

// prepare makes the index readable.
func (x *indexing) prepare(ctx context.Context) error {
	if x.st.shared == nil {
		_, err := x.indexer.Prepare(ctx)
		return err
	}
	if err := x.attach(ctx); err != nil {
		return err
	}
	return x.look(ctx)
}

// use has the index made by other types. It returns when it is, where this process makes
// it; the tables that are new are filled by and by.
func (x *indexing) use(ctx context.Context, types []*model.Type) error {
	x.types = types
	if x.indexer != nil {
		x.indexer.Use(types)
	}
	if x.st.shared == nil || x.leading.Load() {
		return x.indexer.AwaitUsed(ctx)
	}
	return x.attach(ctx)
}

// attach has a shared index answer by the types.
func (x *indexing) attach(ctx context.Context) error {
	var defs []storage.Definition
	for _, t := range x.types {
		defs = append(defs, t.Definition())
	}
	return x.st.shared.Attach(ctx, defs)
}

// index writes the index while this process leads, with what goes beside it.
func (x *indexing) index(ctx context.Context, beside ...func(context.Context) error) error {
	return x.st.lead(ctx, "indexer", x.logger, func(ctx context.Context) error {
		if x.st.shared != nil {
			x.logger.InfoContext(ctx, "this process writes the index now")
		}
		x.leading.Store(true)
		defer x.leading.Store(false)
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return x.indexer.Run(ctx) })
		for _, fn := range beside {
			g.Go(func() error { return fn(ctx) })
		}
		return g.Wait()
	})
}

// lead runs fn while this process is the one that does what name says. An index
// of its own makes a process its own leader.
func (st *stores) lead(ctx context.Context, name string, logger *slog.Logger, fn func(context.Context) error) error {
	do := func(ctx context.Context) error {
		st.leads(name, true)
		defer st.leads(name, false)
		return fn(ctx)
	}
	if st.shared == nil {
		return do(ctx)
	}
	st.leads(name, false)
	for {
		err := st.shared.Lead(ctx, name, do)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			logger.WarnContext(ctx, "the lead is tried for again", "of", name, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(leadPause):
		}
	}
}

const leadPause = 500 * time.Millisecond

// catchUp returns when the index holds the log up to a sequence and no table is
// being filled, for what must see all data before anything is served.
func (x *indexing) catchUp(ctx context.Context, through uint64) error {
	told := false
	for {
		err := x.progress.Wait(ctx, through)
		if err == nil {
			break
		}
		if fault.CodeOf(err) != fault.IndexLag || ctx.Err() != nil {
			return err
		}
		if !told {
			x.logger.InfoContext(ctx, "waiting for the index to hold what is in the log", "sequence", through)
			told = true
		}
	}
	if x.indexer != nil && x.st.shared == nil {
		return x.indexer.AwaitFilled(ctx)
	}
	return x.awaitTables(ctx)
}

// awaitTables returns when every type of a shared index answers with the fields
// that its model has now.
func (x *indexing) awaitTables(ctx context.Context) error {
	for {
		full, err := x.st.shared.Complete(ctx)
		if err == nil && full {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookOften):
		}
	}
}

// applied tells the other processes.
func (x *indexing) applied(b storage.Batch) {
	if x.st.shared != nil {
		_ = x.st.bus.Tell(onApplied, strconv.AppendUint(nil, b.Through, 10)) // a process that misses it looks at the index
	}
}

// How often the index itself is asked how far it is: seldom, since its
// writer says so, and more often while a request waits.
const (
	lookSeldom = 2 * time.Second
	lookOften  = 250 * time.Millisecond
)

// listen keeps the progress of a shared index.
func (x *indexing) listen(ctx context.Context) error {
	if x.st.shared == nil {
		<-ctx.Done()
		return nil
	}
	stop, err := x.st.bus.Listen(onApplied, x.told)
	if err != nil {
		return err
	}
	defer stop()
	looked := time.Now()
	t := time.NewTicker(lookOften)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-x.doubt:
		case <-t.C:
			if !x.progress.Wanted() && time.Since(looked) < lookSeldom {
				continue
			}
		}
		if err := x.look(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, storage.ErrNotReady) {
			x.logger.DebugContext(ctx, "the index does not say how far it is", "error", err)
		}
		looked = time.Now()
	}
}

func (x *indexing) told(data []byte) {
	seq, err := strconv.ParseUint(string(data), 10, 64)
	switch {
	case err != nil:
	case seq < x.progress.Applied():
		select {
		case x.doubt <- struct{}{}:
		default:
		}
	default:
		x.progress.Advance(seq)
	}
}

// look asks the index itself, which may have been made anew.
func (x *indexing) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if x.leading.Load() { // the writer knows
		return nil
	}
	before := x.progress.Applied()
	if err := x.st.shared.Refresh(ctx); err != nil {
		return err
	}
	pos, err := x.st.shared.Position(ctx)
	if err != nil {
		return err
	}
	if pos.Applied < before {
		x.progress.Restart()
	}
	x.progress.Advance(pos.Applied)
	return nil
}

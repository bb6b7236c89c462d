package wiring

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/indexer"
)

// Offline opens the data folder of a stopped program, brings the index up to
// the log, and calls fn with a Manager of it.
func Offline(ctx context.Context, set Settings, app App, fn func(context.Context, *resource.Manager) error) error {
	if err := set.check(); err != nil {
		return err
	}
	types, err := ServedTypes(set.Models, app)
	if err != nil {
		return err
	}
	logger := set.Logger()
	st, err := openStores(ctx, &set, logger)
	if err != nil {
		return err
	}
	defer st.close()
	claimKey, err := ClaimKey(ctx, st.log)
	if err != nil {
		return err
	}
	state, err := st.log.State(ctx)
	if err != nil {
		return err
	}
	progress := resource.NewProgress()
	ix := indexer.New(types, st.log, st.blobs, st.index, progress, indexer.Options{Logger: logger, Outward: st.outward})
	m := resource.NewManager(types, st.log, st.blobs, st.index, resource.Options{LogSyncsBlobs: st.grouped, Sole: st.sole,
		Last: state.Last, ClaimKey: claimKey, Outward: st.outward, Hooks: app.Hooks, Progress: progress, Logger: logger})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = ix.Run(ctx) // it ends with its context only
	}()
	defer func() { cancel(); <-done }()
	return fn(ctx, m)
}

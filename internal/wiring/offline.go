package wiring

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// Offline opens the stores of a stopped program, brings the index up to the log,
// and calls fn with a Manager of it. Stores without a log are a SettingError, and
// nothing is made.
func Offline(ctx context.Context, set Settings, app App, fn func(context.Context, *resource.Domain) error) error {
	set.existing = true
	return offline(ctx, set, app, fn)
}

// OfflineOrNew is Offline for what fills stores, which may be new: a log that is made
// begins at the sequence first.
func OfflineOrNew(ctx context.Context, set Settings, app App, first uint64, fn func(context.Context, *resource.Domain) error) error {
	set.firstSeq = first
	return offline(ctx, set, app, fn)
}

func offline(ctx context.Context, set Settings, app App, fn func(context.Context, *resource.Domain) error) (err error) {
	defer func() { err = set.scrubbed(err) }()
	if err := set.check(); err != nil {
		return err
	}
	nets, err := set.webhookNets()
	if err != nil {
		return err
	}
	types, err := ServedTypes(set.Models, app, nets...)
	if err != nil {
		return err
	}
	set.maintenance = true
	logger := set.Logger()
	registry := prometheus.NewRegistry()
	observer := newObserver(registry)
	st, err := openStores(ctx, &set, observer, logger)
	if err != nil {
		return err
	}
	defer st.close()
	p := &program{set: &set, app: app, types: types, st: st, has: roles{indexer: true}, logger: logger,
		registry: registry, observer: observer, progress: states.NewProgress()}
	if err := p.wire(ctx); err != nil {
		return err
	}
	if err := p.indexing.prepare(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listening, indexing := begin(ctx, p.indexing.listen), begin(ctx, p.index)
	defer listening.interrupt(nil)
	defer indexing.interrupt(nil)
	return fn(ctx, p.manager)
}

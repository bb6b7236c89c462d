package wiring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/services/api"
	"github.com/autocrud-go/autocrud/services/indexer"
	"github.com/autocrud-go/autocrud/services/worker"
)

// Running is a program that takes requests.
type Running struct {
	URL     string
	Manager *resource.Manager
	stop    context.CancelFunc
	done    chan struct{}
	err     error
}

// Stop ends it and waits until what is under way is finished.
func (r *Running) Stop() error {
	r.stop()
	<-r.done
	return r.err
}

// Wait returns when it ends by itself or its context is cancelled.
func (r *Running) Wait() error {
	<-r.done
	return r.err
}

// Logger as the settings ask, to stderr.
func (s *Settings) Logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // one of the enum, or info
	o := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// Up starts api, indexer and worker in this process and returns when requests
// are taken. It ends when ctx does.
func Up(ctx context.Context, set Settings, app App) (_ *Running, err error) {
	if err := set.check(); err != nil {
		return nil, err
	}
	types, err := ServedTypes(set.Models, app)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", set.Addr)
	if err != nil {
		return nil, wrong("--addr %s cannot be listened on: %v", set.Addr, err)
	}
	logger := set.Logger()
	st, err := openStores(ctx, &set, logger)
	if err != nil {
		listener.Close()
		return nil, err
	}
	r, err := start(ctx, &set, app, types, st, listener, logger)
	if err != nil {
		listener.Close()
		st.close()
		return nil, err
	}
	return r, nil
}

// start wires the parts. The order of Add is the order of shutdown: first no
// more requests and jobs, then the index, then the stores.
func start(ctx context.Context, set *Settings, app App, types []*resource.Type, st *stores, listener net.Listener, logger *slog.Logger) (*Running, error) {
	secret, err := set.secret()
	if err != nil {
		return nil, err
	}
	claimKey, err := ClaimKey(ctx, st.log)
	if err != nil {
		return nil, err
	}
	state, err := st.log.State(ctx)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	progress, live := resource.NewProgress(), resource.NewLive()
	var jobs *worker.Dispatcher
	var m *resource.Manager
	ix := indexer.New(types, st.log, st.blobs, st.index, progress, indexer.Options{Logger: logger, Outward: st.outward,
		Known:   func(seq uint64) *storage.Event { return m.Known(seq) },
		Applied: func(b storage.Batch) { jobs.Applied(b) }})
	if _, err := ix.Prepare(ctx); err != nil {
		return nil, err
	}
	m = resource.NewManager(types, st.log, st.blobs, st.index, resource.Options{
		LogSyncsBlobs: st.grouped, Sole: st.sole, Last: state.Last, Secret: secret, ClaimKey: claimKey, Outward: st.outward, Hooks: app.Hooks,
		Progress: progress, Live: live, Committed: func(e *storage.Event) { jobs.Committed(e) }, Observer: newObserver(registry, st.log, ix, progress), Logger: logger})
	jobs = worker.NewDispatcher(m, worker.DispatcherOptions{Sole: st.sole, Logger: logger})
	work := worker.New(m, jobs, withBulk(app.Handlers), worker.Options{Concurrency: set.WorkerSlots, Live: live, Logger: logger})
	for _, x := range app.Actions {
		if _, err := m.Type(x.Type); err != nil {
			return nil, wrong("action %s:%s is on a type without a model", x.Type, x.Name)
		}
	}
	if err := missingTypes(ctx, set, types, st); err != nil {
		return nil, err
	}
	if err := adopt(ctx, m, ix, state.Last); err != nil {
		return nil, err
	}
	url := "http://" + listener.Addr().String()
	handler := api.New(m, api.Options{Version: app.Version, URL: url, Namespace: set.Namespace, NATS: st.nats, Hosts: loopbackHosts(set.Addr), Registry: registry, Logger: logger, Actions: app.Actions,
		Ready: func(context.Context) error { return ready(st, progress, state.Last) }})

	ctx, stop := context.WithCancel(ctx)
	out := &Running{URL: url, Manager: m, stop: stop, done: make(chan struct{})}
	var g run.Group
	g.Add(both(serve(listener, handler))(until(ctx, work.Run)))
	g.Add(until(ctx, jobs.Run))
	g.Add(until(ctx, m.RunWatches))
	g.Add(until(ctx, m.Upkeep))
	g.Add(until(ctx, func(ctx context.Context) error { return m.SweepEvery(ctx, resource.SweepAge) }))
	g.Add(until(ctx, ix.Run))
	g.Add(func() error { <-ctx.Done(); return nil }, func(error) { stop() })
	ballast := loadBallast()
	go func() {
		defer ballast()
		defer close(out.done)
		defer stop()
		defer st.close()
		out.err = g.Run()
	}()
	return out, nil
}

// until runs fn until it is interrupted, and the interrupt waits for it.
func until(ctx context.Context, fn func(context.Context) error) (func() error, func(error)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	return func() error {
			defer close(done)
			return fn(ctx)
		}, func(error) {
			cancel()
			<-done
		}
}

// both runs two actors as one; they are interrupted at the same time, so that
// the time they may take to finish does not add up.
func both(run1 func() error, stop1 func(error)) func(run2 func() error, stop2 func(error)) (func() error, func(error)) {
	return func(run2 func() error, stop2 func(error)) (func() error, func(error)) {
		return func() error {
				errs := make(chan error, 2)
				go func() { errs <- run1() }()
				go func() { errs <- run2() }()
				return <-errs
			}, func(err error) {
				var wg sync.WaitGroup
				wg.Go(func() { stop1(err) })
				wg.Go(func() { stop2(err) })
				wg.Wait()
			}
	}
}

// drain is how long requests may take to finish after a stop.
const drain = 8 * time.Second

func serve(l net.Listener, h http.Handler) (func() error, func(error)) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute}
	if e, ok := h.(interface{ End() }); ok {
		srv.RegisterOnShutdown(e.End)
	}
	return func() error {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}, func(error) {
			ctx, cancel := context.WithTimeout(context.Background(), drain)
			defer cancel()
			if srv.Shutdown(ctx) != nil {
				srv.Close()
			}
		}
}

// loopbackHosts are the names a browser on this machine may use; elsewhere any.
func loopbackHosts(addr string) []string {
	if local, err := isLoopback(addr); err != nil || !local {
		return nil
	}
	return []string{"localhost", "127.0.0.1", "::1", "[::1]"}
}

// ready tells why requests cannot be answered fully.
func ready(st *stores, p *resource.Progress, begun uint64) error {
	if err := st.log.Broken(); err != nil {
		return &resource.Error{Code: resource.Unavailable, Detail: "the log takes no more writes; restart the service", Cause: err}
	}
	if applied := p.Applied(); applied < begun {
		return &resource.Error{Code: resource.IndexLag, Detail: fmt.Sprintf("the index is at sequence %d of %d", applied, begun)}
	}
	return nil
}

// missingTypes refuses to start when data has no model any more.
func missingTypes(ctx context.Context, set *Settings, types []*resource.Type, st *stores) error {
	if set.AllowMissing {
		return nil
	}
	stored, err := st.index.Types(ctx)
	if err != nil {
		return err
	}
	ahead, err := typesAhead(ctx, st)
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range append(stored, ahead...) {
		if !slices.Contains(missing, name) && !slices.ContainsFunc(types, func(t *resource.Type) bool { return t.Name == name }) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return wrong("there is data of %s but no model; put the model back, or say --allow-missing-types", strings.Join(missing, ", "))
	}
	return nil
}

// withBulk adds the handler of the built-in jobs.
func withBulk(handlers map[string]worker.Handler) map[string]worker.Handler {
	out := maps.Clone(handlers)
	if out == nil {
		out = map[string]worker.Handler{}
	}
	out[resource.BulkJobs] = func(ctx context.Context, a *job.Attempt) (json.RawMessage, error) {
		return nil, a.Manager.RunBulk(ctx, a.Data)
	}
	return out
}

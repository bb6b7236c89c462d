package wiring

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync/atomic"

	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
	"github.com/autocrud-go/autocrud/services/worker"
)

// jobParts are how jobs are handed out and run. The dispatcher is in the
// process that writes the index. Where other processes may do that, all talk over
// the bus.
type jobParts struct {
	*program
	dispatcher atomic.Pointer[worker.Dispatcher] // of this process, while it has one
	worker     atomic.Pointer[worker.Worker]     // of this process, while it has one
}

// remote reports whether the dispatcher may be in another process.
func (j *jobParts) remote() bool { return j.st.shared != nil }

// own makes the dispatcher of a process that is its own.
func (j *jobParts) own() {
	if !j.remote() {
		j.dispatcher.Store(worker.NewDispatcher(j.manager, worker.DispatcherOptions{Sole: j.st.sole, Logger: j.logger}))
	}
}

// measureQueues registers what is known of queues.
func (j *jobParts) measureQueues() {
	if j.has.indexer {
		j.registry.MustRegister(queued{j})
	}
}

// dispatch hands out jobs until ctx ends. A new leader begins anew.
func (j *jobParts) dispatch(ctx context.Context) error {
	if !j.remote() {
		return j.dispatcher.Load().Run(ctx)
	}
	d := worker.NewDispatcher(j.manager, worker.DispatcherOptions{Connected: j.st.bus.Connected, Cancel: worker.Canceller(j.st.bus), Logger: j.logger})
	stop, err := d.Serve(j.st.bus)
	if err != nil {
		return err
	}
	defer stop()
	j.dispatcher.Store(d)
	defer j.dispatcher.Store(nil)
	return d.Run(ctx)
}

// use has the jobs of other types looked after and run.
func (j *jobParts) use(types []*model.Type) {
	if d := j.dispatcher.Load(); d != nil {
		d.Use(types)
	}
	if w := j.worker.Load(); w != nil {
		w.Use(types)
	}
}

// applied tells the dispatcher and other processes what the index holds now.
func (j *jobParts) applied(b storage.Batch) {
	j.observer.applied(b)
	j.indexing.applied(b)
	if d := j.dispatcher.Load(); d != nil {
		d.Applied(b)
	}
}

// committed tells the dispatcher at once.
func (j *jobParts) committed() func(*storage.Event) {
	if j.remote() {
		return worker.Teller(j.st.bus)
	}
	return func(e *storage.Event) {
		if d := j.dispatcher.Load(); d != nil {
			d.Committed(e)
		}
	}
}

// hear learns how far the jobs of other processes are.
func (j *jobParts) hear() (stop func(), err error) {
	if !j.remote() || !j.has.api {
		return func() {}, nil
	}
	return worker.ListenProgress(j.st.bus, j.live)
}

// work runs jobs until ctx ends.
func (j *jobParts) work(ctx context.Context) error {
	if !j.has.worker {
		<-ctx.Done()
		return nil
	}
	var source worker.Source = worker.NewRemote(j.st.bus)
	if !j.remote() {
		source = j.dispatcher.Load()
	} else {
		stop, err := worker.ServeCancels(j.st.bus, j.manager)
		if err != nil {
			return err
		}
		defer stop()
	}
	scheduler := begin(ctx, worker.NewScheduler(j.manager, j.logger).Run)
	defer scheduler.interrupt(nil)
	w := worker.New(j.manager, source, withBulk(j.app.Handlers, j.manager.Bulk), worker.Options{Concurrency: j.set.WorkerSlots, Live: j.live,
		Observer: newAttempts(j.registry), Tracer: j.tracer, Logger: j.logger})
	j.worker.Store(w)
	w.Use(j.manager.States.Types()) // they may have changed meanwhile
	j.measureWorker(w)
	return w.Run(ctx)
}

// withBulk adds the handler of the built-in jobs.
func withBulk(handlers map[string]worker.Handler, bulk *upkeep.BulkChanges) map[string]worker.Handler {
	out := maps.Clone(handlers)
	if out == nil {
		out = map[string]worker.Handler{}
	}
	out[upkeep.BulkJobs] = func(ctx context.Context, a *job.Attempt) (json.RawMessage, error) {
		var at upkeep.BulkState
		if _, err := a.LastCheckpoint(&at); err != nil {
			return nil, job.Fail(err)
		}
		at, err := bulk.RunBulk(ctx, a.Data, at, func(at upkeep.BulkState) {
			a.Report.Progress(storage.Progress{Done: at.Changed + at.Unchanged + at.Failed, Total: at.Total})
			_ = a.SetCheckpoint(at) // always marshals
		})
		if err != nil {
			return nil, err
		}
		if !at.Done {
			return nil, job.Snooze(0) // a crash repeats no more than this slice
		}
		result, err := json.Marshal(at)
		if err == nil && at.Failed > 0 && at.Changed+at.Unchanged == 0 {
			return nil, job.FailWith(result, fmt.Errorf("all %d resources were refused; the first was %s: %s", at.Failed, at.Errors[0].ID, at.Errors[0].Detail))
		}
		return result, err
	}
	return out
}

package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/natslog"
	"github.com/autocrud-go/autocrud/services/indexer"
	"github.com/autocrud-go/autocrud/services/worker"
)

const model = `
name: tasks
schema: {type: object, properties: {name: {type: string}, key: {type: string}}}
index: [name]
job: {maxAttempts: 3, backoff: {initial: 100ms, max: 400ms}, concurrencyKey: key, queue: work}
`

// rig is a dispatcher on real stores, and workers that reach it over NATS.
type rig struct {
	*testenv.Stack
	t    *testing.T
	bus  *natslog.Bus
	mu   sync.Mutex
	d    *worker.Dispatcher
	stop func()
}

func newRig(t *testing.T, o worker.DispatcherOptions) *rig {
	t.Helper()
	r := &rig{t: t}
	types := testenv.Types(t, model)
	queues, err := jobs.QueueType()
	if err != nil {
		t.Fatal(err)
	}
	schedules, err := jobs.ScheduleType()
	if err != nil {
		t.Fatal(err)
	}
	r.Stack = testenv.Open(t, t.TempDir(), append(types, queues, schedules), testenv.StackOptions{Memory: true,
		Indexer: indexer.Options{Applied: func(b storage.Batch) {
			if d := r.dispatcher(); d != nil {
				d.Applied(b)
			}
		}}})
	n, err := natslog.StartEmbedded(t.TempDir(), natslog.Sync{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	r.bus = natslog.NewBus(n.Conn, "main")
	r.dispatch(o)
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) dispatcher() *worker.Dispatcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.d
}

// dispatch starts a dispatcher in place of the one before.
func (r *rig) dispatch(o worker.DispatcherOptions) {
	r.t.Helper()
	if r.stop != nil {
		r.stop()
	}
	d := worker.NewDispatcher(r.Manager, o)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	unserve, err := d.Serve(r.bus)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.d, r.stop = d, sync.OnceFunc(func() { unserve(); cancel(); wg.Wait() })
	r.mu.Unlock()
	// As in the program, it is told of what is indexed before it looks for itself: what
	// came between the two would be found by its next look only.
	wg.Go(func() { _ = d.Run(ctx) })
}

// work starts a worker; the returned function ends it as SIGTERM does.
func (r *rig) work(source worker.Source, o worker.Options, fn func(ctx context.Context, a *job.Attempt) error) (stop func()) {
	r.t.Helper()
	w := worker.New(r.Manager, source, map[string]worker.Handler{"tasks": func(ctx context.Context, a *job.Attempt) (json.RawMessage, error) {
		return nil, fn(ctx, a)
	}}, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) create(id string, data map[string]any, o resource.JobOptions) {
	r.t.Helper()
	if _, err := r.Manager.Create(r.t.Context(), "tasks", data, resource.CreateOptions{ID: id, Job: o}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) limit(settings map[string]any) {
	r.t.Helper()
	_, _, err := r.Manager.Update(r.t.Context(), jobs.QueueSettings, "work", settings, resource.UpdateOptions{Create: true})
	if fault.CodeOf(err) == fault.PreconditionFailed {
		_, _, err = r.Manager.Update(r.t.Context(), jobs.QueueSettings, "work", settings, resource.UpdateOptions{})
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) state(id string) *storage.Job {
	r.t.Helper()
	x, err := r.Manager.Get(r.t.Context(), "tasks", id, resource.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	var meta storage.Meta
	if err := json.Unmarshal(x.Meta, &meta); err != nil {
		r.t.Fatal(err)
	}
	return meta.Job
}

func (r *rig) becomes(id string, state storage.JobState) *storage.Job {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("job %s is %s", id, state), func() bool { return r.state(id).State == state })
	return r.state(id)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in 20 s: %s", what)
		}
	}
}

// record keeps the order of the attempts.
type record struct {
	mu   sync.Mutex
	runs []string
}

func (x *record) add(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.runs = append(x.runs, id)
}

func (x *record) all() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.runs)
}

func TestEachJobGoesToOneOfSeveralWorkers(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{})
	var got record
	var lost atomic.Int64
	for range 4 {
		r.work(worker.NewRemote(r.bus), worker.Options{Concurrency: 4}, func(_ context.Context, a *job.Attempt) error {
			got.add(a.ID)
			return nil
		})
	}
	const n = 300
	for i := range n {
		r.create(fmt.Sprint("j", i), map[string]any{"name": "x"}, resource.JobOptions{})
	}
	for i := range n {
		if j := r.becomes(fmt.Sprint("j", i), storage.JobStateDone); j.Attempts != 1 {
			lost.Add(1)
		}
	}
	if runs := got.all(); len(runs) != n || lost.Load() > 0 {
		t.Errorf("%d runs of %d jobs, %d with another attempt", len(runs), n, lost.Load())
	}
}

// frozen is a way to the dispatcher that can be cut, as for a process that is
// stopped.
type frozen struct {
	worker.Source
	cut atomic.Bool
}

func (f *frozen) Fetch(ctx context.Context, x worker.Fetch) ([]worker.Grant, error) {
	if f.cut.Load() {
		return nil, errors.New("frozen")
	}
	return f.Source.Fetch(ctx, x)
}

func (f *frozen) Beat(ctx context.Context, b worker.Beat) (worker.Orders, error) {
	if f.cut.Load() {
		return worker.Orders{}, errors.New("frozen")
	}
	return f.Source.Beat(ctx, b)
}

func TestAFrozenWorkersJobIsTakenOverAndItsResultRefused(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{Silence: 300 * time.Millisecond})
	cause := make(chan error, 1)
	begun := make(chan struct{})
	source := &frozen{Source: worker.NewRemote(r.bus)}
	r.work(source, worker.Options{Concurrency: 1, Beat: 20 * time.Millisecond}, func(ctx context.Context, _ *job.Attempt) error {
		source.cut.Store(true)
		close(begun)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil // a success that comes too late
	})
	r.create("a", map[string]any{"name": "x"}, resource.JobOptions{})
	<-begun
	r.work(worker.NewRemote(r.bus), worker.Options{}, func(context.Context, *job.Attempt) error { return nil })
	j := r.becomes("a", storage.JobStateDone)
	if j.Attempts != 2 || len(j.Errors) != 1 {
		t.Errorf("attempts %d, errors %v", j.Attempts, j.Errors)
	}
	finished := *j.FinishedAt
	select {
	case err := <-cause:
		t.Fatalf("the frozen worker was told: %v", err)
	default:
	}
	source.cut.Store(false) // it goes on
	select {
	case err := <-cause:
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cause %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the handler of the attempt that was taken over goes on")
	}
	h, err := r.Manager.History(t.Context(), "tasks", "a", resource.PageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	outcomes := 0
	for _, x := range h.Items {
		if x.Action == storage.JobSucceeded || x.Action == storage.JobFailed {
			outcomes++
		}
	}
	if j = r.state("a"); outcomes != 1 || !j.FinishedAt.Equal(finished) {
		t.Errorf("%d outcomes, finished %s and then %s", outcomes, finished, j.FinishedAt)
	}
}

// A handler that kills its process is seen as a worker that claims and says
// nothing any more.
func TestAJobThatKillsItsWorkersEndsAsFailed(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{Silence: 50 * time.Millisecond})
	remote := worker.NewRemote(r.bus)
	r.create("a", map[string]any{"name": "x"}, resource.JobOptions{})
	claims := 0
	eventually(t, "it ends", func() bool {
		grants, err := remote.Fetch(t.Context(), worker.Fetch{Worker: "doomed", Types: []string{"tasks"}, Max: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range grants {
			if _, err := r.Manager.Jobs.Claim(t.Context(), "tasks", "a", jobs.ClaimOptions{Worker: "doomed", Head: g.Head, Takeover: g.Takeover}); err == nil {
				claims++
			}
		}
		return r.state("a").State.Final()
	})
	if j := r.state("a"); j.State != storage.JobStateFailed || j.Attempts != 3 || claims != 3 || len(j.Errors) != 3 {
		t.Errorf("%s after %d claims, %d attempts, errors %v", j.State, claims, j.Attempts, j.Errors)
	}
}

func TestAJobThatWasHandedOutAndNotClaimedIsHandedOutAgain(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{Unclaimed: 100 * time.Millisecond})
	remote := worker.NewRemote(r.bus)
	r.create("a", map[string]any{"name": "x"}, resource.JobOptions{})
	var heads []uint64
	eventually(t, "it comes three times", func() bool {
		grants, err := remote.Fetch(t.Context(), worker.Fetch{Worker: "w", Types: []string{"tasks"}, Max: 5})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range grants {
			heads = append(heads, g.Head.Seq)
		}
		return len(heads) == 3
	})
	grants, err := remote.Fetch(t.Context(), worker.Fetch{Worker: "w", Types: []string{"others"}, Max: 5})
	if err != nil || len(grants) != 0 {
		t.Errorf("a worker without a handler got %v, %v", grants, err)
	}
}

func TestAStoppedWorkerGivesBackWhatItCannotFinish(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{})
	begun := make(chan struct{})
	stop := r.work(worker.NewRemote(r.bus), worker.Options{Concurrency: 1, Grace: 50 * time.Millisecond}, func(ctx context.Context, _ *job.Attempt) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	})
	r.create("a", map[string]any{"name": "x"}, resource.JobOptions{MaxAttempts: 1})
	<-begun
	r.create("b", map[string]any{"name": "x"}, resource.JobOptions{})
	stop()
	if j := r.state("a"); j.State != storage.JobPending || j.Attempts != 0 {
		t.Errorf("the job that was cut off is %s after %d attempts", j.State, j.Attempts)
	}
	began := time.Now()
	r.work(worker.NewRemote(r.bus), worker.Options{}, func(context.Context, *job.Attempt) error { return nil })
	r.becomes("a", storage.JobStateDone)
	r.becomes("b", storage.JobStateDone)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the next worker had them after %s", took)
	}
}

func TestADispatcherInTheOthersPlaceGoesOn(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{})
	release := make(chan struct{})
	r.work(worker.NewRemote(r.bus), worker.Options{Concurrency: 2, Beat: 20 * time.Millisecond}, func(_ context.Context, a *job.Attempt) error {
		if a.ID == "long" {
			<-release
		}
		return nil
	})
	r.create("long", map[string]any{"name": "x"}, resource.JobOptions{})
	r.becomes("long", storage.JobRunning)
	r.create("later", map[string]any{"name": "x"}, resource.JobOptions{RunAt: time.Now().Add(300 * time.Millisecond)})
	r.dispatch(worker.DispatcherOptions{Silence: 400 * time.Millisecond})
	r.becomes("later", storage.JobStateDone)
	time.Sleep(600 * time.Millisecond) // more than the silence: the beats keep the attempt
	close(release)
	if j := r.becomes("long", storage.JobStateDone); j.Attempts != 1 {
		t.Errorf("it took %d attempts", j.Attempts)
	}
}

func TestAttemptsFollowTheBackoff(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{})
	var mu sync.Mutex
	var times []time.Time
	r.work(worker.NewRemote(r.bus), worker.Options{}, func(context.Context, *job.Attempt) error {
		mu.Lock()
		defer mu.Unlock()
		times = append(times, time.Now())
		return errors.New("no luck")
	})
	r.create("a", map[string]any{"name": "x"}, resource.JobOptions{MaxAttempts: 5})
	r.becomes("a", storage.JobStateFailed)
	for i, want := range []time.Duration{100, 200, 400, 400} {
		want *= time.Millisecond
		if got := times[i+1].Sub(times[i]); got < want*9/10 || got > want*12/10+20*time.Millisecond {
			t.Errorf("attempt %d came %s after the one before, want %s", i+2, got, want)
		}
	}
}

func TestUrgentJobsComeFirst(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{})
	r.limit(map[string]any{"paused": true})
	for i, p := range []int{0, 5, 9, 5, 0} {
		r.create(fmt.Sprintf("p%d-%d", p, i), map[string]any{"name": "x"}, resource.JobOptions{Priority: p})
	}
	var got record
	r.work(worker.NewRemote(r.bus), worker.Options{Concurrency: 1}, func(_ context.Context, a *job.Attempt) error {
		got.add(a.ID)
		return nil
	})
	time.Sleep(100 * time.Millisecond)
	if runs := got.all(); len(runs) > 0 {
		t.Fatalf("a paused queue ran %v", runs)
	}
	r.limit(map[string]any{})
	r.becomes("p0-4", storage.JobStateDone)
	if want := []string{"p9-2", "p5-1", "p5-3", "p0-0", "p0-4"}; !slices.Equal(got.all(), want) {
		t.Errorf("order %v, want %v", got.all(), want)
	}
}

func TestAQueuesLimitsHoldForAllWorkersTogether(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{})
	r.limit(map[string]any{"concurrency": 3})
	var now, most atomic.Int64
	for range 3 {
		r.work(worker.NewRemote(r.bus), worker.Options{}, func(context.Context, *job.Attempt) error {
			n := now.Add(1)
			defer now.Add(-1)
			for {
				old := most.Load()
				if n <= old || most.CompareAndSwap(old, n) {
					break
				}
			}
			time.Sleep(2 * time.Millisecond) // the work
			return nil
		})
	}
	for i := range 60 {
		r.create(fmt.Sprint("c", i), map[string]any{"name": "x"}, resource.JobOptions{})
	}
	for i := range 60 {
		r.becomes(fmt.Sprint("c", i), storage.JobStateDone)
	}
	if most.Load() != 3 {
		t.Errorf("%d at once, want 3", most.Load())
	}
	r.limit(map[string]any{"rate": map[string]any{"limit": 20, "per": "1s"}})
	begun := time.Now()
	for i := range 21 {
		r.create(fmt.Sprint("r", i), map[string]any{"name": "x"}, resource.JobOptions{})
	}
	for i := range 21 {
		r.becomes(fmt.Sprint("r", i), storage.JobStateDone)
	}
	if took := time.Since(begun); took < 900*time.Millisecond || took > 3*time.Second {
		t.Errorf("21 starts at 20 a second took %s", took)
	}
}

func TestABacklogBeyondWhatIsKnownIsWorkedOff(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{Known: 10, Sweep: 50 * time.Millisecond})
	const n = 120
	for i := range n {
		r.create(fmt.Sprint("j", i), map[string]any{"name": "x"}, resource.JobOptions{})
	}
	var runs atomic.Int64
	r.work(worker.NewRemote(r.bus), worker.Options{}, func(context.Context, *job.Attempt) error { runs.Add(1); return nil })
	for i := range n {
		r.becomes(fmt.Sprint("j", i), storage.JobStateDone)
	}
	if runs.Load() != n {
		t.Errorf("%d runs of %d jobs", runs.Load(), n)
	}
}

// Command jobs measures the job queue: jobs queued per second, the drain of a
// backlog, the time from queuing to start, and queuing and working at once.
// With --river it runs the same cases on River and Postgres, turn by turn in
// the same run, and prints the ratios.
//
// Everything is durable before it counts: a job is queued when Create returned,
// and drained when its outcome is committed, both with a sync. Figures are for
// ratios within one run; they do not carry from machine to machine.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// payload is as long as River's in the same run.
type payload struct {
	Sent int64  `json:"sent"` // unix microseconds
	Pad  string `json:"pad"`
}

const pad = "0123456789012345678901234567890123456789"

var (
	seconds = flag.Float64("seconds", 5, "measured time of each cell")
	backlog = flag.Int("backlog", 50000, "jobs of the drain")
	slots   = flag.Int("slots", 512, "handlers at once")
	rounds  = flag.Int("rounds", 2, "how often each program runs, turn by turn")
	river   = flag.String("river", "", "River's program (go build in internal/bench/jobs/river); empty: without")
	dsn     = flag.String("postgres", "", "connection string of a Postgres with fsync, for River")
	profile = flag.String("cpuprofile", "", "file for a processor profile of the drain")
	only    = flag.String("only", "", "only the cells whose name holds this")
)

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench jobs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	t := newTable()
	for range *rounds {
		if err := ours(ctx, t); err != nil {
			return err
		}
		if *river != "" {
			if err := peer(ctx, t); err != nil {
				return err
			}
		}
	}
	t.print(os.Stdout)
	return nil
}

// program is a running one with a job type whose handler does nothing.
type program struct {
	*autocrud.Running
	mu      sync.Mutex
	delays  []time.Duration // from queuing to start
	keyed   order
	started atomic.Int64
}

func launch(ctx context.Context, dir string) (*program, error) {
	p := &program{}
	app := autocrud.New()
	autocrud.Register[payload](app, "noops", model.WithJob(model.JobSpec{}))
	autocrud.Register[payload](app, "idles", model.WithJob(model.JobSpec{})) // no worker runs them
	autocrud.Register[payload](app, "keyeds", model.WithJob(model.JobSpec{ConcurrencyKey: "pad"}))
	autocrud.HandleJob(app, "keyeds", func(_ context.Context, j *job.Job[payload]) error {
		defer p.keyed.begin(j.Payload)()
		return nil
	})
	autocrud.HandleJob(app, "noops", func(_ context.Context, j *job.Job[payload]) error {
		d := time.Duration(time.Now().UnixMicro()-j.Payload.Sent) * time.Microsecond
		p.mu.Lock()
		p.delays = append(p.delays, d)
		p.mu.Unlock()
		p.started.Add(1)
		return nil
	})
	var err error
	p.Running, err = app.Start(ctx, autocrud.Settings{Addr: "127.0.0.1:0", DataDir: dir, LogLevel: "warn", WorkerSlots: *slots, Models: filepath.Join(dir, "none")})
	return p, err
}

func (p *program) queue(ctx context.Context, typ string) error {
	_, err := p.Manager.Create(ctx, typ, map[string]any{"sent": time.Now().UnixMicro(), "pad": pad}, resource.CreateOptions{})
	return err
}

// queueOne queues the i-th job of a backlog; keyed ones have a thousand keys.
func (p *program) queueOne(ctx context.Context, typ string, i int64) error {
	if typ != "keyeds" {
		return p.queue(ctx, typ)
	}
	return p.keyed.queue(i%1000, func(key string, n int64) error {
		_, err := p.Manager.Create(ctx, typ, map[string]any{"sent": n, "pad": key}, resource.CreateOptions{})
		return err
	})
}

// ours runs every cell on a new folder.
func ours(ctx context.Context, t *table) error {
	dir, err := os.MkdirTemp("", "autocrud-bench-jobs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := launch(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { _ = p.Stop() }()
	for _, callers := range []int{16, 64} {
		if err := t.cell("autocrud", fmt.Sprintf("enqueue, %d callers, per s", callers), func() (float64, error) {
			n, took, err := callIn(callers, func() error { return p.queue(ctx, "idles") })
			return float64(n) / took.Seconds(), err
		}); err != nil {
			return err
		}
	}
	if err := t.cell("autocrud", "drain, jobs per s", func() (float64, error) { return p.drain(ctx, "noops") }); err != nil {
		return err
	}
	if err := t.cell("autocrud", "drain, one at a time of each of 1,000 keys, jobs per s", func() (float64, error) {
		defer p.keyed.report()
		return p.drain(ctx, "keyeds")
	}); err != nil {
		return err
	}
	if err := t.cell("autocrud", "enqueue to start at 100/s, p50 ms", func() (float64, error) { return p.delay(ctx, 100) }); err != nil {
		return err
	}
	return t.cell("autocrud", "enqueue and work at once, jobs per s", func() (float64, error) {
		before, begun := p.finished(), time.Now()
		if _, _, err := callIn(16, func() error { return p.queue(ctx, "noops") }); err != nil {
			return 0, err
		}
		return float64(p.finished()-before) / time.Since(begun).Seconds(), nil
	})
}

// callIn calls fn from several goroutines for the measured time.
func callIn(callers int, fn func() error) (int64, time.Duration, error) {
	var n atomic.Int64
	var failed atomic.Pointer[error]
	begun := time.Now()
	end := begun.Add(time.Duration(*seconds * float64(time.Second)))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Now().Before(end) {
				if err := fn(); err != nil {
					failed.Store(&err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, 0, *err
	}
	return n.Load(), time.Since(begun), nil
}

// drain queues the backlog while its queue is paused and measures from the
// moment it is resumed to the last committed outcome.
func (p *program) drain(ctx context.Context, typ string) (float64, error) {
	pause := func(paused bool) error {
		_, err := p.Domain.Jobs.PauseQueue(ctx, "default", paused)
		return err
	}
	if err := pause(true); err != nil {
		return 0, err
	}
	var left atomic.Int64
	left.Store(int64(*backlog))
	var wg sync.WaitGroup
	for range 128 {
		wg.Go(func() {
			for i := left.Add(-1); i >= 0; i = left.Add(-1) {
				if err := p.queueOne(ctx, typ, i); err != nil {
					fmt.Fprintln(os.Stderr, "queue:", err)
				}
			}
		})
	}
	wg.Wait()
	if _, _, err := p.Manager.Count(ctx, typ, resource.ListOptions{Consistency: resource.Strong}); err != nil {
		return 0, err
	}
	time.Sleep(time.Second) // both programs begin at rest
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return 0, err
		}
		defer pprof.StopCPUProfile()
	}
	before, begun := p.finished(), time.Now()
	if err := pause(false); err != nil {
		return 0, err
	}
	for p.finished()-before < int64(*backlog) {
		if time.Since(begun) > 2*time.Minute {
			return 0, fmt.Errorf("%d of %d jobs after %s", p.finished()-before, *backlog, time.Since(begun))
		}
		time.Sleep(25 * time.Millisecond)
	}
	took := time.Since(begun)
	_, _, err := p.Manager.Count(ctx, typ, resource.ListOptions{Consistency: resource.Strong})
	fmt.Fprintf(os.Stderr, "drained in %s, indexed %s later\n", took.Round(time.Millisecond), (time.Since(begun) - took).Round(time.Millisecond))
	return float64(*backlog) / took.Seconds(), err
}

// delay queues at a rate and returns the median time to the start.
func (p *program) delay(ctx context.Context, rate int) (float64, error) {
	time.Sleep(time.Second)
	p.mu.Lock()
	p.delays = nil
	p.mu.Unlock()
	base := p.started.Load()
	n := int64(0)
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Duration(*seconds*float64(time.Second))); time.Now().Before(end); n++ {
		<-tick.C
		if err := p.queue(ctx, "noops"); err != nil {
			return 0, err
		}
	}
	for end := time.Now().Add(10 * time.Second); p.started.Load()-base < n && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.delays)
	if len(p.delays) == 0 {
		return 0, fmt.Errorf("no job started")
	}
	fmt.Fprintf(os.Stderr, "enqueue to start: p50 %s p99 %s max %s\n", p.delays[len(p.delays)/2], p.delays[len(p.delays)*99/100], p.delays[len(p.delays)-1])
	return float64(p.delays[len(p.delays)/2].Microseconds()) / 1000, nil
}

// finished counts the committed outcomes, as the program's own metrics do.
func (p *program) finished() (sum int64) {
	resp, err := http.Get(p.URL + "/metrics") //nolint:noctx // a loop of a benchmark
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	s := bufio.NewScanner(resp.Body)
	for s.Scan() {
		if name, value, ok := strings.Cut(s.Text(), "} "); ok && strings.HasPrefix(name, `autocrud_commit_duration_seconds_count{action="job_succeeded"`) {
			n, _ := strconv.ParseFloat(value, 64)
			sum += int64(n)
		}
	}
	return sum
}

// peer runs River's program, which prints one line of JSON for each cell.
func peer(ctx context.Context, t *table) error {
	cmd := peerCommand(ctx)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("river: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		var x struct {
			Name  string
			Value float64
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			return fmt.Errorf("river said %q: %w", line, err)
		}
		t.add("river", x.Name, x.Value)
	}
	return nil
}

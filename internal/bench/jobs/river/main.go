// Command river runs the cells of the job benchmark on River and Postgres, with
// the fetch settings of River's own benchmark, and prints a line of JSON for
// each.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// Args is the payload.
type Args struct {
	Sent int64  `json:"sent"`
	Pad  string `json:"pad"`
}

// Kind implements river.JobArgs.
func (Args) Kind() string { return "noop" }

type worker struct {
	river.WorkerDefaults[Args]
	mu      sync.Mutex
	delays  []time.Duration
	started atomic.Int64
}

// Work implements river.Worker.
func (w *worker) Work(_ context.Context, j *river.Job[Args]) error {
	d := time.Duration(time.Now().UnixMicro()-j.Args.Sent) * time.Microsecond
	w.mu.Lock()
	w.delays = append(w.delays, d)
	w.mu.Unlock()
	w.started.Add(1)
	return nil
}

var (
	dsn     = flag.String("dsn", "", "connection string")
	backlog = flag.Int("n", 50000, "jobs of the drain")
	seconds = flag.Float64("seconds", 5, "measured time of each cell")
	only    = flag.String("only", "", "only the cells whose name holds this")
)

const pad = "0123456789012345678901234567890123456789"

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := pgxpool.ParseConfig(*dsn)
	if err != nil {
		return err
	}
	cfg.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, "truncate river_job"); err != nil {
		return err
	}
	w := &worker{}
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	client, err := river.NewClient(driver, &river.Config{FetchCooldown: 2 * time.Millisecond, FetchPollInterval: 20 * time.Millisecond, Workers: workers,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2000}}})
	if err != nil {
		return err
	}
	queue := func() error {
		_, err := client.Insert(ctx, Args{Sent: time.Now().UnixMicro(), Pad: pad}, nil)
		return err
	}
	for _, callers := range []int{16, 64} {
		cell(fmt.Sprintf("enqueue, %d callers, per s", callers), func() float64 {
			n, took := callIn(callers, queue)
			return float64(n) / took.Seconds()
		})
		if _, err := pool.Exec(ctx, "truncate river_job"); err != nil {
			return err
		}
	}
	finished := func() (n int64) {
		_ = pool.QueryRow(ctx, "select count(*) from river_job where state = 'completed'").Scan(&n)
		return n
	}
	started := false
	cell("drain, jobs per s", func() float64 {
		for i := 0; i < *backlog; i += 500 {
			params := make([]river.InsertManyParams, min(500, *backlog-i))
			for j := range params {
				params[j].Args = Args{Sent: time.Now().UnixMicro(), Pad: pad}
			}
			if _, err := client.InsertManyFast(ctx, params); err != nil {
				panic(err)
			}
		}
		time.Sleep(time.Second)
		begun := time.Now()
		if err := client.Start(ctx); err != nil {
			panic(err)
		}
		started = true
		for w.started.Load() < int64(*backlog) && time.Since(begun) < 2*time.Minute {
			time.Sleep(5 * time.Millisecond)
		}
		for finished() < int64(*backlog) && time.Since(begun) < 2*time.Minute { // the last outcomes
			time.Sleep(10 * time.Millisecond)
		}
		return float64(*backlog) / time.Since(begun).Seconds()
	})
	if !started {
		if err := client.Start(ctx); err != nil {
			return err
		}
	}
	cell("enqueue to start at 100/s, p50 ms", func() float64 { return w.delay(queue, 100) })
	cell("enqueue and work at once, jobs per s", func() float64 {
		before, begun := finished(), time.Now()
		callIn(16, queue)
		return float64(finished()-before) / time.Since(begun).Seconds()
	})
	return client.StopAndCancel(ctx)
}

func (w *worker) delay(queue func() error, rate int) float64 {
	time.Sleep(time.Second)
	w.mu.Lock()
	w.delays = nil
	w.mu.Unlock()
	base := w.started.Load()
	n := int64(0)
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Duration(*seconds*float64(time.Second))); time.Now().Before(end); n++ {
		<-tick.C
		if err := queue(); err != nil {
			panic(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); w.started.Load()-base < n && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.delays)
	return float64(w.delays[len(w.delays)/2].Microseconds()) / 1000
}

func cell(name string, fn func() float64) {
	if !strings.Contains(name, *only) {
		return
	}
	v := fn()
	fmt.Fprintf(os.Stderr, "river: %s: %.2f\n", name, v)
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"name": name, "value": v})
}

func callIn(callers int, fn func() error) (int64, time.Duration) {
	var n atomic.Int64
	begun := time.Now()
	end := begun.Add(time.Duration(*seconds * float64(time.Second)))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Now().Before(end) {
				if err := fn(); err != nil {
					panic(err)
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return n.Load(), time.Since(begun)
}

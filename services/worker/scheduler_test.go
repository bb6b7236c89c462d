package worker_test

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/services/worker"
)

// schedule starts a scheduler, as one of several processes.
func (r *rig) schedule() (stop func()) {
	s := worker.NewScheduler(r.Manager, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) plan(id string, data map[string]any) {
	r.t.Helper()
	if _, err := r.Manager.Create(r.t.Context(), jobs.Schedules, data, resource.CreateOptions{ID: id}); err != nil {
		r.t.Fatal(err)
	}
}

// ticks lists the times for which a schedule made jobs, oldest first.
func (r *rig) ticks(schedule string) (out []time.Time) {
	r.t.Helper()
	l, err := r.Manager.List(r.t.Context(), "tasks", resource.ListOptions{OrderBy: "meta.job.run_at", Page: resource.PageOptions{Size: 1000}})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, x := range l.Items {
		var meta storage.Meta
		if err := json.Unmarshal(x.Meta, &meta); err != nil {
			r.t.Fatal(err)
		}
		if s := meta.Job.Schedule; s != nil && s.ID == schedule {
			out = append(out, s.At)
		}
	}
	return out
}

// AUTOCRUD_TEST_TICKS=60 is the full size.
func TestOneRunForEachTimeHoweverManyProcesses(t *testing.T) {
	n := 4
	if s := os.Getenv("AUTOCRUD_TEST_TICKS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	r := newRig(t, worker.DispatcherOptions{})
	var got record
	stops := []func(){}
	for range 3 {
		stop := r.work(worker.NewRemote(r.bus), worker.Options{}, func(_ context.Context, a *job.Attempt) error { got.add(a.ID); return nil })
		unschedule := r.schedule()
		stops = append(stops, func() { unschedule(); stop() })
	}
	r.plan("each-second", map[string]any{"type": "tasks", "cron": "* * * * * *", "payload": map[string]any{"name": "tick"}})
	eventually(t, "the first time", func() bool { return len(r.ticks("each-second")) > 0 })
	stops[0]() // one of them ends
	for end := time.Now().Add(time.Duration(n+5) * time.Second); len(r.ticks("each-second")) < n; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d runs in %d s", len(r.ticks("each-second")), n+5)
		}
	}
	ticks := r.ticks("each-second")
	for i := 1; i < len(ticks); i++ {
		if ticks[i].Sub(ticks[i-1]) != time.Second {
			t.Errorf("after %s comes %s", ticks[i-1], ticks[i])
		}
	}
	runs := map[string]int{}
	for _, id := range got.all() {
		if runs[id]++; runs[id] > 1 {
			t.Errorf("%s ran twice", id)
		}
	}
}

func TestMissedTimesAreCaughtUpAsConfigured(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{})
	r.limit(map[string]any{"paused": true}) // what is made stays
	for id, catchUp := range map[string]string{"none": "none", "one": "one"} {
		r.plan(id, map[string]any{"type": "tasks", "cron": "* * * * * *", "catchUp": catchUp, "overlap": "allow"})
	}
	r.plan("rare", map[string]any{"type": "tasks", "cron": "0 0 1 1 *", "catchUp": "one"}) // its last time is before it was made
	stop := r.schedule()
	eventually(t, "both have begun", func() bool { return len(r.ticks("none")) > 0 && len(r.ticks("one")) > 0 })
	stop()
	before := map[string]int{"none": len(r.ticks("none")), "one": len(r.ticks("one"))}
	time.Sleep(2500 * time.Millisecond) // two times are missed at least
	begun := time.Now()
	r.schedule()
	caught := func(id string) (n int) {
		for _, at := range r.ticks(id)[before[id]:] {
			if at.Before(begun) {
				n++
			}
		}
		return n
	}
	eventually(t, "they go on", func() bool { return len(r.ticks("none")) > before["none"] && len(r.ticks("one")) > before["one"]+1 })
	if a, b := caught("none"), caught("one"); a != 0 || b != 1 {
		t.Errorf("caught up %d with none, %d with one", a, b)
	}
	if n := len(r.ticks("rare")); n != 0 {
		t.Errorf("%d times from before the schedule was made", n)
	}
}

func TestAScheduleThatMustNotOverlapSkips(t *testing.T) {
	r := newRig(t, worker.DispatcherOptions{})
	release := make(chan struct{})
	r.work(worker.NewRemote(r.bus), worker.Options{}, func(_ context.Context, a *job.Attempt) error {
		<-release
		return nil
	})
	r.plan("skips", map[string]any{"type": "tasks", "cron": "@every 1s"})
	r.plan("piles", map[string]any{"type": "tasks", "cron": "@every 1s", "overlap": "allow"})
	r.schedule()
	eventually(t, "three times have come", func() bool { return len(r.ticks("piles")) >= 3 })
	if n := len(r.ticks("skips")); n != 1 {
		t.Errorf("%d jobs while the first one runs", n)
	}
	close(release)
	eventually(t, "it goes on", func() bool { return len(r.ticks("skips")) >= 2 })
	if _, _, err := r.Manager.Update(t.Context(), jobs.Schedules, "piles", map[string]any{"type": "tasks", "cron": "@every 1s", "paused": true}, resource.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond) // until the pause is known
	n := len(r.ticks("piles"))
	time.Sleep(1500 * time.Millisecond)
	if now := len(r.ticks("piles")); now != n {
		t.Errorf("a paused schedule made %d jobs", now-n)
	}
}

package resource_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

const tasks = `
name: tasks
schema: {type: object, properties: {text: {type: string}, slug: {type: string}}}
unique: [slug]
job: {keep: 1h}
`

// TestWhatIsLeftOfPrunedJobsGoesAfterAMonth prunes jobs and purges one, and looks
// at the log, the index and watches before and after.
func TestWhatIsLeftOfPrunedJobsGoesAfterAMonth(t *testing.T) {
	var ahead atomic.Int64
	dir, types := t.TempDir(), testenv.Types(t, tasks)
	o := testenv.StackOptions{Manager: func(o *resource.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}}
	schedules, err := jobs.ScheduleType()
	if err != nil {
		t.Fatal(err)
	}
	types = append(types, schedules)
	s := testenv.Open(t, dir, types, o)
	ctx := t.Context()
	make1 := func(id string) error {
		_, err := s.Manager.Create(ctx, "tasks", map[string]any{"slug": id}, resource.CreateOptions{ID: id, Job: resource.JobOptions{UniqueKey: "key " + id}})
		return err
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	// One of the jobs was made by a schedule that comes once a year: a start that
	// asks whether it was missed must not make it again.
	if _, err := s.Manager.Create(ctx, jobs.Schedules, map[string]any{"type": "tasks", "cron": "@yearly", "catchUp": "one"}, resource.CreateOptions{ID: "yearly"}); err != nil {
		t.Fatal(err)
	}
	cron, err := model.ParseCron("@yearly", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	newYear := cron.Next(time.Now())
	ahead.Store(int64(time.Until(newYear) + time.Second))
	var all []jobs.Schedule
	until("the schedule is planned", func() bool { all, err = s.Manager.Jobs.AllSchedules(ctx); return err == nil && len(all) == 1 })
	fire := func() (string, bool) {
		fired, err := s.Manager.Jobs.Fire(ctx, &all[0], newYear)
		if err != nil {
			t.Fatal(err)
		}
		return all[0].TickID(newYear), fired
	}
	tick, fired := fire()
	if !fired {
		t.Fatal("the new year was not made")
	}
	if _, err := s.Manager.Jobs.Cancel(ctx, "tasks", tick, resource.Match{}); err != nil {
		t.Fatal(err)
	}
	const pruned = 12 // besides
	for i := range pruned {
		id := fmt.Sprint("done", i)
		if err := make1(id); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Manager.Jobs.Cancel(ctx, "tasks", id, resource.Match{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"waits", "purged"} {
		if err := make1(id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Manager.Upkeep.Purge(ctx, "tasks", "purged", resource.Match{}); err != nil {
		t.Fatal(err)
	}
	ahead.Add(int64(2 * time.Hour))
	if n, err := s.Manager.Upkeep.Prune(ctx); n != pruned+1 || err != nil {
		t.Fatalf("pruned %d, %v", n, err)
	}
	entries := func(subject string) (n int) {
		for seq := uint64(1); ; n++ {
			e, err := s.Log.Next(ctx, subject, seq)
			if err != nil {
				return n
			}
			seq = e.Seq + 1
		}
	}
	until("upkeep removes what was before the tombstones", func() bool { return entries("rev.tasks.>") == pruned+3 })
	expire := func(want int) {
		t.Helper()
		if n, err := s.Manager.Upkeep.Expire(ctx, upkeep.ExpireAge); n != want || err != nil {
			t.Fatalf("expired %d, %v; want %d", n, err, want)
		}
	}
	watch := func(after uint64) error {
		w, err := s.Manager.Watches.Watch(ctx, resource.WatchOptions{Type: "tasks", After: &after})
		if err == nil {
			w.Close()
		}
		return err
	}
	last, err := s.Log.Last(ctx, "rev.tasks.done0")
	if err != nil {
		t.Fatal(err)
	}
	expire(0) // too young
	if err := watch(last.Seq - 1); err != nil {
		t.Error(err)
	}
	ahead.Add(int64(upkeep.ExpireAge + time.Hour))
	if err := make1("newest"); err != nil { // so that there is something young
		t.Fatal(err)
	}
	claims := entries("claim.>")
	expire(2*pruned + 3) // the released claims, at once: no event tells of them
	if n := entries("claim.>"); n >= claims-2*pruned {
		t.Errorf("%d claims of %d are left", n, claims)
	}
	if n := entries("rev.tasks.>"); n != pruned+4 {
		t.Errorf("%d events are left before anybody knows", n)
	}
	expire(0) // not every process knows yet
	if err := make1("done3"); err != nil {
		t.Fatalf("a new life: %v", err)
	}
	ahead.Add(int64(5 * time.Minute))
	expire(pruned - 1)
	if err := watch(last.Seq - 1); fault.CodeOf(err) != fault.Gone {
		t.Errorf("a watch that was not told of tombstones: %v", err)
	}
	if err := watch(0); err != nil {
		t.Error(err)
	}
	if n := entries("rev.tasks.>"); n != 6 { // waits, purged, newest, done3 twice, the new year
		t.Errorf("%d events are left", n)
	}
	if n := entries("sys.expiry"); n < 2 {
		t.Errorf("%d marks", n)
	}
	state, err := s.Log.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	until("the index is there", func() bool { p, err := s.Index.Position(ctx); return err == nil && p.Applied >= state.Last })
	past, err := s.Index.Events(ctx, storage.EventQuery{Action: storage.Purged, Span: state.Last})
	if err != nil || len(past) != 3 {
		t.Errorf("the history holds %d tombstones, %v", len(past), err)
	}
	verified := func() {
		t.Helper()
		v, err := s.Manager.Admin.Verify(ctx, func(f admin.Finding) { t.Errorf("%+v", f) })
		if err != nil || v.Resources != 6 {
			t.Errorf("verify: %+v, %v", v, err)
		}
	}
	verified()
	for _, id := range []string{"done0", "done1"} { // this process remembers their tombstones
		if err := make1(id); err != nil {
			t.Errorf("a new life of %s: %v", id, err)
		}
	}
	if _, err := s.Manager.Create(ctx, "tasks", map[string]any{"slug": "done0"}, resource.CreateOptions{}); fault.CodeOf(err) != fault.UniqueConflict {
		t.Errorf("a value that is held: %v", err)
	}
	expire(0)
	s.Stop()
	for _, name := range []string{"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	s = testenv.Open(t, dir, types, o)
	if v, err := s.Manager.Admin.Verify(ctx, func(f admin.Finding) { t.Errorf("with an index that was built anew: %+v", f) }); err != nil || v.Resources != 8 {
		t.Errorf("verify: %+v, %v", v, err)
	}
	if _, fired := fire(); fired {
		t.Error("the new year was made twice")
	}
}

package tests_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// tasks are jobs whose handler a test writes.
type task struct {
	Name string `json:"name"`
	Key  string `json:"key,omitempty"`
}

// startTasks runs a program with the job type tasks.
func startTasks(t *testing.T, row apitest.Storage, spec model.JobSpec, fn func(ctx context.Context, j *job.Job[task]) error) *apitest.Client {
	t.Helper()
	if spec.Backoff.Initial == 0 {
		spec.Backoff = model.Backoff{Initial: 10 * time.Millisecond, Max: 20 * time.Millisecond}
	}
	app := autocrud.New()
	autocrud.Register[task](app, "tasks", model.WithJob(spec))
	autocrud.HandleJob(app, "tasks", fn)
	return run(t, row, app, nil)
}

// inMemory is the row that starts fastest.
var inMemory = apitest.Storage{Name: "memory", Settings: func(testing.TB) autocrud.Settings { return memory() }}

// memory are the settings of the row that starts fastest.
func memory() autocrud.Settings { return autocrud.Settings{Storage: "memory"} }

// became waits until a job is in a state.
func became(t *testing.T, c *apitest.Client, path, state string) *apitest.Response {
	t.Helper()
	var r *apitest.Response
	apitest.Eventually(t, 20*time.Second, path+" becomes "+state, func() bool {
		r = c.Get(t, path).Want(t, 200)
		return r.Text("/meta/job/state") == state
	})
	return r
}

func TestAJobThatIsNotFinishedCanBeCancelled(t *testing.T) {
	stopped := make(chan error, 2)
	c := startTasks(t, inMemory, model.JobSpec{}, func(ctx context.Context, j *job.Job[task]) error {
		if j.Payload.Name != "long" {
			return nil
		}
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return nil // its success comes too late
	})
	c.Post(t, "/v1/tasks?id=far&run_at=2999-01-01T00:00:00Z", task{Name: "x"}).Want(t, 201)
	c.Post(t, "/v1/tasks/far:cancel", nil).Want(t, 200).Equal(t, "/meta/job/state", `"cancelled"`)
	c.Post(t, "/v1/tasks/far:cancel", nil).WantProblem(t, 409, "invalid_state")

	c.Post(t, "/v1/tasks?id=a", task{Name: "long"}).Want(t, 201)
	became(t, c, "/v1/tasks/a", "running")
	begun := time.Now()
	c.Post(t, "/v1/tasks/a:cancel", nil).Want(t, 200).Equal(t, "/meta/job/state", `"cancelled"`)
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		t.Fatal("the handler was not told")
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the handler was told after %s", took)
	}
	c.Get(t, "/v1/tasks/a").Equal(t, "/meta/job/state", `"cancelled"`).Equal(t, "/meta/job/result", "null")
	h := c.Get(t, "/v1/tasks/a/history").Want(t, 200)
	if n := len(h.Items()); n != 3 || h.Text("/items/2/action") != "job_cancelled" {
		t.Errorf("history: %s", h.Body)
	}
	c.Post(t, "/v1/movies/a:cancel", nil).WantProblem(t, 404, "not_found")
	c.Post(t, "/v1/tasks/nobody:cancel", nil).WantProblem(t, 404, "not_found")
	c.Post(t, "/v1/nothing/a:cancel", nil).WantProblem(t, 404, "unknown_type")
	c.Post(t, "/v1/nothing", task{}).WantProblem(t, 404, "unknown_type")
}

func TestAFinishedJobCanBeRunAgain(t *testing.T) {
	c := startTasks(t, inMemory, model.JobSpec{MaxAttempts: 2}, func(_ context.Context, j *job.Job[task]) error {
		if j.Payload.Name == "bad" {
			return errors.New("no luck")
		}
		return j.SetResult("ok")
	})
	c.Post(t, "/v1/tasks?id=a", task{Name: "bad"}).Want(t, 201)
	r := became(t, c, "/v1/tasks/a", "failed").Equal(t, "/meta/job/attempts", "2")
	for i := range 2 {
		if got := r.Text(fmt.Sprintf("/meta/job/errors/%d/error", i)); got != "no luck" {
			t.Errorf("error of attempt %d: %q in %v", i+1, got, r.Value("/meta/job/errors"))
		}
	}
	c.Patch(t, "/v1/tasks/a", apitest.MergePatch, `{"name":"good"}`).Want(t, 200)
	c.Post(t, "/v1/tasks/a:rerun", nil).Want(t, 200).Equal(t, "/meta/job/state", `"pending"`).Equal(t, "/meta/job/attempts", "0").
		Equal(t, "/meta/job/error", "null")
	became(t, c, "/v1/tasks/a", "succeeded").Equal(t, "/meta/job/result", `"ok"`).Equal(t, "/meta/job/attempts", "1")
	c.Post(t, "/v1/tasks?id=later&run_at=2999-01-01T00:00:00Z", task{Name: "x"}).Want(t, 201)
	c.Post(t, "/v1/tasks/later:rerun", nil).WantProblem(t, 409, "invalid_state")
}

func TestAUniqueKeyIsHeldUntilTheJobIsFinished(t *testing.T) {
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			release := make(chan struct{})
			c := startTasks(t, s, model.JobSpec{}, func(ctx context.Context, _ *job.Job[task]) error {
				select {
				case <-release:
				case <-ctx.Done():
				}
				return nil
			})
			answers := together(8, func(i int) *apitest.Response {
				return request(t, c, "POST", fmt.Sprintf("/v1/tasks?id=j%d&unique_key=k", i), task{Name: "x"})
			})
			winner := ""
			for _, r := range answers {
				if r.Status == 201 {
					if winner != "" {
						t.Fatal("two jobs hold one key")
					}
					winner = r.Text("/meta/id")
				} else {
					r.WantProblem(t, 409, "unique_conflict")
				}
			}
			if winner == "" {
				t.Fatal("nobody got the key")
			}
			c.Post(t, "/v1/tasks?id=again&unique_key=k", task{}).WantProblem(t, 409, "unique_conflict")
			c.Post(t, "/v1/tasks?unique_key=other", task{Name: "y"}).Want(t, 201)
			close(release)
			became(t, c, "/v1/tasks/"+winner, "succeeded")
			c.Post(t, "/v1/tasks?id=again&unique_key=k&run_at=2999-01-01T00:00:00Z", task{Name: "x"}).Want(t, 201)
			c.Post(t, "/v1/tasks/"+winner+":rerun", nil).WantProblem(t, 409, "unique_conflict")
			c.Delete(t, "/v1/tasks/again").Want(t, 200)
			c.Post(t, "/v1/tasks/"+winner+":rerun", nil).Want(t, 200)
			became(t, c, "/v1/tasks/"+winner, "succeeded")
			c.Post(t, "/v1/tasks/again:restore", nil).Want(t, 200)
			c.Post(t, "/v1/tasks/"+winner+":rerun", nil).WantProblem(t, 409, "unique_conflict")
			c.Post(t, "/v1/tasks/again:cancel", nil).Want(t, 200)
			c.Post(t, "/v1/tasks/"+winner+":rerun", nil).Want(t, 200)
		})
	}
}

func TestJobsOfOneKeyRunOneAtATimeInOrder(t *testing.T) {
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			const keys, each = 5, 8
			var mu sync.Mutex
			busy, order := map[string]bool{}, map[string][]string{}
			c := startTasks(t, s, model.JobSpec{ConcurrencyKey: "key", MaxAttempts: 3}, func(_ context.Context, j *job.Job[task]) error {
				mu.Lock()
				if busy[j.Payload.Key] {
					t.Errorf("two jobs of %s at once", j.Payload.Key)
				}
				busy[j.Payload.Key] = true
				mu.Unlock()
				time.Sleep(time.Millisecond) // the work
				mu.Lock()
				defer mu.Unlock()
				busy[j.Payload.Key] = false
				if j.Payload.Name == "3" && j.Attempt == 1 {
					return errors.New("again") // those behind it wait
				}
				order[j.Payload.Key] = append(order[j.Payload.Key], j.Payload.Name)
				return nil
			})
			together(keys, func(k int) *apitest.Response {
				var r *apitest.Response
				for i := range each {
					r = c.Post(t, "/v1/tasks?id="+fmt.Sprintf("k%d-%d", k, i), task{Name: fmt.Sprint(i), Key: fmt.Sprint("k", k)}).Want(t, 201)
				}
				return r
			})
			for k := range keys {
				became(t, c, fmt.Sprintf("/v1/tasks/k%d-%d", k, each-1), "succeeded")
			}
			mu.Lock()
			defer mu.Unlock()
			for k, got := range order {
				if !slices.IsSorted(got) || len(got) != each {
					t.Errorf("order of %s: %v", k, got)
				}
			}
		})
	}
}

func TestAJobWaitsForOthersToSucceed(t *testing.T) {
	release := make(chan struct{})
	c := startTasks(t, inMemory, model.JobSpec{MaxAttempts: 1}, func(ctx context.Context, j *job.Job[task]) error {
		switch j.Payload.Name {
		case "wait":
			select {
			case <-release:
			case <-ctx.Done():
			}
		case "bad":
			return errors.New("no")
		}
		return nil
	})
	c.Post(t, "/v1/tasks?id=a", task{Name: "wait"}).Want(t, 201)
	c.Post(t, "/v1/tasks?id=b", task{Name: "good"}).Want(t, 201)
	c.Post(t, "/v1/tasks?id=c&after=a,tasks/b", task{Name: "good"}).Want(t, 201).Equal(t, "/meta/job/after", `["tasks/a","tasks/b"]`)
	c.Post(t, "/v1/tasks?id=d&after=c", task{Name: "bad"}).Want(t, 201)
	c.Post(t, "/v1/tasks?id=e&after=d", task{Name: "good"}).Want(t, 201)
	c.Post(t, "/v1/tasks?id=f&after=e", task{Name: "good"}).Want(t, 201)
	became(t, c, "/v1/tasks/b", "succeeded")
	became(t, c, "/v1/tasks/a", "running")
	c.Get(t, "/v1/tasks/c").Equal(t, "/meta/job/state", `"scheduled"`)
	close(release)
	done := became(t, c, "/v1/tasks/c", "succeeded")
	if a := c.Get(t, "/v1/tasks/a"); moment(t, done.Text("/meta/job/started_at")).Before(moment(t, a.Text("/meta/job/finished_at"))) {
		t.Error("it began before the one it waits for was finished")
	}
	became(t, c, "/v1/tasks/d", "failed")
	for _, id := range []string{"e", "f"} {
		if r := became(t, c, "/v1/tasks/"+id, "cancelled"); r.Text("/meta/job/error") == "" {
			t.Errorf("%s was cancelled without a reason", id)
		}
	}
	c.Post(t, "/v1/tasks?id=g&after=d", task{Name: "good"}).Want(t, 201) // it is over already
	became(t, c, "/v1/tasks/g", "cancelled")
	c.Post(t, "/v1/tasks?after=nobody", task{Name: "x"}).WantProblem(t, 422, "dangling_reference")
	c.Post(t, "/v1/tasks?after=movies/x", task{Name: "x"}).WantProblem(t, 400, "invalid_request")
	c.Post(t, "/v1/tasks?after=", task{Name: "x"}).WantProblem(t, 400, "invalid_request")
}

func TestASnoozedAttemptDoesNotCount(t *testing.T) {
	var mu sync.Mutex
	runs := 0
	c := startTasks(t, inMemory, model.JobSpec{MaxAttempts: 1}, func(_ context.Context, j *job.Job[task]) error {
		mu.Lock()
		defer mu.Unlock()
		runs++
		var at int
		if found, err := j.Checkpoint(&at); err != nil || found != (runs > 1) || at != runs-1 {
			t.Errorf("run %d found the checkpoint %d (%v, %v)", runs, at, found, err)
		}
		if j.Attempt != 1 {
			t.Errorf("run %d is attempt %d", runs, j.Attempt)
		}
		if runs < 3 {
			if err := j.SetCheckpoint(runs); err != nil {
				return err
			}
			return j.Snooze(20 * time.Millisecond)
		}
		return nil
	})
	c.Post(t, "/v1/tasks?id=a", task{Name: "x"}).Want(t, 201)
	became(t, c, "/v1/tasks/a", "succeeded").Equal(t, "/meta/job/attempts", "1")
	if runs != 3 {
		t.Errorf("%d runs", runs)
	}
}

func TestDeletingAJobStopsItAndRestoringBringsItBack(t *testing.T) {
	stopped := make(chan struct{}, 4)
	c := startTasks(t, inMemory, model.JobSpec{}, func(ctx context.Context, j *job.Job[task]) error {
		if j.Payload.Name == "long" {
			<-ctx.Done()
			stopped <- struct{}{}
		}
		return nil
	})
	told := func() {
		t.Helper()
		select {
		case <-stopped:
		case <-time.After(5 * time.Second):
			t.Fatal("the handler was not told")
		}
	}
	at := time.Now().Add(400 * time.Millisecond).UTC().Format(time.RFC3339Nano)
	c.Post(t, "/v1/tasks?id=waits&run_at="+query(at), task{Name: "x"}).Want(t, 201)
	c.Delete(t, "/v1/tasks/waits").Want(t, 200)
	c.Post(t, "/v1/tasks?id=runs", task{Name: "long"}).Want(t, 201)
	became(t, c, "/v1/tasks/runs", "running")
	c.Delete(t, "/v1/tasks/runs").Want(t, 200)
	told()
	c.Post(t, "/v1/tasks/runs:restore", nil).Want(t, 200).Equal(t, "/meta/job/state", `"cancelled"`)
	c.Post(t, "/v1/tasks?id=gone", task{Name: "long"}).Want(t, 201)
	became(t, c, "/v1/tasks/gone", "running")
	purged(t, c, "/v1/tasks/gone")
	told()
	c.Get(t, "/v1/tasks/gone").WantProblem(t, 404, "not_found")
	time.Sleep(time.Until(moment(t, at)) + 100*time.Millisecond) // it is due, and deleted
	c.Post(t, "/v1/tasks/waits:restore", nil).Want(t, 200).Equal(t, "/meta/job/attempts", "0")
	became(t, c, "/v1/tasks/waits", "succeeded")
	for _, id := range []string{"waits", "runs"} { // in every other state
		c.Delete(t, "/v1/tasks/"+id).Want(t, 200)
		purged(t, c, "/v1/tasks/"+id)
		c.Post(t, "/v1/tasks?id="+id, task{Name: "x"}).Want(t, 201)
		became(t, c, "/v1/tasks/"+id, "succeeded")
	}
}

func TestFinishedJobsArePrunedAfterTheirTime(t *testing.T) {
	c := startTasks(t, inMemory, model.JobSpec{Keep: time.Second}, func(_ context.Context, j *job.Job[task]) error {
		j.Log("hello")
		return nil
	})
	c.Post(t, "/v1/tasks?id=done", task{Name: "x"}).Want(t, 201)
	c.Post(t, "/v1/tasks?id=waits&run_at=2999-01-01T00:00:00Z", task{Name: "x"}).Want(t, 201)
	became(t, c, "/v1/tasks/done", "succeeded")
	apitest.Eventually(t, 20*time.Second, "it is gone", func() bool { return c.Get(t, "/v1/tasks/done").Status == 404 })
	c.Get(t, "/v1/tasks/waits").Want(t, 200)
	c.Get(t, "/v1/tasks?total=true").Equal(t, "/total", "1")
	c.Post(t, "/v1/tasks?id=done&run_at=2999-01-01T00:00:00Z", task{Name: "x"}).Want(t, 201)
	if m := string(c.Get(t, "/metrics").Body); !strings.Contains(m, `autocrud_jobs{queue="default",state="waiting",type="tasks"} 2`) ||
		!strings.Contains(m, `autocrud_job_attempt_duration_seconds_count{outcome="succeeded",queue="default",type="tasks"} 1`) {
		t.Errorf("metrics: %s", m)
	}
}

func TestAJobTypesModelMayChangeWhileJobsWait(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	model := func(text string) string { return apitest.WriteModels(t, map[string]string{"notes": text}) }
	p := apitest.Launch(t, "--data-dir", dir, "--log-level", "error", "--models", model(`name: notes
schema: {type: object, required: [to], properties: {to: {type: string}}}
job: {queue: old, maxAttempts: 2}
`))
	c := apitest.NewClient(t, p.URL)
	c.Post(t, "/v1/notes?id=a", `{"to":"ann"}`).Want(t, 201)
	c.Post(t, "/v1/notes?id=b&run_at=2999-01-01T00:00:00Z", `{"to":"bob"}`).Want(t, 201)
	if code, _ := p.Terminate(t, 15*time.Second); code != 0 {
		t.Fatalf("exit %d", code)
	}
	c = apitest.NewClient(t, apitest.Launch(t, "--data-dir", dir, "--log-level", "error", "--models", model(`name: notes
schema: {type: object, required: [address], properties: {address: {type: string}}}
version: "2"
migrations: [{from: "1", patch: [{op: move, from: /to, path: /address}]}]
job: {queue: new, maxAttempts: 7, handler: {exec: [cat]}}
`)).URL)
	became(t, c, "/v1/notes/a", "succeeded").Equal(t, "/meta/job/result", `{"address":"ann"}`).Equal(t, "/meta/job/queue", `"old"`).Equal(t, "/meta/job/max_attempts", "2")
	c.Get(t, "/v1/notes/b").Equal(t, "/meta/job/state", `"scheduled"`)
	c.Post(t, "/v1/notes/b:cancel", nil).Want(t, 200)
}

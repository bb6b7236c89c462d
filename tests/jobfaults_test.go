package tests_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// appenderVar makes this test binary a program of its own: one whose jobs append
// their id to the file that it names.
const appenderVar = "TEST_APPEND_TO"

// line is a job that appends its id to a file, after a while if it says so.
type line struct {
	Wait string `json:"wait,omitempty"`
	Die  bool   `json:"die,omitempty"`
}

func appender(path string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	app := autocrud.New()
	autocrud.Register[line](app, "lines", model.WithJob(model.JobSpec{MaxAttempts: 50, Timeout: 2 * time.Minute}))
	autocrud.HandleJob(app, "lines", func(ctx context.Context, j *job.Job[line]) error {
		if j.Payload.Die {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			return err
		}
		if _, err := f.WriteString(j.ID + "\n"); err != nil {
			return err
		}
		if d, err := time.ParseDuration(j.Payload.Wait); err == nil {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				_, _ = f.WriteString("stopped " + j.ID + "\n") // the test misses it
				return ctx.Err()
			}
		}
		return nil
	})
	app.Main()
}

// services are processes of the appender on one NATS and one Postgres.
type services struct {
	t        *testing.T
	file     string
	args     []string
	nats     *testenv.NATS
	postgres *testenv.Server
}

func newServices(t *testing.T) *services {
	t.Helper()
	set := apitest.S3(t)
	s := &services{t: t, file: filepath.Join(t.TempDir(), "lines"), nats: testenv.StartNATS(t, 1), postgres: testenv.StartPostgres(t)}
	s.args = []string{"--storage", "postgres", "--nats-url", s.nats.URL(), "--postgres-url", s.postgres.URL(), "--s3-endpoint", set.S3Endpoint,
		"--s3-bucket", set.S3Bucket, "--s3-access-key", set.S3AccessKey, "--s3-secret-key", set.S3SecretKey, "--s3-use-tls=false", "--log-level", "error"}
	if out, err := s.command("provision").CombinedOutput(); err != nil {
		t.Fatalf("provision: %v\n%s", err, out)
	}
	return s
}

func (s *services) command(service string, more ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append(append([]string{service}, s.args...), more...)...)
	cmd.Env = append(os.Environ(), appenderVar+"="+s.file)
	cmd.Dir = s.t.TempDir()
	return cmd
}

func (s *services) launch(service string, more ...string) *apitest.Process {
	s.t.Helper()
	return apitest.LaunchCommand(s.t, s.command(service, append([]string{"--addr", "127.0.0.1:0"}, more...)...))
}

// lines are those of the file.
func (s *services) lines() (out []string) {
	f, err := os.Open(s.file)
	if err != nil {
		return nil
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		out = append(out, in.Text())
	}
	return out
}

// count counts jobs that a filter finds; -1 while that is unknown.
func (s *services) count(c *apitest.Client, filter string) int {
	r, err := c.Try(s.t, "GET", "/v1/lines:count?consistency=eventual&filter="+query(filter), nil)
	if err != nil || r.Status != 200 {
		return -1
	}
	return r.Int("/count")
}

// AUTOCRUD_TEST_FAULT_JOBS=100000 is the full size: a worker is killed every 3 s
// then.
func TestNoJobIsLostOrFinishedTwiceWhenProcessesDie(t *testing.T) {
	n, every := 300, 700*time.Millisecond
	if text := os.Getenv("AUTOCRUD_TEST_FAULT_JOBS"); text != "" {
		n, _ = strconv.Atoi(text)
		every = 3 * time.Second
	} else {
		t.Parallel()
	}
	const workers, slots = 4, 16
	s := newServices(t)
	s.launch("indexer")
	c := apitest.NewClient(t, s.launch("api").URL)
	running := make([]*apitest.Process, workers)
	for i := range running {
		running[i] = s.launch("worker", "--worker-concurrency", strconv.Itoa(slots))
	}
	queued := make(chan struct{})
	go func() {
		defer close(queued)
		queueLines(t, c, n)
	}()
	kills, steps := 0, 0
	restart := []func(){func() { s.nats.Restart(t, 0) }, func() { s.postgres.Restart(t) }, func() { s.nats.Restart(t, 0) }}
	deadline := time.Now().Add(time.Minute + time.Duration(n)*15*time.Millisecond)
	isQueued := false
	for done := -1; done < n; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d jobs are done; %d pending, %d running", done, n, s.count(c, `meta.job.state = "pending"`), s.count(c, `meta.job.state = "running"`))
		}
		time.Sleep(every)
		select {
		case <-queued:
			isQueued = true
		default:
		}
		done = s.count(c, `meta.job.state = "succeeded"`)
		if done < 0 || done >= n*9/10 && isQueued { // let it end
			continue
		}
		i := kills % workers
		running[i].Kill()
		running[i] = s.launch("worker", "--worker-concurrency", strconv.Itoa(slots))
		kills++
		if steps < len(restart) && done >= (steps+1)*n/5 {
			restart[steps]()
			steps++
		}
	}
	<-queued
	for ; steps < len(restart); steps++ { // the jobs were faster
		restart[steps]()
	}
	seen := map[string]int{}
	lines := s.lines()
	for _, id := range lines {
		seen[id]++
	}
	extra := len(lines) - len(seen)
	t.Logf("%d jobs, %d kills, %d executions more than jobs (%d allowed)", n, kills, extra, kills*slots)
	if len(seen) != n || extra > kills*slots {
		t.Errorf("%d of %d jobs ran, %d executions more than jobs after %d kills", len(seen), n, extra, kills)
	}
	checkOutcomes(t, c, n)
}

// queueLines creates jobs, a hundred to a batch, whatever happens meanwhile.
func queueLines(t *testing.T, c *apitest.Client, n int) {
	for i := 0; i < n; i += 100 {
		var ops []string
		for j := i; j < min(i+100, n); j++ {
			ops = append(ops, fmt.Sprintf(`{"op":"create","type":"lines","id":"j%d","data":{}}`, j))
		}
		body := `{"atomic":false,"operations":[` + strings.Join(ops, ",") + `]}`
		for t.Context().Err() == nil {
			r, err := c.Try(t, "POST", "/v1:batch", body)
			if err != nil || r.Status != 200 {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			all := true
			for k := range ops {
				status := r.Int(fmt.Sprintf("/results/%d/status", k))
				all = all && (status == 201 || status == 409)
			}
			if all {
				break
			}
		}
	}
}

// checkOutcomes reads the history of every job: one outcome, the last event.
func checkOutcomes(t *testing.T, c *apitest.Client, n int) {
	t.Helper()
	const readers = 8
	together(readers, func(k int) *apitest.Response {
		var r *apitest.Response
		for i := k; i < n; i += readers {
			var err error
			if r, err = c.Try(t, "GET", fmt.Sprintf("/v1/lines/j%d/history?page_size=200", i), nil); err != nil || r.Status != 200 {
				t.Errorf("history of j%d: %v", i, err)
				return r
			}
			outcomes, last := 0, ""
			for j := range r.Items() {
				last = r.Text(fmt.Sprintf("/items/%d/action", j))
				if last == "job_succeeded" || last == "job_failed" {
					outcomes++
				}
			}
			if outcomes != 1 || last != "job_succeeded" {
				t.Errorf("j%d: %d outcomes, the last event is %s", i, outcomes, last)
			}
		}
		return r
	})
}

// A process that is stopped for longer than it may be silent, while another one
// takes its job over.
func TestAProcessThatIsFrozenLosesItsJob(t *testing.T) {
	t.Parallel()
	s := newServices(t)
	s.launch("indexer")
	c := apitest.NewClient(t, s.launch("api").URL)
	frozen := s.launch("worker", "--worker-concurrency", "1")
	c.Post(t, "/v1/lines?id=a", `{"wait":"20s"}`).Want(t, 201)
	became(t, c, "/v1/lines/a", "running")
	if err := frozen.Freeze(true); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	c.Patch(t, "/v1/lines/a", apitest.MergePatch, `{"wait":"0s"}`).Want(t, 200) // an edit does no harm
	s.launch("worker")
	became := func() bool { return c.Get(t, "/v1/lines/a").Text("/meta/job/state") == "succeeded" }
	apitest.Eventually(t, 30*time.Second, "another worker finishes it", became)
	t.Logf("taken over and finished %s after the freeze", time.Since(begun).Round(time.Millisecond))
	finished := c.Get(t, "/v1/lines/a").Equal(t, "/meta/job/attempts", "2").Text("/meta/job/finished_at")
	if err := frozen.Freeze(false); err != nil {
		t.Fatal(err)
	}
	apitest.Eventually(t, 10*time.Second, "its handler's context ends", func() bool {
		for _, l := range s.lines() {
			if l == "stopped a" {
				return true
			}
		}
		return false
	})
	time.Sleep(500 * time.Millisecond) // it would record by now
	c.Get(t, "/v1/lines/a").Equal(t, "/meta/job/finished_at", strconv.Quote(finished)).Equal(t, "/meta/job/attempts", "2")
}

// AUTOCRUD_TEST_POISON=1: it takes as long as three workers are missed.
func TestAJobThatKillsItsProcessEndsAsFailed(t *testing.T) {
	t.Parallel()
	attempts := 1
	if os.Getenv("AUTOCRUD_TEST_POISON") != "" {
		attempts = 3
	}
	s := newServices(t)
	s.launch("indexer")
	c := apitest.NewClient(t, s.launch("api").URL)
	for range attempts + 1 { // each of them dies of it but the last
		s.launch("worker", "--worker-concurrency", "1")
	}
	c.Post(t, fmt.Sprint("/v1/lines?id=a&max_attempts=", attempts), `{"die":true}`).Want(t, 201)
	apitest.Eventually(t, 30*time.Second*time.Duration(attempts), "it ends", func() bool {
		return c.Get(t, "/v1/lines/a").Text("/meta/job/state") == "failed"
	})
	c.Get(t, "/v1/lines/a").Equal(t, "/meta/job/attempts", fmt.Sprint(attempts))
	c.Post(t, "/v1/lines?id=b", `{}`).Want(t, 201)
	became(t, c, "/v1/lines/b", "succeeded")
}

func TestACancelReachesAHandlerInAnotherProcess(t *testing.T) {
	t.Parallel()
	s := newServices(t)
	s.launch("indexer")
	c := apitest.NewClient(t, s.launch("api").URL)
	s.launch("worker", "--worker-concurrency", "1")
	c.Post(t, "/v1/lines?id=a", `{"wait":"2m"}`).Want(t, 201)
	apitest.Eventually(t, 20*time.Second, "it runs", func() bool { return len(s.lines()) == 1 })
	begun := time.Now()
	c.Post(t, "/v1/lines/a:cancel", nil).Want(t, 200).Equal(t, "/meta/job/state", `"cancelled"`)
	apitest.Eventually(t, 10*time.Second, "the handler's context ends", func() bool {
		lines := s.lines()
		return lines[len(lines)-1] == "stopped a"
	})
	t.Logf("the handler ended %s after the cancel", time.Since(begun).Round(time.Millisecond))
	c.Post(t, "/v1/lines?id=b", `{}`).Want(t, 201)
	became(t, c, "/v1/lines/b", "succeeded")
}

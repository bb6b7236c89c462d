package tests_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// jobModel is a job type whose handler is given as YAML.
func jobModel(name, handler string) map[string]string {
	return map[string]string{name: "name: " + name + `
schema: {type: object, required: [to], properties: {to: {type: string}}}
index: [to]
job:
  maxAttempts: 3
  backoff: {initial: 20ms, max: 50ms}
  handler: ` + handler + "\n"}
}

// ended waits until a job is in a final state.
func ended(t *testing.T, c *apitest.Client, path string) (r *apitest.Response) {
	t.Helper()
	apitest.Eventually(t, 20*time.Second, path+" ends", func() bool {
		r = c.Get(t, path).Want(t, 200)
		return slices.Contains([]string{"succeeded", "failed", "cancelled"}, r.Text("/meta/job/state"))
	})
	return r
}

// eachJob runs a test on every storage row with one more job type.
func eachJob(t *testing.T, name, handler string, fn func(t *testing.T, c *apitest.Client)) {
	t.Helper()
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			fn(t, run(t, s, nil, jobModel(name, handler)))
		})
	}
}

func TestACommandRunsAJob(t *testing.T) {
	eachJob(t, "shouts", `{exec: [sh, -c, "echo working >&2; tr a-z A-Z"]}`, func(t *testing.T, c *apitest.Client) {
		r := c.Post(t, "/v1/shouts?id=a&priority=3", `{"to":"ann"}`).Want(t, 201).Equal(t, "/meta/job/attempts", "0").
			Equal(t, "/meta/job/max_attempts", "3").Equal(t, "/meta/job/queue", `"default"`).Equal(t, "/meta/job/priority", "3")
		if state := r.Text("/meta/job/state"); state != "pending" {
			t.Errorf("a new job is %s", state)
		}
		r = ended(t, c, "/v1/shouts/a").Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/result", `{"TO":"ANN"}`).
			Equal(t, "/meta/job/attempts", "1").Equal(t, "/meta/job/error", "null").Equal(t, "/data", `{"to":"ann"}`).
			Equal(t, "/meta/revision_count", "1")
		if moment(t, r.Text("/meta/job/finished_at")).Before(moment(t, r.Text("/meta/job/started_at"))) {
			t.Errorf("times: %v", r.Value("/meta/job"))
		}
		c.Get(t, "/v1/shouts?total=true&filter="+query(`meta.job.state = "succeeded" AND meta.job.attempts = 1`)).Equal(t, "/total", "1")
		h := c.Get(t, "/v1/shouts/a/history").Want(t, 200)
		for i, want := range []string{"created", "job_started", "job_succeeded"} {
			if h.Text(fmt.Sprintf("/items/%d/action", i)) != want {
				t.Errorf("event %d: %v", i, h.Items()[i])
			}
		}
	})
}

func TestManyJobsRunOnceEach(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		const n = 40
		together(n, func(i int) *apitest.Response {
			return request(t, c, "POST", fmt.Sprint("/v1/mails?id=m", i), map[string]any{"to": fmt.Sprint(i)})
		})
		for i := range n {
			ended(t, c, fmt.Sprint("/v1/mails/m", i)).Equal(t, "/meta/job/state", `"succeeded"`).
				Equal(t, "/meta/job/result", fmt.Sprintf(`{"to":"%d"}`, i)).Equal(t, "/meta/job/attempts", "1")
		}
	})
}

func TestACommandThatAsksForItIsTriedAgain(t *testing.T) {
	eachJob(t, "tries", `{exec: [sh, -c, 'if [ "$AUTOCRUD_JOB_ATTEMPT" = 1 ]; then echo not yet >&2; exit 75; fi; cat']}`, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/tries?id=a", `{"to":"x"}`).Want(t, 201)
		ended(t, c, "/v1/tries/a").Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/attempts", "2").
			Equal(t, "/meta/job/result", `{"to":"x"}`).Equal(t, "/meta/job/error", "null")
	})
}

func TestACommandThatKeepsFailingEndsAsFailed(t *testing.T) {
	eachJob(t, "fails", `{exec: [sh, -c, 'echo broken >&2; exit 3']}`, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/fails?id=a", `{"to":"x"}`).Want(t, 201)
		c.Post(t, "/v1/fails?id=b&max_attempts=1", `{"to":"x"}`).Want(t, 201)
		r := ended(t, c, "/v1/fails/a").Equal(t, "/meta/job/state", `"failed"`).Equal(t, "/meta/job/attempts", "3").Equal(t, "/meta/job/result", "null")
		if !strings.Contains(r.Text("/meta/job/error"), "broken") {
			t.Errorf("error %q", r.Text("/meta/job/error"))
		}
		ended(t, c, "/v1/fails/b").Equal(t, "/meta/job/state", `"failed"`).Equal(t, "/meta/job/attempts", "1")
		c.Get(t, "/v1/fails?total=true&filter="+query(`meta.job.state="failed"`)).Equal(t, "/total", "2")
	})
}

// TestTheExitCodeIsTheWordOfACommand: whatever a command leaves running, with
// its output open, it succeeded, asked to be tried again or failed as it said.
func TestTheExitCodeIsTheWordOfACommand(t *testing.T) {
	more := map[string]string{}
	for name, script := range map[string]string{
		"well":   `sleep 60 & echo "{\"ok\":true}"`,
		"quiet":  `sleep 60 >&2 & exit 0`,
		"apart":  `exec setsid sh -c "sleep 8 & echo 7"`,
		"again":  `sleep 60 & if [ "$AUTOCRUD_JOB_ATTEMPT" = 1 ]; then echo not yet >&2; exit 75; fi; echo 2`,
		"broken": `sleep 60 & echo broken >&2; exit 3`,
		"huge":   `sleep 60 & head -c 1100000 /dev/zero | tr "\\000" a`,
	} {
		more[name] = strings.Replace(jobModel(name, "{exec: [sh, -c, '"+script+"']}")[name], "maxAttempts: 3", "maxAttempts: 2", 1)
	}
	c := run(t, inMemory, nil, more)
	for name := range more {
		c.Post(t, "/v1/"+name+"?id=a", `{"to":"x"}`).Want(t, 201)
	}
	for name, want := range map[string][3]string{
		"well": {`"succeeded"`, "1", `{"ok":true}`}, "quiet": {`"succeeded"`, "1", "null"}, "apart": {`"succeeded"`, "1", "7"},
		"again": {`"succeeded"`, "2", "2"}, "broken": {`"failed"`, "2", "null"}, "huge": {`"failed"`, "1", "null"},
	} {
		r := ended(t, c, "/v1/"+name+"/a").Equal(t, "/meta/job/state", want[0]).Equal(t, "/meta/job/attempts", want[1]).Equal(t, "/meta/job/result", want[2])
		if strings.Contains(string(r.Body), "WaitDelay") || strings.Contains(string(r.Body), "did not run") {
			t.Errorf("%s: %s", name, r.Body)
		}
	}
	if logs := string(c.Get(t, "/v1/well/a/logs").Want(t, 200).Body); !strings.Contains(logs, "left behind") {
		t.Errorf("nothing tells what was left: %s", logs)
	}
}

// handled is a web server whose answers a test gives, one for each attempt.
type handled struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   [][]byte
	times    []time.Time
}

func (h *handled) serve(t *testing.T, answer func(w http.ResponseWriter, attempt int)) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body) // a broken one fails the test below
		h.mu.Lock()
		h.requests, h.bodies, h.times = append(h.requests, r), append(h.bodies, b), append(h.times, time.Now())
		h.mu.Unlock()
		n, _ := strconv.Atoi(r.Header.Get("Autocrud-Job-Attempt"))
		answer(w, n)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestAWebServerRunsAJob(t *testing.T) {
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			h := &handled{}
			url := h.serve(t, func(w http.ResponseWriter, _ int) { _, _ = io.WriteString(w, `{"sent":[1,2]}`) })
			c := run(t, s, nil, jobModel("calls", "{http: "+url+"}"))
			c.Post(t, "/v1/calls?id=a", `{"to":"ann"}`).Want(t, 201)
			ended(t, c, "/v1/calls/a").Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/result", `{"sent":[1,2]}`)
			if len(h.requests) != 1 || h.requests[0].Method != "POST" || h.requests[0].Header.Get("Idempotency-Key") != "a" ||
				h.requests[0].Header.Get("Autocrud-Job-Attempt") != "1" {
				t.Fatalf("%d requests, %v", len(h.requests), h.requests[0].Header)
			}
			var envelope struct {
				Data json.RawMessage
				Meta struct{ Type, ID string }
			}
			if err := json.Unmarshal(h.bodies[0], &envelope); err != nil || string(envelope.Data) != `{"to":"ann"}` || envelope.Meta.ID != "a" || envelope.Meta.Type != "calls" {
				t.Errorf("the handler got %s (%v)", h.bodies[0], err)
			}
		})
	}
}

func TestAWebServersAnswerDecidesAboutAnotherAttempt(t *testing.T) {
	for _, x := range []struct {
		name     string
		first    int
		after    string
		attempts int
		state    string
	}{
		{"500", 500, "", 2, "succeeded"}, {"503", 503, "", 2, "succeeded"}, {"408", 408, "", 2, "succeeded"}, {"425", 425, "", 2, "succeeded"},
		{"429 with patience", 429, "1", 2, "succeeded"}, {"400", 400, "", 1, "failed"}, {"404", 404, "", 1, "failed"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			h := &handled{}
			url := h.serve(t, func(w http.ResponseWriter, attempt int) {
				if attempt == 1 {
					w.Header().Set("Retry-After", x.after)
					w.WriteHeader(x.first)
				}
			})
			c := start(t, nil, memory(), jobModel("calls", "{http: "+url+"}"))
			c.Post(t, "/v1/calls?id=a", `{"to":"ann"}`).Want(t, 201)
			ended(t, c, "/v1/calls/a").Equal(t, "/meta/job/state", `"`+x.state+`"`).Equal(t, "/meta/job/attempts", fmt.Sprint(x.attempts))
			h.mu.Lock()
			defer h.mu.Unlock()
			if len(h.times) != x.attempts {
				t.Fatalf("%d attempts", len(h.times))
			}
			if x.after != "" && h.times[1].Sub(h.times[0]) < time.Second {
				t.Errorf("the second attempt came after %s", h.times[1].Sub(h.times[0]))
			}
		})
	}
}

type letter struct {
	To string `json:"to"`
}

func TestGoCodeRunsAJob(t *testing.T) {
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			app := autocrud.New()
			autocrud.Register[letter](app, "letters", model.WithJob(model.JobSpec{MaxAttempts: 3,
				Backoff: model.Backoff{Initial: 10 * time.Millisecond, Max: 20 * time.Millisecond}}))
			autocrud.HandleJob(app, "letters", func(_ context.Context, j *job.Job[letter]) error {
				switch {
				case j.Payload.To == "panic" && j.Attempt == 1:
					panic("at the first attempt")
				case j.Payload.To == "always panics":
					panic("always")
				case j.Payload.To == "nobody":
					return job.Fail(errors.New("there is nobody"))
				case j.Payload.To == "later" && j.Attempt == 1:
					return job.RetryAfter(200*time.Millisecond, errors.New("not now"))
				}
				return j.SetResult(map[string]any{"attempt": j.Attempt, "to": j.Payload.To})
			})
			c := run(t, s, app, nil)
			for id, to := range map[string]string{"a": "ann", "p": "panic", "q": "always panics", "n": "nobody", "l": "later"} {
				c.Post(t, "/v1/letters?id="+id, letter{to}).Want(t, 201)
			}
			ended(t, c, "/v1/letters/a").Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/result", `{"attempt":1,"to":"ann"}`)
			ended(t, c, "/v1/letters/p").Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/result", `{"attempt":2,"to":"panic"}`)
			ended(t, c, "/v1/letters/q").Equal(t, "/meta/job/state", `"failed"`).Equal(t, "/meta/job/attempts", "3")
			ended(t, c, "/v1/letters/n").Equal(t, "/meta/job/state", `"failed"`).Equal(t, "/meta/job/attempts", "1")
			ended(t, c, "/v1/letters/l").Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/attempts", "2")
		})
	}
}

func TestAJobOfTheFutureIsScheduledAndRuns(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		at := time.Now().Add(700 * time.Millisecond).UTC().Truncate(time.Microsecond)
		c.Post(t, "/v1/mails?id=a&run_at="+query(at.Format(time.RFC3339Nano)), `{"to":"x"}`).Want(t, 201).Equal(t, "/meta/job/state", `"scheduled"`)
		c.Post(t, "/v1/mails?id=far&run_at=2999-01-01T00:00:00Z", `{"to":"x"}`).Want(t, 201)
		r := ended(t, c, "/v1/mails/a").Equal(t, "/meta/job/state", `"succeeded"`)
		if began := moment(t, r.Text("/meta/job/started_at")); began.Before(at) || began.After(at.Add(5*time.Second)) {
			t.Errorf("due %s, began %s", at, began)
		}
		c.Get(t, "/v1/mails/far").Want(t, 200).Equal(t, "/meta/job/state", `"scheduled"`).Equal(t, "/meta/job/run_at", `"2999-01-01T00:00:00Z"`)
	})
}

func TestAJobOutlivesTheProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := fmt.Sprintf(`{exec: [sh, -c, 'if [ "$AUTOCRUD_JOB_ATTEMPT" = 1 ]; then trap "" TERM; sleep 60 & echo $! > %[1]s/new && mv %[1]s/new %[1]s/pid; wait; fi; cat']}`, dir)
	args := []string{"--models", apitest.WriteModels(t, with(jobModel("sleepers", script))), "--data-dir", t.TempDir(), "--log-level", "error"}
	p := apitest.Launch(t, args...)
	c := apitest.NewClient(t, p.URL)
	c.Post(t, "/v1/sleepers?id=a", `{"to":"x"}`).Want(t, 201)
	c.Post(t, "/v1/mails?id=later&run_at="+query(time.Now().Add(2*time.Second).Format(time.RFC3339)), `{"to":"x"}`).Want(t, 201)
	c.Post(t, "/v1/mails?id=hour&run_at="+query(time.Now().Add(time.Hour).Format(time.RFC3339)), `{"to":"x"}`).Want(t, 201)
	hour := c.Get(t, "/v1/mails/hour").Text("/meta/job/run_at")
	pid := 0
	apitest.Eventually(t, 10*time.Second, "the first attempt begins", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "pid"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	})
	c.Get(t, "/v1/sleepers/a").Want(t, 200).Equal(t, "/meta/job/state", `"running"`)
	p.Kill()
	apitest.Eventually(t, 10*time.Second, "the command's child is gone too", func() bool { return testenv.ProcessGone(pid) })
	p = apitest.Launch(t, args...)
	c = apitest.NewClient(t, p.URL)
	ended(t, c, "/v1/sleepers/a").Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/attempts", "2").Equal(t, "/meta/job/result", `{"to":"x"}`)
	ended(t, c, "/v1/mails/later").Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/attempts", "1")
	c.Get(t, "/v1/mails/hour").Want(t, 200).Equal(t, "/meta/job/state", `"scheduled"`).Equal(t, "/meta/job/run_at", strconv.Quote(hour)).Equal(t, "/meta/job/attempts", "0")
}

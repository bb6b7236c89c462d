package tests_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// follows reads the log of a job as a stream until it ends; each line comes
// with when it came.
func follows(t *testing.T, c *apitest.Client, path, last string) (lines []string, ids []string, times []time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", c.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, resp.Header)
	}
	s := bufio.NewScanner(resp.Body)
	event, id := "", ""
	for s.Scan() {
		field, value, _ := strings.Cut(s.Text(), ": ")
		switch field {
		case "event":
			event = value
		case "id":
			id = value
		case "data":
			if event == "end" {
				return lines, ids, times
			}
			_, text, _ := strings.Cut(value, `"text":"`)
			lines, ids, times = append(lines, strings.TrimSuffix(text, `"}`)), append(ids, id), append(times, time.Now())
		}
	}
	t.Fatalf("the stream ended without an end: %v", s.Err())
	return nil, nil, nil
}

func TestProgressAndLogsAreSeenWhileAJobRuns(t *testing.T) {
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			proceed := make(chan struct{})
			c := startTasks(t, s, model.JobSpec{}, func(ctx context.Context, j *job.Job[task]) error {
				for i := range 3 {
					j.Progress(int64(i+1), 3, fmt.Sprint("step ", i+1))
					j.Log("line %d", i+1)
					select {
					case <-proceed:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				j.Log("done")
				return nil
			})
			c.Post(t, "/v1/tasks?id=a", task{Name: "x"}).Want(t, 201)
			type followed struct {
				lines, ids []string
				times      []time.Time
			}
			all := make(chan followed, 1)
			go func() {
				lines, ids, times := follows(t, c, "/v1/tasks/a/logs?follow=true", "")
				all <- followed{lines, ids, times}
			}()
			quickest := time.Hour // beside other work one step may take longer
			for i := range 3 {
				begun := time.Now()
				apitest.Eventually(t, 5*time.Second, "progress is seen", func() bool {
					return c.Get(t, "/v1/tasks/a").Int("/meta/job/progress/done") == i+1
				})
				apitest.Eventually(t, 5*time.Second, "the line is seen", func() bool {
					return len(c.Get(t, "/v1/tasks/a/logs").Want(t, 200).Items()) == i+1
				})
				quickest = min(quickest, time.Since(begun))
				c.Get(t, "/v1/tasks?returns=meta").Equal(t, "/items/0/meta/job/progress/message", fmt.Sprintf(`"step %d"`, i+1))
				proceed <- struct{}{}
			}
			if quickest > time.Second {
				t.Errorf("no step was seen before %s", quickest)
			}
			became(t, c, "/v1/tasks/a", "succeeded").Equal(t, "/meta/job/progress", `{"done":3,"total":3,"message":"step 3"}`)
			got := <-all
			if fmt.Sprint(got.lines) != "[line 1 line 2 line 3 done]" {
				t.Errorf("followed %v", got.lines)
			}
			if rest, _, _ := follows(t, c, "/v1/tasks/a/logs?follow=true", got.ids[1]); fmt.Sprint(rest) != "[line 3 done]" {
				t.Errorf("after the second line: %v", rest)
			}
			first := c.Get(t, "/v1/tasks/a/logs?page_size=3").Want(t, 200)
			second := c.Get(t, "/v1/tasks/a/logs?page_size=3&page_token="+query(first.Text("/next_page_token"))).Want(t, 200)
			if len(first.Items()) != 3 || len(second.Items()) != 1 || second.Text("/items/0/text") != "done" || second.Text("/next_page_token") != "" {
				t.Errorf("pages %s and %s", first.Body, second.Body)
			}
			c.Get(t, "/v1/movies/a/logs").WantProblem(t, 404, "not_found")
			c.Get(t, "/v1/tasks/b/logs").WantProblem(t, 404, "not_found")
			c.Get(t, "/v1/tasks/a/logs?follow=maybe").WantProblem(t, 400, "invalid_request")
			purged(t, c, "/v1/tasks/a")
			c.Post(t, "/v1/tasks?id=a&run_at=2999-01-01T00:00:00Z", task{Name: "x"}).Want(t, 201)
			if items := c.Get(t, "/v1/tasks/a/logs").Want(t, 200).Items(); len(items) != 0 {
				t.Errorf("the log outlived its job: %v", items)
			}
		})
	}
}

func TestALogIsBounded(t *testing.T) {
	c := startTasks(t, inMemory, model.JobSpec{}, func(_ context.Context, j *job.Job[task]) error {
		for range 300 {
			j.Log("%s", strings.Repeat("x", 10_000))
		}
		return nil
	})
	c.Post(t, "/v1/tasks?id=a", task{Name: "x"}).Want(t, 201)
	became(t, c, "/v1/tasks/a", "succeeded")
	r := c.Get(t, "/v1/tasks/a/logs?page_size=1000").Want(t, 200)
	n := len(r.Items())
	if len(r.Body) > 1200<<10 || n > 110 || !strings.Contains(r.Text(fmt.Sprintf("/items/%d/text", n-1)), "left out") {
		t.Errorf("%d lines, %d bytes", n, len(r.Body))
	}
}

func TestACommandThatIgnoresSIGTERMIsKilledWithItsChildren(t *testing.T) {
	dir := t.TempDir()
	script := fmt.Sprintf(`trap "" TERM; echo begun >&2; sleep 61 & echo $! > %[1]s/new; mv %[1]s/new %[1]s/pid; while true; do sleep 1; done`, dir)
	c := run(t, inMemory, nil, jobModel("stubborn", `{exec: [sh, -c, '`+script+`'], grace: 300ms, env: {LEVEL: high}}`))
	c.Post(t, "/v1/stubborn?id=a", `{"to":"x"}`).Want(t, 201)
	child := 0
	apitest.Eventually(t, 10*time.Second, "the child is there", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "pid"))
		child, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	})
	apitest.Eventually(t, 5*time.Second, "its standard error is the log", func() bool {
		return c.Get(t, "/v1/stubborn/a/logs").Want(t, 200).Text("/items/0/text") == "begun"
	})
	c.Post(t, "/v1/stubborn/a:cancel", nil).Want(t, 200)
	apitest.Eventually(t, 5*time.Second, "the child is killed", func() bool {
		return testenv.ProcessGone(child)
	})
	c.Get(t, "/v1/stubborn/a").Equal(t, "/meta/job/state", `"cancelled"`)
}

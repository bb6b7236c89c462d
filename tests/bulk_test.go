package tests_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// bulkDone queues a bulk change and waits for its end.
func bulkDone(t *testing.T, c *apitest.Client, typ, body string) *apitest.Response {
	t.Helper()
	r := c.Post(t, "/v1/"+typ+":bulk", body).Want(t, 202)
	return ended(t, c, r.Header.Get("Location"))
}

func TestEverythingThatMatchesIsChanged(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		const n = 60
		together(n, func(i int) *apitest.Response {
			return request(t, c, "POST", fmt.Sprint("/v1/movies?id=m", i), map[string]any{"title": fmt.Sprint("T", i), "year": 1950 + i, "slug": fmt.Sprint("s", i)})
		})
		r := bulkDone(t, c, "movies", `{"filter":"year < 1990","op":"patch","patch":{"note":"old"}}`).Equal(t, "/meta/job/state", `"succeeded"`).
			Equal(t, "/meta/job/progress/done", "40").Equal(t, "/meta/job/progress/total", "40").Equal(t, "/meta/job/result/changed", "40")
		if r.Text("/meta/created_by") == "" {
			t.Error("the job is nobody's")
		}
		c.Get(t, "/v1/movies/m39").Equal(t, "/data/note", `"old"`)
		c.Get(t, "/v1/movies/m40").Equal(t, "/data/note", "null")
		bulkDone(t, c, "movies", `{"filter":"year < 1990","op":"patch","patch":{"note":"old"}}`).
			Equal(t, "/meta/job/result/changed", "0").Equal(t, "/meta/job/result/unchanged", "40")
		// A unique value: one resource takes it, the others are refused.
		bulkDone(t, c, "movies", `{"filter":"year < 1960","op":"patch","patch":[{"op":"replace","path":"/slug","value":"same"}]}`).
			Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/result/changed", "1").Equal(t, "/meta/job/result/failed", "9").
			Equal(t, "/meta/job/result/errors/0/code", `"unique_conflict"`)
		bulkDone(t, c, "movies", `{"filter":"year < 1953","op":"patch","patch":{"year":"x"}}`).Equal(t, "/meta/job/result/failed", "3").
			Equal(t, "/meta/job/state", `"failed"`).Equal(t, "/meta/job/attempts", "1").
			Equal(t, "/meta/job/result/errors/0/code", `"validation_failed"`).Equal(t, "/meta/job/result/errors/0/errors/0/pointer", `"/year"`)
		for _, list := range []string{"/v1/movies?", "/v1/movies/m1/revisions?", "/v1/movies/m1/history?", "/v1/movies:aggregate?group_by=year&"} {
			c.Get(t, list+"page_token=").Want(t, 200) // as the last page has
		}
		bulkDone(t, c, "movies", `{"filter":"","op":"delete"}`).Equal(t, "/meta/job/result/changed", fmt.Sprint(n))
		c.Get(t, "/v1/movies:count").Equal(t, "/count", "0")
		bulkDone(t, c, "movies", `{"filter":"year >= 2000","op":"restore"}`).Equal(t, "/meta/job/result/changed", "10")
		c.Get(t, "/v1/movies:count").Equal(t, "/count", "10")
		for body, code := range map[string]string{`{"op":"delete"}`: "validation_failed", `{"filter":"","op":"explode"}`: "validation_failed",
			`{"filter":"","op":"patch"}`: "validation_failed", `{"filter":"","op":"cancel"}`: "validation_failed", `{"filter":"","op":"purge"}`: "validation_failed",
			`{"filter":"","op":"delete","patch":{}}`: "validation_failed", `{"filter":"","op":"delete","more":1}`: "validation_failed"} {
			c.Post(t, "/v1/movies:bulk", body).WantProblem(t, 422, code)
		}
		c.Post(t, "/v1/movies:bulk", `{"filter":"nothing = 1","op":"delete"}`).WantProblem(t, 400, "invalid_filter")
	})
}

func TestDeadLettersAreRunAgainByFilter(t *testing.T) {
	good := make(chan struct{})
	c := startTasks(t, inMemory, model.JobSpec{MaxAttempts: 1, Queue: "letters"}, func(_ context.Context, j *job.Job[task]) error {
		select {
		case <-good:
			return nil
		default:
			return errors.New("not yet")
		}
	})
	for i := range 10 {
		c.Post(t, fmt.Sprint("/v1/tasks?id=t", i), task{Name: "x"}).Want(t, 201)
	}
	for i := range 10 {
		became(t, c, fmt.Sprint("/v1/tasks/t", i), "failed")
	}
	q := c.Get(t, "/v1/queues/letters").Want(t, 200).Equal(t, "/depth/failed", "10").Equal(t, "/per_minute/failed", "10").Equal(t, "/types", `["tasks"]`)
	if q.Value("/paused") != false {
		t.Error("it is paused")
	}
	close(good)
	bulkDone(t, c, "tasks", `{"filter":"meta.job.state = \"failed\"","op":"rerun"}`).Equal(t, "/meta/job/result/changed", "10")
	for i := range 10 {
		became(t, c, fmt.Sprint("/v1/tasks/t", i), "succeeded")
	}
	for i := range 5 {
		c.Post(t, fmt.Sprint("/v1/tasks?run_at=2999-01-01T00:00:00Z&id=l", i), task{Name: "x"}).Want(t, 201)
	}
	bulkDone(t, c, "tasks", `{"filter":"meta.job.state = \"scheduled\"","op":"cancel"}`).Equal(t, "/meta/job/result/changed", "5")
	became(t, c, "/v1/tasks/l4", "cancelled")
}

func TestAQueueIsPausedAndResumed(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/queues/default:pause", nil).Want(t, 200).Equal(t, "/paused", "true")
		c.Post(t, "/v1/mails?id=a", `{"to":"x"}`).Want(t, 201)
		c.Get(t, "/v1/queues").Want(t, 200).Equal(t, "/items/0/name", `"default"`).Equal(t, "/items/0/depth/pending", "1").Equal(t, "/items/0/paused", "true")
		c.Get(t, "/v1/mails/a").Equal(t, "/meta/job/state", `"pending"`)
		c.Post(t, "/v1/queues/default:resume", nil).Want(t, 200).Equal(t, "/paused", "false")
		became(t, c, "/v1/mails/a", "succeeded")
		c.Post(t, "/v1/queues/nothing:pause", nil).WantProblem(t, 404, "not_found")
		c.Post(t, "/v1/queues/default:explode", nil).WantProblem(t, 404, "not_found")
		c.Get(t, "/v1/queues/nothing").WantProblem(t, 404, "not_found")
		c.Get(t, "/v1/queues?page=1").WantProblem(t, 400, "invalid_request")
		c.Put(t, "/v1/queue-settings/default", `{"rate":{"limit":5,"per":"0s"}}`).WantProblem(t, 422, "validation_failed")
		c.Put(t, "/v1/queue-settings/default", `{"concurrency":3,"rate":{"limit":100,"per":"1s"}}`).Want(t, 200)
		c.Get(t, "/v1/queues/default").Equal(t, "/concurrency", "3").Equal(t, "/rate", `{"limit":100,"per":"1s"}`)
	})
}

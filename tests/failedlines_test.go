package tests_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// failedLines are the lines of a log that tell of failed jobs, by the job's id.
func failedLines(t *testing.T, log string) map[string][]map[string]any {
	t.Helper()
	out := map[string][]map[string]any{}
	for line := range strings.Lines(log) {
		var v map[string]any
		if json.Unmarshal([]byte(line), &v) != nil || v["msg"] != jobs.JobFailedLine {
			continue
		}
		out[fmt.Sprint(v["type"], "/", v["id"])] = append(out[fmt.Sprint(v["type"], "/", v["id"])], v)
	}
	return out
}

func TestAJobThatFailsLeavesOneLineInTheLog(t *testing.T) {
	t.Parallel()
	dir := apitest.WriteModels(t, map[string]string{"notes": "name: notes\nschema: {type: object, properties: {text: {type: string, maxLength: 10}}}\nindex: [text]\n",
		"pains": jobModel("pains", `{exec: [sh, -c, 'echo it hurts >&2; exit 3']}`)["pains"],
		"goods": jobModel("goods", `{exec: [sh, -c, 'if [ "$AUTOCRUD_JOB_ATTEMPT" = 1 ]; then exit 75; fi']}`)["goods"]})
	p := apitest.Launch(t, "--models", dir, "--storage", "memory", "--log-format", "json", "--log-level", "warn", "--auth", "required", "--admin-key", adminKey)
	c := apitest.NewClient(t, p.URL).As(adminKey)
	c.Post(t, "/v1/pains?id=three", `{"to":"x"}`).Want(t, 201)
	c.Post(t, "/v1/pains?id=once&max_attempts=1", `{"to":"x"}`).Want(t, 201)
	c.Post(t, "/v1/goods?id=second", `{"to":"x"}`).Want(t, 201)
	c.Post(t, "/v1/notes", `{"text":"short"}`).Want(t, 201)
	c.Post(t, "/v1/schedules?id=often", `{"cron":"* * * * * *","type":"pains","payload":{"to":"y"}}`).Want(t, 201)
	bulk := c.Post(t, "/v1/notes:bulk", `{"filter":"","op":"patch","patch":{"text":"much too long for it"}}`).Want(t, 202).Text("/meta/id")
	ended(t, c, "/v1/goods/second").Equal(t, "/meta/job/state", `"succeeded"`)
	ended(t, c, "/v1/pains/three")
	ended(t, c, "/v1/pains/once")
	ended(t, c, "/v1/bulk-jobs/"+bulk)
	apitest.Eventually(t, 30*time.Second, "a job of the schedule fails too", func() bool {
		return c.Get(t, "/v1/pains:count?filter="+query(`meta.job.state = "failed"`)).Want(t, 200).Int("/count") > 2
	})
	c.As("wrong").Get(t, "/v1/notes").Want(t, 401)
	few := c.As(c.Post(t, "/v1/api-keys", `{"name":"few"}`).Want(t, 201).Text("/secret"))
	few.Get(t, "/v1/notes").Want(t, 403)
	few.Post(t, "/v1/notes", `{}`).Want(t, 403)
	if code, _ := p.Terminate(t, 20*time.Second); code != 0 {
		t.Fatalf("exit %d", code)
	}
	lines := failedLines(t, p.Log())
	ofSchedule := func() (line map[string]any) {
		for _, of := range lines {
			if of[0]["schedule"] != nil {
				line = of[0]
			}
		}
		return line
	}
	for _, x := range []struct {
		name, job, says string
		attempt         float64
	}{
		{"OfTheLastOfSeveralAttempts", "pains/three", "it hurts", 3},
		{"OfAnOnlyAttempt", "pains/once", "it hurts", 1},
		{"OfABulkChangeThatWasRefused", "bulk-jobs/" + bulk, "all 1 resources were refused", 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := lines[x.job]
			if len(got) != 1 || got[0]["level"] != "WARN" || got[0]["attempt"] != x.attempt || !strings.Contains(fmt.Sprint(got[0]["error"]), x.says) || got[0]["schedule"] != nil {
				t.Errorf("%v", got)
			}
		})
	}
	t.Run("OfTheJobOfASchedule", func(t *testing.T) {
		if line := ofSchedule(); line["schedule"] != "often" || line["type"] != "pains" || line["id"] == "" || line["attempt"] != 3.0 {
			t.Errorf("%v", line)
		}
	})
	t.Run("NoneOfAJobThatSucceedsLater", func(t *testing.T) {
		if got := lines["goods/second"]; got != nil {
			t.Errorf("%v", got)
		}
	})
	t.Run("NoLineNamesARequestTwice", func(t *testing.T) {
		for _, msg := range []string{"not authenticated", "refused", jobs.JobFailedLine} {
			if !strings.Contains(p.Log(), `"msg":"`+msg+`"`) {
				t.Errorf("no line says %q", msg)
			}
		}
		named := 0
		for line := range strings.Lines(p.Log()) {
			switch n := strings.Count(line, `"request_id":`); {
			case n > 1:
				t.Errorf("%s", line)
			case n == 1:
				named++
			}
		}
		if named < 3 {
			t.Errorf("%d lines name a request:\n%s", named, p.Log())
		}
	})
}

func TestABulkChangeThatChangesNothingButRefusalsIsFailedAndKeepsItsResult(t *testing.T) {
	c := apitest.Start(t, nil, autocrud.Settings{Storage: "memory", Models: apitest.WriteModels(t, map[string]string{
		"notes": "name: notes\nschema: {type: object, properties: {text: {type: string, maxLength: 10}}}\nindex: [text]\n"})})
	for _, text := range []string{"a", "b", "c"} {
		c.Post(t, "/v1/notes?id="+text, `{"text":"`+text+`"}`).Want(t, 201)
	}
	for _, x := range []struct{ name, body, state, failed string }{
		{"EveryRowFails", `{"filter":"","op":"patch","patch":{"text":"much too long for it"}}`, "failed", "3"},
		{"TheOnlyRowFails", `{"filter":"text = \"a\"","op":"patch","patch":[{"op":"test","path":"/text","value":"z"}]}`, "failed", "1"},
		{"NothingMatches", `{"filter":"text = \"z\"","op":"delete"}`, "succeeded", "0"},
		{"SomeFail", `{"filter":"","op":"patch","patch":[{"op":"test","path":"/text","value":"b"},{"op":"replace","path":"/text","value":"d"}]}`, "succeeded", "2"},
		{"NothingIsToBeChanged", `{"filter":"text = \"d\"","op":"patch","patch":{"text":"d"}}`, "succeeded", "0"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := bulkDone(t, c, "notes", x.body).Equal(t, "/meta/job/state", `"`+x.state+`"`).Equal(t, "/meta/job/result/failed", x.failed).
				Equal(t, "/meta/job/result/done", "true").Equal(t, "/meta/job/attempts", "1")
			if failed := strings.Contains(r.Text("/meta/job/error"), "were refused; the first was"); failed != (x.state == "failed") {
				t.Errorf("error %q", r.Text("/meta/job/error"))
			}
		})
	}
	t.Run("WhatIsRunAgainBeginsWithoutAResult", func(t *testing.T) {
		id := bulkDone(t, c, "notes", `{"filter":"text = \"d\"","op":"patch","patch":{"text":"much too long for it"}}`).Text("/meta/id")
		c.Put(t, "/v1/notes/b", `{"text":"other"}`).Want(t, 200)
		c.Post(t, "/v1/bulk-jobs/"+id+":rerun", `{}`).Want(t, 200).Equal(t, "/meta/job/result", "null")
		ended(t, c, "/v1/bulk-jobs/"+id).Equal(t, "/meta/job/state", `"succeeded"`).Equal(t, "/meta/job/result/total", "0")
	})
}

func TestAHandlerFailsWithAResult(t *testing.T) {
	c := startTasks(t, inMemory, model.JobSpec{MaxAttempts: 3}, func(_ context.Context, j *job.Job[task]) error {
		switch j.ID {
		case "kept":
			return job.FailWith(json.RawMessage(`{"done":2}`), errors.New("half of it"))
		case "broken":
			return job.FailWith(json.RawMessage(`{"done":`), errors.New("half of it"))
		case "long":
			return job.FailWith(json.RawMessage(`"`+strings.Repeat("x", jobs.MaxResult)+`"`), errors.New("half of it"))
		}
		return fmt.Errorf("wrapped: %w", job.FailWith(json.RawMessage(`3`), errors.New("half of it")))
	})
	for id, result := range map[string]string{"kept": `{"done":2}`, "wrapped": "3", "broken": "null", "long": "null"} {
		t.Run(id, func(t *testing.T) {
			c.Post(t, "/v1/tasks?id="+id, `{"name":"x"}`).Want(t, 201)
			r := ended(t, c, "/v1/tasks/"+id).Equal(t, "/meta/job/state", `"failed"`).Equal(t, "/meta/job/attempts", "1").Equal(t, "/meta/job/result", result)
			if !strings.Contains(r.Text("/meta/job/error"), "half of it") {
				t.Errorf("%s", r.Body)
			}
		})
	}
}

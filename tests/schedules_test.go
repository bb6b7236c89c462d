package tests_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

func TestASchedulesJobsAreResources(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		for _, bad := range []string{`{"type":"mails"}`, `{"type":"mails","cron":"61 * * * *","payload":{"to":"x"}}`, `{"type":"movies","cron":"@daily"}`,
			`{"type":"nothing","cron":"@daily"}`, `{"type":"mails","cron":"@daily"}`, `{"type":"mails","cron":"@daily","payload":{"to":1}}`,
			`{"type":"mails","cron":"@daily","payload":{"to":"x"},"timezone":"Mars/Olympus"}`, `{"type":"mails","cron":"@daily","payload":{"to":"x"},"overlap":"maybe"}`} {
			c.Post(t, "/v1/schedules", bad).WantProblem(t, 422, "validation_failed")
		}
		c.Post(t, "/v1/schedules?id=s", `{"type":"mails","cron":"* * * * * *","timezone":"Europe/Berlin","payload":{"to":"ann"}}`).Want(t, 201)
		apitest.Eventually(t, 15*time.Second, "two of its jobs are done", func() bool {
			return c.Get(t, "/v1/mails?total=true&filter="+query(`meta.job.state = "succeeded"`)).Want(t, 200).Int("/total") >= 2
		})
		r := c.Get(t, "/v1/mails?page_size=1&returns=data,meta").Equal(t, "/items/0/data", `{"to":"ann"}`).Equal(t, "/items/0/meta/job/schedule/id", `"s"`)
		if at := moment(t, r.Text("/items/0/meta/job/schedule/at")); at.Nanosecond() != 0 {
			t.Errorf("made for %s", at)
		}
		c.Delete(t, "/v1/schedules/s").Want(t, 200)
	})
}

func TestAScheduleTellsItsNextAndLastTime(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		create := func(id, rest string) {
			t.Helper()
			c.Post(t, "/v1/schedules?id="+id, `{"type":"mails","payload":{"to":"ann"},`+rest+`}`).Want(t, 201)
		}
		create("yearly", `"cron":"30 2 29 3 *","timezone":"Europe/Berlin"`)
		create("often", `"cron":"* * * * * *","overlap":"skip"`)
		create("paused", `"cron":"@daily","paused":true`)
		next := moment(t, c.Get(t, "/v1/schedules/yearly").Want(t, 200).Equal(t, "/meta/schedule/last", `null`).Text("/meta/schedule/next"))
		if !next.After(time.Now()) || next.Month() != time.March || next.Minute() != 30 {
			t.Errorf("next is %s", next)
		}
		apitest.Eventually(t, 10*time.Second, "a time has come", func() bool {
			return c.Get(t, "/v1/schedules/often").Want(t, 200).Text("/meta/schedule/last") != ""
		})
		c.Get(t, "/v1/schedules/paused").Want(t, 200).Equal(t, "/meta/schedule", `{"last":null,"next":null}`)
		if list := c.Get(t, "/v1/schedules?returns=meta&filter="+query(`meta.id = "yearly"`)).Want(t, 200); list.Text("/items/0/meta/schedule/next") != next.UTC().Format(time.RFC3339) {
			t.Errorf("a list tells %s", list.Body)
		}
		c.Patch(t, "/v1/schedules/paused", apitest.MergePatch, `{"paused":false}`).Want(t, 200)
		if got := c.Get(t, "/v1/schedules/paused").Text("/meta/schedule/next"); !moment(t, got).After(time.Now()) {
			t.Errorf("one that goes on is due at %s", got)
		}
		if past := c.Get(t, "/v1/schedules/paused?revision=1").Want(t, 200); past.Value("/meta/schedule") != nil {
			t.Errorf("an old revision has times: %s", past.Body)
		}
		c.Delete(t, "/v1/schedules/often").Want(t, 200)
		if gone := c.Get(t, "/v1/schedules/often?include_deleted=true").Want(t, 200); gone.Value("/meta/schedule") != nil {
			t.Errorf("a deleted one has times: %s", gone.Body)
		}
		c.Post(t, "/v1/schedules", `{"type":"mails","payload":{"to":"ann"},"cron":"@reboot"}`).WantProblem(t, 422, "validation_failed")
	})
}

func TestAModelsScheduleMakesJobs(t *testing.T) {
	c := run(t, inMemory, nil, map[string]string{"beats": `name: beats
schema: {type: object, properties: {n: {type: integer, default: 7}}}
job: {handler: {exec: [cat]}, schedule: ["@every 1s"]}
`})
	apitest.Eventually(t, 15*time.Second, "its jobs are done", func() bool {
		return c.Get(t, "/v1/beats?total=true&filter="+query(`meta.job.state = "succeeded"`)).Want(t, 200).Int("/total") >= 2
	})
	c.Get(t, "/v1/beats?page_size=1").Equal(t, "/items/0/data", `{"n":7}`)
}

// TestEachSecondOfAScheduleRunsOnceThoughAWorkerDies: three worker processes, of
// which one is killed in the middle. AUTOCRUD_TEST_TICKS=60 is the full size.
func TestEachSecondOfAScheduleRunsOnceThoughAWorkerDies(t *testing.T) {
	t.Parallel()
	n := 5
	if more := envInt("AUTOCRUD_TEST_TICKS"); more > 0 {
		n = more
	}
	s := newServices(t)
	s.launch("indexer")
	c := apitest.NewClient(t, s.launch("api").URL)
	workers := []*apitest.Process{s.launch("worker"), s.launch("worker"), s.launch("worker")}
	c.Post(t, "/v1/schedules?id=s", `{"type":"lines","cron":"* * * * * *","catchUp":"one","overlap":"allow","payload":{}}`).Want(t, 201)
	succeeded := func() int { return max(s.count(c, `meta.job.state = "succeeded"`), 0) }
	apitest.Eventually(t, 30*time.Second, "a third of them are done", func() bool { return succeeded() >= n/3 })
	workers[0].Kill()
	apitest.Eventually(t, time.Duration(n+40)*time.Second, "all are done", func() bool { return succeeded() >= n })
	c.Patch(t, "/v1/schedules/s", apitest.MergePatch, `{"paused":true}`).Want(t, 200)
	apitest.Eventually(t, 40*time.Second, "none is left", func() bool { return s.count(c, `NOT meta.job.state = "succeeded"`) == 0 })
	total := succeeded()
	r := c.Get(t, "/v1/lines?order_by=meta.created_at&page_size=1000&consistency=strong").Want(t, 200)
	var before time.Time
	for i := range r.Items() {
		r.Equal(t, fmt.Sprintf("/items/%d/meta/job/state", i), `"succeeded"`)
		at := moment(t, r.Text(fmt.Sprintf("/items/%d/meta/job/schedule/at", i)))
		if i > 0 && at.Sub(before) != time.Second {
			t.Errorf("after %s comes %s", before, at)
		}
		before = at
	}
	runs := map[string]int{}
	for _, id := range s.lines() {
		runs[id]++
	}
	t.Logf("%d seconds, %d runs", total, len(s.lines()))
	if len(r.Items()) != total || len(runs) != total || len(s.lines()) > total+1 { // the one that was killed may have run
		t.Errorf("%d jobs, %d listed, %d ran, %d runs", total, len(r.Items()), len(runs), len(s.lines()))
	}
}

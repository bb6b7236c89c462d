package tests_test

import (
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

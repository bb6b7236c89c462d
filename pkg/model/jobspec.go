package model

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
)

var queueName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func (t *Type) compileJob(p *Problems) {
	j := t.Job
	if j == nil {
		return
	}
	own := *j // the caller's stays as it is
	j, t.Job = &own, &own
	j.fillDefaults()
	if !queueName.MatchString(j.Queue) {
		p.Add("/job/queue", "job.queue %q: 1 to 63 small letters, digits, dashes and underscores", j.Queue)
	}
	if j.MaxAttempts < 1 || j.MaxAttempts > 1000 {
		p.Add("/job/maxAttempts", "job.maxAttempts must be 1 to 1000")
	}
	for _, d := range []struct {
		at string
		v  time.Duration
	}{{"timeout", j.Timeout}, {"backoff/initial", j.Backoff.Initial}, {"backoff/max", j.Backoff.Max}} {
		if d.v <= 0 {
			p.Add("/job/"+d.at, "job.%s must be more than 0", strings.ReplaceAll(d.at, "/", "."))
		}
	}
	if j.Keep < 0 {
		p.Add("/job/keep", "job.keep must not be negative")
	}
	if j.Backoff.Max < j.Backoff.Initial {
		p.Add("/job/backoff", "job.backoff: max is less than initial")
	}
	if j.Handler.HTTP != "" && j.Handler.Exec != nil {
		p.Add("/job/handler", "job.handler: either http or exec")
	}
	if j.Handler.HTTP != "" {
		if u, err := url.Parse(j.Handler.HTTP); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			p.Add("/job/handler/http", "job.handler.http must be an absolute http or https URL")
		}
	}
	if h := j.Handler; h.Exec == nil && (h.Dir != "" || h.Env != nil || h.Grace != 0) {
		p.Add("/job/handler", "job.handler: dir, env and grace are those of exec")
	}
	if j.Handler.Grace < 0 || j.Handler.Grace > time.Minute {
		p.Add("/job/handler/grace", "job.handler.grace must be more than 0 and at most a minute")
	}
	if j.Handler.Exec != nil && (len(j.Handler.Exec) == 0 || j.Handler.Exec[0] == "") {
		p.Add("/job/handler/exec", "job.handler.exec needs a command")
	}
	for i, s := range j.Schedule {
		if _, err := ParseCron(s, ""); err != nil {
			p.Add(PointerTo("/job/schedule", i), "job.schedule %q: %v", s, err)
		}
	}
}

// parseDuration reads a Go duration, and weeks and days as 2w and 30d.
func parseDuration(s string) (time.Duration, error) {
	d, err := query.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration such as 500ms, 60s, 1h30m or 30d", s)
	}
	return d, nil
}

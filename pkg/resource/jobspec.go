package resource

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var queueName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func (t *Type) compileJob(p *problems) {
	j := t.Job
	if j == nil {
		return
	}
	own := *j // the caller's stays as it is
	j, t.Job = &own, &own
	j.fillDefaults()
	if !queueName.MatchString(j.Queue) {
		p.add("/job/queue", "job.queue %q: 1 to 63 small letters, digits, dashes and underscores", j.Queue)
	}
	if j.MaxAttempts < 1 || j.MaxAttempts > 1000 {
		p.add("/job/maxAttempts", "job.maxAttempts must be 1 to 1000")
	}
	for _, d := range []struct {
		at string
		v  time.Duration
	}{{"timeout", j.Timeout}, {"backoff/initial", j.Backoff.Initial}, {"backoff/max", j.Backoff.Max}} {
		if d.v <= 0 {
			p.add("/job/"+d.at, "job.%s must be more than 0", strings.ReplaceAll(d.at, "/", "."))
		}
	}
	if j.Keep < 0 {
		p.add("/job/keep", "job.keep must not be negative")
	}
	if j.Backoff.Max < j.Backoff.Initial {
		p.add("/job/backoff", "job.backoff: max is less than initial")
	}
	if j.Handler.HTTP != "" && j.Handler.Exec != nil {
		p.add("/job/handler", "job.handler: either http or exec")
	}
	if j.Handler.HTTP != "" {
		if u, err := url.Parse(j.Handler.HTTP); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			p.add("/job/handler/http", "job.handler.http must be an absolute http or https URL")
		}
	}
	if h := j.Handler; h.Exec == nil && (h.Dir != "" || h.Env != nil || h.Grace != 0) {
		p.add("/job/handler", "job.handler: dir, env and grace are those of exec")
	}
	if j.Handler.Grace < 0 || j.Handler.Grace > time.Minute {
		p.add("/job/handler/grace", "job.handler.grace must be more than 0 and at most a minute")
	}
	if j.Handler.Exec != nil && (len(j.Handler.Exec) == 0 || j.Handler.Exec[0] == "") {
		p.add("/job/handler/exec", "job.handler.exec needs a command")
	}
	for i, s := range j.Schedule {
		if err := checkCron(s); err != nil {
			p.add(pointerTo("/job/schedule", i), "job.schedule %q: %v", s, err)
		}
	}
}

// parseDuration reads a Go duration, and days as 30d.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration such as 500ms, 60s, 1h30m or 30d", s)
	}
	return d, nil
}

var cronFields = []struct {
	name     string
	min, max int
	names    []string
}{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of month", 1, 31, nil},
	{"month", 1, 12, strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec")},
	{"day of week", 0, 7, strings.Fields("sun mon tue wed thu fri sat")},
}

// checkCron finds mistakes in a cron expression at the start, with the line of
// the model; the scheduler reads it for good.
func checkCron(s string) error {
	if strings.HasPrefix(s, "@") {
		if every, ok := strings.CutPrefix(s, "@every "); ok {
			if d, err := time.ParseDuration(every); err != nil || d < time.Second {
				return fmt.Errorf("@every needs a duration of at least 1s")
			}
			return nil
		}
		if slices.Contains([]string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}, s) {
			return nil
		}
		return fmt.Errorf("unknown shorthand")
	}
	parts := strings.Fields(s)
	if len(parts) != len(cronFields) {
		return fmt.Errorf("five fields are needed (minute hour day month weekday), there are %d", len(parts))
	}
	for i, part := range parts {
		f := cronFields[i]
		for _, item := range strings.Split(part, ",") {
			span, step, stepped := strings.Cut(item, "/")
			if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1) {
				return fmt.Errorf("bad step %q in the field %s", item, f.name)
			}
			if span == "*" || span == "?" {
				continue
			}
			low, high, ranged := strings.Cut(span, "-")
			if !ranged {
				high = low
			}
			a, okA := cronValue(low, f.names, f.min, f.max)
			b, okB := cronValue(high, f.names, f.min, f.max)
			if !okA || !okB || a > b {
				return fmt.Errorf("%q is no %s from %d to %d", item, f.name, f.min, f.max)
			}
		}
	}
	return nil
}

func cronValue(s string, names []string, low, high int) (int, bool) {
	if i := slices.Index(names, strings.ToLower(s)); i >= 0 {
		return i + low, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= low && n <= high
}

package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// job reads the parameters of a new job.
func (p *params) job() resource.JobOptions {
	o := resource.JobOptions{RunAt: p.time("run_at"), Priority: p.number("priority", 0, 0, 9), MaxAttempts: p.number("max_attempts", 0, 1, 1000),
		UniqueKey: p.text("unique_key")}
	if p.has("unique_key") && (o.UniqueKey == "" || len(o.UniqueKey) > jobs.MaxUniqueKey || !validText(o.UniqueKey) || strings.ContainsRune(o.UniqueKey, 0)) {
		p.refuse("unique_key is UTF-8 text of 1 to %d bytes", jobs.MaxUniqueKey)
	}
	if p.has("after") {
		o.After = p.names("after")
	}
	return o
}

func cancelJob(a *API, c call) error { return onJob(c, a.m.Jobs.Cancel) }
func rerunJob(a *API, c call) error  { return onJob(c, a.m.Jobs.Rerun) }

func onJob(c call, do func(context.Context, string, string, resource.Match) (*resource.Resource, error)) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	r, err := do(c.r.Context(), c.t.Name, c.id, match)
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, everything)
}

// logPoll is how often the log of a job is read for a client that follows it.
const logPoll = 200 * time.Millisecond

// readLogs answers what a job's handler wrote, page by page or as Server-Sent
// Events until the job is finished.
func readLogs(a *API, c call) error {
	p := c.query()
	page, follow := p.page(), p.flag("follow")
	if follow && (p.has("page_size") || p.has("page_token")) {
		p.refuse("follow takes neither page_size nor page_token; a connection that ends is resumed with Last-Event-ID")
	}
	place := uint64(0)
	if last := first(c.header("Last-Event-ID")); follow && last != "" {
		var err error
		if place, err = strconv.ParseUint(last, 10, 63); err != nil {
			p.refuse("Last-Event-ID is the id of an event, not %q", shorten(last, 100))
		}
	}
	if p.err != nil {
		return p.err
	}
	l, err := a.m.Jobs.Logs(c.r.Context(), c.t.Name, c.id, page)
	if err != nil {
		return err
	}
	if !c.match.Holds(l.EventID) { // If-None-Match is not asked: lines come without a change of the job
		return errNotMatched
	}
	if follow {
		a.followLog(c, place)
		return nil
	}
	c.tag(l.EventID)
	return c.items(l.Items, l.NextPageToken)
}

// followLog writes lines as they come, and "end" when there will be no more.
func (a *API) followLog(c call, place uint64) {
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	defer context.AfterFunc(a.running, cancel)()
	defer a.whileValid(c.r, cancel, nil)()
	s := openStream(c.w, c.r)
	if s == nil {
		return
	}
	t := time.NewTicker(logPoll)
	defer t.Stop()
	for told := time.Now(); s.err == nil; {
		// Asked before the lines are read: what was written until the end is in them.
		ended, err := a.m.Jobs.JobEnded(ctx, c.t.Name, c.id)
		if err != nil && !ended {
			s.resume(place)
			return
		}
		if err != nil {
			s.write([]byte("event: end\ndata: {}\n\n"))
			return
		}
		lines, err := a.m.Jobs.LogAfter(ctx, c.t.Name, c.id, place, resource.MaxPageSize)
		if err != nil {
			s.resume(place)
			return
		}
		for _, line := range lines {
			place = line.Place
			b, _ := json.Marshal(line) // always marshals
			s.line = strconv.AppendUint(append(s.line[:0], "id: "...), place, 10)
			s.write(append(s.line, "\nevent: line\ndata: "...), b, []byte("\n\n"))
			told = time.Now()
		}
		s.send()
		switch {
		case len(lines) > 0:
			continue
		case ended:
			s.write([]byte("event: end\ndata: {}\n\n"))
			return
		case time.Since(told) > heartbeat:
			s.alive(place)
			told = time.Now()
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

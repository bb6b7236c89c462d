package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// jobParameters of a create, besides those of every type.
var jobParameters = []string{"run_at", "priority", "max_attempts", "unique_key", "after"}

// jobShapes are the paths that only job types have.
var jobShapes = map[string]bool{"/{type}/{id}:cancel": true, "/{type}/{id}:rerun": true, "/{type}/{id}/logs": true}

// job reads the parameters of a new job.
func (p *params) job() resource.JobOptions {
	o := resource.JobOptions{RunAt: p.time("run_at"), Priority: p.number("priority", 0, 0, 9), MaxAttempts: p.number("max_attempts", 0, 1, 1000),
		UniqueKey: p.text("unique_key")}
	if p.has("unique_key") && (o.UniqueKey == "" || len(o.UniqueKey) > resource.MaxUniqueKey || !validText(o.UniqueKey) || strings.ContainsRune(o.UniqueKey, 0)) {
		p.refuse("unique_key is UTF-8 text of 1 to %d bytes", resource.MaxUniqueKey)
	}
	if p.has("after") {
		o.After = p.names("after")
	}
	return o
}

func (a *API) cancelJob(c call) error { return a.onJob(c, a.m.Cancel) }
func (a *API) rerunJob(c call) error  { return a.onJob(c, a.m.Rerun) }

func (a *API) onJob(c call, do func(context.Context, string, string, resource.Match) (*resource.Resource, error)) error {
	match, err := c.plainWrite()
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

// jobOperations are the rows of a job type.
func jobOperations(t *resource.Type) []operation {
	if t.Job == nil {
		return nil
	}
	return []operation{
		{Operation: Operation{Method: "POST", Path: "/v1/{type}/{id}:cancel", Name: "cancel"}, summary: "Cancel a {name} that is not finished",
			description: "A handler that runs is told to stop; what it does afterwards has no effect on the job.",
			parameters:  []string{"If-Match", "Idempotency-Key"}, body: emptyBody,
			responses: []answer{{"200", "Cancelled", writeHeaders, (*document).partial}}, problems: moveProblems},
		{Operation: Operation{Method: "POST", Path: "/v1/{type}/{id}:rerun", Name: "rerun"}, summary: "Queue a finished {name} again",
			parameters: []string{"If-Match", "Idempotency-Key"}, body: emptyBody,
			responses: []answer{{"200", "Queued", writeHeaders, (*document).partial}}, problems: moveProblems},
	}
}

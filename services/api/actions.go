package api

import (
	"net/http"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// runAction runs a custom action: at once, or as a job.
func runAction(x *resource.Action) handler {
	return func(a *API, c call) error {
		var match resource.Match
		if x.OnResource {
			var err error
			if match, err = c.writeMatch(); err != nil {
				return err
			}
		}
		input, err := actionInput(c)
		if err != nil {
			return err
		}
		if !match.Empty() {
			if err := a.m.Check(c.r.Context(), x.Name, c.t.Name, c.id, match); err != nil {
				return err
			}
		}
		if x.Job {
			job, err := a.m.QueueAction(c.r.Context(), x, c.id, input)
			if err != nil {
				return err
			}
			c.w.Header().Set("Location", "/v1/"+x.JobType()+"/"+job.ID)
			return c.written(http.StatusAccepted, job, everything)
		}
		out, err := a.m.RunAction(c.r.Context(), x, c.id, input)
		if err != nil {
			return err
		}
		return c.write(http.StatusOK, out)
	}
}

// actionInput reads what an action takes; no body is {}, which its schema may
// accept.
func actionInput(c call) (any, error) {
	b, err := readBody(c.w, c.r, maxBody)
	if err != nil || len(b) == 0 {
		return map[string]any{}, err
	}
	if _, err := contentType(c.r, typeJSON); err != nil {
		return nil, err
	}
	return model.DecodeInput(b)
}

package api

import (
	"net/http"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// action runs a custom action: at once, or as a job.
func (*API) action(x *resource.Action) handler {
	return func(a *API, c call) error {
		if p := readQuery(c.r); p.err != nil {
			return p.err
		}
		if _, err := contentType(c.r, typeJSON); err != nil {
			return err
		}
		input, err := readDocument(c.w, c.r)
		if err != nil {
			return err
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

// actionShape is the path of an action below /v1.
func actionShape(x *resource.Action) string {
	if x.OnResource {
		return "/{type}/{id}:" + x.Name
	}
	return "/{type}:" + x.Name
}

// actionOperations are the rows of a type's custom actions.
func actionOperations(t *resource.Type, actions []*resource.Action) (out []operation) {
	for _, x := range actions {
		if x.Type != t.Name {
			continue
		}
		op := operation{Operation: Operation{Method: "POST", Path: "/v1" + actionShape(x), Name: x.Name}, summary: x.Title,
			parameters: []string{"Idempotency-Key"},
			body: func(*document, *resource.Type) object {
				return withBody(true, jsonContent(object{{"allOf", []any{mustDecode(x.Input.Schema)}}}, sampleData(x.Input)))
			},
			problems: bodyProblems,
		}
		if x.Job {
			op.responses = []answer{{"202", "Queued as a job", append([]string{"Location"}, writeHeaders...), func(*document, *resource.Type) object {
				return jsonContent(object{{"type", "object"}, {"properties", object{{"meta", componentRef("schemas", "JobMeta")}}}}, nil)
			}}}
		} else {
			op.responses = []answer{{"200", "Done", nil, func(*document, *resource.Type) object {
				return jsonContent(object{{"allOf", []any{mustDecode(x.Output)}}}, nil)
			}}}
		}
		out = append(out, op)
	}
	return out
}

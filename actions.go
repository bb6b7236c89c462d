package autocrud

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api"
)

// ActionCall is what an action is called with.
type ActionCall[In any] struct {
	ID      string // of the resource, for OnResource
	Input   In
	Manager *resource.Manager
}

// ActionOption changes an Action.
type ActionOption func(*resource.Action)

// OnResource makes it an action of one resource: POST /v1/{type}/{id}:{name}.
func OnResource() ActionOption { return func(a *resource.Action) { a.OnResource = true } }

// AsJob answers 202 with a job that runs the action.
func AsJob() ActionOption { return func(a *resource.Action) { a.Job = true } }

// Titled names the action in the documentation.
func Titled(title string) ActionOption { return func(a *resource.Action) { a.Title = title } }

// Action adds POST /v1/{type}:{name} with typed input and output, both in the
// OpenAPI document; both are structs. An error is answered as in a hook.
func Action[In, Out any](a *App, typ, name string, fn func(ctx context.Context, c ActionCall[In]) (Out, error), opts ...ActionOption) {
	x := &resource.Action{Type: typ, Name: name, Title: fmt.Sprintf("%s of %s", name, typ)}
	for _, o := range opts {
		o(x)
	}
	fail := func(err error) { a.errs = append(a.errs, fmt.Errorf("action %s:%s: %w", typ, name, err)) }
	if err := x.Check(api.ReservedVerbs()); err != nil {
		fail(err)
		return
	}
	var err error
	if x.Input, err = model.TypeOf[In](typ + "-" + name + "-input"); err != nil {
		fail(err)
		return
	}
	out, err := model.TypeOf[Out](typ + "-" + name + "-output")
	if err != nil {
		fail(err)
		return
	}
	x.Output = out.Schema
	x.Run = func(ctx context.Context, m *resource.Manager, id string, input json.RawMessage) (json.RawMessage, error) {
		c := ActionCall[In]{ID: id, Manager: m}
		if err := json.Unmarshal(input, &c.Input); err != nil {
			return nil, fmt.Errorf("the input does not fit its Go type: %w", err)
		}
		result, err := fn(ctx, c)
		if err != nil {
			return nil, err
		}
		return json.Marshal(result)
	}
	if x.Job {
		t, err := x.JobModel(model.JobSpec{})
		if err != nil {
			fail(err)
			return
		}
		a.inner.Types = append(a.inner.Types, t)
		a.inner.Handlers[x.JobType()] = func(ctx context.Context, j *job.Attempt) (json.RawMessage, error) {
			var payload struct {
				ID    string          `json:"id"`
				Input json.RawMessage `json:"input"`
			}
			if err := json.Unmarshal(j.Data, &payload); err != nil {
				return nil, err
			}
			return x.Run(ctx, j.Manager, payload.ID, payload.Input)
		}
	}
	a.inner.Actions = append(a.inner.Actions, x)
}

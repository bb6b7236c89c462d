package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// Action is what an application adds to a type besides the operations every
// type has: POST /v1/{type}:{name}, or /v1/{type}/{id}:{name}.
type Action struct {
	Type, Name string
	Title      string      // for the documentation
	OnResource bool        // it is about one resource, which must be live
	Job        bool        // it runs as a job
	Input      *model.Type // the schema of what it takes
	Output     json.RawMessage
	// Run does it, as the actor of the context. id is empty unless OnResource.
	Run func(ctx context.Context, m *Manager, id string, input json.RawMessage) (json.RawMessage, error)
}

// Verbs are the names of actions, as rules name them.
func Verbs(actions []*Action) (out []policy.Verb) {
	for _, a := range actions {
		out = append(out, policy.Verb{Type: a.Type, Name: a.Name})
	}
	return out
}

// JobType is the type of the jobs that a queued action makes.
func (a *Action) JobType() string { return a.Type + "-" + a.Name + "-jobs" }

var actionName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Check refuses a name of the wrong form, and the reserved verbs.
func (a *Action) Check(reserved map[string]bool) error {
	if !actionName.MatchString(a.Name) || reserved[a.Name] {
		return fmt.Errorf("action %s:%s: a name is lower-case letters, digits and '-', and none of the verbs every type has", a.Type, a.Name)
	}
	return nil
}

// input checks what an action is given, and its resource.
func (m *Manager) input(ctx context.Context, a *Action, id string, doc any) ([]byte, error) {
	t, err := m.p.States.Type(a.Type)
	if err != nil {
		return nil, err
	}
	if err := m.p.Guard.May(ctx, t, a.Name); err != nil {
		return nil, err
	}
	if a.OnResource {
		if _, err := m.p.States.Find(a.Type, id); err != nil {
			return nil, err
		}
		if err := m.Check(ctx, a.Name, a.Type, id, commit.Match{Any: true}); err != nil {
			return nil, err
		}
	}
	doc = a.Input.Defaults(doc)
	if err := a.Input.Validate(doc); err != nil {
		return nil, err
	}
	return model.AppendCanonical(nil, doc), nil
}

// RunAction runs an action at once.
func (m *Manager) RunAction(ctx context.Context, a *Action, id string, doc any) (json.RawMessage, error) {
	in, err := m.input(ctx, a, id, doc)
	if err != nil {
		return nil, err
	}
	out, err := a.Run(commit.Severally(policy.AsCode(ctx)), m, id, in)
	if err != nil {
		return nil, states.AsRefusal(err)
	}
	return out, nil
}

// QueueAction makes the job that runs an action.
func (m *Manager) QueueAction(ctx context.Context, a *Action, id string, doc any) (*states.Resource, error) {
	in, err := m.input(ctx, a, id, doc)
	if err != nil {
		return nil, err
	}
	payload, err := model.DecodeJSON(in)
	if err != nil {
		return nil, err
	}
	job := map[string]any{"input": payload}
	if id != "" {
		job["id"] = id
	}
	return m.Create(policy.AsCode(policy.AsProgram(ctx)), a.JobType(), job, commit.CreateOptions{})
}

// JobModel is the type of an action's jobs.
func (a *Action) JobModel(spec model.JobSpec) (*model.Type, error) {
	input, err := model.DecodeJSON(a.Input.Schema)
	if err != nil {
		return nil, err
	}
	schema := map[string]any{"type": "object", "required": []any{"input"}, "additionalProperties": false,
		"properties": map[string]any{"id": map[string]any{"type": "string"}, "input": input}}
	return model.NewType(model.Type{Name: a.JobType(), Title: "Job of " + a.Type + ":" + a.Name, Schema: model.AppendCanonical(nil, schema), Job: &spec, Runs: &model.ActionRef{Type: a.Type, Name: a.Name}})
}

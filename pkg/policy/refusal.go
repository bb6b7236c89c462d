package policy

import (
	"context"
	"errors"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// Refusal is an action that a caller was not allowed to do.
type Refusal struct {
	Actor            Actor
	Action, Type, ID string
	Decision         Decision
}

// Error implements error: it is why the actor was not allowed to.
func (r *Refusal) Error() string { return r.Decision.Why }

// RefusalOf returns what an error refused, nil when it is about no right.
func RefusalOf(err error) *Refusal {
	var e *fault.Error
	if !errors.As(err, &e) {
		return nil
	}
	var r *Refusal
	errors.As(e.Refusal, &r)
	return r
}

// Denied is the error for an action that a decision does not allow.
func Denied(ctx context.Context, t *model.Type, id, action string, d Decision) error {
	name := ""
	if t != nil {
		name = t.Name
	}
	return &fault.Error{Code: fault.PermissionDenied, Detail: d.Why, Refusal: &Refusal{Actor: ActorOf(ctx), Action: action, Type: name, ID: id, Decision: d}}
}

// Unless is the decision when the write that it is about was refused for a right or
// a reference. What else would refuse it is not asked here.
func (d Decision) Unless(err error) (Decision, error) {
	var e *fault.Error
	if !errors.As(err, &e) {
		return d, err
	}
	switch e.Code {
	case fault.PermissionDenied:
		if r := RefusalOf(e); r != nil {
			return r.Decision, nil
		}
		return Decision{Why: e.Detail}, nil
	case fault.DanglingReference:
		why := e.Detail
		for _, f := range e.Fields {
			why += "; " + f.Pointer + ": " + f.Detail
		}
		return Decision{Why: why}, nil
	case fault.Referenced:
		return Decision{Why: e.Detail}, nil
	case fault.NotFound:
		return Decision{Why: "there is no such resource, or it may not be read"}, nil
	case fault.Unavailable, fault.IndexLag, fault.OutcomeUnknown:
		return Decision{}, err
	}
	return d, nil
}

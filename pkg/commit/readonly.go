package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// gateReadOnly refuses a client that sets what code of the application sets.
func (gt *Gate) gateReadOnly(ctx context.Context, t *model.Type, s states.State, next Step) error {
	if !t.HasReadOnly() || !next.put && next.from == 0 || !policy.ActorOf(ctx).Client {
		return nil
	}
	now, err := t.Current(next.Content, next.Event.Revision.SchemaVersion)
	if err != nil {
		return err
	}
	after, err := states.NewViewOf(t, next.Event, now, next.read()).Tree()
	if err != nil {
		return err
	}
	before := t.WithoutReadOnly(after)
	if s.Exists() {
		content, err := gt.States.Shown(ctx, t, s.Event)
		if err != nil {
			return err
		}
		if before, err = model.DecodeJSON(content); err != nil {
			return err
		}
	}
	at := t.ReadOnlyChanged(before, after)
	if at == "" || t.ReadOnlyChanged(t.Defaults(before), after) == "" {
		return nil
	}
	return &fault.Error{Code: fault.ValidationFailed, Detail: "the data does not fit type " + t.Name + ": " + at + " is readOnly",
		Fields: []fault.FieldError{{Pointer: at, Detail: "is readOnly: only code of the application sets it"}}}
}

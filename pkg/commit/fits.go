package commit

import (
	"context"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// fit checks a document against the model: its binaries, its schema, and what the
// index can hold, which it returns.
func (wr *Writer) fit(ctx context.Context, w *Mutation, t *model.Type, data any) (p model.Projection, err error) {
	if err := wr.settle(ctx, w, t, data); err != nil {
		return p, err
	}
	if err := model.CheckSize(data); err != nil {
		return p, err
	}
	if err := t.Validate(data); err != nil {
		return p, err
	}
	p.Values, p.Text, p.Unfit = t.Project(data)
	return p, p.Fits()
}

// fits refuses a step that leaves a resource with content that does not fit its model as
// it is now: a revision of an older model that becomes HEAD, that is published, or that
// comes back with its resource. A delete may leave it, and what the program does by
// itself.
func (gt *Gate) fits(t *model.Type, p Plan, next Step) error {
	e := next.Event
	if p.Action == "" || t.Builtin || e.Meta.Deleted || !choosesActs(e.Action) && e.Action != storage.Migrated || next.read().IsOf(t, e.Revision.SchemaVersion) {
		return nil
	}
	read, err := model.Read(t, next.Content, e.Revision.SchemaVersion)
	if err != nil {
		return err
	}
	fields := read.Misfits()
	if len(fields) == 0 {
		return nil
	}
	return &fault.Error{Code: fault.ValidationFailed, Fields: fields[:min(len(fields), model.MaxFieldErrors)],
		Detail: fmt.Sprintf("revision %s does not fit %s as its model is now; a PUT or a PATCH has to make it fit", e.Revision.ID, t.Name)}
}

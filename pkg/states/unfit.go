package states

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Shown is ContentNow for showing it: of a type that marks what does not fit it, content
// that no migration fits is shown as it was stored, without what is never shown.
func (st *States) Shown(ctx context.Context, t *model.Type, e *storage.Event) ([]byte, error) {
	b, err := st.Content(ctx, e)
	if err != nil {
		return nil, err
	}
	return ShownOf(t, e, b)
}

// ShownOf is Shown for content that was read already.
func ShownOf(t *model.Type, e *storage.Event, content []byte) ([]byte, error) {
	now, err := t.Current(content, e.Revision.SchemaVersion)
	if model.Marks(t) && fault.CodeOf(err) == fault.InvalidState {
		return model.Uncovered(content, e.Concealed), nil
	}
	return now, err
}

// unfit reports whether the state that an event left does not fit its type.
func (st *States) unfit(ctx context.Context, t *model.Type, e *storage.Event) bool {
	if !model.Marks(t) || e.Action == storage.Purged {
		return false
	}
	content, err := st.Content(ctx, e)
	return err == nil && model.Misfit(t, content, e.Revision.SchemaVersion)
}

// judgeRow marks an answer that is made from a row, whose data is still as it was
// stored.
func judgeRow(t *model.Type, r *Resource) error {
	if !model.Marks(t) || r.Data == nil {
		return nil
	}
	var meta storage.Meta
	if err := json.Unmarshal(r.Meta, &meta); err != nil {
		return err
	}
	if model.Misfit(t, r.Data, meta.SchemaVersion) {
		meta.Unfit = true
		r.Meta = meta.AppendJSON(nil)
	}
	return nil
}

// unfit reports whether the state does not fit its type.
func (s *View) unfit() bool {
	if s.Event.Meta.Unfit || s.told || !model.Marks(s.Type) || s.doc != nil || s.Event.Action == storage.Purged {
		return s.Event.Meta.Unfit
	}
	s.judged.Do(func() {
		switch {
		case s.Raw != nil:
			s.misfit = model.Misfit(s.Type, s.Raw, s.Event.Revision.SchemaVersion)
		case len(bytes.TrimSpace(s.Content)) > 0:
			s.misfit = model.Misfit(s.Type, s.Content, s.Type.Version)
		}
	})
	return s.misfit
}

// Told is the event of the state as it is told: with the mark of what does not fit.
func (s *View) Told() *storage.Event {
	if !s.unfit() {
		return s.Event
	}
	e := *s.Event
	e.Meta.Unfit = true
	return &e
}

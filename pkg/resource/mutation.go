package resource

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// mutation is what one write knows beside the document that it makes, while its
// plan is carried out on one state. It is made anew for every state that is tried.
type mutation struct {
	limits *limits        // nil: no policy limits the actor
	before *storage.Event // of a patch: what of its content did not fit the model before may stay
	patch  bool           // the document is what a patch made: what it lacks was removed
	asks   request

	sealed   []model.Box // the secrets of the state
	property any         // the program's own property of the state, where kept is true
	kept     bool
	document any // of the state, where some of its fields are marked

	secret string // the text of the API key that the write made
}

// request is what the caller of a write asks for beside a document.
type request struct {
	replay bool           // the program's own property changes
	rotate *time.Duration // a new secret; the one before stays good for so long
}

// mutate begins a write on a state.
func (wr *Writer) mutate(ctx context.Context, t *model.Type, p plan, s state) (*mutation, error) {
	w := &mutation{asks: p.asks}
	if !s.exists() {
		return w, nil
	}
	if t.WritesOnly() || t.HasReadOnly() {
		content, err := wr.States.contentNow(ctx, t, s.event)
		if err != nil {
			return nil, err
		}
		if w.document, err = model.DecodeJSON(content); err != nil {
			return nil, err
		}
	}
	if t.Secret == "" {
		return w, nil
	}
	content, err := wr.States.content(ctx, s.event)
	if err != nil {
		return nil, err
	}
	if t.State != "" {
		w.property, w.kept = stateIn(t, content), true
	}
	w.sealed = t.Sealed(content)
	return w, nil
}

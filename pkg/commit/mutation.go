package commit

import (
	"context"
	"maps"
	"reflect"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// Mutation is what one write knows beside the document that it makes, while its
// plan is carried out on one state. It is made anew for every state that is tried.
type Mutation struct {
	limits *limits // nil: no policy limits the actor
	patch  bool    // the document is what a patch made: what it lacks was removed
	asks   Request

	sealed   []model.Box // the secrets of the state
	property any         // the program's own property of the state, where kept is true
	kept     bool
	document any // of the state, where some of its fields are marked

	secret string // the text of the API key that the write made
}

// Request is what the caller of a write asks for beside a document.
type Request struct {
	Replay bool           // the program's own property changes
	Rotate *time.Duration // a new secret; the one before stays good for so long
}

// mutate begins a write on a state.
func (wr *Writer) mutate(ctx context.Context, t *model.Type, p Plan, s states.State) (*Mutation, error) {
	w := &Mutation{asks: p.Asks}
	if !s.Exists() {
		return w, nil
	}
	if t.WritesOnly() || t.HasReadOnly() {
		content, err := wr.States.Shown(ctx, t, s.Event)
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
	content, err := wr.States.Content(ctx, s.Event)
	if err != nil {
		return nil, err
	}
	if t.State != "" {
		w.property, w.kept = stateIn(t, content), true
	}
	w.sealed = t.Sealed(content)
	return w, nil
}

// keepState puts the program's own property of the state that a write found into a
// document that leaves it out, and refuses one that changes it.
func (w *Mutation) keepState(t *model.Type, data any) (any, error) {
	doc, ok := data.(map[string]any)
	switch {
	case !w.kept || !ok || w.asks.Replay:
	case doc[t.State] == nil && w.property != nil:
		doc = maps.Clone(doc)
		doc[t.State] = w.property
		return doc, nil
	case !reflect.DeepEqual(doc[t.State], w.property):
		return nil, &fault.Error{Code: fault.ValidationFailed, Detail: "the " + t.State + " is not changed by writes", Fields: []fault.FieldError{{Pointer: "/" + t.State,
			Detail: "is not the current value; leave it out, and use :replay to begin again"}}}
	}
	return data, nil
}

// stateIn is what content has of the program's own property.
func stateIn(t *model.Type, content []byte) any {
	tree, _ := model.DecodeJSON(content)
	doc, _ := tree.(map[string]any)
	return doc[t.State]
}

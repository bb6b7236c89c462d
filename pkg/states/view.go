package states

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// RawContent is the content of an event as it was written; nil when it is gone
// or damaged.
func (st *States) RawContent(ctx context.Context, e *storage.Event) ([]byte, error) {
	if e.Content != nil {
		return e.Content, nil
	}
	b, err := st.blobs.Get(ctx, e.Ref)
	switch {
	case err == nil && model.CheckHash(b, e.Revision.Hash) == nil:
		return b, nil
	case err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrCorrupt):
		return nil, StoreError(err)
	}
	entry, err := st.log.At(ctx, e.Seq)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, StoreError(err)
	}
	whole, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		return nil, nil //nolint:nilerr // damaged as well
	}
	return whole.Content, nil
}

// EventBefore is the event of a resource before one of it; nil when the index does not
// have it.
func (st *States) EventBefore(ctx context.Context, e *storage.Event) (*storage.Event, error) {
	if err := st.WaitIndexed(ctx, e.Seq); err != nil {
		return nil, err
	}
	events, err := st.index.Events(ctx, storage.EventQuery{Type: e.Meta.Type, ID: e.Meta.ID, After: e.Seq, Descending: true, Limit: 1})
	if err != nil {
		return nil, StoreError(err)
	}
	if len(events) == 0 {
		return nil, nil
	}
	return events[0].Event, nil
}

// View is a state of a resource as it is shown.
type View struct {
	Type    *model.Type
	Event   *storage.Event
	Raw     []byte          // as it was written
	Content json.RawMessage // migrated, without what is never shown; nil when it is gone
	Full    json.RawMessage // with that, for hooks
	Pruned  bool            // which is why it is gone

	doc    *model.Document // of the content, when it was read for a write
	once   sync.Once
	values map[string]query.Value
	err    error

	told   bool      // the event has the mark when it does not fit
	judged sync.Once // misfit is found out
	misfit bool      // it does not fit

	written sync.Once
	whole   []byte // the envelope with all of the content
}

// Set gives it its content as it was written.
func (s *View) Set(raw []byte) {
	s.Raw = raw
	if raw != nil {
		if now, err := ShownOf(s.Type, s.Event, raw); err == nil {
			s.Content, s.Full = s.Type.Conceal(now), now
		}
	}
}

// Read makes the values that filters are asked about.
func (s *View) Read() error {
	s.once.Do(func() {
		if s.doc != nil {
			s.values = s.doc.Values()
			return
		}
		s.values, s.err = s.Type.ValuesOf(s.Content)
	})
	return s.err
}

// Tree is the content as a tree that belongs to the caller.
func (s *View) Tree() (any, error) {
	if s.doc == nil {
		return model.DecodeJSON(s.Content)
	}
	tree, err := s.doc.Tree()
	return model.CloneTree(tree), err
}

// Value implements query.Row.
func (s *View) Value(name string) query.Value {
	if name == storage.UnfitField {
		return s.unfit()
	}
	if strings.HasPrefix(name, "meta.") {
		meta := s.Event.Meta
		meta.Seq = s.Event.Seq
		return storage.MetaValue(&meta, name)
	}
	return s.values[name]
}

// Envelope shows the state with the given content, which may be a part of it.
// The envelope without hidden fields is made once. Hash and size are those of the
// shown content: with the hash of hidden values they could be guessed.
func (s *View) Envelope(content json.RawMessage) []byte {
	if len(content) != len(s.Content) || len(content) > 0 && &content[0] != &s.Content[0] {
		e := *s.Told()
		if content != nil {
			e.Revision.Hash, e.Revision.Size = model.HashOf(content), len(content)
			s.Type.CoverJob(&e.Meta, content)
		}
		return model.AppendEnvelope(nil, &e, content)
	}
	s.written.Do(func() {
		e := *s.Told()
		e.Revision = s.Type.Rehashed(e.Revision, s.Content)
		s.whole = model.AppendEnvelope(nil, &e, s.Content)
	})
	return s.whole
}

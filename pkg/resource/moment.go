package resource

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

// moment is one event of the log with what watches need to know of it, computed
// once for all of them and only when one needs it.
type moment struct {
	entry  storage.Entry
	topics [3]string
	erased uint64  // sequence of the tombstone that came since; guarded by the hub
	prior  *moment // of a tombstone: the last one before it, if the hub has it

	once  sync.Once
	event *storage.Event
	err   error

	mu    sync.Mutex
	now   *sight // the state after it
	past  *sight // the state before it
	known bool   // past is, or there was none
	asked bool   // for past
}

func (m *moment) decoded() (*storage.Event, error) {
	m.once.Do(func() { m.event, m.err = storage.DecodeEvent(m.entry.Data, m.entry.Seq) })
	return m.event, m.err
}

// after is the state that the event left. Its content is nil when it is gone.
func (m *moment) after(ctx context.Context, mgr *States, t *model.Type) (*sight, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now != nil {
		return m.now, nil
	}
	s := &sight{typ: t, event: m.event}
	if m.event.Action != storage.Purged {
		raw, err := mgr.rawContent(ctx, m.event)
		if err != nil {
			return nil, err
		}
		s.set(raw)
	}
	m.now = s
	return s, nil
}

// before is the state that the event found: nil when there was none; not known
// when it was erased since.
func (m *moment) before(ctx context.Context, mgr *States, t *model.Type) (s *sight, known bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked {
		return m.past, m.known, nil
	}
	e := m.event
	if m.prior != nil { // the index does not have it any more
		if _, err := m.prior.decoded(); err != nil {
			m.asked = true
			return nil, false, nil //nolint:nilerr // it cannot be read, so it is not known
		}
		old, err := m.prior.after(ctx, mgr, t)
		if err != nil {
			return nil, false, err
		}
		m.asked, m.past, m.known = true, old, old.content != nil
		return m.past, m.known, nil
	}
	if e.Previous == "" && e.Action == storage.Created {
		m.asked, m.known = true, true
		return nil, true, nil
	}
	if err := mgr.waitIndexed(ctx, e.Seq); err != nil {
		return nil, false, err
	}
	events, err := mgr.index.Events(ctx, storage.EventQuery{Type: e.Meta.Type, ID: e.Meta.ID, After: e.Seq, Descending: true, Limit: 1})
	if err != nil {
		return nil, false, stored(err)
	}
	m.asked = true
	if len(events) == 0 {
		return nil, false, nil
	}
	old := events[0].Event
	if old.Action == storage.Purged {
		m.known = true
		return nil, true, nil
	}
	var raw []byte
	if m.now != nil && old.Revision.Hash == e.Revision.Hash && m.now.raw != nil {
		raw = m.now.raw
	} else if raw, err = mgr.rawContent(ctx, old); err != nil {
		m.asked = false
		return nil, false, err
	}
	m.past, m.known = &sight{typ: t, event: old}, raw != nil
	m.past.set(raw)
	return m.past, m.known, nil
}

// rawContent is the content of an event as it was written; nil when it is gone
// or damaged.
func (st *States) rawContent(ctx context.Context, e *storage.Event) ([]byte, error) {
	if e.Content != nil {
		return e.Content, nil
	}
	b, err := st.blobs.Get(ctx, e.Ref)
	switch {
	case err == nil && model.CheckHash(b, e.Revision.Hash) == nil:
		return b, nil
	case err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrCorrupt):
		return nil, stored(err)
	}
	entry, err := st.log.At(ctx, e.Seq)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, stored(err)
	}
	whole, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		return nil, nil //nolint:nilerr // damaged as well
	}
	return whole.Content, nil
}

// sight is a state of a resource as it is shown.
type sight struct {
	typ     *model.Type
	event   *storage.Event
	raw     []byte          // as it was written
	content json.RawMessage // migrated, without what is never shown; nil when it is gone
	full    json.RawMessage // with that, for hooks

	once   sync.Once
	values map[string]query.Value
	err    error

	written sync.Once
	whole   []byte // the envelope with all of the content
}

func (s *sight) set(raw []byte) {
	s.raw = raw
	if raw != nil {
		if now, err := s.typ.Current(raw, s.event.Revision.SchemaVersion); err == nil {
			s.content, s.full = s.typ.Conceal(now), now
		}
	}
}

// read makes the values that filters are asked about.
func (s *sight) read() error {
	s.once.Do(func() { s.values, s.err = s.typ.ValuesOf(s.content) })
	return s.err
}

// Value implements query.Row.
func (s *sight) Value(name string) query.Value {
	if strings.HasPrefix(name, "meta.") {
		meta := s.event.Meta
		meta.Seq = s.event.Seq
		return storage.MetaValue(&meta, name)
	}
	return s.values[name]
}

// envelope shows the state with the given content, which may be a part of it.
// The envelope without hidden fields is made once. Hash and size are those of the
// shown content: with the hash of hidden values they could be guessed.
func (s *sight) envelope(content json.RawMessage) []byte {
	if len(content) != len(s.content) || len(content) > 0 && &content[0] != &s.content[0] {
		e := *s.event
		if content != nil {
			e.Revision.Hash, e.Revision.Size = model.HashOf(content), len(content)
			s.typ.CoverJob(&e.Meta, content)
		}
		return model.AppendEnvelope(nil, &e, content)
	}
	s.written.Do(func() {
		e := *s.event
		e.Revision = s.typ.Rehashed(e.Revision, s.content)
		s.whole = model.AppendEnvelope(nil, &e, s.content)
	})
	return s.whole
}

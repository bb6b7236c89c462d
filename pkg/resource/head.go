package resource

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Resource is one resource as it is answered: the parts of the envelope, each
// ready to be sent.
type Resource struct {
	Meta     json.RawMessage
	Revision json.RawMessage
	Data     json.RawMessage // nil when it was not asked for
	Problem  *fault.Error    // of a page: why there is no data
	ID       string
	EventID  string // of its last event; what an ETag is made from
	Seq      uint64 // of its last event
	Deleted  bool
	Secret   string     // that was made for it, in the answer to its create only
	LastUsed *time.Time // of an API key that is read, when it is known
}

// state is a resource at the moment a write looks at it; event is nil when
// there is none.
type state struct {
	event *storage.Event
	last  *storage.Event // of the subject: event, or the tombstone of an earlier life
	fresh bool           // read from the log, not from what this process knew
	asOf  uint64         // up to where nothing came after last; 0 tells nothing
}

func (s state) exists() bool { return s.event != nil }

// seq is what a commit expects to be the last of the subject.
func (s state) seq() uint64 {
	if s.last == nil {
		return 0
	}
	return s.last.Seq
}

// stateOf is the state that a subject's last event left; nil for none.
func stateOf(last *storage.Event, fresh bool) state {
	s := state{last: last, fresh: fresh}
	if last != nil && last.Action != storage.Purged {
		s.event = last
	}
	return s
}

// indexPatience is how long the index may take to tell one resource. An index
// that is away or frozen is not waited for: the log knows.
const indexPatience = 2 * time.Second

// head finds the newest event of a resource: what this process committed, else
// the index, else the log, which alone is never behind.
func (m *Manager) head(ctx context.Context, k key, fresh bool) (state, error) {
	if fresh {
		return m.logged(ctx, k)
	}
	if e := m.newest(k); e != nil {
		return stateOf(e, false), nil
	}
	applied := m.progress.Applied()
	if !m.recent.covered(applied) {
		return m.logged(ctx, k)
	}
	soon, cancel := context.WithTimeout(ctx, indexPatience)
	row, err := m.index.Head(soon, k.typ, k.id)
	cancel()
	switch {
	case err == nil && row.Event != nil && key{row.Event.Meta.Type, row.Event.Meta.ID} == k:
		row.Event.Content = row.Content
		s := stateOf(row.Event, false)
		s.asOf = row.AsOf
		return s, nil
	case errors.Is(err, storage.ErrNotFound) && m.complete(applied):
		return state{fresh: true}, nil
	case ctx.Err() != nil:
		return state{}, stored(ctx.Err())
	}
	// The index does not know it, or cannot say.
	return m.logged(ctx, k)
}

// logged is the state of a resource by the log.
func (m *Manager) logged(ctx context.Context, k key) (state, error) {
	asOf := m.recent.last()
	e, err := m.lastEvent(ctx, k)
	s := stateOf(e, true)
	s.asOf = asOf
	return s, err
}

// complete reports whether an index at applied knows every resource there is:
// when this process is the only writer and the index has all it wrote.
func (m *Manager) complete(applied uint64) bool {
	return m.o.Sole && applied >= m.recent.last()
}

// lastEvent reads the newest event from the log, a tombstone too; nil when
// there is none.
func (m *Manager) lastEvent(ctx context.Context, k key) (*storage.Event, error) {
	entry, err := m.log.Last(ctx, storage.RevisionSubject(k.typ, k.id))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, stored(err)
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		return nil, stored(err)
	}
	return e, nil
}

// content returns the canonical content of the revision that an event's HEAD
// points to: from the event, else from its object, else, when the object is
// lost or damaged, from the event that wrote it.
func (m *Manager) content(ctx context.Context, e *storage.Event) ([]byte, error) {
	if e.Content != nil {
		return e.Content, nil
	}
	b, err := m.blobs.Get(ctx, e.Ref)
	if err == nil {
		if err = model.CheckHash(b, e.Revision.Hash); err == nil {
			return b, nil
		}
	}
	if !errors.Is(err, storage.ErrCorrupt) && !errors.Is(err, storage.ErrNotFound) {
		return nil, stored(err)
	}
	if entry, lerr := m.log.At(ctx, e.Seq); lerr == nil {
		if whole, derr := storage.DecodeEvent(entry.Data, entry.Seq); derr == nil && whole.Content != nil &&
			model.CheckHash(whole.Content, e.Revision.Hash) == nil {
			m.o.Logger.WarnContext(ctx, "a revision object is damaged; its content was read from the log",
				"object", e.Ref, "type", e.Meta.Type, "id", e.Meta.ID, "error", err)
			return whole.Content, nil
		}
	}
	m.o.Logger.ErrorContext(ctx, "a revision object is lost or damaged", "object", e.Ref,
		"type", e.Meta.Type, "id", e.Meta.ID, "revision", e.Revision.Number, "error", err)
	return nil, &fault.Error{Code: fault.Unavailable, Cause: err,
		Detail: "the stored content of this revision is damaged; other revisions can still be read"}
}

// answer makes the Resource of an event, without what is never read.
func (m *Manager) answer(ctx context.Context, e *storage.Event, content []byte) (*Resource, error) {
	t := m.types[e.Meta.Type]
	if t == nil {
		return answer(e, content)
	}
	shown := t.Conceal(content)
	if t.WritesOnly() {
		own := *e
		own.Revision = t.Rehashed(e.Revision, shown)
		e = &own
	}
	r, err := answer(e, shown)
	if err != nil {
		return nil, err
	}
	return m.redacted(ctx, t, "read", r)
}

func answer(e *storage.Event, content []byte) (*Resource, error) {
	meta := e.Meta
	meta.Seq = e.Seq
	return &Resource{Meta: meta.AppendJSON(make([]byte, 0, 700)), Revision: e.Revision.AppendJSON(make([]byte, 0, 500)), Data: content, ID: meta.ID, EventID: e.ID, Seq: e.Seq, Deleted: meta.Deleted}, nil
}

// resource answers with the state an event left, migrated.
func (m *Manager) resource(ctx context.Context, e *storage.Event) (*Resource, error) {
	t, err := m.Type(e.Meta.Type)
	if err != nil {
		return nil, err
	}
	content, err := m.contentNow(ctx, t, e)
	if err != nil {
		return nil, err
	}
	return m.answer(ctx, e, content)
}

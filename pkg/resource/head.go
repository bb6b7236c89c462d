package resource

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// States finds the newest state of a resource and its content: by what this process
// committed, else by the index, else by the log, which alone is never behind.
type States struct {
	blobs    storage.Blobs
	index    Index
	log      storage.Log
	names    []string // of the types, sorted
	o        *Options
	progress *Progress
	recent   *recent
	types    map[string]*model.Type
}

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
func (st *States) head(ctx context.Context, k key, fresh bool) (state, error) {
	if fresh {
		return st.logged(ctx, k)
	}
	if e := st.newest(k); e != nil {
		return stateOf(e, false), nil
	}
	applied := st.progress.Applied()
	if !st.recent.covered(applied) {
		return st.logged(ctx, k)
	}
	soon, cancel := context.WithTimeout(ctx, indexPatience)
	row, err := st.index.Head(soon, k.typ, k.id)
	cancel()
	switch {
	case err == nil && row.Event != nil && key{row.Event.Meta.Type, row.Event.Meta.ID} == k:
		row.Event.Content = row.Content
		s := stateOf(row.Event, false)
		s.asOf = row.AsOf
		return s, nil
	case errors.Is(err, storage.ErrNotFound) && st.complete(applied):
		return state{fresh: true}, nil
	case ctx.Err() != nil:
		return state{}, stored(ctx.Err())
	}
	// The index does not know it, or cannot say.
	return st.logged(ctx, k)
}

// logged is the state of a resource by the log.
func (st *States) logged(ctx context.Context, k key) (state, error) {
	asOf := st.recent.last()
	e, err := st.lastEvent(ctx, k)
	s := stateOf(e, true)
	s.asOf = asOf
	return s, err
}

// complete reports whether an index at applied knows every resource there is:
// when this process is the only writer and the index has all it wrote.
func (st *States) complete(applied uint64) bool {
	return st.o.Sole && applied >= st.recent.last()
}

// lastEvent reads the newest event from the log, a tombstone too; nil when
// there is none.
func (st *States) lastEvent(ctx context.Context, k key) (*storage.Event, error) {
	entry, err := st.log.Last(ctx, storage.RevisionSubject(k.typ, k.id))
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
func (st *States) content(ctx context.Context, e *storage.Event) ([]byte, error) {
	if e.Content != nil {
		return e.Content, nil
	}
	b, err := st.blobs.Get(ctx, e.Ref)
	if err == nil {
		if err = model.CheckHash(b, e.Revision.Hash); err == nil {
			return b, nil
		}
	}
	if !errors.Is(err, storage.ErrCorrupt) && !errors.Is(err, storage.ErrNotFound) {
		return nil, stored(err)
	}
	if entry, lerr := st.log.At(ctx, e.Seq); lerr == nil {
		if whole, derr := storage.DecodeEvent(entry.Data, entry.Seq); derr == nil && whole.Content != nil &&
			model.CheckHash(whole.Content, e.Revision.Hash) == nil {
			st.o.Logger.WarnContext(ctx, "a revision object is damaged; its content was read from the log",
				"object", e.Ref, "type", e.Meta.Type, "id", e.Meta.ID, "error", err)
			return whole.Content, nil
		}
	}
	st.o.Logger.ErrorContext(ctx, "a revision object is lost or damaged", "object", e.Ref,
		"type", e.Meta.Type, "id", e.Meta.ID, "revision", e.Revision.Number, "error", err)
	return nil, &fault.Error{Code: fault.Unavailable, Cause: err,
		Detail: "the stored content of this revision is damaged; other revisions can still be read"}
}

// answer makes the Resource of an event, without what is never read.
func (gd *Guard) answer(ctx context.Context, e *storage.Event, content []byte) (*Resource, error) {
	t := gd.types[e.Meta.Type]
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
	return gd.redacted(ctx, t, "read", r)
}

func answer(e *storage.Event, content []byte) (*Resource, error) {
	meta := e.Meta
	meta.Seq = e.Seq
	return &Resource{Meta: meta.AppendJSON(make([]byte, 0, 700)), Revision: e.Revision.AppendJSON(make([]byte, 0, 500)), Data: content, ID: meta.ID, EventID: e.ID, Seq: e.Seq, Deleted: meta.Deleted}, nil
}

// resource answers with the state an event left, migrated.
func (gd *Guard) resource(ctx context.Context, e *storage.Event) (*Resource, error) {
	t, err := gd.States.Type(e.Meta.Type)
	if err != nil {
		return nil, err
	}
	content, err := gd.States.contentNow(ctx, t, e)
	if err != nil {
		return nil, err
	}
	return gd.answer(ctx, e, content)
}

// contentNow is content as the type's version has it.
func (st *States) contentNow(ctx context.Context, t *model.Type, e *storage.Event) ([]byte, error) {
	b, err := st.content(ctx, e)
	if err != nil {
		return nil, err
	}
	return t.Current(b, e.Revision.SchemaVersion)
}

// indexed is the state of a resource in the index, which the caller has waited
// for.
func (st *States) indexed(ctx context.Context, k key) (state, error) {
	row, err := st.index.Head(ctx, k.typ, k.id)
	if errors.Is(err, storage.ErrNotFound) {
		return state{}, nil
	}
	return stateOf(row.Event, false), err
}

// stillGone reports whether a target is deleted or purged now: it may have been
// restored since. The log is asked: an event is followed as soon as it is
// durable, which can be before this process remembers that it committed it.
func (st *States) stillGone(ctx context.Context, target key) (bool, error) {
	s, err := st.head(ctx, target, true)
	return err == nil && (!s.exists() || s.event.Meta.Deleted), err
}

// valuesNow are the indexed values of a state, as the index has them: when no
// migration fits, those of the content as it was stored.
func (st *States) valuesNow(ctx context.Context, t *model.Type, e *storage.Event) (map[string]query.Value, error) {
	raw, err := st.content(ctx, e)
	if err != nil {
		return nil, err
	}
	return t.ValuesAt(raw, e.Revision.SchemaVersion)
}

// waitIndexed waits as long as it takes: upkeep has time.
func (st *States) waitIndexed(ctx context.Context, seq uint64) error {
	for {
		err := st.progress.Wait(ctx, seq)
		if fault.CodeOf(err) != fault.IndexLag || ctx.Err() != nil {
			return err
		}
	}
}

func (st *States) kept(ctx context.Context, name string) (uint64, constraints, error) {
	c := constraints{Unique: [][]string{}, Refs: map[string]string{}}
	entry, err := st.log.Last(ctx, storage.SystemSubject("constraints."+name))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return 0, c, nil
	case err != nil:
		return 0, c, err
	}
	return entry.Seq, c, json.Unmarshal(entry.Data, &c)
}

func (st *States) now() time.Time { return st.o.Now().UTC().Truncate(time.Microsecond) }

package states

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// States finds the newest state of a resource and its content: by what this process
// committed, else by the index, else by the log, which alone is never behind.
type States struct {
	blobs    storage.Blobs
	index    Index
	log      storage.Log
	o        *Options
	progress *Progress
	recent   *Recent
	heads    *Heads
	types    *registry.Types
}

// NewStates knows how the resources of the stores stand.
func NewStates(c Core) *States {
	return &States{blobs: c.Blobs, index: c.Index, log: c.Log, o: c.Options, progress: c.Progress, recent: c.Recent, heads: c.Heads, types: c.Types}
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

// State is a resource at the moment a write looks at it; event is nil when
// there is none.
type State struct {
	Event *storage.Event
	Last  *storage.Event // of the subject: event, or the tombstone of an earlier life
	Fresh bool           // read from the log, not from what this process knew
	AsOf  uint64         // up to where nothing came after last; 0 tells nothing
}

// Exists reports whether there is a resource, which may be deleted.
func (s State) Exists() bool { return s.Event != nil }

// Seq is what a commit expects to be the last of the subject.
func (s State) Seq() uint64 {
	if s.Last == nil {
		return 0
	}
	return s.Last.Seq
}

// StateOf is the state that a subject's last event left; nil for none.
func StateOf(last *storage.Event, fresh bool) State {
	s := State{Last: last, Fresh: fresh}
	if last != nil && last.Action != storage.Purged {
		s.Event = last
	}
	return s
}

// indexPatience is how long the index may take to tell one resource. An index
// that is away or frozen is not waited for: the log knows.
const indexPatience = 2 * time.Second

// Head finds the newest event of a resource: what this process committed, else
// the index, else the log, which alone is never behind.
func (st *States) Head(ctx context.Context, k Key, fresh bool) (State, error) {
	if fresh {
		return st.logged(ctx, k)
	}
	if e := st.newest(k); e != nil {
		return StateOf(e, false), nil
	}
	if e, asOf := st.heads.event(k); e != nil {
		s := StateOf(e, false)
		s.AsOf = asOf
		return s, nil
	}
	applied := st.progress.Applied()
	if !st.recent.covered(applied) {
		return st.logged(ctx, k)
	}
	soon, cancel := context.WithTimeout(ctx, indexPatience)
	row, err := st.index.Head(soon, k.Type, k.ID)
	cancel()
	switch {
	case err == nil && row.Event != nil && Key{row.Event.Meta.Type, row.Event.Meta.ID} == k:
		row.Event.Content = row.Content
		s := StateOf(row.Event, false)
		s.AsOf = row.AsOf
		st.heads.keepEvent(k, row.Event, row.AsOf)
		return s, nil
	case errors.Is(err, storage.ErrNotFound) && st.complete(applied):
		return State{Fresh: true}, nil
	case ctx.Err() != nil:
		return State{}, StoreError(ctx.Err())
	}
	// The index does not know it, or cannot say.
	return st.logged(ctx, k)
}

// logged is the state of a resource by the log.
func (st *States) logged(ctx context.Context, k Key) (State, error) {
	asOf := st.recent.Last()
	e, err := st.LastEvent(ctx, k)
	s := StateOf(e, true)
	s.AsOf = asOf
	return s, err
}

// complete reports whether an index at applied knows every resource there is:
// when this process is the only writer and the index has all it wrote.
func (st *States) complete(applied uint64) bool {
	return st.o.Sole && applied >= st.recent.Last()
}

// LastEvent reads the newest event from the log, a tombstone too; nil when
// there is none.
func (st *States) LastEvent(ctx context.Context, k Key) (*storage.Event, error) {
	entry, err := st.log.Last(ctx, storage.RevisionSubject(k.Type, k.ID))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, StoreError(err)
	}
	e, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil {
		return nil, StoreError(err)
	}
	return e, nil
}

// Content returns the canonical content of the revision that an event's HEAD
// points to: from the event, else from its object, else, when the object is
// lost or damaged, from the event that wrote it.
func (st *States) Content(ctx context.Context, e *storage.Event) ([]byte, error) {
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
		return nil, StoreError(err)
	}
	if entry, lerr := st.log.At(ctx, e.Seq); lerr == nil {
		if whole, derr := storage.DecodeEvent(entry.Data, entry.Seq); derr == nil && whole.Content != nil &&
			model.CheckHash(whole.Content, e.Revision.Hash) == nil {
			st.o.Logger.WarnContext(ctx, "a revision object is damaged; its content was read from the log",
				"object", e.Ref, "type", e.Meta.Type, "id", e.Meta.ID, "error", err)
			return whole.Content, nil
		}
	}
	if err := st.Unpruned(ctx, e); err != nil {
		return nil, err
	}
	st.o.Logger.ErrorContext(ctx, "a revision object is lost or damaged", "object", e.Ref,
		"type", e.Meta.Type, "id", e.Meta.ID, "revision", e.Revision.Number, "error", err)
	return nil, &fault.Error{Code: fault.Unavailable, Cause: err,
		Detail: "the stored content of this revision is damaged; other revisions can still be read"}
}

// Answer makes the Resource of an event, whose content is as it was stored, without what
// is never read.
func (gd *Guard) Answer(ctx context.Context, e *storage.Event, content []byte) (*Resource, error) {
	t := gd.types.Named(e.Meta.Type)
	if t == nil {
		return Answer(e, content)
	}
	unfit := model.Marks(t) && e.Action != storage.Purged && model.Misfit(t, content, e.Revision.SchemaVersion)
	return gd.answer(ctx, t, e, content, unfit)
}

// answer shows an event with the given content.
func (gd *Guard) answer(ctx context.Context, t *model.Type, e *storage.Event, content []byte, unfit bool) (*Resource, error) {
	return gd.answerIn(ctx, t, storage.HeadView, e, content, unfit)
}

// answerIn is answer of a state that a view shows.
func (gd *Guard) answerIn(ctx context.Context, t *model.Type, view storage.View, e *storage.Event, content []byte, unfit bool) (*Resource, error) {
	e, err := gd.States.settled(ctx, e)
	if err != nil {
		return nil, err
	}
	shown := t.Conceal(content)
	if t.WritesOnly() {
		own := *e
		own.Revision = t.Rehashed(e.Revision, shown)
		e = &own
	}
	if unfit {
		own := *e
		own.Meta.Unfit = true
		e = &own
	}
	r, err := Answer(e, shown)
	if err != nil {
		return nil, err
	}
	return gd.redactedIn(ctx, t, view, "read", r)
}

// Answer makes the envelope of a state.
func Answer(e *storage.Event, content []byte) (*Resource, error) {
	meta := e.PublishedMeta()
	return &Resource{Meta: meta.AppendJSON(make([]byte, 0, 700)), Revision: e.Revision.AppendJSON(make([]byte, 0, 500)), Data: content, ID: meta.ID, EventID: e.ID, Seq: e.Seq, Deleted: meta.Deleted}, nil
}

// resource answers with the state an event left, migrated.
func (gd *Guard) resource(ctx context.Context, e *storage.Event) (*Resource, error) {
	return gd.resourceIn(ctx, storage.HeadView, e)
}

// resourceIn is resource of a state that a view shows.
func (gd *Guard) resourceIn(ctx context.Context, view storage.View, e *storage.Event) (*Resource, error) {
	t, err := gd.States.Type(e.Meta.Type)
	if err != nil {
		return nil, err
	}
	content, err := gd.States.Shown(ctx, t, e)
	if err != nil {
		return nil, err
	}
	return gd.answerIn(ctx, t, view, e, content, gd.States.unfit(ctx, t, e))
}

// ContentNow is content as the type's version has it.
func (st *States) ContentNow(ctx context.Context, t *model.Type, e *storage.Event) ([]byte, error) {
	b, err := st.Content(ctx, e)
	if err != nil {
		return nil, err
	}
	return t.Current(b, e.Revision.SchemaVersion)
}

// Indexed is the state of a resource in the index, which the caller has waited
// for.
func (st *States) Indexed(ctx context.Context, k Key) (State, error) {
	row, err := st.index.Head(ctx, k.Type, k.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return State{}, nil
	}
	return StateOf(row.Event, false), err
}

// StillGone reports whether a target is deleted or purged now: it may have been
// restored since. The log is asked: an event is followed as soon as it is
// durable, which can be before this process remembers that it committed it.
func (st *States) StillGone(ctx context.Context, target Key) (bool, error) {
	s, err := st.Head(ctx, target, true)
	return err == nil && (!s.Exists() || s.Event.Meta.Deleted), err
}

// ValuesNow are the indexed values of a state, as the index has them: when no
// migration fits, those of the content as it was stored.
func (st *States) ValuesNow(ctx context.Context, t *model.Type, e *storage.Event) (map[string]query.Value, error) {
	raw, err := st.Content(ctx, e)
	if err != nil {
		return nil, err
	}
	return t.ValuesAt(raw, e.Revision.SchemaVersion)
}

// WaitIndexed waits as long as it takes: upkeep has time.
func (st *States) WaitIndexed(ctx context.Context, seq uint64) error {
	for {
		err := st.progress.Wait(ctx, seq)
		if fault.CodeOf(err) != fault.IndexLag || ctx.Err() != nil {
			return err
		}
	}
}

// Now is the time in UTC, in microseconds.
func (st *States) Now() time.Time { return st.o.Now().UTC().Truncate(time.Microsecond) }

// RequireLive refuses what does not exist or is deleted.
func RequireLive(t *model.Type, id string, s State) error {
	if !s.Exists() {
		return fault.Errorf(fault.NotFound, "there is no %s %q", t.Name, id)
	}
	if s.Event.Meta.Deleted {
		return fault.Errorf(fault.Deleted, "%s %q is deleted; :restore brings it back", t.Name, id)
	}
	return nil
}

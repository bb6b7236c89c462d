package states

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Reads answers what is read: one resource, lists, histories.
type Reads struct {
	Guard    *Guard
	States   *States
	blobs    storage.Blobs
	cursors  *query.Cursors
	index    Index
	o        *Options
	progress *Progress
	recent   *Recent
	heads    *Heads
	walks    *Walks
}

// NewReads reads what the guard lets through.
func NewReads(c Core, st *States, gd *Guard) *Reads {
	return &Reads{Guard: gd, States: st, blobs: c.Blobs, cursors: c.Cursors, index: c.Index, o: c.Options, progress: c.Progress, recent: c.Recent, heads: c.Heads, walks: c.Walks}
}

// Consistency says how new a read must be.
type Consistency uint8

// Default includes every write this process acknowledged. Strong includes every
// write acknowledged by anyone before the read began. Eventual waits for
// nothing.
const (
	Default Consistency = iota
	Strong
	Eventual
)

// GetOptions of Get. The zero value reads the current revision.
type GetOptions struct {
	Revision       int            // that revision; 0: HEAD
	AsOf           time.Time      // what Get gave then
	Status         storage.Status // Stable: the newest stable revision on the chain from HEAD
	IncludeDeleted bool
	Consistency    Consistency
	MinSeq         uint64
	View           storage.View // of the published one only AsOf, Consistency, MinSeq and Bare count
	Bare           bool         // leave out the data
	Raw            bool         // as stored, not migrated
}

// Get reads one resource.
func (rd *Reads) Get(ctx context.Context, typ, id string, o GetOptions) (*Resource, error) {
	t, err := rd.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	var r *Resource
	asked := o.View
	if o.View = rd.Guard.ViewOn(ctx, t, "read", asked); o.View != asked {
		if err := rd.Guard.pinned(ctx, t, "read", o.Revision != 0 || o.Status != "" || o.IncludeDeleted || o.Raw); err != nil {
			return nil, err
		}
	}
	if o.View == storage.PublishedView {
		r, err = rd.getPublished(ctx, t, id, o)
	} else if x := rd.Guard.AccessTo(ctx, t); x != nil {
		r, err = rd.getLimited(ctx, x, id, o)
	} else {
		r, err = rd.get(ctx, t, id, o)
	}
	if err == nil {
		err = rd.Guard.TellRead(ctx, t, "read", id)
	}
	if show := rd.Guard.strategies.Of(t).Show; err == nil && show != nil {
		err = show(ctx, r, Showing{Past: o.Revision != 0 || o.Status != "" || !o.AsOf.IsZero()})
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// getLimited reads what the actor may read: HEAD, and the state that is asked
// for, must both be readable.
func (rd *Reads) getLimited(ctx context.Context, x *policy.Permissions, id string, o GetOptions) (*Resource, error) {
	t := x.Type
	if d := x.May("read"); !d.Allowed {
		return nil, policy.Denied(ctx, t, id, "read", d)
	}
	program := policy.AsProgram(ctx)
	head, err := rd.get(program, t, id, GetOptions{IncludeDeleted: true, Consistency: o.Consistency, MinSeq: o.MinSeq})
	unfit := err
	if fault.CodeOf(err) == fault.InvalidState { // rules are asked about it as it was stored
		head, err = rd.asStored(program, t, id)
	} else {
		unfit = nil
	}
	if err == nil && head == nil {
		err = RequireLive(t, id, State{})
	}
	if err != nil {
		return nil, err
	}
	allowed := func(r *Resource) (bool, error) {
		v, err := viewOf(t, r)
		return err == nil && x.On("read", v).Allowed, err
	}
	ok, err := allowed(head)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, RequireLive(t, id, State{})
	}
	if head.Deleted && !o.IncludeDeleted && o.AsOf.IsZero() {
		return nil, RequireLive(t, id, State{Event: &storage.Event{Meta: storage.Meta{Deleted: true}}})
	}
	if unfit != nil && o.Revision == 0 && o.Status == "" && o.AsOf.IsZero() {
		return nil, unfit
	}
	r := head
	if o.Revision != 0 || o.Status != "" || !o.AsOf.IsZero() {
		of := o
		of.IncludeDeleted = o.IncludeDeleted || !o.AsOf.IsZero() // that it was deleted then is told after it was judged
		if r, err = rd.get(program, t, id, of); err != nil {
			return nil, err
		}
		if ok, err = allowed(r); err != nil {
			return nil, err
		}
	}
	switch {
	case ok && r.Deleted && !o.IncludeDeleted:
		return nil, RequireLive(t, id, State{Event: &storage.Event{Meta: storage.Meta{Deleted: true}}})
	case ok:
		return rd.Guard.Redacted(ctx, t, "read", r)
	case !o.AsOf.IsZero():
		return nil, fault.Errorf(fault.NotFound, "there was no %s %q at %s", t.Name, id, o.AsOf.Format(time.RFC3339Nano))
	case o.Status != "":
		return nil, fault.Errorf(fault.UnknownRevision, "%s %q has no stable revision yet", t.Name, id)
	}
	return nil, fault.Errorf(fault.UnknownRevision, "%s %q has no revision %d", t.Name, id, o.Revision)
}

// get is Get without asking the policy.
func (rd *Reads) get(ctx context.Context, t *model.Type, id string, o GetOptions) (*Resource, error) {
	typ := t.Name
	k := Key{typ, id}
	if !o.AsOf.IsZero() {
		return rd.getAsOf(ctx, t, k, o)
	}
	r, e, err := rd.current(ctx, k, o)
	if fault.CodeOf(err) == fault.InvalidState && (o.Revision != 0 || o.Status != "") { // another one is asked for
		r, err = rd.asStored(ctx, t, id)
	}
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, RequireLive(t, id, State{})
	}
	if r.Deleted && !o.IncludeDeleted {
		return nil, RequireLive(t, id, State{Event: &storage.Event{Meta: storage.Meta{Deleted: true}}})
	}
	if o.Revision == 0 && o.Status == "" {
		if t.Job != nil {
			rd.o.Live.onto(typ, r)
		}
		return r, nil
	}
	if e == nil {
		s, err := rd.States.Head(ctx, k, false)
		if err != nil {
			return nil, err
		}
		e = s.Event
	}
	old := e
	if o.Revision != 0 {
		old, err = rd.States.Wrote(ctx, k, o.Revision)
	} else if o.Status == storage.Stable {
		old, err = rd.States.newestStable(ctx, k, e)
	}
	if err != nil {
		return nil, err
	}
	return rd.past(ctx, t, e, old, o.Raw)
}

// asStored answers with HEAD as it was written, which no migration fits.
func (rd *Reads) asStored(ctx context.Context, t *model.Type, id string) (*Resource, error) {
	s, err := rd.States.Head(ctx, Key{t.Name, id}, false)
	if err != nil || !s.Exists() {
		return nil, err
	}
	content, err := rd.States.Content(ctx, s.Event)
	if err != nil {
		return nil, err
	}
	return Answer(s.Event, t.Conceal(content))
}

// current reads HEAD. The event comes with it only when it was read anyway.
func (rd *Reads) current(ctx context.Context, k Key, o GetOptions) (*Resource, *storage.Event, error) {
	if o.Consistency == Strong || o.MinSeq > 0 && o.MinSeq > max(rd.progress.Applied(), rd.recent.Last()) {
		e, err := rd.States.LastEvent(ctx, k)
		if err != nil || e == nil || e.Action == storage.Purged {
			return nil, nil, err
		}
		r, err := rd.Guard.resource(ctx, e)
		return r, e, err
	}
	if e := rd.States.newest(k); e != nil {
		if e.Action == storage.Purged {
			return nil, nil, nil
		}
		r, err := rd.Guard.resource(ctx, e)
		return r, e, err
	}
	e, row, age := rd.heads.read(k)
	if e != nil {
		r, err := rd.Guard.resource(ctx, e)
		return r, e, err
	}
	if row != nil {
		r, err := rd.rowResource(ctx, *row, k)
		return r, nil, err
	}
	if applied := rd.progress.Applied(); rd.recent.covered(applied) {
		soon, cancel := context.WithTimeout(ctx, indexPatience)
		row, err := rd.index.Read(soon, k.Type, k.ID)
		cancel()
		if err == nil {
			rd.heads.keepRow(k, &row, age, applied)
			r, err := rd.rowResource(ctx, row, k)
			return r, nil, err
		}
		if !errors.Is(err, storage.ErrNotFound) && ctx.Err() != nil {
			return nil, nil, StoreError(ctx.Err())
		}
	}
	s, err := rd.States.Head(ctx, k, false)
	if err != nil || !s.Exists() {
		return nil, nil, err
	}
	r, err := rd.Guard.resource(ctx, s.Event)
	return r, s.Event, err
}

// rowResource makes the answer from an index row, reading the content from its
// object when it is too large for the row.
func (rd *Reads) rowResource(ctx context.Context, row storage.Row, k Key) (*Resource, error) {
	r := &Resource{Meta: row.Meta, Revision: row.Revision, Data: row.Content, ID: row.ID,
		EventID: row.EventID, Seq: row.Seq, Deleted: row.Deleted}
	if r.Data != nil {
		t, err := rd.States.Type(k.Type)
		if err != nil {
			return nil, err
		}
		if err := migrateRow(t, r); !model.Marks(t) || fault.CodeOf(err) != fault.InvalidState {
			return r, err
		}
	}
	s, err := rd.States.Head(ctx, k, false)
	if err != nil {
		return nil, err
	}
	if !s.Exists() {
		return nil, fault.Errorf(fault.NotFound, "there is no %s %q", k.Type, k.ID)
	}
	return rd.Guard.resource(ctx, s.Event)
}

// past answers with an old revision of a resource whose last event is head.
func (rd *Reads) past(ctx context.Context, t *model.Type, head, old *storage.Event, raw bool) (*Resource, error) {
	content, err := rd.States.Content(ctx, old)
	if err == nil && !raw {
		content, err = ShownOf(t, old, content)
	} else if err == nil {
		content = model.Uncovered(content, old.Concealed)
	}
	if err != nil {
		return nil, err
	}
	e := *head
	e.Revision = old.Revision
	return rd.Guard.answer(ctx, t, &e, content, rd.States.unfit(ctx, t, head))
}

func (rd *Reads) getAsOf(ctx context.Context, t *model.Type, k Key, o GetOptions) (*Resource, error) {
	if err := rd.States.Freshen(ctx, o.Consistency, o.MinSeq); err != nil {
		return nil, err
	}
	events, err := rd.index.Events(ctx, storage.EventQuery{Type: k.Type, ID: k.ID, Until: o.AsOf, Descending: true, Limit: 1})
	if err != nil {
		return nil, StoreError(err)
	}
	if len(events) == 0 || events[0].Event.Action == storage.Purged {
		return nil, fault.Errorf(fault.NotFound, "there was no %s %q at %s", k.Type, k.ID, o.AsOf.Format(time.RFC3339Nano))
	}
	e := events[0].Event
	if e.Meta.Deleted && !o.IncludeDeleted {
		return nil, RequireLive(t, k.ID, State{Event: e})
	}
	if err := rd.States.Unpruned(ctx, e); err != nil {
		return nil, err
	}
	return rd.Guard.resource(ctx, e)
}

// Freshen waits until the index is as new as the consistency asks.
func (st *States) Freshen(ctx context.Context, c Consistency, minSeq uint64) error {
	switch c {
	case Eventual:
	case Strong:
		s, err := st.log.State(ctx)
		if err != nil {
			return StoreError(err)
		}
		minSeq = max(minSeq, s.Last)
	default:
		minSeq = max(minSeq, st.recent.Last())
	}
	if minSeq == 0 {
		return nil
	}
	return st.progress.Wait(ctx, minSeq)
}

// Wrote is the last event that wrote a revision, which describes it as it is now. One
// that was pruned is refused.
func (st *States) Wrote(ctx context.Context, k Key, number int) (*storage.Event, error) {
	e, err := st.wroteOnce(ctx, k, number)
	if err == nil {
		err = st.Unpruned(ctx, e)
	}
	return e, err
}

// wroteOnce is Wrote, also of a revision that was pruned since.
func (st *States) wroteOnce(ctx context.Context, k Key, number int) (*storage.Event, error) {
	if e := st.newest(k); e != nil && e.Revision.Number == number {
		return e, nil
	}
	if err := st.Freshen(ctx, Default, 0); err != nil {
		return nil, err
	}
	events, err := st.index.Events(ctx, storage.EventQuery{Type: k.Type, ID: k.ID, Wrote: number, Descending: true, Limit: 1})
	if err != nil {
		return nil, StoreError(err)
	}
	if len(events) == 0 {
		return nil, fault.Errorf(fault.UnknownRevision, "%s %q has no revision %d", k.Type, k.ID, number)
	}
	if e := events[0].Event; e.Revision.Number != number { // it made that stable while HEAD was another
		return e.PublishedState(), nil
	}
	return events[0].Event, nil
}

// newestStable walks the parents from HEAD.
func (st *States) newestStable(ctx context.Context, k Key, e *storage.Event) (*storage.Event, error) {
	for {
		if e.Revision.Status == storage.Stable {
			return e, nil
		}
		n, err := ParentNumber(&e.Revision)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, fault.Errorf(fault.UnknownRevision, "%s %q has no stable revision yet", k.Type, k.ID)
		}
		if e, err = st.wroteOnce(ctx, k, n); err != nil {
			return nil, err
		}
	}
}

// ParentNumber is 0 for a first revision.
func ParentNumber(r *storage.Revision) (int, error) {
	if r.Parent == nil {
		return 0, nil
	}
	var n int
	i := len(r.ID) - len(fmt.Sprint(r.Number)) - 1 // the id without ":<number>"
	if i < 0 || i >= len(*r.Parent) {
		return 0, fmt.Errorf("revision %s has the parent %q", r.ID, *r.Parent)
	}
	if _, err := fmt.Sscanf((*r.Parent)[i:], ":%d", &n); err != nil {
		return 0, fmt.Errorf("revision %s has the parent %q", r.ID, *r.Parent)
	}
	return n, nil
}

package commit

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Writer carries plans out: it makes steps of them, passes them through the gate, and
// commits them.
type Writer struct {
	Binaries *BinaryStore
	Claims   *Claims
	Gate     *Gate
	Guard    *states.Guard
	Seals    *Seals
	States   *states.States
	hookRuns *states.HookRuns
	blobs    storage.Blobs
	// ending keeps for watches the state that a purge ends; nil: there are none.
	Ending     func(ctx context.Context, t *model.Type, last *storage.Event, purge string)
	index      states.Index
	loading    *atomic.Bool // a backup is being restored
	locks      *states.Locks
	log        storage.Log
	o          *states.Options
	progress   *states.Progress
	recent     *states.Recent
	heads      *states.Heads
	strategies states.Strategies
	types      *registry.Types
	underway   underway
}

// Match is a precondition on the resource's last event, from If-Match. The zero
// value is none.
type Match struct {
	Any    bool     // "*": the resource exists
	Events []string // one of these event ids is its last
	Absent bool     // there is none, or it is deleted (If-None-Match: *)
	Not    []string // none of these event ids is its last (If-None-Match)
}

// Empty reports that nothing is asked for.
func (p Match) Empty() bool { return p.None() && !p.Absent && len(p.Not) == 0 }

// None reports that no state is asked for.
func (p Match) None() bool { return !p.Any && len(p.Events) == 0 }

// Holds reports whether the state whose last event this is is asked for, or any.
func (p Match) Holds(event string) bool {
	return p.None() || p.Any || slices.Contains(p.Events, event)
}

// Check compares with the state of an existing resource.
func (p Match) Check(t *model.Type, s states.State) error {
	if p.Absent && !s.Event.Meta.Deleted {
		return fault.Errorf(fault.PreconditionFailed, "the resource exists, and If-None-Match: * is only for one that does not")
	}
	if slices.Contains(p.Not, s.Event.ID) {
		return fault.Errorf(fault.PreconditionFailed, "the resource is in a state that If-None-Match excludes")
	}
	if p.None() {
		if t.RequireIfMatch {
			return fault.Errorf(fault.PreconditionRequired, "writes to %s need If-Match with the ETag of the state they are based on", t.Name)
		}
		return nil
	}
	if p.Holds(s.Event.ID) {
		return nil
	}
	return fault.Errorf(fault.PreconditionFailed, "the resource was changed meanwhile; read it again and apply the change to its newest state")
}

// Step is what a write makes of a state: the event to commit, or nil when
// nothing is to be changed. content is that of the event's HEAD; put tells that
// it is new and needs an object.
type Step struct {
	Event   *storage.Event
	Content []byte
	doc     *model.Document // of the content, when it was read
	put     bool
	Early   bool // it may be lost with the power: it would be done again
	// also are the rights it needs besides that of its plan.
	also    []string
	from    int    // the older revision whose content it takes; 0: none
	Cleared bool   // references whose targets are gone were let go, and nothing else was changed but by also
	secret  string // the text of the API key that it makes
	other   *other // that it publishes, which HEAD is not; nil: none
}

// of gives a step the document that its content was read as.
func (next Step) of(doc *model.Document) Step {
	next.doc = nil
	if doc.Holds(next.Content) {
		next.doc = doc
	}
	return next
}

// read is the document of the step's content, which may have been changed since.
func (next Step) read() *model.Document { return next.of(next.doc).doc }

// Plan computes the step. It is called again with the newest state when the
// commit lost, so it must have no effects of its own.
type Plan struct {
	// action is the right that it needs on the state before and after it; empty:
	// it is the program's own.
	Action string
	Asks   Request
	Make   func(ctx context.Context, w *Mutation, s states.State) (Step, error)
}

// maxTries bounds how often a write without precondition is applied again to a
// newer state; each failure means that another writer succeeded.
const maxTries = 64

// Written is what became of a write.
type Written struct {
	Event   *storage.Event // that is HEAD afterwards
	Content []byte         // of it
	Changed bool           // this call committed it
	Secret  string         // the text of the API key that this call made
}

// Write runs a plan against the head until it is committed or refused. With an
// idempotency key a write that was committed before is answered again.
func (wr *Writer) Write(ctx context.Context, t *model.Type, id string, p Plan) (out Written, err error) {
	ctx, cancel := states.Committing(enter(ctx))
	defer cancel()
	var after func()
	defer func() {
		if after != nil { // once the resource and the key are free again
			after()
		}
	}()
	defer func() {
		if c := fault.CodeOf(err); c != "" {
			wr.o.Observer.Refused(t.Name, c)
		}
	}()
	if err := wr.MayPlan(ctx, t, p); err != nil {
		return out, err
	}
	first, release, err := wr.begin(ctx)
	if err != nil {
		return out, err
	}
	defer release()
	if first != nil {
		out.Event, out.Content, err = wr.again(ctx, first)
		return out, err
	}
	defer wr.Binaries.keepBinaries(t)()
	k := states.Key{Type: t.Name, ID: id}
	defer wr.locks.Acquire(k)()
	out, after, err = wr.decide(ctx, t, k, nil, p)
	return out, err
}

// WriteFrom is write, without idempotency, for a caller that believes to know
// the resource's newest event; the log decides whether it is.
func (wr *Writer) WriteFrom(ctx context.Context, t *model.Type, id string, known *storage.Event, p Plan) (Written, error) {
	ctx, cancel := states.Committing(WithoutKey(ctx))
	defer cancel()
	k := states.Key{Type: t.Name, ID: id}
	release := wr.locks.Acquire(k)
	out, after, err := wr.decide(ctx, t, k, known, p)
	release()
	if after != nil {
		after()
	}
	return out, err
}

// decide is write for the holder of the resource's lock. The first try is on
// the known event, when there is one. What it returns as after, when it
// committed, runs the hooks.
func (wr *Writer) decide(ctx context.Context, t *model.Type, k states.Key, known *storage.Event, p Plan) (out Written, after func(), err error) {
	begun := time.Now()
	fresh := false
	var object putObject
	made := t
	for range maxTries {
		if t, err = wr.States.Type(k.Type); err != nil {
			return out, nil, err
		}
		s := states.StateOf(known, false)
		guess := known != nil
		if known = nil; !guess {
			if s, err = wr.States.Head(ctx, k, fresh); err != nil {
				return out, nil, err
			}
		}
		if first, err := wr.committedBy(ctx, s); err != nil || first != nil {
			if err == nil {
				out.Event, out.Content, err = wr.again(ctx, first)
			}
			return out, nil, err
		}
		next, err := wr.plannedBy(ctx, made, t, p, s)
		if err == nil && next.Event != nil {
			err = wr.notErased(ctx, s)
		}
		if (err != nil || next.Event == nil) && !s.Fresh && (guess || !wr.o.Sole) {
			// Refused, or found needless, by what may be an old state.
			fresh = true
			continue
		}
		if err != nil {
			return out, nil, err
		}
		if next.Event == nil {
			content, err := wr.States.Content(ctx, s.Event)
			return Written{Event: s.Event, Content: content}, nil, err
		}
		e, err := wr.commit(ctx, t, s, &next, &object)
		if errors.Is(err, errOtherModel) {
			continue
		}
		if errors.Is(err, storage.ErrConflict) {
			fresh = true
			continue
		}
		if err != nil {
			return out, nil, states.StoreError(err)
		}
		wr.o.Observer.Committed(t.Name, e.Action, time.Since(begun))
		return Written{e, next.Content, true, next.secret}, func() { wr.runAfter(ctx, t, s, next) }, nil
	}
	return out, nil, ErrBusy()
}

// ErrBusy refuses a write that lost to others too often.
func ErrBusy() error {
	return &fault.Error{Code: fault.Conflict, RetryAfter: time.Second, Detail: "too many others write to this resource at the same time; try again"}
}

// putObject remembers the object of an earlier try, which a later try of the
// same content uses again.
type putObject struct {
	content []byte
	ref     string
}

// commit appends one step by itself.
func (wr *Writer) commit(ctx context.Context, t *model.Type, s states.State, next *Step, object *putObject) (_ *storage.Event, err error) {
	ctx, span := wr.o.Tracer.Start(ctx, "commit")
	states.DescribeSpan(span, next.Event)
	defer func() { states.EndSpan(span, next.Event, err) }()
	u := newUnit()
	u.plan(t, *next)
	if err := wr.stage(ctx, t, s, next, object, u); err != nil {
		return nil, err
	}
	return next.Event, wr.append(ctx, u)
}

// stage completes the event of a step, puts its object and adds to the unit
// what has to be appended for it.
func (wr *Writer) stage(ctx context.Context, t *model.Type, s states.State, next *Step, object *putObject, u *unit) error {
	if err := wr.Claims.letGo(ctx, t, next, u); err != nil {
		return err
	}
	e := next.Event
	wr.stamp(ctx, s, e)
	if err := published(ctx, wr.States, t, s, next); err != nil {
		return err
	}
	if next.put && s.Exists() {
		if err := t.KeepConcurrencyKey(e, next.Content); err != nil {
			return err
		}
	}
	wr.Gate.own(ctx, t, e)
	if wr.o.Hooks.Watched(t.Name, e.Action) {
		c, err := wr.change(ctx, t, s, *next)
		if err != nil {
			return err
		}
		if err := wr.o.Hooks.RunBefore(policy.AsCode(policy.AsProgram(WithoutKey(ctx))), c); err != nil {
			return err
		}
	}
	if next.put {
		if object.ref == "" || !bytes.Equal(object.content, next.Content) {
			ref, err := wr.blobs.Put(ctx, t.Name+"/"+e.Revision.ID+"/"+e.ID, next.Content)
			if err != nil {
				return err
			}
			*object = putObject{next.Content, ref}
		}
		e.Ref = object.ref
	}
	if e.Action == storage.Purged && s.Exists() && wr.Ending != nil {
		wr.Ending(ctx, t, s.Event, e.ID)
	}
	e.Apart = t.Retention.Prunes()
	e.Binaries, e.Concealed = t.Digests(next.Content), t.Concealed(next.Content)
	hideSchedule(e)
	inline := len(next.Content) <= storage.InlineLimit
	if inline {
		e.Content = next.Content
	}
	u.sync = u.sync || next.put && (!inline || e.Apart || !wr.o.LogSyncsBlobs)
	u.early = next.Early
	if err := wr.Claims.constrain(ctx, t, s, e, next.Content, u); err != nil {
		return Censored(ctx, wr.Guard, t, err)
	}
	return u.add(s, e, next.read())
}

// append commits a unit and remembers what it made.
func (wr *Writer) append(ctx context.Context, u *unit) error {
	if u.sync {
		if err := wr.blobs.Sync(ctx); err != nil {
			return err
		}
	}
	records, err := wr.Claims.records(ctx, u)
	if err != nil {
		return err
	}
	if wr.loading.Load() {
		return &fault.Error{Code: fault.Unavailable, RetryAfter: 5 * time.Second, Detail: "a backup is being restored; nothing else is written meanwhile"}
	}
	defer wr.types.Commit()()
	if wr.byOtherModels(u) {
		return errOtherModel
	}
	store := wr.log.Append
	if u.early && len(u.staged) == 1 {
		store = wr.log.AppendEarly
	}
	last, err := store(ctx, records)
	if err != nil {
		return err
	}
	for i, e := range u.staged { // the events are the last records of the unit
		e.Seq = last - uint64(len(u.staged)-1-i)
		e.Meta.Seq = e.Seq
		u.docs[i].Settle()
		wr.recent.Add(e, u.docs[i], wr.progress.Applied())
		wr.heads.Committed(e)
		if wr.o.Access != nil {
			wr.o.Access.Apply(e)
		}
		if wr.o.Committed != nil && (e.Meta.Job != nil || wr.strategies[e.Meta.Type].Told || e.Action == storage.Purged) {
			wr.o.Committed(e)
		}
	}
	return nil
}

// stamp fills in what every event has: who, when, from where, after what.
func (wr *Writer) stamp(ctx context.Context, s states.State, e *storage.Event) {
	a := policy.ActorOf(ctx)
	e.ID = states.NewUUID()
	e.At = wr.o.Now().UTC().Truncate(time.Microsecond)
	if s.Last != nil && e.At.Before(s.Last.At) {
		e.At = s.Last.At // a clock that was set back
	}
	e.Idempotency = idempotencyOf(ctx)
	e.Trace = states.Traceparent(ctx)
	e.Principal, e.RequestID, e.Address, e.UserAgent = a.Principal, a.RequestID, a.Address, a.UserAgent
	if e.Cause == "" && a.Cause != e.Meta.Type+"/"+e.Meta.ID {
		e.Cause = a.Cause
	}
	e.Meta.UpdatedAt, e.Meta.UpdatedBy = e.At, a.Principal
	if s.Last != nil {
		e.Previous = s.Last.Digest()
	}
	if !s.Exists() {
		e.Meta.CreatedAt, e.Meta.CreatedBy = e.At, a.Principal
	}
	if e.Wrote == 0 {
		return
	}
	e.Revision.UpdatedAt, e.Revision.UpdatedBy = e.At, a.Principal
	if e.Revision.CreatedAt.IsZero() {
		e.Revision.CreatedAt, e.Revision.CreatedBy = e.At, a.Principal
	}
}

// change is what the hooks of a step see.
func (wr *Writer) change(ctx context.Context, t *model.Type, s states.State, next Step) (states.Change, error) {
	e := next.Event
	c := states.Change{Type: t.Name, ID: e.Meta.ID, Action: e.Action, Actor: policy.ActorOf(ctx), Status: e.Meta.Status, Publishes: e.Publishes()}
	switch {
	case next.put:
		c.New = next.Content
	case next.other != nil:
		now, err := states.ShownOf(t, next.other.event(e), next.other.content)
		if err != nil {
			return c, err
		}
		c.New = now
	}
	if !s.Exists() {
		return c, nil
	}
	old, err := wr.States.Shown(ctx, t, s.Event)
	c.Old = old
	return c, err
}

func (wr *Writer) runAfter(ctx context.Context, t *model.Type, s states.State, next Step) {
	e := next.Event
	hooks := wr.o.Hooks.AfterOf(e.Meta.Type, e.Action)
	if len(hooks) == 0 || wr.o.HooksApart {
		return
	}
	wr.hookRuns.Begin(e.Seq)
	ok := false
	defer func() { wr.hookRuns.End(e.Seq, ok) }()
	c, err := wr.change(ctx, t, s, next)
	if err != nil && e.Action != storage.Purged { // what a purge erased cannot be shown
		wr.o.Logger.ErrorContext(ctx, "an after-hook was not run", "type", c.Type, "id", c.ID, "action", c.Action, "error", err)
		return
	}
	ctx = policy.AsCode(policy.AsProgram(WithoutKey(ctx)))
	ok = true
	for _, fn := range hooks {
		if err := states.RunHook(ctx, fn, c); err != nil {
			ok = false
			wr.o.Logger.ErrorContext(ctx, "an after-hook failed", "type", c.Type, "id", c.ID, "action", c.Action, "error", err)
		}
	}
}

// Prepare makes canonical content of a document: defaults filled in, checked
// against the schema, the validators, and what the index can hold.
func (wr *Writer) Prepare(ctx context.Context, w *Mutation, t *model.Type, data any) (*model.Document, error) {
	if w.limits != nil || t.WritesOnly() || t.HasReadOnly() {
		data = model.CloneTree(data) // it is completed from the state, and again when that has changed
	}
	data, err := w.merge(ctx, t, data)
	if err != nil {
		return nil, err
	}
	t.Complete(data, w.document, policy.ActorOf(ctx).Client && !w.patch)
	secret := t.SecretIn(data)
	data = t.Defaults(data)
	if data, err = w.keepState(t, data); err != nil {
		return nil, err
	}
	projection, err := wr.fit(ctx, w, t, data)
	if err != nil {
		return nil, err
	}
	if t.Check != nil {
		if err := t.Check(data); err != nil {
			return nil, states.AsRefusal(err)
		}
	}
	data, err = wr.Seals.putSecret(w, t, data, secret)
	if err != nil {
		return nil, err
	}
	doc := model.NewDocument(t, data, projection)
	if len(doc.Content) > model.MaxContent {
		return nil, fault.Errorf(fault.TooLarge, "the content has %d bytes, the most is %d", len(doc.Content), model.MaxContent)
	}
	if check := wr.strategies.Of(t).Check; check != nil {
		if err := check(doc.Content); err != nil {
			return nil, states.AsRefusal(err)
		}
	}
	return doc, wr.o.Hooks.RunValidators(policy.AsCode(policy.AsProgram(ctx)), t.Name, doc.Content)
}

// Hold keeps the writers of this process from a resource until release is called.
func (wr *Writer) Hold(k states.Key) (release func()) { return wr.locks.Acquire(k) }

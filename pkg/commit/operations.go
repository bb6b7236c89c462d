package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// CreateOptions of Create. The zero value lets the server choose.
type CreateOptions struct {
	ID      string         // default: a new UUIDv7
	Status  storage.Status // default: the type's
	Message string         // of the revision
	Job     JobOptions     // of job types
}

// JobOptions of a new job.
type JobOptions struct {
	RunAt       time.Time // default now
	Priority    int       // 0 to 9, higher first
	MaxAttempts int       // default: the type's
	// UniqueKey: while a job of the type with it is not finished, another one
	// is refused with unique_conflict.
	UniqueKey string
	// After are jobs, "<id>" of the same type or "<type>/<id>", that must
	// succeed before this one starts. If one fails, this one is cancelled.
	After []string
	// Schedule made the job.
	Schedule *storage.JobTick
}

// Create makes a resource. An id that exists is already_exists, also when the
// content is equal.
func (wr *Writer) Create(ctx context.Context, typ string, data any, o CreateOptions) (*states.Resource, error) {
	t, err := wr.States.Type(typ)
	if err != nil {
		return nil, err
	}
	if err := wr.Guard.May(ctx, t, "create"); err != nil {
		return nil, err
	}
	ctx = enter(ctx)
	id := o.ID
	if id == "" {
		id = wr.newID(ctx)
	} else if err := model.CheckID(id); err != nil {
		return nil, err
	}
	p := wr.PlanCreate(t, id, data, o)
	commit := wr.Write
	if o.ID == "" && !keyed(ctx) {
		commit = wr.createNew
	}
	out, err := commit(ctx, t, id, p)
	if err != nil {
		return nil, err
	}
	r, err := wr.Guard.Answer(ctx, out.Event, out.Content)
	if err == nil {
		r.Secret = wr.Seals.secretMade(ctx, t, out, data)
	}
	return r, err
}

// PlanCreate checks the content before the id: what is not valid is told first.
func (wr *Writer) PlanCreate(t *model.Type, id string, data any, o CreateOptions) Plan {
	prepared := wr.preparing(t, data)
	return Plan{Action: "create", Make: func(ctx context.Context, w *Mutation, s states.State) (Step, error) {
		doc, err := prepared(ctx, w)
		if err != nil {
			return Step{}, err
		}
		if err := wr.checkAfter(ctx, t, o.Job.After); err != nil {
			return Step{}, err
		}
		if s.Exists() {
			return Step{}, &fault.Error{Code: fault.AlreadyExists, Detail: fmt.Sprintf("%s %q exists already%s", t.Name, id, deletedNote(s)), Deleted: s.Event.Meta.Deleted}
		}
		next, err := wr.creation(t, id, doc.Content, o, s)
		return next.of(doc), err
	}}
}

// preparing makes the content of a document once, however often it is asked.
func (wr *Writer) preparing(t *model.Type, data any) func(context.Context, *Mutation) (*model.Document, error) {
	var doc *model.Document
	return func(ctx context.Context, w *Mutation) (*model.Document, error) {
		if doc != nil && !t.Conceals() && !t.HasReadOnly() && w.limits == nil { // what is sealed, kept or hidden depends on the state
			return doc, nil
		}
		d, err := wr.Prepare(ctx, w, t, data)
		if err == nil {
			doc = d
		}
		return d, err
	}
}

func deletedNote(s states.State) string {
	if s.Event.Meta.Deleted {
		return " (deleted; :restore brings it back, :purge frees the id)"
	}
	return ""
}

// createNew commits under an id that this process just made: no other resource can
// have it, so there is no head to look for.
func (wr *Writer) createNew(ctx context.Context, t *model.Type, id string, p Plan) (out Written, err error) {
	begun := time.Now()
	defer func() {
		if c := fault.CodeOf(err); c != "" {
			wr.o.Observer.Refused(t.Name, c)
		}
	}()
	ctx, cancel := states.Committing(ctx)
	defer cancel()
	defer wr.Binaries.keepBinaries(t)()
	var object putObject
	var next Step
	var e *storage.Event
	made := t
	for range maxTries { // only a claim, a reference or an older model can lose
		t = wr.types.Current(t)
		if next, err = wr.plannedBy(ctx, made, t, p, states.State{}); err != nil {
			return out, err
		}
		if e, err = wr.commit(ctx, t, states.State{}, &next, &object); err == nil {
			break
		}
		if !errors.Is(err, storage.ErrConflict) && !errors.Is(err, errOtherModel) {
			return out, states.StoreError(err)
		}
	}
	if err != nil {
		return out, ErrBusy()
	}
	wr.o.Observer.Committed(t.Name, e.Action, time.Since(begun))
	wr.runAfter(ctx, t, states.State{}, next)
	return Written{e, next.Content, true, next.secret}, nil
}

func (wr *Writer) creation(t *model.Type, id string, content []byte, o CreateOptions, s states.State) (Step, error) {
	if t.ServerIDs && o.ID != "" {
		return Step{}, fault.Errorf(fault.InvalidRequest, "the id of %s is made by the server", t.Name)
	}
	status := o.Status
	if status == "" {
		status = t.DefaultStatus
	}
	e := &storage.Event{
		Action:   storage.Created,
		Meta:     storage.Meta{Type: t.Name, ID: id, CurrentRevision: states.RevisionID(id, 1), RevisionCount: 1, Status: status, SchemaVersion: t.Version},
		Revision: newRevision(t, id, 1, nil, status, content, o.Message),
		Wrote:    1,
	}
	if s.Last != nil {
		e.Erased = wr.remembered(s.Last.Erased)
	}
	if t.Job != nil {
		j, err := wr.newJob(t, content, o.Job)
		if err != nil {
			return Step{}, err
		}
		e.Meta.Job = j
	}
	return Step{Event: e, Content: content, put: true}, nil
}

func newRevision(t *model.Type, id string, n int, parent *string, status storage.Status, content []byte, message string) storage.Revision {
	r := storage.Revision{ID: states.RevisionID(id, n), Number: n, Parent: parent, Status: status, SchemaVersion: t.Version,
		Hash: model.HashOf(content), Size: len(content)}
	if message != "" {
		r.Message = &message
	}
	return r
}

// Run writes and answers with the resulting resource.
func (wr *Writer) Run(ctx context.Context, t *model.Type, id string, p Plan) (*states.Resource, error) {
	out, err := wr.Write(ctx, t, id, p)
	if err != nil {
		return nil, err
	}
	return wr.Guard.Answer(ctx, out.Event, out.Content)
}

// UpdateOptions of a write to an existing resource.
type UpdateOptions struct {
	IfMatch Match
	Status  storage.Status // of the new revision; default the type's, or for an in-place edit the draft's
	Message string
	InPlace bool // edit the draft instead of making a revision
	// Create makes the resource when there is none, and refuses with
	// precondition_failed when there is one (If-None-Match: *).
	Create bool
}

// Update replaces the content with a new revision. Content equal to the current
// revision's changes nothing, a different status is still applied.
func (wr *Writer) Update(ctx context.Context, typ, id string, data any, o UpdateOptions) (*states.Resource, bool, error) {
	t, err := wr.States.Find(typ, id)
	if err != nil {
		return nil, false, err
	}
	out, err := wr.Write(ctx, t, id, wr.planUpdate(t, id, data, o))
	if err != nil {
		return nil, false, err
	}
	r, err := wr.Guard.Answer(ctx, out.Event, out.Content)
	created := o.Create && out.Event.Action == storage.Created
	if created && err == nil {
		r.Secret = wr.Seals.secretMade(ctx, t, out, data)
	}
	return r, created, err
}

func (wr *Writer) planUpdate(t *model.Type, id string, data any, o UpdateOptions) Plan {
	prepared := wr.preparing(t, data)
	return Plan{Action: o.right(), Make: func(ctx context.Context, w *Mutation, s states.State) (Step, error) {
		if o.Create && s.Exists() && !s.Event.Meta.Deleted {
			return Step{}, fault.Errorf(fault.PreconditionFailed, "%s %q exists already", t.Name, id)
		}
		if !o.Create || s.Exists() {
			if err := states.RequireLive(t, id, s); err != nil {
				return Step{}, err
			}
			if err := o.IfMatch.Check(t, s); err != nil {
				return Step{}, err
			}
		}
		doc, err := prepared(ctx, w)
		if err != nil {
			return Step{}, err
		}
		if o.Create {
			next, err := wr.creation(t, id, doc.Content, CreateOptions{ID: id, Status: o.Status, Message: o.Message}, s)
			return next.of(doc), err
		}
		next, err := wr.revise(t, s, doc.Content, o)
		return next.of(doc), err
	}}
}

// right is what the write needs.
func (o UpdateOptions) right() string {
	switch {
	case o.Create:
		return "create"
	case o.InPlace:
		return "modify"
	}
	return "update"
}

// revise makes the step from a live state to new content: a new revision, an
// edit of the draft in place, a change of status only, or nothing.
func (wr *Writer) revise(t *model.Type, s states.State, content []byte, o UpdateOptions) (Step, error) {
	old := s.Event
	// What is read of content of an older version is another content.
	same := model.HashOf(content) == old.Revision.Hash && !t.Migrates(old.Revision.SchemaVersion)
	if o.InPlace {
		if old.Revision.Status != storage.Draft {
			return Step{}, fault.Errorf(fault.InvalidState, "revision %s is stable and never changes; leave out mode=modify to make a new revision", old.Revision.ID)
		}
		if same && (o.Status == "" || o.Status == old.Revision.Status) {
			return Step{}, nil
		}
		return editDraft(t, s, content, o), nil
	}
	if same {
		if o.Status == "" || o.Status == old.Revision.Status {
			return Step{}, nil
		}
		return wr.setStatus(t, s, content, o.Status, o.Message), nil
	}
	status := o.Status
	if status == "" {
		status = t.DefaultStatus
	}
	return wr.NextRevision(t, s, content, status, o.Message), nil
}

// NextRevision makes a new one, with the current one as its parent.
func (wr *Writer) NextRevision(t *model.Type, s states.State, content []byte, status storage.Status, message string) Step {
	e := Successor(s, storage.Updated)
	n := e.Meta.RevisionCount + 1
	parent := s.Event.Revision.ID
	e.Meta.RevisionCount, e.Meta.CurrentRevision, e.Meta.Status, e.Meta.SchemaVersion = n, states.RevisionID(e.Meta.ID, n), status, t.Version
	e.Revision = newRevision(t, e.Meta.ID, n, &parent, status, content, message)
	e.Wrote = n
	return Step{Event: e, Content: content, put: true}
}

func editDraft(t *model.Type, s states.State, content []byte, o UpdateOptions) Step {
	e := Successor(s, storage.Modified)
	e.Revision.Hash, e.Revision.Size = model.HashOf(content), len(content)
	e.Meta.SchemaVersion, e.Revision.SchemaVersion = t.Version, t.Version
	if o.Status != "" {
		e.Revision.Status, e.Meta.Status = o.Status, o.Status
	}
	if o.Message != "" {
		e.Revision.Message = &o.Message
	}
	e.Wrote = e.Revision.Number
	return Step{Event: e, Content: content, put: true}
}

// setStatus publishes a draft in place; back to draft it makes a new revision
// with the same content, because what was stable never changes.
func (wr *Writer) setStatus(t *model.Type, s states.State, content []byte, status storage.Status, message string) Step {
	if status == storage.Draft {
		return wr.NextRevision(t, s, content, storage.Draft, message)
	}
	e := Successor(s, storage.StatusChanged)
	e.Revision.Status, e.Meta.Status = status, status
	if message != "" {
		e.Revision.Message = &message
	}
	e.Wrote = e.Revision.Number
	return Step{Event: e, Content: content}
}

// Successor begins the next event of a resource with the state the last left.
func Successor(s states.State, action storage.Action) *storage.Event {
	old := s.Event
	e := &storage.Event{Action: action, Meta: old.Meta, Revision: old.Revision, Ref: old.Ref, Claims: old.Claims,
		Attempt: old.Attempt, LeaseUntil: old.LeaseUntil, Owner: old.Owner, Groups: old.Groups, ScheduledGroups: old.ScheduledGroups}
	if old.Meta.Job != nil {
		j := *old.Meta.Job
		e.Meta.Job = &j
	}
	return e
}

// Delete marks a resource as deleted; no revision is written.
func (wr *Writer) Delete(ctx context.Context, typ, id string, match Match) (*states.Resource, error) {
	t, err := wr.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	return wr.Run(ctx, t, id, wr.planDelete(t, id, match))
}

func (wr *Writer) planDelete(t *model.Type, id string, match Match) Plan {
	return Plan{Action: "delete", Make: func(ctx context.Context, w *Mutation, s states.State) (Step, error) {
		if err := states.RequireLive(t, id, s); err != nil {
			return Step{}, err
		}
		if err := match.Check(t, s); err != nil {
			return Step{}, err
		}
		e := Successor(s, storage.Deleted)
		e.Meta.Deleted = true
		StopJob(e, wr.States.Now())
		return wr.Unchanged(ctx, s, e)
	}}
}

// SetStatus publishes a draft, or begins a draft from a stable revision.
func (wr *Writer) SetStatus(ctx context.Context, typ, id string, status storage.Status, match Match) (*states.Resource, error) {
	t, err := wr.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	return wr.Run(ctx, t, id, Plan{Action: "publish", Make: func(ctx context.Context, w *Mutation, s states.State) (Step, error) {
		if err := states.RequireLive(t, id, s); err != nil {
			return Step{}, err
		}
		if err := match.Check(t, s); err != nil {
			return Step{}, err
		}
		if s.Event.Revision.Status == status {
			return Step{}, nil
		}
		read := wr.States.Content // as it was stored, or as a new revision of it is
		if status == storage.Draft {
			read = func(ctx context.Context, e *storage.Event) ([]byte, error) {
				return wr.States.ContentNow(ctx, t, e)
			}
		}
		content, err := read(ctx, s.Event)
		if err != nil {
			return Step{}, err
		}
		return wr.setStatus(t, s, content, status, ""), nil
	}})
}

// Switch moves HEAD to another revision; a later update's parent is that one.
func (wr *Writer) Switch(ctx context.Context, typ, id string, number int, match Match) (*states.Resource, error) {
	t, err := wr.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	return wr.Run(ctx, t, id, wr.planSwitch(t, id, number, match))
}

func (wr *Writer) planSwitch(t *model.Type, id string, number int, match Match) Plan {
	return Plan{Action: "switch", Make: func(ctx context.Context, w *Mutation, s states.State) (Step, error) {
		if err := states.RequireLive(t, id, s); err != nil {
			return Step{}, err
		}
		if err := match.Check(t, s); err != nil {
			return Step{}, err
		}
		if s.Event.Revision.Number == number {
			return Step{}, nil
		}
		next, err := wr.moved(ctx, Successor(s, storage.Switched), number)
		if err == nil && next.Event.Revision.Status == storage.Stable {
			before, err := publishedBefore(ctx, wr.States, t, s)
			if err != nil {
				return Step{}, err
			}
			if before == nil {
				next.also = append(next.also, "publish") // what was taken back comes back by it
			}
		}
		return next, err
	}}
}

// Unchanged is a step that keeps the content. The event carries it, so that the
// newest event of a resource is all there is to know.
func (wr *Writer) Unchanged(ctx context.Context, s states.State, e *storage.Event) (Step, error) {
	content, err := wr.States.Content(ctx, s.Event)
	return Step{Event: e, Content: content}, err
}

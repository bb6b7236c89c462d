package resource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
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
func (m *Manager) Create(ctx context.Context, typ string, data any, o CreateOptions) (*Resource, error) {
	t, err := m.parts.States.Type(typ)
	if err != nil {
		return nil, err
	}
	if err := m.parts.Guard.May(ctx, t, "create"); err != nil {
		return nil, err
	}
	ctx = enter(ctx)
	id := o.ID
	if id == "" {
		id = m.parts.States.newID(ctx)
	} else if err := model.CheckID(id); err != nil {
		return nil, err
	}
	p := m.parts.Writer.planCreate(t, id, data, o)
	commit := m.parts.Writer.write
	if o.ID == "" && !keyed(ctx) {
		commit = m.parts.Writer.createNew
	}
	out, err := commit(ctx, t, id, p)
	if err != nil {
		return nil, err
	}
	r, err := m.parts.Guard.answer(ctx, out.event, out.content)
	if err == nil {
		r.Secret = m.parts.Seals.secretMade(ctx, t, out, data)
	}
	return r, err
}

// planCreate checks the content before the id: what is not valid is told first.
func (wr *Writer) planCreate(t *model.Type, id string, data any, o CreateOptions) plan {
	prepared := wr.preparing(t, data)
	return plan{action: "create", make: func(ctx context.Context, w *mutation, s state) (step, error) {
		content, err := prepared(ctx, w)
		if err != nil {
			return step{}, err
		}
		if err := wr.checkAfter(ctx, t, o.Job.After); err != nil {
			return step{}, err
		}
		if s.exists() {
			return step{}, &fault.Error{Code: fault.AlreadyExists, Detail: fmt.Sprintf("%s %q exists already%s", t.Name, id, deletedNote(s)), Deleted: s.event.Meta.Deleted}
		}
		return wr.creation(t, id, content, o, s)
	}}
}

// preparing makes the content of a document once, however often it is asked.
func (wr *Writer) preparing(t *model.Type, data any) func(context.Context, *mutation) ([]byte, error) {
	var content []byte
	return func(ctx context.Context, w *mutation) ([]byte, error) {
		if content != nil && !t.Conceals() && !t.HasReadOnly() && w.limits == nil { // what is sealed, kept or hidden depends on the state
			return content, nil
		}
		c, err := wr.prepare(ctx, w, t, data)
		if err == nil {
			content = c
		}
		return c, err
	}
}

func deletedNote(s state) string {
	if s.event.Meta.Deleted {
		return " (deleted; :restore brings it back, :purge frees the id)"
	}
	return ""
}

// createNew commits under an id that this process just made: no other resource can
// have it, so there is no head to look for.
func (wr *Writer) createNew(ctx context.Context, t *model.Type, id string, p plan) (out written, err error) {
	begun := time.Now()
	defer func() {
		if c := fault.CodeOf(err); c != "" {
			wr.o.Observer.Refused(t.Name, c)
		}
	}()
	ctx, cancel := committing(ctx)
	defer cancel()
	defer wr.Binaries.keepBinaries(t)()
	var object putObject
	var next step
	var e *storage.Event
	for range maxTries { // only a claim or a reference can lose
		if next, err = wr.planned(ctx, t, p, state{}); err != nil {
			return out, err
		}
		if e, err = wr.commit(ctx, t, state{}, &next, &object); err == nil {
			break
		}
		if !errors.Is(err, storage.ErrConflict) {
			return out, stored(err)
		}
	}
	if err != nil {
		return out, errBusy()
	}
	wr.o.Observer.Committed(t.Name, e.Action, time.Since(begun))
	wr.runAfter(ctx, t, state{}, next)
	return written{e, next.content, true, next.secret}, nil
}

func (wr *Writer) creation(t *model.Type, id string, content []byte, o CreateOptions, s state) (step, error) {
	status := o.Status
	if status == "" {
		status = t.DefaultStatus
	}
	e := &storage.Event{
		Action:   storage.Created,
		Meta:     storage.Meta{Type: t.Name, ID: id, CurrentRevision: revisionID(id, 1), RevisionCount: 1, Status: status, SchemaVersion: t.Version},
		Revision: newRevision(t, id, 1, nil, status, content, o.Message),
		Wrote:    1,
	}
	if s.last != nil {
		e.Erased = wr.remembered(s.last.Erased)
	}
	if t.Job != nil {
		j, err := wr.newJob(t, content, o.Job)
		if err != nil {
			return step{}, err
		}
		e.Meta.Job = j
	}
	return step{event: e, content: content, put: true}, nil
}

func newRevision(t *model.Type, id string, n int, parent *string, status storage.Status, content []byte, message string) storage.Revision {
	r := storage.Revision{ID: revisionID(id, n), Number: n, Parent: parent, Status: status, SchemaVersion: t.Version,
		Hash: model.HashOf(content), Size: len(content)}
	if message != "" {
		r.Message = &message
	}
	return r
}

// run writes and answers with the resulting resource.
func (wr *Writer) run(ctx context.Context, t *model.Type, id string, p plan) (*Resource, error) {
	out, err := wr.write(ctx, t, id, p)
	if err != nil {
		return nil, err
	}
	return wr.Guard.answer(ctx, out.event, out.content)
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
func (m *Manager) Update(ctx context.Context, typ, id string, data any, o UpdateOptions) (*Resource, bool, error) {
	t, err := m.parts.States.find(typ, id)
	if err != nil {
		return nil, false, err
	}
	out, err := m.parts.Writer.write(ctx, t, id, m.parts.Writer.planUpdate(t, id, data, o))
	if err != nil {
		return nil, false, err
	}
	r, err := m.parts.Guard.answer(ctx, out.event, out.content)
	created := o.Create && out.event.Action == storage.Created
	if created && err == nil {
		r.Secret = m.parts.Seals.secretMade(ctx, t, out, data)
	}
	return r, created, err
}

func (wr *Writer) planUpdate(t *model.Type, id string, data any, o UpdateOptions) plan {
	prepared := wr.preparing(t, data)
	return plan{action: o.right(), make: func(ctx context.Context, w *mutation, s state) (step, error) {
		if o.Create && s.exists() && !s.event.Meta.Deleted {
			return step{}, fault.Errorf(fault.PreconditionFailed, "%s %q exists already", t.Name, id)
		}
		if !o.Create || s.exists() {
			if err := live(t, id, s); err != nil {
				return step{}, err
			}
			if err := o.IfMatch.check(t, s); err != nil {
				return step{}, err
			}
		}
		content, err := prepared(ctx, w)
		if err != nil {
			return step{}, err
		}
		if o.Create {
			return wr.creation(t, id, content, CreateOptions{ID: id, Status: o.Status, Message: o.Message}, s)
		}
		return wr.revise(t, s, content, o)
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

// live refuses what does not exist or is deleted.
func live(t *model.Type, id string, s state) error {
	if !s.exists() {
		return fault.Errorf(fault.NotFound, "there is no %s %q", t.Name, id)
	}
	if s.event.Meta.Deleted {
		return fault.Errorf(fault.Deleted, "%s %q is deleted; :restore brings it back", t.Name, id)
	}
	return nil
}

// revise makes the step from a live state to new content: a new revision, an
// edit of the draft in place, a change of status only, or nothing.
func (wr *Writer) revise(t *model.Type, s state, content []byte, o UpdateOptions) (step, error) {
	old := s.event
	// What is read of content of an older version is another content.
	same := model.HashOf(content) == old.Revision.Hash && !t.Migrates(old.Revision.SchemaVersion)
	if o.InPlace {
		if old.Revision.Status != storage.Draft {
			return step{}, fault.Errorf(fault.InvalidState, "revision %s is stable and never changes; leave out mode=modify to make a new revision", old.Revision.ID)
		}
		if same && (o.Status == "" || o.Status == old.Revision.Status) {
			return step{}, nil
		}
		return wr.editDraft(t, s, content, o), nil
	}
	if same {
		if o.Status == "" || o.Status == old.Revision.Status {
			return step{}, nil
		}
		return wr.setStatus(t, s, content, o.Status, o.Message), nil
	}
	status := o.Status
	if status == "" {
		status = t.DefaultStatus
	}
	return wr.nextRevision(t, s, content, status, o.Message), nil
}

// nextRevision makes a new one, with the current one as its parent.
func (wr *Writer) nextRevision(t *model.Type, s state, content []byte, status storage.Status, message string) step {
	e := successor(s, storage.Updated)
	n := e.Meta.RevisionCount + 1
	parent := s.event.Revision.ID
	e.Meta.RevisionCount, e.Meta.CurrentRevision, e.Meta.Status, e.Meta.SchemaVersion = n, revisionID(e.Meta.ID, n), status, t.Version
	e.Revision = newRevision(t, e.Meta.ID, n, &parent, status, content, message)
	e.Wrote = n
	return step{event: e, content: content, put: true}
}

func (wr *Writer) editDraft(t *model.Type, s state, content []byte, o UpdateOptions) step {
	e := successor(s, storage.Modified)
	e.Revision.Hash, e.Revision.Size = model.HashOf(content), len(content)
	e.Meta.SchemaVersion, e.Revision.SchemaVersion = t.Version, t.Version
	if o.Status != "" {
		e.Revision.Status, e.Meta.Status = o.Status, o.Status
	}
	if o.Message != "" {
		e.Revision.Message = &o.Message
	}
	e.Wrote = e.Revision.Number
	return step{event: e, content: content, put: true}
}

// setStatus publishes a draft in place; back to draft it makes a new revision
// with the same content, because what was stable never changes.
func (wr *Writer) setStatus(t *model.Type, s state, content []byte, status storage.Status, message string) step {
	if status == storage.Draft {
		return wr.nextRevision(t, s, content, storage.Draft, message)
	}
	e := successor(s, storage.StatusChanged)
	e.Revision.Status, e.Meta.Status = status, status
	if message != "" {
		e.Revision.Message = &message
	}
	e.Wrote = e.Revision.Number
	return step{event: e, content: content}
}

// successor begins the next event of a resource with the state the last left.
func successor(s state, action storage.Action) *storage.Event {
	old := s.event
	e := &storage.Event{Action: action, Meta: old.Meta, Revision: old.Revision, Ref: old.Ref, Claims: old.Claims,
		Attempt: old.Attempt, LeaseUntil: old.LeaseUntil, Owner: old.Owner, Groups: old.Groups}
	if old.Meta.Job != nil {
		j := *old.Meta.Job
		e.Meta.Job = &j
	}
	return e
}

// Delete marks a resource as deleted; no revision is written.
func (m *Manager) Delete(ctx context.Context, typ, id string, match Match) (*Resource, error) {
	t, err := m.parts.States.find(typ, id)
	if err != nil {
		return nil, err
	}
	return m.parts.Writer.run(ctx, t, id, m.parts.Writer.planDelete(t, id, match))
}

func (wr *Writer) planDelete(t *model.Type, id string, match Match) plan {
	return plan{action: "delete", make: func(ctx context.Context, w *mutation, s state) (step, error) {
		if err := live(t, id, s); err != nil {
			return step{}, err
		}
		if err := match.check(t, s); err != nil {
			return step{}, err
		}
		e := successor(s, storage.Deleted)
		e.Meta.Deleted = true
		stopJob(e, wr.States.now())
		return wr.unchanged(ctx, s, e)
	}}
}

// SetStatus publishes a draft, or begins a draft from a stable revision.
func (m *Manager) SetStatus(ctx context.Context, typ, id string, status storage.Status, match Match) (*Resource, error) {
	t, err := m.parts.States.find(typ, id)
	if err != nil {
		return nil, err
	}
	return m.parts.Writer.run(ctx, t, id, plan{action: "publish", make: func(ctx context.Context, w *mutation, s state) (step, error) {
		if err := live(t, id, s); err != nil {
			return step{}, err
		}
		if err := match.check(t, s); err != nil {
			return step{}, err
		}
		if s.event.Revision.Status == status {
			return step{}, nil
		}
		read := m.parts.States.content // as it was stored, or as a new revision of it is
		if status == storage.Draft {
			read = func(ctx context.Context, e *storage.Event) ([]byte, error) {
				return m.parts.States.contentNow(ctx, t, e)
			}
		}
		content, err := read(ctx, s.event)
		if err != nil {
			return step{}, err
		}
		return m.parts.Writer.setStatus(t, s, content, status, ""), nil
	}})
}

// Switch moves HEAD to another revision; a later update's parent is that one.
func (m *Manager) Switch(ctx context.Context, typ, id string, number int, match Match) (*Resource, error) {
	t, err := m.parts.States.find(typ, id)
	if err != nil {
		return nil, err
	}
	return m.parts.Writer.run(ctx, t, id, m.parts.Writer.planSwitch(t, id, number, match))
}

func (wr *Writer) planSwitch(t *model.Type, id string, number int, match Match) plan {
	return plan{action: "switch", make: func(ctx context.Context, w *mutation, s state) (step, error) {
		if err := live(t, id, s); err != nil {
			return step{}, err
		}
		if err := match.check(t, s); err != nil {
			return step{}, err
		}
		if s.event.Revision.Number == number {
			return step{}, nil
		}
		return wr.moved(ctx, successor(s, storage.Switched), number)
	}}
}

// unchanged is a step that keeps the content. The event carries it, so that the
// newest event of a resource is all there is to know.
func (wr *Writer) unchanged(ctx context.Context, s state, e *storage.Event) (step, error) {
	content, err := wr.States.content(ctx, s.event)
	return step{event: e, content: content}, err
}

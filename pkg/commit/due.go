package commit

import (
	"context"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// publisher is the principal of what the program does by itself to schedules.
const publisher = "system:schedules"

// Do does what is due, of one resource or of all of a release, as the principal that asked
// for it and if that still may. What is refused for good is not scheduled any more, and
// told. It returns the last sequence that it wrote, 0 for none; what was done, cancelled
// or changed meanwhile is left alone.
func (pb *Publishing) Do(ctx context.Context, due []storage.Due) (seq uint64, err error) {
	due, groups, err := pb.stillDue(ctx, due)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	as := pb.Writer.Guard.ActFor(ctx, policy.Actor{Principal: due[0].By}, groups)
	seq, err = pb.all(as, due, pb.planDue)
	if err == nil || passes(err) {
		return seq, err
	}
	for _, d := range due {
		pb.Writer.o.Logger.WarnContext(ctx, "what was scheduled is not done", "type", d.Type, "id", d.ID, "action", d.Action, "at", d.At, "by", d.By, "error", err)
	}
	return pb.all(policy.WithActor(ctx, policy.Actor{Principal: publisher}), due, pb.planDropped)
}

// passes reports whether what was refused may be tried again.
func passes(err error) bool {
	switch fault.CodeOf(err) {
	case "", fault.Unavailable, fault.OutcomeUnknown, fault.Conflict, fault.IndexLag, fault.RateLimited:
		return true
	}
	return false
}

// stillDue leaves out what is not scheduled like that any more, and tells the groups of
// the principal that asked.
func (pb *Publishing) stillDue(ctx context.Context, due []storage.Due) (still []storage.Due, groups []string, err error) {
	now := pb.Writer.States.Now()
	for _, d := range due {
		s, err := pb.Writer.States.Head(ctx, states.Key{Type: d.Type, ID: d.ID}, false)
		if err != nil {
			return nil, nil, err
		}
		if s.Exists() && d.Scheduled.Equal(s.Event.Meta.Scheduled) && !d.At.After(now) {
			still, groups = append(still, d), s.Event.ScheduledGroups
		}
	}
	return still, groups, nil
}

// all carries a plan out for one resource, or for several, all or none.
func (pb *Publishing) all(ctx context.Context, due []storage.Due, plan func(*model.Type, storage.Due) Plan) (seq uint64, err error) {
	if len(due) == 1 {
		d := due[0]
		t, err := pb.Writer.States.Find(d.Type, d.ID)
		if err != nil {
			return 0, err
		}
		out, err := pb.Writer.Write(ctx, t, d.ID, plan(t, d))
		if err != nil {
			return 0, err
		}
		return out.Event.Seq, nil
	}
	ops := make([]BatchOperation, len(due))
	for i, d := range due {
		ops[i] = BatchOperation{Op: "publish", Type: d.Type, ID: d.ID, plan: func(t *model.Type) Plan { return plan(t, d) }}
	}
	results, err := pb.Batches.Batch(ctx, ops, true)
	if err != nil {
		return 0, err
	}
	for _, r := range results {
		if r.Resource != nil {
			seq = max(seq, r.Resource.Seq)
		}
	}
	return seq, nil
}

// planDue does what is scheduled, unless it is not like that any more.
func (pb *Publishing) planDue(t *model.Type, d storage.Due) Plan {
	return pb.planOn(t, d.ID, Match{Any: true}, func(ctx context.Context, t *model.Type, s states.State, before *storage.Event) (Step, error) {
		if !d.Scheduled.Equal(s.Event.Meta.Scheduled) || d.At.After(pb.Writer.States.Now()) {
			return Step{}, nil
		}
		next, err := pb.due(ctx, t, s, before)
		if err != nil || next.Event != nil {
			return next, err
		}
		return pb.ended(ctx, s) // there was nothing to do
	})
}

// due is the step that a schedule asks for; nothing when that is so already.
func (pb *Publishing) due(ctx context.Context, t *model.Type, s states.State, before *storage.Event) (Step, error) {
	x := s.Event.Meta.Scheduled
	n := int(x.Revision)
	switch {
	case x.Action == storage.ToUnpublish:
		return pb.takeBack(ctx, s, before)
	case n == 0 || n == s.Event.Revision.Number:
		return pb.publishHead(ctx, t, s, before)
	case before != nil && before.Revision.Number == n:
		return Step{}, nil
	}
	return pb.publishOther(ctx, t, s, n)
}

// publishOther publishes a revision that HEAD is not, and leaves HEAD as it is.
func (pb *Publishing) publishOther(ctx context.Context, t *model.Type, s states.State, number int) (Step, error) {
	target, err := pb.Writer.States.Wrote(ctx, states.Key{Type: t.Name, ID: s.Event.Meta.ID}, number)
	if err != nil {
		return Step{}, err
	}
	content, err := pb.Writer.States.Content(ctx, target)
	if err != nil {
		return Step{}, err
	}
	next, err := pb.Writer.Unchanged(ctx, s, Successor(s, storage.MadePublic))
	next.other = &other{content: content, draft: target.Revision.Status == storage.Draft,
		shown: storage.Shown{Revision: target.Revision, Ref: target.Ref, Binaries: slices.Clone(target.Binaries), Concealed: slices.Clone(target.Concealed)}}
	next.other.shown.Revision.Status = storage.Stable
	return next, err
}

// planDropped takes a schedule out that cannot be kept.
func (pb *Publishing) planDropped(t *model.Type, d storage.Due) Plan {
	return Plan{Make: func(ctx context.Context, _ *Mutation, s states.State) (Step, error) {
		if !s.Exists() || !d.Scheduled.Equal(s.Event.Meta.Scheduled) {
			return Step{}, nil
		}
		return pb.ended(ctx, s)
	}}
}

// ended takes a schedule out and changes nothing else.
func (pb *Publishing) ended(ctx context.Context, s states.State) (Step, error) {
	e := Successor(s, storage.Unplanned)
	e.Meta.Scheduled, e.ScheduledGroups = nil, nil
	return pb.Writer.Unchanged(ctx, s, e)
}

// other is a revision that a step publishes while HEAD is another.
type other struct {
	shown   storage.Shown
	content []byte
	draft   bool // it becomes stable by it
}

// event is the state that is published, as the policy and the model are asked about it.
func (o *other) event(e *storage.Event) *storage.Event {
	out := *e
	r := o.shown.Revision
	out.Action, out.Revision, out.Ref, out.Shown = storage.StatusChanged, r, o.shown.Ref, nil
	out.Meta.CurrentRevision, out.Meta.Status, out.Meta.SchemaVersion = r.ID, r.Status, r.SchemaVersion
	return &out
}

// onto completes the event of a step that publishes it.
func (o *other) onto(e *storage.Event) {
	shown := o.shown
	if o.draft {
		shown.Revision.UpdatedAt, shown.Revision.UpdatedBy = e.At, e.Principal
	}
	shown.Meta = o.event(e).Meta
	e.ShowApart(shown)
}

// publishesOther asks about the other revision that a step publishes what is asked about
// one that becomes HEAD by it: the actor may read and publish it, and it fits the model.
func (gt *Gate) publishesOther(ctx context.Context, l *limits, t *model.Type, p Plan, next Step) error {
	o := next.other
	if o == nil {
		return nil
	}
	e := o.event(next.Event)
	if l != nil {
		content, err := states.ShownOf(t, e, o.content)
		if err != nil {
			return err
		}
		v := states.NewViewOf(t, e, content, nil)
		if !l.access.On("read", v).Allowed {
			return fault.Errorf(fault.UnknownRevision, "%s %q has no revision %d", t.Name, e.Meta.ID, e.Revision.Number)
		}
		if d := l.access.On(p.Action, v); !d.Allowed {
			return policy.Denied(ctx, t, e.Meta.ID, p.Action, d)
		}
	}
	return l.censor(gt.fits(t, p, Step{Event: e, Content: o.content}))
}

// keepsScheduled refuses to change a draft in place that is to be published as it is.
func keepsScheduled(s states.State, next Step) error {
	if !s.Exists() || next.Event.Action != storage.Modified || !s.Event.Meta.Scheduled.Keeps(next.Event.Revision.Number) {
		return nil
	}
	return fault.Errorf(fault.InvalidState, "revision %s is scheduled to be published and stays as it is until then; leave out mode=modify to make a new revision, or cancel with :publish {\"at\": null}", next.Event.Revision.ID)
}

// outlives reports whether what is scheduled stays scheduled after an event. A client that
// publishes, or takes back, does what a schedule would; what is deleted has none.
func outlives(x *storage.Scheduled, e *storage.Event) bool {
	switch {
	case e.Meta.Deleted:
		return false
	case e.Action == storage.StatusChanged, e.Action == storage.MadePublic:
		return x.Action != storage.ToPublish
	case e.Action == storage.TakenBack:
		return x.Action != storage.ToUnpublish
	}
	return true
}

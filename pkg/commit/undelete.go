package commit

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// RestoreOptions of RestoreAs. The zero value brings back what was deleted as it
// was.
type RestoreOptions struct {
	IfMatch  Match
	Revision int   // at this revision; 0: the one that was HEAD
	Patch    Patch // applied to that revision's content; no kind: none
}

// Restore undoes a delete; a live resource stays as it is. References that are let
// go when their target is deleted, and whose target is gone, are let go: the
// resource is as if it had been live.
func (wr *Writer) Restore(ctx context.Context, typ, id string, match Match) (*states.Resource, error) {
	return wr.RestoreAs(ctx, typ, id, RestoreOptions{IfMatch: match})
}

// RestoreAs is Restore at another revision, or with a change, for what cannot come
// back as it was: its reference or its unique value is gone. The one needs the right
// to switch too, the other that to update.
func (wr *Writer) RestoreAs(ctx context.Context, typ, id string, o RestoreOptions) (*states.Resource, error) {
	t, err := wr.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	p, err := wr.planRestore(t, id, o)
	if err != nil {
		return nil, err
	}
	return wr.Run(ctx, t, id, p)
}

func (wr *Writer) planRestore(t *model.Type, id string, o RestoreOptions) (Plan, error) {
	var apply func(old []byte) (any, error)
	var unfit error
	if o.Patch.Kind != 0 {
		if apply, unfit = o.Patch.Compile(t); unfit != nil && fault.CodeOf(unfit) != fault.ValidationFailed {
			return Plan{}, unfit
		}
	}
	return Plan{Action: "restore", Make: func(ctx context.Context, w *Mutation, s states.State) (Step, error) {
		if !s.Exists() {
			return Step{}, states.RequireLive(t, id, s)
		}
		if err := o.IfMatch.Check(t, s); err != nil {
			return Step{}, err
		}
		if unfit != nil {
			return Step{}, unfit
		}
		if !s.Event.Meta.Deleted {
			if o.Revision != 0 || apply != nil {
				return Step{}, fault.Errorf(fault.InvalidState, "%s %q is not deleted; a revision and a patch are for deleted resources", t.Name, id)
			}
			return Step{}, nil
		}
		e := Successor(s, storage.Restored)
		e.Meta.Deleted = false
		next, err := wr.Unchanged(ctx, s, e)
		if err == nil && o.Revision != 0 && o.Revision != s.Event.Revision.Number {
			next, err = wr.moved(ctx, e, o.Revision)
			next.also = []string{"switch"}
		}
		if err != nil || apply == nil {
			return next, err
		}
		next.also = append(next.also, "update")
		if err := w.limits.mayBeginFrom(ctx, t, next); err != nil {
			return Step{}, err
		}
		return next, wr.amend(ctx, w, t, &next, o.Patch, apply)
	}}, nil
}

// moved makes an event one that moves HEAD to a revision.
func (wr *Writer) moved(ctx context.Context, e *storage.Event, number int) (Step, error) {
	target, err := wr.States.Wrote(ctx, states.Key{Type: e.Meta.Type, ID: e.Meta.ID}, number)
	if err != nil {
		return Step{}, err
	}
	content, err := wr.States.Content(ctx, target)
	if err != nil {
		return Step{}, err
	}
	e.Revision, e.Ref = target.Revision, target.Ref
	e.Meta.CurrentRevision, e.Meta.Status, e.Meta.SchemaVersion = target.Revision.ID, target.Revision.Status, target.Revision.SchemaVersion
	return Step{Event: e, Content: content, from: number}, nil
}

// amend applies a patch to the content of a step, which becomes a new revision.
func (wr *Writer) amend(ctx context.Context, w *Mutation, t *model.Type, next *Step, p Patch, apply func([]byte) (any, error)) error {
	old, err := states.ShownOf(t, next.Event, next.Content)
	if err != nil {
		return err
	}
	if err := w.patches(ctx, t, p); err != nil {
		return err
	}
	data, err := p.applied(w, t, apply, old)
	if err != nil {
		return err
	}
	doc, err := wr.Prepare(ctx, w, t, data)
	if err != nil {
		return err
	}
	next.anew(t, doc.Content)
	*next = next.of(doc)
	return nil
}

// letGo empties the references of a resource that comes back whose targets are
// gone and that are let go with them. It happens with the unit, so that what the
// unit brings back too counts as being there.
func (cl *Claims) letGo(ctx context.Context, t *model.Type, next *Step, u *unit) error {
	if next.Event.Action != storage.Restored {
		return nil
	}
	k := states.Key{Type: t.Name, ID: next.Event.Meta.ID}
	var tree any
	for _, r := range referencesTo(t, model.SetNull) {
		if tree == nil {
			now, err := t.Current(next.Content, next.Event.Revision.SchemaVersion)
			if err != nil {
				return err
			}
			if tree, err = model.DecodeJSON(now); err != nil {
				return err
			}
		}
		values, _, err := t.Extract(tree)
		if err != nil {
			return err
		}
		for i, f := range t.Definition().Fields {
			if f.Name != r.Path {
				continue
			}
			for _, v := range model.Targets(values[i]) {
				id, _, ok := r.Ref.Target(v)
				if !ok {
					continue
				}
				gone, err := cl.isGone(ctx, states.Key{Type: r.Ref.Type, ID: id}, k, u)
				if err != nil {
					return err
				}
				if gone {
					cleared, _ := r.Clear(tree, id)
					tree = cleared
					next.Cleared = true
				}
			}
		}
	}
	if !next.Cleared {
		return nil
	}
	content := model.AppendCanonical(nil, tree)
	if next.put { // it is a new revision already
		next.Content = content
		next.Event.Revision.Hash, next.Event.Revision.Size = model.HashOf(content), len(content)
	} else {
		next.anew(t, content)
	}
	u.plan(t, *next)
	return nil
}

// references lists the fields of a type that do something when their target is
// deleted.
func referencesTo(t *model.Type, do model.OnDelete) (out []states.Referrer) {
	for _, f := range t.Definition().Fields {
		if ref, ok := t.Refs[f.Name]; ok && ref.OnDelete == do {
			out = append(out, states.Referrer{Type: t, Path: f.Name, Ref: ref})
		}
	}
	return out
}

// isGone reports whether the target of a reference is deleted or not there, as the
// unit leaves it.
func (cl *Claims) isGone(ctx context.Context, target, source states.Key, u *unit) (bool, error) {
	if own, ok := u.changes[target]; ok {
		return own.event.Meta.Deleted || own.event.Action == storage.Purged, nil
	}
	if target == source {
		return false, nil
	}
	s, err := cl.States.Head(ctx, target, false)
	if err == nil && !cl.o.Sole && !s.Fresh && (!s.Exists() || s.Event.Meta.Deleted) {
		s, err = cl.States.Head(ctx, target, true)
	}
	return err == nil && (!s.Exists() || s.Event.Meta.Deleted), err
}

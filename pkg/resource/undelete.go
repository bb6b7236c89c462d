package resource

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
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
func (m *Manager) Restore(ctx context.Context, typ, id string, match Match) (*Resource, error) {
	return m.RestoreAs(ctx, typ, id, RestoreOptions{IfMatch: match})
}

// RestoreAs is Restore at another revision, or with a change, for what cannot come
// back as it was: its reference or its unique value is gone. The one needs the right
// to switch too, the other that to update.
func (m *Manager) RestoreAs(ctx context.Context, typ, id string, o RestoreOptions) (*Resource, error) {
	t, err := m.parts.States.find(typ, id)
	if err != nil {
		return nil, err
	}
	p, err := m.parts.Writer.planRestore(t, id, o)
	if err != nil {
		return nil, err
	}
	return m.parts.Writer.run(ctx, t, id, p)
}

func (wr *Writer) planRestore(t *model.Type, id string, o RestoreOptions) (plan, error) {
	var apply func(old []byte) (any, error)
	var unfit error
	if o.Patch.Kind != 0 {
		if apply, unfit = o.Patch.compile(t); unfit != nil && fault.CodeOf(unfit) != fault.ValidationFailed {
			return plan{}, unfit
		}
	}
	return plan{action: "restore", make: func(ctx context.Context, w *mutation, s state) (step, error) {
		if !s.exists() {
			return step{}, live(t, id, s)
		}
		if err := o.IfMatch.check(t, s); err != nil {
			return step{}, err
		}
		if unfit != nil {
			return step{}, unfit
		}
		if !s.event.Meta.Deleted {
			if o.Revision != 0 || apply != nil {
				return step{}, fault.Errorf(fault.InvalidState, "%s %q is not deleted; a revision and a patch are for deleted resources", t.Name, id)
			}
			return step{}, nil
		}
		e := successor(s, storage.Restored)
		e.Meta.Deleted = false
		next, err := wr.unchanged(ctx, s, e)
		if err == nil && o.Revision != 0 && o.Revision != s.event.Revision.Number {
			next, err = wr.moved(ctx, e, o.Revision)
			next.also = []string{"switch"}
		}
		if err != nil || apply == nil {
			return next, err
		}
		next.also = append(next.also, "update")
		if err := w.limits.mayBeginFrom(ctx, t, next); err != nil {
			return step{}, err
		}
		return next, wr.amend(ctx, w, t, &next, o.Patch, apply)
	}}, nil
}

// moved makes an event one that moves HEAD to a revision.
func (wr *Writer) moved(ctx context.Context, e *storage.Event, number int) (step, error) {
	target, err := wr.States.wrote(ctx, key{e.Meta.Type, e.Meta.ID}, number)
	if err != nil {
		return step{}, err
	}
	content, err := wr.States.content(ctx, target)
	if err != nil {
		return step{}, err
	}
	e.Revision, e.Ref = target.Revision, target.Ref
	e.Meta.CurrentRevision, e.Meta.Status, e.Meta.SchemaVersion = target.Revision.ID, target.Revision.Status, target.Revision.SchemaVersion
	return step{event: e, content: content, from: number}, nil
}

// amend applies a patch to the content of a step, which becomes a new revision.
func (wr *Writer) amend(ctx context.Context, w *mutation, t *model.Type, next *step, p Patch, apply func([]byte) (any, error)) error {
	old, err := t.Current(next.content, next.event.Revision.SchemaVersion)
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
	content, err := wr.prepare(ctx, w, t, data)
	if err != nil {
		return err
	}
	next.anew(t, content)
	return nil
}

// letGo empties the references of a resource that comes back whose targets are
// gone and that are let go with them. It happens with the unit, so that what the
// unit brings back too counts as being there.
func (cl *Claims) letGo(ctx context.Context, t *model.Type, next *step, u *unit) error {
	if next.event.Action != storage.Restored {
		return nil
	}
	k := key{t.Name, next.event.Meta.ID}
	var tree any
	for _, r := range referencesTo(t, model.SetNull) {
		if tree == nil {
			now, err := t.Current(next.content, next.event.Revision.SchemaVersion)
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
			if f.Name != r.path {
				continue
			}
			for _, v := range model.Targets(values[i]) {
				id, _, ok := r.ref.Target(v)
				if !ok {
					continue
				}
				gone, err := cl.States.isGone(ctx, key{r.ref.Type, id}, k, u)
				if err != nil {
					return err
				}
				if gone {
					cleared, _ := r.clear(tree, id)
					tree = cleared
					next.cleared = true
				}
			}
		}
	}
	if !next.cleared {
		return nil
	}
	content := model.AppendCanonical(nil, tree)
	if next.put { // it is a new revision already
		next.content = content
		next.event.Revision.Hash, next.event.Revision.Size = model.HashOf(content), len(content)
	} else {
		next.anew(t, content)
	}
	u.plan(t, *next)
	return nil
}

// references lists the fields of a type that do something when their target is
// deleted.
func referencesTo(t *model.Type, do model.OnDelete) (out []referrer) {
	for _, f := range t.Definition().Fields {
		if ref, ok := t.Refs[f.Name]; ok && ref.OnDelete == do {
			out = append(out, referrer{t, f.Name, ref})
		}
	}
	return out
}

// isGone reports whether the target of a reference is deleted or not there, as the
// unit leaves it.
func (st *States) isGone(ctx context.Context, target, source key, u *unit) (bool, error) {
	if own, ok := u.changes[target]; ok {
		return own.event.Meta.Deleted || own.event.Action == storage.Purged, nil
	}
	if target == source {
		return false, nil
	}
	s, err := st.head(ctx, target, false)
	if err == nil && !st.o.Sole && !s.fresh && (!s.exists() || s.event.Meta.Deleted) {
		s, err = st.head(ctx, target, true)
	}
	return err == nil && (!s.exists() || s.event.Meta.Deleted), err
}

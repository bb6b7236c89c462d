package commit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// PatchKind is the format of a patch.
type PatchKind uint8

// The two formats: RFC 7396 and RFC 6902.
const (
	MergePatch PatchKind = iota + 1
	JSONPatch
)

// Patch is a change relative to the newest state.
type Patch struct {
	Kind PatchKind
	Body any // the decoded document
}

// Patch applies a patch to the newest state and writes the result as Update
// does. When another write comes first it is applied again to what that left.
func (wr *Writer) Patch(ctx context.Context, typ, id string, p Patch, o UpdateOptions) (*states.Resource, error) {
	return wr.PatchWith(ctx, typ, id, p, o, Request{})
}

// PatchWith is Patch for a request that asks for more than a client can.
func (wr *Writer) PatchWith(ctx context.Context, typ, id string, p Patch, o UpdateOptions, asks Request) (*states.Resource, error) {
	t, err := wr.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	next, err := wr.PlanPatch(t, id, p, o)
	if err != nil {
		return nil, err
	}
	next.Asks = asks
	return wr.Run(ctx, t, id, next)
}

// PlanPatch refuses a patch that no state could take; one that is of the wrong
// shape for a resource is told after the state, as invalid content is.
func (wr *Writer) PlanPatch(t *model.Type, id string, p Patch, o UpdateOptions) (Plan, error) {
	apply, unfit := p.Compile(t)
	if unfit != nil && fault.CodeOf(unfit) != fault.ValidationFailed {
		return Plan{}, unfit
	}
	return Plan{Action: o.right(), Make: func(ctx context.Context, w *Mutation, s states.State) (Step, error) {
		if err := states.RequireLive(t, id, s); err != nil {
			return Step{}, err
		}
		if err := o.IfMatch.Check(t, s); err != nil {
			return Step{}, err
		}
		if unfit != nil {
			return Step{}, unfit
		}
		old, err := wr.States.Shown(ctx, t, s.Event)
		if err != nil {
			return Step{}, err
		}
		if err := w.patches(ctx, t, p); err != nil {
			return Step{}, err
		}
		data, err := p.applied(w, t, apply, old)
		if err != nil {
			return Step{}, err
		}
		doc, err := wr.Prepare(ctx, w, t, data)
		if err != nil {
			return Step{}, err
		}
		next, err := wr.revise(t, s, doc.Content, o)
		return next.of(doc), err
	}}, nil
}

// applied is what the patch makes of content as it is shown to the actor. The nulls
// that remove what is not shown stay in it.
func (p Patch) applied(w *Mutation, t *model.Type, apply func([]byte) (any, error), content []byte) (any, error) {
	data, err := apply(w.limits.shown(t.Conceal(content)))
	if err == nil && p.Kind == MergePatch {
		t.KeepNulls(data, p.Body)
	}
	return data, err
}

// Compile checks the patch and returns what applies it to canonical content.
func (p Patch) Compile(t *model.Type) (func(old []byte) (any, error), error) {
	if p.Kind == MergePatch {
		patch, ok := p.Body.(map[string]any)
		if !ok {
			return nil, &fault.Error{Code: fault.ValidationFailed, Detail: "a merge patch for a resource is an object",
				Fields: []fault.FieldError{{Pointer: "", Detail: "must be an object"}}}
		}
		return func(old []byte) (any, error) {
			doc, err := model.DecodeJSON(old)
			if err != nil {
				return nil, fmt.Errorf("stored content: %w", err)
			}
			return t.WholeBinaries(jsonpatch.Merge(doc, patch), patch)
		}, nil
	}
	ops, ok := p.Body.([]any)
	if !ok {
		return nil, fault.Errorf(fault.InvalidRequest, "a JSON patch is an array of operations (RFC 6902)")
	}
	if len(ops) > model.MaxPatchOperations {
		return nil, fault.Errorf(fault.InvalidRequest, "a patch has at most %d operations", model.MaxPatchOperations)
	}
	patch, err := jsonpatch.Parse(ops)
	if err != nil {
		return nil, patchError(fault.InvalidRequest, "the patch cannot be read", err)
	}
	return func(old []byte) (any, error) {
		doc, err := model.DecodeJSON(old)
		if err != nil {
			return nil, fmt.Errorf("stored content: %w", err)
		}
		out, err := patch.Apply(doc, jsonpatch.Options{MaxCopied: model.MaxPatchCopied})
		if err != nil {
			// A failed test and a path that is not there both mean that the
			// document is not what the patch was made for.
			return nil, patchError(fault.Conflict, "the patch does not apply to the current state", err)
		}
		return out, nil
	}, nil
}

// patchError tells which operation of a patch is in the way, and where.
func patchError(code fault.Code, what string, err error) error {
	out := fault.Errorf(code, "%s: %w", what, err)
	var e *jsonpatch.Error
	if errors.As(err, &e) {
		out.Fields = []fault.FieldError{{Pointer: e.Pointer, Detail: e.Reason}}
	}
	return out
}

// Touches reports whether a patch may name a member of the document.
func (p Patch) Touches(name string) bool {
	if doc, merge := p.Body.(map[string]any); merge {
		_, named := doc[name]
		return named
	}
	ops, _ := p.Body.([]any)
	return slices.ContainsFunc(ops, func(op any) bool {
		doc, _ := op.(map[string]any)
		return slices.ContainsFunc([]string{"path", "from"}, func(member string) bool {
			at, said := doc[member].(string)
			return said && (at == "" || at == "/"+name || strings.HasPrefix(at, "/"+name+"/"))
		})
	})
}

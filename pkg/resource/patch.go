package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
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

// The caps of a patch, besides the size of its document.
const (
	maxPatchOperations = 1000
	maxPatchCopied     = MaxContent // bytes that "copy" operations may add
)

// Patch applies a patch to the newest state and writes the result as Update
// does. When another write comes first it is applied again to what that left.
func (m *Manager) Patch(ctx context.Context, typ, id string, p Patch, o UpdateOptions) (*Resource, error) {
	t, err := m.find(typ, id)
	if err != nil {
		return nil, err
	}
	next, err := m.planPatch(t, id, p, o)
	if err != nil {
		return nil, err
	}
	return m.run(ctx, t, id, next)
}

// planPatch refuses a patch that no state could take; one that is of the wrong
// shape for a resource is told after the state, as invalid content is.
func (m *Manager) planPatch(t *Type, id string, p Patch, o UpdateOptions) (plan, error) {
	apply, unfit := p.compile()
	if unfit != nil && CodeOf(unfit) != ValidationFailed {
		return plan{}, unfit
	}
	return plan{o.right(), func(ctx context.Context, s state) (step, error) {
		if err := live(t, id, s); err != nil {
			return step{}, err
		}
		if err := o.IfMatch.check(t, s); err != nil {
			return step{}, err
		}
		if unfit != nil {
			return step{}, unfit
		}
		old, err := m.contentNow(ctx, t, s.event)
		if err != nil {
			return step{}, err
		}
		ctx, err = limitsOf(ctx).patching(ctx, t, p)
		if err != nil {
			return step{}, err
		}
		data, err := apply(limitsOf(ctx).shown(t.conceal(old)))
		if err != nil {
			return step{}, err
		}
		content, err := m.prepare(ctx, t, data)
		if err != nil {
			return step{}, err
		}
		return m.revise(t, s, content, o)
	}}, nil
}

// compile checks the patch and returns what applies it to canonical content.
func (p Patch) compile() (func(old []byte) (any, error), error) {
	if p.Kind == MergePatch {
		patch, ok := p.Body.(map[string]any)
		if !ok {
			return nil, &Error{Code: ValidationFailed, Detail: "a merge patch for a resource is an object",
				Fields: []FieldError{{Pointer: "", Detail: "must be an object"}}}
		}
		return func(old []byte) (any, error) {
			doc, err := DecodeJSON(old)
			if err != nil {
				return nil, fmt.Errorf("stored content: %w", err)
			}
			return mergePatch(doc, patch), nil
		}, nil
	}
	ops, ok := p.Body.([]any)
	if !ok {
		return nil, Errorf(InvalidRequest, "a JSON patch is an array of operations (RFC 6902)")
	}
	if len(ops) > maxPatchOperations {
		return nil, Errorf(InvalidRequest, "a patch has at most %d operations", maxPatchOperations)
	}
	for i, op := range ops {
		if err := checkPatchOperation(op); err != nil {
			return nil, Errorf(InvalidRequest, "operation %d: %w", i, err)
		}
	}
	patch, err := jsonpatch.DecodePatch(AppendCanonical(nil, p.Body))
	if err != nil {
		return nil, Errorf(InvalidRequest, "the patch cannot be read: %v", err)
	}
	return func(old []byte) (any, error) { return applyJSONPatch(patch, old) }, nil
}

func checkPatchOperation(op any) error {
	o, ok := op.(map[string]any)
	if !ok {
		return fmt.Errorf("must be an object")
	}
	name, _ := o["op"].(string)
	need := []string{"path"}
	switch name {
	case "add", "replace", "test":
		if _, ok := o["value"]; !ok {
			return fmt.Errorf("%s needs a value", name)
		}
	case "move", "copy":
		need = append(need, "from")
	case "remove":
	default:
		return fmt.Errorf("op must be add, remove, replace, move, copy or test")
	}
	for _, n := range need {
		if s, ok := o[n].(string); !ok || s != "" && !strings.HasPrefix(s, "/") {
			return fmt.Errorf("%s must be a JSON pointer", n)
		}
	}
	return nil
}

func applyJSONPatch(patch jsonpatch.Patch, old []byte) (any, error) {
	o := jsonpatch.NewApplyOptions()
	o.AccumulatedCopySizeLimit = maxPatchCopied
	o.SupportNegativeIndices = false
	out, err := patch.ApplyWithOptions(old, o)
	if err != nil {
		// A failed test and a path that is not there both mean that the
		// document is not what the patch was made for.
		return nil, Errorf(Conflict, "the patch does not apply to the current state: %s", oneLine(err))
	}
	if !json.Valid(out) {
		return nil, Errorf(Conflict, "the patch does not give a JSON document")
	}
	return DecodeJSON(out)
}

func oneLine(err error) string {
	s := strings.Join(strings.Fields(err.Error()), " ")
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.ToValidUTF8(s, "?")
}

// mergePatch is RFC 7396 on decoded documents; neither operand is changed.
func mergePatch(doc any, patch map[string]any) any {
	old, _ := doc.(map[string]any)
	out := make(map[string]any, len(old)+len(patch))
	for k, v := range old {
		out[k] = v
	}
	for k, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(out, k)
		case map[string]any:
			out[k] = mergePatch(out[k], v)
		default:
			out[k] = v
		}
	}
	return out
}

package commit

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// censor takes out of an error what its reader may not know.
func (l *limits) censor(err error) error {
	var e *fault.Error
	if l == nil || !errors.As(err, &e) || len(e.Fields) == 0 || e.Code == fault.PermissionDenied {
		return err
	}
	hide := l.protected()
	hidden := false
	fields := make([]fault.FieldError, 0, len(e.Fields))
	for _, f := range e.Fields {
		if path := strings.ReplaceAll(strings.Trim(f.Pointer, "/"), "/", "."); path != "" && policy.Under(states.WithoutIndexes(path), hide) {
			hidden = true
			continue
		}
		fields = append(fields, f)
	}
	if !hidden {
		return err
	}
	return &fault.Error{Code: e.Code, Detail: "a part that you may not see does not fit", Fields: append(fields, fault.FieldError{Pointer: "", Detail: "a part that you may not see does not fit"})}
}

// Censored is censor for what is found out when a write is committed.
func Censored(ctx context.Context, gd *states.Guard, t *model.Type, err error) error {
	x := gd.AccessTo(ctx, t)
	if x == nil {
		return err
	}
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	l := &limits{access: x, action: "read"}
	for _, path := range strings.Split(e.Field, ",") {
		if e.Field != "" && policy.Touches(path, l.protected()) {
			return &fault.Error{Code: e.Code, Detail: "a part that you may not see is in the way"}
		}
	}
	return l.censor(err)
}

// protected are the fields that the writer may not see.
func (l *limits) protected() []string {
	if l.before == nil {
		return l.access.EverHidden(l.action)
	}
	return outermost(append(slices.Clone(l.access.Hidden("read", l.before)), l.access.Hidden(l.action, l.before)...))
}

// outermost leaves each path once, and none inside another.
func outermost(paths []string) []string {
	slices.Sort(paths)
	paths = slices.Compact(paths)
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool {
		return slices.ContainsFunc(paths, func(q string) bool { return q != p && policy.Under(p, []string{q}) })
	})
}

// shown is content as its writer sees it, which is what a patch applies to.
func (l *limits) shown(content []byte) []byte {
	if l == nil || l.before == nil {
		return content
	}
	return states.Redact(content, l.protected())
}

// patches makes the write one of the outcome of a patch. A merge patch that names a
// hidden field is refused, also when it would remove one that has no value: whether
// it has one must not show.
func (w *Mutation) patches(ctx context.Context, t *model.Type, p Patch) error {
	w.patch = true
	if w.limits == nil || p.Kind != MergePatch {
		return nil
	}
	for _, path := range w.limits.protected() {
		if len(model.Collect(p.Body, model.SplitPath(path))) > 0 {
			return w.limits.refuse(ctx, t, path, notToWrite)
		}
	}
	return nil
}

// merge completes a document with what its writer may not see or write, and
// refuses one that changes it.
func (w *Mutation) merge(ctx context.Context, t *model.Type, data any) (any, error) {
	l := w.limits
	doc, ok := data.(map[string]any)
	if l == nil || !ok {
		return data, nil
	}
	if l.before == nil {
		row := states.NewView(t, &storage.Event{Meta: storage.Meta{Type: t.Name, CreatedBy: l.actor.Principal, UpdatedBy: l.actor.Principal}}, l.defaulted(t, data))
		for _, path := range append(slices.Clone(l.access.Hidden(l.action, row)), l.access.Readonly(l.action, row)...) {
			if len(model.Collect(doc, model.SplitPath(path))) > 0 {
				return nil, l.refuse(ctx, t, path, notToWrite)
			}
		}
		return data, nil
	}
	tree, err := model.DecodeJSON(l.before.Content)
	if err != nil {
		return nil, err
	}
	old, _ := tree.(map[string]any)
	for _, path := range l.protected() {
		if !(keeping{seen: false, patch: w.patch}).keep(doc, old, model.SplitPath(path)) {
			return nil, l.refuse(ctx, t, path, notToWrite)
		}
	}
	for _, path := range slices.DeleteFunc(outermost(slices.Clone(l.access.Readonly(l.action, l.before))), func(p string) bool { return policy.Touches(p, l.protected()) }) {
		if !(keeping{seen: true, patch: w.patch && !t.NeverShown(model.SplitPath(path))}).keep(doc, old, model.SplitPath(path)) {
			return nil, l.refuse(ctx, t, path, notToChange)
		}
	}
	return doc, nil
}

// defaulted is the content that a new document will have.
func (l *limits) defaulted(t *model.Type, data any) []byte {
	content := model.AppendCanonical(nil, data)
	copied, err := model.DecodeJSON(content)
	if err != nil {
		return content
	}
	return model.AppendCanonical(nil, t.Defaults(copied))
}

// Why a field is refused.
const (
	notToWrite  = "is not yours to write"
	notToChange = "is not yours to change"
)

// refuse is the error of a write to a field; it tells the field and no value.
func (l *limits) refuse(ctx context.Context, t *model.Type, path, why string) error {
	refused := policy.Denied(ctx, t, "", l.action, policy.Decision{Why: "the field " + path + " " + why})
	var err *fault.Error
	if !errors.As(refused, &err) {
		return refused
	}
	err.Fields = []fault.FieldError{{Pointer: "/" + strings.ReplaceAll(path, ".", "/"), Detail: why}}
	return err
}

// keeping says how a document is completed with what it may not change.
type keeping struct {
	seen  bool // the writer sees the field and may repeat it
	patch bool // what is missing was removed by a patch, not left out
}

// keep makes a field of doc what it is in old. Where doc already says something
// it must be the same, and may only be there at all when the writer sees it.
// What the answer is does not depend on whether an object holds a field that the
// writer does not see.
func (k keeping) keep(doc, old map[string]any, names []string) bool {
	name := names[0]
	was, had := old[name]
	is, has := doc[name]
	if len(names) == 1 {
		if has {
			return k.seen && had && model.EqualJSON(was, is)
		}
		if had && k.seen && k.patch {
			return false
		}
		if had {
			doc[name] = was
		}
		return true
	}
	switch was := was.(type) {
	case map[string]any:
		sub, ok := is.(map[string]any)
		if !ok {
			if k.seen && len(model.Collect(was, names[1:])) == 0 {
				return true
			}
			if has || k.patch {
				return false
			}
			sub = map[string]any{} // its other parts go, what is kept stays
		}
		doc[name] = sub
		return k.keep(sub, was, names[1:])
	case []any:
		// Which element of a list was which cannot be told: it stays as it is.
		if _, ok := is.([]any); has && !ok && !k.seen {
			return false
		}
		if len(model.Collect(was, names[1:])) == 0 {
			return len(model.Collect(is, names[1:])) == 0
		}
		shown := any(was)
		if !k.seen {
			shown = states.Without(was, names[1:])
		}
		if has && model.EqualJSON(shown, is) {
			doc[name] = was
			return true
		}
		return false
	}
	return len(model.Collect(is, names[1:])) == 0
}

package commit

import (
	"context"
	"errors"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// fit checks a document against the model: its binaries, its schema, and what the
// index can hold, which it returns.
func (wr *Writer) fit(ctx context.Context, w *Mutation, t *model.Type, data any) (p model.Projection, err error) {
	for _, check := range []func(any) error{
		func(data any) error { return wr.settle(ctx, w, t, data) },
		model.CheckSize,
		t.Validate,
	} {
		if err := check(data); err != nil && !wr.mayStay(ctx, w, t, check, data, err) {
			return p, err
		}
	}
	p.Values, p.Text, p.Unfit = t.Project(data)
	extract := func(data any) error { _, _, err := t.Extract(data); return err }
	if err := p.Fits(); err != nil && !wr.mayStay(ctx, w, t, extract, data, err) {
		return p, err
	}
	return p, nil
}

// mayStay reports whether everything that a check refuses was there before, and
// refused then.
func (wr *Writer) mayStay(ctx context.Context, w *Mutation, t *model.Type, check func(any) error, data any, err error) bool {
	before := w.before
	var refused *fault.Error
	if before == nil || t.Secret != "" || !errors.As(err, &refused) || refused.Code != fault.ValidationFailed ||
		len(refused.Fields) == 0 || len(refused.Fields) >= model.MaxFieldErrors {
		return false
	}
	content, err := wr.States.ContentNow(ctx, t, before)
	if err != nil {
		return false
	}
	old, err := model.DecodeJSON(content)
	if err != nil {
		return false
	}
	old = t.Defaults(old)
	var was *fault.Error
	if !errors.As(check(old), &was) || len(was.Fields) >= model.MaxFieldErrors {
		return false
	}
	for _, f := range refused.Fields {
		if !slices.Contains(was.Fields, f) || !sameAt(data, old, f.Pointer) {
			return false
		}
	}
	return true
}

// sameAt reports whether two documents have the same at a place, or both nothing.
func sameAt(a, b any, pointer string) bool {
	p, err := jsonpatch.ParsePointer(pointer)
	if err != nil {
		return false
	}
	x, inA := p.Find(a)
	y, inB := p.Find(b)
	return inA == inB && jsonpatch.Equal(x, y)
}

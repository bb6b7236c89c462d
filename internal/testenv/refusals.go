package testenv

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// WantField wants a refusal that names a place; no detail: none.
func WantField(t testing.TB, err error, pointer, detail string) {
	t.Helper()
	var e *fault.Error
	if detail == "" {
		if err != nil {
			t.Fatalf("%v", err)
		}
		return
	}
	if !errors.As(err, &e) || e.Code != fault.ValidationFailed {
		t.Fatalf("got %v, want %s %s", err, pointer, detail)
	}
	if !slices.ContainsFunc(e.Fields, func(f fault.FieldError) bool { return f.Pointer == pointer && strings.Contains(f.Detail, detail) }) {
		t.Fatalf("got %+v, want %s %s", e.Fields, pointer, detail)
	}
}

package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

func TestErrorfKeepsItsCause(t *testing.T) {
	err := fault.Errorf(fault.Unavailable, "the log: %w", io.ErrUnexpectedEOF)
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Detail != "the log: unexpected EOF" {
		t.Errorf("%#v", err)
	}
}

func TestCodeOfFindsTheCodeOfAWrappedError(t *testing.T) {
	err := fmt.Errorf("reading: %w", fault.Errorf(fault.NotFound, "there is no movie"))
	if code := fault.CodeOf(err); code != fault.NotFound {
		t.Errorf("code %q", code)
	}
	if code := fault.CodeOf(io.EOF); code != "" {
		t.Errorf("an error without a code has %q", code)
	}
}

func TestErrorTellsPlacesAndCause(t *testing.T) {
	err := &fault.Error{Code: fault.ValidationFailed, Detail: "does not fit", Fields: []fault.FieldError{{Pointer: "/year", Detail: "is no number"}}, Cause: io.EOF}
	if want := "validation_failed: does not fit; /year: is no number (EOF)"; err.Error() != want {
		t.Errorf("%q, not %q", err.Error(), want)
	}
}

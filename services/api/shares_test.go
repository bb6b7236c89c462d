package api

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// Places are counted to the last one, of all, of an address and of a principal, and
// what is given back can be taken again.
func TestPlacesAreCountedExactly(t *testing.T) {
	x := newRoom(10, 4, 3)
	code := func(err error) fault.Code { return fault.CodeOf(err) }
	for i := range 4 {
		if err := x.enter("a"); err != nil {
			t.Fatalf("place %d of 4: %v", i+1, err)
		}
	}
	if got := code(x.enter("a")); got != fault.RateLimited {
		t.Errorf("a fifth place of an address: %q", got)
	}
	for _, address := range []string{"b", "b", "b", "b", "c", "c"} {
		if err := x.enter(address); err != nil {
			t.Fatal(err)
		}
	}
	if got := code(x.enter("d")); got != fault.Unavailable {
		t.Errorf("an eleventh place: %q", got)
	}
	for i := range 3 {
		if err := x.known("ann"); err != nil {
			t.Fatalf("place %d of 3: %v", i+1, err)
		}
	}
	if got := code(x.known("ann")); got != fault.RateLimited {
		t.Errorf("a fourth place of a principal: %q", got)
	}
	if err := x.known("bob"); err != nil {
		t.Errorf("another principal: %v", err)
	}
	if err := x.known(""); err != nil {
		t.Errorf("nobody: %v", err)
	}
	x.leave("a", "ann")
	if err := x.known("ann"); err != nil {
		t.Errorf("after one is given back: %v", err)
	}
	if err := x.enter("d"); err != nil {
		t.Errorf("after one is given back: %v", err)
	}
	for _, address := range []string{"a", "a", "a", "b", "b", "b", "b", "c", "c", "d"} {
		x.leave(address, "")
	}
	if len(x.slots) != 0 || len(x.ofAddress.of) != 0 {
		t.Errorf("%d places are left, of %v", len(x.slots), x.ofAddress.of)
	}
	any := newRoom(10, -1, -1)
	for range 10 {
		if any.enter("a") != nil || any.known("ann") != nil {
			t.Fatal("no limit limits")
		}
	}
}

// A request that the server was too busy for in its time may be sent again; that is no
// defect.
func TestARequestOutOfTimeMayBeSentAgain(t *testing.T) {
	p := asProblem(fmt.Errorf("waiting for its turn: %w", context.DeadlineExceeded))
	if p.Status != http.StatusServiceUnavailable || p.Code != fault.Unavailable || p.Detail == "" {
		t.Errorf("it is answered %+v", p)
	}
	if p := asProblem(fmt.Errorf("a defect")); p.Status != http.StatusInternalServerError {
		t.Errorf("a defect is answered %+v", p)
	}
}

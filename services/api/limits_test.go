package api

import (
	"fmt"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// However many ask, a limiter remembers so many, and forgets who asked longest ago.
func TestALimiterRemembersSoManyAtMost(t *testing.T) {
	l := newLimiter(2)
	now := time.Now()
	for i := range maxLimited + 10_000 {
		if i%1000 == 0 { // who goes on asking is not forgotten, and stays refused
			wait := l.take("busy", now)
			if i > 1000 && wait == 0 {
				t.Fatalf("after %d others the limit of one is forgotten", i)
			}
		}
		l.take(fmt.Sprint(i), now)
	}
	if len(l.known) > maxLimited || l.order.Len() != len(l.known) {
		t.Errorf("%d are remembered in %d", l.order.Len(), len(l.known))
	}
}

func TestALimitIsOfTheTimeThatPassed(t *testing.T) {
	l := newLimiter(10)
	now := time.Now()
	for i := range 10 {
		if l.take("a", now) != 0 {
			t.Fatalf("request %d of 10 at once is refused", i+1)
		}
	}
	for range 100 { // what is refused costs nothing
		if wait := l.take("a", now); wait <= 0 || wait > 100*time.Millisecond {
			t.Fatalf("the wait is %s", wait)
		}
	}
	if l.take("b", now) != 0 {
		t.Error("another one is refused")
	}
	if wait := l.take("a", now.Add(101*time.Millisecond)); wait != 0 {
		t.Errorf("after its wait it is told %s", wait)
	}
	if l.take("a", now.Add(102*time.Millisecond)) == 0 {
		t.Error("two are answered after the wait for one")
	}
	var none *limiter
	if none.take("a", now) != 0 || newLimiter(0) != nil {
		t.Error("no limit limits")
	}
}

func TestAnIPv6CustomerIsOneAddress(t *testing.T) {
	for in, want := range map[string]string{"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::1": "2001:db8:1:2::/64", "192.0.2.1": "192.0.2.1", "": ""} {
		if got := addressKey(in); got != want {
			t.Errorf("%q counts as %q", in, got)
		}
	}
}

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

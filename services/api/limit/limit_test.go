package limit

import (
	"fmt"
	"testing"
	"time"
)

// However many ask, a limiter remembers so many, and forgets who asked longest ago.
func TestALimiterRemembersSoManyAtMost(t *testing.T) {
	l := New(2)
	now := time.Now()
	for i := range maxLimited + 10_000 {
		if i%1000 == 0 { // who goes on asking is not forgotten, and stays refused
			wait := l.Take("busy", now)
			if i > 1000 && wait == 0 {
				t.Fatalf("after %d others the limit of one is forgotten", i)
			}
		}
		l.Take(fmt.Sprint(i), now)
	}
	if len(l.known) > maxLimited || l.order.Len() != len(l.known) {
		t.Errorf("%d are remembered in %d", l.order.Len(), len(l.known))
	}
}

func TestALimitIsOfTheTimeThatPassed(t *testing.T) {
	l := New(10)
	now := time.Now()
	for i := range 10 {
		if l.Take("a", now) != 0 {
			t.Fatalf("request %d of 10 at once is refused", i+1)
		}
	}
	for range 100 { // what is refused costs nothing
		if wait := l.Take("a", now); wait <= 0 || wait > 100*time.Millisecond {
			t.Fatalf("the wait is %s", wait)
		}
	}
	if l.Take("b", now) != 0 {
		t.Error("another one is refused")
	}
	if wait := l.Take("a", now.Add(101*time.Millisecond)); wait != 0 {
		t.Errorf("after its wait it is told %s", wait)
	}
	if l.Take("a", now.Add(102*time.Millisecond)) == 0 {
		t.Error("two are answered after the wait for one")
	}
	var none *Limiter
	if none.Take("a", now) != 0 || New(0) != nil {
		t.Error("no limit limits")
	}
}

func TestAnIPv6CustomerIsOneAddress(t *testing.T) {
	for in, want := range map[string]string{"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::1": "2001:db8:1:2::/64", "192.0.2.1": "192.0.2.1", "": ""} {
		if got := AddressKey(in); got != want {
			t.Errorf("%q counts as %q", in, got)
		}
	}
}

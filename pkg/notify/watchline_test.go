package notify_test

import (
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/notify"
)

func TestManyWatchesAreWokenInTurns(t *testing.T) {
	for _, watches := range []int{1, notify.AtOnce, 100, 1000, 10_000} {
		width := max(notify.AtOnce, watches/notify.MaxTurns)
		x := notify.NewTurns(watches)
		x.Call()
		woken, turns := 0, 0
		for more := true; more; turns++ {
			at := time.Duration(turns) * notify.Turn
			var n int
			if n, more = x.Advance(at); n > width {
				t.Fatalf("%d of %d watches were woken at a time, more than %d", n, watches, width)
			}
			if again, _ := x.Advance(at); again > 0 && n == width {
				t.Fatalf("%d of %d watches were woken in a turn that was over", again, watches)
			}
			woken += n
		}
		if woken != watches || turns > notify.MaxTurns+1 {
			t.Errorf("%d of %d watches were woken in %d turns", woken, watches, turns)
		}
	}
}

// What happens while a round goes on, and a while after it, is told together.
func TestARoundOfWatchesIsFollowedByOneForAllThatHappenedMeanwhile(t *testing.T) {
	x := notify.NewTurns(100)
	for i := range int(notify.Rest / notify.Turn) {
		x.Call()
		x.Advance(time.Duration(i) * notify.Turn)
	}
	if woken, left := x.Advance(notify.Rest - 1); woken != 0 || !left || x.Missing() != 100 {
		t.Errorf("within the rest %d watches are woken, others are left: %t, %d do not know all", woken, left, x.Missing())
	}
	woken, left := 0, true
	for i := 0; left; i++ {
		var n int
		n, left = x.Advance(notify.Rest + time.Duration(i)*notify.Turn)
		woken += n
	}
	if woken != 100 || x.Missing() != 0 {
		t.Errorf("100 watches were woken %d times after the rest, and %d do not know all", woken, x.Missing())
	}
}

func TestAFewWatchesAreWokenAtOnceHoweverMuchHappens(t *testing.T) {
	x := notify.NewTurns(1)
	for i := range notify.AtOnce {
		x.Call()
		if n, more := x.Advance(0); n != 1 || more {
			t.Fatalf("event %d within a turn: %d woken, more: %t", i, n, more)
		}
	}
}

func TestAWatchThatLeavesIsNotWaitedFor(t *testing.T) {
	x := notify.NewTurns(notify.AtOnce + 1)
	x.Call()
	for i := range notify.AtOnce + 1 {
		x.Leave(i)
	}
	if n, more := x.Advance(0); n != 0 || more {
		t.Errorf("%d woken, more: %t", n, more)
	}
}

package restart_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autocrud-go/autocrud/internal/restart"
)

var errBroken = errors.New("broken")

// In a bubble of synctest time passes only while everything waits, so each
// moment below is exact and takes no time.
func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// starts runs a loop until its task was called n times, and says when each call
// began.
func starts(t *testing.T, l restart.Loop, n int, task func(call int) error) (at []time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := time.Now()
	l.Run(ctx, func(context.Context) error {
		at = append(at, time.Since(begun))
		if len(at) == n {
			cancel()
		}
		return task(len(at))
	})
	return at
}

func TestLoop(t *testing.T) {
	const ms = time.Millisecond
	fail := func(int) error { return errBroken }
	bubble(t, "ThePauseDoublesUpToTheLongest", func(t *testing.T) {
		at := starts(t, restart.Loop{First: 100 * ms, Longest: 300 * ms}, 5, fail)
		if want := []time.Duration{0, 100 * ms, 300 * ms, 600 * ms, 900 * ms}; !slices.Equal(at, want) {
			t.Errorf("called at %v, want %v", at, want)
		}
	})
	bubble(t, "TheZeroValuePausesFrom50MillisecondsTo2Seconds", func(t *testing.T) {
		at := starts(t, restart.Loop{}, 9, fail)
		if at[1] != 50*ms || at[8]-at[7] != 2*time.Second {
			t.Errorf("called at %v", at)
		}
	})
	bubble(t, "ACallThatLastedLongIsFollowedByAShortPause", func(t *testing.T) {
		at := starts(t, restart.Loop{First: 100 * ms, Longest: time.Second}, 5, func(call int) error {
			if call == 4 {
				<-time.After(time.Minute)
			}
			return errBroken
		})
		if at[3]-at[2] != 400*ms || at[4]-at[3] != time.Minute+100*ms {
			t.Errorf("called at %v", at)
		}
	})
	bubble(t, "EachFailureIsToldWithThePauseThatFollows", func(t *testing.T) {
		var told []time.Duration
		l := restart.Loop{First: 100 * ms, Longest: time.Second, Failed: func(err error, pause time.Duration) {
			if !errors.Is(err, errBroken) {
				t.Errorf("told of %v", err)
			}
			told = append(told, pause)
		}}
		starts(t, l, 3, fail)
		if want := []time.Duration{100 * ms, 200 * ms}; !slices.Equal(told, want) {
			t.Errorf("told of pauses %v, want %v: the last call ended with the context", told, want)
		}
	})
	bubble(t, "ATaskThatEndsWithoutErrorIsCalledAgainAndNotTold", func(t *testing.T) {
		l := restart.Loop{First: 100 * ms, Failed: func(err error, _ time.Duration) { t.Errorf("told of %v", err) }}
		if at := starts(t, l, 3, func(int) error { return nil }); at[1] != 100*ms {
			t.Errorf("called at %v", at)
		}
	})
	bubble(t, "ItEndsWithTheContextDuringAPause", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		restart.Loop{First: time.Hour, Longest: time.Hour}.Run(ctx, func(context.Context) error { return errBroken })
		if d := time.Since(begun); d != time.Second {
			t.Errorf("it ended after %v", d)
		}
	})
	bubble(t, "AContextThatHasEndedCallsNothing", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		restart.Loop{}.Run(ctx, func(context.Context) error { t.Error("called"); return nil })
	})
	bubble(t, "ItEndsWhenThereIsNoMoreNeed", func(t *testing.T) {
		calls := 0
		restart.Loop{While: func() bool { return calls < 3 }}.Run(t.Context(), func(context.Context) error { calls++; return errBroken })
		if calls != 3 {
			t.Errorf("called %d times", calls)
		}
	})
}

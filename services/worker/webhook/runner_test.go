package webhook

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

func TestRetryAfterIsSecondsOrATime(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for text, want := range map[string]time.Duration{"": 0, "0": 0, "120": 2 * time.Minute, "-1": 0, "x": 0, "99999999999999999999": 0,
		"Mon, 04 May 2026 03:02:31 GMT": 30 * time.Second, "Mon, 04 May 2026 03:02:00 GMT": 0} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// TestAnAddressThatOnlyFailsIsSpared follows one runner through what its address
// answers.
func TestAnAddressThatOnlyFailsIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runner{d: New(nil, nil, nil, nil, Options{})}
		bad, good := outcome{err: errors.New("nobody there")}, outcome{status: 200}
		spared := func() (time.Duration, bool) {
			begun := time.Now()
			alone, err := r.spare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return time.Since(begun), alone
		}
		if d, alone := spared(); d != 0 || alone {
			t.Errorf("a new one waits %s, %v", d, alone)
		}
		for range 50 { // a burst of failures says nothing yet
			r.judge(bad, storage.Delivery{})
		}
		if d, alone := spared(); d != 0 || alone {
			t.Errorf("after a burst it waits %s, %v", d, alone)
		}
		time.Sleep(time.Minute)
		for range 5 {
			r.judge(bad, storage.Delivery{})
			if d, alone := spared(); d != time.Second || !alone {
				t.Errorf("after a minute it waits %s, %v", d, alone)
			}
		}
		r.judge(bad, storage.Delivery{})
		time.AfterFunc(250*time.Millisecond, func() { r.judge(good, storage.Delivery{}) })
		if d, alone := spared(); d != 300*time.Millisecond || alone {
			t.Errorf("a success ends the wait after %s, %v", d, alone)
		}
		r.judge(bad, storage.Delivery{})
		if d, alone := spared(); d != 0 || alone {
			t.Errorf("after a success it waits %s, %v", d, alone)
		}
	})
}

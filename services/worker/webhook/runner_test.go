package webhook

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

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

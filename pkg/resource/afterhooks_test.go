package resource_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestAFailedAfterHookRunsAgain has hooks that fail, panic, or never run because
// the process ended, and one that is well and must run once.
func TestAFailedAfterHookRunsAgain(t *testing.T) {
	dir, types := t.TempDir(), testenv.Types(t, notes)
	var mu sync.Mutex
	var ran []string
	hooks := resource.NewHooks()
	fails := map[string]int{"fails": 1, "panics": 1}
	hooks.After("notes", storage.Updated, func(_ context.Context, c resource.Change) error {
		mu.Lock()
		defer mu.Unlock()
		ran = append(ran, fmt.Sprint(c.ID, " ", string(c.Old), string(c.New), " ", c.Actor.Principal))
		if fails[c.ID]--; fails[c.ID] >= 0 {
			if c.ID == "panics" {
				panic("oh")
			}
			return errors.New("not now")
		}
		return nil
	})
	counted := func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		out := map[string]int{}
		for _, x := range ran {
			if !strings.HasPrefix(x, "probe") {
				out[x]++
			}
		}
		return out
	}
	var follow func(s *testenv.Stack) (stop func())
	open := func(apart bool) *testenv.Stack {
		s := testenv.Open(t, dir, types, testenv.StackOptions{Manager: func(o *resource.Options) { o.Hooks, o.HooksApart = hooks, apart }})
		follow = func(s *testenv.Stack) func() {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = s.Manager.AfterHooks.RunAfterHooks(ctx, s.Events) // it ends with its context only
			}()
			return func() { cancel(); <-done }
		}
		return s
	}
	write := func(s *testenv.Stack, id string) {
		t.Helper()
		ctx := policy.WithActor(t.Context(), policy.Actor{Principal: "ann"})
		if _, err := s.Manager.Create(ctx, "notes", map[string]any{"text": "a"}, resource.CreateOptions{ID: id}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Manager.Update(ctx, "notes", id, map[string]any{"text": "b"}, resource.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(all map[string]int) {
		t.Helper()
		expected := map[string]int{}
		for id, n := range all {
			expected[id+` {"text":"a"}{"text":"b"} ann`] = n
		}
		deadline := time.Now().Add(20 * time.Second)
		for !reflect.DeepEqual(counted(), expected) {
			if time.Now().After(deadline) {
				t.Fatalf("ran %v, want %v", counted(), expected)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	s := open(false)
	stop := follow(s)
	// Until the stream is followed, a failure is only logged: one is tried until it is
	// told a second time.
	again := func(id string) bool {
		mu.Lock()
		defer mu.Unlock()
		n := 0
		for _, x := range ran {
			if strings.HasPrefix(x, id+" ") {
				n++
			}
		}
		return n > 1
	}
	followed := false
	for probe := 0; probe < 20 && !followed; probe++ {
		id := fmt.Sprint("probe", probe)
		mu.Lock()
		fails[id] = 1
		mu.Unlock()
		write(s, id)
		for deadline := time.Now().Add(time.Second); !followed && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			followed = again(id)
		}
	}
	if !followed {
		t.Fatal("a hook that failed never runs again")
	}
	write(s, "warm")
	want(map[string]int{"warm": 1})
	for _, id := range []string{"well", "fails", "panics"} {
		write(s, id)
	}
	want(map[string]int{"warm": 1, "well": 1, "fails": 2, "panics": 2})
	stop()
	s.Stop()
	s = open(true) // as a process that dies before its hooks run
	write(s, "died")
	want(map[string]int{"warm": 1, "well": 1, "fails": 2, "panics": 2})
	defer follow(s)()
	want(map[string]int{"warm": 1, "well": 1, "fails": 2, "panics": 2, "died": 1})
	mu.Lock()
	for i := range 40 {
		fails[fmt.Sprint("bad", i)] = 1 << 30
	}
	mu.Unlock()
	for i := range 40 {
		write(s, fmt.Sprint("bad", i))
	}
	write(s, "last") // is not held up by those that wait for another try
	deadline := time.Now().Add(20 * time.Second)
	for counted()[`last {"text":"a"}{"text":"b"} ann`] != 1 {
		if time.Now().After(deadline) {
			t.Fatalf("ran %v", counted())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

package worker

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/disk"
)

// TestMain is also the processes of the tests of groups: a worker, the command that
// it runs, and the child which the command starts. The child holds a lock, so that
// the test can see on every platform whether it lives.
func TestMain(m *testing.M) {
	switch os.Getenv("GROUP_TEST") {
	case "":
		os.Exit(m.Run())
	case "worker": // until it is killed
		_ = runGroup(groupProcess(context.Background(), "patient", os.Getenv("GROUP_TEST_LOCK")))
	case "patient", "hasty":
		child := groupProcess(context.Background(), "child", os.Getenv("GROUP_TEST_LOCK"))
		if child.Start() == nil && os.Getenv("GROUP_TEST") == "patient" {
			_ = child.Wait()
		}
		for os.Getenv("GROUP_TEST") == "hasty" && !held(os.Getenv("GROUP_TEST_LOCK")) {
			time.Sleep(time.Millisecond) // it leaves when its child has the lock
		}
	case "child":
		f, err := os.OpenFile(os.Getenv("GROUP_TEST_LOCK"), os.O_RDWR, 0)
		if err != nil {
			os.Exit(1)
		}
		for disk.Lock(f) != nil {
			time.Sleep(time.Millisecond) // a look at it takes it for a moment
		}
		time.Sleep(time.Hour)
	}
}

func groupProcess(ctx context.Context, what, lock string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "GROUP_TEST="+what, "GROUP_TEST_LOCK="+lock)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

func held(lock string) bool {
	f, err := os.OpenFile(lock, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(disk.Lock(f), disk.ErrLocked)
}

func newLock(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// goes waits until no process holds the lock.
func goes(t *testing.T, lock string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); held(lock); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the command's child is still there")
		}
	}
}

func TestACommandsChildrenEndWithIt(t *testing.T) {
	lock := newLock(t)
	cmd := groupProcess(t.Context(), "hasty", lock)
	cmd.WaitDelay = time.Second
	if err := runGroup(cmd); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatal(err)
	}
	goes(t, lock)
}

func TestACommandsChildrenEndWhenItIsCancelled(t *testing.T) {
	lock := newLock(t)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := groupProcess(ctx, "patient", lock)
	cmd.Cancel = func() error { return interrupt(cmd) }
	cmd.WaitDelay = time.Second
	done := make(chan error, 1)
	go func() { done <- runGroup(cmd) }()
	comes(t, lock)
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("it ended well")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	goes(t, lock)
}

// comes waits until the child holds the lock.
func comes(t *testing.T, lock string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !held(lock); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the command's child does not come")
		}
	}
}

func TestACommandEndsWithTheWorkerThatIsKilled(t *testing.T) {
	lock := newLock(t)
	w := groupProcess(t.Context(), "worker", lock)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	comes(t, lock)
	if err := w.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = w.Wait() // killed
	goes(t, lock)
}

package disk_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/autocrud-go/autocrud/internal/disk"
)

// TestMain is also the second process of TestALockKeepsOtherProcessesOut.
func TestMain(m *testing.M) {
	name := os.Getenv("DISK_TEST_LOCK")
	if name == "" {
		os.Exit(m.Run())
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err == nil {
		err = disk.Lock(f)
	}
	fmt.Print(errors.Is(err, disk.ErrLocked), " ", err == nil)
}

func TestALockKeepsOtherProcessesOut(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Lock(f); err != nil {
		t.Fatal(err)
	}
	other := func() string {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "DISK_TEST_LOCK="+name)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if got := other(); got != "true false" {
		t.Errorf("while it is held: locked, taken = %s", got)
	}
	f.Close()
	if got := other(); got != "false true" {
		t.Errorf("after it was closed: locked, taken = %s", got)
	}
}

// TestAFileIsSyncedWhileItIsUsed syncs what another handle writes and removes.
func TestAFileIsSyncedWhileItIsUsed(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "block")
	w, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	f, err := disk.OpenForSync(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for what, err := range map[string]error{"the writer's": disk.Sync(w), "the other": disk.Sync(f), "by name": disk.SyncFile(name), "the folder": disk.SyncFolder(dir)} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.Close()
	if err := os.Remove(name); err != nil {
		t.Errorf("it cannot be removed while it is open: %v", err)
	}
	f.Close()
	if err := errors.Join(disk.SyncFile(name), disk.SyncFolder(filepath.Join(dir, "gone"))); err != nil {
		t.Errorf("what is gone: %v", err)
	}
}

func TestReplaceRenamesOverAFile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"old", "new"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := disk.Replace(filepath.Join(dir, "new"), filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "old")); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestRoom(t *testing.T) {
	dir := t.TempDir()
	n, err := disk.Free(dir)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	if new(disk.Room).Low(dir, 1) {
		t.Error("one byte is too much")
	}
	var r disk.Room
	if !r.Low(dir, 1<<62) || !r.Low(filepath.Join(dir, "gone"), 1) { // the second asks within the second, or cannot find out
		t.Error("four exabytes are there")
	}
}

package fsblob_test

import (
	"os"
	"syscall"
	"testing"
)

// holes tells whether files can have some.
const holes = true

// onDisk is how many bytes a file takes.
func onDisk(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

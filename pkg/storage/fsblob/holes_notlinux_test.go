//go:build !linux

package fsblob_test

import (
	"os"
	"testing"
)

const holes = false

func onDisk(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

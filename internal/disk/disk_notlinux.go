//go:build !linux

package disk

import "os"

// syncData is F_FULLFSYNC on macOS, FlushFileBuffers on Windows and fsync elsewhere:
// the standard library makes that choice.
func syncData(f *os.File) error { return f.Sync() }

//go:build unix

package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// KeepsOpen tells whether a file can be renamed over another that is open.
const KeepsOpen = true

func openShared(name string) (*os.File, error) { return os.Open(name) }

func openForSync(name string) (*os.File, error) { return os.Open(name) }

func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

func free(folder string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, err
	}
	return times(s.Bavail, s.Bsize), nil
}

// times multiplies blocks by their size, whose types differ between platforms. The
// blocks may be negative on FreeBSD, where only root has any left.
func times[N, M int32 | uint32 | int64 | uint64](blocks N, size M) uint64 {
	if blocks < 0 {
		return 0
	}
	return uint64(blocks) * uint64(size)
}

func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

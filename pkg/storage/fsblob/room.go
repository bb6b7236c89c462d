package fsblob

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// minFree is the free space below which nothing more is stored: the log, which is
// on the same disk in most places, needs it to go on and to be tidied up.
const minFree = 256 << 20

// room refuses what is to be stored while the disk is nearly full. It looks once a
// second.
type room struct {
	checked atomic.Int64 // unix seconds
	full    atomic.Bool
}

func (r *room) left(dir string) error {
	now := time.Now().Unix()
	if old := r.checked.Load(); old != now && r.checked.CompareAndSwap(old, now) {
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err == nil {
			r.full.Store(s.Bavail*uint64(s.Bsize) < minFree)
		}
	}
	if r.full.Load() {
		return fmt.Errorf("%w: less than %d MiB left on the disk of the content", storage.ErrFull, minFree>>20)
	}
	return nil
}

package fsblob

import (
	"fmt"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// minFree is the free space below which nothing more is stored: the log, which is
// on the same disk in most places, needs it to go on and to be tidied up.
const minFree = 256 << 20

// room refuses what is to be stored while the disk is nearly full.
type room struct{ disk.Room }

func (r *room) left(dir string) error {
	if r.Low(dir, minFree) {
		return fmt.Errorf("%w: less than %d MiB left on the disk of the content", storage.ErrFull, minFree>>20)
	}
	return nil
}

package fsblob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const (
	// reclaimEvery is how many bytes of a segment are erased before its room is given
	// back: that reads the segment.
	reclaimEvery = 1 << 20
	// holeSize is the smallest run of erased records that becomes a hole.
	holeSize = 64 << 10
)

// DeleteAll implements storage.Blobs: each segment is synced once.
func (s *Store) DeleteAll(ctx context.Context, refs []string) error {
	places := map[int][]place{}
	for _, ref := range refs {
		if p, err := parseRef(ref); err == nil { // else nothing of that name was ever stored
			places[p.n] = append(places[p.n], p)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(places)) {
		if err := s.deleteIn(ctx, n, places[n]); err != nil {
			return fmt.Errorf("delete from segment %d: %w", n, err)
		}
	}
	return nil
}

// deleteIn erases records of one segment.
func (s *Store) deleteIn(ctx context.Context, n int, places []place) error {
	f, err := s.reader(n)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	erased := int64(0)
	for _, p := range places {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := overwrite(f, p)
		if err != nil {
			return err
		}
		if done {
			erased += int64(p.length)
		}
	}
	if erased == 0 {
		return nil
	}
	if err := disk.Sync(f); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	s.mu.Lock()
	current := n == s.n
	s.mu.Unlock()
	s.reclaimMu.Lock()
	defer s.reclaimMu.Unlock()
	if s.erased == nil {
		s.erased = map[int]int64{}
	}
	if s.erased[n] += erased; s.erased[n] < reclaimEvery || current {
		return nil
	}
	delete(s.erased, n)
	return s.reclaim(n, f)
}

// overwrite erases one record, and reports whether it was there. Key and bytes
// become zeros; the lengths stay, so that a scan finds the next record.
func overwrite(f *os.File, p place) (bool, error) {
	head := make([]byte, headerSize)
	if _, err := f.ReadAt(head, p.offset); err != nil {
		return false, fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	h := parseHeader(head)
	switch {
	case h.gone():
		return false, nil
	case h.magic != magic || h.size() != p.length:
		return false, fmt.Errorf("%w: bad header", storage.ErrCorrupt)
	}
	zero := make([]byte, p.length)
	copy(zero, head[:11])
	zero[4] = stateGone
	if _, err := f.WriteAt(zero, p.offset); err != nil {
		return false, fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	return true, nil
}

// gone reports whether a record was erased, by itself or together with others.
func (h header) gone() bool {
	return h.magic == magic && h.state == stateGone || h == header{}
}

// run is a row of erased records.
type run struct{ from, to int64 }

// reclaim gives back the room of what was erased in a segment that is not written to
// any more: all of it is removed with the file; a long run becomes one record with a
// hole in it.
func (s *Store) reclaim(n int, f *os.File) error {
	var runs []run
	live := false
	end, err := scan(f, func(at int64, h header, _ []byte) error {
		if h.state != stateGone {
			live = true
			return nil
		}
		to := at + int64(h.size())
		if k := len(runs) - 1; k >= 0 && runs[k].to == at && to-runs[k].from < math.MaxUint32 {
			runs[k].to = to
		} else {
			runs = append(runs, run{at, to})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	if !live && end == info.Size() {
		return s.removeSegment(n, f)
	}
	for _, r := range runs {
		if r.to-r.from < holeSize {
			continue
		}
		if err := join(f, r); err != nil {
			return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
		}
	}
	if err := disk.Sync(f); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	return nil
}

// join makes a run of erased records one, and a hole of its inside. The head is
// written first: whatever is cut short behind it is passed over.
func join(f *os.File, r run) error {
	head := make([]byte, headerSize)
	binary.LittleEndian.PutUint32(head, magic)
	head[4] = stateGone
	binary.LittleEndian.PutUint32(head[7:], uint32(r.to-r.from-headerSize))
	if _, err := f.WriteAt(head, r.from); err != nil {
		return err
	}
	if err := disk.Sync(f); err != nil {
		return err
	}
	at, zero := r.from+headerSize, make([]byte, 1<<20)
	for at < r.to {
		n := min(int64(len(zero)), r.to-at)
		if _, err := f.WriteAt(zero[:n], at); err != nil {
			return err
		}
		at += n
	}
	return disk.Punch(f, r.from+headerSize, r.to-r.from-headerSize)
}

// removeSegment removes a segment that holds nothing. Its number is not used again:
// there is one that is written to, with a higher one.
func (s *Store) removeSegment(n int, f *os.File) error {
	s.readMu.Lock()
	delete(s.open, n)
	s.readMu.Unlock()
	f.Close()
	if err := os.Remove(s.segmentName(n)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	return disk.SyncFolder(filepath.Join(s.dir, "segments"))
}

// Package fsblob keeps content in a folder: revisions appended to segment
// files, because a file for each costs more than the whole rest of a write, and
// binaries in files named by their digest.
//
// One process at a time may use the folder; the caller holds its lock.
package fsblob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A record of a segment: magic, state, length of the key, length of the data,
// checksum of key and data, then the key and the data.
const (
	magic      = 0xAC5E9001
	headerSize = 4 + 1 + 2 + 4 + 4
	stateLive  = 1
	stateGone  = 2 // erased: key and data are zeros, the lengths still lead on
)

// segmentSize is when the next segment begins.
const segmentSize = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Store implements storage.Blobs.
type Store struct {
	dir string

	mu   sync.Mutex // appending
	n    int        // number of the segment that is appended to
	file *os.File
	size int64

	dirtyMu sync.Mutex
	dirty   []*os.File // written since the last sync, oldest first; the last may be file
	closing []*os.File // of dirty, to be closed once synced

	room room

	reclaimMu sync.Mutex
	erased    map[int]int64 // bytes of each segment, since its room was given back

	readMu sync.RWMutex
	open   map[int]*os.File
}

var _ storage.Blobs = (*Store)(nil)

// Open uses the folder, made when it is not there. After a record cut short by
// a crash the next segment begins; nothing is ever cut off, because what looks
// like the end may be damage with good records behind it.
func Open(dir string) (*Store, error) {
	for _, d := range []string{dir, filepath.Join(dir, "segments"), filepath.Join(dir, "binaries"), filepath.Join(dir, "incoming")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open blobs: %w", err)
		}
	}
	s := &Store{dir: dir, open: map[int]*os.File{}}
	numbers, err := s.segments()
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	s.n = 1
	if len(numbers) > 0 {
		s.n = numbers[len(numbers)-1]
	}
	if err := s.openSegment(); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	end, err := scan(s.file, func(int64, header, []byte) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	s.size = end
	if info, err := s.file.Stat(); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	} else if info.Size() > end {
		s.file.Close()
		s.n++
		if err := s.openSegment(); err != nil {
			return nil, fmt.Errorf("open blobs: %w", err)
		}
	}
	s.clearIncoming()
	return s, s.file.Sync()
}

func (s *Store) segmentName(n int) string {
	return filepath.Join(s.dir, "segments", fmt.Sprintf("%08d.seg", n))
}

// segments lists the numbers of the segment files, ascending.
func (s *Store) segments() ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "segments"))
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".seg")); err == nil {
			out = append(out, n)
		}
	}
	sort.Ints(out)
	return out, nil
}

func (s *Store) openSegment() error {
	f, err := os.OpenFile(s.segmentName(s.n), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	s.file, s.size = f, 0
	return disk.SyncFolder(filepath.Join(s.dir, "segments"))
}

// Put implements storage.Blobs. The reference is "<segment>.<offset>.<length>"
// of the whole record.
func (s *Store) Put(_ context.Context, key string, data []byte) (string, error) {
	if len(key) == 0 || len(key) > 1<<16-1 {
		return "", fmt.Errorf("put: key of %d bytes", len(key))
	}
	if err := s.room.left(s.dir); err != nil {
		return "", fmt.Errorf("put %s: %w", key, err)
	}
	rec := make([]byte, headerSize+len(key)+len(data))
	binary.LittleEndian.PutUint32(rec, magic)
	rec[4] = stateLive
	binary.LittleEndian.PutUint16(rec[5:], uint16(len(key)))
	binary.LittleEndian.PutUint32(rec[7:], uint32(len(data)))
	copy(rec[headerSize:], key)
	copy(rec[headerSize+len(key):], data)
	binary.LittleEndian.PutUint32(rec[11:], crc32.Checksum(rec[headerSize:], castagnoli))

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size > 0 && s.size+int64(len(rec)) > segmentSize {
		if err := s.roll(); err != nil {
			return "", fmt.Errorf("put %s: %w: %w", key, storage.ErrUnavailable, err)
		}
	}
	if _, err := s.file.WriteAt(rec, s.size); err != nil {
		return "", fmt.Errorf("put %s: %w: %w", key, storage.ErrUnavailable, err)
	}
	ref := fmt.Sprintf("%d.%d.%d", s.n, s.size, len(rec))
	s.size += int64(len(rec))
	s.touch(s.file)
	return ref, nil
}

// roll begins the next segment; the old one stays dirty until it is synced.
func (s *Store) roll() error {
	old := s.file
	s.n++
	if err := s.openSegment(); err != nil {
		s.n--
		s.file = old
		return err
	}
	s.dirtyMu.Lock()
	s.dirty = append(s.dirty, old)
	s.closing = append(s.closing, old)
	s.dirtyMu.Unlock()
	return nil
}

func (s *Store) touch(f *os.File) {
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	if n := len(s.dirty); n == 0 || s.dirty[n-1] != f {
		s.dirty = append(s.dirty, f)
	}
}

// Sync implements storage.Blobs.
func (s *Store) Sync(context.Context) error {
	s.dirtyMu.Lock()
	files, closing := s.dirty, s.closing
	s.dirty, s.closing = nil, nil
	s.dirtyMu.Unlock()
	for _, f := range files {
		if err := disk.Sync(f); err != nil {
			return fmt.Errorf("sync blobs: %w: %w", storage.ErrUnavailable, err)
		}
	}
	for _, f := range closing {
		f.Close()
	}
	return nil
}

type place struct {
	n      int
	offset int64
	length int
}

func parseRef(ref string) (p place, err error) {
	parts := strings.Split(ref, ".")
	if len(parts) != 3 {
		return p, fmt.Errorf("reference %q: %w", ref, storage.ErrNotFound)
	}
	if p.n, err = strconv.Atoi(parts[0]); err == nil {
		if p.offset, err = strconv.ParseInt(parts[1], 10, 64); err == nil {
			p.length, err = strconv.Atoi(parts[2])
		}
	}
	if err != nil || p.n < 1 || p.offset < 0 || p.length < headerSize {
		return p, fmt.Errorf("reference %q: %w", ref, storage.ErrNotFound)
	}
	return p, nil
}

func (s *Store) reader(n int) (*os.File, error) {
	s.readMu.RLock()
	f := s.open[n]
	s.readMu.RUnlock()
	if f != nil {
		return f, nil
	}
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if f := s.open[n]; f != nil {
		return f, nil
	}
	f, err := os.OpenFile(s.segmentName(n), os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return nil, storage.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	s.open[n] = f
	return f, nil
}

// Get implements storage.Blobs.
func (s *Store) Get(_ context.Context, ref string) ([]byte, error) {
	p, err := parseRef(ref)
	if err != nil {
		return nil, err
	}
	f, err := s.reader(p.n)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", ref, err)
	}
	rec := make([]byte, p.length)
	if _, err := f.ReadAt(rec, p.offset); err != nil {
		if err == io.EOF {
			return nil, fmt.Errorf("object %s: %w: cut short", ref, storage.ErrCorrupt)
		}
		return nil, fmt.Errorf("object %s: %w: %w", ref, storage.ErrUnavailable, err)
	}
	h := parseHeader(rec)
	switch {
	case h.gone():
		return nil, fmt.Errorf("object %s: %w", ref, storage.ErrNotFound)
	case h.magic != magic || h.size() != p.length:
		return nil, fmt.Errorf("object %s: %w: bad header", ref, storage.ErrCorrupt)
	case crc32.Checksum(rec[headerSize:], castagnoli) != h.sum:
		return nil, fmt.Errorf("object %s: %w: bad checksum", ref, storage.ErrCorrupt)
	}
	return rec[headerSize+h.key:], nil
}

// Delete implements storage.Blobs.
func (s *Store) Delete(_ context.Context, ref string) error {
	p, err := parseRef(ref)
	if err != nil {
		return nil //nolint:nilerr // nothing of that name was ever stored
	}
	f, err := s.reader(p.n)
	if err != nil {
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		return fmt.Errorf("delete %s: %w", ref, err)
	}
	if _, err := overwrite(f, p); err != nil {
		return fmt.Errorf("delete %s: %w", ref, err)
	}
	if err := disk.Sync(f); err != nil {
		return fmt.Errorf("delete %s: %w: %w", ref, storage.ErrUnavailable, err)
	}
	return nil
}

// List implements storage.Blobs.
func (s *Store) List(ctx context.Context, fn func(key, ref string) error) error {
	numbers, err := s.segments()
	if err != nil {
		return fmt.Errorf("list blobs: %w: %w", storage.ErrUnavailable, err)
	}
	for _, n := range numbers {
		f, err := s.reader(n)
		if errors.Is(err, storage.ErrNotFound) {
			continue // everything in it was erased meanwhile
		}
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		_, err = scan(f, func(at int64, h header, key []byte) error {
			if h.state != stateLive {
				return ctx.Err()
			}
			return fn(string(key), fmt.Sprintf("%d.%d.%d", n, at, h.size()))
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Close syncs and closes every file.
func (s *Store) Close() error {
	err := s.Sync(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readMu.Lock()
	defer s.readMu.Unlock()
	for n, f := range s.open {
		f.Close()
		delete(s.open, n)
	}
	s.file.Close()
	return err
}

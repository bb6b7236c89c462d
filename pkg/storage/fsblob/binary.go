package fsblob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/internal/disk"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

func (s *Store) binaryName(digest string) (string, error) {
	h, ok := strings.CutPrefix(digest, "sha256:")
	if raw, err := hex.DecodeString(h); !ok || err != nil || len(raw) != sha256.Size || h != strings.ToLower(h) {
		return "", fmt.Errorf("binary %q: %w", digest, storage.ErrNotFound)
	}
	return filepath.Join(s.dir, "binaries", h[:2], h), nil
}

// PutBinary implements storage.Blobs: streamed to a file of its own while it is
// hashed, synced, then renamed to its digest.
func (s *Store) PutBinary(_ context.Context, r io.Reader, limit int64) (b storage.Binary, err error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, "incoming"), "b")
	if err != nil {
		return b, fmt.Errorf("put binary: %w: %w", storage.ErrUnavailable, err)
	}
	defer func() {
		f.Close()
		os.Remove(f.Name()) // gone already when it was renamed
	}()
	if err := s.room.left(s.dir); err != nil {
		return b, fmt.Errorf("put binary: %w", err)
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(spacious{f, s}, h), io.LimitReader(r, limit+1))
	if disk.Full(err) {
		err = fmt.Errorf("%w: %w", storage.ErrFull, err)
	}
	if err != nil {
		return b, fmt.Errorf("put binary: %w", err)
	}
	if n > limit {
		return b, fmt.Errorf("binary over %d bytes: %w", limit, storage.ErrTooLarge)
	}
	b = storage.Binary{Digest: "sha256:" + hex.EncodeToString(h.Sum(nil)), Size: n}
	name, err := s.binaryName(b.Digest)
	if err != nil {
		return b, err
	}
	if _, err := os.Stat(name); err == nil {
		return b, touch(name)
	}
	if err := f.Sync(); err != nil {
		return b, fmt.Errorf("put binary: %w: %w", storage.ErrUnavailable, err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return b, fmt.Errorf("put binary: %w: %w", storage.ErrUnavailable, err)
	}
	f.Close() // it is synced; Windows renames no file that is open
	if err := disk.Replace(f.Name(), name); err != nil {
		return b, fmt.Errorf("put binary: %w: %w", storage.ErrUnavailable, err)
	}
	return b, disk.SyncFolder(filepath.Join(s.dir, "binaries"))
}

// spacious writes while there is room.
type spacious struct {
	f *os.File
	s *Store
}

// Write implements io.Writer.
func (w spacious) Write(p []byte) (int, error) {
	if err := w.s.room.left(w.s.dir); err != nil {
		return 0, err
	}
	return w.f.Write(p)
}

type binaryFile struct {
	*os.File
	size int64
}

func (b binaryFile) Size() int64 { return b.size }

// OpenBinary implements storage.Blobs.
func (s *Store) OpenBinary(_ context.Context, digest string) (storage.BinaryReader, error) {
	name, err := s.binaryName(digest)
	if err != nil {
		return nil, err
	}
	f, err := disk.Open(name)
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("binary %s: %w", digest, storage.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("binary %s: %w: %w", digest, storage.ErrUnavailable, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("binary %s: %w: %w", digest, storage.ErrUnavailable, err)
	}
	return binaryFile{f, info.Size()}, nil
}

// DeleteBinary implements storage.Blobs: the bytes are overwritten before the
// file goes, so that they are in no free block of a file system that writes in
// place.
func (s *Store) DeleteBinary(_ context.Context, digest string) error {
	name, err := s.binaryName(digest)
	if err != nil {
		return nil //nolint:nilerr // nothing of that name was ever stored
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete binary: %w: %w", storage.ErrUnavailable, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		_, err = io.CopyN(f, zeros{}, info.Size())
	}
	if err == nil {
		err = f.Sync()
	}
	f.Close() // Windows removes no file that is open
	if err == nil {
		err = os.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("delete binary: %w: %w", storage.ErrUnavailable, err)
	}
	return disk.SyncFolder(filepath.Dir(name))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// clearIncoming removes uploads that a crash cut short.
func (s *Store) clearIncoming() {
	names, _ := filepath.Glob(filepath.Join(s.dir, "incoming", "*"))
	for _, n := range names {
		os.Remove(n)
	}
}

func touch(name string) error {
	now := time.Now()
	if err := os.Chtimes(name, now, now); err != nil {
		return fmt.Errorf("touch binary: %w: %w", storage.ErrUnavailable, err)
	}
	return nil
}

// TouchBinary implements storage.Blobs.
func (s *Store) TouchBinary(_ context.Context, digest string) error {
	name, err := s.binaryName(digest)
	if err != nil {
		return err
	}
	if _, err := os.Stat(name); os.IsNotExist(err) {
		return fmt.Errorf("binary %s: %w", digest, storage.ErrNotFound)
	}
	return touch(name)
}

// ListBinaries implements storage.Blobs.
func (s *Store) ListBinaries(ctx context.Context, fn func(storage.Binary, time.Time) error) error {
	return filepath.WalkDir(filepath.Join(s.dir, "binaries"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return ctx.Err() // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if err := fn(storage.Binary{Digest: "sha256:" + d.Name(), Size: info.Size()}, info.ModTime()); err != nil {
			return err
		}
		return ctx.Err()
	})
}

// Package memblob keeps content in memory. Nothing survives the process.
package memblob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Store implements storage.Blobs.
type Store struct {
	mu       sync.RWMutex
	objects  map[string][]byte
	binaries map[string][]byte
	touched  map[string]time.Time
}

var _ storage.Blobs = (*Store)(nil)

// New makes an empty store.
func New() *Store {
	return &Store{objects: map[string][]byte{}, binaries: map[string][]byte{}, touched: map[string]time.Time{}}
}

// Put implements storage.Blobs. The reference is the key.
func (s *Store) Put(_ context.Context, key string, data []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = bytes.Clone(data)
	return key, nil
}

// Sync implements storage.Blobs.
func (s *Store) Sync(context.Context) error { return nil }

// Get implements storage.Blobs.
func (s *Store) Get(_ context.Context, ref string) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, ok := s.objects[ref]
	if !ok {
		return nil, fmt.Errorf("object %s: %w", ref, storage.ErrNotFound)
	}
	return b, nil
}

// Delete implements storage.Blobs.
func (s *Store) Delete(_ context.Context, ref string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, ref)
	return nil
}

// DeleteAll implements storage.Blobs.
func (s *Store) DeleteAll(ctx context.Context, refs []string) error {
	for _, ref := range refs {
		if err := s.Delete(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

// List implements storage.Blobs.
func (s *Store) List(_ context.Context, fn func(key, ref string) error) error {
	s.mu.RLock()
	keys := make([]string, 0, len(s.objects))
	for k := range s.objects {
		keys = append(keys, k)
	}
	s.mu.RUnlock()
	for _, k := range keys {
		if err := fn(k, k); err != nil {
			return err
		}
	}
	return nil
}

// PutBinary implements storage.Blobs.
func (s *Store) PutBinary(_ context.Context, r io.Reader, limit int64) (storage.Binary, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return storage.Binary{}, err
	}
	if int64(len(b)) > limit {
		return storage.Binary{}, fmt.Errorf("binary over %d bytes: %w", limit, storage.ErrTooLarge)
	}
	sum := sha256.Sum256(b)
	out := storage.Binary{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(b))}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.binaries[out.Digest], s.touched[out.Digest] = b, time.Now()
	return out, nil
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

// OpenBinary implements storage.Blobs.
func (s *Store) OpenBinary(_ context.Context, digest string) (storage.BinaryReader, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, ok := s.binaries[digest]
	if !ok {
		return nil, fmt.Errorf("binary %s: %w", digest, storage.ErrNotFound)
	}
	return reader{bytes.NewReader(b)}, nil
}

// DeleteBinary implements storage.Blobs.
func (s *Store) DeleteBinary(_ context.Context, digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.binaries, digest)
	delete(s.touched, digest)
	return nil
}

// TouchBinary implements storage.Blobs.
func (s *Store) TouchBinary(_ context.Context, digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.binaries[digest]; !ok {
		return fmt.Errorf("binary %s: %w", digest, storage.ErrNotFound)
	}
	s.touched[digest] = time.Now()
	return nil
}

// ListBinaries implements storage.Blobs.
func (s *Store) ListBinaries(_ context.Context, fn func(storage.Binary, time.Time) error) error {
	s.mu.RLock()
	list := make(map[storage.Binary]time.Time, len(s.binaries))
	for d, b := range s.binaries {
		list[storage.Binary{Digest: d, Size: int64(len(b))}] = s.touched[d]
	}
	s.mu.RUnlock()
	for b, at := range list {
		if err := fn(b, at); err != nil {
			return err
		}
	}
	return nil
}

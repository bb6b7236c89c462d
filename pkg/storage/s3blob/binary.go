package s3blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// partSize of the upload of a large binary, which is in memory once.
const partSize = 16 << 20

// uploadTimeout bounds the way of one binary to the server.
const uploadTimeout = 30 * time.Minute

// hexOf is the digest without its kind; ok is false for what is none.
func hexOf(digest string) (h string, ok bool) {
	h, ok = strings.CutPrefix(digest, "sha256:")
	raw, err := hex.DecodeString(h)
	return h, ok && err == nil && len(raw) == sha256.Size && h == strings.ToLower(h)
}

// PutBinary implements storage.Blobs. The content goes through a file in the
// system's temporary folder, since its name and its size are known at its end
// only.
func (s *Store) PutBinary(ctx context.Context, r io.Reader, limit int64) (b storage.Binary, err error) {
	f, err := os.CreateTemp("", "autocrud-binary-")
	if err != nil {
		return b, fmt.Errorf("put binary: %w: %w", storage.ErrUnavailable, err)
	}
	defer func() {
		f.Close()
		os.Remove(f.Name())
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(r, limit+1))
	if err != nil {
		return b, fmt.Errorf("put binary: %w", err)
	}
	if n > limit {
		return b, fmt.Errorf("binary over %d bytes: %w", limit, storage.ErrTooLarge)
	}
	digest := hex.EncodeToString(h.Sum(nil))
	b = storage.Binary{Digest: "sha256:" + digest, Size: n}
	if err := s.TouchBinary(ctx, b.Digest); !errors.Is(err, storage.ErrNotFound) {
		return b, err // there already, or not to be found out
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return b, fmt.Errorf("put binary: %w: %w", storage.ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	_, err = s.s3.Client.PutObject(ctx, s.o.Bucket, s.name("binaries", digest), f, n,
		minio.PutObjectOptions{ContentType: "application/octet-stream", PartSize: partSize, SendContentMd5: true})
	if err != nil {
		return b, failed("put binary "+b.Digest, err)
	}
	return b, s.touch(ctx, digest)
}

// touch writes the small object whose age is the binary's.
func (s *Store) touch(ctx context.Context, digest string) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	_, err := s.s3.Client.PutObject(ctx, s.o.Bucket, s.name("touched", digest), strings.NewReader(""), 0, minio.PutObjectOptions{})
	if err != nil {
		return failed("touch binary "+digest, err)
	}
	return nil
}

// TouchBinary implements storage.Blobs.
func (s *Store) TouchBinary(ctx context.Context, digest string) error {
	h, ok := hexOf(digest)
	if !ok {
		return fmt.Errorf("binary %q: %w", digest, storage.ErrNotFound)
	}
	if _, err := s.stat(ctx, h); err != nil {
		return err
	}
	return s.touch(ctx, h)
}

func (s *Store) stat(ctx context.Context, digest string) (size int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	info, err := s.s3.StatObject(ctx, s.o.Bucket, s.name("binaries", digest), minio.StatObjectOptions{})
	if err != nil {
		return 0, failed("binary "+digest, err)
	}
	return info.Size, nil
}

// OpenBinary implements storage.Blobs.
func (s *Store) OpenBinary(ctx context.Context, digest string) (storage.BinaryReader, error) {
	h, ok := hexOf(digest)
	if !ok {
		return nil, fmt.Errorf("binary %q: %w", digest, storage.ErrNotFound)
	}
	size, err := s.stat(ctx, h)
	if err != nil {
		return nil, err
	}
	return &reader{s: s, ctx: ctx, digest: h, size: size, sum: sha256.New()}, nil
}

// reader reads an object from any offset; a request is made when something is
// read after the offset moved. A whole read from the start is checked: its last
// bytes are held back when they do not fit the digest.
type reader struct {
	s      *Store
	ctx    context.Context // of the opening: what reads the object ends with it
	digest string
	size   int64
	at     int64
	body   io.ReadCloser // nil: to be asked for at `at`
	sum    hash.Hash
	summed int64 // bytes of the start in sum
}

// Size implements storage.BinaryReader.
func (r *reader) Size() int64 { return r.size }

// Seek implements io.Seeker.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return r.at, errors.New("seek before the start")
	}
	if offset != r.at {
		r.Close()
		r.at = offset
	}
	return r.at, nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if r.body == nil {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	n, err := r.body.Read(p)
	if r.at == r.summed {
		r.sum.Write(p[:n])
		r.summed += int64(n)
	}
	r.at += int64(n)
	if r.summed == r.size && r.at == r.size && hex.EncodeToString(r.sum.Sum(nil)) != r.digest {
		r.s.o.Logger.ErrorContext(r.ctx, "a stored object is damaged", "bucket", r.s.o.Bucket, "object", r.s.name("binaries", r.digest))
		return 0, fmt.Errorf("binary %s: %w", r.digest, storage.ErrCorrupt)
	}
	if errors.Is(err, io.EOF) && r.at < r.size {
		err = failed("read binary "+r.digest, io.ErrUnexpectedEOF)
	}
	return n, err
}

func (r *reader) open() error {
	o := minio.GetObjectOptions{}
	if r.at > 0 {
		if err := o.SetRange(r.at, r.size-1); err != nil {
			return err
		}
	}
	body, _, _, err := r.s.s3.GetObject(r.ctx, r.s.o.Bucket, r.s.name("binaries", r.digest), o)
	if minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return fmt.Errorf("binary %s is shorter than it was: %w", r.digest, storage.ErrCorrupt)
	}
	if err != nil {
		return failed("read binary "+r.digest, err)
	}
	r.body = body
	return nil
}

// DeleteBinary implements storage.Blobs.
func (s *Store) DeleteBinary(ctx context.Context, digest string) error {
	h, ok := hexOf(digest)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	if err := s.remove(ctx, s.name("binaries", h)); err != nil {
		return err
	}
	return s.remove(ctx, s.name("touched", h))
}

// ListBinaries implements storage.Blobs. Both listings are in the order of the
// names, so they are read side by side.
func (s *Store) ListBinaries(ctx context.Context, fn func(storage.Binary, time.Time) error) error {
	next, stop := iter.Pull(s.s3.ListObjectsIter(ctx, s.o.Bucket, minio.ListObjectsOptions{Prefix: s.name("touched", ""), Recursive: true}))
	defer stop()
	mark, more := next()
	prefix := s.name("binaries", "")
	for o := range s.s3.ListObjectsIter(ctx, s.o.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return failed("list binaries", o.Err)
		}
		digest := strings.TrimPrefix(o.Key, prefix)
		for more && mark.Err == nil && mark.Key < s.name("touched", digest) {
			mark, more = next()
		}
		if mark.Err != nil {
			return failed("list binaries", mark.Err)
		}
		touched := o.LastModified
		if more && mark.Key == s.name("touched", digest) && mark.LastModified.After(touched) {
			touched = mark.LastModified
		}
		if _, ok := hexOf("sha256:" + digest); !ok {
			continue
		}
		if err := fn(storage.Binary{Digest: "sha256:" + digest, Size: o.Size}, touched); err != nil {
			return err
		}
	}
	return ctx.Err()
}

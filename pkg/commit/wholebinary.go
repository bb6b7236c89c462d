package commit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// CheckBinary reads a binary to its end: storage.ErrCorrupt when its content is
// not what its digest says, storage.ErrNotFound when it is not there.
func CheckBinary(ctx context.Context, blobs storage.Blobs, digest string) error {
	r, err := blobs.OpenBinary(ctx, digest)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, &WholeReader{BinaryReader: stopping{ctx, r}, Digest: digest, Sum: sha256.New()})
	return err
}

// stopping reads until ctx ends.
type stopping struct {
	ctx context.Context
	storage.BinaryReader
}

// Read implements io.Reader.
func (s stopping) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.BinaryReader.Read(p)
}

// WholeReader checks what it reads from the first byte to the last against the
// digest: the last bytes of damaged content are withheld, and reading them is a
// storage.ErrCorrupt, so that the answer breaks off. Content of which only a part
// is read is not checked.
type WholeReader struct {
	storage.BinaryReader
	Digest  string
	Sum     hash.Hash
	at      int64 // offset of the reader
	summed  int64 // bytes in sum
	damaged func(error)
}

// Seek implements io.Seeker.
func (w *WholeReader) Seek(offset int64, whence int) (int64, error) {
	at, err := w.BinaryReader.Seek(offset, whence)
	if err == nil {
		w.at = at
	}
	return at, err
}

// Read implements io.Reader.
func (w *WholeReader) Read(p []byte) (int, error) {
	n, err := w.BinaryReader.Read(p)
	if w.at == w.summed {
		_, _ = w.Sum.Write(p[:n]) // a hash takes everything
		w.summed += int64(n)
	}
	w.at += int64(n)
	if n > 0 && w.summed == w.Size() && w.at == w.summed || errors.Is(err, io.EOF) && w.at == w.summed {
		if got := "sha256:" + hex.EncodeToString(w.Sum.Sum(nil)); got != w.Digest {
			err := fmt.Errorf("binary %s holds what %s is: %w", w.Digest, got, storage.ErrCorrupt)
			if w.damaged != nil {
				w.damaged(err)
			}
			return 0, err
		}
	}
	return n, err
}

// checkedFirst is up to which size a binary is checked before anything of it is
// sent, so that damage is an answer and not one that breaks off.
const checkedFirst = 1 << 20

// wholeBinary opens a binary for reading. Damage is an error: at once in a small
// one, at the end of a large one.
func (bn *BinaryStore) wholeBinary(ctx context.Context, k states.Key, digest string) (storage.BinaryReader, error) {
	r, err := bn.blobs.OpenBinary(ctx, digest)
	if err != nil {
		return nil, err
	}
	w := &WholeReader{BinaryReader: r, Digest: digest, Sum: sha256.New(), damaged: func(err error) {
		bn.o.Logger.ErrorContext(ctx, "a binary is damaged; its answer was broken off", "type", k.Type, "id", k.ID, "error", err)
	}}
	if r.Size() > checkedFirst {
		return w, nil
	}
	err = CheckBinary(ctx, bn.blobs, digest)
	if err == nil {
		return w, nil
	}
	r.Close()
	if errors.Is(err, storage.ErrCorrupt) {
		bn.o.Logger.ErrorContext(ctx, "a binary is damaged", "type", k.Type, "id", k.ID, "error", err)
		return nil, &fault.Error{Code: fault.Unavailable, Detail: "the stored content of this binary is damaged", Cause: err}
	}
	return nil, err
}

// lostBinary is why a binary that a resource refers to is not there: a purge was
// faster, or it was lost.
func (bn *BinaryStore) lostBinary(ctx context.Context, k states.Key, cause, missing error) error {
	s, err := bn.States.Head(ctx, k, true)
	if err != nil || !s.Exists() {
		return missing
	}
	bn.o.Logger.ErrorContext(ctx, "a binary is lost", "type", k.Type, "id", k.ID, "error", cause)
	return &fault.Error{Code: fault.Unavailable, Detail: "the stored content of this binary is lost", Cause: cause}
}

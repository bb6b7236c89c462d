package resource

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// checkBinary reads a binary to its end: storage.ErrCorrupt when its content is
// not what its digest says, storage.ErrNotFound when it is not there.
func checkBinary(ctx context.Context, blobs storage.Blobs, digest string) error {
	r, err := blobs.OpenBinary(ctx, digest)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, &wholeReader{BinaryReader: stopping{ctx, r}, digest: digest, sum: sha256.New()})
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

// wholeReader checks what it reads from the first byte to the last against the
// digest: the last bytes of damaged content are withheld, and reading them is a
// storage.ErrCorrupt, so that the answer breaks off. Content of which only a part
// is read is not checked.
type wholeReader struct {
	storage.BinaryReader
	digest  string
	sum     hash.Hash
	at      int64 // offset of the reader
	summed  int64 // bytes in sum
	damaged func(error)
}

// Seek implements io.Seeker.
func (w *wholeReader) Seek(offset int64, whence int) (int64, error) {
	at, err := w.BinaryReader.Seek(offset, whence)
	if err == nil {
		w.at = at
	}
	return at, err
}

// Read implements io.Reader.
func (w *wholeReader) Read(p []byte) (int, error) {
	n, err := w.BinaryReader.Read(p)
	if w.at == w.summed {
		_, _ = w.sum.Write(p[:n]) // a hash takes everything
		w.summed += int64(n)
	}
	w.at += int64(n)
	if n > 0 && w.summed == w.Size() && w.at == w.summed || errors.Is(err, io.EOF) && w.at == w.summed {
		if got := "sha256:" + hex.EncodeToString(w.sum.Sum(nil)); got != w.digest {
			err := fmt.Errorf("binary %s holds what %s is: %w", w.digest, got, storage.ErrCorrupt)
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
func (bn *BinaryStore) wholeBinary(ctx context.Context, k key, digest string) (storage.BinaryReader, error) {
	r, err := bn.blobs.OpenBinary(ctx, digest)
	if err != nil {
		return nil, err
	}
	w := &wholeReader{BinaryReader: r, digest: digest, sum: sha256.New(), damaged: func(err error) {
		bn.o.Logger.ErrorContext(ctx, "a binary is damaged; its answer was broken off", "type", k.typ, "id", k.id, "error", err)
	}}
	if r.Size() > checkedFirst {
		return w, nil
	}
	err = checkBinary(ctx, bn.blobs, digest)
	if err == nil {
		return w, nil
	}
	r.Close()
	if errors.Is(err, storage.ErrCorrupt) {
		bn.o.Logger.ErrorContext(ctx, "a binary is damaged", "type", k.typ, "id", k.id, "error", err)
		return nil, &fault.Error{Code: fault.Unavailable, Detail: "the stored content of this binary is damaged", Cause: err}
	}
	return nil, err
}

// lostBinary is why a binary that a resource refers to is not there: a purge was
// faster, or it was lost.
func (bn *BinaryStore) lostBinary(ctx context.Context, k key, cause, missing error) error {
	s, err := bn.States.head(ctx, k, true)
	if err != nil || !s.exists() {
		return missing
	}
	bn.o.Logger.ErrorContext(ctx, "a binary is lost", "type", k.typ, "id", k.id, "error", cause)
	return &fault.Error{Code: fault.Unavailable, Detail: "the stored content of this binary is lost", Cause: cause}
}

package storage

import (
	"context"
	"io"
	"time"
)

// Blobs keeps content: revisions, which are small and many, and binaries,
// which may be large and are addressed by what they contain. All methods are
// safe for concurrent use.
type Blobs interface {
	// Put stores an immutable object under a key that was never used before
	// and returns the reference by which it is read. It is readable at once
	// and survives a crash of the process; it survives a loss of power after
	// Sync. The key is kept beside the bytes so that List can tell it.
	Put(ctx context.Context, key string, data []byte) (ref string, err error)
	// Sync makes everything durable that was Put before the call.
	Sync(ctx context.Context) error
	// Get returns the bytes of ref, checked: ErrCorrupt when they are not
	// those that were Put, ErrNotFound when they were deleted.
	Get(ctx context.Context, ref string) ([]byte, error)
	// Delete erases the bytes of ref; deleting twice is no error.
	Delete(ctx context.Context, ref string) error
	// DeleteAll is Delete of many, which is much faster than of each, and gives back
	// the room that they took where the store can.
	DeleteAll(ctx context.Context, refs []string) error
	// List calls fn for every object that is not deleted, in no order.
	List(ctx context.Context, fn func(key, ref string) error) error

	// PutBinary stores what r gives, at most limit bytes (ErrTooLarge), under
	// its digest and durably. The same content twice is stored once.
	PutBinary(ctx context.Context, r io.Reader, limit int64) (Binary, error)
	// OpenBinary reads a binary from any offset; ErrNotFound when there is
	// none of that digest.
	OpenBinary(ctx context.Context, digest string) (BinaryReader, error)
	// DeleteBinary erases it; deleting twice is no error.
	DeleteBinary(ctx context.Context, digest string) error
	// TouchBinary makes a binary as young as a new one, or ErrNotFound: a
	// writer that is about to refer to it keeps it from being swept.
	TouchBinary(ctx context.Context, digest string) error
	// ListBinaries calls fn for every binary, in no order, with the time of
	// its last PutBinary or TouchBinary.
	ListBinaries(ctx context.Context, fn func(b Binary, touched time.Time) error) error
}

// Binary describes a stored binary.
type Binary struct {
	Digest string `json:"digest"` // "sha256:<hex>"
	Size   int64  `json:"size"`
}

// BinaryReader reads a stored binary.
type BinaryReader interface {
	io.ReadSeekCloser
	Size() int64
}

package storage

import "context"

// Archive keeps objects under names of the caller's choice, for what the log is
// rebuilt from when it is lost. A name is path segments of letters, digits, '-'
// and '_'. All methods are safe for concurrent use.
type Archive interface {
	// Save stores or replaces an object, durably.
	Save(ctx context.Context, name string, data []byte) error
	// Load returns one, or ErrNotFound.
	Load(ctx context.Context, name string) ([]byte, error)
	// Names calls fn for every object whose name begins with prefix, in the
	// order of the names.
	Names(ctx context.Context, prefix string, fn func(name string) error) error
	// Remove erases one; removing twice is no error.
	Remove(ctx context.Context, name string) error
}

package storage

import (
	"context"
	"time"
)

// Bus carries messages between the processes of a namespace. They may be lost,
// and nothing depends on one that is. All methods are safe for concurrent use.
type Bus interface {
	// Tell sends to every listener.
	Tell(subject string, data []byte) error
	// Listen calls fn, one message after the other, until stop.
	Listen(subject string, fn func(data []byte)) (stop func(), err error)
	// Ask sends to one of those that serve the subject and returns its answer;
	// ErrUnavailable when there is none, or none in time.
	Ask(ctx context.Context, subject string, data []byte) ([]byte, error)
	// Serve answers with what fn returns, many at once, until stop.
	Serve(subject string, fn func(ctx context.Context, data []byte) []byte) (stop func(), err error)
	// Connected tells since when messages are carried; zero: they are not.
	Connected() time.Time
}

package storage

import (
	"context"
	"strings"
	"time"
)

// StreamName is the name of a stream of a namespace.
func StreamName(namespace, kind string) string {
	return "AC_" + strings.ToUpper(strings.ReplaceAll(namespace, "-", "_")) + "_" + kind
}

// OutwardStream is the kind of the stream that an Outward is.
const OutwardStream = "EVENTS"

// Outgoing is one event as those outside see it.
type Outgoing struct {
	Event *Event // Seq set
	Body  []byte // the envelope, JSON
	// DataRef is where the data can be read when the body leaves it out; else
	// empty.
	DataRef string
}

// OutwardPosition is how far an Outward is.
type OutwardPosition struct {
	Seq uint64 // in the log, of the newest event in it; 0: it holds none
	// Since is set when it holds none: what happened before would have expired
	// by now and is not to be published. Zero: nothing expires.
	Since time.Time
}

// Outward is the stream of events for subscribers outside the program, written
// in the order of the log; where it stands is what the stream itself holds, so
// nothing is left out or repeated, whichever process died when. Publishers tell the same
// events of the same log; two at once do no harm.
type Outward interface {
	// Position reads from the stream how far it is. Publish goes on from there.
	Position(ctx context.Context) (OutwardPosition, error)
	// Publish appends events, in order, after the newest that Position or
	// Publish knew. On any error a beginning of them may be in the stream: ask
	// Position again. ErrConflict tells that another publisher was faster. One
	// that began at the same event publishes the same and may be told nothing.
	Publish(ctx context.Context, events []Outgoing) error
	// Erase destroys the copies of the events of a purged resource that are
	// before its tombstone and returns how many there were. It waits up to 10 s
	// for the tombstone to be published, then it is ErrNotReady. It can be
	// repeated.
	Erase(ctx context.Context, tombstone *Event) (n int, err error)
	// EraseAt destroys the copies of the events of a resource that are at these places
	// of the log, once the stream is past the last of them, as Erase does.
	EraseAt(ctx context.Context, typ, id string, seqs []uint64) error
}

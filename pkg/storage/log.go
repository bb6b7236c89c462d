package storage

import (
	"context"
	"strings"
)

// Record is one message of a unit that is to be appended.
type Record struct {
	Subject string // see RevisionSubject; the adapter adds the namespace
	ID      string // unique for ever; a repeated append with it is the same append
	// Expected is the sequence of the last message on the checked subject, 0
	// for none. It must come from the log (or what was built from it), never
	// from a client.
	Expected uint64
	// Guard is the subject or wildcard Expected is about; empty means Subject.
	Guard string
	// AsOf is up to where the caller knows that the checked subject has no message
	// after Expected. It only makes the check cheaper; 0 tells nothing.
	AsOf uint64
	Data []byte
}

// Entry is one message of the log.
type Entry struct {
	Seq     uint64
	Subject string
	ID      string
	Data    []byte
	More    bool // the next entry is of the same unit
}

// LogState is the extent of the log.
type LogState struct {
	// Identity names this log; an index built from another one is worthless.
	Identity string
	First    uint64 // first sequence kept, 1 in a log that lost nothing
	Last     uint64 // last sequence committed and durable
	Kept     uint64 // entries that it holds: those that were erased are none
	// Sole is true when every write goes through this process, so that an
	// index that has caught up knows every resource there is.
	Sole bool
}

// Log is the truth about order. All methods are safe for concurrent use.
type Log interface {
	// Append commits the records all or none, in order, if every Expected
	// still holds, and returns the sequence of the last record once all are
	// durable. The log decides what happened, not the first reply:
	// ErrConflict: another write came first, nothing of the unit was written;
	// ErrUnknown: not to be found out before the deadline, the unit may be in
	// the log; ErrFull, ErrTooLarge, ErrUnavailable: nothing was written.
	Append(ctx context.Context, unit []Record) (seq uint64, err error)
	// AppendEarly is Append for what may be lost with the power and is then done
	// again: it returns once the unit is stored, before it is durable. What
	// depends on it in the log is never durable without it.
	AppendEarly(ctx context.Context, unit []Record) (seq uint64, err error)
	// Next returns the first entry on the subject at or after seq, read from
	// the leader, or ErrNotFound. What it returns is durable.
	Next(ctx context.Context, subject string, seq uint64) (Entry, error)
	// Last returns the newest entry on the subject, read from the leader, or
	// ErrNotFound. What it returns is durable.
	Last(ctx context.Context, subject string) (Entry, error)
	// At returns the entry at exactly seq, or ErrNotFound when it was erased.
	At(ctx context.Context, seq uint64) (Entry, error)
	// Follow delivers every durable entry from seq on, in order, each once, or
	// only those on the given subjects, which may be wildcards. Up to 1 means all
	// that is kept; ErrGone when seq is another one before the first kept.
	Follow(ctx context.Context, seq uint64, subjects ...string) (Feed, error)
	// Erase destroys the entries of a subject that are before seq, for good:
	// their bytes are in no file of the log afterwards. The entry at seq or
	// later must exist, so that the subject does not look unused. It returns
	// how many it erased; what is erased already is no error.
	Erase(ctx context.Context, subject string, before uint64) (n int, err error)
	// Forget is Erase for what need not be destroyed: the entries are gone and
	// their space is used again, which is much faster, but until then their
	// bytes are there, and cannot be erased any more.
	Forget(ctx context.Context, subject string, before uint64) (n int, err error)
	// EraseAt is Erase of the entries at these places, none of which is the last of
	// its subject.
	EraseAt(ctx context.Context, seqs []uint64) error
	// Drop forgets the entries of a subject up to the one at seq, that one at the
	// end. When it was the last, the subject looks unused then, and an append behind
	// it meets ErrConflict. An entry that is gone already is no error.
	Drop(ctx context.Context, subject string, seq uint64) error
	// Load appends what next gives, until its ok is false, at the end of the log,
	// unconditionally and each by itself, and returns the last sequence once all
	// is durable. It is for filling a log without other writers: ErrConflict when
	// another writer came in between. Whatever fails, a beginning of it is in the log.
	Load(ctx context.Context, next func() (r Record, ok bool, err error)) (last uint64, err error)
	// State asks the leader.
	State(ctx context.Context) (LogState, error)
}

// Feed is a running Follow. It is used by one goroutine.
type Feed interface {
	// Next waits for the next entry. An error ends the feed, unless it is only
	// that ctx ended; follow again from the last entry seen.
	Next(ctx context.Context) (Entry, error)
	// Ready returns the next entry if it is there already.
	Ready() (Entry, bool)
	Close()
}

// RevisionSubject is where the events of one resource are.
func RevisionSubject(typ, id string) string { return "rev." + typ + "." + id }

// SplitRevisionSubject undoes RevisionSubject; ok is false for the subjects of
// claims, references and the like.
func SplitRevisionSubject(s string) (typ, id string, ok bool) {
	s, ok = strings.CutPrefix(s, "rev.")
	if !ok {
		return "", "", false
	}
	return strings.Cut(s, ".")
}

// ClaimSubject is where a unique value is claimed and released; hash hides it.
func ClaimSubject(hash string) string { return "claim." + hash }

// SystemSubject is where the program keeps something of its own.
func SystemSubject(name string) string { return "sys." + name }

// ReferenceSubject is where one reference to a target is announced.
func ReferenceSubject(targetType, targetID, hash string) string {
	return "ref." + targetType + "." + targetID + "." + hash
}

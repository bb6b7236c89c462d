package plan

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Log is the part of the log that a plan reads.
type Log interface {
	Last(ctx context.Context, subject string) (storage.Entry, error)
	At(ctx context.Context, seq uint64) (storage.Entry, error)
	Follow(ctx context.Context, seq uint64, subjects ...string) (storage.Feed, error)
}

// Blobs is where large content is.
type Blobs interface {
	Get(ctx context.Context, ref string) ([]byte, error)
}

// Source is the data that a plan looks at.
type Source struct {
	Log   Log
	Blobs Blobs
	// From is the first sequence that is looked at; 0: every one. What a resource was
	// before is not known then.
	From uint64
	// Report, if not nil, is told how many of how many sequences are read.
	Report func(done, total uint64)
}

// stalled is how long the log may give nothing before it is asked why, and patience
// how often, before what it says that it has counts as lost.
const (
	stalled  = 3 * time.Second
	patience = 20
)

// maxSubjects is how many types are asked for by name; more are picked out of all.
const maxSubjects = 16

// name is a short stand-in for a subject or a value, of which there are millions.
type name [16]byte

func nameOf(parts ...string) (n name) {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	copy(n[:], h.Sum(nil))
	return n
}

// reading are the entries of some types as they were at one moment.
type reading struct {
	Source
	types       map[string]bool
	last        uint64 // of their entries
	newest      map[name]uint64
	done, total uint64
}

// newReading finds the newest entry of every resource of the types.
func newReading(ctx context.Context, s Source, types map[string]bool, passes uint64) (*reading, error) {
	r := &reading{Source: s, types: types, newest: map[name]uint64{}}
	for typ := range types {
		e, err := s.Log.Last(ctx, storage.RevisionSubject(typ, ">"))
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r.last = max(r.last, e.Seq)
	}
	r.total = r.last * passes
	return r, r.entries(ctx, func(e storage.Entry, _ string) error {
		r.newest[nameOf(e.Subject)] = e.Seq
		return nil
	})
}

// events calls fn with the newest event of every resource that was not purged.
func (r *reading) events(ctx context.Context, types map[string]bool, fn func(e *storage.Event) error) error {
	return r.entries(ctx, func(entry storage.Entry, typ string) error {
		if !types[typ] || r.newest[nameOf(entry.Subject)] != entry.Seq {
			return nil
		}
		e, err := storage.DecodeEvent(entry.Data, entry.Seq)
		if err != nil {
			return err
		}
		if e.Action == storage.Purged {
			return nil
		}
		return fn(e)
	})
}

// entries calls fn with every entry of the types, in order.
func (r *reading) entries(ctx context.Context, fn func(e storage.Entry, typ string) error) error {
	if r.last == 0 || r.last < r.From {
		return nil
	}
	var subjects []string
	for typ := range r.types {
		subjects = append(subjects, storage.RevisionSubject(typ, ">"))
	}
	if len(subjects) > maxSubjects {
		subjects = []string{"rev.>"}
	}
	feed, err := r.Log.Follow(ctx, max(r.From, 1), subjects...)
	if err != nil {
		return err
	}
	defer feed.Close()
	begun := r.done
	for at := uint64(0); at < r.last; {
		entry, err := r.next(ctx, feed, at, subjects)
		if err != nil {
			return err
		}
		if entry.Seq == 0 || entry.Seq > r.last {
			break
		}
		at = entry.Seq
		if r.done = begun + at; r.Report != nil && at%512 == 0 {
			r.Report(r.done, r.total)
		}
		if typ, _, ok := storage.SplitRevisionSubject(entry.Subject); ok && r.types[typ] {
			if err := fn(entry, typ); err != nil {
				return err
			}
		}
	}
	r.done = begun + r.last
	return nil
}

// next is the next entry; the zero Entry when the last ones were erased meanwhile.
func (r *reading) next(ctx context.Context, feed storage.Feed, at uint64, subjects []string) (storage.Entry, error) {
	return await(ctx, feed, func() (uint64, error) {
		var left uint64
		for _, s := range subjects {
			last, err := r.Log.Last(ctx, s)
			if err != nil && !errors.Is(err, storage.ErrNotFound) {
				return 0, err
			}
			if last.Seq > at { // one after r.last tells as well that the feed is not at its end
				left = last.Seq
			}
		}
		return left, nil
	})
}

// await is the next entry of a feed. Where it does not come, left is asked for one that
// is still to come; 0: there is none, and the Entry is the zero one.
func await(ctx context.Context, feed storage.Feed, left func() (uint64, error)) (storage.Entry, error) {
	if e, ok := feed.Ready(); ok {
		return e, nil
	}
	for tries := 1; ; tries++ {
		short, cancel := context.WithTimeout(ctx, stalled)
		e, err := feed.Next(short)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return e, err
		}
		seq, err := left()
		if err != nil || seq == 0 {
			return storage.Entry{}, err
		}
		if tries == patience {
			return storage.Entry{}, fmt.Errorf("the log does not give what it has at sequence %d: %w; run verify", seq, storage.ErrUnavailable)
		}
	}
}

// content is that of an event; errUnreadable when it is lost or damaged.
func (r *reading) content(ctx context.Context, e *storage.Event) ([]byte, error) {
	if e.Content != nil {
		return e.Content, nil
	}
	b, err := r.Blobs.Get(ctx, e.Ref)
	if err == nil {
		err = model.CheckHash(b, e.Revision.Hash)
	}
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrCorrupt) {
		return nil, errUnreadable
	}
	return b, err
}

var errUnreadable = errors.New("the content is lost or damaged")

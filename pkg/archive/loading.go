package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// LoadSubject is where a log that is filled from a backup or an archive says so:
// once before the first entry and once after the last.
var LoadSubject = storage.SystemSubject("load")

// LoadMark is an entry of LoadSubject.
type LoadMark struct {
	From     string `json:"from"` // "backup" or "archive"
	Complete bool   `json:"complete"`
	// Source is the identity of the log that was archived.
	Source string `json:"source,omitempty"`
}

// Loading tells what was loaded into a log: complete is false when that was
// interrupted, and seq is where the last mark is, 0 when nothing was loaded.
func Loading(ctx context.Context, log storage.Log) (mark LoadMark, seq uint64, err error) {
	entry, err := log.Last(ctx, LoadSubject)
	if errors.Is(err, storage.ErrNotFound) {
		return LoadMark{Complete: true}, 0, nil
	}
	if err != nil {
		return mark, 0, err
	}
	err = json.Unmarshal(entry.Data, &mark)
	return mark, entry.Seq, err
}

// AwaitLoaded returns when no load is under way. A process that acts on the log waits
// for it: half of a history is none.
func AwaitLoaded(ctx context.Context, log storage.Log) error {
	for {
		mark, _, err := Loading(ctx, log)
		if err != nil || mark.Complete {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// HasEvents reports whether a log holds any resource.
func HasEvents(ctx context.Context, log storage.Log) (bool, error) {
	_, err := log.Next(ctx, "rev.>", 1)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// upkeepFrom is the record by which upkeep looks at everything from a sequence
// on: what it had begun it begins again, which does no harm.
func upkeepFrom(seq uint64) (storage.Record, error) {
	data, err := json.Marshal(UpkeepMark{Done: seq})
	return storage.Record{Subject: storage.SystemSubject(UpkeepSubject), ID: uuid.Must(uuid.NewV7()).String(), Data: data}, err
}

func (l LoadMark) record() (storage.Record, error) {
	data, err := json.Marshal(l)
	return storage.Record{Subject: LoadSubject, ID: uuid.Must(uuid.NewV7()).String(), Data: data}, err
}

// Filling are the records of a load: the mark, what fill gives, where upkeep
// begins, the mark again.
func Filling(mark LoadMark, first uint64, fill func() (storage.Record, bool, error)) func() (storage.Record, bool, error) {
	step := 0
	return func() (storage.Record, bool, error) {
		switch step {
		case 0:
			step++
			r, err := mark.record()
			return r, true, err
		case 1:
			r, ok, err := fill()
			if ok || err != nil {
				return r, ok, err
			}
			step++
			r, err = upkeepFrom(first)
			return r, true, err
		case 2:
			step++
			mark.Complete = true
			r, err := mark.record()
			return r, true, err
		}
		return storage.Record{}, false, nil
	}
}

// ErrInterrupted tells how to get out of a load that was cut short.
func ErrInterrupted(from string) error {
	return fault.Errorf(fault.InvalidState, "an earlier load from %s was interrupted, so the log is incomplete: stop the service, empty its stores and load again", from)
}

// ErrNotEmpty refuses to fill a log that holds data.
var ErrNotEmpty = fmt.Errorf("the log is not empty: a backup is restored, and a log rebuilt, where there is no data yet")

// UpkeepMark is how far upkeep is, as kept in the log.
type UpkeepMark struct {
	Done uint64 `json:"done"`
}

// UpkeepSubject is the subject of the mark of upkeep.
const UpkeepSubject = "upkeep"

// MayErase tells quickly that an entry may be a tombstone.
func MayErase(data []byte) bool {
	const early = 200 // the action is among the first members
	n := min(len(data), early)
	for i := 0; i+8 < n; i++ {
		if string(data[i:i+8]) == `"purged"` {
			return true
		}
	}
	return false
}

// Skipped are the program's own entries that a restored log has of its own.
func Skipped(subject string) bool {
	return subject == storage.SystemSubject(SubscriptionsKey) || subject == storage.SystemSubject(UpkeepSubject) || subject == LoadSubject || subject == ExpirySubject || subject == ClaimExpirySubject
}

// ExpirySubject is where the log says which tombstones of pruned jobs are not in
// it any more.
var ExpirySubject = storage.SystemSubject("expiry")

// ClaimExpirySubject is where it says up to where released claims were dropped.
var ClaimExpirySubject = storage.SystemSubject("claim-expiry")

// RetentionCause is the cause of an event that pruned a job.
const RetentionCause = "retention"

// SubscriptionsKey is the entry with the key behind the names of subscriptions,
// which are the stream's and not the data's.
const SubscriptionsKey = "subscriptions-key"

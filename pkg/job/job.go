// Package job is what a job handler sees: the job's payload, its attempt, and
// the ways to end it.
//
// A handler may run more than once for a job (a worker can die after the work
// and before its outcome is recorded), so its effects should be repeatable; the
// job's id is a key for that. One outcome is recorded.
//
// The context of a handler ends at the attempt's deadline, when the job is
// cancelled or deleted, and when the worker stops. Operations of the Manager
// with it, or with one made from it, are those of the job's creator.
package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Attempt is one attempt at a job as whatever runs it gets it.
type Attempt struct {
	*jobs.Claim
	Manager *resource.Manager
	Report  Reporter

	mu         sync.Mutex
	checkpoint json.RawMessage
}

// Reporter takes what a running handler tells. It never blocks for long.
type Reporter interface {
	Progress(p storage.Progress)
	Log(line string)
}

// Job is one attempt at a job whose payload is a T.
type Job[T any] struct {
	ID          string
	Type        string
	Attempt     int // from 1
	MaxAttempts int
	Payload     T
	Manager     *resource.Manager

	attempt *Attempt
	mu      sync.Mutex
	result  json.RawMessage
}

// New makes the Job of an attempt.
func New[T any](a *Attempt) (*Job[T], error) {
	j := &Job[T]{ID: a.ID, Type: a.Type, Attempt: a.Claim.Attempt, MaxAttempts: a.Event.Meta.Job.MaxAttempts, Manager: a.Manager, attempt: a}
	if err := json.Unmarshal(a.Data, &j.Payload); err != nil {
		return nil, Fail(fmt.Errorf("the payload does not fit the handler: %w", err))
	}
	return j, nil
}

// Progress tells how far the handler is, in units of its choice; a total of 0
// is one that is not known. It is seen within a second and costs no write.
func (j *Job[T]) Progress(done, total int64, message string) {
	j.attempt.Report.Progress(storage.Progress{Done: done, Total: total, Message: message})
}

// Log adds a line to the job's log.
func (j *Job[T]) Log(format string, args ...any) {
	j.attempt.Report.Log(fmt.Sprintf(format, args...))
}

// SetResult keeps v, as JSON, as the job's result if the attempt succeeds.
func (j *Job[T]) SetResult(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("result of job %s: %w", j.ID, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.result = b
	return nil
}

// Result is what SetResult kept, nil for nothing.
func (j *Job[T]) Result() json.RawMessage {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.result
}

// Snooze is the function Snooze, at hand in a handler.
func (j *Job[T]) Snooze(d time.Duration) error { return Snooze(d) }

// Fail is the function Fail, at hand in a handler.
func (j *Job[T]) Fail(err error) error { return Fail(err) }

// SetCheckpoint keeps v, as JSON, for the attempt after a Snooze.
func (j *Job[T]) SetCheckpoint(v any) error { return j.attempt.SetCheckpoint(v) }

// Checkpoint reads what the attempt before this one left, and reports whether
// there is anything.
func (j *Job[T]) Checkpoint(v any) (bool, error) { return j.attempt.LastCheckpoint(v) }

// SetCheckpoint keeps v, as JSON, for the attempt after a Snooze.
func (a *Attempt) SetCheckpoint(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("checkpoint of job %s: %w", a.ID, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checkpoint = b
	return nil
}

// LastCheckpoint reads what the attempt before this one left, and reports
// whether there is anything.
func (a *Attempt) LastCheckpoint(v any) (bool, error) {
	b := a.Event.Meta.Job.Checkpoint
	if b == nil {
		return false, nil
	}
	return true, json.Unmarshal(b, v)
}

// NextCheckpoint is what a snooze of this attempt leaves: what was set, else
// what it found.
func (a *Attempt) NextCheckpoint() json.RawMessage {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.checkpoint == nil {
		return a.Event.Meta.Job.Checkpoint
	}
	return a.checkpoint
}

// failure ends a job for good, with the result that is kept; again asks for another attempt at a chosen time;
// snooze for one that does not count.
type (
	failure struct {
		err    error
		result json.RawMessage
	}
	again struct {
		err   error
		after time.Duration
	}
	snooze struct{ after time.Duration }
)

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }
func (a again) Error() string   { return a.err.Error() }
func (a again) Unwrap() error   { return a.err }
func (s snooze) Error() string  { return fmt.Sprintf("again in %s", s.after) }

// Fail marks an error that another attempt would not cure.
func Fail(err error) error { return failure{err, nil} }

// FailWith is Fail of a job whose result says what it did all the same: the job is
// failed and has the result, JSON of at most 256 KiB; a longer one is not kept.
func FailWith(result json.RawMessage, err error) error { return failure{err, result} }

// RetryAfter marks an error that is to be tried again no sooner than d from
// now, in place of the type's backoff.
func RetryAfter(d time.Duration, err error) error { return again{err, d} }

// Snooze ends an attempt without an outcome: the job runs again d from now and
// the attempt does not count.
func Snooze(d time.Duration) error { return snooze{d} }

// Permanent reports whether err was marked by Fail.
func Permanent(err error) bool {
	var f failure
	return errors.As(err, &f)
}

// Kept is the result that FailWith keeps.
func Kept(err error) json.RawMessage {
	var f failure
	errors.As(err, &f)
	return f.result
}

// Delay returns what RetryAfter asked for.
func Delay(err error) (time.Duration, bool) {
	var a again
	ok := errors.As(err, &a)
	return a.after, ok
}

// Snoozed returns what Snooze asked for.
func Snoozed(err error) (time.Duration, bool) {
	var s snooze
	ok := errors.As(err, &s)
	return s.after, ok
}

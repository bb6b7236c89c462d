// Package job is what a job handler sees: the job's payload, its attempt, and
// the ways to end it.
//
// A handler may run more than once for a job (a worker can die after the work
// and before its outcome is recorded), so its effects should be repeatable; the
// job's id is a key for that. One outcome is recorded.
package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// Job is one attempt at a job whose payload is a T.
type Job[T any] struct {
	ID          string
	Type        string
	Attempt     int // from 1
	MaxAttempts int
	Payload     T
	Manager     *resource.Manager

	mu     sync.Mutex
	result json.RawMessage
}

// New makes the Job of a claim.
func New[T any](c *resource.Claim, m *resource.Manager) (*Job[T], error) {
	j := &Job[T]{ID: c.ID, Type: c.Type, Attempt: c.Attempt, MaxAttempts: c.Event.Meta.Job.MaxAttempts, Manager: m}
	if err := json.Unmarshal(c.Data, &j.Payload); err != nil {
		return nil, Fail(fmt.Errorf("the payload does not fit the handler: %w", err))
	}
	return j, nil
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

// failure ends a job for good; again asks for another attempt at a chosen time.
type (
	failure struct{ err error }
	again   struct {
		err   error
		after time.Duration
	}
)

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }
func (a again) Error() string   { return a.err.Error() }
func (a again) Unwrap() error   { return a.err }

// Fail marks an error that another attempt would not cure.
func Fail(err error) error { return failure{err} }

// RetryAfter marks an error that is to be tried again no sooner than d from
// now, in place of the type's backoff.
func RetryAfter(d time.Duration, err error) error { return again{err, d} }

// Permanent reports whether err was marked by Fail.
func Permanent(err error) bool {
	var f failure
	return errors.As(err, &f)
}

// Delay returns what RetryAfter asked for.
func Delay(err error) (time.Duration, bool) {
	var a again
	ok := errors.As(err, &a)
	return a.after, ok
}

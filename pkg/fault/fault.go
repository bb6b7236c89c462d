// Package fault is what a user is refused with: one error type that holds a
// stable code, what to do next and the places of a document it is about. It
// knows no storage and no HTTP.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code is the stable, machine-readable kind of an Error. services/api maps each
// to an HTTP status; nothing here knows HTTP.
type Code string

// The codes a user may meet.
const (
	InvalidRequest       Code = "invalid_request"
	InvalidFilter        Code = "invalid_filter"
	InvalidPageToken     Code = "invalid_page_token"
	Unauthenticated      Code = "unauthenticated"
	PermissionDenied     Code = "permission_denied"
	NotFound             Code = "not_found"
	UnknownType          Code = "unknown_type"
	UnknownRevision      Code = "unknown_revision"
	UniqueConflict       Code = "unique_conflict"
	AlreadyExists        Code = "already_exists"
	Referenced           Code = "referenced"
	InvalidState         Code = "invalid_state"
	Conflict             Code = "conflict"
	Deleted              Code = "deleted"
	Pruned               Code = "pruned"
	Gone                 Code = "gone"
	PreconditionFailed   Code = "precondition_failed"
	PreconditionRequired Code = "precondition_required"
	TooLarge             Code = "too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	ValidationFailed     Code = "validation_failed"
	DanglingReference    Code = "dangling_reference"
	IdempotencyMismatch  Code = "idempotency_mismatch"
	RateLimited          Code = "rate_limited"
	Unavailable          Code = "unavailable"
	IndexLag             Code = "index_lag"
	OutcomeUnknown       Code = "outcome_unknown"
)

// Error is a refusal that a user can act on. Detail says what is wrong and what
// to do next; it never holds SQL, paths or credentials.
type Error struct {
	Code          Code
	Detail        string
	Fields        []FieldError  // where, for validation
	Field         string        // unique_conflict: the field
	ConflictingID string        // unique_conflict: the holder
	Deleted       bool          // already_exists: what exists is deleted
	RetryAfter    time.Duration // when trying again makes sense
	Cause         error         // for the service's log only
	Refusal       error         // permission_denied: the caller and the action, a *policy.Refusal; for the service's log only
}

// FieldError points at one place of a document (RFC 6901).
type FieldError struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error implements error, for logs: the cause is in it.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Detail
	for _, f := range e.Fields {
		if f.Pointer != "" || f.Detail != e.Detail { // what is said of the whole is said
			s += fmt.Sprintf("; %s: %s", f.Pointer, f.Detail)
		}
	}
	if e.Cause != nil {
		s += " (" + e.Cause.Error() + ")"
	}
	return s
}

// Unwrap gives the cause to errors.Is.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error; a %w operand becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Detail: err.Error(), Cause: errors.Unwrap(err)}
}

// CodeOf returns the code of err, or "" when it is no Error.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

package resource

import "github.com/autocrud-go/autocrud/pkg/fault"

// The names here belong to other packages by now; they stay, so that programs
// written against them compile.

// Types of pkg/fault.
type (
	// Deprecated: use fault.Code.
	Code = fault.Code
	// Deprecated: use fault.Error.
	Error = fault.Error
	// Deprecated: use fault.FieldError.
	FieldError = fault.FieldError
)

// Codes of pkg/fault.
const (
	// Deprecated: use fault.AlreadyExists.
	AlreadyExists = fault.AlreadyExists
	// Deprecated: use fault.Conflict.
	Conflict = fault.Conflict
	// Deprecated: use fault.DanglingReference.
	DanglingReference = fault.DanglingReference
	// Deprecated: use fault.Deleted.
	Deleted = fault.Deleted
	// Deprecated: use fault.Gone.
	Gone = fault.Gone
	// Deprecated: use fault.IdempotencyMismatch.
	IdempotencyMismatch = fault.IdempotencyMismatch
	// Deprecated: use fault.IndexLag.
	IndexLag = fault.IndexLag
	// Deprecated: use fault.InvalidFilter.
	InvalidFilter = fault.InvalidFilter
	// Deprecated: use fault.InvalidPageToken.
	InvalidPageToken = fault.InvalidPageToken
	// Deprecated: use fault.InvalidRequest.
	InvalidRequest = fault.InvalidRequest
	// Deprecated: use fault.InvalidState.
	InvalidState = fault.InvalidState
	// Deprecated: use fault.NotFound.
	NotFound = fault.NotFound
	// Deprecated: use fault.OutcomeUnknown.
	OutcomeUnknown = fault.OutcomeUnknown
	// Deprecated: use fault.PermissionDenied.
	PermissionDenied = fault.PermissionDenied
	// Deprecated: use fault.PreconditionFailed.
	PreconditionFailed = fault.PreconditionFailed
	// Deprecated: use fault.PreconditionRequired.
	PreconditionRequired = fault.PreconditionRequired
	// Deprecated: use fault.RateLimited.
	RateLimited = fault.RateLimited
	// Deprecated: use fault.Referenced.
	Referenced = fault.Referenced
	// Deprecated: use fault.TooLarge.
	TooLarge = fault.TooLarge
	// Deprecated: use fault.Unauthenticated.
	Unauthenticated = fault.Unauthenticated
	// Deprecated: use fault.Unavailable.
	Unavailable = fault.Unavailable
	// Deprecated: use fault.UniqueConflict.
	UniqueConflict = fault.UniqueConflict
	// Deprecated: use fault.UnknownRevision.
	UnknownRevision = fault.UnknownRevision
	// Deprecated: use fault.UnknownType.
	UnknownType = fault.UnknownType
	// Deprecated: use fault.UnsupportedMediaType.
	UnsupportedMediaType = fault.UnsupportedMediaType
	// Deprecated: use fault.ValidationFailed.
	ValidationFailed = fault.ValidationFailed
)

// Functions of pkg/fault.
var (
	// Deprecated: use fault.CodeOf.
	CodeOf = fault.CodeOf
	// Deprecated: use fault.Errorf.
	Errorf = fault.Errorf
)

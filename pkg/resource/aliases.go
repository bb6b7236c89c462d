package resource

import (
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

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

// Types of pkg/model.
type (
	// Deprecated: use model.ActionRef.
	ActionRef = model.ActionRef
	// Deprecated: use model.Backoff.
	Backoff = model.Backoff
	// Deprecated: use model.Binaries.
	Binaries = model.Binaries
	// Deprecated: use model.Blob.
	Blob = model.Blob
	// Deprecated: use model.Cron.
	Cron = model.Cron
	// Deprecated: use model.Handler.
	Handler = model.Handler
	// Deprecated: use model.JobSpec.
	JobSpec = model.JobSpec
	// Deprecated: use model.Migration.
	Migration = model.Migration
	// Deprecated: use model.ModelError.
	ModelError = model.ModelError
	// Deprecated: use model.ModelErrors.
	ModelErrors = model.ModelErrors
	// Deprecated: use model.OnDelete.
	OnDelete = model.OnDelete
	// Deprecated: use model.Ref.
	Ref = model.Ref
	// Deprecated: use model.Retention.
	Retention = model.Retention
	// Deprecated: use model.Type.
	Type = model.Type
	// Deprecated: use model.TypeOption.
	TypeOption = model.TypeOption
)

// Constants of pkg/model.
const (
	// Deprecated: use model.Cascade.
	Cascade = model.Cascade
	// Deprecated: use model.Dangling.
	Dangling = model.Dangling
	// Deprecated: use model.MaxContent.
	MaxContent = model.MaxContent
	// Deprecated: use model.MaxFullText.
	MaxFullText = model.MaxFullText
	// Deprecated: use model.MaxIndexedText.
	MaxIndexedText = model.MaxIndexedText
	// Deprecated: use model.MaxJSONDepth.
	MaxJSONDepth = model.MaxJSONDepth
	// Deprecated: use model.MaxJSONValues.
	MaxJSONValues = model.MaxJSONValues
	// Deprecated: use model.Restrict.
	Restrict = model.Restrict
	// Deprecated: use model.SetNull.
	SetNull = model.SetNull
)

// Functions of pkg/model.
var (
	// Deprecated: use model.BuiltinTypes.
	BuiltinTypes = model.BuiltinTypes
	// Deprecated: use model.AppendCanonical.
	AppendCanonical = model.AppendCanonical
	// Deprecated: use model.AppendEnvelope.
	AppendEnvelope = model.AppendEnvelope
	// Deprecated: use model.CheckID.
	CheckID = model.CheckID
	// Deprecated: use model.CheckTypes.
	CheckTypes = model.CheckTypes
	// Deprecated: use model.DecodeInput.
	DecodeInput = model.DecodeInput
	// Deprecated: use model.DecodeJSON.
	DecodeJSON = model.DecodeJSON
	// Deprecated: use model.HashOf.
	HashOf = model.HashOf
	// Deprecated: use model.IsBuiltin.
	IsBuiltin = model.IsBuiltin
	// Deprecated: use model.LoadTypes.
	LoadTypes = model.LoadTypes
	// Deprecated: use model.MediaType.
	MediaType = model.MediaType
	// Deprecated: use model.NewType.
	NewType = model.NewType
	// Deprecated: use model.ParseCron.
	ParseCron = model.ParseCron
	// Deprecated: use model.ParseTime.
	ParseTime = model.ParseTime
	// Deprecated: use model.ParseType.
	ParseType = model.ParseType
	// Deprecated: use model.Uncovered.
	Uncovered = model.Uncovered
	// Deprecated: use model.WithAuditReads.
	WithAuditReads = model.WithAuditReads
	// Deprecated: use model.WithBuiltin.
	WithBuiltin = model.WithBuiltin
	// Deprecated: use model.WithDefaultStatus.
	WithDefaultStatus = model.WithDefaultStatus
	// Deprecated: use model.WithDescription.
	WithDescription = model.WithDescription
	// Deprecated: use model.WithIndex.
	WithIndex = model.WithIndex
	// Deprecated: use model.WithJob.
	WithJob = model.WithJob
	// Deprecated: use model.WithRequireIfMatch.
	WithRequireIfMatch = model.WithRequireIfMatch
	// Deprecated: use model.WithRetention.
	WithRetention = model.WithRetention
	// Deprecated: use model.WithSchema.
	WithSchema = model.WithSchema
	// Deprecated: use model.WithTitle.
	WithTitle = model.WithTitle
	// Deprecated: use model.WithUnique.
	WithUnique = model.WithUnique
	// Deprecated: use model.WithVersion.
	WithVersion = model.WithVersion
)

// TypeOf makes a type of a Go struct.
//
// Deprecated: use model.TypeOf.
func TypeOf[T any](name string, opts ...model.TypeOption) (*model.Type, error) {
	return model.TypeOf[T](name, opts...)
}

// Types of pkg/archive.
type (
	// Deprecated: use archive.Object.
	ArchiveObject = archive.Object
	// Deprecated: use archive.Reader.
	ArchiveReader = archive.Reader
	// Deprecated: use archive.Backup.
	Backup = archive.Backup
	// Deprecated: use archive.BackupSummary.
	BackupSummary = archive.BackupSummary
	// Deprecated: use archive.LoadMark.
	LoadMark = archive.LoadMark
	// Deprecated: use archive.RebuildSummary.
	RebuildSummary = archive.RebuildSummary
	// Deprecated: use archive.Rebuilding.
	Rebuilding = archive.Rebuilding
)

// Constants of pkg/archive.
const (
	// Deprecated: use archive.SubscriptionsKey.
	SubscriptionsKey = archive.SubscriptionsKey
)

// Functions and subjects of pkg/archive.
var (
	// Deprecated: use archive.ExpirySubject.
	ExpirySubject = archive.ExpirySubject
	// Deprecated: use archive.LoadSubject.
	LoadSubject = archive.LoadSubject
	// Deprecated: use archive.AwaitLoaded.
	AwaitLoaded = archive.AwaitLoaded
	// Deprecated: use archive.BackupFailure.
	BackupFailure = archive.BackupFailure
	// Deprecated: use archive.Check.
	CheckArchive = archive.Check
	// Deprecated: use archive.Erases.
	Erases = archive.Erases
	// Deprecated: use archive.Loading.
	Loading = archive.Loading
	// Deprecated: use archive.NewReader.
	NewArchiveReader = archive.NewReader
	// Deprecated: use archive.Open.
	OpenArchive = archive.Open
	// Deprecated: use archive.OpenBackup.
	OpenBackup = archive.OpenBackup
	// Deprecated: use archive.Tidy.
	TidyArchive = archive.Tidy
)

// Types of pkg/policy.
type (
	// Deprecated: use policy.Access.
	Access = policy.Access
	// Deprecated: use policy.Actor.
	Actor = policy.Actor
	// Deprecated: use policy.Binding.
	Binding = policy.Binding
	// Deprecated: use policy.Decision.
	Decision = policy.Decision
	// Deprecated: use policy.FieldRules.
	FieldRules = policy.FieldRules
	// Deprecated: use policy.Identity.
	Identity = policy.Identity
	// Deprecated: use policy.Policy.
	Policy = policy.Policy
	// Deprecated: use policy.Refusal.
	Refusal = policy.Refusal
	// Deprecated: use policy.Role.
	Role = policy.Role
	// Deprecated: use policy.Rule.
	Rule = policy.Rule
	// Deprecated: use policy.Verb.
	Verb = policy.Verb
)

// Constants of pkg/policy.
const (
	// Deprecated: use policy.APIKeys.
	APIKeys = policy.APIKeys
	// Deprecated: use policy.AdminPrincipal.
	AdminPrincipal = policy.AdminPrincipal
	// Deprecated: use policy.Bindings.
	Bindings = policy.Bindings
	// Deprecated: use policy.MaxOverlap.
	MaxOverlap = policy.MaxOverlap
	// Deprecated: use policy.MinAdminKey.
	MinAdminKey = policy.MinAdminKey
	// Deprecated: use policy.Roles.
	Roles = policy.Roles
)

// Functions and values of pkg/policy.
var (
	// Deprecated: use policy.Rights.
	Rights = policy.Rights
	// Deprecated: use policy.APIKeyType.
	APIKeyType = policy.APIKeyType
	// Deprecated: use policy.ActorOf.
	ActorOf = policy.ActorOf
	// Deprecated: use policy.AsCode.
	AsCode = policy.AsCode
	// Deprecated: use policy.AsProgram.
	AsProgram = policy.AsProgram
	// Deprecated: use policy.BindingType.
	BindingType = policy.BindingType
	// Deprecated: use policy.NewAccess.
	NewAccess = policy.NewAccess
	// Deprecated: use policy.Parse.
	ParsePolicy = policy.Parse
	// Deprecated: use policy.RefusalOf.
	RefusalOf = policy.RefusalOf
	// Deprecated: use policy.RoleType.
	RoleType = policy.RoleType
	// Deprecated: use policy.WithActor.
	WithActor = policy.WithActor
)

// InlineLimit is the largest content that travels in its event.
//
// Deprecated: use storage.InlineLimit.
const InlineLimit = storage.InlineLimit

package resource

import (
	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/audit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
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

// Constants of pkg/fault.
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

// Functions and values of pkg/fault.
var (
	// Deprecated: use fault.CodeOf.
	CodeOf = fault.CodeOf
	// Deprecated: use fault.Errorf.
	Errorf = fault.Errorf
)

// Types of pkg/model.
type (
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

// Functions and values of pkg/model.
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
	// Deprecated: use model.DecodeJSON.
	DecodeJSON = model.DecodeJSON
	// Deprecated: use model.IsBuiltin.
	IsBuiltin = model.IsBuiltin
	// Deprecated: use model.LoadTypes.
	LoadTypes = model.LoadTypes
	// Deprecated: use model.NewType.
	NewType = model.NewType
	// Deprecated: use model.ParseCron.
	ParseCron = model.ParseCron
	// Deprecated: use model.ParseTime.
	ParseTime = model.ParseTime
	// Deprecated: use model.ParseType.
	ParseType = model.ParseType
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

// Functions and values of pkg/archive.
var (
	// Deprecated: use archive.ExpirySubject.
	ExpirySubject = archive.ExpirySubject
	// Deprecated: use archive.LoadSubject.
	LoadSubject = archive.LoadSubject
	// Deprecated: use archive.AwaitLoaded.
	AwaitLoaded = archive.AwaitLoaded
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
	// Deprecated: use policy.AsProgram.
	AsProgram = policy.AsProgram
	// Deprecated: use policy.BindingType.
	BindingType = policy.BindingType
	// Deprecated: use policy.NewAccess.
	NewAccess = policy.NewAccess
	// Deprecated: use policy.Parse.
	ParsePolicy = policy.Parse
	// Deprecated: use policy.RoleType.
	RoleType = policy.RoleType
	// Deprecated: use policy.WithActor.
	WithActor = policy.WithActor
)

// Types of pkg/audit.
type (
	// Deprecated: use audit.Recorder.
	Recorder = audit.Recorder
)

// Constants of pkg/audit.
const (
	// Deprecated: use audit.OutcomeOK.
	OutcomeOK = audit.OutcomeOK
	// Deprecated: use audit.OutcomeRefused.
	OutcomeRefused = audit.OutcomeRefused
)

// Functions and values of pkg/audit.
var (
	// Deprecated: use audit.NewRecorder.
	NewRecorder = audit.NewRecorder
)

// Types of pkg/states.
type (
	// Deprecated: use states.Live.
	Live = states.Live
	// Deprecated: use states.Progress.
	Progress = states.Progress
	// Deprecated: use states.Visible.
	Visible = states.Visible
)

// Functions and values of pkg/states.
var (
	// Deprecated: use states.Continue.
	Continue = states.Continue
	// Deprecated: use states.NewLive.
	NewLive = states.NewLive
	// Deprecated: use states.NewProgress.
	NewProgress = states.NewProgress
	// Deprecated: use states.TraceOf.
	TraceOf = states.TraceOf
)

// Types of pkg/jobs.
type (
	// Deprecated: use jobs.Claim.
	Claim = jobs.Claim
	// Deprecated: use jobs.ClaimOptions.
	ClaimOptions = jobs.ClaimOptions
	// Deprecated: use jobs.Outcome.
	Outcome = jobs.Outcome
	// Deprecated: use jobs.Queue.
	Queue = jobs.Queue
	// Deprecated: use jobs.QueueDepth.
	QueueDepth = jobs.QueueDepth
	// Deprecated: use jobs.QueueLimits.
	QueueLimits = jobs.QueueLimits
	// Deprecated: use jobs.QueueRate.
	QueueRate = jobs.QueueRate
	// Deprecated: use jobs.QueueRates.
	QueueRates = jobs.QueueRates
	// Deprecated: use jobs.Schedule.
	Schedule = jobs.Schedule
)

// Constants of pkg/jobs.
const (
	// Deprecated: use jobs.MaxLogLines.
	MaxLogLines = jobs.MaxLogLines
	// Deprecated: use jobs.MaxResult.
	MaxResult = jobs.MaxResult
	// Deprecated: use jobs.MaxUniqueKey.
	MaxUniqueKey = jobs.MaxUniqueKey
	// Deprecated: use jobs.QueueSettings.
	QueueSettings = jobs.QueueSettings
	// Deprecated: use jobs.Schedules.
	Schedules = jobs.Schedules
)

// Functions and values of pkg/jobs.
var (
	// Deprecated: use jobs.UnfinishedStates.
	UnfinishedStates = jobs.UnfinishedStates
	// Deprecated: use jobs.QueueType.
	QueueType = jobs.QueueType
	// Deprecated: use jobs.ScheduleType.
	ScheduleType = jobs.ScheduleType
)

// Types of pkg/upkeep.
type (
	// Deprecated: use upkeep.Bulk.
	Bulk = upkeep.Bulk
	// Deprecated: use upkeep.BulkError.
	BulkError = upkeep.BulkError
	// Deprecated: use upkeep.BulkState.
	BulkState = upkeep.BulkState
	// Deprecated: use upkeep.Expiry.
	Expiry = upkeep.Expiry
	// Deprecated: use upkeep.Swept.
	Swept = upkeep.Swept
)

// Constants of pkg/upkeep.
const (
	// Deprecated: use upkeep.BulkJobs.
	BulkJobs = upkeep.BulkJobs
	// Deprecated: use upkeep.ExpireAge.
	ExpireAge = upkeep.ExpireAge
	// Deprecated: use upkeep.SweepAge.
	SweepAge = upkeep.SweepAge
)

// Functions and values of pkg/upkeep.
var (
	// Deprecated: use upkeep.BulkType.
	BulkType = upkeep.BulkType
	// Deprecated: use upkeep.SequenceBefore.
	SequenceBefore = upkeep.SequenceBefore
)

// Types of pkg/notify.
type (
	// Deprecated: use notify.Replay.
	Replay = notify.Replay
	// Deprecated: use notify.Webhook.
	Webhook = notify.Webhook
)

// Constants of pkg/notify.
const (
	// Deprecated: use notify.Left.
	Left = notify.Left
	// Deprecated: use notify.Webhooks.
	Webhooks = notify.Webhooks
)

// Functions and values of pkg/notify.
var (
	// Deprecated: use notify.ErrBehind.
	ErrBehind = notify.ErrBehind
	// Deprecated: use notify.WebhookType.
	WebhookType = notify.WebhookType
)

// Types of pkg/admin.
type (
	// Deprecated: use admin.AuditItem.
	AuditItem = admin.AuditItem
	// Deprecated: use admin.AuditList.
	AuditList = admin.AuditList
	// Deprecated: use admin.AuditOptions.
	AuditOptions = admin.AuditOptions
	// Deprecated: use admin.Finding.
	Finding = admin.Finding
	// Deprecated: use admin.IndexBuilding.
	IndexBuilding = admin.IndexBuilding
	// Deprecated: use admin.Indexing.
	Indexing = admin.Indexing
	// Deprecated: use admin.MigrationError.
	MigrationError = admin.MigrationError
	// Deprecated: use admin.MigrationReport.
	MigrationReport = admin.MigrationReport
	// Deprecated: use admin.Verified.
	Verified = admin.Verified
)

// TypeOf makes a type of a Go struct.
//
// Deprecated: use model.TypeOf.
func TypeOf[T any](name string, opts ...model.TypeOption) (*model.Type, error) {
	return model.TypeOf[T](name, opts...)
}

// InlineLimit is the largest content that travels in its event.
//
// Deprecated: use storage.InlineLimit.
const InlineLimit = storage.InlineLimit

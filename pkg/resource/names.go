package resource

import (
	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// What an application writes down about operations has its name here; the rooms that
// do them are below.

// Types of pkg/states.
type (
	// Aggregate is a page of groups; the values of each are in the order of the options.
	Aggregate = states.Aggregate
	// AggregateOptions of Aggregate.
	AggregateOptions = states.AggregateOptions
	// Change is what a hook sees of a write.
	Change = states.Change
	// Consistency says how new a read must be.
	Consistency = states.Consistency
	// GetOptions of Get.
	GetOptions = states.GetOptions
	// HistoryItem tells who did what, when, from where.
	HistoryItem = states.HistoryItem
	// HistoryList is a page of history, oldest first.
	HistoryList = states.HistoryList
	// Hook is called for a write.
	Hook = states.Hook
	// Hooks are what an application adds to its types.
	Hooks = states.Hooks
	// Index is what a Manager may do to the index: read it, and order that it is made anew.
	Index = states.Index
	// List is a page of resources.
	List = states.List
	// ListOptions of a search.
	ListOptions = states.ListOptions
	// Observer is told what happened, for metrics.
	Observer = states.Observer
	// Operation of a JSON patch (RFC 6902 section 4).
	Operation = states.Operation
	// Options of a Manager.
	Options = states.Options
	// PageOptions of a list that is not a search.
	PageOptions = states.PageOptions
	// Referring is a resource that refers to another.
	Referring = states.Referring
	// ReferringList is a page of referrers, by type, field and id.
	ReferringList = states.ReferringList
	// Resource is one resource as it is answered: the parts of the envelope, each ready to be sent.
	Resource = states.Resource
	// RevisionList is a page of revisions, newest first.
	RevisionList = states.RevisionList
	// UploadQuota bounds the bytes of binaries that this process takes within a day, whatever becomes of them; 0 or less: any number.
	UploadQuota = states.UploadQuota
	// Validator checks content beyond its schema.
	Validator = states.Validator
)

// Constants of pkg/states.
const (
	// Default includes every write that this process acknowledged.
	Default = states.Default
	// DefaultPageSize is how many items a page has when nothing is said.
	DefaultPageSize = states.DefaultPageSize
	// Eventual is whatever the index holds.
	Eventual = states.Eventual
	// MaxPageBytes is how many bytes of resources a page brings; it ends early where one more would be over that, after its first item.
	MaxPageBytes = states.MaxPageBytes
	// MaxPageSize is the most items of a page.
	MaxPageSize = states.MaxPageSize
	// Strong includes every write that was acknowledged by any process.
	Strong = states.Strong
)

// Functions and values of pkg/states.
var (
	// NewHooks has none.
	NewHooks = states.NewHooks
)

// Types of pkg/commit.
type (
	// BatchOperation is one write of a batch.
	BatchOperation = commit.BatchOperation
	// BatchResult is what became of one operation.
	BatchResult = commit.BatchResult
	// CreateOptions of Create.
	CreateOptions = commit.CreateOptions
	// JobOptions of a new job.
	JobOptions = commit.JobOptions
	// Match is a precondition on the resource's last event, from If-Match.
	Match = commit.Match
	// PublishItem is a resource that a release publishes.
	PublishItem = commit.PublishItem
	// When says when something is published, or taken back; the zero value is now.
	When = commit.When
	// Patch is a change relative to the newest state.
	Patch = commit.Patch
	// PatchKind is the format of a patch.
	PatchKind = commit.PatchKind
	// Question is whether a principal may do something: on a type, on a resource of it, or, for create and update, with data.
	Question = commit.Question
	// RestoreOptions of RestoreAs.
	RestoreOptions = commit.RestoreOptions
	// UpdateOptions of a write to an existing resource.
	UpdateOptions = commit.UpdateOptions
)

// Constants of pkg/commit.
const (
	// JSONPatch is RFC 6902.
	JSONPatch = commit.JSONPatch
	// MaxBatch is the most operations of one batch.
	MaxBatch = commit.MaxBatch
	// MaxBinary is the most bytes of a binary.
	MaxBinary = commit.MaxBinary
	// MergePatch is RFC 7396.
	MergePatch = commit.MergePatch
)

// Functions and values of pkg/commit.
var (
	// WithIdempotency makes the writes of a context one write: with the same key, by the same principal, a second one with an equal fingerprint has no second effect and is answered like the first; any other is refused.
	WithIdempotency = commit.WithIdempotency
)

// Types of pkg/jobs.
type (
	// LogItem is one line of a job's log and its place in it.
	LogItem = jobs.LogItem
	// LogList is a page of a job's log, oldest line first.
	LogList = jobs.LogList
)

// Types of pkg/upkeep.
type (
	// PurgeResult is what became of a purge.
	PurgeResult = upkeep.PurgeResult
)

// Types of pkg/notify.
type (
	// Notice is one event as a watch is told of it.
	Notice = notify.Notice
	// Watch follows what happens.
	Watch = notify.Watch
	// WatchOptions say what is watched.
	WatchOptions = notify.WatchOptions
)

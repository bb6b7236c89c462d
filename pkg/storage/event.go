package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// EventVersion is the format Encode writes. Decode reads it and every earlier
// one; the golden logs in testdata hold them to that.
const EventVersion = 1

// Action says what an event did to its resource.
type Action string

// The actions of resources and, with the prefix job_, of jobs.
const (
	Created       Action = "created"
	Updated       Action = "updated"
	Modified      Action = "modified"
	Switched      Action = "switched"
	StatusChanged Action = "status_changed"
	Deleted       Action = "deleted"
	Restored      Action = "restored"
	Purged        Action = "purged"
	Migrated      Action = "migrated"
	TakenBack     Action = "unpublished" // what was published is taken back
	MadePublic    Action = "published"   // a stable HEAD that was taken back is published again, or a revision that is not HEAD
	Planned       Action = "scheduled"   // a time was set at which it is published, or taken back
	Unplanned     Action = "unscheduled" // what was scheduled will not be done
	JobStarted    Action = "job_started"
	JobSucceeded  Action = "job_succeeded"
	JobFailed     Action = "job_failed"
	JobCancelled  Action = "job_cancelled"
	JobRerun      Action = "job_rerun"
	JobSnoozed    Action = "job_snoozed" // an attempt ended that does not count
)

// Actions are all of them.
var Actions = []Action{Created, Updated, Modified, Switched, StatusChanged, Deleted, Restored, Purged, Migrated, TakenBack, MadePublic, Planned, Unplanned,
	JobStarted, JobSucceeded, JobFailed, JobCancelled, JobRerun, JobSnoozed}

// Status of a revision.
type Status string

// A draft may be edited in place, a stable revision never changes.
const (
	Draft  Status = "draft"
	Stable Status = "stable"
)

// Meta is the state of a resource after an event, as users see it.
type Meta struct {
	Type            string     `json:"type"`
	ID              string     `json:"id"`
	CurrentRevision string     `json:"current_revision"` // "<id>:<number>"
	RevisionCount   int        `json:"revision_count"`
	Status          Status     `json:"status"`
	SchemaVersion   string     `json:"schema_version"`
	Seq             uint64     `json:"seq,omitempty"` // of the last event; not stored in the event itself
	CreatedAt       time.Time  `json:"created_at"`
	CreatedBy       string     `json:"created_by"`
	UpdatedAt       time.Time  `json:"updated_at"`
	UpdatedBy       string     `json:"updated_by"`
	Deleted         bool       `json:"deleted"`
	Published       Published  `json:"published,omitzero"`
	Scheduled       *Scheduled `json:"scheduled,omitempty"`
	Job             *Job       `json:"job,omitempty"`
	// Unfit tells that the content does not fit the model as it is now. It is found
	// out when the resource is shown, and no event holds it.
	Unfit bool `json:"unfit,omitempty"`
}

// JobState is where a job stands.
type JobState string

// The states of a job. The last three are final until a rerun.
const (
	JobPending     JobState = "pending"
	JobScheduled   JobState = "scheduled"
	JobRunning     JobState = "running"
	JobStateDone   JobState = "succeeded"
	JobStateFailed JobState = "failed"
	JobStateCancel JobState = "cancelled"
)

// Final reports whether no attempt will follow.
func (s JobState) Final() bool {
	return s == JobStateDone || s == JobStateFailed || s == JobStateCancel
}

// Job is the state of a job resource, part of its meta.
type Job struct {
	State         JobState        `json:"state"`
	Queue         string          `json:"queue"`
	Priority      int             `json:"priority"` // 0 to 9, higher first
	Attempts      int             `json:"attempts"` // begun so far
	MaxAttempts   int             `json:"max_attempts"`
	RunAt         time.Time       `json:"run_at"`
	StartedAt     *time.Time      `json:"started_at"`
	FinishedAt    *time.Time      `json:"finished_at"`
	NextAttemptAt *time.Time      `json:"next_attempt_at"`
	Worker        string          `json:"worker,omitempty"`
	Progress      *Progress       `json:"progress"`
	Error         *string         `json:"error"`
	Result        json.RawMessage `json:"result"`

	// QueuedAt is the job's place among those of its concurrency key: when it
	// was created, or the later instant it was created for, or rerun.
	QueuedAt       time.Time    `json:"queued_at,omitzero"`
	ConcurrencyKey string       `json:"concurrency_key,omitempty"`
	UniqueKey      string       `json:"unique_key,omitempty"` // held until the job is finished
	After          []string     `json:"after,omitempty"`      // "<type>/<id>" of the jobs that must succeed first
	Errors         []JobFailure `json:"errors,omitempty"`     // of the last failed attempts, oldest first
	Schedule       *JobTick     `json:"schedule,omitempty"`
	// Checkpoint is what an attempt that was snoozed left for the next one.
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"`
}

// JobTick is the time of a schedule that a job was made for.
type JobTick struct {
	ID string    `json:"id"` // of the schedule
	At time.Time `json:"at"`
}

// JobFailure is a failed attempt.
type JobFailure struct {
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Worker  string    `json:"worker"`
	Error   string    `json:"error"`
}

// Progress of a running job, in units of the handler's choice.
type Progress struct {
	Done    int64  `json:"done"`
	Total   int64  `json:"total"`
	Message string `json:"message"`
}

// Revision describes one immutable version of a resource's content. A draft's
// may be replaced in place until it becomes stable.
type Revision struct {
	ID            string    `json:"id"` // "<resource id>:<number>"
	Number        int       `json:"number"`
	Parent        *string   `json:"parent"`
	Status        Status    `json:"status"`
	SchemaVersion string    `json:"schema_version"`
	Hash          string    `json:"hash"` // "sha256:<hex>" of the canonical content
	Size          int       `json:"size"` // bytes of the canonical content
	CreatedAt     time.Time `json:"created_at"`
	CreatedBy     string    `json:"created_by"`
	UpdatedAt     time.Time `json:"updated_at"`
	UpdatedBy     string    `json:"updated_by"`
	Message       *string   `json:"message"`
}

// InlineLimit is the largest content, in bytes, that travels inside its event
// and is kept in its index row. Larger ones are referred to.
const InlineLimit = 32 << 10

// Event is one change of one resource. Meta, Revision and Ref are the state
// after it, so the newest event of a resource is all there is to know of it.
type Event struct {
	Version   int       `json:"v"`
	ID        string    `json:"id"` // unique for ever; the message id on the log
	Action    Action    `json:"action"`
	At        time.Time `json:"at"` // microseconds, UTC; never runs backwards within a resource
	Principal string    `json:"principal"`
	RequestID string    `json:"request_id,omitempty"`
	Address   string    `json:"address,omitempty"` // of the client
	UserAgent string    `json:"user_agent,omitempty"`
	Meta      Meta      `json:"meta"`
	Revision  Revision  `json:"revision"` // the one HEAD points to
	Ref       string    `json:"ref"`      // of HEAD's revision object in Blobs
	// Wrote is the number of the revision that this event created or changed
	// in place, 0 for the events that only move or mark.
	Wrote int `json:"wrote,omitempty"`
	// Previous is the digest of the resource's event before this one.
	Previous string `json:"previous,omitempty"`
	// Inline tells that the content travels with the event.
	Inline bool `json:"inline,omitempty"`
	// Apart tells that the content is in its object alone, because it will be pruned:
	// neither the event nor what is told outside holds it.
	Apart bool `json:"apart,omitempty"`

	// Shown is what the published view shows where that is not HEAD. Of a deleted
	// resource it comes back with it.
	Shown *Shown `json:"shown,omitempty"`
	// Withheld tells of a delete, or a purge, that what was published left with it; a
	// restore brings that back.
	Withheld bool `json:"withheld,omitempty"`
	// ScheduledGroups are those that the principal of what is scheduled was in, whose
	// rights it has when the time comes.
	ScheduledGroups []string `json:"scheduled_groups,omitempty"`

	// Binaries are the digests of the binaries that HEAD's content refers to.
	Binaries []string `json:"binaries,omitempty"`
	// Concealed are the places of the content, as JSON pointers, that were written
	// and are never shown.
	Concealed []string `json:"concealed,omitempty"`
	// Claims are the unique values this resource holds, by constraint.
	Claims map[string]string `json:"claims,omitempty"`
	// ClaimSet names the constraints that Claims were made by. Those of an event
	// that was written under others do not tell what the resource holds.
	ClaimSet string `json:"claim_set,omitempty"`
	// Erased are the idempotency keys that made what was erased before, of a
	// tombstone and of the create that follows one.
	Erased []ErasedKey `json:"erased,omitempty"`
	// Attempt is the fencing token of the job attempt that is running.
	Attempt string `json:"attempt,omitempty"`
	// LeaseUntil was when a running attempt counts as dead; heartbeats outside
	// of the log tell that now. Kept for logs that have it.
	LeaseUntil *time.Time `json:"lease_until,omitempty"`
	// Idempotency is the key and the request's fingerprint, when one was sent.
	Idempotency *Idempotency `json:"idempotency,omitempty"`
	// Cause is what made this one happen: the event that a cascade follows, or
	// "<type>/<id>" of the job that wrote it.
	Cause string `json:"cause,omitempty"`
	// Trace names the span in which it was written (W3C Trace Context, the
	// value of traceparent), so that what it leads to joins that trace.
	Trace string `json:"traceparent,omitempty"`
	// Owner is the principal that what acts later acts as, when that is not the
	// one that made the resource.
	Owner string `json:"owner,omitempty"`
	// Groups are those that the owner of what acts later was in, whose rights it
	// has; of a delete, those of the principal that deleted.
	Groups []string `json:"groups,omitempty"`

	Seq     uint64 `json:"-"` // place in the log; known after the commit
	Content []byte `json:"-"` // canonical JSON of HEAD's revision when Inline, or when known to the process
	Header  []byte `json:"-"` // the encoded form without content; set by Decode
	// HeaderDigest is that of Header, when that was left out.
	HeaderDigest string `json:"-"`
}

// Headless is the event without its encoded form, whose digest is still known.
func (e *Event) Headless() *Event {
	own := *e
	own.HeaderDigest, own.Header = e.Digest(), nil
	return &own
}

// Emptied reports whether the content that the event left was pruned before the log was
// filled from a backup or an archive: it has no object there.
func (e *Event) Emptied() bool { return e.Apart && e.Ref == "" }

// Digest of an event's header, by which the next event of its resource proves what
// came before; empty when it was never encoded.
func (e *Event) Digest() string {
	if e.Header == nil {
		return e.HeaderDigest
	}
	sum := sha256.Sum256(e.Header)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Idempotency ties an event to the request that asked for it.
type Idempotency struct {
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
	Status      int    `json:"status,omitempty"`
}

// ErasedKey is an idempotency key, hidden behind a hash, that made something which
// was erased since.
type ErasedKey struct {
	Key string    `json:"key"`
	At  time.Time `json:"at"`
}

// Encode writes the event: one line of JSON, a newline, the inline content.
// The content is last and raw so that neither side parses it to find its end.
func (e *Event) Encode() ([]byte, error) {
	e.Version = EventVersion
	e.Inline = e.Content != nil && !e.Apart
	if y := e.At.Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("encode event %s: the year %d", e.ID, y)
	}
	b := e.appendHeader(make([]byte, 0, 1400+len(e.Content)))
	e.Header = b[:len(b):len(b)]
	b = append(b, '\n')
	if !e.Inline {
		return b, nil
	}
	return append(b, e.Content...), nil
}

// DecodeHeader reads an event without its content.
func DecodeHeader(h []byte, seq uint64) (*Event, error) {
	e := &Event{Seq: seq, Header: h}
	if err := json.Unmarshal(h, e); err != nil {
		return nil, fmt.Errorf("event at %d: %w: %w", seq, ErrCorrupt, err)
	}
	e.Meta.Seq = seq
	return e, nil
}

// DecodeEvent reads what Encode wrote, of this or any earlier version. The
// result keeps pointing into b.
func DecodeEvent(b []byte, seq uint64) (*Event, error) {
	h, content, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return nil, fmt.Errorf("event at %d: %w: no header line", seq, ErrCorrupt)
	}
	e := &Event{Seq: seq, Header: h}
	if err := json.Unmarshal(h, e); err != nil {
		return nil, fmt.Errorf("event at %d: %w: %w", seq, ErrCorrupt, err)
	}
	if e.Version < 1 || e.Version > EventVersion {
		return nil, fmt.Errorf("event at %d: %w: format version %d, this build reads up to %d",
			seq, errors.ErrUnsupported, e.Version, EventVersion)
	}
	if e.Inline {
		if len(content) != e.Revision.Size {
			return nil, fmt.Errorf("event at %d: %w: %d bytes of content, want %d", seq, ErrCorrupt, len(content), e.Revision.Size)
		}
		e.Content = content
	}
	e.Meta.Seq = seq
	return e, nil
}

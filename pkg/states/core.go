package states

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/autocrud-go/autocrud/pkg/audit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// writeTimeout bounds a commit, whatever becomes of the request meanwhile.
const writeTimeout = 12 * time.Second

// Index is what a Manager may do to the index: read it, and order that it is made
// anew. The rows are the indexer's.
type Index interface {
	storage.IndexReader
	storage.IndexRebuilder
}

// Core is what the rooms of the domain share.
type Core struct {
	Types      *registry.Types
	Strategies Strategies
	Log        storage.Log
	Blobs      storage.Blobs
	Index      Index
	Progress   *Progress
	Recent     *Recent
	Heads      *Heads
	Walks      *Walks
	Cursors    *query.Cursors
	HashKey    *atomic.Pointer[[]byte] // Options.ClaimKey, or that of what was restored
	Loading    *atomic.Bool            // a backup is being restored
	HookRuns   *HookRuns
	Options    *Options
}

// Register gives a built-in type its strategy. It is done before the first operation.
func (c Core) Register(typ string, s Strategy) { c.Strategies[typ] = s }

// Options of a Manager. The zero value is right for a process of its own.
type Options struct {
	// LogSyncsBlobs tells that an append also syncs the blobs put before it,
	// so that the manager need not.
	LogSyncsBlobs bool
	// Sole tells that no other process writes to the log, so that what an index
	// that has caught up does not know does not exist.
	Sole bool
	// Archive holds a second copy of the log, which a purge erases from too; nil:
	// there is none.
	Archive storage.Archive
	// NoErase tells that this process may not erase from the log; the Upkeep of
	// another one does.
	NoErase bool
	// Last is the last sequence of the log when this process began; until the
	// index holds it, what the index does not know is looked for in the log.
	Last uint64
	// Secret authenticates page tokens; processes that share it accept each
	// other's. Default: random, tokens end with the process.
	Secret []byte
	// Uploads bounds what is uploaded in a day.
	Uploads UploadQuota
	// ClaimKey hides unique values in the log. Every process of a namespace
	// needs the same. Default: random, for a log that ends with the process.
	ClaimKey []byte
	// Outward holds copies of events, which a purge erases; nil: there are none.
	Outward storage.Outward
	// HooksApart tells that other processes write too, so that after-hooks run
	// from the stream of events, where RunAfterHooks is, and not in the process
	// of the write.
	HooksApart bool
	// Deliveries holds what webhooks were told, which a purge erases; nil: nothing.
	Deliveries storage.Deliveries
	// Recorder keeps refusals and audited reads; nil: they are not kept.
	Recorder *audit.Recorder
	Hooks    *Hooks
	// Access decides who may do what; nil: every caller may do everything.
	Access *policy.Access
	// Visible limits what watches are told; nil: they are told everything.
	Visible  Visible
	Progress *Progress
	// FarWalk is how long a list takes at least for an index to be suggested. Default 20 ms.
	FarWalk time.Duration
	// Heads keeps what was read and written last, when the indexer is in this process,
	// which is the only writer; nil: nothing is kept.
	Heads   *Heads
	Live    *Live           // how far running jobs are; nil: not known
	JobLogs storage.JobLogs // nil: what handlers write is not kept
	// Committed is told of every event of a job that this process committed.
	// It must not wait, and not change the event.
	Committed func(*storage.Event)
	Observer  Observer
	Tracer    trace.Tracer // of commits; nil: no spans are made
	Logger    *slog.Logger
	Now       func() time.Time
	NewID     func() string // of resources made without one; default UUIDv7
}

// Observer is told what happened, for metrics.
type Observer interface {
	// Committed: an operation's event is in the log.
	Committed(typ string, action storage.Action, took time.Duration)
	// Refused: an operation failed with this code.
	Refused(typ string, code fault.Code)
}

type nobody struct{}

func (nobody) Committed(string, storage.Action, time.Duration) {}
func (nobody) Refused(string, fault.Code)                      {}

// NewCore holds the types and the three stores.
func NewCore(types []*model.Type, log storage.Log, blobs storage.Blobs, index Index, o Options) Core {
	if o.Hooks == nil {
		o.Hooks = NewHooks()
	}
	if o.Progress == nil {
		o.Progress = NewProgress()
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = NewUUID
	}
	if o.FarWalk == 0 {
		o.FarWalk = farWalk
	}
	if o.Secret == nil {
		o.Secret = make([]byte, 32)
		_, _ = rand.Read(o.Secret) // never fails
	}
	if o.ClaimKey == nil {
		o.ClaimKey = make([]byte, 32)
		_, _ = rand.Read(o.ClaimKey) // never fails
	}
	c := Core{Types: registry.New(types), Strategies: Strategies{}, Log: log, Blobs: blobs, Index: index, Progress: o.Progress, Recent: newRecent(o.Last), Heads: o.Heads, Walks: newWalks(o.Logger, o.FarWalk),
		Cursors: query.NewCursors(o.Secret), HashKey: &atomic.Pointer[[]byte]{}, Loading: &atomic.Bool{}, HookRuns: &HookRuns{}, Options: &o}
	c.HashKey.Store(&o.ClaimKey)
	return c
}

// NewUUID makes an id that sorts by time.
func NewUUID() string { return uuid.Must(uuid.NewV7()).String() }

// Types lists the types by name.
func (st *States) Types() []*model.Type {
	return slices.Clone(st.types.All())
}

// Type finds one; unknown_type when there is none.
func (st *States) Type(name string) (*model.Type, error) {
	t := st.types.Named(name)
	if t == nil {
		return nil, fault.Errorf(fault.UnknownType, "there is no type %q; GET /v1/types lists them", name)
	}
	return t, nil
}

// Find checks what every operation on one resource begins with.
func (st *States) Find(typ, id string) (*model.Type, error) {
	t, err := st.Type(typ)
	if err != nil {
		return nil, err
	}
	return t, model.CheckID(id)
}

// StoreError turns an error of a store into one a user can act on.
func StoreError(err error) error {
	var refused *query.Error
	var building *storage.BuildError
	switch {
	case err == nil, fault.CodeOf(err) != "":
		return err
	case errors.Is(err, storage.ErrUnknown):
		return &fault.Error{Code: fault.OutcomeUnknown, RetryAfter: time.Second, Cause: err,
			Detail: "it is not known whether the write was stored; read the resource, or send the same request again with the same Idempotency-Key"}
	case errors.Is(err, storage.ErrTooLarge):
		return &fault.Error{Code: fault.TooLarge, Detail: "the resource is larger than the store takes", Cause: err}
	case errors.Is(err, storage.ErrFull):
		return &fault.Error{Code: fault.Unavailable, RetryAfter: 30 * time.Second, Detail: "the store is full; nothing was written", Cause: err}
	case errors.As(err, &refused):
		return &fault.Error{Code: fault.InvalidFilter, Detail: refused.Error(), Cause: err}
	case errors.As(err, &building):
		return &fault.Error{Code: fault.IndexLag, RetryAfter: time.Second, Cause: err, Detail: fmt.Sprintf(
			"the index of %s is being built: %d of %d entries of the log are read; fields that were indexed before answer meanwhile, if there were any",
			building.Type, building.Replayed, building.Through)}
	case errors.Is(err, storage.ErrNotReady):
		return &fault.Error{Code: fault.IndexLag, RetryAfter: time.Second, Detail: "the index of this type is being built", Cause: err}
	}
	return &fault.Error{Code: fault.Unavailable, RetryAfter: time.Second, Detail: "a store did not answer; try again", Cause: err}
}

// Committing detaches a commit from its request: once begun it is finished,
// because a client that went away must not leave a half-known outcome.
func Committing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
}

// RevisionID names a revision of a resource by its number.
func RevisionID(id string, n int) string { return fmt.Sprintf("%s:%d", id, n) }

// UploadQuota bounds the bytes of binaries that this process takes within a day,
// whatever becomes of them; 0 or less: any number.
type UploadQuota struct {
	Principal int64 // of one principal, where there are principals
	All       int64 // of all together
}

// Visible decides what the context's actor may see of a state of a resource: the
// content, as it is or with parts taken out, or nothing. Content is nil where
// it is not known any more, as after a purge. It is asked for every event anew.
type Visible func(ctx context.Context, e *storage.Event, content json.RawMessage) (json.RawMessage, bool)

package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
)

// Definition is what the index keeps of one type. Its Hash names its table, so
// another definition of the same type is another table beside it.
type Definition struct {
	Type     string
	Fields   []query.Field // of the data, in the order of IndexChange.Values
	FullText []string      // paths of the data whose text q= searches
	Job      bool
	// Owned: its lists are often those of one creator, newest first.
	Owned bool
	// Composite are indexes over several fields, with a minus before those after which
	// rows come in descending order.
	Composite [][]string `json:",omitempty"`
	// Days are the names of the Fields that hold dates. Tables are the same with
	// and without them.
	Days []string `json:",omitempty"`
	// Marks: some of its resources do not fit their model, and the rows of those are
	// marked. Where it is false no row is.
	Marks bool `json:",omitempty"`
	Hash  string
}

// QueryFields is everything a filter or an order on the type may name.
func (d Definition) QueryFields() query.Fields {
	fields := append(MetaFields(d.Job), d.Fields...)
	for i := range fields {
		fields[i].Day = slices.Contains(d.Days, fields[i].Name)
	}
	return query.NewFields(fields...)
}

// UnfitField tells whether a resource does not fit its model.
const UnfitField = "meta.unfit"

// MetaFields are the fields every type has besides its own.
func MetaFields(job bool) []query.Field {
	f := []query.Field{
		{Name: "meta.id", Kind: query.Text},
		{Name: "meta.created_at", Kind: query.Time},
		{Name: "meta.created_by", Kind: query.Text},
		{Name: "meta.updated_at", Kind: query.Time},
		{Name: "meta.updated_by", Kind: query.Text},
		{Name: "meta.status", Kind: query.Text},
		{Name: "meta.revision_count", Kind: query.Integer},
		{Name: "meta.schema_version", Kind: query.Text},
		{Name: "meta.deleted", Kind: query.Boolean},
		{Name: "meta.seq", Kind: query.Integer},
		{Name: UnfitField, Kind: query.Boolean},
		{Name: ScheduledAtField, Kind: query.Time},
		{Name: ScheduledActionField, Kind: query.Text},
		{Name: ScheduledByField, Kind: query.Text},
	}
	if job {
		f = append(f,
			query.Field{Name: "meta.job.state", Kind: query.Text},
			query.Field{Name: "meta.job.attempts", Kind: query.Integer},
			query.Field{Name: "meta.job.queue", Kind: query.Text},
			query.Field{Name: "meta.job.run_at", Kind: query.Time},
			query.Field{Name: "meta.job.priority", Kind: query.Integer},
		)
	}
	return f
}

// MetaValue gives the meta fields of MetaFields to the evaluator and the index.
func MetaValue(m *Meta, name string) query.Value {
	switch name {
	case "meta.id":
		return m.ID
	case "meta.created_at":
		return m.CreatedAt
	case "meta.created_by":
		return m.CreatedBy
	case "meta.updated_at":
		return m.UpdatedAt
	case "meta.updated_by":
		return m.UpdatedBy
	case "meta.status":
		return string(m.Status)
	case "meta.revision_count":
		return int64(m.RevisionCount)
	case "meta.schema_version":
		return m.SchemaVersion
	case "meta.deleted":
		return m.Deleted
	case "meta.seq":
		return int64(m.Seq)
	case UnfitField:
		return m.Unfit
	case ScheduledAtField, ScheduledActionField, ScheduledByField:
		return m.Scheduled.value(name)
	}
	if m.Job == nil {
		return nil
	}
	switch name {
	case "meta.job.state":
		return string(m.Job.State)
	case "meta.job.attempts":
		return int64(m.Job.Attempts)
	case "meta.job.queue":
		return m.Job.Queue
	case "meta.job.run_at":
		return m.Job.RunAt
	case "meta.job.priority":
		return int64(m.Job.Priority)
	}
	return nil
}

// IndexChange is one event as the index keeps it.
type IndexChange struct {
	Event *Event
	// Values are the indexed values of HEAD's content, in the order of
	// Definition.Fields: nil, string, int64, float64, bool, time.Time or, for
	// a list, []query.Value.
	Values []query.Value
	// Text are the words of each Definition.FullText path, in its order.
	Text []string
	// Content is HEAD's canonical content when it is small enough to be kept
	// in the row, else nil.
	Content []byte
	// Unfit marks the row of a resource that does not fit its model, where
	// Definition.Marks says that there can be any.
	Unfit bool
	// Damaged marks an event that could not be projected as it is.
	Damaged string
	// Shown makes the change of Event.Shown, for an index that does not hold it;
	// nil where that is not set.
	Shown func(ctx context.Context) (*IndexChange, error)
}

// Batch is a run of the log, applied all or none.
type Batch struct {
	Changes []IndexChange
	Through uint64 // every entry up to this sequence is in this or an earlier batch
	// Dropped are the sequences of tombstones that are not in the log any more:
	// they leave the history, and their rows where nothing came after them.
	Dropped []uint64
	// Pruned tells which revisions are not kept any more; the binaries of those that
	// are hold their resource alone. History are events that are not in the log any
	// more: they belong to the history and to no row.
	Pruned  []*Pruned
	History []*Event
	// Replay names the fresh types that this is history for: their new tables
	// and their events are made what the log says up to Through, the position
	// and all else stay as they are.
	Replay []string
}

// PendingBuild is a type whose table is new while the log has history: replay batches
// from Replayed (exclusive) to Through fill it.
type PendingBuild struct {
	Type              string
	Replayed, Through uint64
}

// BuildError says that a query needs a table that is still being
// filled. It is an ErrNotReady.
type BuildError struct{ PendingBuild }

// Error names the type and how far its table is.
func (e *BuildError) Error() string {
	return fmt.Sprintf("the index of %s is being built: %d of %d entries of the log are read", e.Type, e.Replayed, e.Through)
}

// Is makes it an ErrNotReady.
func (e *BuildError) Is(target error) bool { return target == ErrNotReady }

// Position is how far an index is.
type Position struct {
	Identity string // of the log it was built from
	Applied  uint64 // last sequence applied
}

// Row is a resource as the index keeps it.
type Row struct {
	Event    *Event // of Head only: the resource's last event
	AsOf     uint64 // of Head only: how far the index was in the very state that was read
	ID       string //
	Seq      uint64 // of its last event
	Deleted  bool
	EventID  string          //
	Meta     json.RawMessage // as in the envelope, seq included
	Revision json.RawMessage // as in the envelope
	Ref      string          // of HEAD's revision object
	Content  []byte          // nil when it is only in Blobs
}

// Bytes is how much the row brings: its parts, and the content wherever that is,
// unless it is bare.
func (r *Row) Bytes(bare bool) int64 {
	n := int64(len(r.Meta) + len(r.Revision))
	switch {
	case bare:
	case r.Content != nil:
		n += int64(len(r.Content))
	default: // the size of the content is in the revision; a quote inside of a text is escaped there
		if _, rest, ok := bytes.Cut(r.Revision, []byte(`"size":`)); ok {
			for size := int64(0); len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9'; rest = rest[1:] {
				size = size*10 + int64(rest[0]-'0')
				if len(rest) == 1 || rest[1] < '0' || rest[1] > '9' {
					n += size
				}
			}
		}
	}
	return n
}

// Full reports whether the page, which brings bytes already, ends before a row.
func (s *Search) Full(p *Page, bytes, row int64) bool {
	return len(p.Rows) >= s.Limit || s.MaxBytes > 0 && len(p.Rows) > 0 && bytes+row > s.MaxBytes
}

// Deletion says which resources a search sees.
type Deletion uint8

// Live is the default: deleted resources are not found.
const (
	Live Deletion = iota
	LiveAndDeleted
	OnlyDeleted
)

// View says which state of each resource a search is about.
type View uint8

// HeadView is the default: the newest state. PublishedView is what is published, and
// resources of which nothing is do not exist in it.
const (
	HeadView View = iota
	PublishedView
)

// Search is one page of a list.
type Search struct {
	Type     string
	View     View
	Filter   query.Expr // nil: all
	Text     string     // full text, empty: none
	Order    query.Order
	After    *query.Cursor // nil: from the start
	Limit    int           // at least 1
	MaxBytes int64         // the page ends before it brings more, but not before its second row; 0: any number
	Deletion Deletion
	Total    bool // count all matches too
	Bare     bool // leave out Content
}

// Page is the answer to a Search.
type Page struct {
	Rows    []Row
	Next    *query.Cursor // nil: this was the last
	Total   int64         // -1 unless asked for
	Applied uint64        // the index when it was read
}

// Past is a record of history: an event without its content.
type Past struct {
	Seq   uint64
	Event *Event // Seq and Header set, Content nil
}

// EventQuery asks for events of one resource, or, without an id or a type, of all
// in the order of the log. Such a query has a Span.
type EventQuery struct {
	Type, ID string
	// Span looks at so many sequences from After on; 0: all.
	Span uint64
	// Principal and Action are those of the events; empty: any.
	Principal string
	Action    Action
	Since     time.Time // only events at or after it; zero: all
	After     uint64    // only later sequences (earlier ones when Descending), 0: from the end that comes first
	Until     time.Time // only events at or before it; zero: all
	Wrote     int       // only those that wrote this revision; 0: all
	Written   bool      // only those that wrote a revision
	// Newest first.
	Descending bool
	Limit      int
}

// Holder is a resource that refers, or referred in an older revision, to a
// binary.
type Holder struct{ Type, ID string }

// IndexReader answers searches. All methods are safe for concurrent use.
type IndexReader interface {
	// Position says how far the index is; the zero Position when it is new.
	Position(ctx context.Context) (Position, error)
	// Building lists the types whose tables are being filled, by name.
	Building(ctx context.Context) ([]PendingBuild, error)
	// Head returns the row of one resource, deleted or not, or ErrNotFound.
	Head(ctx context.Context, typ, id string) (Row, error)
	// Heads returns the newest events of several resources, with the content
	// that is in their rows, in no order; those that are not there are left out.
	Heads(ctx context.Context, typ string, ids []string) ([]*Event, error)
	// Read is Head without the event.
	Read(ctx context.Context, typ, id string) (Row, error)
	// Search answers one page with one statement, a Total with another. What
	// cannot be asked is a *query.Error; a field that the table in use does not
	// hold yet is a *BuildError.
	Search(ctx context.Context, s Search) (Page, error)
	// Aggregate answers one page of groups with one statement.
	Aggregate(ctx context.Context, a Aggregation) (Groups, error)
	// Events returns history, oldest first unless asked otherwise.
	Events(ctx context.Context, q EventQuery) ([]Past, error)
	// Keyed returns the newest event that a principal committed under an
	// idempotency key, or ErrNotFound.
	Keyed(ctx context.Context, principal, key string) (Past, error)
	// Holders lists resources of which an event refers to the binary, at most
	// limit; typ and id, when not empty, narrow it to one resource.
	Holders(ctx context.Context, digest, typ, id string, limit int) ([]Holder, error)
	// Pruned tells which revisions of a resource are not kept any more; nil when all
	// are.
	Pruned(ctx context.Context, typ, id string) (*Pruned, error)
	// Due lists what is scheduled until an instant, inclusive, the earliest first, at most
	// limit. What is in no table that answers is left out until it is.
	Due(ctx context.Context, until time.Time, limit int) ([]Due, error)
	// Types lists the types that have at least one resource.
	Types(ctx context.Context) ([]string, error)
}

// IndexWriter projects the log: one indexer of a namespace has it, and nothing else
// writes rows.
type IndexWriter interface {
	// Define makes the given types and no others usable. A type of another
	// definition than before gets a new table beside the old one, which goes on
	// answering what it can until replay batches have filled the new one; then
	// the new one takes over and the old one is dropped, in one transaction.
	// It reports the types that are to be filled. On an index at position zero
	// there are none: a table is complete as it is. The table of a type that is
	// not given is dropped, since nothing will be written to it: a type that
	// comes back is filled anew. Whatever was removed is made again.
	Define(ctx context.Context, defs []Definition) (fresh []PendingBuild, err error)
	// Position says how far the index is; the zero Position when it is new.
	Position(ctx context.Context) (Position, error)
	// Reset empties the index and binds it to a log. Until the position has
	// reached through, and before any Reset, a search is a *BuildError, and
	// Events, Keyed and Holders are ErrNotReady: what was there before must not
	// seem gone.
	Reset(ctx context.Context, identity string, through uint64) error
	// Apply writes a batch in one transaction, into old and new tables alike. A
	// change older than the row it would replace is kept in the history but
	// leaves the row alone, so a repeated batch changes nothing. ErrNotReady
	// tells that the index is not the one that was defined; define it again. A
	// batch of nothing finds out whether it is.
	Apply(ctx context.Context, b Batch) error
}

// IndexRebuilder orders new tables, which the indexer then fills.
type IndexRebuilder interface {
	// Rebuild begins new tables of these definitions beside those that answer,
	// as if the definitions had changed. A type that has no table that answers
	// is left as it is. Apply is ErrNotReady until Define has reported them.
	Rebuild(ctx context.Context, defs []Definition) error
}

// Index is the projection that answers searches. It is written by one indexer and
// read by many, each of which takes the role it has.
type Index interface {
	IndexReader
	IndexWriter
	IndexRebuilder
	Close() error
}

package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// BulkChanges are changes of many resources, as jobs.
type BulkChanges struct {
	Guard  *states.Guard
	Jobs   *jobs.Jobs
	Reads  *states.Reads
	States *states.States
	Upkeep *Upkeep
	Writer *commit.Writer
	index  states.Index
	log    storage.Log
	types  *registry.Types
}

// NewBulkChanges is the bulk changes of a Manager.
func NewBulkChanges(p commit.Parts, jobs *jobs.Jobs, upkeep *Upkeep) *BulkChanges {
	bk := &BulkChanges{Guard: p.Guard, Jobs: jobs, Reads: p.Reads, States: p.States, Writer: p.Writer, Upkeep: upkeep, index: p.Core.Index, log: p.Core.Log, types: p.Core.Types}
	p.Core.Register(BulkJobs, states.Strategy{Check: bk.checkBulk, Hands: bk.mayBulk, Runs: bk.mayRunBulk})
	return bk
}

// Bulk is a change of everything that matches a filter.
type Bulk struct {
	Op     string          `json:"op"` // patch, delete, restore; of jobs cancel and rerun too
	Type   string          `json:"type"`
	Filter string          `json:"filter,omitempty"`
	Patch  json.RawMessage `json:"patch,omitempty"`
	ID     string          `json:"id,omitempty"` // of a purge
	// Revisions is how many a prune keeps of each resource.
	Revisions int `json:"revisions,omitempty"`
}

// QueueBulk makes the job of a bulk change, which runs with the rights of its
// creator.
func (bk *BulkChanges) QueueBulk(ctx context.Context, typ string, doc map[string]any) (*states.Resource, error) {
	doc["type"] = typ
	if a := policy.ActorOf(ctx); a.Identity != nil && a.Identity.Limit != "" {
		return nil, policy.Denied(ctx, bk.types.Named(BulkJobs), "", "create", policy.Decision{Why: "a handler that is limited by the role of its type of jobs makes nothing that acts later"})
	}
	if t, err := bk.States.Type(typ); err != nil {
		return nil, err
	} else if op, _ := doc["op"].(string); op != "" {
		if err := bk.mayOp(ctx, t, op); err != nil {
			return nil, err
		}
		if text, _ := doc["filter"].(string); text != "" {
			if _, _, err := bk.Reads.Search(ctx, t, states.ListOptions{Filter: text}); err != nil {
				return nil, err
			}
		}
		ctx = policy.AsProgram(ctx)
	}
	return bk.Writer.Create(ctx, BulkJobs, doc, commit.CreateOptions{})
}

// checkBulk refuses what can never work.
func (bk *BulkChanges) checkBulk(content []byte) error {
	b, patch, err := readBulk(content)
	if err != nil {
		return err
	}
	t, err := bk.States.Type(b.Type)
	if err != nil {
		return err
	}
	refuse := func(field, detail string) error {
		return &fault.Error{Code: fault.ValidationFailed, Detail: "the bulk change cannot work: " + field + " " + detail, Fields: []fault.FieldError{{Pointer: "/" + field, Detail: detail}}}
	}
	switch {
	case b.Op == "prune" && b.Revisions == 0:
		return refuse("revisions", "is needed")
	case b.Op != "prune" && b.Revisions != 0:
		return refuse("revisions", "is for prune only")
	case b.Op == "prune" && b.Filter != "":
		return refuse("filter", "is not for prune: it is of all resources")
	case b.Op == "purge" && b.ID == "":
		return refuse("id", "is needed")
	case b.Op != "purge" && b.ID != "":
		return refuse("id", "is for purge only")
	case (b.Op == "cancel" || b.Op == "rerun") && t.Job == nil:
		return refuse("op", "is for jobs only")
	case b.Op == "patch" && patch.Body == nil:
		return refuse("patch", "is needed")
	case b.Op != "patch" && patch.Body != nil:
		return refuse("patch", "is for the op patch only")
	}
	if b.Op == "patch" {
		if _, err := patch.Compile(t); err != nil {
			return err
		}
		if err := t.CheckShown("patch", patch.Body, true); err != nil {
			return err
		}
		if t.Secret != "" && patch.Touches(t.Secret) { // the job would show it to every reader of jobs
			return refuse("patch", "names "+t.Secret+", which is written one resource at a time")
		}
	}
	_, _, err = bk.Reads.Search(context.Background(), t, states.ListOptions{Filter: b.Filter})
	return err
}

func readBulk(content []byte) (b Bulk, p commit.Patch, err error) {
	if err := json.Unmarshal(content, &b); err != nil {
		return b, p, err
	}
	if b.Patch == nil {
		return b, p, nil
	}
	p.Kind = commit.MergePatch
	if p.Body, err = model.DecodeJSON(b.Patch); err != nil {
		return b, p, err
	}
	if _, ok := p.Body.([]any); ok {
		p.Kind = commit.JSONPatch
	}
	return b, p, nil
}

// BulkState is how far a bulk change is. With it another attempt goes on.
type BulkState struct {
	After     string      `json:"after"` // id of the last one done
	Total     int64       `json:"total"` // that matched when it began
	Changed   int64       `json:"changed"`
	Unchanged int64       `json:"unchanged"`
	Failed    int64       `json:"failed"`
	Errors    []BulkError `json:"errors,omitempty"` // the first ones
	Done      bool        `json:"done"`
}

// BulkError is a resource that a bulk change was refused for.
type BulkError struct {
	ID     string             `json:"id"`
	Code   fault.Code         `json:"code"`
	Detail string             `json:"detail"`
	Fields []fault.FieldError `json:"errors,omitempty"` // where, as in a problem; the first ones
}

// bulkFields is how many places of a resource are kept.
const bulkFields = 5

const (
	bulkPage   = 200 // resources of one search
	bulkAtOnce = 16  // writes under way
	bulkErrors = 100 // errors that are kept
	bulkSlice  = 5 * time.Second
)

// RunBulk goes on with a bulk change for a few seconds, or to its end, as the
// actor of the context. Resources are met once each, by their ids; tell is
// called after each page. A page that is done twice does no harm: what is
// changed already stays as it is.
func (bk *BulkChanges) RunBulk(ctx context.Context, payload []byte, at BulkState, tell func(BulkState)) (BulkState, error) {
	ctx = policy.AsClient(ctx)
	b, patch, err := readBulk(payload)
	if err != nil {
		return at, err
	}
	if b.Op == "purge" {
		at.Done = true
		return at, bk.runPurge(ctx, b)
	}
	t, err := bk.States.Type(b.Type)
	if err != nil {
		return at, err
	}
	if b.Op == "prune" {
		return bk.runPrune(ctx, t, b, at, tell)
	}
	o := states.ListOptions{Filter: b.Filter}
	if b.Op == "restore" {
		o.Deletion = storage.OnlyDeleted
	}
	if at.After == "" && at.Total == 0 {
		if at.Total, _, err = bk.Reads.Count(ctx, b.Type, o); err != nil {
			return at, err
		}
	}
	for end := time.Now().Add(bulkSlice); time.Now().Before(end) && !at.Done; {
		q, _, err := bk.Reads.Search(ctx, t, o)
		if err != nil {
			return at, err
		}
		q.Order, q.Limit, q.Bare = bk.States.ByID(t), bulkPage, true
		if at.After != "" {
			q.After = &query.Cursor{Values: []query.Value{at.After}, ID: at.After}
		}
		page, err := bk.index.Search(ctx, q)
		if err != nil {
			return at, states.StoreError(err)
		}
		next := at
		if err := bk.changeAll(ctx, b, patch, page.Rows, &next); err != nil {
			return at, err
		}
		if n := len(page.Rows); n > 0 {
			next.After = page.Rows[n-1].ID
		}
		next.Done = page.Next == nil
		at = next
		tell(at)
	}
	return at, nil
}

// changeAll changes the resources of a page. A store that does not answer ends
// it; a refusal is counted.
func (bk *BulkChanges) changeAll(ctx context.Context, b Bulk, patch commit.Patch, rows []storage.Row, at *BulkState) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(bulkAtOnce)
	for _, row := range rows {
		g.Go(func() error {
			r, err := bk.changeOne(ctx, b, patch, row.ID)
			mu.Lock()
			defer mu.Unlock()
			switch code := fault.CodeOf(err); {
			case err == nil && r.Seq != row.Seq:
				at.Changed++
			case err == nil, code == fault.Deleted || code == fault.NotFound, code == fault.InvalidState && b.Op != "patch":
				at.Unchanged++
			case code == "" || code == fault.Unavailable || code == fault.OutcomeUnknown || code == fault.IndexLag || ctx.Err() != nil:
				return err
			default:
				at.Failed++
				if len(at.Errors) < bulkErrors {
					var e *fault.Error
					errors.As(err, &e) // it has a code
					at.Errors = append(at.Errors[:len(at.Errors):len(at.Errors)], BulkError{row.ID, code, e.Detail, e.Fields[:min(len(e.Fields), bulkFields)]})
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (bk *BulkChanges) changeOne(ctx context.Context, b Bulk, patch commit.Patch, id string) (*states.Resource, error) {
	any := commit.Match{Any: true} // types that need a precondition: it is the filter
	switch b.Op {
	case "patch":
		o := commit.UpdateOptions{IfMatch: any}
		if cause := policy.ActorOf(ctx).Cause; cause != "" {
			o.Message = "by " + cause
		}
		return bk.Writer.Patch(ctx, b.Type, id, patch, o)
	case "delete":
		return bk.Writer.Delete(ctx, b.Type, id, any)
	case "restore":
		return bk.Writer.Restore(ctx, b.Type, id, any)
	case "cancel":
		return bk.Jobs.Cancel(ctx, b.Type, id, any)
	}
	return bk.Jobs.Rerun(ctx, b.Type, id, any)
}

// bulkRight is the right that each write of a bulk change needs.
func bulkRight(op string) string {
	if op == "patch" {
		return "update"
	}
	return op
}

// mayBulk refuses a bulk change of an actor that may not do each of its writes.
func (bk *BulkChanges) mayBulk(ctx context.Context, content []byte) error {
	b, _, err := readBulk(content)
	if err != nil {
		return err
	}
	if target := bk.types.Named(b.Type); target != nil {
		return bk.mayOp(ctx, target, b.Op)
	}
	return nil
}

// mayRunBulk is mayBulk when the job begins. A purge was allowed when its tombstone
// was written.
func (bk *BulkChanges) mayRunBulk(ctx context.Context, content []byte) error {
	b, _, err := readBulk(content)
	if err != nil || b.Op == "purge" {
		return err
	}
	return bk.mayOp(ctx, bk.types.Named(b.Type), b.Op)
}

// mayOp refuses an operation that the actor may not do. To prune destroys the history of
// every resource, whatever rules say about rows.
func (bk *BulkChanges) mayOp(ctx context.Context, t *model.Type, op string) error {
	if op == "prune" {
		return bk.Guard.Admin(ctx)
	}
	return bk.Guard.May(ctx, t, bulkRight(op))
}

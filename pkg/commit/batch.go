package commit

import (
	"context"
	"errors"
	"sort"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// MaxBatch is the most operations of one batch.
const MaxBatch = 100

// BatchOperation is one write of a batch. What it needs depends on Op: data for
// create, update and modify, a patch for patch, a revision for switch; a restore
// may have a revision and a patch.
type BatchOperation struct {
	Op       string
	Type, ID string
	Data     any
	Status   storage.Status // of create; empty: the type's default
	Patch    Patch
	Revision int
	IfMatch  Match
	plan     func(*model.Type) Plan // of what no client asks for by Op
}

// BatchResult is what became of one operation. Err is what refused it; in an
// atomic batch that failed, the others have Conflict.
type BatchResult struct {
	Resource *states.Resource
	Created  bool
	Err      error
}

// Batches does several writes of one request.
type Batches struct{ Writer *Writer }

// Batch does several writes: one by one, or atomic, all or none. An atomic one
// that fails returns the error that refused it, and the results say which.
func (bt *Batches) Batch(ctx context.Context, ops []BatchOperation, atomic bool) ([]BatchResult, error) {
	if len(ops) == 0 || len(ops) > MaxBatch {
		return nil, fault.Errorf(fault.InvalidRequest, "a batch has 1 to %d operations, not %d", MaxBatch, len(ops))
	}
	ctx = enter(ctx)
	seen := map[states.Key]int{}
	for i := range ops {
		if ops[i].ID == "" && ops[i].Op == "create" {
			ops[i].ID = bt.Writer.newID(operationKey(ctx, i))
			continue
		}
		k := states.Key{Type: ops[i].Type, ID: ops[i].ID}
		if j, twice := seen[k]; twice {
			return nil, fault.Errorf(fault.InvalidRequest, "operations %d and %d are on the same resource; a batch has one operation for each", j, i)
		}
		seen[k] = i
	}
	if atomic {
		return bt.batchAtomic(ctx, ops)
	}
	out := make([]BatchResult, len(ops))
	for i, op := range ops {
		out[i] = bt.batchOne(operationKey(ctx, i), op)
	}
	return out, nil
}

func (bt *Batches) batchOne(ctx context.Context, op BatchOperation) BatchResult {
	t, p, err := bt.planOf(op)
	if err != nil {
		return BatchResult{Err: err}
	}
	out, err := bt.Writer.Write(ctx, t, op.ID, p)
	if err != nil {
		return BatchResult{Err: err}
	}
	r, err := bt.Writer.Guard.Answer(ctx, out.Event, out.Content)
	return BatchResult{Resource: r, Created: op.Op == "create", Err: err}
}

// planOf turns an operation into the plan that its own request would have.
func (bt *Batches) planOf(op BatchOperation) (*model.Type, Plan, error) {
	t, err := bt.Writer.States.Find(op.Type, op.ID)
	if err != nil {
		return nil, Plan{}, err
	}
	if op.plan != nil {
		return t, op.plan(t), nil
	}
	switch op.Op {
	case "create":
		if !op.IfMatch.None() {
			return nil, Plan{}, fault.Errorf(fault.InvalidRequest, "a create takes no if_match")
		}
		return t, bt.Writer.PlanCreate(t, op.ID, op.Data, CreateOptions{ID: op.ID, Status: op.Status}), nil
	case "update", "modify":
		return t, bt.Writer.planUpdate(t, op.ID, op.Data, UpdateOptions{IfMatch: op.IfMatch, InPlace: op.Op == "modify"}), nil
	case "patch":
		p, err := bt.Writer.PlanPatch(t, op.ID, op.Patch, UpdateOptions{IfMatch: op.IfMatch})
		return t, p, err
	case "delete":
		return t, bt.Writer.planDelete(t, op.ID, op.IfMatch), nil
	case "restore":
		p, err := bt.Writer.planRestore(t, op.ID, RestoreOptions{IfMatch: op.IfMatch, Revision: op.Revision, Patch: op.Patch})
		return t, p, err
	case "switch":
		return t, bt.Writer.planSwitch(t, op.ID, op.Revision, op.IfMatch), nil
	}
	return nil, Plan{}, fault.Errorf(fault.InvalidRequest, "op is create, update, patch, modify, delete, restore or switch, not %q", op.Op)
}

// member is one operation of an atomic batch on its way.
type member struct {
	made   *model.Type // by which the operation was planned
	typ    *model.Type // as it is now
	key    states.Key
	plan   Plan
	state  states.State
	step   Step
	object putObject
}

func (bt *Batches) batchAtomic(ctx context.Context, ops []BatchOperation) (results []BatchResult, err error) {
	begun := time.Now()
	ctx, cancel := states.Committing(ctx)
	defer cancel()
	ctx, span := bt.Writer.o.Tracer.Start(ctx, "commit batch")
	defer func() { states.EndSpan(span, nil, err) }()
	members := make([]*member, len(ops))
	types := make([]*model.Type, len(ops))
	for i, op := range ops {
		t, p, err := bt.planOf(op)
		if err != nil {
			return failedAt(len(ops), i, err), err
		}
		if err := bt.Writer.MayPlan(ctx, t, p); err != nil {
			return failedAt(len(ops), i, err), err
		}
		types[i] = t
		members[i] = &member{made: t, typ: t, key: states.Key{Type: t.Name, ID: op.ID}, plan: p}
	}
	first, release, err := bt.Writer.begin(operationKey(ctx, 0))
	if err != nil {
		return nil, err
	}
	defer release()
	if first != nil {
		return bt.batchAgain(ctx, ops)
	}
	defer bt.Writer.Binaries.keepBinaries(types...)()
	defer bt.lockAll(members)()
	fresh := false
	for range maxTries {
		u := newUnit()
		failed, err := bt.prepareUnit(ctx, members, u, fresh)
		if err != nil && !fresh && !bt.Writer.o.Sole {
			fresh = true
			continue
		}
		if err == nil && len(u.staged) > 0 {
			err = bt.Writer.append(ctx, u)
		}
		if errors.Is(err, storage.ErrConflict) {
			fresh = true
			continue
		}
		if errors.Is(err, errOtherModel) {
			continue
		}
		if err != nil {
			err = states.StoreError(err)
			return failedAt(len(ops), failed, err), err
		}
		return bt.batchDone(ctx, ops, members, begun)
	}
	return nil, ErrBusy()
}

// lockAll takes the locks in one order, so that two batches cannot wait for
// each other.
func (bt *Batches) lockAll(members []*member) (release func()) {
	keys := make([]states.Key, len(members))
	for i, x := range members {
		keys[i] = x.key
	}
	sort.Slice(keys, func(i, j int) bool {
		return keys[i].Type < keys[j].Type || keys[i].Type == keys[j].Type && keys[i].ID < keys[j].ID
	})
	releases := make([]func(), len(keys))
	for i, k := range keys {
		releases[i] = bt.Writer.locks.Acquire(k)
	}
	return func() {
		for _, r := range releases {
			r()
		}
	}
}

// errOldState asks for the same unit once more by the newest states.
var errOldState = errors.New("nothing to do by a state that may be old")

// prepareUnit plans every operation, then stages them, so that each sees what
// the others leave. It returns the operation that was refused, -1 when it was
// the unit as a whole.
func (bt *Batches) prepareUnit(ctx context.Context, members []*member, u *unit, fresh bool) (failed int, err error) {
	for i, x := range members {
		if x.typ, err = bt.Writer.States.Type(x.key.Type); err != nil {
			return i, err
		}
		if x.state, err = bt.Writer.States.Head(ctx, x.key, fresh); err != nil {
			return i, err
		}
		if x.step, err = bt.Writer.plannedBy(operationKey(ctx, i), x.made, x.typ, x.plan, x.state); err != nil {
			return i, err
		}
		if x.step.Event == nil && !x.state.Fresh && !bt.Writer.o.Sole { // needless by what may be an old state
			return i, errOldState
		}
		if x.step.Event != nil {
			if err := bt.Writer.notErased(operationKey(ctx, i), x.state); err != nil {
				return i, err
			}
			u.plan(x.typ, x.step)
		}
	}
	for i, x := range members {
		if x.step.Event == nil {
			continue
		}
		if err := bt.Writer.stage(operationKey(ctx, i), x.typ, x.state, &x.step, &x.object, u); err != nil {
			return i, err
		}
	}
	return -1, nil
}

func (bt *Batches) batchDone(ctx context.Context, ops []BatchOperation, members []*member, begun time.Time) ([]BatchResult, error) {
	out := make([]BatchResult, len(ops))
	for i, x := range members {
		e, content := x.step.Event, x.step.Content
		if e == nil {
			var err error
			e = x.state.Event
			if content, err = bt.Writer.States.Content(ctx, e); err != nil {
				return nil, err
			}
		} else {
			bt.Writer.o.Observer.Committed(x.typ.Name, e.Action, time.Since(begun))
			bt.Writer.runAfter(ctx, x.typ, x.state, x.step)
		}
		r, err := bt.Writer.Guard.Answer(ctx, e, content)
		out[i] = BatchResult{Resource: r, Created: ops[i].Op == "create", Err: err}
	}
	return out, nil
}

// batchAgain answers an atomic batch that was committed before. An operation
// that changed nothing then is answered with the state of now.
func (bt *Batches) batchAgain(ctx context.Context, ops []BatchOperation) ([]BatchResult, error) {
	out := make([]BatchResult, len(ops))
	for i, op := range ops {
		e, err := bt.Writer.lookupKey(operationKey(ctx, i), 0)
		if err != nil {
			return nil, err
		}
		if e == nil {
			s, err := bt.Writer.States.Head(ctx, states.Key{Type: op.Type, ID: op.ID}, false)
			if err != nil {
				return nil, err
			}
			if err := bt.Writer.notErased(operationKey(ctx, i), s); err != nil {
				return nil, err
			}
			if e = s.Event; e == nil {
				return nil, mismatch()
			}
			if err := bt.Writer.Guard.Visible(ctx, bt.Writer.types.Named(op.Type), op.ID, s); err != nil {
				return nil, err
			}
		}
		e, content, err := bt.Writer.again(ctx, e)
		if err != nil {
			return nil, err
		}
		r, err := bt.Writer.Guard.Answer(ctx, e, content)
		if err != nil {
			return nil, err
		}
		out[i] = BatchResult{Resource: r, Created: op.Op == "create"}
	}
	return out, nil
}

// failedAt makes the results of an atomic batch of which nothing was written.
func failedAt(n, failed int, err error) []BatchResult {
	out := make([]BatchResult, n)
	for i := range out {
		out[i].Err = fault.Errorf(fault.Conflict, "nothing was written: another operation of the batch was refused")
		if i == failed || failed < 0 {
			out[i].Err = err
		}
	}
	return out
}

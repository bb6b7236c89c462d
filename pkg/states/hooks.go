package states

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Change is what a hook sees of a write.
type Change struct {
	Type   string
	ID     string
	Action storage.Action
	Actor  policy.Actor
	Status storage.Status  // of HEAD's revision after the write
	Old    json.RawMessage // content before, nil for a new resource
	New    json.RawMessage // content after, nil when the content stays; of an older revision that is published, that
	// Publishes reports whether the published view shows New after the write, or Old when
	// the content stays.
	Publishes bool
}

// Hook is called for a write. From a Before hook an error refuses the write,
// with nothing written: an *Error as it is, any other as validation_failed. An
// After hook runs once the write is certain and cannot undo it; one that fails
// is run again later, from the stream of events. A Before hook must not write to the resource it is called for: that
// one waits for it.
type Hook func(ctx context.Context, c Change) error

// Validator checks content beyond its schema. An error refuses the write with
// validation_failed.
type Validator func(ctx context.Context, data json.RawMessage) error

// Hooks are what an application adds to its types.
type Hooks struct {
	before     map[hookKey][]Hook
	after      map[hookKey][]Hook
	validators map[string][]Validator
}

type hookKey struct {
	typ    string
	action storage.Action
}

// NewHooks has none.
func NewHooks() *Hooks {
	return &Hooks{before: map[hookKey][]Hook{}, after: map[hookKey][]Hook{}, validators: map[string][]Validator{}}
}

// Before adds a hook; hooks run in the order in which they were added.
func (h *Hooks) Before(typ string, action storage.Action, fn Hook) {
	k := hookKey{typ, action}
	h.before[k] = append(h.before[k], fn)
}

// After adds a hook; hooks run in the order in which they were added.
func (h *Hooks) After(typ string, action storage.Action, fn Hook) {
	k := hookKey{typ, action}
	h.after[k] = append(h.after[k], fn)
}

// Validate adds a validator for every write of content of the type.
func (h *Hooks) Validate(typ string, fn Validator) {
	h.validators[typ] = append(h.validators[typ], fn)
}

// AfterOf are the after-hooks of an action of a type.
func (h *Hooks) AfterOf(typ string, action storage.Action) []Hook {
	return h.after[hookKey{typ, action}]
}

// AfterTypes are the types that have after-hooks, sorted.
func (h *Hooks) AfterTypes() []string {
	types := map[string]bool{}
	for k := range h.after {
		types[k.typ] = true
	}
	return slices.Sorted(maps.Keys(types))
}

// RunValidators asks the validators of a type.
func (h *Hooks) RunValidators(ctx context.Context, typ string, data []byte) error {
	for _, fn := range h.validators[typ] {
		if err := fn(ctx, data); err != nil {
			return AsRefusal(err)
		}
	}
	return nil
}

// Watched reports whether a hook looks at an action of a type.
func (h *Hooks) Watched(typ string, action storage.Action) bool {
	k := hookKey{typ, action}
	return len(h.before[k]) > 0 || len(h.after[k]) > 0
}

// RunBefore runs the before-hooks of a write, until one refuses it.
func (h *Hooks) RunBefore(ctx context.Context, c Change) error {
	for _, fn := range h.before[hookKey{c.Type, c.Action}] {
		if err := fn(ctx, c); err != nil {
			return AsRefusal(err)
		}
	}
	return nil
}

// AsRefusal turns what a hook returned into an Error.
func AsRefusal(err error) error {
	if fault.CodeOf(err) != "" {
		return err
	}
	return &fault.Error{Code: fault.ValidationFailed, Detail: err.Error(), Fields: []fault.FieldError{{Pointer: "", Detail: err.Error()}}}
}

// HookRuns are the events whose after-hooks this process ran, or runs, right after
// the commit. Only what the stream has not brought yet is in it.
type HookRuns struct {
	mu      sync.Mutex
	active  bool // the stream is followed
	running map[uint64]bool
	done    map[uint64]bool
}

// Follow tells that the stream is followed from now on.
func (a *HookRuns) Follow() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.active, a.running, a.done = true, map[uint64]bool{}, map[uint64]bool{}
}

// Begin tells that the after-hooks of an event are run here.
func (a *HookRuns) Begin(seq uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.active {
		a.running[seq] = true
	}
}

// End tells how they ended.
func (a *HookRuns) End(seq uint64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.running, seq)
	if ok && a.active {
		a.done[seq] = true
	}
}

// Take reports what became of an event here and forgets one that is done.
func (a *HookRuns) Take(seq uint64) (done, running bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	done = a.done[seq]
	delete(a.done, seq)
	return done, a.running[seq]
}

// RunHook runs one; a panic is an error.
func RunHook(ctx context.Context, fn Hook, c Change) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the hook panicked: %v", v)
		}
	}()
	return fn(ctx, c)
}

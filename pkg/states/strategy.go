package states

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Strategy is what a built-in type does beyond what its schema says. The engine knows
// no built-in type by its name: the part that brings a type registers its strategy. Every part
// may be left out.
type Strategy struct {
	// Check refuses content that fits the schema and cannot work.
	Check func(content []byte) error
	// Hands refuses content that has rights, or uses them later, which the actor of
	// the context does not have. It is asked about the state before a step and about
	// the one after it, for every actor that is no admin.
	Hands func(ctx context.Context, content []byte) error
	// Becomes refuses a step, a purge too, of an actor that is no admin.
	Becomes func(ctx context.Context, step Transition) error
	// Keeps refuses a step of any actor.
	Keeps func(ctx context.Context, step Transition) error
	// Runs refuses a job of the type whose owner, the actor of the context, may not
	// have it run; without it the owner needs the right to create the job.
	Runs func(ctx context.Context, content []byte) error
	// Show adds to what is read and is in no revision.
	Show func(ctx context.Context, r *Resource, how Showing) error
	// ShowsInLists tells that Show is asked for the items of lists too.
	ShowsInLists bool
	// ActsLater tells that something is done later for the owner of a resource.
	ActsLater bool
	// ByLimited tells that a handler which is limited by the role of its type of jobs
	// may write resources of the type.
	ByLimited bool
	// Told tells that Options.Committed is told of the events of the type.
	Told bool
	// KeepsNames tells that the claims of unique values are kept after their holders.
	KeepsNames bool
}

// Showing says how a resource is read.
type Showing struct {
	InList bool
	Past   bool // it is not the current state
}

// Transition is a step as strategies are asked about it.
type Transition struct {
	Before        *storage.Event // nil: there is none
	After         *storage.Event
	BeforeContent []byte // nil without Before
	Content       []byte // of After; nil when it is purged
	Rotates       bool   // a new secret is made for a key
}

// Strategies are those of the built-in types, by the name of the type. They are
// registered before the first operation.
type Strategies map[string]Strategy

// Of is the strategy of a type; the zero value when it has none.
func (s Strategies) Of(t *model.Type) Strategy { return s[t.Name] }

// ActsLater reports whether something is done later for the owner of a resource of the
// type.
func (s Strategies) ActsLater(t *model.Type) bool { return t.Job != nil || s.Of(t).ActsLater }

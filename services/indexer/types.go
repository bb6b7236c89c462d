package indexer

import (
	"context"
	"errors"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// errOtherTypes ends following: it goes on with other types at once.
var errOtherTypes = errors.New("the types are other ones")

// Use has the indexer go on with other types: at once where it runs, else when it does.
// Tables of definitions that changed are filled beside those that answer.
func (x *Indexer) Use(types []*model.Type) {
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case <-x.used:
		x.used = make(chan struct{})
	default:
	}
	if x.next == nil {
		close(x.asked)
	}
	x.next = types
}

// AwaitUsed returns when an indexer that runs has defined the index by the types that it
// was given last.
func (x *Indexer) AwaitUsed(ctx context.Context) error {
	x.mu.Lock()
	used := x.used
	x.mu.Unlock()
	select {
	case <-used:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// otherTypes ends with errOtherTypes when there are.
func (x *Indexer) otherTypes(ctx context.Context) error {
	x.mu.Lock()
	asked := x.asked
	x.mu.Unlock()
	select {
	case <-asked:
		return errOtherTypes
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeNext makes the types that were given the ones that are used.
func (x *Indexer) takeNext() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.next != nil {
		x.take(x.next)
		x.next, x.asked = nil, make(chan struct{})
	}
}

// defined notes that the index is defined by the types that are used.
func (x *Indexer) defined() {
	x.o.Heads.Clear() // rows hold what another model says of them
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.next != nil {
		return // others were given meanwhile
	}
	select {
	case <-x.used:
	default:
		close(x.used)
	}
}

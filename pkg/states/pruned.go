package states

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// prunedOf is what was pruned of a resource; nil when nothing was.
func (st *States) prunedOf(ctx context.Context, k Key) (*storage.Pruned, error) {
	if err := st.Freshen(ctx, Default, 0); err != nil {
		return nil, err
	}
	p, err := st.index.Pruned(ctx, k.Type, k.ID)
	return p, StoreError(err)
}

// Unpruned refuses the content that an event left when its revision was pruned.
func (st *States) Unpruned(ctx context.Context, e *storage.Event) error {
	k := Key{Type: e.Meta.Type, ID: e.Meta.ID}
	if head := st.newest(k); head != nil && head.Revision.Number == e.Revision.Number {
		return nil // HEAD never is
	}
	p, err := st.prunedOf(ctx, k)
	if err != nil {
		return err
	}
	if p != nil && p.Covers(e) {
		return fault.Errorf(fault.Pruned, "revision %d of %s %q was pruned: its type does not keep so many, or so old ones; the history still tells who made it and when", e.Revision.Number, k.Type, k.ID)
	}
	return nil
}

// UnprunedNumber refuses the revision of a number when it was pruned.
func (st *States) UnprunedNumber(ctx context.Context, k Key, number int) error {
	p, err := st.prunedOf(ctx, k)
	if err != nil {
		return err
	}
	if p != nil && p.Numbers(number) {
		return fault.Errorf(fault.NotFound, "revision %d of %s %q was pruned", number, k.Type, k.ID)
	}
	return nil
}

package states

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Published is the state of a resource that the published view shows after an event of
// it; nil when it shows none. An event of before does not tell: then it is the newest
// stable revision on the chain from HEAD.
func (st *States) Published(ctx context.Context, k Key, e *storage.Event) (*storage.Event, error) {
	if e.Settled() != 0 {
		return e.PublishedState(), nil
	}
	old, err := st.newestStable(ctx, k, e)
	if fault.CodeOf(err) == fault.UnknownRevision {
		return nil, nil
	}
	return old, err
}

// settled is an event that tells what the published view shows after it.
func (st *States) settled(ctx context.Context, e *storage.Event) (*storage.Event, error) {
	if e.Settled() != 0 {
		return e, nil
	}
	shown, err := st.Published(ctx, Key{e.Meta.Type, e.Meta.ID}, e)
	if err != nil {
		return nil, err
	}
	out := *e
	out.Meta.Published = storage.Unpublished
	if shown != nil {
		out.Meta.Published = storage.Published(shown.Revision.Number)
	}
	return &out, nil
}

package indexer

import (
	"context"
	"errors"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// change makes the index's form of an event; nil when its type has no model.
func (x *Indexer) change(ctx context.Context, entry storage.Entry, e *storage.Event, doc *model.Document) (*storage.IndexChange, error) {
	c, err := x.project(ctx, entry, e, doc)
	if c == nil || err != nil {
		return nil, err
	}
	return c, x.publishes(ctx, entry, c)
}

// publishes completes a change with what the published view shows in the place of its
// own state, for an index that does not hold that yet.
func (x *Indexer) publishes(ctx context.Context, entry storage.Entry, c *storage.IndexChange) error {
	if c.Event.Settled() == 0 { // of before: HEAD is a draft with parents
		e, err := x.settled(ctx, c.Event)
		if err != nil {
			return err
		}
		c.Event = e
	}
	if c.Event.Shown == nil || c.Event.Settled() <= 0 {
		return nil
	}
	shown := c.Event.PublishedState()
	c.Shown = func(ctx context.Context) (*storage.IndexChange, error) { return x.project(ctx, entry, shown, nil) }
	return nil
}

// settled is an event of before with what the published view shows after it: the
// newest stable revision on the chain from HEAD, read from the log.
func (x *Indexer) settled(ctx context.Context, e *storage.Event) (*storage.Event, error) {
	out := *e
	out.Meta.Published = storage.Unpublished
	wrote, err := x.wrote(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("what is published of %s %s: %w", e.Meta.Type, e.Meta.ID, err)
	}
	for r := &e.Revision; r.Parent != nil; {
		n, err := states.ParentNumber(r)
		if err != nil {
			return nil, err
		}
		w := wrote[n]
		if w == nil {
			break
		}
		if w.Revision.Status == storage.Stable {
			out.Meta.Published, out.Shown = storage.Published(n), w.Snapshot()
			break
		}
		r = &w.Revision
	}
	return &out, nil
}

// wrote are, by the numbers of revisions, the last events before one that wrote them.
func (x *Indexer) wrote(ctx context.Context, e *storage.Event) (map[int]*storage.Event, error) {
	feed, err := x.log.Follow(ctx, 1, storage.RevisionSubject(e.Meta.Type, e.Meta.ID))
	if err != nil {
		return nil, err
	}
	defer feed.Close()
	last, err := x.log.Last(ctx, storage.RevisionSubject(e.Meta.Type, e.Meta.ID))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	out := map[int]*storage.Event{}
	for at := uint64(0); err == nil && at < min(last.Seq, e.Seq-1); {
		var entry storage.Entry
		if entry, err = feed.Next(ctx); err != nil {
			break
		}
		if at = entry.Seq; at >= e.Seq {
			break
		}
		if w, err := storage.DecodeEvent(entry.Data, entry.Seq); err == nil && w.Wrote > 0 {
			out[w.Wrote] = w
		}
	}
	return out, err
}

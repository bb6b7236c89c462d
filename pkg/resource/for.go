package resource

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/commit"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Typed is a Manager's view of one type whose data is a T.
type Typed[T any] struct {
	m    *Manager
	name string
}

// For gives typed access to a type. T is read and written with encoding/json.
func For[T any](m *Manager, typ string) Typed[T] { return Typed[T]{m, typ} }

// Entity is a resource with its data as a T.
type Entity[T any] struct {
	Data     T
	Meta     storage.Meta
	Revision storage.Revision
	EventID  string // for a Match
}

func entity[T any](r *states.Resource) (*Entity[T], error) {
	e := &Entity[T]{EventID: r.EventID}
	for _, x := range []struct {
		raw json.RawMessage
		to  any
	}{{r.Data, &e.Data}, {r.Meta, &e.Meta}, {r.Revision, &e.Revision}} {
		if err := json.Unmarshal(x.raw, x.to); err != nil {
			return nil, fmt.Errorf("decode %s: %w", r.ID, err)
		}
	}
	return e, nil
}

// Create makes a resource.
func (t Typed[T]) Create(ctx context.Context, data T, o commit.CreateOptions) (*Entity[T], error) {
	doc, err := model.TreeOf(data)
	if err != nil {
		return nil, err
	}
	r, err := t.m.Create(ctx, t.name, doc, o)
	if err != nil {
		return nil, err
	}
	return entity[T](r)
}

// Get reads one resource.
func (t Typed[T]) Get(ctx context.Context, id string, o states.GetOptions) (*Entity[T], error) {
	r, err := t.m.Get(ctx, t.name, id, o)
	if err != nil {
		return nil, err
	}
	return entity[T](r)
}

// Update replaces the data.
func (t Typed[T]) Update(ctx context.Context, id string, data T, o commit.UpdateOptions) (*Entity[T], error) {
	doc, err := model.TreeOf(data)
	if err != nil {
		return nil, err
	}
	r, _, err := t.m.Update(ctx, t.name, id, doc, o)
	if err != nil {
		return nil, err
	}
	return entity[T](r)
}

// Delete marks the resource as deleted.
func (t Typed[T]) Delete(ctx context.Context, id string, match commit.Match) error {
	_, err := t.m.Delete(ctx, t.name, id, match)
	return err
}

// Patch changes the newest state by a patch and makes a revision of it. Body may be
// any value that encoding/json writes.
func (t Typed[T]) Patch(ctx context.Context, id string, p commit.Patch, o commit.UpdateOptions) (*Entity[T], error) {
	var err error
	if p.Body, err = model.TreeOf(p.Body); err != nil {
		return nil, err
	}
	r, err := t.m.Patch(ctx, t.name, id, p, o)
	if err != nil {
		return nil, err
	}
	return entity[T](r)
}

// Count counts what Page would find on all pages.
func (t Typed[T]) Count(ctx context.Context, o states.ListOptions) (int64, error) {
	n, _, err := t.m.Count(ctx, t.name, o)
	return n, err
}

// History lists every event of a resource, oldest first. It answers for deleted
// resources too.
func (t Typed[T]) History(ctx context.Context, id string, o states.PageOptions) (*states.HistoryList, error) {
	return t.m.History(ctx, t.name, id, o)
}

// Page is what one page of a search brings. It may have fewer items than were asked
// for although there are more, when they are large: NextPageToken alone tells the end.
type Page[T any] struct {
	Items         []*Entity[T]
	NextPageToken string // of the page that follows; empty on the last one
	Total         int64  // of all pages; -1 unless ListOptions.Total asks for it
}

// Page searches.
func (t Typed[T]) Page(ctx context.Context, o states.ListOptions) (*Page[T], error) {
	l, err := t.m.List(ctx, t.name, o)
	if err != nil {
		return nil, err
	}
	page := &Page[T]{Items: make([]*Entity[T], len(l.Items)), NextPageToken: l.NextPageToken, Total: l.Total}
	for i, r := range l.Items {
		if page.Items[i], err = entity[T](r); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// List searches and returns the items of a page and the token of the next one.
//
// Deprecated: Page tells the total, too.
func (t Typed[T]) List(ctx context.Context, o states.ListOptions) ([]*Entity[T], string, error) {
	page, err := t.Page(ctx, o)
	if err != nil {
		return nil, "", err
	}
	return page.Items, page.NextPageToken, nil
}

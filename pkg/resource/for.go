package resource

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/fault"
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

func entity[T any](r *Resource) (*Entity[T], error) {
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

func encode(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Errorf(fault.ValidationFailed, "the value cannot be written as JSON: %w", err)
	}
	return DecodeJSON(b)
}

// Create makes a resource.
func (t Typed[T]) Create(ctx context.Context, data T, o CreateOptions) (*Entity[T], error) {
	doc, err := encode(data)
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
func (t Typed[T]) Get(ctx context.Context, id string, o GetOptions) (*Entity[T], error) {
	r, err := t.m.Get(ctx, t.name, id, o)
	if err != nil {
		return nil, err
	}
	return entity[T](r)
}

// Update replaces the data.
func (t Typed[T]) Update(ctx context.Context, id string, data T, o UpdateOptions) (*Entity[T], error) {
	doc, err := encode(data)
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
func (t Typed[T]) Delete(ctx context.Context, id string, match Match) error {
	_, err := t.m.Delete(ctx, t.name, id, match)
	return err
}

// List searches.
func (t Typed[T]) List(ctx context.Context, o ListOptions) ([]*Entity[T], string, error) {
	l, err := t.m.List(ctx, t.name, o)
	if err != nil {
		return nil, "", err
	}
	out := make([]*Entity[T], len(l.Items))
	for i, r := range l.Items {
		if out[i], err = entity[T](r); err != nil {
			return nil, "", err
		}
	}
	return out, l.NextPageToken, nil
}

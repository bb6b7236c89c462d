package admin

import (
	"context"
	"errors"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Indexing is how far the index is. Nothing in Building: searches are answered
// from complete tables.
type Indexing struct {
	Applied  uint64          `json:"applied"` // last sequence of the log in the index
	Last     uint64          `json:"last"`    // of the log
	Building []IndexBuilding `json:"building"`
}

// IndexBuilding is a type of which the index is being built: everything up to
// the sequence Read of Through is in it.
type IndexBuilding struct {
	Type    string `json:"type"`
	Read    uint64 `json:"read"`
	Through uint64 `json:"through"`
}

// Reindex begins to build the index of a type anew from the log, of all types
// when typ is empty. The old index answers until the new one is complete. The
// indexer does it, within seconds; Indexing tells how far it is.
func (ad *Admin) Reindex(ctx context.Context, typ string) error {
	if err := ad.Guard.Admin(ctx); err != nil {
		return err
	}
	types := ad.States.Types()
	if typ != "" {
		t, err := ad.States.Type(typ)
		if err != nil {
			return err
		}
		types = []*model.Type{t}
	}
	defs := make([]storage.Definition, len(types))
	for i, t := range types {
		defs[i] = t.Definition()
	}
	err := ad.index.Rebuild(ctx, defs)
	if errors.Is(err, storage.ErrNotReady) {
		return nil // it is gone, and built anew anyway
	}
	return states.StoreError(err)
}

// Indexing tells how far the index is; index_lag while it is not there at all.
func (ad *Admin) Indexing(ctx context.Context) (out Indexing, err error) {
	if err := ad.Guard.Admin(ctx); err != nil {
		return out, err
	}
	state, err := ad.log.State(ctx)
	if err != nil {
		return out, states.StoreError(err)
	}
	pos, err := ad.index.Position(ctx)
	if err != nil {
		return out, states.StoreError(err)
	}
	building, err := ad.index.Building(ctx)
	if err != nil {
		return out, states.StoreError(err)
	}
	out = Indexing{Applied: pos.Applied, Last: state.Last, Building: []IndexBuilding{}}
	for _, f := range building {
		out.Building = append(out.Building, IndexBuilding{Type: f.Type, Read: f.Replayed, Through: f.Through})
	}
	return out, nil
}

package indexer

import (
	"context"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// prune adds to a batch what an entry says of revisions that are not kept.
func (x *Indexer) prune(ctx context.Context, entry storage.Entry, b *storage.Batch) {
	if !storage.IsPruned(entry.Subject) {
		return
	}
	p, err := storage.DecodePruned(entry.Data, entry.Seq)
	if err == nil && x.types[p.Type] == nil {
		return // a type without a model
	}
	var headers []*storage.Event
	if err == nil {
		headers, err = archive.PrunedHeaders(p)
	}
	if err != nil {
		x.setAside(ctx, entry, err)
		return
	}
	b.Pruned, b.History = append(b.Pruned, p), append(b.History, headers...)
}

// wasPruned reports whether an event has no content because that was pruned. Such are
// met where the index is made anew; the entry that says so comes later in the log.
func (x *Indexer) wasPruned(ctx context.Context, e *storage.Event) (bool, error) {
	return x.told.Covers(ctx, e)
}

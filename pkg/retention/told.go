package retention

import (
	"context"
	"errors"
	"sync"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Told knows from the log what was pruned, for readers that are ahead of the index, or
// make it. It reads only when it is asked.
type Told struct {
	log storage.Log

	mu      sync.Mutex
	of      map[resource]*storage.Pruned // the last of each
	through map[string]uint64            // by type, up to where it was read
}

type resource struct{ typ, id string }

// NewTold reads a log.
func NewTold(log storage.Log) *Told {
	return &Told{log: log, of: map[resource]*storage.Pruned{}, through: map[string]uint64{}}
}

// Covers reports whether the content that an event left was pruned.
func (t *Told) Covers(ctx context.Context, e *storage.Event) (bool, error) {
	p, err := t.Of(ctx, e)
	return p != nil && p.Covers(e), err
}

// Of is what was pruned of the resource of an event; nil when nothing was. Of an entry
// that does not cover the event there may be a later one.
func (t *Told) Of(ctx context.Context, e *storage.Event) (*storage.Pruned, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := resource{e.Meta.Type, e.Meta.ID}
	if p := t.of[k]; p != nil && p.Covers(e) {
		return p, nil
	}
	for subject := storage.PrunedSubjects(k.typ); ; {
		entry, err := t.log.Next(ctx, subject, t.through[k.typ]+1)
		if errors.Is(err, storage.ErrNotFound) {
			return t.of[k], nil
		}
		if err != nil {
			return nil, err
		}
		t.through[k.typ] = entry.Seq
		p, err := storage.DecodePruned(entry.Data, entry.Seq)
		if err != nil {
			continue // verify tells
		}
		p.Erase, p.Headers = nil, nil
		t.of[resource{p.Type, p.ID}] = p
	}
}

package admin

import (
	"context"
	"errors"

	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// isPruned reports whether the content that an event left is not to be in the backup.
func (b *backing) isPruned(ctx context.Context, e *storage.Event) (bool, error) {
	p, err := b.told.Of(ctx, e)
	if err != nil || p == nil || !p.Covers(e) {
		return false, err
	}
	if p.Seq > b.last {
		b.pruned[states.Key{Type: p.Type, ID: p.ID}] = true
	}
	return true, nil
}

// prunedSince writes what was pruned while the backup was written.
func (b *backing) prunedSince(ctx context.Context) error {
	for k := range b.pruned {
		for seq := b.last + 1; ; {
			entry, err := b.m.log.Next(ctx, storage.PrunedSubject(k.Type, k.ID), seq)
			if errors.Is(err, storage.ErrNotFound) {
				break
			}
			if err != nil {
				return err
			}
			seq = entry.Seq + 1
			p, err := storage.DecodePruned(entry.Data, entry.Seq)
			if err != nil {
				return err
			}
			if p.Type != k.Type || p.ID != k.ID {
				continue
			}
			b.out.Entries++
			if err := b.f.Entry(entry); err != nil {
				return err
			}
		}
	}
	return nil
}

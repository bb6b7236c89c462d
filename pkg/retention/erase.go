package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/archive"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// settle is how long a write of another process that read a revision before it was
// pruned may take to make it HEAD, or to refer to it.
const settle = 15 * time.Second

// Erase destroys the content of what an entry of the log prunes: the objects, the
// binaries that nothing else holds, what is in the log, the archive, the stream for
// subscribers and the deliveries. It can be repeated.
func (k *Keeper) Erase(ctx context.Context, entry storage.Entry) error {
	p, err := storage.DecodePruned(entry.Data, entry.Seq)
	if err != nil || p.Erased {
		return err
	}
	if err := k.o.Indexed(ctx, entry.Seq); err != nil {
		return err
	}
	doomed, err := k.stillDoomed(ctx, p)
	if err != nil {
		return fmt.Errorf("erase what was pruned of %s %s: %w", p.Type, p.ID, err)
	}
	var refs, binaries []string
	var told, inline []uint64
	for _, d := range doomed {
		refs, binaries = append(refs, d.Refs...), append(binaries, d.Binaries...)
		told, inline = append(told, d.Told...), append(inline, d.Inline...)
	}
	if err := k.o.Blobs.DeleteAll(ctx, refs); err != nil {
		return fmt.Errorf("erase objects of %s %s: %w", p.Type, p.ID, err)
	}
	slices.Sort(binaries)
	for _, digest := range slices.Compact(binaries) {
		if err := k.o.SweepBinary(ctx, digest); err != nil {
			return err
		}
	}
	slices.Sort(told)
	slices.Sort(inline)
	return k.eraseTold(ctx, p, told, inline)
}

// eraseTold erases the content that events brought with them.
func (k *Keeper) eraseTold(ctx context.Context, p *storage.Pruned, told, inline []uint64) error {
	if len(inline) > 0 && k.o.Archive != nil {
		if err := archive.NewReader(k.o.Archive).ForgetAt(ctx, inline); err != nil {
			return fmt.Errorf("erase from the archive: %w", err)
		}
	}
	if err := k.o.Log.EraseAt(ctx, inline); err != nil {
		return err
	}
	if len(told) == 0 || k.o.Outward == nil || k.o.Types.IsBuiltin(p.Type) {
		return nil
	}
	if err := k.o.Outward.EraseAt(ctx, p.Type, p.ID, told); err != nil || k.o.Deliveries == nil {
		return err
	}
	_, err := k.o.Deliveries.Erase(ctx, p.Type, p.ID)
	return err
}

// stillDoomed is what an entry prunes and nothing needs. Other processes may have made
// one of those revisions HEAD, or have referred to it, before they knew: such are taken
// back.
func (k *Keeper) stillDoomed(ctx context.Context, p *storage.Pruned) ([]storage.Doomed, error) {
	t := k.o.Types.Named(p.Type)
	entry, err := k.o.Log.Last(ctx, storage.RevisionSubject(p.Type, p.ID))
	if errors.Is(err, storage.ErrNotFound) || t == nil {
		return p.Erase, nil
	}
	if err != nil {
		return nil, err
	}
	if !k.o.Sole {
		if err := k.settled(ctx, p.At); err != nil {
			return nil, err
		}
		if entry, err = k.o.Log.Last(ctx, storage.RevisionSubject(p.Type, p.ID)); err != nil {
			return nil, err
		}
	}
	if err := k.o.Indexed(ctx, entry.Seq); err != nil {
		return nil, err
	}
	head, err := storage.DecodeEvent(entry.Data, entry.Seq)
	if err != nil || head.Action == storage.Purged {
		return p.Erase, err
	}
	due := map[int]bool{}
	for _, d := range p.Erase {
		due[d.Number] = true
	}
	if err := k.spare(ctx, t, head, due); err != nil {
		return nil, err
	}
	if len(due) == len(p.Erase) {
		return p.Erase, nil
	}
	out := slices.DeleteFunc(slices.Clone(p.Erase), func(d storage.Doomed) bool { return !due[d.Number] })
	return out, k.takeBack(ctx, p, due)
}

// settled waits until no write is under way any more that began before a time.
func (k *Keeper) settled(ctx context.Context, at time.Time) error {
	wait := min(at.Add(settle).Sub(k.o.Now()), settle)
	if wait <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// takeBack keeps the revisions of an entry that are not due.
func (k *Keeper) takeBack(ctx context.Context, p *storage.Pruned, due map[int]bool) error {
	subject := storage.PrunedSubject(p.Type, p.ID)
	for range maxTries {
		last, err := k.o.Log.Last(ctx, subject)
		if err != nil {
			return err
		}
		if err := k.o.Indexed(ctx, last.Seq); err != nil {
			return err
		}
		now, err := k.o.Index.Pruned(ctx, p.Type, p.ID)
		if err != nil || now == nil {
			return err
		}
		back := &storage.Pruned{Type: p.Type, ID: p.ID, Through: now.Through, Except: slices.Clone(now.Except), At: k.o.Now().UTC(), Principal: p.Principal, Erased: true}
		for _, d := range p.Erase {
			if !due[d.Number] && !slices.Contains(back.Except, d.Number) {
				back.Except = append(back.Except, d.Number)
			}
		}
		slices.Sort(back.Except)
		if len(back.Except) == len(now.Except) {
			return nil
		}
		err = k.commit(ctx, subject, last.Seq, back)
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return storage.ErrConflict
}

package archive

import (
	"context"
	"errors"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Forget removes the entries of a subject that are before a sequence from the
// objects that hold any of the given ones, which have to be in order.
func (r Reader) Forget(ctx context.Context, subject string, seqs []uint64, before uint64) error {
	return r.forget(ctx, seqs, func(e storage.Entry) bool { return e.Subject == subject && e.Seq < before })
}

// ForgetAt removes the entries at the given sequences, which have to be in order.
func (r Reader) ForgetAt(ctx context.Context, seqs []uint64) error {
	return r.forget(ctx, seqs, func(e storage.Entry) bool { _, doomed := slices.BinarySearch(seqs, e.Seq); return doomed })
}

// forget writes the objects that hold any of the given sequences again, without the
// doomed entries.
func (r Reader) forget(ctx context.Context, seqs []uint64, doomed func(storage.Entry) bool) error {
	if len(seqs) == 0 {
		return nil
	}
	var hit []archivePart
	err := r.a.Names(ctx, "", func(name string) error {
		p, ok := parseArchiveName(name)
		i, _ := slices.BinarySearch(seqs, p.first)
		if ok && i < len(seqs) && seqs[i] <= p.last {
			hit = append(hit, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range hit {
		o, err := r.read(ctx, p)
		if errors.Is(err, storage.ErrNotFound) {
			continue // joined with another meanwhile
		}
		if err != nil {
			return err
		}
		n := len(o.Entries)
		if o.Entries = slices.DeleteFunc(o.Entries, doomed); len(o.Entries) == n {
			continue
		}
		data, err := o.Encode()
		if err != nil {
			return err
		}
		if err := r.a.Save(ctx, p.name, data); err != nil {
			return err
		}
	}
	return nil
}

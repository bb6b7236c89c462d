package archive

import (
	"context"
	"errors"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// ForgetAt removes the entries at the given sequences, which have to be in order.
func (r Reader) ForgetAt(ctx context.Context, seqs []uint64) error {
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
		o.Entries = slices.DeleteFunc(o.Entries, func(e storage.Entry) bool { _, doomed := slices.BinarySearch(seqs, e.Seq); return doomed })
		if len(o.Entries) == n {
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

package archive

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// PackHeaders makes the headers of events that leave the log small; nil for none. They are
// the bytes that were written, so that the digests that lead to them stay right.
func PackHeaders(events []*storage.Event) ([]byte, error) {
	if len(events) == 0 {
		return nil, nil
	}
	slices.SortFunc(events, func(a, b *storage.Event) int { return int(int64(a.Seq) - int64(b.Seq)) })
	var raw []byte
	for _, e := range events {
		raw = binary.AppendUvarint(raw, e.Seq)
		raw = binary.AppendUvarint(raw, uint64(len(e.Header)))
		raw = append(raw, e.Header...)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(raw, nil), nil
}

// maxUnpacked bounds what one entry may hold.
const maxUnpacked = 64 << 20

// PrunedHeaders are the events that an entry took out of the log, without content, in order.
func PrunedHeaders(p *storage.Pruned) ([]*storage.Event, error) {
	if len(p.Headers) == 0 {
		return nil, nil
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	raw, err := z.DecodeAll(p.Headers, nil)
	if err != nil {
		return nil, fmt.Errorf("what was pruned at %d: %w: %w", p.Seq, storage.ErrCorrupt, err)
	}
	var out []*storage.Event
	for len(raw) > 0 {
		seq, a := binary.Uvarint(raw)
		size, b := binary.Uvarint(raw[max(a, 0):])
		at := a + b
		if a <= 0 || b <= 0 || size > uint64(len(raw)-at) {
			return nil, fmt.Errorf("what was pruned at %d: %w: cut short", p.Seq, storage.ErrCorrupt)
		}
		e, err := storage.DecodeHeader(raw[at:at+int(size):at+int(size)], seq)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		raw = raw[at+int(size):]
	}
	return out, nil
}

package archive

import (
	"cmp"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Erased are the events that a log lost because the content they held was pruned. A log
// that is filled has them in their places again, without content: its sequences are new,
// so the history would be out of order otherwise.
type Erased struct {
	events []erasedEvent // in order once Sort was called
}

type erasedEvent struct {
	seq    uint64
	header []byte
}

// Add takes the events that an entry of a log holds, if it is about what was pruned.
func (x *Erased) Add(subject string, data []byte, seq uint64) error {
	if !storage.IsPruned(subject) {
		return nil
	}
	p, err := storage.DecodePruned(data, seq)
	if err != nil {
		return err
	}
	headers, err := PrunedHeaders(p)
	for _, e := range headers {
		x.events = append(x.events, erasedEvent{e.Seq, e.Header})
	}
	return err
}

// Sort puts them in the order of the log.
func (x *Erased) Sort() {
	slices.SortFunc(x.events, func(a, b erasedEvent) int { return cmp.Compare(a.seq, b.seq) })
	x.events = slices.CompactFunc(x.events, func(a, b erasedEvent) bool { return a.seq == b.seq })
}

// Next is the first of them up to a sequence, each once; nil when there is none left.
func (x *Erased) Next(through uint64) (*storage.Event, error) {
	if len(x.events) == 0 || x.events[0].seq > through {
		return nil, nil
	}
	first := x.events[0]
	x.events = x.events[1:]
	e, err := storage.DecodeHeader(first.header, first.seq)
	if err == nil {
		e.Apart, e.Inline, e.HeaderDigest, e.Header = true, false, e.Digest(), nil
	}
	return e, err
}

// Emptied is an entry about what was pruned for a log that has the events in their places.
func Emptied(data []byte, seq uint64) (*storage.Pruned, error) {
	p, err := storage.DecodePruned(data, seq)
	if err == nil {
		p.Headers = nil
	}
	return p, err
}

package states

import (
	"container/list"
	"slices"
	"sync"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Heads keeps how resources stand that were read or written last, up to a number of
// bytes, so that neither is read from the index again.
//
// It is never behind the index: the indexer tells it of every event before it tells
// anyone that the index holds it, and an event newer than what is kept takes its place.
// So what another program wrote, or a write whose outcome was not known, is no longer
// hidden by it than by the index. It is for a process that has the indexer within. A nil
// Heads keeps nothing.
type Heads struct {
	mu    sync.Mutex
	byKey map[Key]*list.Element
	order *list.List // of *head, used last first
	bytes int
	limit int

	told uint64 // every event up to here was told
	gone uint64 // newest event of this process that is not kept any more, or was not
	age  uint64 // changes when what was read of the index before may be outdated
}

// head is the newest event of a resource, or what the index answers with for it.
type head struct {
	key   Key
	seq   uint64
	event *storage.Event // without its header; nil: not known
	row   *storage.Row   // nil when the event is known
	size  int
}

// headOverhead is about what a head takes beside its texts and its content.
const headOverhead = 900

// NewHeads keeps up to a number of bytes.
func NewHeads(limit int) *Heads {
	return &Heads{byKey: map[Key]*list.Element{}, order: list.New(), limit: limit}
}

// event is the newest event of a resource, which may not be changed, and up to where
// nothing came after it; nil when it is not kept.
func (h *Heads) event(k Key) (e *storage.Event, asOf uint64) {
	if h == nil {
		return nil, 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.use(k)
	if kept == nil {
		return nil, 0
	}
	return kept.event, h.told
}

// read is what is kept of a resource for one who reads it: its newest event, or else its
// row; neither may be changed. When there is nothing, keepRow needs the age.
func (h *Heads) read(k Key) (e *storage.Event, row *storage.Row, age uint64) {
	if h == nil {
		return nil, nil, 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.use(k)
	if kept == nil {
		return nil, nil, h.age
	}
	return kept.event, kept.row, 0
}

func (h *Heads) use(k Key) *head {
	at := h.byKey[k]
	if at == nil {
		return nil
	}
	h.order.MoveToFront(at)
	return at.Value.(*head)
}

// keepEvent keeps what the index said of a resource when it was at a position.
func (h *Heads) keepEvent(k Key, e *storage.Event, asOf uint64) {
	if h == nil || e.Action == storage.Purged {
		return
	}
	kept := headOf(k, e)
	h.mu.Lock()
	defer h.mu.Unlock()
	if asOf >= max(h.told, h.gone) {
		h.put(kept)
	}
}

// keepRow keeps a row that the index, which had applied so much, gave after read had
// told its age. When anything was told of meanwhile, the row may be older than that.
func (h *Heads) keepRow(k Key, row *storage.Row, age, applied uint64) {
	if h == nil || row.Content == nil {
		return
	}
	own := *row
	own.Meta, own.Revision, own.Content = slices.Clip(row.Meta), slices.Clip(row.Revision), slices.Clip(row.Content)
	kept := &head{key: k, seq: row.Seq, row: &own, size: headOverhead/2 + len(row.Meta) + len(row.Revision) + len(row.Content) + 2*len(row.ID)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if age == h.age && applied >= max(h.told, h.gone) {
		h.put(kept)
	}
}

// Committed tells of an event of this process.
func (h *Heads) Committed(e *storage.Event) {
	if h == nil {
		return
	}
	k := Key{e.Meta.Type, e.Meta.ID}
	kept := headOf(k, e)
	h.mu.Lock()
	defer h.mu.Unlock()
	// Of a resource that is not kept a newer one may have been told of already.
	if e.Action != storage.Purged && e.Seq > max(h.told, h.gone) {
		h.put(kept)
		return
	}
	h.lose(e.Seq)
	h.outdate(k, e.Seq)
}

// Told is one event that the index is about to hold, or holds.
type Told struct {
	Key
	Seq uint64
}

// Applied tells what the index holds, before anyone else is told.
func (h *Heads) Applied(events []Told, through uint64) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		h.outdate(e.Key, e.Seq)
	}
	h.told = max(h.told, through)
	h.age++
}

// lose notes that an event is not kept. The caller holds the lock.
func (h *Heads) lose(seq uint64) {
	if seq > h.gone {
		h.gone = seq
		h.age++
	}
}

// outdate forgets what is older than an event. The caller holds the lock.
func (h *Heads) outdate(k Key, seq uint64) {
	if at := h.byKey[k]; at != nil && at.Value.(*head).seq < seq {
		h.drop(at)
	}
}

// Clear forgets everything: the index is another one.
func (h *Heads) Clear() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.age++
	for at := h.order.Back(); at != nil; at = h.order.Back() {
		h.drop(at)
	}
}

// Bytes is how much is kept.
func (h *Heads) Bytes() int {
	if h == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bytes
}

// put keeps a head unless one is kept that is newer, or knows more. The caller holds the
// lock.
func (h *Heads) put(kept *head) {
	if at := h.byKey[kept.key]; at != nil {
		if old := at.Value.(*head); old.seq > kept.seq || old.seq == kept.seq && kept.event == nil {
			return
		}
		h.drop(at)
	}
	if kept.size > h.limit/16 { // it would push out many
		h.lose(kept.seq)
		return
	}
	h.byKey[kept.key] = h.order.PushFront(kept)
	h.bytes += kept.size
	for h.bytes > h.limit {
		h.drop(h.order.Back())
	}
}

// drop forgets one. The caller holds the lock.
func (h *Heads) drop(at *list.Element) {
	old := at.Value.(*head)
	h.order.Remove(at)
	delete(h.byKey, old.key)
	h.bytes -= old.size
	h.lose(old.seq)
}

// headOf is an event as it is kept: its header is as large as everything else, and only
// its digest is asked for again.
func headOf(k Key, e *storage.Event) *head {
	own := e.Headless()
	own.Content = slices.Clip(own.Content)
	return &head{key: k, seq: e.Seq, event: own, size: headOverhead + len(e.Header) + len(e.Content)}
}

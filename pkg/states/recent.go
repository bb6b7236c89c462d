package states

import (
	"sync"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Key names a resource.
type Key struct{ Type, ID string }

// Recent holds the newest event of every resource that this process committed
// and that the index does not hold yet. It is never a cache of anything older,
// so what is found in it is the newest this process knows.
type Recent struct {
	mu     sync.RWMutex
	events map[Key]*storage.Event
	seqs   map[uint64]known
	order  []*storage.Event // by commit; those the index has are dropped from the front
	high   uint64           // last sequence committed by this process
	floor  uint64           // last sequence that was dropped; the index must hold it
}

// maxRecent bounds the memory while the index stands still.
const maxRecent = 100_000

// newRecent begins where the log ended when this process began.
func newRecent(last uint64) *Recent {
	return &Recent{events: map[Key]*storage.Event{}, seqs: map[uint64]known{}, high: last, floor: last}
}

func (r *Recent) get(k Key) *storage.Event {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.events[k]
}

// known is an event of this process with its content as it was read for the write.
type known struct {
	event *storage.Event
	doc   *model.Document // nil: it was not read
}

// Known returns the event at a sequence, and its content when that was read for the
// write, when this process committed it and the index did not hold it yet; nil
// otherwise. Neither may be changed.
func (st *States) Known(seq uint64) (*storage.Event, *model.Document) {
	st.recent.mu.RLock()
	defer st.recent.mu.RUnlock()
	k := st.recent.seqs[seq]
	return k.event, k.doc
}

// newest is the newest event of a resource that this process committed, when the
// index cannot hold a newer one, of another process, by now.
func (st *States) newest(k Key) *storage.Event {
	e := st.recent.get(k)
	if e == nil || st.o.Sole || e.Seq > st.progress.Applied() {
		return e
	}
	return nil
}

// Add remembers a committed event and forgets what the index holds by now. A document is
// remembered with content that is small enough to be in its event: the index may stand
// still, and large ones would fill the memory.
func (r *Recent) Add(e *storage.Event, doc *model.Document, applied uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.high = max(r.high, e.Seq)
	k := Key{e.Meta.Type, e.Meta.ID}
	if old := r.events[k]; old == nil || old.Seq < e.Seq {
		r.events[k] = e
	}
	if e.Content == nil {
		doc = nil
	}
	r.seqs[e.Seq] = known{e, doc}
	r.order = append(r.order, e)
	n := 0
	for n < len(r.order) && (r.order[n].Seq <= applied || len(r.order)-n > maxRecent) {
		old := r.order[n]
		r.floor = max(r.floor, old.Seq)
		delete(r.seqs, old.Seq)
		k := Key{old.Meta.Type, old.Meta.ID}
		if r.events[k] == old {
			delete(r.events, k)
		}
		r.order[n] = nil
		n++
	}
	r.order = r.order[n:]
}

// Last is the last sequence this process committed.
func (r *Recent) Last() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.high
}

// covered reports whether the index at applied knows, together with recent,
// everything this process committed.
func (r *Recent) covered(applied uint64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.floor <= applied
}

// Locks is a mutex for each resource that is being written in this process, so
// that a hot one does not fight itself on the log.
type Locks struct {
	mu   sync.Mutex
	held map[Key]*lock
}

type lock struct {
	sync.Mutex
	waiting int
}

// NewLocks has none that is held.
func NewLocks() *Locks { return &Locks{held: map[Key]*lock{}} }

// Acquire waits for the lock of a resource.
func (l *Locks) Acquire(k Key) (release func()) {
	l.mu.Lock()
	h := l.held[k]
	if h == nil {
		h = &lock{}
		l.held[k] = h
	}
	h.waiting++
	l.mu.Unlock()
	h.Lock()
	return func() {
		h.Unlock()
		l.mu.Lock()
		if h.waiting--; h.waiting == 0 {
			delete(l.held, k)
		}
		l.mu.Unlock()
	}
}

// Jump tells that everything up to a sequence was written, in whatever way.
func (r *Recent) Jump(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.events)
	clear(r.seqs)
	r.order = nil
	r.high, r.floor = max(r.high, seq), max(r.floor, seq)
}

package natslog

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// tail is what the only writer of a log knows of its newest entries: the sequence of
// the last one, and for every subject that was written after a floor, its newest.
//
// A server that compares a record's sequence with its subject's has to find the
// subject's last entry, and for one that is not among the newest it loads and decodes
// a whole block (for a subject without any entry it has nothing to load). So where the tail proves that a record's precondition holds, the
// server is asked to compare the sequence of the stream instead, which costs nothing:
// nothing came after what the tail knows, so nothing came after the record's own. A
// record that the tail proves nothing about is compared as ever. What it does not
// prove is never taken for granted: a writer that should not be there is met by the
// comparison, and by the count of what was written, and then the tail starts again.
type tail struct {
	mu      sync.Mutex
	off     int    // greater than 0: others write for a while
	doubt   bool   // an outcome was unknown once, so an entry that is too much may be our own
	known   bool   // last and floor are known
	last    uint64 // of the stream
	floor   uint64 // every entry from here on to last is in newest
	newest  map[uint64]uint64
	written []entryAt // those in newest, oldest first
	seed    maphash.Seed
	most    int // of how many entries the subject is known
}

type entryAt struct{ subject, seq uint64 }

// maxTail is of how many entries the tail knows the subject: about 3 MB, and more than
// an index in step with the log is ever behind.
const maxTail = 1 << 16

func newTail(last uint64) *tail {
	return &tail{known: true, last: last, floor: last, newest: map[uint64]uint64{}, seed: maphash.MakeSeed(), most: maxTail}
}

// proves reports whether the preconditions of a unit hold. The caller holds the lock.
func (t *tail) proves(unit []storage.Record) bool {
	for _, r := range unit {
		subject := r.Subject
		if r.Guard != "" {
			subject = r.Guard
		}
		if r.Expected == 0 || strings.HasSuffix(subject, ">") {
			return false
		}
		newest, written := t.newest[maphash.String(t.seed, subject)]
		if written != (r.Expected > t.floor) || written && newest != r.Expected || max(r.AsOf, r.Expected) < t.floor {
			return false
		}
	}
	return true
}

// plan says which units of a flight the tail proves, and after which sequence the
// first of them is to land; known is false when the tail knows nothing.
func (t *tail) plan(group []*pending) (sure []bool, last uint64, known bool) {
	sure = make([]bool, len(group))
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known || t.off > 0 {
		return sure, 0, false
	}
	for i, p := range group {
		sure[i] = t.proves(p.unit)
	}
	return sure, t.last, true
}

// settle takes in what became of a flight: committed units with the sequence of their
// last record, 0 for one of which nothing was written. It reports an entry that
// another program wrote.
func (t *tail) settle(group []*pending, ends []uint64) (foreign bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.off > 0 {
		return false
	}
	var high, n uint64
	for i, end := range ends {
		high = max(high, end)
		if end > 0 {
			n += uint64(len(group[i].unit))
		}
	}
	switch {
	case high == 0:
		return false
	case !t.known, t.last+n != high:
		foreign = t.known && !t.doubt
		t.forget()
		t.known, t.last, t.floor = true, high, high
		return foreign
	}
	for i, end := range ends {
		if end == 0 {
			continue
		}
		unit := group[i].unit
		for j, r := range unit {
			e := entryAt{maphash.String(t.seed, r.Subject), end - uint64(len(unit)-1-j)}
			t.newest[e.subject] = e.seq
			t.written = append(t.written, e)
		}
	}
	t.last = high
	if len(t.written) > t.most {
		t.drop(len(t.written) - t.most*3/4)
	}
	return false
}

// gone is in newest for a subject whose last entry was dropped.
const gone = ^uint64(0)

// end tells that the last entry of a subject is dropped: nothing follows it any more.
func (t *tail) end(subject string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := entryAt{maphash.String(t.seed, subject), t.last}
	t.newest[e.subject] = gone
	t.written = append(t.written, e)
}

// drop forgets the oldest n. Units of a flight are not in the order of their
// sequences, so the floor is the highest that was dropped, and what is below it goes.
func (t *tail) drop(n int) {
	for _, e := range t.written[:n] {
		t.floor = max(t.floor, e.seq)
	}
	keep := t.written[n:]
	for len(keep) > 0 && keep[0].seq <= t.floor {
		keep = keep[1:]
	}
	for _, e := range t.written[:len(t.written)-len(keep)] {
		if n := t.newest[e.subject]; n <= t.floor || n == gone {
			delete(t.newest, e.subject)
		}
	}
	t.written = append(t.written[:0:0], keep...)
}

// lose makes the tail know nothing until a flight has landed: an outcome is unknown.
func (t *tail) lose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.doubt = true
	t.forget()
}

func (t *tail) forget() {
	t.known, t.written = false, nil
	clear(t.newest)
}

// others makes the tail know nothing while records are written past it.
func (t *tail) others() (done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.off++
	t.forget()
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.off--
	}
}

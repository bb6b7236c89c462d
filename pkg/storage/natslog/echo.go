package natslog

import (
	"slices"
	"sync"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// echo holds the newest entries of a log whose only writer is this process, so that its
// own readers need not ask the server for what it was sent a moment before. The entries
// follow each other without a gap; where one may have been missed, the echo begins again
// and a reader that needs what is not there asks the server.
type echo struct {
	mu      sync.Mutex
	entries []echoed
	next    uint64 // sequence of the entry after those; 0: not known
	bytes   int
	moved   chan struct{} // closed and replaced when there is more, or less
	most    int
}

type echoed struct {
	storage.Entry
	erased bool
}

// How many entries, and of how many bytes, are held.
const (
	maxEcho      = 8192
	maxEchoBytes = 16 << 20
	echoOverhead = 200
)

// newEcho begins behind the last entry of the log.
func newEcho(last uint64) *echo {
	return &echo{next: last + 1, moved: make(chan struct{}), most: maxEcho}
}

// settle takes in what a flight left in the log: units with the sequence of their last
// record, 0 for one of which nothing was written. Entries of others in between, or units
// that are older than they should be, make it begin again.
func (e *echo) settle(group []*pending, ends []uint64) {
	var entries []storage.Entry
	for i, end := range ends {
		if end == 0 {
			continue
		}
		unit := group[i].unit
		for j, r := range unit {
			last := j == len(unit)-1
			entries = append(entries, storage.Entry{Seq: end - uint64(len(unit)-1-j), Subject: r.Subject, ID: r.ID, Data: r.Data, More: !last || group[i].followed})
		}
	}
	slices.SortFunc(entries, func(a, b storage.Entry) int { return int(int64(a.Seq) - int64(b.Seq)) })
	if len(entries) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, x := range entries {
		if x.Seq != entries[0].Seq+uint64(i) || e.next > x.Seq {
			e.forget()
			e.next = 0
			return
		}
	}
	if e.next != entries[0].Seq {
		e.forget()
	}
	for _, x := range entries {
		e.entries = append(e.entries, echoed{Entry: x})
		e.bytes += echoOverhead + len(x.Data)
	}
	e.next = entries[len(entries)-1].Seq + 1
	n := 0
	for len(e.entries)-n > e.most || e.bytes > maxEchoBytes && n < len(e.entries) {
		e.bytes -= echoOverhead + len(e.entries[n].Data)
		n++
	}
	if n > 0 {
		clear(e.entries[:n])
		e.entries = e.entries[n:]
	}
	e.tell()
}

// lose makes it begin again: an outcome is unknown, or others write for a while.
func (e *echo) lose() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget()
	e.next = 0
	e.tell()
}

func (e *echo) forget() { e.entries, e.bytes = nil, 0 }

// tell wakes the readers that wait; e.mu is held.
func (e *echo) tell() {
	close(e.moved)
	e.moved = make(chan struct{})
}

// hears makes it begin again where the log went on without it.
func (e *echo) hears(last uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next > 0 && e.next <= last {
		e.forget()
		e.next = 0
		e.tell()
	}
}

// erase takes an entry away, as the log does.
func (e *echo) erase(seq uint64) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if i := int64(seq) - int64(e.first()); i >= 0 && i < int64(len(e.entries)) {
		e.bytes -= len(e.entries[i].Data)
		e.entries[i] = echoed{Entry: storage.Entry{Seq: seq}, erased: true}
	}
}

// first is the sequence of the first entry; e.mu is held.
func (e *echo) first() uint64 { return e.next - uint64(len(e.entries)) }

// holds reports whether a reader may go on here from a sequence.
func (e *echo) holds(seq uint64) bool {
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.next > 0 && seq >= e.first() && seq <= e.next
}

// at is the first entry from a sequence on. When there is none yet, more is closed once
// there may be; a nil one tells that the server has to be asked.
func (e *echo) at(seq uint64) (entry storage.Entry, ok bool, more <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next == 0 || seq < e.first() || seq > e.next {
		return storage.Entry{}, false, nil
	}
	for ; seq < e.next; seq++ {
		if x := e.entries[seq-e.first()]; !x.erased {
			return x.Entry, true, nil
		}
	}
	return storage.Entry{}, false, e.moved
}

package notify

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/autocrud-go/autocrud/internal/restart"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// hub reads the log once for all watches of the process and keeps the newest
// entries, so that a watch that is a little behind joins without reading again.
// It reads only while a watch is open.
type hub struct {
	log     storage.Log
	builtin func(typ string) bool

	mu      sync.Mutex
	moments []*CachedEvent    // the newest, oldest first
	bytes   int               // in them
	first   uint64            // moments hold every event from here on
	at      uint64            // everything up to here was read
	ready   bool              // first and at are known
	moved   chan struct{}     // closed and replaced when ready or ended changes
	topics  map[string]*topic // with an open watch
	behind  []*topic          // with watches whose turn is to come
	turns   chan struct{}     // one token: there are such
	watches int
	left    time.Time     // when the last one went
	wanted  chan struct{} // one token: a watch came
	ended   bool
	leaving map[string]leaving // by the id of the tombstone to come
}

// topic is what watches of one type, of one resource or of everything share.
type topic struct {
	moments []*CachedEvent
	lost    uint64 // events up to here may be missing
	line    line   // of the watches that wait for more
	watches int
}

// How much of the log is kept for watches that are a little behind. Older events
// are read from the log again.
const (
	maxMoments     = 8192
	maxMomentBytes = 16 << 20
	momentOverhead = 400
	// linger is how long the log is read on after the last watch ended.
	linger = time.Minute
)

func newHub(log storage.Log, builtin func(string) bool) *hub {
	return &hub{log: log, builtin: builtin, topics: map[string]*topic{}, leaving: map[string]leaving{}, moved: make(chan struct{}), wanted: make(chan struct{}, 1), turns: make(chan struct{}, 1)}
}

// run reads the log while a watch is open, until ctx ends.
func (h *hub) run(ctx context.Context, report func(error)) {
	defer h.end()
	go h.takeTurns(ctx)
	for ctx.Err() == nil {
		select {
		case <-h.wanted:
		case <-ctx.Done():
			return
		}
		restart.Loop{
			First:  20 * time.Millisecond,
			Failed: func(err error, _ time.Duration) { report(err) },
			While:  h.busy,
		}.Run(ctx, h.follow)
	}
}

// busy reports whether a watch is open, or was a moment ago; when not, the kept
// events are forgotten.
func (h *hub) busy() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watches > 0 || h.ready && time.Since(h.left) < linger {
		return true
	}
	h.ready, h.moments, h.bytes = false, nil, 0
	clear(h.leaving)
	return false
}

// follow goes on where it was, or at the end of the log.
func (h *hub) follow(ctx context.Context) error {
	h.mu.Lock()
	ready, at := h.ready, h.at
	h.mu.Unlock()
	if !ready {
		state, err := h.log.State(ctx)
		if err != nil {
			return err
		}
		at = state.Last
	}
	feed, err := h.log.Follow(ctx, at+1)
	if errors.Is(err, storage.ErrGone) { // the log is another one now
		h.reset(0, false)
	}
	if err != nil {
		return err
	}
	defer feed.Close()
	if !ready {
		h.reset(at, true)
	}
	for {
		short, cancel := context.WithTimeout(ctx, linger/4)
		entry, err := feed.Next(short)
		cancel()
		switch {
		case err == nil:
			h.add(entry)
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			if !h.busy() {
				return nil
			}
		default:
			return err
		}
	}
}

func (h *hub) reset(at uint64, ready bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moments, h.bytes, h.first, h.at, h.ready = nil, 0, at+1, at, ready
	for _, t := range h.topics {
		t.moments, t.lost = nil, max(at, t.lost)
	}
	h.tell()
}

// tell wakes the watches that wait for the hub itself. The caller holds the lock.
func (h *hub) tell() {
	close(h.moved)
	h.moved = make(chan struct{})
}

func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.tell()
	for _, t := range h.topics {
		t.line.wakeAll()
	}
}

// topicsOf are the topics that an event belongs to.
func (h *hub) topicsOf(typ, id string) [3]string {
	all := "*"
	if h.builtin(typ) {
		all = ""
	}
	return [3]string{typ, typ + "/" + id, all}
}

func (h *hub) add(entry storage.Entry) {
	typ, id, ok := storage.SplitRevisionSubject(entry.Subject)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = entry.Seq
	if !ok {
		if storage.IsPruned(entry.Subject) {
			h.prune(entry)
		}
		return
	}
	m := &CachedEvent{entry: entry, topics: h.topicsOf(typ, id), live: true}
	if bytes.Contains(entry.Data, purged) {
		h.erase(m)
	}
	h.moments = append(h.moments, m)
	h.bytes += momentOverhead + len(entry.Data)
	for _, name := range m.topics {
		if t := h.topics[name]; t != nil {
			t.moments = append(t.moments, m)
			h.call(t)
		}
	}
	for len(h.moments) > maxMoments || h.bytes > maxMomentBytes && len(h.moments) > 1 {
		h.drop()
	}
}

// purged is in the data of every tombstone, and hardly anywhere else.
var purged = []byte(`"` + storage.Purged + `"`)

// erase hides what is kept of a purged resource from every watch that joins from
// now on, as the log does. Those that are there have only not been told yet.
func (h *hub) erase(tombstone *CachedEvent) {
	if e, err := tombstone.decoded(); err != nil || e.Action != storage.Purged {
		return
	}
	for _, m := range h.moments {
		if m.topics[1] == tombstone.topics[1] && m.erased == 0 {
			m.erased = tombstone.entry.Seq
			tombstone.prior = m
		}
	}
	if p, ok := h.leaving[tombstone.entry.ID]; ok {
		delete(h.leaving, tombstone.entry.ID)
		tombstone.past, tombstone.known, tombstone.asked = p.state, p.state.Content != nil, true
	}
}

// prune marks the events whose content was pruned, for watches that are told of them
// from now on.
func (h *hub) prune(entry storage.Entry) {
	p, err := storage.DecodePruned(entry.Data, entry.Seq)
	if err != nil {
		return
	}
	name := h.topicsOf(p.Type, p.ID)[1]
	for _, m := range h.moments {
		if m.topics[1] != name || m.pruned.Load() {
			continue
		}
		if e, err := m.decoded(); err == nil && p.Covers(e) {
			m.pruned.Store(true)
		}
	}
}

// leaving is a state that a purge is about to erase.
type leaving struct {
	state *states.View
	since time.Time
}

// ends keeps the state that a tombstone ends until the tombstone comes: a caller
// that may see only some resources gets the purge of one of those, and the state is
// nowhere else by then.
func (h *hub) ends(tombstone string, state *states.View) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, p := range h.leaving {
		if time.Since(p.since) > time.Minute { // it was not committed
			delete(h.leaving, id)
		}
	}
	if h.ready {
		h.leaving[tombstone] = leaving{state, time.Now()}
	}
}

// drop forgets the oldest event.
func (h *hub) drop() {
	old := h.moments[0]
	h.moments[0] = nil
	h.moments = h.moments[1:]
	h.bytes -= momentOverhead + len(old.entry.Data)
	h.first = old.entry.Seq + 1
	for _, name := range old.topics {
		t := h.topics[name]
		if t != nil && len(t.moments) > 0 && t.moments[0] == old {
			t.moments[0] = nil
			t.moments = t.moments[1:]
			t.lost = old.entry.Seq
		}
	}
}

// enter makes the hub read.
func (h *hub) enter() {
	h.mu.Lock()
	h.watches++
	h.mu.Unlock()
	select {
	case h.wanted <- struct{}{}:
	default:
	}
}

func (h *hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watches--
	h.left = time.Now()
}

// join takes part in a topic when the hub holds everything after a sequence.
// Otherwise at is how far the hub is, once it is ready.
func (h *hub) join(ctx context.Context, name string, after uint64) (t *topic, at uint64, err error) {
	for {
		h.mu.Lock()
		if h.ended {
			h.mu.Unlock()
			return nil, 0, errWatchEnded
		}
		if h.ready {
			defer h.mu.Unlock()
			if after+1 < h.first {
				return nil, h.at, nil
			}
			return h.attach(name), h.at, nil
		}
		moved := h.moved
		h.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

func (h *hub) attach(name string) *topic {
	t := h.topics[name]
	if t == nil {
		t = &topic{lost: h.first - 1, line: newLine()}
		for _, m := range h.moments {
			if m.topics[0] == name || m.topics[1] == name || m.topics[2] == name {
				t.moments = append(t.moments, m)
			}
		}
		h.topics[name] = t
	}
	t.watches++
	return t
}

func (h *hub) detach(name string, t *topic, s seat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.line.leave(s)
	if t.watches--; t.watches == 0 {
		delete(h.topics, name)
	}
}

// next is the first event of a topic after a sequence, for a watch that joined
// when the hub was at joined. When there is none, at is how far the hub is, and the
// watch waits on its seat from then on.
func (h *hub) next(t *topic, after, joined uint64, s seat) (m *CachedEvent, at uint64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return nil, 0, errWatchEnded
	}
	if after < t.lost {
		return nil, 0, ErrBehind
	}
	low, high := 0, len(t.moments)
	for low < high {
		if mid := (low + high) / 2; t.moments[mid].entry.Seq <= after {
			low = mid + 1
		} else {
			high = mid
		}
	}
	for ; low < len(t.moments); low++ {
		if m := t.moments[low]; m.erased == 0 || m.erased > joined {
			return m, 0, nil
		}
	}
	t.line.wait(s)
	return nil, h.at, nil
}

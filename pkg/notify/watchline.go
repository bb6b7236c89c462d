package notify

import (
	"context"
	"time"
)

// To tell a watch costs about as much as a small request. So when many wait for the
// same, not all of them are woken at once: requests find a processor in between,
// and what happens meanwhile is told to a watch together.
const (
	// atOnce is how many watches of a topic are woken at a time, and turn is the time
	// until the next are.
	atOnce = 16
	turn   = time.Millisecond
	// maxTurns is after how many all of them were woken: more at a time if need be.
	maxTurns = 50
	// rest is the time from when more than atOnce began to be woken until they are
	// woken again.
	rest = 20 * time.Millisecond
)

// seat is where a watch waits until it is woken.
type seat chan struct{}

func newSeat() seat { return make(seat, 1) }

func (s seat) wake() {
	select {
	case s <- struct{}{}:
	default: // it is awake
	}
}

// line holds the watches that wait for a topic. The hub's lock guards it.
type line struct {
	waiting map[seat]struct{} // they know of everything, unless there is more
	more    bool
	called  map[seat]struct{} // they are being woken
	begun   time.Time         // when that began
	width   int               // how many are woken at a time
	since   time.Time         // when the last turn began
	woken   int               // since then
}

func newLine() line {
	return line{waiting: map[seat]struct{}{}, called: map[seat]struct{}{}}
}

func (l *line) wait(s seat) {
	if _, ok := l.called[s]; !ok {
		l.waiting[s] = struct{}{}
	}
}

func (l *line) leave(s seat) {
	delete(l.waiting, s)
	delete(l.called, s)
}

// busy reports whether watches are being woken.
func (l *line) busy() bool { return l.more || len(l.called) > 0 }

// advance wakes those whose turn it is, and reports whether others are left.
func (l *line) advance(now time.Time) (left bool) {
	if now.Sub(l.since) >= turn {
		l.since, l.woken = now, 0
	}
	for {
		for s := range l.called {
			if l.woken >= l.width {
				return true
			}
			l.woken++
			delete(l.called, s)
			s.wake()
		}
		if !l.more {
			return false
		}
		if len(l.waiting) > atOnce && now.Sub(l.begun) < rest {
			return true
		}
		l.called, l.waiting, l.more = l.waiting, l.called, false
		l.begun, l.width = now, max(atOnce, len(l.called)/maxTurns)
	}
}

func (l *line) wakeAll() {
	for _, seats := range []map[seat]struct{}{l.called, l.waiting} {
		for s := range seats {
			s.wake()
		}
	}
}

// call tells the watches of a topic, in turns, that there is more. The caller holds
// the lock.
func (h *hub) call(t *topic) {
	busy := t.line.busy()
	t.line.more = true
	if busy || !t.line.advance(time.Now()) {
		return
	}
	h.behind = append(h.behind, t)
	select {
	case h.turns <- struct{}{}:
	default:
	}
}

// takeTurns wakes the watches that were called and not woken at once.
func (h *hub) takeTurns(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.turns:
		}
		for h.advance() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(turn):
			}
		}
	}
}

// advance wakes those whose turn it is, and reports whether others are left.
func (h *hub) advance() (more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, left := time.Now(), h.behind[:0]
	for _, t := range h.behind {
		if t.line.advance(now) {
			left = append(left, t)
		}
	}
	clear(h.behind[len(left):])
	h.behind = left
	return len(left) > 0
}

package notify

import (
	"context"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Turns are watches that wait for one topic, told the time by a test.
type Turns struct {
	line  line
	seats []seat
	begun time.Time
	calls int
	knows map[seat]int // the calls that a watch was woken after
}

// AtOnce, Turn and MaxTurns are how watches are woken.
const (
	AtOnce   = atOnce
	Turn     = turn
	MaxTurns = maxTurns
	Rest     = rest
)

// NewTurns has so many watches that wait.
func NewTurns(watches int) *Turns {
	t := &Turns{line: newLine(), begun: time.Now(), knows: map[seat]int{}}
	for range watches {
		t.seats = append(t.seats, newSeat())
	}
	for _, s := range t.seats {
		t.line.wait(s)
	}
	return t
}

// Call says that there is more.
func (t *Turns) Call() {
	t.calls++
	t.line.more = true
}

// Advance wakes those whose turn it is, lets them wait again, and counts them.
func (t *Turns) Advance(after time.Duration) (woken int, more bool) {
	more = t.line.advance(t.begun.Add(after))
	for _, s := range t.seats {
		select {
		case <-s:
			woken++
			t.knows[s] = t.calls
			t.line.wait(s)
		default:
		}
	}
	return woken, more
}

// Missing counts the watches that were not woken since the last call.
func (t *Turns) Missing() (n int) {
	for _, s := range t.seats {
		if t.knows[s] < t.calls {
			n++
		}
	}
	return n
}

// Leave takes a watch away.
func (t *Turns) Leave(i int) { t.line.leave(t.seats[i]) }

// Hub is what all watches of a process read of the log, told by a test.
type Hub struct{ h *hub }

// NewHub holds nothing yet.
func NewHub() Hub { return Hub{newHub(nil, model.IsBuiltin)} }

// Add tells it of an entry.
func (h Hub) Add(e storage.Entry) { h.h.add(e) }

// After is the state that the i-th event it holds left, as a watch is told it.
func (h Hub) After(ctx context.Context, i int, t *model.Type) (*states.View, error) {
	m := h.h.moments[i]
	if _, err := m.decoded(); err != nil {
		return nil, err
	}
	return m.after(ctx, nil, t) // no states: they would have to be asked
}

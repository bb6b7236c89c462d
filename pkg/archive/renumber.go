package archive

import (
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Renumbering gives the events of a log that is filled the sequences that they have
// there: one that shows another's state in its place names it by its sequence.
type Renumbering struct {
	next uint64            // sequence of the record that follows
	seqs map[string]uint64 // by the ids of events that a later one may show
}

// Renumber begins behind the mark of a load into a log of this state.
func Renumber(state storage.LogState) *Renumbering {
	return &Renumbering{next: max(state.Last+1, state.First) + 1, seqs: map[string]uint64{}}
}

// Event has an event show the sequence in this log, and reports whether it told another.
func (r *Renumbering) Event(e *storage.Event) (changed bool) {
	if e.Wrote > 0 || e.Publishes() || e.Withheld {
		r.seqs[e.ID] = r.next
	}
	if e.Shown == nil || e.Shown.Meta.Seq == 0 {
		return false
	}
	seq := r.seqs[e.Shown.Event()]
	if seq == e.Shown.Meta.Seq {
		return false
	}
	shown := *e.Shown
	shown.Meta.Seq, e.Shown = seq, &shown
	return true
}

// Sent counts a record.
func (r *Renumbering) Sent() { r.next++ }

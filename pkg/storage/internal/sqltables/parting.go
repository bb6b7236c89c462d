package sqltables

import "github.com/autocrud-go/autocrud/pkg/storage"

// Most resources have one row, which answers for HEAD and for what is published. Where
// the two differ there is a second one of what is published.

// Held is a row that a table has of a resource.
type Held struct {
	Key   int64 // of the row, where rows have one
	Seq   uint64
	Event string // id of its event; empty: there is no row
}

// Parting is what a change does to the second row of its resource, before it writes
// the first.
type Parting struct {
	Stale bool // nothing: the first row is as new as the change
	Drop  bool // the second row goes
	Keep  bool // the first row becomes the second
	Write bool // the second row is written anew
}

// Part decides it by the rows that are there.
func Part(c *storage.IndexChange, first, second Held) (p Parting) {
	if first.Event != "" && first.Seq >= c.Event.Seq {
		return Parting{Stale: true}
	}
	shown := Parts(c)
	p.Drop = second.Event != "" && (!shown || second.Event != c.Event.Shown.ID)
	if shown && (p.Drop || second.Event == "") {
		p.Keep = first.Event == c.Event.Shown.ID
		p.Write = !p.Keep
	}
	return p
}

// Parts reports whether the published view shows another state than the change's own.
func Parts(c *storage.IndexChange) bool { return c.Event.Shown != nil && c.Event.Settled() > 0 }

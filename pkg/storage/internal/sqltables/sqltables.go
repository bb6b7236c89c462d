// Package sqltables decides which tables a type has in an index in SQL: one that
// answers and, while the definition changes, one that is being filled. It runs no
// statements; the indexes do what it says.
package sqltables

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Row is a row of the definitions table. One that is not serving is filled by
// replay batches until Replayed reaches Fill; one that is replayed when it is made,
// because the index is empty, until the position does.
type Row struct {
	Name           string
	Definition     storage.Definition
	Serving        bool
	Fill, Replayed uint64
	// Whole: its table is one of this version of the program, with all its parts.
	Whole bool
}

// Follows reports whether the table is filled by what is applied, until the position
// reaches Fill.
func (r Row) Follows() bool { return !r.Serving && r.Replayed >= r.Fill }

// Position is how far the index is, and up to where it has to get before it
// answers.
type Position struct{ Applied, Fill uint64 }

// New is the row of a table that is made now. It answers at once when there is
// nothing to fill it with.
func New(name string, d storage.Definition, at Position) Row {
	r := Row{Name: name, Definition: d, Fill: at.Applied, Whole: true}
	if at.Applied == 0 {
		r.Serving, r.Fill, r.Replayed = at.Fill == 0, at.Fill, at.Fill
	}
	return r
}

// Indexed reports whether a new table gets its indexes at once. One that is filled by
// what is applied gets them when it is full, which costs less.
func (r Row) Indexed() bool { return !r.Follows() }

// Tables are what a type has, and what has to be done for that.
type Tables struct {
	Serving, Building *Row
	Drop              []Row // these are dropped
	Make              bool  // a table is made, and given to Made
}

// Choose keeps, of the rows of a type, the table that answers and the one that is
// being filled for the definition. The rows come with the one that serves first. On
// an empty index no table of another definition is kept: there is nothing in it.
func Choose(rows []Row, d storage.Definition, at Position) (t Tables) {
	for _, r := range rows {
		same := r.Definition.Hash == d.Hash
		switch {
		case r.Whole && r.Serving && (same || at.Applied > 0):
			t.Serving = &r
		case r.Whole && !r.Serving && same && t.Building == nil:
			t.Building = &r
		default:
			t.Drop = append(t.Drop, r)
		}
	}
	t.Make = t.Building == nil && (t.Serving == nil || t.Serving.Definition.Hash != d.Hash)
	return t
}

// Made adds the table that was to be made.
func (t *Tables) Made(r Row) {
	if t.Make = false; r.Serving {
		t.Serving = &r
		return
	}
	t.Building = &r
}

// Pending is what replay batches have to fill, or nil.
func (t *Tables) Pending() *storage.PendingBuild {
	if t.Building == nil || t.Building.Follows() {
		return nil
	}
	return &storage.PendingBuild{Type: t.Building.Definition.Type, Replayed: t.Building.Replayed, Through: t.Building.Fill}
}

// Anew reports whether a type is rebuilt, and which tables go before a new one is
// made: those that are being filled. A type without a table that answers is left as
// it is.
func Anew(rows []Row) (drop []Row, ok bool) {
	for _, r := range rows {
		if r.Serving {
			ok = true
		} else {
			drop = append(drop, r)
		}
	}
	return drop, ok
}

// Fit finds the values of the current definition of a type for the fields of a
// table that was made for another one: for each field its place in Change.Values,
// for each text its place in Change.Text. A field that is no longer there, or is of
// another kind now, has -1.
func Fit(table, current storage.Definition) (fields, texts []int) {
	for _, f := range table.Fields {
		fields = append(fields, slices.Index(current.Fields, f))
	}
	for _, path := range table.FullText {
		texts = append(texts, slices.Index(current.FullText, path))
	}
	return fields, texts
}

// MarksAnew reports whether the marks of a table are not those of the current
// definition: they are asked for when the new table is filled.
func MarksAnew(table, current storage.Definition) bool {
	return table.Hash != current.Hash && (table.Marks || current.Marks)
}

// Event reads the header of an event as the events table keeps it.
func Event(header []byte, seq uint64) (*storage.Event, error) {
	e := &storage.Event{}
	if err := json.Unmarshal(header, e); err != nil {
		return nil, fmt.Errorf("event %d: %w: %w", seq, storage.ErrCorrupt, err)
	}
	e.Seq, e.Meta.Seq, e.Header = seq, seq, header
	return e, nil
}

package storage

import (
	"github.com/autocrud-go/autocrud/pkg/query"
)

// Aggregation counts and sums up the resources that a search would find, in
// groups.
type Aggregation struct {
	Type     string
	View     View
	Filter   query.Expr // nil: all
	Text     string     // full text, empty: none
	Deletion Deletion
	// By are the keys; without any there is one group of everything. A
	// resource is in one group for each different element of a list, and in
	// that of null when it has none.
	By []query.Field
	// Per makes times of a key one that are in the same period. It is as long as
	// By, or empty. Such a key is that of query.Period.Key, of dates their text.
	Per                []query.Period
	Sum, Avg, Min, Max []query.Field // Sum and Avg of numbers; no lists
	// Order of the groups; the keys in By's order, ascending, break ties. Null
	// is last in both directions.
	Order []GroupTerm
	After *query.Cursor // nil: from the start; its ID is empty
	Limit int           // at least 1
}

// Period is that of a key; the zero one leaves its values apart.
func (a Aggregation) Period(key int) query.Period {
	if key < len(a.Per) {
		return a.Per[key]
	}
	return query.Period{}
}

// GroupTerm is one key of an order of groups.
type GroupTerm struct {
	Key  int // place in By; ByCount: the count
	Desc bool
}

// ByCount orders groups by their count.
const ByCount = -1

// MaxCombinations is how many combinations of elements an Aggregation by several
// lists looks at, over all rows. More is a *query.Error.
const MaxCombinations = 250_000

// MaxKeys is how many keys an Aggregation groups by.
const MaxKeys = 6

// Terms is the whole order, with what breaks ties.
func (a Aggregation) Terms() []GroupTerm {
	out := append([]GroupTerm(nil), a.Order...)
	for i := range a.By {
		named := false
		for _, t := range a.Order {
			named = named || t.Key == i
		}
		if !named {
			out = append(out, GroupTerm{Key: i})
		}
	}
	return out
}

// Group is one group. Its slices are in the order of the Aggregation's. Values
// that are null or missing take no part; of nothing else there is nil.
type Group struct {
	Key   []query.Value
	Count int64 // of resources
	// Sum is exact: int64, or json.Number beyond it. That of numbers adds them
	// as they are written in decimal and rounds once: float64, or json.Number
	// beyond it.
	Sum      []any
	Avg      []query.Value // float64: the exact sum divided, rounded once
	Min, Max []query.Value
}

// Groups is one page of groups.
type Groups struct {
	Groups  []Group
	Next    *query.Cursor // nil: these were the last
	Applied uint64        // the index when it was read
}

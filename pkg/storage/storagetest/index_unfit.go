package storagetest

import (
	"errors"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// marking is movies of which some do not fit their model.
func marking(hash string) storage.Definition {
	d := movies()
	d.Hash, d.Marks = hash, true
	return d
}

// marked is a change of a resource that does not fit.
func marked(c storage.IndexChange) storage.IndexChange {
	c.Unfit = true
	return c
}

// unfitFilters are filters on the mark, and what they find of marked and others.
func unfitFilters(marked, others []string) map[string][]string {
	all := append(append([]string{}, marked...), others...)
	return map[string][]string{
		"meta.unfit = true": marked, "meta.unfit != false": marked, "NOT meta.unfit = false": marked,
		"meta.unfit = false": others, "NOT meta.unfit = true": others, "meta.unfit:*": all, "isNull(meta.unfit)": {},
	}
}

func wantUnfit(t *testing.T, x storage.Index, marked, others []string) {
	t.Helper()
	byID, err := query.ParseOrder(movies().QueryFields(), "meta.unfit desc, meta.id")
	ok(t, err)
	for src, found := range unfitFilters(marked, others) {
		if got := ids(t, x, storage.Search{Filter: filter(t, src), Order: byID}); len(got) != len(found) {
			t.Errorf("%s finds %v, want %v", src, got, found)
		} else {
			want(t, got, append([]string{}, found...))
		}
	}
	g, err := x.Aggregate(t.Context(), storage.Aggregation{Type: "movies", Filter: filter(t, "meta.unfit = true"), Limit: 1})
	ok(t, err)
	n := int64(0)
	if len(g.Groups) > 0 {
		n = g.Groups[0].Count
	}
	want(t, n, int64(len(marked)))
}

// unfitRows marks, unmarks, deletes and purges what does not fit.
func unfitRows(t *testing.T, x storage.Index) {
	define(t, x, marking("movies-1"))
	apply(t, x, marked(change(1, "a", storage.Created, nil)), change(2, "b", storage.Created, nil), marked(change(3, "c", storage.Created, nil)))
	wantUnfit(t, x, []string{"a", "c"}, []string{"b"})
	apply(t, x, change(4, "a", storage.Updated, nil), marked(change(5, "b", storage.Updated, nil)), marked(change(6, "c", storage.Deleted, nil)))
	wantUnfit(t, x, []string{"b"}, []string{"a"})
	want(t, ids(t, x, storage.Search{Filter: filter(t, "meta.unfit = true"), Deletion: storage.LiveAndDeleted}), []string{"c", "b"})
	apply(t, x, marked(change(7, "b", storage.Purged, nil)))
	wantUnfit(t, x, nil, []string{"a"})
	row, err := x.Read(t.Context(), "movies", "a")
	ok(t, err)
	want(t, row.ID, "a")
}

// otherMarks makes a type one whose rows are marked, by one model and by another, and
// one without marks again.
func otherMarks(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x, change(1, "a", storage.Created, nil), change(2, "b", storage.Created, nil))
	wantUnfit(t, x, nil, []string{"a", "b"})
	through := uint64(2)
	for _, step := range []struct {
		def            storage.Definition
		first          bool // whether a does not fit; b otherwise
		marked, others []string
	}{
		{marking("movies-2"), true, []string{"a"}, []string{"b"}},
		{marking("movies-3"), false, []string{"b"}, []string{"a"}},
		{movies(), false, nil, []string{"a", "b"}},
	} {
		define(t, x, step.def)
		_, err := x.Search(t.Context(), storage.Search{Type: "movies", Limit: 1, Filter: filter(t, "meta.unfit = true")})
		var building *storage.BuildError
		if !errors.As(err, &building) {
			t.Fatalf("%s: marks of another model are given: %v", step.def.Hash, err)
		}
		want(t, len(ids(t, x, storage.Search{})), 2) // all else is answered
		a, b := change(1, "a", storage.Created, nil), change(2, "b", storage.Created, nil)
		a.Unfit, b.Unfit = step.first, !step.first
		replay(t, x, through, a, b)
		wantUnfit(t, x, step.marked, step.others)
	}
}

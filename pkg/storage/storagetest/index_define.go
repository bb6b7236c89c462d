package storagetest

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// replay fills fresh tables through a sequence.
func replay(t *testing.T, x storage.Index, through uint64, changes ...storage.IndexChange) {
	t.Helper()
	ok(t, x.Apply(t.Context(), storage.Batch{Changes: changes, Through: through, Replay: []string{"movies"}}))
}

// shorter is movies after a change of its model: without some fields and the
// full text, and with another one.
func shorter() storage.Definition {
	d := movies()
	d.Hash, d.FullText = "movies-2", nil
	d.Fields = append([]query.Field{{Name: "country", Kind: query.Text}}, d.Fields[:2]...)
	d.Composite = nil
	return d
}

// under gives a change of movies the values of shorter.
func under(c storage.IndexChange, country string) storage.IndexChange {
	c.Values = append([]query.Value{country}, c.Values[:2]...)
	c.Text = nil
	return c
}

func shortFilter(t *testing.T, src string) query.Expr {
	t.Helper()
	e, err := query.Parse(shorter().QueryFields(), src, query.Options{})
	ok(t, err)
	return e
}

func defineTellsFresh(t *testing.T, x storage.Index) {
	want(t, len(define(t, x, movies())), 0)
	apply(t, x, change(1, "a", storage.Created, nil), change(2, "b", storage.Created, nil))
	want(t, len(define(t, x, movies())), 0)
	fresh := []storage.PendingBuild{{Type: "movies", Through: 2}}
	want(t, define(t, x, shorter()), fresh)
	replay(t, x, 1, under(change(1, "a", storage.Created, nil), "fr"))
	fresh[0].Replayed = 1
	want(t, define(t, x, shorter()), fresh) // the replay was cut short
	apply(t, x, under(change(3, "c", storage.Created, nil), "de"))
	want(t, define(t, x, shorter()), fresh) // what is new does not count
	replay(t, x, 2, under(change(2, "b", storage.Created, nil), "fr"))
	want(t, len(define(t, x, shorter())), 0)
	want(t, ids(t, x, storage.Search{}), []string{"c", "b", "a"})
	want(t, ids(t, x, storage.Search{Filter: shortFilter(t, `country = "fr"`)}), []string{"b", "a"})
	want(t, position(t, x).Applied, uint64(3))
}

func otherDefinition(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x, change(1, "a", storage.Created, query.Values{"year": int64(1)}))
	other := movies()
	other.Hash, other.Fields, other.FullText, other.Composite = "movies-2", other.Fields[:1], nil, nil
	define(t, x, other)
	c := change(1, "a", storage.Created, nil)
	c.Values = []query.Value{"Heat"}
	replay(t, x, 1, c)
	want(t, ids(t, x, storage.Search{Filter: filter(t, `title = "Heat"`)}), []string{"a"})
	_, err := x.Search(t.Context(), storage.Search{Type: "movies", Limit: 1, Filter: filter(t, `year = 1`)})
	if err == nil {
		t.Error("a field of the old definition is still searched")
	}
	events, err := x.Events(t.Context(), storage.EventQuery{Type: "movies", ID: "a"})
	ok(t, err)
	want(t, len(events), 1)
}

// oldTableAnswers changes a definition under writes: what both definitions
// know is answered throughout, what is new when it is complete.
func oldTableAnswers(t *testing.T, x storage.Index) {
	define(t, x, movies())
	const n = 30
	var history []storage.IndexChange
	for i := range uint64(n) {
		history = append(history, change(i+1, fmt.Sprintf("m%02d", i), storage.Created, query.Values{"title": "old", "year": int64(i), "genres": []query.Value{"x"}}))
	}
	apply(t, x, history...)
	want(t, define(t, x, shorter()), []storage.PendingBuild{{Type: "movies", Through: n}})
	byYear := storage.Search{Filter: shortFilter(t, `year >= 0 AND startsWith(title, "o")`), Limit: 100}
	byCountry := storage.Search{Type: "movies", Limit: 100, Filter: shortFilter(t, `country = "fr"`)}
	for i := range uint64(n) {
		want(t, len(ids(t, x, byYear)), n+int(i))
		_, err := x.Search(t.Context(), byCountry)
		var building *storage.BuildError
		if !errors.As(err, &building) || !errors.Is(err, storage.ErrNotReady) {
			t.Fatalf("after %d: %v", i, err)
		}
		want(t, building.PendingBuild, storage.PendingBuild{Type: "movies", Replayed: i, Through: n})
		_, err = x.Search(t.Context(), storage.Search{Type: "movies", Limit: 1, Text: "old"})
		if err == nil {
			t.Fatal("text that is no longer indexed is searched")
		}
		row, err := x.Read(t.Context(), "movies", "m00")
		ok(t, err)
		want(t, row.ID, "m00")
		live := change(n+1+i, fmt.Sprintf("n%02d", i), storage.Created, query.Values{"title": "old too", "year": int64(i)})
		apply(t, x, under(live, "fr"))
		replay(t, x, i+1, under(history[i], "de"))
	}
	want(t, len(ids(t, x, byYear)), 2*n)
	want(t, len(ids(t, x, byCountry)), n)
	want(t, len(define(t, x, shorter())), 0)
	want(t, position(t, x).Applied, uint64(2*n))
}

func abandonedDefinition(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x, change(1, "a", storage.Created, query.Values{"year": int64(1)}))
	define(t, x, shorter())
	want(t, len(define(t, x, movies())), 0)
	apply(t, x, change(2, "b", storage.Created, query.Values{"year": int64(2)}))
	want(t, ids(t, x, storage.Search{Filter: filter(t, "year > 0")}), []string{"b", "a"})
	want(t, define(t, x, shorter()), []storage.PendingBuild{{Type: "movies", Through: 2}}) // begun anew
}

func newTypeIsBuilt(t *testing.T, x storage.Index) {
	define(t, x)
	other := change(1, "a", storage.Created, nil)
	other.Event.Meta.Type = "zebras"
	encode(&other)
	apply(t, x, other)
	want(t, define(t, x, movies()), []storage.PendingBuild{{Type: "movies", Through: 1}})
	_, err := x.Search(t.Context(), storage.Search{Type: "movies", Limit: 1})
	var building *storage.BuildError
	if !errors.As(err, &building) {
		t.Fatalf("got %v", err)
	}
	replay(t, x, 1)
	want(t, ids(t, x, storage.Search{}), []string{})
}

func purgedIsNotReplayed(t *testing.T, x storage.Index) {
	define(t, x, movies())
	old := change(1, "a", storage.Created, query.Values{"title": "secret"})
	apply(t, x, old, change(2, "b", storage.Created, nil))
	define(t, x, shorter())
	gone := change(3, "a", storage.Purged, nil)
	gone.Values = nil
	apply(t, x, gone)
	replay(t, x, 2, under(old, "fr"), under(change(2, "b", storage.Created, nil), "fr"))
	want(t, ids(t, x, storage.Search{Deletion: storage.LiveAndDeleted}), []string{"b"})
	events, err := x.Events(t.Context(), storage.EventQuery{Type: "movies", ID: "a"})
	ok(t, err)
	want(t, len(events), 1)
}

// rebuilt makes tables anew beside those that answer: what was damaged is as
// the log says in the end, and nothing is missing meanwhile.
func rebuilt(t *testing.T, x storage.Index) {
	ok(t, x.Rebuild(t.Context(), []storage.Definition{movies()})) // nothing is there: nothing to do
	define(t, x, movies())
	wrong := change(1, "a", storage.Created, query.Values{"title": "wrong"})
	ghost := change(2, "ghost", storage.Created, query.Values{"title": "wrong"})
	apply(t, x, wrong, ghost, change(4, "b", storage.Created, query.Values{"title": "right"}))
	ok(t, x.Rebuild(t.Context(), []storage.Definition{movies()}))
	later := change(5, "c", storage.Created, query.Values{"title": "right"})
	if err := x.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{later}, Through: 5}); !errors.Is(err, storage.ErrNotReady) {
		t.Fatalf("apply before the new tables are defined: %v", err)
	}
	fresh := []storage.PendingBuild{{Type: "movies", Through: 4}}
	want(t, define(t, x, movies()), fresh)
	apply(t, x, later)
	building, err := x.Building(t.Context())
	ok(t, err)
	want(t, building, fresh)
	want(t, len(ids(t, x, storage.Search{})), 4)
	replay(t, x, 3, change(1, "a", storage.Created, query.Values{"title": "right"}), change(3, "d", storage.Created, query.Values{"title": "right"}))
	fresh[0].Replayed = 3
	want(t, define(t, x, movies()), fresh) // it goes on where it was
	replay(t, x, 4, change(4, "b", storage.Created, query.Values{"title": "right"}))
	want(t, ids(t, x, storage.Search{Filter: filter(t, `title = "right"`)}), []string{"c", "b", "d", "a"})
	want(t, ids(t, x, storage.Search{}), []string{"c", "b", "d", "a"})
	events, err := x.Events(t.Context(), storage.EventQuery{Type: "movies", ID: "ghost"})
	ok(t, err)
	want(t, len(events), 0)
	building, err = x.Building(t.Context())
	ok(t, err)
	want(t, len(building), 0)
	want(t, len(define(t, x, movies())), 0)
	apply(t, x, change(6, "e", storage.Created, nil))
}

// builtIsInUse asks without a pause, like who waits for a new table: from when
// nothing is being built, a search is answered by the new one.
func builtIsInUse(t *testing.T, x storage.Index) {
	define(t, x, movies())
	apply(t, x, change(1, "a", storage.Created, query.Values{"title": "0"}))
	for i := 1; i <= 40; i++ {
		ok(t, x.Rebuild(t.Context(), []storage.Definition{movies()}))
		define(t, x, movies())
		title := strconv.Itoa(i)
		var g errgroup.Group
		g.Go(func() error {
			c := change(1, "a", storage.Created, query.Values{"title": title})
			return x.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{c}, Through: 1, Replay: []string{"movies"}})
		})
		for building := []storage.PendingBuild{{}}; len(building) > 0; {
			var err error
			building, err = x.Building(t.Context())
			ok(t, err)
		}
		want(t, ids(t, x, storage.Search{Filter: filter(t, `title = "`+title+`"`)}), []string{"a"})
		ok(t, g.Wait())
	}
}

// emptied fills an index from nothing: until it holds all that it held before, no
// read answers that a resource does not exist.
func emptied(t *testing.T, x storage.Index) {
	define(t, x, movies())
	first := change(1, "a", storage.Created, nil)
	first.Event.Idempotency, first.Event.Binaries = &storage.Idempotency{Key: "k"}, []string{"sha256:1"}
	encode(&first)
	apply(t, x, first)
	ok(t, x.Reset(t.Context(), "log", 2))
	notYet := func() {
		t.Helper()
		_, err := x.Search(t.Context(), storage.Search{Type: "movies", Limit: 1})
		var building *storage.BuildError
		if !errors.As(err, &building) || building.Through != 2 {
			t.Errorf("search: %v", err)
		}
		if _, err = x.Read(t.Context(), "movies", "a"); !errors.Is(err, storage.ErrNotReady) {
			t.Errorf("read: %v", err)
		}
		if _, err = x.Events(t.Context(), storage.EventQuery{Type: "movies", ID: "a"}); !errors.Is(err, storage.ErrNotReady) {
			t.Errorf("events: %v", err)
		}
		if _, err = x.Keyed(t.Context(), "bob", "k"); !errors.Is(err, storage.ErrNotReady) {
			t.Errorf("keyed: %v", err)
		}
		if _, err = x.Holders(t.Context(), "sha256:2", "", "", 1); !errors.Is(err, storage.ErrNotReady) {
			t.Errorf("holders: %v", err)
		}
		fresh, err := x.Building(t.Context())
		ok(t, err)
		want(t, len(fresh), 1)
	}
	notYet()
	want(t, len(define(t, x, movies())), 0) // nothing to replay
	apply(t, x, first)
	notYet()
	want(t, len(define(t, x, movies())), 0)
	apply(t, x, change(2, "b", storage.Created, nil))
	want(t, ids(t, x, storage.Search{}), []string{"b", "a"})
	want(t, len(define(t, x, movies())), 0)
	past, err := x.Keyed(t.Context(), "ann", "k")
	ok(t, err)
	want(t, past.Seq, uint64(1))
	if _, err = x.Keyed(t.Context(), "bob", "k"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("keyed: %v", err)
	}
	held, err := x.Holders(t.Context(), "sha256:1", "movies", "a", 5)
	ok(t, err)
	want(t, held, []storage.Holder{{Type: "movies", ID: "a"}})
}

// modelReturns takes a type away and gives it back: what was written meanwhile,
// by others who had its model, is found.
func modelReturns(t *testing.T, x storage.Index) {
	define(t, x, movies())
	first := change(1, "a", storage.Created, nil)
	apply(t, x, first)
	define(t, x)
	ok(t, x.Apply(t.Context(), storage.Batch{Through: 2}))
	want(t, define(t, x, movies()), []storage.PendingBuild{{Type: "movies", Through: 2}})
	replay(t, x, 2, first, change(2, "b", storage.Created, nil))
	want(t, ids(t, x, storage.Search{}), []string{"b", "a"})
}

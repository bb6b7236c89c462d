package sqliteindex_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
)

// askedFor are searches whose numbers of matches are asked for again and again.
func askedFor(t *testing.T) (out []storage.Search) {
	fields := query.NewFields(append(storage.MetaFields(false), articles(true).Fields...)...)
	for _, text := range []string{"", "year = 1950", "year > 1960 AND score < 50", `contains(tags, "common")`, `contains(tags, "rare") OR NOT year < 2000`, `startsWith(title, "Article 1")`, "meta.revision_count = 1", `meta.id < "0190a0b0-000000000100"`} {
		for _, d := range []storage.Deletion{storage.Live, storage.OnlyDeleted, storage.LiveAndDeleted} {
			q := storage.Search{Type: "articles", Total: true, Deletion: d, Limit: 1}
			if text != "" {
				e, err := query.Parse(fields, text, query.Options{})
				if err != nil {
					t.Fatal(text, err)
				}
				q.Filter = e
			}
			out = append(out, q)
			if d == storage.Live {
				q.View = storage.PublishedView
				out = append(out, q)
			}
		}
	}
	return out
}

// TestTotalsAreKeptAsRowsChange: whatever a batch creates, changes, deletes, brings back or
// erases, a number that is kept is what counting anew gives.
func TestTotalsAreKeptAsRowsChange(t *testing.T) {
	sqliteindex.SetWorthKeeping(0)
	defer sqliteindex.SetWorthKeeping(300 * time.Microsecond)
	x := open(t, filepath.Join(t.TempDir(), "index.db"))
	defer x.Close()
	fill(t, x, 300, true)
	searches := askedFor(t)
	rng := rand.New(rand.NewPCG(1, 2))
	seq, most := 300, 0
	published := map[string]storage.IndexChange{}
	for round := range 60 {
		for _, q := range searches {
			page, err := x.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			want, err := x.CountAnew(t.Context(), q)
			if err != nil || page.Total != want {
				t.Fatalf("round %d: %s, deletion %d: the total is %d, counted anew %d (%v)", round, query.String(q.Filter), q.Deletion, page.Total, want, err)
			}
		}
		x.KeepAtAllCost()
		most = max(most, x.Kept())
		b := storage.Batch{}
		for range 1 + rng.IntN(40) {
			seq++
			c := article(rng.IntN(10_000), 200+rng.IntN(200), true)
			c.Event.Seq, c.Event.ID = uint64(seq), fmt.Sprint("later-", seq)
			switch rng.IntN(6) {
			case 0:
				c.Event.Action, c.Event.Meta.Deleted = storage.Deleted, true
			case 1:
				if rng.IntN(3) == 0 {
					c.Event.Action, c.Content, c.Values = storage.Purged, nil, make([]query.Value, len(c.Values))
				}
			case 2:
				c.Event.Meta.RevisionCount = 2
			case 3: // a draft, beside what was published
				if shown, ok := published[c.Event.Meta.ID]; ok {
					c.Event.Meta.Published, c.Event.Shown = 1, shown.Event.Snapshot()
					c.Event.Revision.Number, c.Event.Revision.Status = 2, storage.Draft
					c.Shown = func(context.Context) (*storage.IndexChange, error) { return &shown, nil }
				}
			}
			if _, err := c.Event.Encode(); err != nil {
				t.Fatal(err)
			}
			delete(published, c.Event.Meta.ID)
			if c.Event.Action == storage.Created && c.Event.Shown == nil {
				c.Event.Meta.Published = 1
				published[c.Event.Meta.ID] = c
			}
			b.Changes = append(b.Changes, c)
		}
		b.Through = uint64(seq)
		if err := x.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if most != len(searches) {
		t.Errorf("%d of %d numbers are kept", most, len(searches))
	}
	if _, err := x.Define(t.Context(), []storage.Definition{articles(false)}); err != nil {
		t.Fatal(err)
	}
	if n := x.Kept(); n != 0 {
		t.Errorf("%d numbers are kept of a table that is gone", n)
	}
}

// TestATotalThatIsNotAskedForIsDropped: keeping it must not cost more than counting.
func TestATotalThatIsNotAskedForIsDropped(t *testing.T) {
	sqliteindex.SetWorthKeeping(0)
	defer sqliteindex.SetWorthKeeping(300 * time.Microsecond)
	x := open(t, filepath.Join(t.TempDir(), "index.db"))
	defer x.Close()
	fill(t, x, 2000, true)
	for range 3 {
		if _, err := x.Search(t.Context(), storage.Search{Type: "articles", Total: true, Limit: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if x.Kept() != 1 {
		t.Fatalf("%d numbers are kept", x.Kept())
	}
	for n := 2000; x.Kept() > 0; n++ {
		if n > 12_000 {
			t.Fatal("it is kept after 10,000 batches")
		}
		if err := x.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{article(n, 1_000_000, true)}, Through: uint64(n + 1)}); err != nil {
			t.Fatal(err)
		}
	}
}

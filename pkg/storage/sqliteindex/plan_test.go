package sqliteindex_test

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// TestEveryPageWalksAnIndex: no list reads or sorts the whole table when its
// order or its filter has an index, on the first page and on a deep one.
func TestEveryPageWalksAnIndex(t *testing.T) {
	x := open(t, ":memory:")
	defer x.Close()
	fill(t, x, 5000, true)
	fields := articles(true).QueryFields()
	for _, c := range []struct{ filter, order, index string }{
		{"", "", "i_created_"},
		{"", "meta.updated_at desc", "i_updated_"},
		{"", "meta.created_at desc, title", "i_created_"},
		{"", "meta.id", "autoindex"},
		{"", "year", "i_f1_"},
		{"", "year desc", "i_f1d_"},
		{"", "title desc", "i_f0d_"},
		{"", "year desc, title", "i_f1d_"},
		{"", "year, title desc", "i_f1"},
		{"year >= 1950", "year", "i_f1_"},
		{"year >= 1950", "year desc", "i_f1d_"},
		{`startsWith(title, "Article 1")`, "title", "i_f0_"},
		{"score > 10.5", "", "i_created_"},
		{"score > 99", "", "i_f2"}, // few rows: found first
		{"score > 99", "year desc", "i_f2"},
		{"in(year, 1950, 1951)", "", "i_f1"},
		{"year = 1950", "", "i_f1"},            // few rows: found first
		{`tags:"tag7"`, "", "(v=?)"},           // few rows: found first
		{`tags:"common"`, "", "i_created_"},    // many rows: looked up
		{`tags:"common"`, "year desc", "i_f1"}, // many rows: looked up
	} {
		e, err := query.Parse(fields, c.filter, query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o, err := query.ParseOrder(fields, c.order)
		if err != nil {
			t.Fatal(err)
		}
		s := storage.Search{Type: "articles", Filter: e, Order: o, Limit: 20}
		for page := 1; page <= 2; page++ {
			text, plan, err := x.Plan(t.Context(), s)
			if err != nil {
				t.Fatalf("%s\n%v", text, err)
			}
			if !strings.Contains(plan, c.index) || scansTable(plan) {
				t.Errorf("filter %q, order %q, page %d\n%s\n%s", c.filter, c.order, page, text, plan)
			}
			n := x.Statements()
			p, err := x.Search(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if n = x.Statements() - n; n != 1 {
				t.Errorf("filter %q: %d statements", c.filter, n)
			}
			if s.After = p.Next; s.After == nil {
				t.Fatalf("filter %q: one page only", c.filter)
			}
		}
	}
}

// TestCompositeIndexesAreWalked: what an index over several fields is for is found by it
// alone, without a sort and without looking how many rows meet a condition.
func TestCompositeIndexesAreWalked(t *testing.T) {
	x := open(t, ":memory:")
	defer x.Close()
	d := articles(true)
	d.Hash, d.Composite = "composite", [][]string{{"year", "-score"}, {"title", "year", "score", "-meta.created_at"}, {"year", "title"}}
	fillAs(t, x, d, 5000, true)
	fields := d.QueryFields()
	for _, c := range []struct {
		filter, order, index string
		others               bool
	}{
		{"year = 1950", "score desc", "i_c0_", false},
		{"year = 1950 AND score < 50", "score desc", "i_c0_", false},
		{"year = 1950", "title", "i_c2_", false},
		{`year = 1950 AND title = "Article 7"`, "score, meta.created_at desc", "i_c1_", false},
		{`year = 1950 AND tags:"common"`, "score desc", "i_c0_", true},
		{"year = 1950", "score", "i_f1", true}, // the other way round
	} {
		e, err := query.Parse(fields, c.filter, query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o, err := query.ParseOrder(fields, c.order)
		if err != nil {
			t.Fatal(err)
		}
		s := storage.Search{Type: "articles", Filter: e, Order: o, Limit: 5}
		for page := 1; page <= 2; page++ {
			text, plan, err := x.Plan(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(plan, c.index) || scansTable(plan) || strings.Contains(text, "few") != c.others {
				t.Errorf("filter %q, order %q, page %d\n%s\n%s", c.filter, c.order, page, text, plan)
			}
			if page == 1 && !c.others && strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("filter %q, order %q sorts\n%s", c.filter, c.order, plan)
			}
			p, err := x.Search(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if s.After = p.Next; s.After == nil {
				break
			}
		}
	}
}

// scansTable tells a walk over all rows without an index.
func scansTable(plan string) bool {
	for line := range strings.Lines(plan) {
		if strings.Contains(line, "SCAN t_") && !strings.Contains(line, "USING") {
			return true
		}
	}
	return false
}

package sqliteindex_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
)

func articles(lists bool) storage.Definition {
	d := storage.Definition{Type: "articles", Hash: fmt.Sprint("articles", lists), Fields: []query.Field{
		{Name: "title", Kind: query.Text}, {Name: "year", Kind: query.Integer}, {Name: "score", Kind: query.Number},
	}}
	if lists {
		d.Fields = append(d.Fields, query.Field{Name: "tags", Kind: query.Text, List: true})
	}
	return d
}

// article is the n-th change, of the resource n modulo resources.
func article(n, resources int, lists bool) storage.IndexChange {
	id := fmt.Sprintf("0190a0b0-%012d", n%resources)
	at := time.Date(2024, 1, 1, 0, 0, 0, n*1000, time.UTC)
	e := &storage.Event{
		ID: fmt.Sprintf("event-%d", n), Action: storage.Created, At: at, Principal: "key:importer", Seq: uint64(n + 1), Wrote: 1, Ref: "segment-1:" + id,
		Meta: storage.Meta{Type: "articles", ID: id, CurrentRevision: id + ":1", RevisionCount: 1, Status: storage.Stable, SchemaVersion: "1",
			CreatedAt: at, CreatedBy: "key:importer", UpdatedAt: at, UpdatedBy: "key:importer"},
		Revision: storage.Revision{ID: id + ":1", Number: 1, Status: storage.Stable, SchemaVersion: "1", Hash: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Size: 1024,
			CreatedAt: at, CreatedBy: "key:importer", UpdatedAt: at, UpdatedBy: "key:importer"},
	}
	if _, err := e.Encode(); err != nil {
		panic(err)
	}
	c := storage.IndexChange{Event: e, Content: content, Values: []query.Value{fmt.Sprintf("Article %d", (n*104729)%1000003), int64(1900 + n%120), float64(n%1000) / 10}}
	if lists {
		tag := "common"
		if n%1000 == 0 {
			tag = "rare"
		}
		c.Values = append(c.Values, []query.Value{tag, fmt.Sprint("tag", n%50)})
	}
	return c
}

var content = bytes.Repeat([]byte(`{"a":"0123456789"} `), 54)

func fill(t testing.TB, x *sqliteindex.Index, total int, lists bool) {
	t.Helper()
	fillAs(t, x, articles(lists), total, lists)
}

func fillAs(t testing.TB, x *sqliteindex.Index, d storage.Definition, total int, lists bool) {
	t.Helper()
	if _, err := x.Define(t.Context(), []storage.Definition{d}); err != nil {
		t.Fatal(err)
	}
	if err := x.Reset(t.Context(), "log", 0); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < total; n += 500 {
		var b storage.Batch
		for i := n; i < min(n+500, total); i++ {
			b.Changes = append(b.Changes, article(i, total, lists))
			b.Through = uint64(i + 1)
		}
		if err := x.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkApply reports changes per second for batches of 500 new resources.
func BenchmarkApply(b *testing.B) {
	x := open(b, filepath.Join(b.TempDir(), "index.db"))
	defer x.Close()
	if _, err := x.Define(b.Context(), []storage.Definition{articles(false)}); err != nil {
		b.Fatal(err)
	}
	if err := x.Reset(b.Context(), "log", 0); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		b.StopTimer()
		var batch storage.Batch
		for range 500 {
			batch.Changes = append(batch.Changes, article(n, 1000000, false))
			n++
		}
		batch.Through = uint64(n)
		b.StartTimer()
		if err := x.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "changes/s")
}

// BenchmarkSearch lists 20 of 100,000.
func BenchmarkSearch(b *testing.B) {
	x := open(b, filepath.Join(b.TempDir(), "index.db"))
	defer x.Close()
	fill(b, x, 100000, true)
	fields := articles(true).QueryFields()
	for _, c := range []struct{ name, filter, order string }{
		{"All", "", ""},
		{"Filter", `year >= 2000`, ""},
		{"FilterOrder", `year >= 2000`, "year desc"},
		{"Order", "", "year desc"},
		{"OrderAscending", `score > 10`, "score"},
		{"TwoKeys", "", "year desc, title"},
		{"CommonElement", `tags:"common"`, ""},
		{"RareElement", `tags:"rare"`, ""},
		{"TagAndYear", `tags:"tag7" AND year >= 2000`, "year desc"},
		{"Prefix", `startsWith(title, "Article 99")`, "title"},
		{"Contains", `contains(title, "9999")`, ""},
		{"Nothing", `year = 1`, ""},
	} {
		e, err := query.Parse(fields, c.filter, query.Options{})
		if err != nil {
			b.Fatal(err)
		}
		o, err := query.ParseOrder(fields, c.order)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := x.Search(b.Context(), storage.Search{Type: "articles", Filter: e, Order: o, Limit: 20}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("DeepPage", func(b *testing.B) {
		o, _ := query.ParseOrder(fields, "year desc")
		after := &query.Cursor{Values: []query.Value{int64(1960)}, ID: "0190a0b0-000000050000"}
		for b.Loop() {
			if _, err := x.Search(b.Context(), storage.Search{Type: "articles", Order: o, Limit: 20, After: after}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Head", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Head(b.Context(), "articles", "0190a0b0-000000000500"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package pgindex_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
)

// counter counts statements.
type counter struct{ atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.Add(1)
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestEveryPageWalksAnIndex: no list reads or sorts the whole table when its
// order or its filter has an index, on the first page and on a deep one.
func TestEveryPageWalksAnIndex(t *testing.T) {
	statements, url := &counter{}, testenv.Postgres(t)
	x, err := pgindex.Open(t.Context(), url, pgindex.Options{Tracer: statements})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	define(t, x, notes())
	const total = 20_000
	for n := 1; n <= total; n += 1000 {
		var batch []storage.IndexChange
		for i := n; i < n+1000; i++ {
			c := note(uint64(i), fmt.Sprintf("id%06d", (i*7919)%total), fmt.Sprintf("Note %d", (i*104729)%1000003), fmt.Sprintf("all of them word%d", i%500))
			tag := "common"
			if i%500 == 0 {
				tag = "rare"
			}
			c.Values[1], c.Values[2] = int64(i%2000), []query.Value{tag}
			batch = append(batch, c)
		}
		apply(t, x, batch...)
	}
	execute(t, url, "ANALYZE")
	fields := notes().QueryFields()
	for _, c := range []struct{ filter, order, text, index string }{
		{"", "", "", "i_created_"},
		{"", "meta.updated_at desc", "", "i_updated_"},
		{"", "meta.created_at desc, title", "", "i_created_"},
		{"", "meta.id", "", "_pkey"},
		{"", "n", "", "i_f1_"},
		{"", "n desc", "", "i_f1d_"},
		{"", "title desc", "", "i_f0d_"},
		{"", "n desc, title", "", "i_f1d_"},
		{"n >= 1000", "n", "", "i_f1_"},
		{"n >= 1000", "n desc", "", "i_f1"},
		{`startsWith(title, "Note 1")`, "title", "", "i_f0_"},
		{`startsWith(title, "Note 777")`, "", "", "i_f0"},
		{"n > 10", "", "", "i_created_"},
		{"n = 7", "", "", "i_f1"},
		{`in(n, 7, 8) AND title > "Note 1"`, "", "", "i_f"},
		{`tags:"rare"`, "", "", "i_f2_"},
		{`tags:"common"`, "", "", "i_created_"},
		{`tags:"common"`, "n desc", "", "i_f1"},
		{"", "", "word7", "i_words_"},
		{"n > 3", "n", "word7", "i_"},
		{"", "n", `"all of" word423*`, "i_words_"},
	} {
		e, err := query.Parse(fields, c.filter, query.Options{})
		if err != nil && c.filter != "" {
			t.Fatal(err)
		}
		o, err := query.ParseOrder(fields, c.order)
		if err != nil {
			t.Fatal(err)
		}
		s := storage.Search{Type: "notes", Filter: e, Order: o, Text: c.text, Limit: 4}
		for page := 1; page <= 2; page++ {
			text, plan, err := x.Plan(t.Context(), s)
			if err != nil {
				t.Fatalf("%s\n%v", text, err)
			}
			if !strings.Contains(plan, c.index) || strings.Contains(plan, "Seq Scan on t_") {
				t.Errorf("filter %q, order %q, text %q, page %d\n%s\n%s", c.filter, c.order, c.text, page, text, plan)
			}
			n := statements.Load()
			p, err := x.Search(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if n = statements.Load() - n; n != 1 {
				t.Errorf("filter %q: %d statements", c.filter, n)
			}
			if s.After = p.Next; s.After == nil {
				t.Fatalf("filter %q: one page only", c.filter)
			}
		}
	}
}

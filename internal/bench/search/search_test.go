package search_test

import (
	"flag"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
)

var (
	rows   = flag.Int("rows", 5_000, "rows of the table")
	repeat = flag.Int("repeat", 10, "measurements of each cell")
)

func TestMain(m *testing.M) { testenv.Main(m) }

// question is what is asked, over HTTP and by hand. The floor may say $table
// and has one argument at most.
type question struct {
	name  string
	path  string // after /v1/articles
	floor string
	arg   any
}

func list(filter, order string) string {
	return "?filter=" + url.QueryEscape(filter) + "&order_by=" + url.QueryEscape(order) + "&page_size=20"
}

// questions in the words of a database: live is the condition that a row is
// not deleted, common and rare that the list tags holds the argument, nulls what
// an order that descends ends in.
func questions(live, common, rare, nulls, wide, deep string, deepArg any) []question {
	page := "SELECT " + wide + " FROM $table WHERE " + live + " AND "
	return []question{
		{"filter year, newest first", list("year >= 2000", ""), page + "$year >= $1 ORDER BY created_at DESC" + nulls + ", id LIMIT 21", int64(2000)},
		{"filter and order by year", list("year >= 2000", "year desc"), page + "$year >= $1 ORDER BY $year DESC" + nulls + ", id LIMIT 21", int64(2000)},
		{"filter score, order by title", list("score > 50", "title"), page + "$score > $1 ORDER BY $title, id LIMIT 21", 50.0},
		{"one title", list(`title = "Article 4711"`, ""), page + "$title = $1 ORDER BY created_at DESC" + nulls + ", id LIMIT 21", "Article 4711"},
		{"common tag", list(`tags:"common"`, ""), page + common + " ORDER BY created_at DESC" + nulls + ", id LIMIT 21", "common"},
		{"rare tag", list(`tags:"rare"`, ""), page + rare + " ORDER BY created_at DESC" + nulls + ", id LIMIT 21", "rare"},
		{"first page by year", "?order_by=year+desc&page_size=20", page + "$year IS NOT NULL ORDER BY $year DESC" + nulls + ", id LIMIT 21", nil},
		{"deep page by year", "?order_by=year+desc&page_size=20&page_token=DEEP", page + deep + " ORDER BY $year DESC" + nulls + ", id LIMIT 21", deepArg},
		{"count by year", ":count?filter=" + url.QueryEscape("year >= 2000"), "SELECT count(*) FROM $table WHERE " + live + " AND $year >= $1", int64(2000)},
		{"aggregate by year", ":aggregate?group_by=year&count=*&avg=year&page_size=200&order_by=count+desc",
			"SELECT $year, count(*) AS n, avg($year) FROM $table WHERE " + live + " GROUP BY $year ORDER BY n DESC LIMIT 200", nil},
		{"sum of numbers by year", ":aggregate?group_by=year&sum=score&page_size=200", "SELECT $year, sum($score) FROM $table WHERE " + live + " GROUP BY $year ORDER BY $year LIMIT 200", nil},
	}
}

// measured is one line of the table.
type measured struct {
	name        string
	http, floor time.Duration
	statements  string
}

func TestSearch(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "index.sqlite")
		x, err := sqliteindex.Open(t.Context(), path, sqliteindex.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		fill(t, x)
		h := openSQLite(t, path)
		lines, deep := compare(t, x, h, questions("deleted = 0", "EXISTS (SELECT 1 FROM $list AS m WHERE m.v = $1 AND m.rid = $table.rid)", "rid IN (SELECT rid FROM $list WHERE v = $1)", "",
			"id, seq, deleted, event_id, meta, revision, ref, content", "$year < $1", int64(1950)), nil)
		print(t, "SQLite", lines, deep)
	})
	t.Run("Postgres", func(t *testing.T) {
		statements := &counter{}
		dsn := testenv.Postgres(t)
		x, err := pgindex.Open(t.Context(), dsn, pgindex.Options{Tracer: statements})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		fill(t, x)
		h := openPostgres(t, dsn)
		lines, deep := compare(t, x, h, questions("state = 0", "$tags @> ARRAY[$1::text]", "$tags @> ARRAY[$1::text]", " NULLS LAST",
			"id, seq, state, event_id, meta, revision, ref, content", "$year < $1", int64(1950)), statements)
		print(t, "Postgres", lines, deep)
	})
}

func print(t *testing.T, name string, lines []measured, deep float64) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s, %d rows, 6 indexed fields; median of %d\n\n| question | HTTP | by hand | ratio | statements |\n| --- | --- | --- | --- | --- |\n", name, *rows, *repeat)
	for _, l := range lines {
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f | %s |\n", l.name, l.http.Round(time.Microsecond), l.floor.Round(time.Microsecond), float64(l.http)/float64(l.floor), l.statements)
	}
	fmt.Fprintf(&b, "\ndeep page / first page, in turn: %.2f\n", deep)
	fmt.Println(b.String())
}

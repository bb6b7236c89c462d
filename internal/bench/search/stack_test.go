package search_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver of the floor

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/memblob"
	"github.com/autocrud-go/autocrud/services/api"
)

const articleModel = `
name: articles
schema:
  type: object
  properties:
    title: {type: string}
    year: {type: integer}
    score: {type: number}
    open: {type: boolean}
    released: {type: string, format: date-time}
    tags: {type: array, items: {type: string}}
    body: {type: string}
index: [title, year, score, open, released, tags]
`

// fill writes the rows as an indexer would.
func fill(t *testing.T, x storage.Index) {
	typ := testenv.Types(t, articleModel)[0]
	articles = typ.Definition()
	articles.Owned = true // as access: owner makes it
	if _, err := x.Define(t.Context(), []storage.Definition{articles}); err != nil {
		t.Fatal(err)
	}
	if err := x.Reset(t.Context(), "log", uint64(*rows)); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	g := rand.New(rand.NewPCG(7, 7))
	body := strings.Repeat("lorem ipsum ", 25)
	for n := 0; n < *rows; n += 1000 {
		b := storage.Batch{Through: uint64(min(n+1000, *rows))}
		for i := n; i < min(n+1000, *rows); i++ {
			tag := "common"
			if i%10_000 == 0 {
				tag = "rare"
			}
			b.Changes = append(b.Changes, article(t, typ, i, fmt.Sprintf(`{"body":%q,"open":%t,"released":%q,"score":%v,"tags":[%q,"tag%d"],"title":"Article %d","year":%d}`,
				body, i%2 == 0, time.Unix(int64(g.IntN(1e9)), 0).UTC().Format(time.RFC3339), float64(g.IntN(100_000))/1000, tag, g.IntN(200), g.IntN(*rows), 1900+g.IntN(120))))
		}
		if err := x.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rows in %s: %.0f/s", *rows, time.Since(begun).Round(time.Millisecond), float64(*rows)/time.Since(begun).Seconds())
}

func article(t *testing.T, typ *model.Type, i int, doc string) storage.IndexChange {
	tree, err := model.DecodeJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	values, text, err := typ.Extract(tree)
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("0190a0b0-%012d", i)
	at := time.Unix(1_700_000_000, int64(i)*1000).UTC()
	rev := storage.Revision{ID: id + ":1", Number: 1, Status: storage.Stable, SchemaVersion: "1", Size: len(doc), CreatedAt: at, CreatedBy: "ann", UpdatedAt: at, UpdatedBy: "ann",
		Hash: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
	e := &storage.Event{ID: fmt.Sprintf("event-%d", i), Action: storage.Created, At: at, Principal: "ann", Seq: uint64(i + 1), Wrote: 1, Ref: "ref-" + id, Revision: rev,
		Meta: storage.Meta{Type: "articles", ID: id, CurrentRevision: id + ":1", RevisionCount: 1, Status: storage.Stable, SchemaVersion: "1", CreatedAt: at, CreatedBy: creator(i), UpdatedAt: at, UpdatedBy: "ann"}}
	if _, err := e.Encode(); err != nil {
		t.Fatal(err)
	}
	return storage.IndexChange{Event: e, Values: values, Text: text, Content: []byte(doc)}
}

// creator of an article: one in a hundred is the key own's.
func creator(i int) string {
	if i%100 == 0 {
		return "key:own"
	}
	return "ann"
}

// counter counts statements.
type counter struct{ atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.Add(1)
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// hand is a database as a programmer uses it who writes statements by hand.
type hand struct {
	db          *sql.DB
	table, list string // list has the elements of tags
}

// articles is the definition that fill wrote.
var articles storage.Definition

// place is a field's place in the definition.
func place(name string) int {
	return slices.IndexFunc(articles.Fields, func(f query.Field) bool { return f.Name == name })
}

func openPostgres(t *testing.T, dsn string) *hand {
	db, err := sql.Open("pgx", dsn+"&search_path=autocrud&random_page_cost=1.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h := &hand{db: db}
	if _, err := db.ExecContext(t.Context(), "VACUUM ANALYZE"); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRowContext(t.Context(), "SELECT quote_ident(name) FROM definitions").Scan(&h.table); err != nil {
		t.Fatal(err)
	}
	return h
}

func openSQLite(t *testing.T, path string) *hand {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=query_only(1)&_pragma=cache_size(-16000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h := &hand{db: db}
	if err := db.QueryRowContext(t.Context(), "SELECT name FROM definitions").Scan(&h.table); err != nil {
		t.Fatal(err)
	}
	h.list, h.table = fmt.Sprintf(`"l%d_%s"`, place("tags"), h.table), `"`+h.table+`"`
	return h
}

// run reads all rows of a prepared statement and copies them, as an answer
// needs them.
func (h *hand) run(t *testing.T, stmt *sql.Stmt, args []any) {
	rows, err := stmt.QueryContext(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	dest := make([]any, len(cols))
	for i := range dest {
		dest[i] = new([]byte)
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// serve starts the API on the index alone.
func serve(t *testing.T, x storage.Index) string {
	types := testenv.Types(t, articleModel)
	m := resource.NewDomain(types, testenv.Log(t, nil), memblob.New(), x, resource.Options{})
	srv := httptest.NewServer(api.New(m, api.Options{}))
	t.Cleanup(srv.Close)
	return srv.URL + "/v1/articles"
}

func get(t *testing.T, address string) []byte {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, req)
}

func answer(t *testing.T, req *http.Request) []byte {
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", req.URL, r.StatusCode, b, err)
	}
	return b
}

// deepToken walks to the middle of the order by year.
func deepToken(t *testing.T, base string) string {
	token := ""
	for range max(1, *rows/2/1000) {
		address := base + "?order_by=year+desc&page_size=1000&returns=meta"
		if token != "" {
			address += "&page_token=" + token
		}
		v, err := model.DecodeJSON(get(t, address))
		if err != nil {
			t.Fatal(err)
		}
		token, _ = v.(map[string]any)["next_page_token"].(string)
	}
	return token
}

// enough is how long one cell is measured at most, once it has three.
const enough = 10 * time.Second

// blocks is in how many parts the measurements of a cell are made.
const blocks = 5

// medians measures the functions in turn, a block of each at a time, so that
// what else the machine does meets all of them alike.
func medians(fns ...func()) []time.Duration {
	took := make([][]time.Duration, len(fns))
	var all time.Duration
	measure := func(fn func()) time.Duration {
		begun := time.Now()
		fn()
		return time.Since(begun)
	}
	for n := 0; n < blocks && (n < 3 || all < enough); n++ {
		for i, fn := range fns {
			if n == 0 || took[i][0] < 50*time.Millisecond {
				fn() // warm
			}
			for begun, m := all, 0; m == 0 || m < *repeat/blocks && all-begun < enough/blocks; m++ {
				d := measure(fn)
				took[i] = append(took[i], d)
				all += d
			}
		}
	}
	out := make([]time.Duration, len(fns))
	for i, t := range took {
		slices.Sort(t)
		out[i] = t[len(t)/2]
	}
	return out
}

// compare asks all questions in both ways; deep is how much a deep page takes of
// the time of the first one.
func compare(t *testing.T, x storage.Index, h *hand, all []question, statements *counter) (out []measured, deep float64) {
	base := serve(t, x)
	token := deepToken(t, base)
	page := get(t, base+"?page_size=20")
	nothing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) }))
	defer nothing.Close()
	alone := medians(func() { get(t, nothing.URL) })[0]
	out = append(out, measured{name: "an answer of 20 rows that asks nothing", http: alone, floor: alone, statements: "0"})
	for _, q := range all {
		names := []string{"$table", h.table, "$list", h.list}
		for _, f := range articles.Fields {
			names = append(names, "$"+f.Name, fmt.Sprintf("f%d", place(f.Name)))
		}
		text := strings.NewReplacer(names...).Replace(q.floor)
		stmt, err := h.db.PrepareContext(t.Context(), text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var args []any
		if q.arg != nil {
			args = []any{q.arg}
		}
		address := base + strings.Replace(q.path, "DEEP", token, 1)
		l := measured{name: q.name, statements: "1"}
		both := medians(func() { h.run(t, stmt, args) }, func() { get(t, address) })
		l.floor, l.http = both[0], both[1]
		if statements != nil {
			n := statements.Load()
			get(t, address)
			l.statements = fmt.Sprint(statements.Load() - n)
		}
		out = append(out, l)
		stmt.Close()
	}
	first := base + "?order_by=year+desc&page_size=20"
	pages := medians(func() { get(t, first) }, func() { get(t, first+"&page_token="+token) })
	return out, float64(pages[1]) / float64(pages[0])
}

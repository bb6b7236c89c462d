package pgindex_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
)

func notes() storage.Definition {
	return storage.Definition{Type: "notes", Hash: "1", FullText: []string{"text"}, Fields: []query.Field{
		{Name: "title", Kind: query.Text}, {Name: "n", Kind: query.Integer}, {Name: "tags", Kind: query.Text, List: true}}}
}

func note(seq uint64, id, title, text string) storage.IndexChange {
	at := time.Unix(1_700_000_000+int64(seq), 0).UTC()
	e := &storage.Event{ID: fmt.Sprint("e", seq), Action: storage.Created, At: at, Seq: seq, Wrote: 1,
		Meta: storage.Meta{Type: "notes", ID: id, CreatedAt: at, UpdatedAt: at, Status: storage.Stable}}
	if _, err := e.Encode(); err != nil {
		panic(err)
	}
	return storage.IndexChange{Event: e, Values: []query.Value{title, int64(seq), []query.Value{"t" + fmt.Sprint(seq%7)}}, Text: []string{text}, Content: []byte(`{}`)}
}

func apply(t *testing.T, x storage.Index, changes ...storage.IndexChange) {
	t.Helper()
	if err := x.Apply(t.Context(), storage.Batch{Changes: changes, Through: changes[len(changes)-1].Event.Seq}); err != nil {
		t.Fatal(err)
	}
}

// define also binds a new index to a log.
func define(t *testing.T, x storage.Index, defs ...storage.Definition) []storage.PendingBuild {
	t.Helper()
	p, err := x.Position(t.Context())
	if err == nil && p.Identity == "" {
		err = x.Reset(t.Context(), "log", 0)
	}
	if err != nil && !errors.Is(err, storage.ErrNotReady) {
		t.Fatal(err)
	}
	fresh, err := x.Define(t.Context(), defs)
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

func found(t *testing.T, x storage.Index, s storage.Search) string {
	t.Helper()
	s.Type, s.Limit = "notes", 100
	page, err := x.Search(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range page.Rows {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, " ")
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// TestFullTextBeyondATSVector: long words, far words and more words than a
// tsvector holds are found like all others.
func TestFullTextBeyondATSVector(t *testing.T) {
	x := open(t, testenv.Postgres(t))
	defer x.Close()
	define(t, x, notes())
	long := strings.Repeat("é", 3000)
	var many strings.Builder
	for i := range 150_000 {
		fmt.Fprintf(&many, "word%d ", i)
	}
	apply(t, x, note(1, "long", "", "a "+long+"x b"), note(2, "far", "", strings.Repeat("filler ", 30_000)+"needle here"),
		note(3, "many", "", many.String()), note(4, "plain", "", "needle elsewhere here"))
	for q, want := range map[string]string{
		long + "x": "long", long + "y": "", long: "", long + "*": "long", `"` + long + `x b"`: "long", `"b ` + long + `x"`: "",
		`"needle here"`: "far", "needle": "plain far", `"filler needle"`: "far", "word149999": "many", "word1499*": "many", `"word149998 word149999"`: "many",
		`"word149999 word149998"`: "", "word149999 needle": "", "word150000": "", "here": "plain far",
	} {
		if got := found(t, x, storage.Search{Text: q, Order: query.Order{{Field: query.Field{Name: "meta.seq", Kind: query.Integer}, Desc: true}}}); got != want {
			t.Errorf("%.40s: %q, want %q", q, got, want)
		}
	}
	if got := found(t, x, storage.Search{Text: "needle"}); got != "plain far" && got != "far plain" {
		t.Errorf("by relevance: %q", got)
	}
}

// TestTheLargestPatternsAreAnswered: whatever the check lets pass, the server
// can compile and match.
func TestTheLargestPatternsAreAnswered(t *testing.T) {
	x := open(t, testenv.Postgres(t))
	defer x.Close()
	define(t, x, notes())
	apply(t, x, note(1, "a", strings.Repeat("ab", 900), ""), note(2, "b", strings.Repeat("x", 1999)+"!", ""))
	fields := notes().QueryFields()
	nested := "a"
	for range 30 {
		nested = "(?:" + nested + "|b)"
	}
	for p, want := range map[string]string{
		`^(?:[a-c]{1,9}){1,100}$`: "", `(?:a|b|ab|ba){100}`: "a", `^(?:(?:a|b)*)*$`: "a", `(?:x+x+)+y`: "", `^[^a]{1,100}[^b]*!$`: "b",
		`(?i)^(?:[A-Zα-ωа-я]{1,9}){1,100}`: "b a", nested + "{30}": "a", `(?:(?:x{0,9}){0,10}){0,10}!`: "b", `\S{100}\S{100}\S{100}\S{100}\S{100}`: "b a",
		`(?:.{1,31}.{1,32}){1,15}!$`: "b",
	} {
		if err := query.CheckRegexp(p); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		e, err := query.Parse(fields, fmt.Sprintf("matches(title, %q)", p), query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := found(t, x, storage.Search{Filter: e}); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
}

// TestADroppedSchemaComesBack: what reads and writes is told, and Define makes
// everything anew.
func TestADroppedSchemaComesBack(t *testing.T) {
	url := testenv.Postgres(t)
	for _, drop := range []string{"DROP SCHEMA autocrud CASCADE", "DROP TABLE autocrud.position", "DROP TABLE autocrud.events",
		`DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'autocrud' AND tablename LIKE 't_notes%' LOOP EXECUTE 'DROP TABLE autocrud.' || t; END LOOP; END $$`} {
		x := open(t, url)
		define(t, x, notes())
		if err := x.Reset(t.Context(), "log", 0); err != nil {
			t.Fatal(err)
		}
		apply(t, x, note(1, "a", "x", ""))
		execute(t, url, drop)
		if err := x.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{note(2, "b", "x", "")}, Through: 2}); !errors.Is(err, storage.ErrNotReady) {
			t.Errorf("%s: apply: %v", drop, err)
		}
		fresh := define(t, x, notes())
		p, err := x.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.Identity == "" { // all is new: the indexer resets and begins from the start
			if err := x.Reset(t.Context(), "log", 0); err != nil {
				t.Fatal(err)
			}
			apply(t, x, note(1, "a", "x", ""))
		} else if len(fresh) == 1 {
			if err := x.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{note(1, "a", "x", "")}, Through: 1, Replay: []string{"notes"}}); err != nil {
				t.Fatal(err)
			}
		}
		apply(t, x, note(2, "b", "x", ""))
		if got := found(t, x, storage.Search{}); got != "b a" {
			t.Errorf("%s: then %q", drop, got)
		}
		x.Close()
		execute(t, url, "DROP SCHEMA autocrud CASCADE")
	}
}

// TestLostConnectionsAreUnavailableAndComeBack kills all connections while
// requests run.
func TestLostConnectionsAreUnavailableAndComeBack(t *testing.T) {
	url := testenv.Postgres(t)
	x := open(t, url)
	defer x.Close()
	define(t, x, notes())
	apply(t, x, note(1, "a", "x", ""))
	lost := 0
	for round := range 5 {
		execute(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'autocrud'")
		for {
			_, err := x.Search(t.Context(), storage.Search{Type: "notes", Limit: 1})
			if err == nil {
				break
			}
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Fatalf("round %d: %v", round, err)
			}
			lost++
		}
	}
	t.Logf("%d requests met a lost connection", lost)
}

// TestAStaleWriterIsRefused: of two writers the one that does not know what the
// other did must define again.
func TestAStaleWriterIsRefused(t *testing.T) {
	url := testenv.Postgres(t)
	a, b := open(t, url), open(t, url)
	defer a.Close()
	defer b.Close()
	define(t, a, notes())
	define(t, b, notes())
	if err := a.Reset(t.Context(), "new log", 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{note(9, "z", "x", "")}, Through: 9}); !errors.Is(err, storage.ErrNotReady) {
		t.Errorf("a writer of another log: %v", err)
	}
	apply(t, a, note(1, "a", "x", ""))
	changed := notes()
	changed.Hash, changed.Fields = "2", changed.Fields[:1]
	define(t, a, changed)
	c := note(1, "a", "x", "")
	c.Values = c.Values[:1]
	if err := a.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{c}, Through: 1, Replay: []string{"notes"}}); err != nil {
		t.Fatal(err)
	}
	if got := found(t, b, storage.Search{}); got != "a" {
		t.Errorf("a reader of a definition that is gone: %q", got)
	}
	gone := query.Compare{Field: notes().Fields[1], Op: query.Equal, Value: int64(1)}
	if _, err := b.Search(t.Context(), storage.Search{Type: "notes", Limit: 1, Filter: gone}); !errors.Is(err, storage.ErrNotReady) {
		t.Errorf("a field that is gone: %v", err)
	}
	define(t, b, changed)
	if got := found(t, b, storage.Search{}); got != "a" {
		t.Errorf("then %q", got)
	}
}

func TestADatabaseOfAnotherEncodingIsRefused(t *testing.T) {
	url := testenv.Postgres(t)
	execute(t, url, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
	defer execute(t, url, "DROP DATABASE latin WITH (FORCE)")
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pgindex.Open(t.Context(), strings.Replace(url, "/"+config.Database+"?", "/latin?", 1), pgindex.Options{})
	if err == nil || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("got %v", err)
	}
}

// TestTextThatPostgresRefusesDoesNotStopTheProjection: no write passes with it,
// but what is in the log is projected.
func TestTextThatPostgresRefusesDoesNotStopTheProjection(t *testing.T) {
	x := open(t, testenv.Postgres(t))
	defer x.Close()
	define(t, x, notes())
	c := note(1, "a", "nul\x00 and \xff", "nul\x00")
	c.Values[2] = []query.Value{"\x00\xff", `"\{},`, nil, ""}
	c.Event.Principal, c.Damaged = "b\x00b", "c\x00c"
	apply(t, x, c, note(2, "b", "x", ""))
	if got := found(t, x, storage.Search{Filter: query.Has{Field: notes().Fields[2], Value: `"\{},`}}); got != "a" {
		t.Errorf("got %q", got)
	}
}

// TestAttachWhileSomebodyWaits means something with the race detector.
func TestAttachWhileSomebodyWaits(t *testing.T) {
	url := testenv.Postgres(t)
	x, err := pgindex.Open(t.Context(), url, pgindex.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	define(t, x, notes())
	reader, err := pgindex.Open(t.Context(), url, pgindex.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := reader.Complete(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		if err := reader.Attach(t.Context(), []storage.Definition{notes()}); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if full, err := reader.Complete(t.Context()); err != nil || !full {
		t.Errorf("complete: %v, %v", full, err)
	}
}

package indexer_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver of another program
	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
)

const three = `
name: films
schema: {type: object, properties: {title: {type: string}, year: {type: integer}, tags: {type: array, items: {type: string}}}}
index: [title, year, tags]
`

// harm is damage that another program does to an index in use.
type harm struct {
	name string
	do   func(*testing.T)
}

// eachIndex opens a stack on each database, with a connection of another program
// and what he can do.
func eachIndex(t *testing.T, test func(t *testing.T, s *testenv.Stack, other *sql.DB, harms []harm)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "index.sqlite")
		s := testenv.Open(t, dir, testenv.Types(t, three), testenv.StackOptions{})
		other := openOther(t, "sqlite", "file:"+path+"?mode=rw&_pragma=busy_timeout(10000)")
		test(t, s, other, []harm{
			{"the file is removed", func(t *testing.T) {
				for _, suffix := range []string{"", "-wal", "-shm"} {
					if err := os.Remove(path + suffix); err != nil && !os.IsNotExist(err) {
						t.Fatal(err)
					}
				}
			}},
			{"the file is damaged", func(t *testing.T) { scribble(t, other, path) }},
			{"a table is dropped", func(t *testing.T) { execute(t, other, "DROP TABLE "+tableOfFilms(t, other)) }},
			{"the events are dropped", func(t *testing.T) { execute(t, other, "DROP TABLE events") }},
		})
	})
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		url := testenv.Postgres(t)
		x, err := pgindex.Open(t.Context(), url, pgindex.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := testenv.Open(t, t.TempDir(), testenv.Types(t, three), testenv.StackOptions{Index: x})
		other := openOther(t, "pgx", url+"&search_path=autocrud")
		run := func(text string) func(*testing.T) { return func(t *testing.T) { execute(t, other, text) } }
		test(t, s, other, []harm{
			{"the schema is dropped", run("DROP SCHEMA autocrud CASCADE")},
			{"all connections end", run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'autocrud'")},
			{"a table is dropped", func(t *testing.T) { execute(t, other, "DROP TABLE "+tableOfFilms(t, other)) }},
			{"the events are dropped", run("DROP TABLE events")},
			{"the position is lost", run("DELETE FROM position")},
		})
	})
}

// openOn opens a stack on one database.
func openOn(t *testing.T, name string) *testenv.Stack {
	t.Helper()
	o := testenv.StackOptions{}
	if name == "Postgres" {
		x, err := pgindex.Open(t.Context(), testenv.Postgres(t), pgindex.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o.Index = x
	}
	return testenv.Open(t, t.TempDir(), testenv.Types(t, three), o)
}

// TestTheIndexComesBack takes parts of the index away while resources are
// written, and while no client writes: no write and no read by id fails, no search
// misses anything without saying so, and the index holds all in the end,
// without help.
func TestTheIndexComesBack(t *testing.T) {
	eachIndex(t, func(t *testing.T, s *testenv.Stack, other *sql.DB, harms []harm) {
		made := int64(0)
		write := func() {
			t.Helper()
			doc := map[string]any{"title": "x", "year": made}
			if _, err := s.Manager.Create(t.Context(), "films", doc, resource.CreateOptions{ID: fmt.Sprint("f", made)}); err != nil {
				t.Fatal(err)
			}
			made++
			readAny(t, s, made)
		}
		for i, h := range harms {
			t.Log(h.name)
			for i := range 20 {
				if i == 10 {
					h.do(t)
				}
				write()
			}
			waitForAll(t, s, made)
			h.do(t)
			readAny(t, s, made)
			waitForAll(t, s, made)
			if i == 0 { // it is noticed also without writes
				waitFilms(t, other)
			}
			write()
			waitForAll(t, s, made)
			clean(t, s)
		}
	})
}

// TestADamagedIndexIsBuiltAnew asks for it: rows that are wrong, missing or too
// many are as the log says afterwards.
func TestADamagedIndexIsBuiltAnew(t *testing.T) {
	eachIndex(t, func(t *testing.T, s *testenv.Stack, other *sql.DB, _ []harm) {
		for i := range 50 {
			if _, err := s.Manager.Create(t.Context(), "films", map[string]any{"title": "x", "year": int64(i)}, resource.CreateOptions{ID: fmt.Sprint("f", i)}); err != nil {
				t.Fatal(err)
			}
		}
		waitForAll(t, s, 50)
		for _, typ := range []string{"films", ""} {
			name := tableOfFilms(t, other)
			execute(t, other, "DELETE FROM "+name+" WHERE id = 'f7'")
			execute(t, other, "UPDATE "+name+" SET seq = 1 WHERE id = 'f8'")
			execute(t, other, "UPDATE "+name+" SET id = 'ghost' WHERE id = 'f9'")
			execute(t, other, "DELETE FROM events WHERE id = 'f10'")
			execute(t, other, "UPDATE events SET id = 'ghost' WHERE id = 'f11'")
			execute(t, other, "UPDATE events SET seq = -seq WHERE id = 'f12'")
			if n := findings(t, s); n < 5 {
				t.Fatalf("verify finds %d", n)
			}
			if err := s.Manager.Admin.Reindex(t.Context(), typ); err != nil {
				t.Fatal(err)
			}
			if now, err := s.Manager.Admin.Indexing(t.Context()); err != nil || len(now.Building) != 1 {
				t.Fatalf("%+v, %v", now, err)
			}
			waitBuilt(t, s, 0)
			clean(t, s)
			for _, id := range []string{"f10", "f11", "f12"} {
				h, err := s.Manager.History(t.Context(), "films", id, resource.PageOptions{})
				if err != nil || len(h.Items) != 1 {
					t.Errorf("history of %s: %+v, %v", id, h, err)
				}
			}
			if events := count(t, other, "SELECT count(*) FROM events WHERE id LIKE 'ghost'"); events != 0 {
				t.Errorf("%d events of nobody", events)
			}
		}
		if err := s.Manager.Admin.Reindex(t.Context(), "cars"); fault.CodeOf(err) != fault.UnknownType {
			t.Error(err)
		}
	})
}

// TestAnIndexIsBuiltFastWhileWritesGoOn measures it: the rate is logged. With
// AUTOCRUD_TEST_REBUILD=100000 it has as many events.
func TestAnIndexIsBuiltFastWhileWritesGoOn(t *testing.T) {
	n := size(t, "AUTOCRUD_TEST_REBUILD", 3000)
	eachIndex(t, func(t *testing.T, s *testenv.Stack, _ *sql.DB, harms []harm) {
		var g errgroup.Group
		createFilms(t, s.Manager, n)
		waitForAll(t, s, int64(n))
		state, err := s.Log.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		writes := 0
		g.Go(func() error {
			for ; ctx.Err() == nil; writes++ {
				doc := map[string]any{"title": "more", "year": int64(writes)}
				if _, err := s.Manager.Create(t.Context(), "films", doc, resource.CreateOptions{ID: fmt.Sprint("g", writes)}); err != nil {
					return err
				}
			}
			return nil
		})
		begun := time.Now()
		harms[0].do(t)
		waitBegun(t, s)
		waitBuilt(t, s, state.Last)
		took := time.Since(begun)
		stop()
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d events in %s: %.0f/s, while %d were written", n, took.Round(time.Millisecond), float64(n)/took.Seconds(), writes)
		waitForAll(t, s, int64(n+writes))
		clean(t, s)
	})
}

// waitBegun returns when the indexer has noticed.
func waitBegun(t *testing.T, s *testenv.Stack) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		now, err := s.Manager.Admin.Indexing(t.Context())
		if err != nil || len(now.Building) > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("nobody noticed")
}

func waitBuilt(t *testing.T, s *testenv.Stack, through uint64) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		now, err := s.Manager.Admin.Indexing(t.Context())
		if err == nil && len(now.Building) == 0 && now.Applied >= through {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the index is not built")
}

// readAny reads one of the films by its id.
func readAny(t *testing.T, s *testenv.Stack, made int64) {
	t.Helper()
	id := fmt.Sprint("f", rand.Int64N(made))
	if r, err := s.Manager.Get(t.Context(), "films", id, resource.GetOptions{}); err != nil || r.ID != id {
		t.Fatalf("read %s: %v", id, err)
	}
}

func findings(t *testing.T, s *testenv.Stack) (n int) {
	t.Helper()
	if _, err := s.Manager.Admin.Verify(t.Context(), func(admin.Finding) { n++ }); err != nil {
		t.Fatal(err)
	}
	return n
}

func clean(t *testing.T, s *testenv.Stack) {
	t.Helper()
	if _, err := s.Manager.Admin.Verify(t.Context(), func(f admin.Finding) { t.Errorf("%+v", f) }); err != nil {
		t.Fatal(err)
	}
}

// waitForAll asks until all are found; a reader that cannot know yet says so.
func waitForAll(t *testing.T, s *testenv.Stack, made int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		n, _, err := s.Manager.Count(t.Context(), "films", resource.ListOptions{Consistency: resource.Strong, Filter: "year >= 0"})
		if err == nil && n == made {
			return
		}
		if c := fault.CodeOf(err); err == nil || c != fault.IndexLag && c != fault.Unavailable || time.Now().After(deadline) {
			t.Fatalf("%d of %d: %v", n, made, err)
		}
	}
}

func openOther(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxIdleConns(0) // the file may be another one the next time
	t.Cleanup(func() { db.Close() })
	return db
}

// execute runs a statement of another program. A drop of tables in use can meet a
// batch in a deadlock, of which Postgres ends either; the ended one begins
// again, as the indexer does.
func execute(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	const deadlockDetected = "40P01"
	for range 5 {
		_, err := db.ExecContext(t.Context(), text)
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == deadlockDetected {
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return
	}
	t.Fatalf("%s: a deadlock each time", text)
}

func count(t *testing.T, db *sql.DB, text string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const servingFilms = "SELECT name FROM definitions WHERE type = 'films' AND serving"

// tableOfFilms is the table that answers.
func tableOfFilms(t *testing.T, db *sql.DB) (name string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), servingFilms).Scan(&name); err != nil {
		t.Fatal(err)
	}
	return `"` + name + `"`
}

// waitFilms returns when there is such a table.
func waitFilms(t *testing.T, db *sql.DB) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var name string
		if err = db.QueryRowContext(t.Context(), servingFilms).Scan(&name); err == nil {
			return
		}
	}
	t.Fatalf("there is no table: %v", err)
}

// scribble writes over the file, behind SQLite's back.
func scribble(t *testing.T, db *sql.DB, path string) {
	t.Helper()
	execute(t, db, "PRAGMA wal_checkpoint(TRUNCATE)")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	garbage := make([]byte, info.Size()-4096)
	_, _ = rand.NewChaCha8([32]byte{}).Read(garbage) // never fails
	if _, err := f.WriteAt(garbage, 4096); err != nil {
		t.Fatal(err)
	}
}

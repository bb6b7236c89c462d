package tests_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// An index that was dropped keeps no client from writing and reading by id; a
// search says that it is not there, never less than there is; it comes back.
func TestTheIndexIsTakenAwayWhileWritesGoOn(t *testing.T) {
	t.Parallel()
	disk := autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}
	for _, row := range []struct {
		apitest.Storage
		drop func(t *testing.T, s autocrud.Settings)
	}{
		{apitest.Storage{Name: "disk", Settings: func(testing.TB) autocrud.Settings { return disk }}, func(t *testing.T, s autocrud.Settings) {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Remove(filepath.Join(s.DataDir, "index.sqlite"+suffix)); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
		}},
		{apitest.Storage{Name: "split", Settings: apitest.Services, Split: true}, func(t *testing.T, s autocrud.Settings) {
			conn, err := pgx.Connect(t.Context(), s.PostgresURL)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			for {
				_, err := conn.Exec(t.Context(), "DROP SCHEMA "+pgx.Identifier{"autocrud_" + s.Namespace}.Sanitize()+" CASCADE")
				var pg *pgconn.PgError
				if errors.As(err, &pg) && pg.Code == "40P01" { // a deadlock with the indexer, which Postgres ends by refusing one of the two
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				return
			}
		}},
	} {
		t.Run(row.Name, func(t *testing.T) {
			s := row.Settings(t)
			s.Models = apitest.WriteModels(t, models)
			var c *apitest.Client
			if row.Split {
				c = apitest.NewClient(t, apitest.StartSplit(t, nil, s)[0])
			} else {
				c = apitest.Start(t, nil, s)
			}
			for i := range 300 {
				c.Post(t, fmt.Sprintf("/v1/notes?id=n%d", i), `{"text":"before"}`).Want(t, 201)
			}
			stop := make(chan struct{})
			var written atomic.Int64
			written.Store(300)
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						id := fmt.Sprintf("w%d-%d", w, i)
						c.Post(t, "/v1/notes?id="+id, `{"text":"during"}`).Want(t, 201)
						written.Add(1)
						c.Get(t, "/v1/notes/"+id).Want(t, 200)
						c.Patch(t, fmt.Sprintf("/v1/notes/n%d", (i*4+w)%300), "application/merge-patch+json", fmt.Sprintf(`{"text":%q}`, id)).Want(t, 200)
					}
				})
			}
			row.drop(t, s)
			lagged := false
			ended := time.Now().Add(4 * time.Second)
			for time.Now().Before(ended) {
				least := written.Load()
				r, err := c.Try(t, "GET", "/v1/notes:count", nil)
				switch {
				case err != nil:
					t.Error(err)
				case r.Status == 503:
					r.WantProblem(t, 503, "index_lag")
					lagged = true
				case r.Status != 200 || int64(r.Int("/count")) < least:
					t.Errorf("a search says %d %s, at least %d notes were there", r.Status, r.Body, least)
				}
			}
			ok(t, "", "reindex", "--url", c.URL)
			close(stop)
			wg.Wait()
			t.Logf("%d notes, a search said index_lag: %t", written.Load(), lagged)
			c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
			c.Get(t, "/v1/notes:count?consistency=strong").Want(t, 200).Equal(t, "/count", fmt.Sprint(written.Load()))
		})
	}
}

func TestAFlippedBitInAnObjectIsDetected(t *testing.T) {
	t.Parallel()
	s := apitest.S3(t)
	s.Models = apitest.WriteModels(t, models)
	p := apitest.Launch(t, flags(s)...)
	c := apitest.NewClient(t, p.URL)
	large := strings.Repeat("large ", 10_000)
	c.Post(t, "/v1/movies?id=big", map[string]any{"title": "one", "year": 2000, "note": large}).Want(t, 201)
	c.Put(t, "/v1/movies/big", map[string]any{"title": "two", "year": 2000, "note": large}).Want(t, 200)
	c.Post(t, "/v1/movies?id=small", map[string]any{"title": "one", "year": 2000}).Want(t, 201)
	c.Put(t, "/v1/movies/small", map[string]any{"title": "two", "year": 2000}).Want(t, 200)
	flipped := 0
	err := filepath.WalkDir(filepath.Join(apitest.S3Dir(t), s.S3Bucket, "main", "revisions"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(data, []byte(`"one"`)) {
			return err
		}
		flipped++
		data[len(data)/2] ^= 4
		return os.WriteFile(name, data, 0o600)
	})
	if err != nil || flipped != 2 {
		t.Fatalf("%d objects, %v", flipped, err)
	}
	c.Get(t, "/v1/movies/big/revisions/1").WantProblem(t, 503, "unavailable")
	c.Get(t, "/v1/movies/big").Want(t, 200)
	// What is small is in the log, too.
	c.Get(t, "/v1/movies/small/revisions/1").Want(t, 200).Equal(t, "/data/title", `"one"`)
	r := c.Post(t, "/v1:verify", nil).Want(t, 200)
	if n := len(r.Value("/findings").([]any)); n != 2 {
		t.Errorf("verify found %d: %s", n, r.Body)
	}
	if got := apitest.Run(t, "", "verify", "--url", c.URL); got.Code != 1 || !strings.Contains(got.Stdout, "movies big") {
		t.Errorf("%+v", got)
	}
	p.Terminate(t, 15*time.Second)
	if log := p.Log(); !strings.Contains(log, "movies/big:1/") || !strings.Contains(log, "movies/small:1/") {
		t.Errorf("the log does not name the objects: %s", log)
	}
}

// Damage inside the index, which opening it does not notice, is no reason not to
// start: the index is made anew.
func TestAnIndexThatIsDamagedInsideIsMadeAnewAtTheStart(t *testing.T) {
	t.Parallel()
	dir, models := t.TempDir(), apitest.WriteModels(t, models)
	p := apitest.Launch(t, "--models", models, "--data-dir", dir)
	c := apitest.NewClient(t, p.URL)
	for i := range 20 {
		c.Post(t, fmt.Sprintf("/v1/notes?id=n%d", i), `{"text":"before"}`).Want(t, 201)
	}
	stopped(t, p)
	name := filepath.Join(dir, "index.sqlite")
	for _, page := range pagesOf(t, name, "events") {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(make([]byte, 4096), (page-1)*4096); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	p = apitest.Launch(t, "--models", models, "--data-dir", dir)
	c = apitest.NewClient(t, p.URL)
	apitest.Eventually(t, 20*time.Second, "everything is found again", func() bool {
		r := c.Get(t, "/v1/notes:count?consistency=strong")
		return r.Status == 200 && r.Int("/count") == 20
	})
	stopped(t, p)
	if !strings.Contains(p.Log(), "the index is damaged and is made anew") {
		t.Errorf("nothing is told of it: %s", p.Log())
	}
}

// pagesOf are the first pages of the indexes of a table.
func pagesOf(t *testing.T, name, table string) (pages []int64) {
	t.Helper()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT rootpage FROM sqlite_schema WHERE tbl_name = ? AND type = 'index'", table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, n)
	}
	if rows.Err() != nil || len(pages) == 0 {
		t.Fatalf("%s has %d pages: %v", table, len(pages), rows.Err())
	}
	return pages
}

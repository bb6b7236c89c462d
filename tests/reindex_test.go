package tests_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver of the program that damages the index

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// damageIndex takes two rows of movies out of an index and alters a third.
func damageIndex(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "index.sqlite")+"?mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name string
	if err := db.QueryRowContext(t.Context(), "SELECT name FROM definitions WHERE type = 'movies' AND serving").Scan(&name); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`DELETE FROM "%s" WHERE id IN ('m1', 'm2')`, `UPDATE "%s" SET content = '{"title":"wrong","year":1}' WHERE id = 'm3'`} {
		if _, err := db.ExecContext(t.Context(), fmt.Sprintf(text, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReindexRepairsADamagedIndex(t *testing.T) {
	t.Parallel()
	dir, models := t.TempDir(), apitest.WriteModels(t, with(nil))
	p := apitest.Launch(t, "--models", models, "--data-dir", dir, "--log-level", "error")
	c := apitest.NewClient(t, p.URL)
	for i := range 30 {
		c.Post(t, fmt.Sprint("/v1/movies?id=m", i), heat).Want(t, 201)
	}
	check := func(c *apitest.Client) {
		t.Helper()
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
		if n := total(t, c, "movies"); n != 30 {
			t.Errorf("%d movies", n)
		}
		c.Get(t, "/v1:reindex").Want(t, 200).Equal(t, "/building", `[]`)
	}
	for _, args := range [][]string{{"movies"}, {}} {
		check(c)
		damageIndex(t, dir)
		if r := apitest.Run(t, "", "verify", "--url", c.URL); r.Code != 1 || !strings.Contains(r.Stdout, "m1") {
			t.Fatalf("verify finds nothing: %s", r.Stdout)
		}
		if out := ok(t, "", append([]string{"reindex", "--url", c.URL}, args...)...); !strings.Contains(out, "the new index answers") {
			t.Errorf("reindex says %q", out)
		}
	}
	check(c)
	r := c.Post(t, "/v1/movies:reindex", "{}").Want(t, 202)
	if r.Text("/building/0/type") != "movies" || r.Int("/building/0/through") < 30 {
		t.Errorf("%s", r.Body)
	}
	ok(t, "", "reindex", "movies", "--url", c.URL)
	c.Post(t, "/v1:reindex", `{"type":"movies"}`).WantProblem(t, 400, "invalid_request")
	c.Get(t, "/v1:reindex?type=movies").WantProblem(t, 400, "invalid_request")
	c.Post(t, "/v1/cars:reindex", nil).WantProblem(t, 404, "unknown_type")
	c.Get(t, "/v1/movies:reindex").Want(t, 405)
	c.Do(t, "DELETE", "/v1:reindex", nil).Want(t, 405)
	if r := apitest.Run(t, "", "reindex", "cars", "--url", c.URL); r.Code != 1 || !strings.Contains(r.Stderr, "cars") {
		t.Errorf("exit %d: %s", r.Code, r.Stderr)
	}
	if r := apitest.Run(t, "", "reindex", "--data-dir", dir, "--models", models); r.Code != 2 {
		t.Errorf("a folder in use: exit %d: %s", r.Code, r.Stderr)
	}
	p.Kill()
	damageIndex(t, dir)
	ok(t, "", "reindex", "movies", "--data-dir", dir, "--models", models)
	if err := os.WriteFile(filepath.Join(dir, "index.sqlite"), []byte("no index"), 0o600); err != nil {
		t.Fatal(err)
	}
	ok(t, "", "reindex", "--data-dir", dir, "--models", models)
	check(apitest.NewClient(t, apitest.Launch(t, "--models", models, "--data-dir", dir, "--log-level", "error").URL))
}

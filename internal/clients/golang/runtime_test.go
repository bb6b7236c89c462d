package golang_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/cli"
	client "github.com/autocrud-go/autocrud/internal/clients/golang"
	"github.com/autocrud-go/autocrud/internal/wiring"
)

func TestMain(m *testing.M) { apitest.Main(m) }

var models = map[string]string{
	"movies":  "name: movies\nschema: {type: object, required: [title, year], properties: {title: {type: string, minLength: 1}, year: {type: integer}}}\nindex: [title, year]\n",
	"people":  "name: people\nschema: {type: object, properties: {name: {type: string}}}\n",
	"reviews": "name: reviews\nschema: {type: object, properties: {n: {type: integer}}}\n",
}

// serve is the address of a server of the models.
func serve(t *testing.T) string {
	t.Helper()
	return apitest.Start(t, nil, autocrud.Settings{Storage: "memory", Models: apitest.WriteModels(t, models)}).URL
}

type film struct {
	Title string `json:"title"`
	Year  int64  `json:"year"`
}

var (
	filmTitle = client.NewTextField("title")
	filmYear  = client.NewField[int64]("year")
)

func TestAClientFindsEveryTextByItsFilters(t *testing.T) {
	films := client.Of[film](client.New(serve(t)), "movies")
	titles := []string{`plain`, `say "no"`, `back\slash`, `') OR (year > 0`, "new\nline", "ünï ☃ 𝄞", `a%b_c*`, "`tick`", "null", `<&>`}
	for _, title := range titles {
		if _, err := films.Create(t.Context(), film{title, 2001}); err != nil {
			t.Fatal(err)
		}
	}
	for _, title := range titles {
		for how, f := range map[string]client.Filter{"=": filmTitle.Eq(title), "in": filmTitle.In(title, "none"), "contains": client.And(filmTitle.Contains(title), filmYear.Ge(2001)),
			"not": client.Not(client.Or(filmTitle.Ne(title), filmYear.Lt(0)))} {
			var found []string
			for r, err := range films.List(t.Context(), client.Query{Filter: f}) {
				if err != nil {
					t.Fatalf("%s: %v", f, err)
				}
				found = append(found, r.Data.Title)
			}
			if !slices.Equal(found, []string{title}) {
				t.Errorf("%s %q finds %q", how, title, found)
			}
		}
	}
	if n, err := films.Count(t.Context(), filmTitle.In()); n != 0 || err != nil {
		t.Errorf("none of no values: %d, %v", n, err)
	}
	n := 0
	for r, err := range films.List(t.Context(), client.Query{PageSize: 3, OrderBy: []client.Order{filmTitle.Desc()}}) {
		if err != nil || r.ETag != "" {
			t.Fatal(r, err)
		}
		n++
	}
	if n != len(titles) {
		t.Errorf("pages of three have %d films", n)
	}
}

func TestAClientWritesOverWhatWasReadOnly(t *testing.T) {
	films := client.Of[film](client.New(serve(t)), "movies")
	made, err := films.Create(t.Context(), film{"One", 1990}, client.CreateOptions{ID: "one", Key: "k1"})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := films.Create(t.Context(), film{"One", 1990}, client.CreateOptions{ID: "one", Key: "k1"}); err != nil || again.Meta.Seq != made.Meta.Seq {
		t.Errorf("the same key: %v, %v", again, err)
	}
	var listed *client.Resource[film]
	for r, err := range films.List(t.Context(), client.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		listed = r
	}
	if _, err := films.Patch(t.Context(), listed, map[string]any{"year": 1991}); err != nil {
		t.Error("what a list told is current:", err)
	}
	for name, r := range map[string]*client.Resource[film]{"a list": listed, "a write": made} {
		if _, err := films.Patch(t.Context(), r, map[string]any{"year": 1992}); !client.HasCode(err, "precondition_failed") {
			t.Errorf("what %s told is old: %v", name, err)
		}
	}
	if r, err := films.PatchID(t.Context(), "one", map[string]any{"year": 1993}); err != nil || r.Data.Year != 1993 {
		t.Errorf("it does not matter: %v, %v", r, err)
	}
	_, err = films.Create(t.Context(), film{Year: 1})
	var p *client.Problem
	if !errors.As(err, &p) || p.Code != "validation_failed" || len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Pointer, "/") {
		t.Errorf("what does not fit: %v", err)
	}
	if err := films.DeleteID(t.Context(), "one"); err != nil {
		t.Error(err)
	}
	if _, err := films.Get(t.Context(), "one"); !client.HasCode(err, "deleted") {
		t.Error(err)
	}
}

// TestAClientsWatchGoesOnOverKills kills the server while events are made and told:
// each is told once, in order.
func TestAClientsWatchGoesOnOverKills(t *testing.T) {
	events, kills := atLeast(60, "AUTOCRUD_TEST_WATCHED"), atLeast(2, "AUTOCRUD_TEST_WATCHED_KILLS")
	dir, models := t.TempDir(), apitest.WriteModels(t, map[string]string{"notes": "name: notes\nschema: {type: object, properties: {n: {type: integer}}}\n"})
	var at atomic.Value // where the server listens now
	up := func() *apitest.Process {
		p := apitest.Launch(t, "--models", models, "--data-dir", dir, "--log-level", "error")
		at.Store(strings.TrimPrefix(p.URL, "http://"))
		return p
	}
	p := up()
	there := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, at.Load().(string))
	}}}
	type note struct {
		N int `json:"n"`
	}
	notes := client.Of[note](client.New(p.URL, client.WithAttempts(1000), client.WithHTTPClient(there)), "notes")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var told atomic.Int64
	done := make(chan error, 1)
	go func() {
		var seq uint64
		after := uint64(0)
		for e, err := range notes.Watch(ctx, client.WatchOptions{After: &after}) {
			want := int(told.Load())
			switch {
			case err != nil:
				done <- err
				return
			case e.Seq <= seq || e.Resource.Data.N != want || e.Action != "created":
				done <- fmt.Errorf("event %d (%s) has %d after %d, want %d", e.Seq, e.Action, e.Resource.Data.N, seq, want)
				return
			}
			if seq = e.Seq; told.Add(1) == int64(events) {
				done <- nil
				return
			}
		}
	}()
	made := make(chan error, 1)
	var written atomic.Int64
	go func() {
		for n := range events {
			if _, err := notes.Create(ctx, note{n}); err != nil {
				made <- err
				return
			}
			written.Add(1)
		}
		made <- nil
	}()
	for k := range kills {
		apitest.Eventually(t, 5*time.Minute, "a part of the writes", func() bool { return written.Load() >= int64((k+1)*events/(kills+1)) || len(made) > 0 })
		p.Kill()
		p = up()
	}
	for _, c := range []chan error{made, done} {
		if err := <-c; err != nil {
			t.Fatal(err)
		}
	}
}

// atLeast is how much of something there is: an environment variable may say more.
func atLeast(n int, name string) int {
	more, _ := strconv.Atoi(os.Getenv(name)) // none: 0
	return max(n, more)
}

// runs runs a command and returns what it said on stderr.
func runs(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	if got := cli.Run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, wiring.App{}); got != code {
		t.Fatalf("%q: exit %d, want %d\n%s%s", args, got, code, &out, &errs)
	}
	return errs.String()
}

func TestTheCommandWritesAClientOfAServersTypes(t *testing.T) {
	url, folder := serve(t), apitest.WriteModels(t, models)
	dir := filepath.Join(t.TempDir(), "hand-models")
	for _, language := range []string{"go", "ts"} {
		out := filepath.Join(dir, language)
		runs(t, 0, "client", language, "--out", out, "--types", "movies,people", "--url", url)
		first := map[string]string{}
		for _, name := range []string{"models." + language, "runtime." + language} {
			b, err := os.ReadFile(filepath.Join(out, name))
			if err != nil {
				t.Fatal(err)
			}
			first[name] = string(b)
		}
		if strings.Contains(first["models."+language], "Reviews") || !strings.Contains(first["models."+language], "MoviesData") {
			t.Errorf("it is for other types:\n%s", first["models."+language])
		}
		runs(t, 0, "client", language, "--out", out, "--types", "movies,people", "--models", folder)
		for name, text := range first {
			if b, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(b) != text {
				t.Errorf("of the models %s is another than of the server, %v", name, err)
			}
		}
	}
	mine := filepath.Join(dir, "mine")
	if err := os.MkdirAll(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mine, "models.go"), []byte("package mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for said, args := range map[string][]string{
		"was not made by this command": {"client", "go", "--out", mine},
		`did you mean "movies"`:        {"client", "go", "--out", dir, "--types", "movie"},
		"go or ts":                     {"client", "java", "--out", dir},
		"name of a package":            {"client", "go", "--out", dir, "--package", "func"},
		"--out is missing":             {"client", "go"},
	} {
		if text := runs(t, 2, append(args, "--models", folder)...); !strings.Contains(text, said) {
			t.Errorf("%q says %s", args, text)
		}
	}
}

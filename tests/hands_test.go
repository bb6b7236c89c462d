package tests_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/cli"
	"github.com/autocrud-go/autocrud/internal/cli/show"
	"github.com/autocrud-go/autocrud/internal/wiring"
)

// handModels are five types that refer to each other, one of them to itself.
var handModels = map[string]string{
	"countries": "name: countries\nschema: {type: object, required: [name], properties: {name: {type: string}, rank: {type: integer, default: 7}}}\nindex: [name]\n",
	"studios":   "name: studios\nschema: {type: object, required: [name], properties: {name: {type: string}, country: {type: string}}}\nrefs: {country: {type: countries}}\nindex: [name]\n",
	"people":    "name: people\nschema: {type: object, required: [name], properties: {name: {type: string}, boss: {type: string}}}\nrefs: {boss: {type: people}}\nindex: [name]\n",
	"movies": `name: movies
schema:
  type: object
  required: [title]
  properties:
    title: {type: string}
    year: {type: integer}
    note: {type: [string, "null"]}
    genres: {type: array, items: {type: string}}
    studio: {type: string}
    crew: {type: array, items: {type: object, properties: {who: {type: string}, role: {type: string}}}}
index: [title, year, genres]
refs: {studio: {type: studios}, crew.who: {type: people}}
`,
	"reviews": "name: reviews\nschema: {type: object, required: [movie], properties: {movie: {type: string}, stars: {type: integer, minimum: 1, maximum: 5}, text: {type: string, description: what it says}}}\nrefs: {movie: {type: movies}}\nindex: [stars]\nrequireIfMatch: true\n",
}

var noteModel = map[string]string{"notes": "name: notes\nschema: {type: object, properties: {n: {type: integer}}}\n"}

// hand is the command line against a server of its own.
type hand struct {
	t   *testing.T
	c   *apitest.Client
	env []string
}

func newHand(t *testing.T, models map[string]string) *hand {
	t.Helper()
	c := apitest.Start(t, nil, autocrud.Settings{Storage: "memory", Models: apitest.WriteModels(t, models)})
	return &hand{t, c, []string{"AUTOCRUD_URL=" + c.URL, "XDG_CONFIG_HOME=" + t.TempDir()}}
}

// ok runs a command that has to end well.
func (h *hand) ok(args ...string) string {
	h.t.Helper()
	return h.ends(0, args...).Stdout
}

// ends runs a command within the test, which takes a tenth of what a process takes.
func (h *hand) ends(code int, args ...string) apitest.Result {
	h.t.Helper()
	for _, e := range h.env {
		name, value, _ := strings.Cut(e, "=")
		h.t.Setenv(name, value)
	}
	var out, errs bytes.Buffer
	r := apitest.Result{Code: cli.Run(h.t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, wiring.App{})}
	r.Stdout, r.Stderr = out.String(), errs.String()
	if r.Code != code {
		h.t.Fatalf("%q: exit %d, want %d\n%s%s", args, r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}

// declare writes files into a folder.
func declare(t *testing.T, all map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range all {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTablesFitAndNothingActsOnTheTerminal lists what is long, wide and hostile.
func TestTablesFitAndNothingActsOnTheTerminal(t *testing.T) {
	h := newHand(t, handModels)
	for i, title := range []string{strings.Repeat("A long title ", 40), strings.Repeat("映画の長い題名", 30), "\x1b]0;owned\x07\x1b[2J\u009b31m\u202egnp.exe", "line\r\nline\ttab", strings.Repeat("e\u0301", 200)} {
		h.c.Post(t, fmt.Sprintf("/v1/movies?id=a-rather-long-id-of-a-movie-%d", i), map[string]any{"title": title, "year": 1900 + i, "genres": []string{title[:8], "Drama"}}).Want(t, 201)
	}
	for _, args := range [][]string{{"get", "movies"}, {"get", "movies", "--columns", "id,title,genres,year,meta.created_at,note"}, {"describe", "movies/a-rather-long-id-of-a-movie-2"}, {"history", "movies/a-rather-long-id-of-a-movie-2"},
		{"get", "movies", "-o", "json"}, {"get", "movies", "-o", "yaml"}, {"get", "movies", "-o", "jsonpath={.items[*].data.title}"}, {"watch", "movies", "--from-seq", "0", "--max", "5", "-o", "json"}, {"types"}} {
		out := h.ok(args...)
		if strings.ContainsAny(out, "\x1b\x07\u009b\u202e\r") {
			t.Errorf("%q writes what a terminal acts on: %q", args, out)
		}
		if args[0] == "get" && !slices.Contains(args, "-o") {
			if !strings.Contains(out, "a-rather-long-id-of-a-movie-0") {
				t.Errorf("%q does not show the whole id:\n%s", args, out)
			}
			for line := range strings.Lines(out) {
				if n := show.Width(strings.TrimSuffix(line, "\n")); n > 80 {
					t.Errorf("%q: %d columns: %s", args, n, line)
				}
			}
		}
	}
	// A refusal tells of a value too.
	if r := h.ends(1, "create", "movies", "-d", `{"title": "x", "\u001b[31m": 1}`); strings.Contains(r.Stderr, "\x1b") {
		t.Errorf("%q", r.Stderr)
	}
}

// TestResourcesByHand walks through the commands about one resource.
func TestResourcesByHand(t *testing.T) {
	h := newHand(t, handModels)
	for _, step := range []struct {
		args string
		code int
		out  string // that it holds
	}{
		{`create movies heat -d {"title":"Heat","year":1995}`, 0, "movies/heat created"},
		{`create movies heat -d {"title":"Heat","year":1995}`, 1, ""},
		{`patch movies/heat -p {"year":1996,"note":null}`, 0, "movies/heat changed"},
		{`patch movies/heat -p {"year":1996}`, 0, "movies/heat unchanged"},
		{`patch movies heat -p [{"op":"replace","path":"/year","value":1997}] -m Again`, 0, "changed"},
		{`get movies/heat -o jsonpath={.data.year}{.meta.revision_count}`, 0, "19973"},
		{`get movies heat --revision 1 -o jsonpath={.data.year}`, 0, "1995"},
		{`diff movies/heat`, 1, "-year: 1996\n+year: 1997\n"},
		{`diff movies heat --from 3 --to 3`, 0, ""},
		{`rollback movies/heat --to 1`, 0, "is at revision 1"},
		{`rollback movies/heat`, 1, ""},
		{`get movies --filter year=1995 -o name`, 0, "movies/heat\n"},
		{`delete movies/heat -o name`, 0, "movies/heat\n"},
		{`get movies/heat`, 1, ""},
		{`get movies --deleted -o name`, 0, "movies/heat\n"},
		{`undelete movies heat`, 0, "restored"},
		{`publish movies/heat --undo`, 0, "unpublished"},
		{`get movies --view published -o name`, 0, ""},
		{`publish movies/heat`, 0, "published"},
		{`history movies/heat`, 0, "unpublished"},
		{`history movies/heat -o jsonpath={.items[0].action}`, 0, "created"},
		{`describe movies/heat`, 0, "Data:\n  title: Heat\n"},
		{`can delete movies/heat`, 0, "yes"},
		{`explain reviews.text`, 0, "what it says"},
		{`explain reviews.stars`, 0, "maximum: 5"},
		{`explain reviews.star`, 1, ""},
		{`types -o name`, 0, "countries\nmovies\npeople\nreviews\nstudios\n"},
		{`get nothing`, 1, ""},
		{`get movies -o xml`, 2, ""},
		{`get movies/heat --filter x=1`, 2, ""},
		{`get movies he/at`, 2, ""},
		{`patch movies/heat`, 2, ""},
		{`edit movies`, 2, ""},
	} {
		r := h.ends(step.code, strings.Split(step.args, " ")...)
		if !strings.Contains(r.Stdout, step.out) {
			t.Errorf("%s: %q, want %q", step.args, r.Stdout, step.out)
		}
		if lines := strings.Count(r.Stderr, "\n"); step.code != 0 && !strings.HasPrefix(step.args, "diff") && lines != 1 {
			t.Errorf("%s: %d lines say why: %s", step.args, lines, r.Stderr)
		}
	}
	at := h.c.Get(t, "/v1/movies/heat").Want(t, 200).Text("/meta/created_at")
	if out := h.ok("get", "movies/heat", "--as-of", at, "-o", "jsonpath={.data.year}"); out != "1995" {
		t.Errorf("as of its creation: %q", out)
	}
}

// many are n resources of the five types, each a document.
func many(n int) (docs []string) {
	doc := func(typ, id string, data map[string]any) {
		b, err := json.Marshal(map[string]any{"type": typ, "id": id, "data": data})
		if err != nil {
			panic(err)
		}
		docs = append(docs, string(b))
	}
	for i := range n / 5 {
		doc("countries", fmt.Sprint("c", i), map[string]any{"name": fmt.Sprint("Country ", i)})
		doc("studios", fmt.Sprint("s", i), map[string]any{"name": fmt.Sprint("Studio ", i), "country": fmt.Sprint("c", i/2)})
		doc("people", fmt.Sprint("p", i), map[string]any{"name": fmt.Sprint("Person ", i), "boss": fmt.Sprint("p", i/2)})
		doc("movies", fmt.Sprint("m", i), map[string]any{"title": fmt.Sprint("Movie ", i), "year": 1900 + i%100, "studio": fmt.Sprint("s", i), "crew": []any{map[string]any{"who": fmt.Sprint("p", i), "role": "director"}}})
		doc("reviews", fmt.Sprint("r", i), map[string]any{"movie": fmt.Sprint("m", i), "stars": 1 + i%5})
	}
	// The first boss is its own; it has none here.
	docs[2] = `{"type":"people","id":"p0","data":{"name":"Person 0"}}`
	return docs
}

// TestAFolderIsApplied in whatever order its documents have, and twice changes nothing.
func TestAFolderIsApplied(t *testing.T) {
	h := newHand(t, handModels)
	n := 100
	if envText("AUTOCRUD_TEST_HANDS") != "" {
		n = 1000
	}
	docs := many(n)
	rand.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
	dir := declare(t, map[string]string{
		"a.ndjson":     strings.Join(docs[:n/4], "\n"),
		"sub/b.yaml":   "---\n" + strings.Join(docs[n/4:n/2], "\n---\n"),
		"sub/c.json":   "[" + strings.Join(docs[n/2:3*n/4], ",\n") + "]",
		"d.yml":        "items:\n- " + strings.Join(docs[3*n/4:], "\n- "),
		"sub/notes.md": "not a document",
	})
	empty := h.c.LogSeq(t, "movies")
	if out := h.ok("apply", "-f", dir, "--dry-run"); strings.Count(out, " created\n") != n || h.c.LogSeq(t, "movies") != empty {
		t.Fatalf("the dry run says\n%s", out)
	}
	began := time.Now()
	out := h.ok("apply", "-f", dir)
	t.Logf("%d resources took %v", n, time.Since(began))
	if strings.Count(out, " created\n") != n || strings.Count(out, "\n") != n {
		t.Fatalf("the first time says\n%s", out)
	}
	seq := h.c.LogSeq(t, "movies")
	if out := h.ok("apply", "-f", dir); strings.Count(out, " unchanged\n") != n || strings.Count(out, "\n") != n {
		t.Errorf("the second time says\n%s", out)
	}
	h.ends(0, "diff", "-f", dir)
	if now := h.c.LogSeq(t, "movies"); now != seq {
		t.Errorf("the second time wrote up to %d, the first to %d", now, seq)
	}
	// What get writes can be applied too.
	all := declare(t, map[string]string{"all.yaml": h.ok("get", "movies", "-o", "yaml"), "all.json": h.ok("get", "reviews", "-o", "json")})
	if out := h.ok("apply", "-f", all); strings.Count(out, " unchanged\n") != 2*n/5 {
		t.Errorf("what get wrote is applied as\n%s", out)
	}

	one := declare(t, map[string]string{"one.yaml": `
type: reviews
id: r1
data: {movie: m1, stars: 1}
---
type: people
id: lone
data: {name: Lone, boss: p-that-is-missing}
---
type: countries
id: c1
data: {name: Country 1, rank: 8}
`})
	if r := h.ends(1, "diff", "-f", one); !strings.Contains(r.Stdout, "-rank: 7\n+rank: 8\n") || !strings.Contains(r.Stdout, "-stars: 2\n+stars: 1\n") {
		t.Errorf("the difference:\n%s", r.Stdout)
	}
	r := h.ends(1, "apply", "-f", one)
	if r.Stdout != "reviews/r1 changed\ncountries/c1 changed\n" || !strings.Contains(r.Stderr, "one.yaml:6: people/lone: ") {
		t.Errorf("with one that is refused: %s%s", r.Stdout, r.Stderr)
	}
	unfit := declare(t, map[string]string{"u.json": `{"type":"reviews","id":"u","data":{"movie":"m1","stars":9}}`})
	if r := h.ends(1, "apply", "-f", unfit, "--dry-run"); !strings.Contains(r.Stderr, "/stars") || r.Stdout != "" {
		t.Errorf("a dry run of what does not fit: %s%s", r.Stdout, r.Stderr)
	}
	h.ok("delete", "reviews/r1")
	again := declare(t, map[string]string{"r.json": `{"type":"reviews","id":"r1","data":{"movie":"m1","stars":5}}` + "\n" + `{"type":"reviews","id":"new","status":"draft","data":{"movie":"m1","stars":5}}`})
	if out := h.ok("apply", "-f", filepath.Join(again, "r.json")); out != "reviews/r1 changed\nreviews/new created\n" {
		t.Errorf("of a deleted one: %s", out)
	}
	for text, why := range map[string]string{
		`{"type":"nothing","id":"a","data":{}}`: "no type",
		`{"type":"movies","data":{}}`:           "x.json:1: the id is missing",
		`{"type":"movies","id":"a","dato":{}}`:  `"dato"`,
		`{"type":"movies","id":"a","data":{}}` + "\n\n" + `{"type":"movies","id":"a","data":{}}`: "x.json:3: movies/a is declared",
		"":     "no document",
		"{":    "x.json:1",
		"a: b": `"a"`,
	} {
		dir := declare(t, map[string]string{"x.json": text})
		if r := h.ends(2, "apply", "-f", dir); !strings.Contains(r.Stderr, why) || r.Stdout != "" {
			t.Errorf("%q: %s%s", text, r.Stdout, r.Stderr)
		}
	}
}

// TestPruneDeletesOnlyWhatTheSelectorMatches and no file declares, what refers first.
func TestPruneDeletesOnlyWhatTheSelectorMatches(t *testing.T) {
	h := newHand(t, handModels)
	dir := declare(t, map[string]string{"all.ndjson": strings.Join(many(25), "\n")})
	h.ok("apply", "-f", dir)
	h.ok("create", "people", "boss", "-d", "name: Extra boss")
	h.ok("create", "people", "extra", "-d", "{name: Extra, boss: boss}")
	h.ok("create", "people", "other", "-d", "name: Other")
	h.ends(2, "apply", "-f", dir, "--prune")
	for _, dry := range []bool{true, false} {
		args := []string{"apply", "-f", dir, "--prune", "--selector", `startsWith(name, "Extra")`}
		if dry {
			args = append(args, "--dry-run")
		}
		r := h.ends(1, args...) // the filter is none of every type
		if !strings.Contains(r.Stderr, "name") {
			t.Errorf("%s", r.Stderr)
		}
	}
	people := declare(t, map[string]string{"p.ndjson": `{"type":"people","id":"p0","data":{"name":"Person 0"}}`})
	out := h.ok("apply", "-f", people, "--prune", "--selector", `startsWith(name, "Extra")`)
	if out != "people/p0 unchanged\npeople/extra deleted\npeople/boss deleted\n" {
		t.Errorf("%s", out)
	}
	h.ok("get", "people/other")
	h.ok("get", "people/p1")
}

// editor is a script that changes the file it is given.
func editor(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(name, []byte("#!/bin/sh\nset -eu\n"+script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return name
}

// TestAnEditLosesNothing whatever others write meanwhile.
func TestAnEditLosesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("the editors here are shell scripts")
		return
	}
	h := newHand(t, handModels)
	h.c.Post(t, "/v1/movies?id=m", map[string]any{"title": "Heat", "year": 9007199254740993, "note": nil, "genres": []string{"a"}}).Want(t, 201)
	write := func(data string) string {
		return "curl -sf -X PATCH '" + h.c.URL + "/v1/movies/m' -H 'Content-Type: application/merge-patch+json' -d '" + data + "' >/dev/null\n"
	}
	edit := func(code int, script string) apitest.Result {
		t.Helper()
		return h.ends(code, "edit", "movies/m", "--editor", editor(t, script))
	}
	is := func(want string) {
		t.Helper()
		h.c.Get(t, "/v1/movies/m").Want(t, 200).Equal(t, "/data", want)
	}
	if r := edit(0, "true"); r.Stdout != "movies/m unchanged\n" {
		t.Errorf("%s", r.Stdout)
	}
	if r := edit(0, `sed -i "s/Heat/'Heat: \"2\"'/" "$1"`); r.Stdout != "movies/m changed\n" {
		t.Errorf("%s", r.Stdout)
	}
	is(`{"title": "Heat: \"2\"", "year": 9007199254740993, "note": null, "genres": ["a"]}`)
	// Another changes something else: both are kept.
	edit(0, `sed -i 's/^year:.*/year: 1996/' "$1"`+"\n"+write(`{"title":"Theirs","genres":["b"]}`))
	is(`{"title": "Theirs", "year": 1996, "note": null, "genres": ["b"]}`)
	// Another changes the same: both are shown, and what the person decides is taken.
	edit(0, `if grep -q 'theirs  1998' "$1"; then grep -q 'yours   1997' "$1"; grep -q '^year: 1997' "$1"; sed -i 's/^year: 1997/year: 1999/' "$1"; exit; fi
sed -i 's/^year:.*/year: 1997/' "$1"`+"\n"+write(`{"year":1998,"note":"theirs"}`))
	is(`{"title": "Theirs", "year": 1999, "note": "theirs", "genres": ["b"]}`)
	// Given up, what was written is in the file that is named.
	r := edit(1, `if grep -q 'Another write' "$1"; then exit; fi
sed -i 's/^year:.*/year: 2000/' "$1"`+"\n"+write(`{"year":2001}`)+`sed -i 's/^note:.*/note: mine/' "$1"`)
	is(`{"title": "Theirs", "year": 2001, "note": "theirs", "genres": ["b"]}`)
	keptFile(t, r, "year: 2000")
	// What is refused comes back with the reason.
	r = edit(1, `if grep -q 'It was refused' "$1"; then exit; fi
sed -i 's/^year:.*/year: text/' "$1"`)
	keptFile(t, r, "year: text")
	r = edit(1, `printf 'title: [\n' > "$1"`)
	keptFile(t, r, "title: [")
	r = edit(1, `sed -i 's/^year:.*/year: 2002/' "$1"; exit 3`)
	keptFile(t, r, "year: 2002")
}

// keptFile reads the file that a refusal names, and removes it.
func keptFile(t *testing.T, r apitest.Result, text string) {
	t.Helper()
	_, name, ok := strings.Cut(strings.TrimSpace(r.Stderr), "what you wrote is in ")
	b, err := os.ReadFile(name)
	if !ok || err != nil || !strings.Contains(string(b), text) {
		t.Errorf("%s: %s, %v", r.Stderr, b, err)
	}
	if ok {
		os.Remove(name) //nolint:errcheck // it is a temporary file
	}
}

// TestContextsKeepTokensToTheirServers and to their owner.
func TestContextsKeepTokensToTheirServers(t *testing.T) {
	const key = "the-admin-key-of-a-test-of-contexts"
	c := apitest.Start(t, nil, autocrud.Settings{Storage: "memory", Auth: "required", AdminKey: key, Models: apitest.WriteModels(t, noteModel)})
	config := t.TempDir()
	h := &hand{t, c, []string{"XDG_CONFIG_HOME=" + config}}
	if h.ends(1, "login", c.URL, "--name", "prod", "--token", "wrong-key"); strings.Contains(h.ok("context", "list"), "prod") {
		t.Error("a wrong key is kept")
	}
	if out := h.ok("login", c.URL, "--name", "prod", "--token", key); strings.Contains(out, key) {
		t.Errorf("%s", out)
	}
	h.ok("get", "notes")
	info, err := os.Stat(filepath.Join(config, "autocrud", "tokens", "prod"))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatalf("the file of the token: %v, %v", info, err)
	}
	if b, err := os.ReadFile(filepath.Join(config, "autocrud", "config.yaml")); err != nil || strings.Contains(string(b), key) {
		t.Errorf("%s, %v", b, err)
	}
	// The token goes to no other server, and the same one under its own address has it.
	other := strings.Replace(c.URL, "127.0.0.1", "localhost", 1)
	if r := h.ends(1, "get", "notes", "--server", other); !strings.Contains(r.Stderr, "credential") {
		t.Errorf("%s", r.Stderr)
	}
	h.ok("get", "notes", "--server", c.URL+"/")
	h.ok("context", "set", "other", "--server", other)
	h.ends(1, "get", "notes")
	h.ok("get", "notes", "--context", "prod")
	if out := h.ok("use", "prod"); !strings.Contains(out, c.URL) {
		t.Errorf("%s", out)
	}
	if out := h.ok("context", "list"); !strings.Contains(out, "*  prod") {
		t.Errorf("%s", out)
	}
	h.ok("get", "notes")
	if runtime.GOOS != "windows" {
		if err := os.Chmod(filepath.Join(config, "autocrud", "tokens", "prod"), 0o644); err != nil {
			t.Fatal(err)
		}
		if r := h.ends(2, "get", "notes"); !strings.Contains(r.Stderr, "chmod 600") {
			t.Errorf("%s", r.Stderr)
		}
	}
	h.ok("context", "remove", "prod")
	h.ends(2, "use", "prod")
	h.ends(2, "get", "notes", "--context", "prod")
	if _, err := os.Stat(filepath.Join(config, "autocrud", "tokens", "prod")); !os.IsNotExist(err) {
		t.Errorf("the token is there still: %v", err)
	}
}

// TestAWatchOutlivesItsServer and shows each event once.
func TestAWatchOutlivesItsServer(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--models", apitest.WriteModels(t, noteModel), "--data-dir", filepath.Join(dir, "data")}
	p := apitest.Launch(t, args...)
	address := strings.TrimPrefix(p.URL, "http://")
	args = append(args, "--addr", address)
	out := make(chan apitest.Result, 1)
	const events, kills = 60, 3
	go func() {
		out <- apitest.RunWith(t, nil, "watch", "notes", "--server", p.URL, "--from-seq", "0", "--max", fmt.Sprint(events), "-o", "json")
	}()
	for i := range events {
		if i%(events/kills) == events/kills/2 {
			p.Kill()
			p = apitest.LaunchService(t, append([]string{"up"}, args...)...)
		}
		apitest.Plain(t, p.URL).Post(t, fmt.Sprintf("/v1/notes?id=n%d", i), map[string]any{"n": i}).Want(t, 201)
	}
	r := <-out
	if r.Code != 0 {
		t.Fatalf("exit %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	i := 0
	for line := range strings.Lines(r.Stdout) {
		var ev struct {
			Data struct{ N int }
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil || ev.Data.N != i {
			t.Errorf("event %d is %s, %v", i, line, err)
		}
		i++
	}
	if i != events {
		t.Errorf("%d events, want %d", i, events)
	}
}

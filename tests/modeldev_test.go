package tests_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// devNotes is the model of notes as an edit leaves it: with a property of its own that is
// indexed by turns, a limit that moves, and a version by turns.
func devNotes(edit int) string {
	index, migrations := "[n]", ""
	if edit%2 == 1 {
		index = fmt.Sprintf("[n, p%d]", edit)
	}
	if edit%5 == 4 {
		migrations = fmt.Sprintf("version: \"v%d\"\nmigrations: [{from: \"1\", patch: [{op: default, path: /s, value: migrated}]}]\n", edit)
	}
	return fmt.Sprintf("name: notes\nschema: {type: object, required: [n], properties: {n: {type: integer, maximum: %d}, s: {type: string}, p%d: {type: string}}}\nindex: %s\n%s",
		1_000_000+edit%3, edit, index, migrations)
}

const devTasks = "name: tasks\nschema: {type: object, properties: {file: {type: string}}}\njob: {timeout: 5m, handler: {exec: [sh, -c, %q]}}\n"

// edit writes a model file as editors do: beside it, then in its place.
func edit(t *testing.T, dir, name, text string) {
	t.Helper()
	draft := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(draft, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// fine reports another answer than the one that is wanted, from any goroutine.
func fine(t *testing.T, r *apitest.Response, status int) {
	if r.Status != status {
		t.Errorf("%s: %d instead of %d: %s", r.What, r.Status, status, r.Body)
	}
}

// TestEditsAreServedWhileClientsWriteAndWatch edits a model many times below `dev`, while
// clients write, read, list and watch and a job runs: no request fails, no event is lost,
// each edit is served within a second. Edits with a mistake and breaking ones change
// nothing and are told. AUTOCRUD_TEST_EDITS=200 is the number of edits.
func TestEditsAreServedWhileClientsWriteAndWatch(t *testing.T) {
	edits := 20
	if n, err := strconv.Atoi(os.Getenv("AUTOCRUD_TEST_EDITS")); err == nil {
		edits = n
	}
	done := filepath.Join(t.TempDir(), "done")
	models := apitest.WriteModels(t, map[string]string{"notes": devNotes(0), "tasks": fmt.Sprintf(devTasks, "while [ ! -e "+done+" ]; do sleep 0.05; done")})
	p := apitest.LaunchService(t, "dev", "--addr", "127.0.0.1:0", "--models", models, "--data-dir", t.TempDir(), "--log-level", "error")
	c := apitest.Plain(t, p.URL) // which knows no document, as that changes
	w := c.MustWatch(t, "/v1/notes:watch")
	job := c.Post(t, "/v1/tasks", `{}`).Want(t, 201).Text("/meta/id")
	jobIs := func(state string) {
		eventually(t, "the job is "+state, func() bool { return c.Get(t, "/v1/tasks/"+job).Text("/meta/job/state") == state })
	}
	jobIs("running")

	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var written atomic.Int64
	for k := range 3 {
		clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("w%d-%d", k, i)
				fine(t, c.Put(t, "/v1/notes/"+id, fmt.Sprintf(`{"n": %d}`, i), apitest.Header("If-None-Match", "*")), 201)
				fine(t, c.Patch(t, "/v1/notes/"+id, apitest.MergePatch, `{"s": "x"}`), 200)
				fine(t, c.Get(t, "/v1/notes/"+id), 200)
				fine(t, c.Get(t, fmt.Sprintf("/v1/notes?page_size=3&filter=n%%20=%%20%d", i)), 200)
				written.Add(2)
			}
		})
	}
	told := make(chan int64, 1)
	go func() {
		var n int64
		for {
			e, err := w.Next()
			if err != nil || e.ID() == "last" {
				told <- n
				return
			}
			if e.ID()[0] == 'w' {
				n++
			}
		}
	}()
	var took []time.Duration
	for i := 1; i <= edits; i++ {
		begun := time.Now()
		edit(t, models, "notes.yaml", devNotes(i))
		check := fmt.Sprintf("/v1/notes/check-%d", i)
		for {
			r := c.Put(t, check, fmt.Sprintf(`{"n": 1, "p%d": "new"}`, i), apitest.Header("If-None-Match", "*"))
			if r.Status == http.StatusCreated {
				break
			}
			if time.Since(begun) > 20*time.Second {
				p.Kill()
				t.Fatalf("edit %d is not served: %s\n%s", i, r.Body, p.Log())
			}
		}
		took = append(took, time.Since(begun))
		c.Delete(t, check).Want(t, 200) // the next edit takes its property away
	}
	slices.Sort(took)
	t.Logf("%d edits were served after %s, the slowest after %s, beside %d writes", edits, took[edits/2], took[edits-1], written.Load())
	if took[edits/2] > time.Second || took[edits-1] > 5*time.Second { // other tests run beside it
		t.Error("an edit is served within a second")
	}
	stop()
	clients.Wait()
	last := devNotes(edits)
	edit(t, models, "notes.yaml", strings.Replace(last, "n: {type: integer", "n: {type: string", 1))
	edit(t, models, "mistake.yaml", "name: mistake\nschema: {type: objec}\n")
	c.Put(t, "/v1/notes/last", `{"n": 1}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	if n := <-told; n != written.Load() {
		t.Errorf("%d events were told of %d", n, written.Load())
	}
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	jobIs("succeeded")
	p.Terminate(t, 20*time.Second)
}

// TestModelsAreReloadedAllOrNone: what is broken or breaking leaves the models before in
// force, what fits is served.
func TestModelsAreReloadedAllOrNone(t *testing.T) {
	s := onDisk(t, notesBefore)
	r, err := autocrud.New().Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}()
	c := apitest.NewClient(t, r.URL)
	if at := c.Post(t, "/v1/types:reload", nil).Want(t, 200); len(at.Value("/types").([]any)) != 0 {
		t.Errorf("nothing changed, and it says %s", at.Body)
	}
	edit(t, s.Models, "more.yaml", "name: more\nschema: {type: object, properties: {k: {type: string}}}\nunique: [k]\nrefs: {}\n")
	edit(t, s.Models, "notes.yaml", notesAfter)
	if why := c.Post(t, "/v1/types:reload", nil).WantProblem(t, 409, "invalid_state"); !strings.Contains(why.Detail, "a /n: ") || !strings.Contains(why.Detail, "a /u: ") {
		t.Errorf("a breaking change is refused with %s", why.Detail)
	}
	c.Get(t, "/v1/more").WantProblem(t, 404, "unknown_type")
	edit(t, s.Models, "notes.yaml", strings.Replace(notesBefore, "index", "indx", 1))
	if why := c.Post(t, "/v1/types:reload", nil).WantProblem(t, 422, "validation_failed"); !strings.Contains(fmt.Sprint(why.Errors), "notes.yaml:3") {
		t.Errorf("a mistake is refused with %v", why.Errors)
	}
	edit(t, s.Models, "notes.yaml", notesMoved)
	c.Post(t, "/v1/types:reload", nil).Want(t, 200)
	c = apitest.NewClient(t, r.URL) // which knows the document as it is now
	c.Get(t, "/v1/notes/a").Want(t, 200).Equal(t, "/data/n", `"seven"`)
	c.Post(t, "/v1/notes", `{"n": "x", "u": "y"}`).Want(t, 201)
	c.Post(t, "/v1/more", `{"k": "a"}`).Want(t, 201)
	c.Post(t, "/v1/more", `{"k": "a"}`).WantProblem(t, 409, "unique_conflict")
	if err := os.Remove(filepath.Join(s.Models, "more.yaml")); err != nil {
		t.Fatal(err)
	}
	c.Post(t, "/v1/types:reload", nil).WantProblem(t, 409, "invalid_state")
	c.Get(t, "/v1/more").Want(t, 200)
}

package tests_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
)

// The model of notes, one that its data does not fit, and that one with a migration.
const (
	notesBefore = "name: notes\nschema: {type: object, properties: {n: {type: integer}, s: {type: string}}}\nindex: [n]\n"
	notesAfter  = "name: notes\nschema: {type: object, required: [u], properties: {n: {type: string}, u: {type: string}, s: {type: string}}}\nindex: [n]\n"
	notesMoved  = notesAfter + `version: "2"
migrations: [{from: "1", patch: [{op: replace, path: /n, value: "seven"}, {op: add, path: /u, value: "x"}]}]
`
)

func modelsOf(t *testing.T, notes string) string {
	t.Helper()
	return apitest.WriteModels(t, map[string]string{"notes": notes})
}

// onDisk is the settings of a program with one note that was made by a model.
func onDisk(t *testing.T, notes string) autocrud.Settings {
	t.Helper()
	s := autocrud.Settings{DataDir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error", Models: modelsOf(t, notes)}
	serving(t, s, func(c *apitest.Client) {
		c.Put(t, "/v1/notes/a", `{"n": 7}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	})
	return s
}

// serving runs a program while fn does.
func serving(t *testing.T, s autocrud.Settings, fn func(c *apitest.Client)) {
	t.Helper()
	r, err := autocrud.New().Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}()
	fn(apitest.NewClient(t, r.URL))
}

// refused starts a program that must not start, and returns what it says.
func refused(t *testing.T, s autocrud.Settings) string {
	t.Helper()
	r, err := autocrud.New().Start(context.Background(), s)
	if err == nil {
		_ = r.Stop()
		t.Fatal("it starts")
	}
	return err.Error()
}

// planOf runs `models plan` and decodes what it prints.
func planOf(t *testing.T, exit int, args ...string) plan.Report {
	t.Helper()
	r := apitest.Run(t, "", append([]string{"models", "plan", "--format", "json"}, args...)...)
	var out plan.Report
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil || r.Code != exit {
		t.Fatalf("models plan %v: exit %d, want %d: %s%s", args, r.Code, exit, r.Stdout, r.Stderr)
	}
	return out
}

// TestAModelThatTheDataDoesNotFitIsRefused: the change that used to be silent is
// planned, refused at the start, served when that is asked for, and fine with a
// migration.
func TestAModelThatTheDataDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	s := onDisk(t, notesBefore)
	after := modelsOf(t, notesAfter)

	// The plan of a stopped program changes nothing.
	out := planOf(t, 2, after, "--data-dir", s.DataDir)
	if p := out.Types[0]; p.Checked != 1 || p.Unfit != 1 || !names(p, "a", "/n") || !names(p, "a", "/u") {
		t.Fatalf("the plan is %+v", p)
	}
	text := apitest.Run(t, "", "models", "plan", after, "--data-dir", s.DataDir)
	for _, line := range []string{"notes: breaking, 1 of 1 live resources do not fit", "a /u: is required", "breaking: 1 of 1 types"} {
		if text.Code != 2 || !strings.Contains(text.Stdout, line) {
			t.Errorf("exit %d, no %q in\n%s%s", text.Code, line, text.Stdout, text.Stderr)
		}
	}

	// Neither does that of a running one.
	serving(t, s, func(c *apitest.Client) {
		out := planOf(t, 2, after, "--url", c.URL)
		if p := out.Types[0]; p.Unfit != 1 || !names(p, "a", "/n") || !names(p, "a", "/u") {
			t.Errorf("the plan is %+v", p)
		}
		planOf(t, 0, modelsOf(t, notesMoved), "--url", c.URL)
		planOf(t, 0, s.Models, "--url", c.URL)
		c.Post(t, "/v1/types:plan", map[string]any{"models": []any{map[string]any{"name": "x.yaml", "content": "name: x\nschema: 1\n"}}}).WantProblem(t, 422, "validation_failed")
		c.Post(t, "/v1/types:plan", map[string]any{"models": 1}).WantProblem(t, 422, "validation_failed")
		c.Get(t, "/v1/notes?filter=n%20%3D%207").Want(t, 200).Equal(t, "/items/0/meta/id", `"a"`)
	})

	// A start is refused, as often as it is tried, and says why and what to do.
	changed := s
	changed.Models = after
	for range 2 {
		said := refused(t, changed)
		for _, want := range []string{"notes: breaking, 1 of 1", "a /n: must be a string", "a /u: is required", "--allow-unfit", "migration"} {
			if !strings.Contains(said, want) {
				t.Errorf("no %q in\n%s", want, said)
			}
		}
	}
	if r := apitest.Run(t, "", "up", "--data-dir", s.DataDir, "--models", after, "--addr", "127.0.0.1:0"); r.Code != 2 {
		t.Errorf("up exits %d: %s", r.Code, r.Stderr)
	}
	serving(t, s, func(c *apitest.Client) { c.Get(t, "/v1/notes/a").Want(t, 200).Equal(t, "/data/n", "7") }) // the old model goes on

	// With a migration all is well, also without an index.
	changed.Models = modelsOf(t, notesMoved)
	for _, name := range []string{"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"} {
		_ = os.Remove(filepath.Join(s.DataDir, name))
	}
	planOf(t, 0, changed.Models, "--data-dir", s.DataDir)
	serving(t, changed, func(c *apitest.Client) {
		c.Get(t, `/v1/notes?filter=n%20%3D%20"seven"&consistency=strong`).Want(t, 200).Equal(t, "/items/0/meta/id", `"a"`)
	})
	// And back again: what was migrated on read is as it was.
	serving(t, s, func(c *apitest.Client) { c.Get(t, "/v1/notes/a").Want(t, 200).Equal(t, "/data/n", "7") })
}

func names(p plan.TypePlan, id, pointer string) bool {
	return slices.ContainsFunc(p.Offenders, func(o plan.Offender) bool { return o.ID == id && o.Pointer == pointer })
}

// TestWhatDoesNotFitIsServedWhenAskedFor: with --allow-unfit it starts, and from then
// on the model is the one that later changes are compared with.
func TestWhatDoesNotFitIsServedWhenAskedFor(t *testing.T) {
	t.Parallel()
	s := onDisk(t, notesBefore)
	s.Models, s.AllowUnfit = modelsOf(t, notesAfter), true
	serving(t, s, func(c *apitest.Client) {
		c.Get(t, "/v1/notes/a?returns=meta").Want(t, 200) // its data is not as the document says
		c.Post(t, "/v1/notes", `{"n": 8}`).WantProblem(t, 422, "validation_failed")
	})
	s.AllowUnfit = false
	serving(t, s, func(c *apitest.Client) { c.Get(t, "/v1/notes/a?returns=meta").Want(t, 200) }) // nothing changes any more
	// What can only widen is not refused for what did not fit before; the plan tells.
	s.Models = modelsOf(t, strings.Replace(notesAfter, "s: {type: string}", "s: {}", 1))
	if p := planOf(t, 0, s.Models, "--data-dir", s.DataDir).Types[0]; p.Unfit != 1 || p.Checked != 1 {
		t.Errorf("the plan is %+v", p)
	}
	serving(t, s, func(c *apitest.Client) { c.Get(t, "/v1/notes/a?returns=meta").Want(t, 200) })
}

// TestWhatChangedIsSeenAfterARestore: a backup has the models that its data was
// written by.
func TestWhatChangedIsSeenAfterARestore(t *testing.T) {
	t.Parallel()
	s := onDisk(t, notesBefore)
	file := filepath.Join(t.TempDir(), "backup")
	ok(t, "", "backup", file, "--data-dir", s.DataDir, "--models", s.Models)
	to := s
	to.DataDir, to.Models = t.TempDir(), modelsOf(t, notesAfter)
	ok(t, "", "restore", file, "--data-dir", to.DataDir, "--models", to.Models)
	if said := refused(t, to); !strings.Contains(said, "a /u: is required") {
		t.Error(said)
	}
	to.Models = s.Models
	serving(t, to, func(c *apitest.Client) { c.Get(t, "/v1/notes/a").Want(t, 200) })
}

// TestWhatChangedIsSeenInARebuiltLog: the archive has them too.
func TestWhatChangedIsSeenInARebuiltLog(t *testing.T) {
	t.Parallel()
	s := apitest.S3(t)
	s.Models, s.Addr, s.LogLevel = modelsOf(t, notesBefore), "127.0.0.1:0", "error"
	serving(t, s, func(c *apitest.Client) {
		seq, err := strconv.ParseUint(c.Post(t, "/v1/notes?id=a", `{"n": 7}`).Want(t, 201).Header.Get("Autocrud-Seq"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		archivedUpTo(t, filepath.Join(apitest.S3Dir(t), s.S3Bucket), seq)
	})
	if err := os.RemoveAll(filepath.Join(s.DataDir, "nats")); err != nil {
		t.Fatal(err)
	}
	ok(t, "", append([]string{"rebuild-log"}, flags(s)...)...)
	before := s.Models
	s.Models = modelsOf(t, notesAfter)
	if said := refused(t, s); !strings.Contains(said, "a /u: is required") {
		t.Error(said)
	}
	s.Models = before
	serving(t, s, func(c *apitest.Client) { c.Get(t, "/v1/notes/a").Want(t, 200) })
}

// TestTwoProcessesWithDifferentModels: beside a process that serves, one with a model
// that widens starts, one with a model that the data does not fit is refused.
func TestTwoProcessesWithDifferentModels(t *testing.T) {
	t.Parallel()
	if !slices.ContainsFunc(allRows, func(s apitest.Storage) bool { return s.Split }) {
		return // the rows that were asked for have one process each
	}
	first := "name: jots\nschema: {type: object, properties: {n: {type: integer}}}\n"
	s := startWithoutAPI(t, map[string]string{"jots": first})
	begin := func(jots string) (*apitest.Client, error) {
		in := apitest.As(s, "api")
		in.Addr, in.LogLevel = "127.0.0.1:0", "error"
		in.Models = apitest.WriteModels(t, with(map[string]string{"jots": jots}))
		r, err := autocrud.New().Start(context.WithoutCancel(t.Context()), in)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() {
			if err := r.Stop(); err != nil {
				t.Error(err)
			}
		})
		return apitest.NewClient(t, r.URL), nil
	}
	a, err := begin(first)
	if err != nil {
		t.Fatal(err)
	}
	a.Post(t, "/v1/jots?id=a", `{"n": 1}`).Want(t, 201)
	if _, err = begin(strings.Replace(first, "integer", "string", 1)); err == nil || !strings.Contains(err.Error(), "a /n: must be a string") {
		t.Errorf("a model that breaks: %v", err)
	}
	provisioning := apitest.As(s, "provision")
	provisioning.Models = apitest.WriteModels(t, with(map[string]string{"jots": strings.Replace(first, "integer", "string", 1)}))
	if err := autocrud.New().Provision(t.Context(), provisioning); err == nil || !strings.Contains(err.Error(), "a /n: must be a string") {
		t.Errorf("provision: %v", err)
	}
	b, err := begin(strings.Replace(first, "integer", "number", 1))
	if err != nil {
		t.Fatal(err)
	}
	b.Post(t, "/v1/jots?id=b", `{"n": 1.5}`).Want(t, 201)
	if _, err := begin(first); err == nil || !strings.Contains(err.Error(), "b /n: must be an integer") {
		t.Errorf("the first model does not fit any more: %v", err)
	}
	a.Get(t, "/v1/jots/b?returns=meta").Want(t, 200) // its data is not as the document of this one says
}

// TestAPlanOfManyRowsCountsThemAll: all are read, the first are named.
func TestAPlanOfManyRowsCountsThemAll(t *testing.T) {
	t.Parallel()
	s := onDisk(t, notesBefore)
	const rows = 2000
	serving(t, s, func(c *apitest.Client) {
		for i := 0; i < rows; i += 100 {
			var ops []any
			for j := range 100 {
				ops = append(ops, map[string]any{"op": "create", "type": "notes", "id": fmt.Sprintf("n%d", i+j), "data": map[string]any{"n": i + j}})
			}
			c.Post(t, "/v1:batch", map[string]any{"operations": ops}).Want(t, 200)
		}
	})
	p := planOf(t, 2, modelsOf(t, strings.Replace(notesBefore, "{type: integer}", "{type: integer, maximum: 999}", 1)), "--data-dir", s.DataDir).Types[0]
	if p.Checked != rows+1 || p.Unfit != rows-1000 || len(p.Offenders) != 10 {
		t.Errorf("the plan is %+v", p)
	}
}

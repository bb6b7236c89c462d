package tests_test

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/tabular"
)

// succeed runs a command that has to end well, and returns what it prints.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	r := apitest.Run(t, "", args...)
	if r.Code != 0 {
		t.Fatalf("%v: exit %d: %s%s", args, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// TestAFolderThatWasInitialized passes the check, runs, takes its seed and answers
// questions. A second init writes nothing over.
func TestAFolderThatWasInitialized(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	succeed(t, "init", dir, "--compose")
	for _, name := range []string{".gitignore", "compose.yaml", "models/.model.schema.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if r := apitest.Run(t, "", "init", dir); r.Code != 2 || !strings.Contains(r.Stderr, "models/notes.yaml") {
		t.Errorf("a second init: exit %d: %s", r.Code, r.Stderr)
	}
	models := filepath.Join(dir, "models")
	if out := succeed(t, "models", "check", models); out != "notes: ok (4 indexed fields)\n" {
		t.Errorf("the check says %q", out)
	}
	p := apitest.Launch(t, "--models", models, "--data-dir", filepath.Join(dir, "data"))
	succeed(t, "import", "notes", filepath.Join(dir, "seed", "notes.ndjson"), "--url", p.URL)
	c := apitest.NewClient(t, p.URL)
	for question, want := range map[string]int{"filter=" + url.QueryEscape(`state = "open"`): 2, "q=folder": 1, "filter=" + url.QueryEscape(`due < "2028-01-01"`): 1} {
		if got := len(c.Get(t, "/v1/notes?consistency=strong&"+question).Want(t, 200).Items()); got != want {
			t.Errorf("%s: %d notes, want %d", question, got, want)
		}
	}
}

// asCSV writes rows without lists and objects as CSV.
func asCSV(t *testing.T, from string) string {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := os.Create(filepath.Join(t.TempDir(), "rows.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := csv.NewWriter(out)
	var header []string
	if err := tabular.Read(f, tabular.JSON, func(n int, row any) error {
		m := row.(map[string]any)
		if n == 1 {
			for name := range m {
				header = append(header, name)
			}
			slices.Sort(header)
			if err := w.Write(header); err != nil {
				return err
			}
		}
		cells := make([]string, len(header))
		for i, name := range header {
			if v := m[name]; v != nil {
				cells[i] = fmt.Sprint(v)
			}
		}
		return w.Write(cells)
	}); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	return out.Name()
}

// fromCSV writes the rows of CSV as JSON, as the model was made of them.
func fromCSV(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var columns tabular.Columns
	var lines []byte
	for _, fn := range []func(n int, row any) error{
		func(_ int, row any) error { columns.Look(row.(map[string]any)); return nil },
		func(_ int, row any) error {
			columns.Convert(row.(map[string]any))
			lines = append(model.AppendCanonical(lines, row), '\n')
			return nil
		},
	} {
		if err := tabular.Read(strings.NewReader(string(b)), tabular.CSV, fn); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "rows.ndjson")
	if err := os.WriteFile(out, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestInferredModelsTakeTheirRows infers models of real files, NDJSON and CSV, checks
// them, imports every row and asks for them. AUTOCRUD_TEST_DATA names more files.
func TestInferredModelsTakeTheirRows(t *testing.T) {
	seed, err := filepath.Abs("../examples/quickstart/seed")
	if err != nil {
		t.Fatal(err)
	}
	seed += "/"
	models := filepath.Join(t.TempDir(), "models")
	sources := map[string]string{"planets": seed + "planets.ndjson", "moons": seed + "moons.ndjson", "elements": asCSV(t, seed+"elements.ndjson")}
	for i, name := range filepath.SplitList(os.Getenv("AUTOCRUD_TEST_DATA")) {
		sources[fmt.Sprint("more-", i)] = name
	}
	for name, file := range sources {
		succeed(t, "models", "infer", name, file, "--models", models)
		if r := apitest.Run(t, "", "models", "infer", name, file, "--models", models); r.Code != 2 {
			t.Errorf("it is written over: exit %d: %s", r.Code, r.Stderr)
		}
		if tabular.FormatOf(file) == tabular.CSV {
			sources[name] = fromCSV(t, file)
		}
	}
	succeed(t, "models", "check", models)
	p := apitest.Launch(t, "--models", models, "--data-dir", t.TempDir(), "--log-level", "error")
	c := apitest.NewClient(t, p.URL)
	for name, file := range sources {
		succeed(t, "import", name, file, "--url", p.URL)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, rows := c.Get(t, "/v1/"+name+"?page_size=1&total=true&consistency=strong").Want(t, 200).Int("/total"), strings.Count(string(b), "\n"); got != rows {
			t.Errorf("%s has %d of %d rows", name, got, rows)
		}
	}
	if got := c.Get(t, "/v1/elements?filter="+url.QueryEscape(`number = 26 AND weight > 55`)).Want(t, 200).Items(); len(got) != 1 {
		t.Errorf("iron is found %d times", len(got))
	}
	if schema := succeed(t, "models", "schema"); schema != string(model.FileSchema) {
		t.Error("models schema prints another schema")
	}
}

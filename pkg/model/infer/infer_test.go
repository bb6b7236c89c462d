package infer_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/infer"
)

// inferred makes a model of rows and loads it; every row has to fit.
func inferred(t *testing.T, name string, rows []any) (string, *model.Type) {
	t.Helper()
	m := infer.New(name)
	for _, row := range rows {
		if err := m.Add(row); err != nil {
			t.Fatal(err)
		}
	}
	text := m.YAML("a test", "model.schema.json")
	typ, problems := model.ParseType(name+".yaml", text)
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	for _, row := range rows {
		if err := typ.Validate(row); err != nil {
			t.Fatalf("%s: %v\n%s", model.AppendCanonical(nil, row), err, text)
		}
		if _, _, unfit := typ.Project(row); len(unfit) > 0 {
			t.Fatalf("%s: %v\n%s", model.AppendCanonical(nil, row), unfit, text)
		}
	}
	return string(text), typ
}

func decoded(t *testing.T, lines ...string) (rows []any) {
	t.Helper()
	for _, line := range lines {
		v, err := model.DecodeJSON([]byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		rows = append(rows, v)
	}
	return rows
}

func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("the model has no %q:\n%s", line, text)
		}
	}
}

func TestKindsRequiredAndFormats(t *testing.T) {
	text, typ := inferred(t, "things", decoded(t,
		`{"id": 1, "name": "a b", "born": "2020-01-02", "at": "2020-01-02T03:04:05Z", "mail": "a@example.com", "n": 1, "link": "https://example.com/", "yes": true, "sub": {"x": [1, 2.5], "y": null}}`,
		`{"id": 2, "name": "c d", "born": null, "at": "2020-01-02T03:04:05+01:00", "mail": "b@example.com", "n": 1.5, "studio_id": "x", "sub": {"x": []}, "mixed": 1}`,
		`{"id": 3, "name": "e f", "n": 2, "sub": {"x": [3]}, "mixed": "one", "list": [{"k": 1}, {"k": 2, "l": "x"}]}`))
	wants(t, text, `required: [id, "n", name, sub]`, "format: date\n", "format: date-time", "format: email", "format: uri", `type: [string, "null"]`,
		"# values of several kinds were seen", "only null was seen", "unique: [id]", "--id-field id", "# refs: {studio_id: studios}", "required: [k]", "fulltext: [name]", `"yes":`)
	if typ.Unique[0][0] != "id" || typ.Refs != nil {
		t.Errorf("the model is\n%s", text)
	}
}

func TestEnumsAreGuessedFromMany(t *testing.T) {
	var rows []any
	for i := range 60 {
		rows = append(rows, map[string]any{"state": []string{"open", "done", "no"}[i%3], "name": fmt.Sprint("n", i), "on": "2020-01-01"})
	}
	text, _ := inferred(t, "tasks", rows)
	wants(t, text, `enum: [done, "no", open]`, "# guessed: no other value was seen in 60", "format: date")
	text, _ = inferred(t, "tasks", rows[:20])
	if strings.Contains(text, "enum") {
		t.Errorf("20 rows are too few for an enum:\n%s", text)
	}
}

func TestManyNamesAreAMap(t *testing.T) {
	var rows []any
	for i := range 250 {
		rows = append(rows, map[string]any{"by": map[string]any{fmt.Sprint("k", i): int64(i)}})
	}
	text, _ := inferred(t, "maps", rows)
	wants(t, text, "additionalProperties:", "a map, as there are 250 different names")
}

func TestARowIsAnObject(t *testing.T) {
	if err := infer.New("x").Add([]any{}); err == nil {
		t.Error("a list is taken for a row")
	}
}

// TestRealData infers a model of each seed of the quickstart, and of the films where
// they are there: AUTOCRUD_TEST_DATA names files.
func TestRealData(t *testing.T) {
	files, err := filepath.Glob("../../../examples/quickstart/seed/*.ndjson")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range append(files, filepath.SplitList(os.Getenv("AUTOCRUD_TEST_DATA"))...) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		var rows []any
		for lines.Scan() {
			rows = append(rows, decoded(t, lines.Text())...)
		}
		if len(rows) == 0 {
			t.Fatalf("%s has no rows", name)
		}
		inferred(t, strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), rows)
	}
}

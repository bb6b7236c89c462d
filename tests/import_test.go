package tests_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

const rowModel = `name: rows
schema:
  type: object
  required: [code]
  properties:
    code:  {type: string}
    name:  {type: [string, "null"]}
    size:  {type: [integer, "null"]}
    ratio: {type: number}
    tags:  {type: array, items: {type: string}}
    deep:  {type: object, properties: {a: {type: [string, "null"]}}}
index: [code, name, size]
`

// rows makes documents with nulls and missing fields, one a line.
func rows(n int) []string {
	out := make([]string, n)
	for i := range out {
		doc := map[string]any{"code": fmt.Sprintf("c%05d", i)}
		switch i % 5 {
		case 0:
			doc["name"], doc["size"] = nil, i
		case 1:
			doc["name"], doc["tags"] = fmt.Sprintf("Größe \"%d\"\n\u2028", i), []string{"a", "b"}
		case 2:
			doc["size"], doc["deep"] = nil, map[string]any{"a": nil}
		case 3:
			doc["ratio"], doc["deep"] = float64(i)/7, map[string]any{"a": "x"}
		}
		b, err := json.Marshal(doc)
		if err != nil {
			panic(err)
		}
		out[i] = string(b)
	}
	return out
}

// launchRows runs a program with the model above and writes lines to a file.
func launchRows(t *testing.T, lines []string) (c *apitest.Client, file string) {
	t.Helper()
	p := apitest.Launch(t, "--models", apitest.WriteModels(t, map[string]string{"rows": rowModel}), "--data-dir", t.TempDir(), "--log-level", "error")
	file = filepath.Join(t.TempDir(), "rows.ndjson")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return apitest.NewClient(t, p.URL), file
}

func total(t *testing.T, c *apitest.Client, typ string) int {
	t.Helper()
	return c.Get(t, "/v1/"+typ+"?total=true&page_size=1").Want(t, 200).Int("/total")
}

// ok runs a command that must succeed.
func ok(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	r := apitest.Run(t, stdin, args...)
	if r.Code != 0 {
		t.Fatalf("%v: exit %d: %s%s", args, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// byCode reads exported lines.
func byCode(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(text) {
		var doc struct{ Code string }
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out[doc.Code] = strings.TrimSpace(line)
	}
	return out
}

func sameRows(t *testing.T, exported string, lines []string) {
	t.Helper()
	got := byCode(t, exported)
	if len(got) != len(lines) || strings.Count(exported, "\n") != len(lines) {
		t.Fatalf("%d rows exported, want %d", len(got), len(lines))
	}
	for _, line := range lines {
		var doc map[string]any
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		var back any
		if err := json.Unmarshal([]byte(got[doc["code"].(string)]), &back); err != nil {
			t.Fatal(err)
		}
		if !apitest.SameJSON(t, back, line) {
			t.Errorf("%s came back as %v", line, back)
		}
	}
}

func TestAnImportThatWasKilledGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	lines := rows(2000)
	c, file := launchRows(t, lines)
	kill := apitest.Spawn(t, "import", "rows", file, "--url", c.URL, "--parallel", "2")
	apitest.Eventually(t, 30*time.Second, "some rows are there", func() bool { return total(t, c, "rows") >= 200 })
	kill()
	if n := total(t, c, "rows"); n >= 2000 {
		t.Fatalf("%d rows: the import was not killed half-way", n)
	}
	out := ok(t, "", "import", "rows", file, "--url", c.URL)
	if n := total(t, c, "rows"); n != 2000 {
		t.Errorf("%d rows, want 2000: %s", n, out)
	}
	if out := ok(t, "", "import", "rows", file, "--url", c.URL); !strings.HasPrefix(out, "0 imported") || total(t, c, "rows") != 2000 {
		t.Errorf("a repeated import: %s", out)
	}
	sameRows(t, ok(t, "", "export", "rows", "--url", c.URL), lines)
	exported := filepath.Join(t.TempDir(), "out.ndjson")
	ok(t, "", "export", "rows", exported, "--url", c.URL)
	b, err := os.ReadFile(exported)
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, string(b), lines)
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(exported), "*"))
	if len(left) != 1 {
		t.Errorf("beside the export there is %v", left)
	}
}

func TestRowsComeFromArraysAndFromStdin(t *testing.T) {
	t.Parallel()
	lines := rows(250)
	c, _ := launchRows(t, nil)
	ok(t, "\n [\n"+strings.Join(lines[:100], ",\n")+"]\n", "import", "rows", "-", "--url", c.URL, "--id-field", "code")
	ok(t, strings.Join(lines[100:], "\r\n\r\n"), "import", "rows", "-", "--url", c.URL, "--id-field", "code")
	sameRows(t, ok(t, "", "export", "rows", "-", "--url", c.URL), lines)
	c.Get(t, "/v1/rows/c00007").Want(t, 200).Equal(t, "/data/code", `"c00007"`)
	if got := byCode(t, ok(t, "", "export", "rows", "--url", c.URL, "--filter", `size = 10`)); len(got) != 1 || got["c00010"] == "" {
		t.Errorf("a filtered export gives %v", got)
	}
}

func TestRowsThatExistAreSkippedReplacedOrFail(t *testing.T) {
	t.Parallel()
	c, _ := launchRows(t, nil)
	first := `{"code":"a","name":"one"}` + "\n" + `{"code":"b","name":"two"}`
	second := `{"code":"a","name":"new"}` + "\n" + `{"code":"c","name":"three"}`
	ok(t, first, "import", "rows", "-", "--url", c.URL, "--id-field", "code")
	ok(t, second, "import", "rows", "-", "--url", c.URL, "--id-field", "code")
	c.Get(t, "/v1/rows/a").Equal(t, "/data/name", `"one"`).Equal(t, "/meta/revision_count", "1")
	ok(t, second, "import", "rows", "-", "--url", c.URL, "--id-field", "code", "--on-conflict", "replace")
	c.Get(t, "/v1/rows/a").Equal(t, "/data/name", `"new"`).Equal(t, "/meta/revision_count", "2")
	c.Get(t, "/v1/rows/c").Equal(t, "/meta/revision_count", "1")
	r := apitest.Run(t, second, "import", "rows", "-", "--url", c.URL, "--id-field", "code", "--on-conflict", "fail")
	if r.Code != 1 || !strings.Contains(r.Stderr, "exists") {
		t.Errorf("exit %d: %s", r.Code, r.Stderr)
	}
	if n := total(t, c, "rows"); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}

func TestABadImportSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	c, _ := launchRows(t, nil)
	for _, x := range []struct {
		name, in string
		args     []string
		says     string
		rows     int
	}{
		{"a row that does not fit", `{"code":"a"}` + "\n" + `{"code":7}` + "\n" + `{"code":"b"}`, nil, "row 2", 2},
		{"a line that is no JSON", `{"code":"c"}` + "\n" + `{"code":`, nil, "line 2", 3},
		{"an array that ends early", `[{"code":"d"},`, nil, "element 2", 4},
		{"an array without its end", `[{"code":"e"}`, nil, "does not end", 5},
		{"something after the array", `[{"code":"f"}] {"code":"g"}`, nil, "follows", 6},
		{"an id that cannot be", `{"code":"e.f"}`, []string{"--id-field", "code"}, "row 1", 6},
		{"no id", `{"name":"x","code":"x"}`, []string{"--id-field", "size"}, "row 1", 6},
	} {
		r := apitest.Run(t, x.in, append([]string{"import", "rows", "-", "--url", c.URL}, x.args...)...)
		if r.Code != 1 || !strings.Contains(r.Stderr, x.says) {
			t.Errorf("%s: exit %d: %s", x.name, r.Code, r.Stderr)
		}
		if n := total(t, c, "rows"); n != x.rows {
			t.Errorf("%s: %d rows, want %d", x.name, n, x.rows)
		}
	}
	if r := apitest.Run(t, "", "import", "films", "-", "--url", c.URL); r.Code != 0 && r.Code != 1 {
		t.Errorf("an unknown type without rows: exit %d", r.Code)
	}
	if r := apitest.Run(t, "{}", "import", "films", "-", "--url", c.URL); r.Code != 1 || !strings.Contains(r.Stderr, "films") {
		t.Errorf("an unknown type: exit %d: %s", r.Code, r.Stderr)
	}
	if r := apitest.Run(t, "", "import", "rows", "no-such-file", "--url", c.URL); r.Code != 2 {
		t.Errorf("no file: exit %d: %s", r.Code, r.Stderr)
	}
}

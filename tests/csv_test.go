package tests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// csvServer serves the type rows and a second type of the same schema.
func csvServer(t *testing.T) *apitest.Client {
	t.Helper()
	return apitest.Start(t, nil, autocrud.Settings{Storage: "memory", Models: apitest.WriteModels(t, map[string]string{
		"rows": rowModel, "copies": strings.Replace(rowModel, "name: rows", "name: copies", 1),
		"films": filmModel, "again": strings.Replace(filmModel, "name: films", "name: again", 1)})})
}

// TestRowsGoOutAsCSVAndInAgain: equal, with lists, nulls, empty and missing values.
func TestRowsGoOutAsCSVAndInAgain(t *testing.T) {
	c := csvServer(t)
	lines := append(rows(50), `{"code":"","name":"","tags":[]}`, `{"code":"null","name":null,"tags":["","a;b"," c "]}`, `{"code":"\"\"","name":"null","deep":{}}`, `{"code":"a,b\r\n\"c\"","deep":{"a":null},"tags":["x"]}`)
	out := filepath.Join(t.TempDir(), "out.csv")
	ok(t, strings.Join(lines, "\n"), "import", "rows", "-", "--url", c.URL)
	if got := ok(t, "", "export", "rows", out, "--url", c.URL); !strings.HasPrefix(got, "54 exported") {
		t.Fatal(got)
	}
	if b, err := os.ReadFile(out); err != nil || !strings.HasPrefix(string(b), "code,deep.a,name,ratio,size,tags,deep\n") {
		t.Errorf("%.200s, %v", b, err)
	}
	ok(t, "", "import", "copies", out, "--url", c.URL)
	sameRows(t, ok(t, "", "export", "copies", "--url", c.URL), lines)
	// Another separator, by stdout and stdin: those that have an id again are there already.
	piped := ok(t, "", "export", "rows", "--format", "csv", "--list-separator", "|", "--url", c.URL)
	if got := ok(t, piped, "import", "copies", "-", "--format", "csv", "--list-separator", "|", "--url", c.URL); !strings.HasPrefix(got, "0 imported, 0 replaced, 54 there already") {
		t.Errorf("%s", got)
	}
}

// TestFilmsGoOutAsCSVAndInAgain takes the films of the other tests.
func TestFilmsGoOutAsCSVAndInAgain(t *testing.T) {
	c := csvServer(t)
	path, all := readFilms(t)
	out := filepath.Join(t.TempDir(), "films.csv")
	ok(t, "", "import", "films", path, "--url", c.URL)
	ok(t, "", "export", "films", out, "--url", c.URL)
	ok(t, "", "import", "again", out, "--url", c.URL)
	before, after := strings.Split(ok(t, "", "export", "films", "--url", c.URL), "\n"), strings.Split(ok(t, "", "export", "again", "--url", c.URL), "\n")
	slices.Sort(before)
	slices.Sort(after)
	if len(before) != len(all)+1 || !slices.Equal(before, after) {
		t.Errorf("%d films became %d, or others", len(before), len(after))
	}
}

// TestRefusedRowsOfCSVAreNamed with line, pointer and reason; the others go in.
func TestRefusedRowsOfCSVAreNamed(t *testing.T) {
	c := csvServer(t)
	var b strings.Builder
	b.WriteString("\uFEFFKey;name;size;tags;comment\r\n")
	bad := map[int]string{}
	for i := range 100 {
		size := fmt.Sprint(i)
		if i%10 == 5 {
			size = fmt.Sprintf("n%d", i)
			bad[2+2*i] = size
		}
		fmt.Fprintf(&b, "k%d;\"two\r\nlines\";%s;a,b;dropped\r\n", i, size)
	}
	dir := t.TempDir()
	file, refused := filepath.Join(dir, "in.txt"), filepath.Join(dir, "refused.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"import", "rows", file, "--format", "csv", "--map", "Key=code,comment=", "--list-separator", ",", "--id-field", "code", "--refused", refused, "--url", c.URL}
	r := apitest.Run(t, "", args...)
	if r.Code != 1 || !strings.HasPrefix(r.Stdout, "90 imported, 0 replaced, 0 there already, 10 refused") || len(bad) != 10 {
		t.Fatalf("exit %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	for line := range bad {
		if !strings.Contains(r.Stderr, fmt.Sprintf("line %d: ", line)) {
			t.Errorf("line %d is not named", line)
		}
	}
	if n := strings.Count(r.Stderr, "/size "); n != 10 {
		t.Errorf("%d of 10 pointers in %s", n, r.Stderr)
	}
	if got := c.Get(t, "/v1/rows/k7").Want(t, 200); !apitest.SameJSON(t, got.Value("/data"), `{"code":"k7","name":"two\nlines","size":7,"tags":["a","b"]}`) {
		t.Errorf("%v", got.Value("/data"))
	}
	// Corrected, the refused ones go in.
	text, err := os.ReadFile(refused)
	if err != nil || strings.Count(string(text), "k") != 10 || !strings.HasPrefix(string(text), "Key;") {
		t.Fatalf("%s, %v", text, err)
	}
	args[2] = filepath.Join(dir, "corrected.csv")
	if err := os.WriteFile(args[2], []byte(regexp.MustCompile(`;n(\d)`).ReplaceAllString(string(text), ";$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := apitest.Run(t, "", args...); r.Code != 0 || !strings.HasPrefix(r.Stdout, "10 imported") {
		t.Errorf("exit %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	for text, want := range map[string]string{
		"code,code\n1,2\n":          "column 2 has no name of its own",
		"":                          "the file is empty",
		"code,name\nx\n":            "line 2: it has 1 cells, the header has 2",
		"code\n\xff\n":              "line 2: column code is no UTF-8",
		"code\n\"\x1b]0;x\x07\"y\n": "line 2: ",
	} {
		r := apitest.Run(t, text, "import", "rows", "-", "--format", "csv", "--url", c.URL)
		if r.Code != 1 || !strings.Contains(r.Stderr, want) || strings.Contains(r.Stderr, "\x1b") {
			t.Errorf("%q: exit %d: %s", text, r.Code, r.Stderr)
		}
	}
	for _, more := range [][]string{{"--map", "Nothing=code"}, {"--map", "Key"}, {"--map", "Key=name"}} {
		if r := apitest.Run(t, "", append([]string{"import", "rows", file, "--format", "csv", "--url", c.URL}, more...)...); r.Code != 1 {
			t.Errorf("%q: exit %d: %s", more, r.Code, r.Stderr)
		}
	}
}

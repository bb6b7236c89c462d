package tests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// clubs are people who refer to each other and have pictures.
var clubs = map[string]string{"people": `name: people
schema:
  type: object
  properties:
    name:    {type: string}
    friend:  {type: [string, "null"]}
    friends: {type: array, items: {type: string}}
    photo:   {x-binary: {}}
    album:   {type: array, items: {x-binary: {}}}
index: [name]
refs: {friend: {type: people}, friends: {type: people}}
`, "clubs": `name: clubs
schema: {type: object, required: [id], properties: {id: {type: string, pattern: "^c"}, chair: {type: [string, "null"]}}}
refs: {chair: {type: people}}
`}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAnImportReadsWhatProgramsWrite: with a byte order mark, over several lines,
// without line ends; what it cannot read it names.
func TestAnImportReadsWhatProgramsWrite(t *testing.T) {
	c := run(t, inMemory, nil, clubs)
	for i, text := range []string{
		"\xEF\xBB\xBF{\"name\":\"a\"}\n{\"name\":\"b\"}\n",
		"{\n  \"name\": \"a\"\n}\n{\n  \"name\": \"b\"\n}\n",
		"{\"name\":\"a\"}{\"name\":\"b\"}",
		"\r\n{\"name\":\"a\"}\r\n\r\n{\"name\":\r\n\"b\"}",
		"\xEF\xBB\xBF[{\"name\":\"a\"},\n {\"name\":\"b\"}]",
		" [{\"name\":\"a\"},{\"name\":\"b\"}] ",
	} {
		text = strings.NewReplacer(`"a"`, fmt.Sprintf(`"a%d"`, i), `"b"`, fmt.Sprintf(`"b%d"`, i)).Replace(text)
		if got := ok(t, "", "import", "people", writeFile(t, "rows.json", text), "--url", c.URL); !strings.HasPrefix(got, "2 imported") || total(t, c, "people") != 2*i+2 {
			t.Errorf("%d: %s", i, got)
		}
	}
	for _, x := range []struct{ name, text, want string }{
		{"people.json", "id,name\n1,a\n", "line 1 is no JSON document; this looks like CSV"},
		{"people.txt", "\n\"id\";\"name\"\n", "line 2 is no JSON document; this looks like CSV"},
		{"utf16.json", "\xFF\xFE{\x00}\x00", "the file is UTF-16; save it as UTF-8"},
		{"bad.json", "{\"name\":\"bad1\"}\n{\n\"name\": x\n}", "line 3 is no JSON document; rows before it were imported"},
		{"marked.json", "\xEF\xBB\xBF{\"name\":\"bad2\"}\n\n{\"name\" \"x\"}", "line 3 is no JSON document"},
		{"cut.json", "{\"name\":\"bad3\"}\n{\"name\":\n\"x\"", "line 3 is no JSON document"},
		{"huge.json", "{\"name\":\"bad4\"}\n{\"name\":\"" + strings.Repeat("x", 24<<20) + "\"}", "the document in line 2 is longer than 16777216 bytes"},
	} {
		r := apitest.Run(t, "", "import", "people", writeFile(t, x.name, x.text), "--url", c.URL)
		if r.Code != 1 || !strings.Contains(r.Stderr, x.want) {
			t.Errorf("%s: exit %d, %s", x.name, r.Code, r.Stderr)
		}
	}
	if n := total(t, c, "people"); n != 2*6+4 {
		t.Errorf("%d rows before the mistakes are there", n)
	}
}

// TestAnImportTakesRowsInAnyOrder: rows that refer to later ones, in chains and in
// circles, go in by one run.
func TestAnImportTakesRowsInAnyOrder(t *testing.T) {
	c := run(t, inMemory, nil, clubs)
	var lines []string
	for i := range 200 { // each refers to the one after it
		lines = append(lines, fmt.Sprintf(`{"name":"p%d","friend":"p%d"}`, i, i+1))
	}
	lines = append(lines, `{"name":"p200","friend":"p200"}`,
		`{"name":"x1","friend":"x2"}`, `{"name":"x2","friend":"x1"}`,
		`{"name":"y0","friend":"y1"}`, `{"name":"y1","friends":["y2","p0","y3"]}`, `{"name":"y2","friend":"y3"}`, `{"name":"y3","friend":"y1"}`,
		`{"name":"z1","friend":"nobody"}`, `{"name":"z2","friend":"z1"}`)
	file := writeFile(t, "tree.ndjson", strings.Join(lines, "\n"))
	for i, want := range []string{"207 imported, 0 replaced, 0 there already, 2 refused", "0 imported, 0 replaced, 207 there already, 2 refused"} {
		r := apitest.Run(t, "", "import", "people", file, "--id-field", "name", "--url", c.URL)
		if r.Code != 1 || strings.TrimSpace(r.Stdout) != want || !strings.Contains(r.Stderr, "row 208: a reference leads to nothing") || !strings.Contains(r.Stderr, "row 209: ") {
			t.Errorf("run %d: exit %d, %s%s", i+1, r.Code, r.Stdout, r.Stderr)
		}
	}
	slices.Reverse(lines)
	r := apitest.Run(t, strings.Join(lines, "\n"), "import", "people", "-", "--id-field", "name", "--on-conflict", "replace", "--url", c.URL)
	if !strings.Contains(r.Stdout, "0 imported, 207 replaced") {
		t.Errorf("%s%s", r.Stdout, r.Stderr)
	}
}

// TestAnImportTellsOfDeletedRows: rows that exist and are deleted are not there.
func TestAnImportTellsOfDeletedRows(t *testing.T) {
	c := run(t, inMemory, nil, clubs)
	file := writeFile(t, "rows.ndjson", `{"name":"a"}`+"\n"+`{"name":"b"}`+"\n")
	ok(t, "", "import", "people", file, "--id-field", "name", "--url", c.URL)
	c.Delete(t, "/v1/people/a").Want(t, 200)
	for _, mode := range []string{"skip", "replace"} {
		r := apitest.Run(t, "", "import", "people", file, "--id-field", "name", "--on-conflict", mode, "--url", c.URL)
		if r.Code != 1 || !strings.Contains(r.Stdout, "1 deleted, 0 refused") || !strings.Contains(r.Stderr, ":restore brings one back") {
			t.Errorf("%s: exit %d, %s%s", mode, r.Code, r.Stdout, r.Stderr)
		}
	}
	if r := apitest.Run(t, "", "import", "people", file, "--id-field", "name", "--on-conflict", "fail", "--parallel", "1", "--url", c.URL); r.Code != 1 || !strings.Contains(r.Stderr, "row 1") {
		t.Errorf("fail: exit %d, %s%s", r.Code, r.Stdout, r.Stderr)
	}
	c.Post(t, "/v1/people/a:restore", nil).Want(t, 200)
	if got := ok(t, "", "import", "people", file, "--id-field", "name", "--url", c.URL); !strings.Contains(got, "2 there already, 0 refused") {
		t.Error(got)
	}
}

// TestAnIDNeedNotBeData: the property of the ids is taken out where the model does
// not have it, and kept where it does.
func TestAnIDNeedNotBeData(t *testing.T) {
	c := run(t, inMemory, nil, clubs)
	if got := ok(t, `{"id":"p1","name":"a"} {"id":7,"name":"b"}`, "import", "people", "-", "--id-field", "id", "--url", c.URL); !strings.HasPrefix(got, "2 imported") {
		t.Error(got)
	}
	c.Get(t, "/v1/people/p1").Want(t, 200).Equal(t, "/data", `{"name":"a"}`)
	c.Get(t, "/v1/people/7").Want(t, 200).Equal(t, "/data", `{"name":"b"}`)
	r := apitest.Run(t, `{"id":"c1","chair":"p1"} {"id":"x","chair":"p1"}`, "import", "clubs", "-", "--id-field", "id", "--url", c.URL)
	if r.Code != 1 || !strings.HasPrefix(r.Stdout, "1 imported") || !strings.Contains(r.Stderr, "row 2") {
		t.Errorf("exit %d, %s%s", r.Code, r.Stdout, r.Stderr)
	}
	c.Get(t, "/v1/clubs/c1").Want(t, 200).Equal(t, "/data", `{"chair":"p1","id":"c1"}`)
	r = apitest.Run(t, `{"id":"p9","name":5}`, "import", "people", "-", "--id-field", "id", "--url", c.URL)
	if r.Code != 1 || !strings.Contains(r.Stderr, "/name") {
		t.Errorf("exit %d, %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// TestAnExportWithMetaIsImportedElsewhere: ids, statuses, references and binaries
// are the same, and doing it again changes nothing.
func TestAnExportWithMetaIsImportedElsewhere(t *testing.T) {
	from, to := run(t, inMemory, nil, clubs), run(t, inMemory, nil, clubs)
	big := strings.Repeat("0123456789abcdef", 150_000) // several parts
	digest := func(text, kind string) string {
		return from.Post(t, "/v1/blobs", text, apitest.Header("Content-Type", kind)).Want(t, 201).Text("/digest")
	}
	photo, empty := digest(big, "image/png"), digest("tiny", "text/plain")
	from.Post(t, "/v1/people", fmt.Sprintf(`{"name":"Ann","photo":{"digest":%q}}`, photo)).Want(t, 201)
	ann := from.Get(t, "/v1/people").Text("/items/0/meta/id")
	from.Post(t, "/v1/people?id=bob&status=draft", fmt.Sprintf(`{"name":"Bob","friend":%q,"album":[{"digest":%q},{"digest":%q}]}`, ann, empty, photo)).Want(t, 201)
	from.Patch(t, "/v1/people/"+ann, apitest.MergePatch, `{"friend":"bob"}`).Want(t, 200) // a circle
	from.Post(t, "/v1/clubs?id=k", fmt.Sprintf(`{"id":"c1","chair":%q}`, ann)).Want(t, 201)
	dir := t.TempDir()
	for _, typ := range []string{"people", "clubs"} {
		file := filepath.Join(dir, typ+".ndjson")
		ok(t, "", "export", typ, file, "--with-meta", "--url", from.URL)
		for i, args := range [][]string{nil, {"--with-meta"}, {"--on-conflict", "replace"}} {
			got := ok(t, "", append([]string{"import", typ, file, "--url", to.URL}, args...)...)
			if n := total(t, from, typ); i == 0 && !strings.HasPrefix(got, fmt.Sprint(n, " imported")) || i == 1 && !strings.Contains(got, fmt.Sprint(n, " there already")) || total(t, to, typ) != n {
				t.Errorf("%s, %d: %s", typ, i, got)
			}
		}
	}
	for _, path := range []string{"/v1/people/" + ann, "/v1/people/bob", "/v1/clubs/k"} {
		was, is := from.Get(t, path).Want(t, 200), to.Get(t, path).Want(t, 200)
		for _, part := range []string{"/data", "/meta/status", "/meta/id"} {
			if a, b := fmt.Sprint(was.Value(part)), fmt.Sprint(is.Value(part)); a != b {
				t.Errorf("%s%s is %s, was %s", path, part, b, a)
			}
		}
	}
	if r := to.Get(t, "/v1/people/"+ann+"/blobs/"+photo).Want(t, 200); string(r.Body) != big || r.Header.Get("Content-Type") != from.Get(t, "/v1/people/"+ann+"/blobs/"+photo).Header.Get("Content-Type") {
		t.Errorf("a binary of %d bytes, %s", len(r.Body), r.Header.Get("Content-Type"))
	}
	to.Get(t, "/v1/people/bob/blobs/"+empty).Want(t, 200)
	// What is altered or cut is refused.
	b, err := os.ReadFile(filepath.Join(dir, "people.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		strings.Replace(string(b), `"base64":"MDEyMzQ1`, `"base64":"MDEyMzQ2`, 1): "was altered",
		string(b[:strings.LastIndex(string(b[:len(b)/2]), "\n")+1]):               "the file ends within the binary",
	} {
		r := apitest.Run(t, "", "import", "people", writeFile(t, "bad.ndjson", text), "--url", to.URL)
		if r.Code != 1 || !strings.Contains(r.Stderr, want) {
			t.Errorf("exit %d, %s, want %s", r.Code, r.Stderr, want)
		}
	}
	if r := apitest.Run(t, `{"name":"x"}`, "import", "people", "-", "--with-meta", "--url", to.URL); r.Code != 1 || !strings.Contains(r.Stderr, "it has no data and meta") {
		t.Errorf("exit %d, %s", r.Code, r.Stderr)
	}
}

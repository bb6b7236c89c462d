package tests_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// suitesDir holds json-schema-suite and json-patch-suite of their authors; left
// out: only the tables of our own are asked.
var suitesDir = os.Getenv("AUTOCRUD_TEST_SUITES")

// schemaGroup is a group of JSON-Schema-Test-Suite.
type schemaGroup struct {
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
	Tests       []struct {
		Description string          `json:"description"`
		Data        json.RawMessage `json:"data"`
		Valid       bool            `json:"valid"`
	} `json:"tests"`
	file string
}

// ownGroups are what is asked without the suite: a case for each part of the
// specification that models build on.
const ownGroups = `[
 {"description":"core 8.2.3.1, references","schema":{"$ref":"#/$defs/a","$defs":{"a":{"type":"array","items":{"$ref":"#/$defs/b"}},"b":{"type":"integer"}}},
  "tests":[{"description":"fits","data":[1,2.0],"valid":true},{"description":"does not","data":[1.5],"valid":false}]},
 {"description":"core 10.2.1, alternatives","schema":{"oneOf":[{"type":"integer"},{"minimum":2}]},
  "tests":[{"description":"one","data":1,"valid":true},{"description":"both","data":3,"valid":false},{"description":"none","data":1.5,"valid":false}]},
 {"description":"core 10.2.2, conditions","schema":{"if":{"required":["a"]},"then":{"required":["b"]},"type":"object","additionalProperties":true},
  "tests":[{"description":"then","data":{"a":1,"b":2},"valid":true},{"description":"without it","data":{"a":1},"valid":false},{"description":"else","data":{"c":1},"valid":true}]},
 {"description":"core 11.3, what is left over","schema":{"prefixItems":[true],"unevaluatedItems":{"type":"string"}},
  "tests":[{"description":"fits","data":[1,"x"],"valid":true},{"description":"does not","data":[1,2],"valid":false}]},
 {"description":"validation 6.1.1, 1.0 is an integer","schema":{"type":"integer"},
  "tests":[{"description":"1.0","data":1.0,"valid":true},{"description":"1e2","data":1e2,"valid":true},{"description":"1.5","data":1.5,"valid":false}]},
 {"description":"validation 6.4.3, unique by value","schema":{"uniqueItems":true},
  "tests":[{"description":"1 and 1.0","data":[1,1.0],"valid":false},{"description":"1 and true","data":[1,true],"valid":true}]}
]`

// refusedModels says why groups of the suite are no models, by a part of the
// message, the first that is found, and how many tests that leaves out.
var refusedModels = []struct {
	part  string
	tests int
}{
	{"$dynamicRef is not supported", 35},
	{"$dynamicAnchor is not supported", 13},
	{"$anchor is not supported", 16},
	{"$id is allowed at the root only", 36},
	{"only references within the schema are followed", 36},
	{"the default of", 7}, // it must fit its schema
	{"only JSON Schema 2020-12 is understood", 9},
	{"must not hold the character NUL", 4},
}

// The reasons of answers that differ from the suite.
const (
	enforced       = "format is enforced"
	beyond64       = "an integer beyond 64 bits is refused, not rounded"
	unknownRefused = "properties that the schema does not name are refused unless it says otherwise"
)

// differences are the answers that differ, by file, group and test.
var differences = map[string]string{
	"additionalProperties/additionalProperties are allowed by default/additional properties are allowed":                                   unknownRefused,
	"dependentSchemas/single dependency/no dependency":                                                                                     unknownRefused,
	"dependentSchemas/dependent subschema incompatible with root/matches dependency":                                                       unknownRefused,
	"dependentSchemas/dependent subschema incompatible with root/no dependency":                                                            unknownRefused,
	"format/email format/invalid email string is only an annotation by default":                                                            enforced,
	"format/idn-email format/invalid idn-email string is only an annotation by default":                                                    enforced,
	"format/regex format/invalid regex string is only an annotation by default":                                                            enforced,
	"format/ipv4 format/invalid ipv4 string is only an annotation by default":                                                              enforced,
	"format/ipv6 format/invalid ipv6 string is only an annotation by default":                                                              enforced,
	"format/idn-hostname format/invalid idn-hostname string is only an annotation by default":                                              enforced,
	"format/hostname format/invalid hostname string is only an annotation by default":                                                      enforced,
	"format/date format/invalid date string is only an annotation by default":                                                              enforced,
	"format/date-time format/invalid date-time string is only an annotation by default":                                                    enforced,
	"format/time format/invalid time string is only an annotation by default":                                                              enforced,
	"format/json-pointer format/invalid json-pointer string is only an annotation by default":                                              enforced,
	"format/relative-json-pointer format/invalid relative-json-pointer string is only an annotation by default":                            enforced,
	"format/iri format/invalid iri string is only an annotation by default":                                                                enforced,
	"format/iri-reference format/invalid iri-reference string is only an annotation by default":                                            enforced,
	"format/uri format/invalid uri string is only an annotation by default":                                                                enforced,
	"format/uri-reference format/invalid uri-reference string is only an annotation by default":                                            enforced,
	"format/uri-template format/invalid uri-template string is only an annotation by default":                                              enforced,
	"format/uuid format/invalid uuid string is only an annotation by default":                                                              enforced,
	"format/duration format/invalid duration string is only an annotation by default":                                                      enforced,
	"not/forbidden property/property absent":                                                                                               unknownRefused,
	"optional/bignum/integer/a bignum is an integer":                                                                                       beyond64,
	"optional/bignum/integer/a negative bignum is an integer":                                                                              beyond64,
	"optional/bignum/number/a bignum is a number":                                                                                          beyond64,
	"optional/bignum/number/a negative bignum is a number":                                                                                 beyond64,
	"optional/bignum/maximum integer comparison/comparison works for high numbers":                                                         beyond64,
	"optional/bignum/minimum integer comparison/comparison works for very negative numbers":                                                beyond64,
	"optional/float-overflow/all integers are multiples of 0.5, if overflow is handled/valid if optional overflow handling is implemented": beyond64,
	"properties/object properties validation/doesn't invalidate other properties":                                                          unknownRefused,
	"ref/naive replacement of $ref with its destination is not correct/match the enum exactly":                                             unknownRefused,
}

func TestValidationIsThatOfJSONSchema(t *testing.T) {
	t.Parallel()
	groups := readGroups(t)
	models, left := map[string]string{}, map[string]int{}
	for i, g := range groups {
		model, problems := g.model(fmt.Sprintf("g%d", i))
		if problems != nil {
			left[refusalOf(t, g, problems)] += len(g.Tests)
			continue
		}
		models[fmt.Sprintf("g%d", i)] = model
	}
	for _, x := range refusedModels {
		if suitesDir != "" && left[x.part] != x.tests {
			t.Errorf("%s leaves out %d tests, want %d", x.part, left[x.part], x.tests)
		}
	}
	base := bare(t, models)
	asked, passed, met := 0, 0, map[string]bool{}
	for i, g := range groups {
		typ := fmt.Sprintf("g%d", i)
		if models[typ] == "" {
			continue
		}
		for _, x := range g.Tests {
			asked++
			status, answer := post(t, base+"/v1/"+typ, []byte(`{"v":`+string(x.Data)+`}`))
			name := g.file + "/" + g.Description + "/" + x.Description
			got := status == http.StatusCreated
			switch {
			case status != http.StatusCreated && status != http.StatusUnprocessableEntity:
				t.Errorf("%s: %d %s", name, status, answer)
			case got == x.Valid:
				passed++
			case differences[name] == "":
				t.Errorf("%s: valid is %t, want %t: %s", name, got, x.Valid, answer)
			default:
				met[name] = true
			}
		}
	}
	t.Logf("%d groups, %d tests asked, %d as the suite says, %d other for a reason, left out %v", len(groups), asked, passed, len(met), left)
	for name := range differences {
		if suitesDir != "" && !met[name] {
			t.Errorf("%s is no difference any more", name)
		}
	}
}

func readGroups(t *testing.T) []schemaGroup {
	t.Helper()
	var groups []schemaGroup
	add := func(file string, b []byte) {
		var more []schemaGroup
		if err := json.Unmarshal(b, &more); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, g := range more {
			g.file = file
			groups = append(groups, g)
		}
	}
	add("own", []byte(ownGroups))
	if suitesDir == "" {
		return groups
	}
	dir := filepath.Join(suitesDir, "json-schema-suite", "draft2020-12")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil {
			name, _ := filepath.Rel(dir, strings.TrimSuffix(path, ".json"))
			add(filepath.ToSlash(name), b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// model makes the schema of a group that of the property v.
func (g schemaGroup) model(name string) (string, error) {
	d := json.NewDecoder(bytes.NewReader(g.Schema))
	d.UseNumber()
	var schema any
	if err := d.Decode(&schema); err != nil {
		return "", err
	}
	if m, ok := schema.(map[string]any); ok {
		if m["$schema"] == "https://json-schema.org/draft/2020-12/schema" {
			delete(m, "$schema")
		}
		if id, _ := m["$id"].(string); id != "" && !strings.Contains(string(g.Schema), `"$ref":"`+id) {
			delete(m, "$id") // of the whole
		}
	}
	movePointers(schema)
	b, err := json.Marshal(map[string]any{"name": name, "schema": map[string]any{"type": "object", "properties": map[string]any{"v": schema}}})
	if err != nil {
		return "", err
	}
	if _, problems := model.ParseType(name+".json", b); len(problems) > 0 {
		return "", problems
	}
	return string(b), nil
}

func movePointers(v any) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && (ref == "#" || strings.HasPrefix(ref, "#/")) {
			v["$ref"] = "#/properties/v" + ref[1:]
		}
		for _, x := range v {
			movePointers(x)
		}
	case []any:
		for _, x := range v {
			movePointers(x)
		}
	}
}

// refusalOf finds the reason of a refused model among the known ones.
func refusalOf(t *testing.T, g schemaGroup, problems error) string {
	t.Helper()
	for _, x := range refusedModels {
		if strings.Contains(problems.Error(), x.part) {
			return x.part
		}
	}
	t.Errorf("%s/%s is no model: %v", g.file, g.Description, problems)
	return "unknown"
}

// bare starts a program for clients that do not know its document, which would be
// large.
func bare(t *testing.T, models map[string]string) string {
	t.Helper()
	files := map[string]string{}
	for name, text := range models {
		files[name] = text
	}
	r, err := autocrud.New().Start(t.Context(), autocrud.Settings{Storage: "memory", Addr: "127.0.0.1:0", LogLevel: "error", DataDir: t.TempDir(),
		Models: apitest.WriteModels(t, files)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Errorf("the program ended with: %v", err)
		}
	})
	return r.URL
}

func post(t *testing.T, url string, body []byte) (int, []byte) {
	t.Helper()
	return send(t, http.MethodPost, url, "application/json", body)
}

func send(t *testing.T, method, url, media string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

// patchCase is a case of json-patch-tests.
type patchCase struct {
	Comment  string          `json:"comment"`
	Doc      json.RawMessage `json:"doc"`
	Patch    json.RawMessage `json:"patch"`
	Expected json.RawMessage `json:"expected"`
	Error    string          `json:"error"`
	Disabled bool            `json:"disabled"`
}

// ownPatches are what is asked without the suite, of RFC 6902 appendix A and RFC
// 6901 section 4.
const ownPatches = `[
 {"comment":"A.6","doc":{"foo":{"bar":"baz"}},"patch":[{"op":"move","from":"/foo/bar","path":"/qux"}],"expected":{"foo":{},"qux":"baz"}},
 {"comment":"A.9","doc":{"baz":"qux"},"patch":[{"op":"test","path":"/baz","value":"bar"}],"error":"another value"},
 {"comment":"A.12","doc":{"foo":"bar"},"patch":[{"op":"add","path":"/baz/bat","value":"qux"}],"error":"nothing is around it"},
 {"comment":"empty key","doc":{"":1},"patch":[{"op":"copy","from":"/","path":"/w"}],"expected":{"":1,"w":1}},
 {"comment":"leading zero","doc":{"v":[1,2]},"patch":[{"op":"remove","path":"/v/01"}],"error":"a leading zero"},
 {"comment":"1 is 1.0","doc":{"v":1},"patch":[{"op":"test","path":"/v","value":1.0}],"expected":{"v":1}}
]`

// patchDifferences are the cases that are answered otherwise, with the reason.
var patchDifferences = map[string]string{}

// TestPatchesAreThoseOfRFC6902 sends each case twice: its document as that of the
// resource, when it is an object, and as that of the property v.
func TestPatchesAreThoseOfRFC6902(t *testing.T) {
	t.Parallel()
	cases := readPatches(t)
	base := bare(t, map[string]string{"docs": "name: docs\nschema: {type: object, additionalProperties: true}\n"})
	asked, passed, met := 0, 0, map[string]bool{}
	for i, x := range cases {
		for _, wrapped := range []bool{false, true} {
			doc, patch, want := x.Doc, x.Patch, x.Expected
			if wrapped {
				doc, patch, want = wrap(doc), movePaths(t, patch), wrap(want)
			} else if !bytes.HasPrefix(bytes.TrimSpace(doc), []byte("{")) || len(want) > 0 && !bytes.HasPrefix(bytes.TrimSpace(want), []byte("{")) {
				continue // a resource is an object
			}
			asked++
			name := fmt.Sprintf("%d %s %t", i, x.Comment, wrapped)
			if reason := askPatch(t, base, doc, patch, want, x.Error != ""); reason == "" {
				passed++
			} else if patchDifferences[name] == "" {
				t.Errorf("%s: %s", name, reason)
			} else {
				met[name] = true
			}
		}
	}
	t.Logf("%d cases, %d asked, %d as the suite says, %d other for a reason", len(cases), asked, passed, len(met))
	for name := range patchDifferences {
		if suitesDir != "" && !met[name] {
			t.Errorf("%s is no difference any more", name)
		}
	}
}

func readPatches(t *testing.T) []patchCase {
	t.Helper()
	files := [][]byte{[]byte(ownPatches)}
	for _, name := range []string{"spec_tests.json", "tests.json"} {
		if suitesDir == "" {
			break
		}
		b, err := os.ReadFile(filepath.Join(suitesDir, "json-patch-suite", name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	var out []patchCase
	for _, b := range files {
		var cases []patchCase
		if err := json.Unmarshal(b, &cases); err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.DeleteFunc(cases, func(x patchCase) bool { return x.Disabled || x.Patch == nil })...)
	}
	return out
}

func wrap(doc json.RawMessage) json.RawMessage {
	if doc == nil {
		return nil
	}
	return json.RawMessage(`{"v":` + string(doc) + `}`)
}

// movePaths makes the pointers of a patch those below /v.
func movePaths(t *testing.T, patch json.RawMessage) json.RawMessage {
	t.Helper()
	var ops []map[string]json.RawMessage
	if json.Unmarshal(patch, &ops) != nil {
		return patch
	}
	for _, op := range ops {
		for _, k := range []string{"path", "from"} {
			var s string
			if len(op[k]) > 0 && op[k][0] == '"' && json.Unmarshal(op[k], &s) == nil && (s == "" || s[0] == '/') {
				op[k], _ = json.Marshal("/v" + s)
			}
		}
	}
	b, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// askPatch says what is other than it must be.
func askPatch(t *testing.T, base string, doc, patch, want json.RawMessage, refused bool) string {
	t.Helper()
	status, answer := post(t, base+"/v1/docs", doc)
	if status != http.StatusCreated {
		return fmt.Sprintf("create: %d %s", status, answer)
	}
	var made struct {
		Meta struct{ ID string }
		Data any
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		t.Fatal(err)
	}
	status, answer = send(t, http.MethodPatch, base+"/v1/docs/"+made.Meta.ID, apitest.JSONPatch, patch)
	if refused {
		if status != http.StatusBadRequest && status != http.StatusConflict && status != http.StatusUnprocessableEntity {
			return fmt.Sprintf("%d %s, must be refused", status, answer)
		}
		return ""
	}
	if status != http.StatusOK {
		return fmt.Sprintf("%d %s", status, answer)
	}
	made.Data = nil
	if err := json.Unmarshal(answer, &made); err != nil {
		t.Fatal(err)
	}
	var wanted any
	if want == nil { // only that it applies
		return ""
	}
	if err := json.Unmarshal(want, &wanted); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(made.Data)
	if expected, _ := json.Marshal(wanted); !bytes.Equal(got, expected) {
		return fmt.Sprintf("got %s, want %s", got, expected)
	}
	return ""
}

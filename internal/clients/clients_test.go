package clients_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/clients"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// modelsIn are the models of a folder, as a server would answer with them.
func modelsIn(t *testing.T, dir string) (out []clients.Model) {
	t.Helper()
	types, err := model.LoadTypes(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(types)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTheClientsOfTheExamplesAreThoseOfTheirModels: `go generate ./examples/...` makes
// them.
func TestTheClientsOfTheExamplesAreThoseOfTheirModels(t *testing.T) {
	models := modelsIn(t, "../../examples/quickstart/models")
	inGo, err := clients.Go(models, "planets")
	if err != nil {
		t.Fatal(err)
	}
	inTS, err := clients.TypeScript(models)
	if err != nil {
		t.Fatal(err)
	}
	for dir, files := range map[string][]clients.File{"goclient": inGo, "tsclient": inTS} {
		for _, f := range files {
			name := filepath.Join("../../examples", dir, "planets", f.Name)
			there, err := os.ReadFile(name)
			if err != nil || string(there) != string(f.Text) {
				t.Errorf("%s is not what the models make, %v", name, err)
			}
		}
	}
}

// odd are models whose names and shapes are hard for programs.
var odd = map[string]string{
	"client.yaml": `name: client
schema:
  type: object
  required: [id, type, list]
  properties:
    id: {type: string}
    type: {type: [string, "null"]}
    list: {type: array, items: {type: object, required: [a], additionalProperties: false, properties: {a: {type: array, items: {type: [integer, "null"]}}}}}
    "first name": {type: string}
    "2d": {type: boolean}
    größe: {type: number}
index: [id, "first name", "2d", list.a]
`,
	"trees.yaml": `name: trees
description: |
  Of */ two
  lines
schema:
  type: object
  required: [root]
  $defs:
    node: {type: object, additionalProperties: false, properties: {label: {type: string, description: "a */ b"}, children: {type: array, items: {$ref: "#/$defs/node"}}, next: {$ref: "#/$defs/node"}}}
  properties:
    root: {$ref: "#/$defs/node"}
    maybe: {anyOf: [{$ref: "#/$defs/node"}, {type: "null"}]}
    size: {enum: [small, "very large", null]}
    any: {}
    numbers: {type: object, additionalProperties: {type: integer}}
    several: {type: [string, integer]}
    secret: {type: string, writeOnly: true}
    made: {type: string, format: date-time, readOnly: true}
index: [size, made]
`,
	"query.yaml":     "name: query\nschema: {type: object, additionalProperties: true}\n",
	"new-query.yaml": "name: new-query\nschema: {type: object, properties: {collection: {type: string}, Collection: {type: string}}}\nindex: [collection]\n",
}

func TestAClientOfOddModelsIsGo(t *testing.T) {
	dir := t.TempDir()
	for name, text := range odd {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	models := modelsIn(t, dir)
	files, err := clients.Go(models, "odd")
	if err != nil {
		t.Fatal(err)
	}
	again, err := clients.Go(models, "odd")
	if err != nil || string(again[0].Text) != string(files[0].Text) {
		t.Errorf("a second time it is another client, %v", err)
	}
	out := t.TempDir()
	files = append(files, clients.File{Name: "go.mod", Text: []byte("module odd\n\ngo 1.24\n")})
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(out, f.Name), f.Text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	vet := exec.CommandContext(t.Context(), "go", "vet", "./...")
	vet.Dir, vet.Env = out, append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if said, err := vet.CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s\n%s", err, said, files[0].Text)
	}
	for _, want := range []string{"`json:\"maybe,omitzero\"`", "TreesNode", "NewTextField(\"`first name`\")", "ListField[int64]", "type QueryTypeData map[string]any"} {
		if !strings.Contains(string(files[0].Text), want) {
			t.Errorf("it lacks %s:\n%s", want, files[0].Text)
		}
	}
}

func TestAClientInTypeScriptSaysWhatIsRequired(t *testing.T) {
	dir := t.TempDir()
	for name, text := range odd {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := clients.TypeScript(modelsIn(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	text := string(files[0].Text)
	for _, want := range []string{`"root": TreesNode;`, `"maybe"?: TreesNode | null;`, `"size"?: "small" | "very large" | null;`, `"type": string | null;`,
		`"children"?: Array<TreesNode>;`, `readonly "client": runtime.Collection<ClientData>`, `"numbers"?: { [name: string]: number };`} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "any") && strings.Contains(text, ": any") || strings.Count(text, "*/") != strings.Count(text, "/**") {
		t.Errorf("a comment or a type is wrong:\n%s", text)
	}
}

package model_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/autocrud-go/autocrud/pkg/model"
)

func fileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(model.FileSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("model.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("model.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// judged asks the schema and the loader about a model file.
func judged(t *testing.T, s *jsonschema.Schema, text string) (byLoader model.ModelErrors, bySchema error) {
	t.Helper()
	doc, err := model.ReadYAML([]byte(text), false)
	if err != nil {
		t.Fatal(err)
	}
	_, problems := model.ParseType("x.yaml", []byte(text))
	return problems, s.Validate(doc.Tree)
}

// TestTheSchemaOfModelFilesAndTheLoaderAgree: both take every example and each of these
// models, and both refuse each of the others. Every example names the schema.
func TestTheSchemaOfModelFilesAndTheLoaderAgree(t *testing.T) {
	s := fileSchema(t)
	examples, err := filepath.Glob("../../examples/*/models/*.yaml")
	if err != nil || len(examples) < 4 {
		t.Fatalf("%v, %v", examples, err)
	}
	right := []string{moviesYAML}
	for _, name := range examples {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		right = append(right, string(b))
		if line, _, _ := strings.Cut(string(b), "\n"); line != "# yaml-language-server: $schema=../../../pkg/model/model.schema.json" {
			t.Errorf("%s begins with %q and does not name the schema", name, line)
		}
	}
	const begin = "name: x\nschema: {type: object, properties: {a: {type: string}, b: {type: [integer, 'null']}}}\n"
	for _, more := range []string{"", "index: [a, b]\nfulltext: [a]\nunique: [a, [a, b]]\nrefs: {a: others}\n", "refs: {a: {type: roles, onDelete: cascade, revision: true}}\n",
		"version: 2\nmigrations: [{from: 1, patch: [{op: rename, path: /q, to: a}, {op: add, path: /z, value: 1}]}]\n", "version: '2'\nmigrations: [{from: '1', function: f}]\n",
		"version: '2'\nmigrations: [{from: '1', patch: [{op: split, path: /q, by: ' ', into: [a, b]}, {op: join, path: /l/*, by: ''}, {op: map, path: /s, values: {x: 1}, else: null}, {op: convert, path: /n, to: date-time}, {op: default, path: /d, value: null}]}]\n",
		"job: {queue: q, maxAttempts: 3, timeout: 1h30m, backoff: {initial: 1s, max: 1m}, handler: {exec: [sleep], env: {A: b}, grace: 5s}, keep: 30d}\n",
		"job: {handler: {http: 'https://example.com/x'}, concurrencyKey: a}\n", "job: {}\n", "access: owner\nauditReads: true\nrequireIfMatch: true\ndefaultStatus: draft\nretention: {revisions: 3, days: 30}\ntitle: T\ndescription: D\n"} {
		right = append(right, begin+more)
	}
	for _, text := range right {
		if byLoader, bySchema := judged(t, s, text); bySchema != nil || len(byLoader) > 0 {
			t.Errorf("the schema says %v, the loader %v, of\n%s", bySchema, byLoader, text)
		}
	}
	for _, text := range []string{
		"schema: {type: object}\n", "name: x\n", "name: Bad\nschema: {type: object}\n", "name: types\nschema: {type: object}\n", "name: roles\nschema: {type: object}\n",
		"name: x\nschema: {type: array}\n", "name: x\nschema: 1\n", "name: x\nschema: {type: objec}\n", "name: x\nschema: {type: object, properties: {a: {type: text}}}\n",
		"name: x\nschema: {type: object, properties: {a: {type: string, maxLength: -1}}}\n", "name: x\nschema: {type: object, properties: {a: {type: string, nullable: true}}}\n",
		"name: x\nschema: {type: object, properties: {a: {$ref: 'http://example.com/x'}}}\n", "name: x\nschema: {type: object, properties: {a: {x-binary: {maxBytes: 0}}}}\n",
		"name: x\nschema: {type: object, required: a}\n", "name: x\nschema: {type: object, properties: {a: {enum: x}}}\n", "name: x\nschema: {type: object, properties: {a: {items: [1]}}}\n",
		begin + "colour: red\n", begin + "index: a\n", begin + "index: [1]\n", begin + "fulltext: {a: 1}\n", begin + "unique: a\n", begin + "unique: [1]\n", begin + "refs: [a]\n",
		begin + "refs: {a: {type: roles, onDelete: never}}\n", begin + "refs: {a: {kind: roles}}\n", begin + "defaultStatus: published\n", begin + "access: all\n",
		begin + "requireIfMatch: 1\n", begin + "auditReads: 'yes'\n", begin + "version: 1.5\n", begin + "version: 'a b'\n", begin + "retention: {revisions: -1}\n", begin + "retention: {revisions: many}\n", begin + "retention: {days: -1}\n", begin + "retention: {newest: 1}\n",
		begin + "migrations: {from: 1}\n", begin + "version: 2\nmigrations: [{from: 1}]\n", begin + "version: 2\nmigrations: [{from: 1, patch: [{op: renam, path: /a}]}]\n",
		begin + "version: 2\nmigrations: [{from: 1, patch: [{op: rename, path: /a}]}]\n", begin + "version: 2\nmigrations: [{from: 1, patch: [{op: rename, path: a, to: b}]}]\n",
		begin + "version: 2\nmigrations: [{from: 1, patch: [{op: add, path: /a}]}]\n", begin + "version: 2\nmigrations: [{from: 1, patch: [{op: convert, path: /a, to: int}]}]\n",
		begin + "version: 2\nmigrations: [{from: 1, function: f, patch: [{op: remove, path: /a}]}]\n", begin + "version: 2\nmigrations: [{patch: [{op: remove, path: /a}]}]\n",
		begin + "job: {timeout: soon}\n", begin + "job: {queue: 'A B'}\n", begin + "job: {maxAttempts: 0}\n", begin + "job: {handler: {}}\n", begin + "job: {handler: {http: ftp}}\n",
		begin + "job: {handler: {exec: sh}}\n", begin + "job: {when: now}\n", begin + "job: {handler: {exec: [x], env: {A: 1}}}\n", begin + "title: 1\n",
	} {
		if byLoader, bySchema := judged(t, s, text); bySchema == nil || len(byLoader) == 0 {
			t.Errorf("the schema says %v, the loader %v, of\n%s", bySchema, byLoader, text)
		}
	}
}

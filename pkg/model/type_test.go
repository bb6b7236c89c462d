package model_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const moviesYAML = `
name: movies
title: Movie
schema:
  type: object
  required: [title, year]
  properties:
    title:  {type: string, minLength: 1, maxLength: 500}
    slug:   {type: [string, "null"]}
    year:   {type: integer, minimum: 1870}
    rating: {type: number, default: 5.5}
    genres: {type: array, items: {type: string, enum: [Drama, Crime]}}
    studio: {type: [string, "null"]}
    poster: {x-binary: {maxBytes: 10485760, contentTypes: ["image/*"]}}
    released: {type: string, format: date-time}
    credits:
      type: array
      items:
        type: object
        required: [director]
        properties:
          director: {type: string}
          uncredited: {type: boolean, default: false}
index: [title, year, rating, genres, studio, released, credits.director]
fulltext: [title]
unique: [slug, [studio, year]]
refs:
  studio: {type: studios, onDelete: set_null}
`

type Credit struct {
	Director   string `json:"director"`
	Uncredited bool   `json:"uncredited,omitempty" jsonschema:"default=false"`
}

type Movie struct {
	Title    string     `json:"title" autocrud:"index,fulltext" jsonschema:"minLength=1,maxLength=500"`
	Slug     *string    `json:"slug" autocrud:"unique"`
	Year     int        `json:"year" autocrud:"index" jsonschema:"minimum=1870"`
	Rating   float64    `json:"rating,omitempty" autocrud:"index" jsonschema:"default=5.5"`
	Genres   []string   `json:"genres,omitempty" autocrud:"index" jsonschema:"enum=Drama|Crime"`
	Studio   *string    `json:"studio" autocrud:"index,ref=studios,onDelete=set_null"`
	Poster   model.Blob `json:"poster,omitzero" autocrud:"maxBytes=10485760,contentTypes=image/*"`
	Released time.Time  `json:"released,omitzero" autocrud:"index"`
	Credits  []Credit   `json:"credits,omitempty"`
}

func parse(t testing.TB, text string) *model.Type {
	t.Helper()
	typ, problems := model.ParseType("model.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatalf("the model has mistakes:\n%v", problems)
	}
	return typ
}

func decode(t testing.TB, text string) any {
	t.Helper()
	v, err := model.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func schemaType(t testing.TB, schema string) *model.Type {
	t.Helper()
	typ, err := model.NewType(model.Type{Name: "things", Schema: json.RawMessage(schema)})
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return typ
}

func TestFileAndStructMakeTheSameType(t *testing.T) {
	file := parse(t, moviesYAML)
	goType, err := model.TypeOf[Movie]("movies", model.WithTitle("Movie"), model.WithUnique("studio", "year"), model.WithIndex("credits.director"))
	if err != nil {
		t.Fatal(err)
	}
	if string(file.Schema) != string(goType.Schema) {
		t.Errorf("schemas differ:\nfile %s\n  Go %s", file.Schema, goType.Schema)
	}
	if !reflect.DeepEqual(file.Definition(), goType.Definition()) {
		t.Errorf("definitions differ:\nfile %+v\n  Go %+v", file.Definition(), goType.Definition())
	}
	if !reflect.DeepEqual(file.Refs, goType.Refs) || !reflect.DeepEqual(file.Unique, goType.Unique) || !reflect.DeepEqual(file.Binaries, goType.Binaries) {
		t.Errorf("the rest differs:\nfile %+v\n  Go %+v", file, goType)
	}
	want := []query.Field{
		{Name: "credits.director", Kind: query.Text, List: true}, {Name: "genres", Kind: query.Text, List: true},
		{Name: "rating", Kind: query.Number}, {Name: "released", Kind: query.Time}, {Name: "slug", Kind: query.Text},
		{Name: "studio", Kind: query.Text}, {Name: "title", Kind: query.Text}, {Name: "year", Kind: query.Integer},
	}
	if got := file.Definition(); !reflect.DeepEqual(got.Fields, want) || !reflect.DeepEqual(got.FullText, []string{"title"}) || len(got.Hash) != 64 {
		t.Errorf("definition %+v", got)
	}
	if file.DefaultStatus != storage.Stable || file.Version != "1" {
		t.Errorf("defaults of the model: %q %q", file.DefaultStatus, file.Version)
	}
}

func TestEveryMistakeOfAModelIsNamedWithItsLine(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"bad.yaml": `name: Bad_Name
colour: red
schema:
  type: object
  properties:
    title: {type: string, pattern: "a("}
    year: {type: integr}
    other: {$ref: "http://example.com/x.json"}
    code: {type: string, format: datetime}
    inner:
      type: object
      properties: {a: {type: string}}
defaultStatus: published
job: {timeout: soon, handler: {http: "not a url"}, schedule: ["61 * * * *"]}
`,
		"fields.yml": `name: fields
schema:
  type: object
  properties:
    title: {type: string, default: 7}
    inner: {type: object, properties: {a: {type: string}}}
    any: {}
index:
  - titel
  - inner
  - any
fulltext: [inner.b]
unique: [[title, title]]
refs:
  title: {type: studio}
`,
		"types.json":  `{"name": "types", "schema": {"type": "object"}}`,
		"broken.json": "{\n  \"name\": \"x\",\n}",
		"broken.yaml": "name: x\n  bad: [",
		"twin-a.yaml": "name: studios\nschema: {type: object}\n",
		"twin-b.yaml": "name: studios\nschema: {type: object}\n",
		"ignored.txt": "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := model.LoadTypes(dir)
	var list model.ModelErrors
	if !errors.As(err, &list) {
		t.Fatalf("got %v", err)
	}
	text := err.Error()
	for _, want := range []string{
		`bad.yaml:1: name "Bad_Name" does not match`,
		`bad.yaml:2: unknown key "colour"`,
		`bad.yaml:7: schema: properties/year/type`,
		`bad.yaml:13: defaultStatus "published" is neither draft nor stable`,
		`bad.yaml:14: job.timeout: "soon" is no duration`,
		`bad.yaml:14: job.handler.http must be`,
		`bad.yaml:14: job.schedule "61 * * * *"`,
		`broken.json:3: `,
		`broken.yaml:2: `,
		`fields.yml:5: schema: the default of "title" does not fit: must be a string, not a number`,
		`types.json:1: name "types" is reserved`,
		`twin-b.yaml:1: type "studios" is already defined by twin-a.yaml`,
		`fields.yml:15: refs: field "title" refers to type "studio", which does not exist; did you mean "studios"?`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "ignored") {
		t.Errorf("a file of another kind was read:\n%s", text)
	}
}

func TestMistakesInSchemasAndFields(t *testing.T) {
	for text, want := range map[string]string{
		"schema: {type: object, properties: {t: {type: string, pattern: 'a('}}}":                        "bad regular expression",
		"schema: {type: object, patternProperties: {'a(': {}}}":                                         "bad regular expression",
		"schema: {type: object, properties: {t: {$ref: 'http://example.com/x'}}}":                       "only references within",
		"schema: {type: object, properties: {t: {$ref: '#/$defs/x'}}}":                                  "leads nowhere",
		"schema: {type: object, properties: {t: {$ref: '#/$defs/x'}}, $defs: {x: {$ref: '#/$defs/x'}}}": "circle",
		"schema: {type: object, properties: {t: {type: string, format: datetime}}}":                     `did you mean "date-time"`,
		"schema: {type: object, propertys: {}}":                                                         `unknown keyword "propertys"`,
		"schema: {type: object, properties: {t: {type: string, nullable: true}}}":                       "nullable is not supported",
		"schema: {type: array}": "must be object",
		"schema: {$schema: 'http://json-schema.org/draft-07/schema#'}": "only JSON Schema 2020-12",
		"title: x": "a JSON Schema of an object is needed",
		"schema: {type: object, properties: {t: {x-binary: {maxBytes: 0}}}}":                                               "maxBytes must be",
		"schema: {type: object, properties: {a.b: {type: string}}}\nindex: [a.b]":                                          `index: the property "a.b" has a dot in its name and cannot be named here`,
		"schema: {type: object, properties: {x: {type: object, properties: {a.b: {type: string}}}}}\nindex: [x.a.b]":       `index: the property "a.b" has a dot in its name and cannot be named here`,
		"schema: {type: object, properties: {a.b: {type: object, properties: {c: {type: string}}}}}\nfulltext: [a.b.c]":    `fulltext: the property "a.b" has a dot in its name and cannot be named here`,
		"schema: {type: object, properties: {a.b: {type: string}}}\nunique: [a.b]":                                         `unique: the property "a.b" has a dot in its name and cannot be named here`,
		"schema: {type: object, properties: {title: {type: string}}}\nindex: [titel]":                                      `there is no field "titel"; did you mean "title"?`,
		"schema: {type: object, properties: {a: {type: object, properties: {b: {}}}}}\nindex: [a]":                         "is an object",
		"schema: {type: object, properties: {a: {}}}\nindex: [a]":                                                          "has no type",
		"schema: {type: object, properties: {a: {type: [string, integer]}}}\nindex: [a]":                                   "several kinds",
		"schema: {type: object, properties: {a: {type: object, properties: {b: {type: string}}}}}\nindex: [a.xyz]":         "there are: a.b",
		"schema: {type: object, properties: {a: {type: integer}}}\nfulltext: [a]":                                          "is not text",
		"schema: {type: object, properties: {a: {type: array, items: {type: string}}}}\nunique: [a]":                       "is a list",
		"schema: {type: object, properties: {a: {type: integer}}}\nrefs: {a: {type: x}}":                                   "must be a string",
		"schema: {type: object, properties: {a: {type: string}}}\nrefs: {a: {type: x, onDelete: never}}":                   "none of restrict",
		"schema: {type: object, required: [a], properties: {a: {type: string}}}\nrefs: {a: {type: x, onDelete: set_null}}": "cannot be set_null",
		"schema: {type: object, properties: {meta: {type: object, properties: {id: {type: string}}}}}\nindex: [meta.id]":   "meta fields",
		"schema: {type: object, properties: {a: {$ref: '#', default: {}}}}":                                                "never ends",
		"schema: {type: object}\nmigrations: [{from: '1', patch: [{op: add, path: /a}]}]":                                  "needs value",
		"schema: {type: object}\njob: {maxAttempts: 0}":                                                                    "1 to 1000",
		"schema: {type: object}\njob: {concurrencyKey: nope}":                                                              "there is no field",
		"schema: {type: object}\nname: again":                                                                              "duplicate key",
		"schema: {type: object}\n---\nname: second":                                                                        "second document",
		"schema: &a {type: object, properties: {x: *a}}":                                                                   "",
	} {
		_, problems := model.ParseType("m.yaml", []byte("name: things\n"+text+"\n"))
		if len(problems) == 0 || !strings.Contains(problems.Error(), want) || strings.Contains(problems.Error(), "m.yaml:0") {
			t.Errorf("%s\n  got %v, want %q", text, problems, want)
		}
	}
}

func TestJobDefaults(t *testing.T) {
	typ := parse(t, "name: mails\nschema: {type: object, properties: {to: {type: string}}}\njob: {timeout: 90s, backoff: {initial: 2s}, concurrencyKey: to, handler: {exec: [cat]}, keep: 30d}\n")
	j := typ.Job
	if j.Queue != "default" || j.MaxAttempts != 5 || j.Timeout != 90*time.Second || j.Backoff.Initial != 2*time.Second || j.Backoff.Max != time.Hour || j.Keep != 720*time.Hour {
		t.Errorf("%+v", j)
	}
	if !typ.Definition().Job {
		t.Error("the definition does not know that it is a job")
	}
	b, err := json.Marshal(typ)
	if err != nil || strings.Contains(string(b), "cat") || !strings.Contains(string(b), `"timeout":"1m30s"`) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestCheckTypesFindsMissingTargets(t *testing.T) {
	a, err := model.TypeOf[struct {
		Other string `json:"other" autocrud:"ref=others"`
		Role  string `json:"role" autocrud:"ref=roles"`
	}]("as")
	if err != nil {
		t.Fatal(err)
	}
	if err := model.CheckTypes([]*model.Type{a}); err == nil || !strings.Contains(err.Error(), `type as: refs: field "other"`) || strings.Contains(err.Error(), "role") {
		t.Errorf("got %v", err)
	}
	if err := model.CheckTypes([]*model.Type{a, schemaTypeNamed(t, "others")}); err != nil {
		t.Error(err)
	}
}

func schemaTypeNamed(t *testing.T, name string) *model.Type {
	t.Helper()
	typ, err := model.NewType(model.Type{Name: name, Schema: json.RawMessage(`{"type":"object"}`)})
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

type base struct {
	Code string `json:"code" jsonschema:"pattern=^[a-z]{1,3}$,description=short, and sweet"`
}

type node struct {
	base
	Children []node            `json:"children,omitempty"`
	Left     *leaf             `json:"left"`
	Bytes    []byte            `json:"bytes,omitempty"`
	Labels   map[string]string `json:"labels"`
	Small    uint8             `json:"small"`
	Any      any               `json:"any,omitempty"`
	Raw      json.RawMessage   `json:"raw,omitempty"`
	Kind     string            `json:"kind" jsonschema:"enum=a|b,default=a"`
	Level    *int              `json:"level" jsonschema:"enum=1|2"`
	skipped  int
	Out      string `json:"-"`
}

type leaf struct {
	Next *leaf `json:"next"`
	V    int   `json:"v"`
}

func TestStructsOfAllSorts(t *testing.T) {
	typ, err := model.TypeOf[node]("nodes", model.WithIndex("left.v", "code", "children.code"))
	if err != nil {
		t.Fatal(err)
	}
	full := node{base: base{"ab"}, Kind: "a", skipped: 1, Left: &leaf{V: 1, Next: &leaf{}}, Children: []node{{base: base{"x"}, Kind: "b"}}}
	for _, v := range []node{{base: base{"ab"}, Kind: "a"}, full} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := typ.Validate(decode(t, string(b))); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	}
	for doc, want := range map[string]string{
		`{"code":"abcd","labels":{},"small":1,"kind":"a"}`:                                                               "/code: does not match",
		`{"code":"a","labels":{"x":1},"small":256,"kind":"c","level":3}`:                                                 "/kind: must be one of",
		`{"code":"a","labels":{},"small":1,"kind":"a","left":{"v":1,"next":{"v":1,"w":1}}}`:                              "/left/next/w: is not a known property",
		`{"code":"a","labels":{},"small":1,"kind":"a","children":[{"code":"a","labels":{},"small":1,"kind":"a","w":1}]}`: "/children/0/w: is not a known",
	} {
		if got := refusals(t, typ.Validate(decode(t, doc))); len(got) == 0 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s\n got %q, want %q", doc, got, want)
		}
	}
	var schema struct {
		Properties map[string]struct{ Description string }
	}
	if err := json.Unmarshal(typ.Schema, &schema); err != nil || schema.Properties["code"].Description != "short, and sweet" {
		t.Errorf("%+v %v", schema, err)
	}
}

func TestMistakesInTags(t *testing.T) {
	_, err := model.TypeOf[struct {
		A string     `json:"a" autocrud:"indexed"`
		B string     `json:"b" jsonschema:"minlength=3"`
		C int        `json:"c" jsonschema:"minimum=x"`
		D chan int   `json:"d"`
		E string     `json:"e" autocrud:"onDelete=cascade"`
		F complex128 `json:"f"`
	}]("things")
	for _, want := range []string{`"a"`, `"b"`, `"c"`, `"d"`, `"e"`, `"f"`} {
		if err == nil || !strings.Contains(err.Error(), "type things: field "+want) {
			t.Errorf("nothing about %s in\n%v", want, err)
		}
	}
	if _, err := model.TypeOf[int]("ints"); err == nil {
		t.Error("an int is no struct")
	}
	if _, err := model.TypeOf[struct{}]("webhooks"); err == nil {
		t.Error("the name of a built-in type was taken")
	}
	if _, err := model.TypeOf[struct{}]("webhooks", model.WithBuiltin()); err != nil {
		t.Error(err)
	}
}

// TestIndexesOverSeveralFields: they are read beside fields, each field of one is indexed
// for itself too, and mistakes are named where they are.
func TestIndexesOverSeveralFields(t *testing.T) {
	const schema = `
schema: {type: object, properties: {status: {type: string}, views: {type: integer}, tags: {type: array, items: {type: string}}}}
`
	typ := parse(t, "name: posts\nindex: [[status, -views], status, [status, -meta.created_at]]"+schema)
	d := typ.Definition()
	if !reflect.DeepEqual(d.Composite, [][]string{{"status", "-views"}, {"status", "-meta.created_at"}}) || len(d.Fields) != 2 {
		t.Errorf("definition %+v", d)
	}
	plain := parse(t, "name: posts\nindex: [status, views]"+schema)
	if plain.Definition().Hash == d.Hash || plain.Definition().Composite != nil {
		t.Error("a table without them is the same as one with them")
	}
	goType, err := model.NewType(model.Type{Name: "posts", Schema: typ.Schema, Index: []string{"status"}, Composite: [][]string{{"status", "-views"}, {"status", "-meta.created_at"}}})
	if err != nil || goType.Definition().Hash != d.Hash {
		t.Errorf("a program's type has another definition: %v", err)
	}
	for index, want := range map[string]string{
		"[[status, -tags]]":                         `3: index: field "tags" is a list`,
		"[views, [status]]":                         "3: index: one over several fields has 2 to 6 of them",
		"[[status, -views], [-views, view]]":        "3: index: ",
		"[[status, status]]":                        `3: index: field "status" twice in one index`,
		"[views, [status, views], [status, views]]": "3: index: status, views is there twice",
		"[[status, 5]]":                             "3: 0 must be a list of strings",
		"[{a: b}]":                                  "3: index must be a list of fields",
		"[[status, meta.seq]]":                      "3: index: ",
		"\n  - [status, -views]\n  - views\n  - [status, nothing]": "6: index: ",
	} {
		_, problems := model.ParseType("model.yaml", []byte("name: posts\n\nindex: "+index+schema))
		if len(problems) == 0 || !strings.HasPrefix(problems[0].Error(), "model.yaml:"+want) {
			t.Errorf("index: %s: %v, want %s", index, problems, want)
		}
	}
}

package api_test

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/services/api"
	"github.com/autocrud-go/autocrud/services/api/openapi"
	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// documented are models with everything that the document must cope with.
func documented(t *testing.T) []*model.Type {
	t.Helper()
	var types []*model.Type
	for _, text := range []string{`
name: movies
title: Movie
schema:
  type: object
  required: [title, year]
  properties:
    title:  {type: string, minLength: 1, maxLength: 500}
    slug:   {type: [string, "null"], pattern: "^[a-z0-9]+(-[a-z0-9]+)*$"}
    year:   {type: integer, minimum: 1870}
    rating: {type: number, exclusiveMinimum: 0, maximum: 1}
    genres: {type: array, items: {type: string, enum: [Drama, Crime]}, uniqueItems: true}
    poster: {x-binary: {maxBytes: 10485760, contentTypes: ["image/*"]}}
    released: {type: string, format: date-time}
    credits: {type: array, items: {$ref: "#/$defs/credit"}}
    sequel: {anyOf: [{$ref: "#"}, {type: "null"}]}
    a/b~c: {type: boolean}
  $defs:
    credit: {type: object, required: [director], properties: {director: {type: string, examples: [Michael Mann]}}}
index: [title, year]
`, `
name: send-emails
schema: {type: object, required: [to], properties: {to: {type: string, format: email}, subject: {type: string, minLength: 40}}}
job: {}
`, `
name: shapes
schema:
  type: object
  required: [kind]
  properties: {kind: {enum: [circle, square]}}
  oneOf:
    - {required: [radius], properties: {kind: {const: circle}, radius: {type: number, minimum: 0.5, multipleOf: 0.5}}}
    - {required: [side], properties: {kind: {const: square}, side: {type: number}}}
`, `
name: meta
title: Impossible sample
description: A schema whose values only its author knows
schema: {type: object, required: [x], properties: {x: {allOf: [{type: string, pattern: "^a"}, {pattern: "b$"}]}}}
`, `
name: a-1
schema: {type: object}
`, `
name: a1
schema: {type: object, properties: {properties: {type: string}, default: {type: object, properties: {enum: {type: integer}}}}}
`} {
		typ, problems := model.ParseType("model.yaml", []byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		types = append(types, typ)
	}
	return types
}

func TestOpenAPIIsValid(t *testing.T) {
	for _, types := range [][]*model.Type{nil, documented(t)} {
		b := api.OpenAPI(types, openapi.Options{Title: "Films", Auth: len(types) > 0, ServerURL: "http://127.0.0.1:8080"})
		doc, err := libopenapi.NewDocument(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := doc.BuildV3Model(); err != nil {
			t.Fatal(err)
		}
		if ok, problems := schema_validation.ValidateOpenAPIDocument(doc); !ok {
			for _, p := range problems {
				t.Errorf("%s: %s", p.Message, p.Reason)
				for _, s := range p.SchemaValidationErrors {
					t.Errorf("  %s: %s", s.FieldPath, s.Reason)
				}
			}
		}
	}
}

func TestOpenAPIIsDeterministic(t *testing.T) {
	first := api.OpenAPI(documented(t), openapi.Options{})
	for range 5 {
		if !bytes.Equal(first, api.OpenAPI(documented(t), openapi.Options{})) {
			t.Fatal("the same types gave another document")
		}
	}
}

func decoded(t *testing.T, b []byte) map[string]any {
	t.Helper()
	v, err := model.DecodeJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

func TestEveryOperationHasASummaryATagAndAnIDOfItsOwn(t *testing.T) {
	var ids []string
	for path, item := range decoded(t, api.OpenAPI(documented(t), openapi.Options{}))["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			m := op.(map[string]any)
			ids = append(ids, m["operationId"].(string))
			if m["summary"] == "" || len(m["tags"].([]any)) == 0 || len(m["responses"].(map[string]any)) < 2 {
				t.Errorf("%s %s has no summary, tag or responses", method, path)
			}
		}
	}
	slices.Sort(ids)
	if n := len(ids); n < 60 || n != len(slices.Compact(ids)) {
		t.Errorf("%d operations, and an operationId is used twice", n)
	}
}

func TestExamplesFitTheirSchemas(t *testing.T) {
	b := api.OpenAPI(documented(t), openapi.Options{})
	root := decoded(t, b)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("mem:///openapi.json", any(root)); err != nil {
		t.Fatal(err)
	}
	checked, bodies := 0, map[string]bool{}
	var walk func(v any, at string)
	walk = func(v any, at string) {
		switch v := v.(type) {
		case []any:
			for i, x := range v {
				walk(x, at+"/"+strconv.Itoa(i))
			}
		case map[string]any:
			schema, hasSchema := v["schema"]
			example, hasExample := v["example"]
			if hasSchema && hasExample {
				sch, err := c.Compile("mem:///openapi.json#" + (&url.URL{Path: at + "/schema"}).EscapedPath())
				if err != nil {
					t.Fatalf("%s: %v (%v)", at, err, schema)
				}
				if err := sch.Validate(example); err != nil {
					t.Errorf("%s: %v", at, err)
				}
				checked++
				bodies[at] = true
				return
			}
			for k, x := range v {
				walk(x, at+"/"+strings.ReplaceAll(strings.ReplaceAll(k, "~", "~0"), "/", "~1"))
			}
		}
	}
	walk(root["paths"], "/paths")
	walk(root["components"], "/components")
	if checked < 60 {
		t.Errorf("only %d examples", checked)
	}
	for _, name := range []string{"movies", "send-emails", "shapes"} {
		if !bodies["/paths/~1v1~1"+name+"/post/requestBody/content/application~1json"] {
			t.Errorf("no example of a %s", name)
		}
	}
}

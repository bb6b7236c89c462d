package model

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/autocrud-go/autocrud/pkg/format"
)

const (
	schemaURL     = "mem:///schema.json"
	metaschemaURL = "https://json-schema.org/draft/2020-12/schema"
)

// noRemote refuses every schema that is not part of the program or the model.
type noRemote struct{}

func (noRemote) Load(string) (any, error) {
	return nil, errors.New("only references within the schema are followed")
}

func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noRemote{})
	c.RegisterFormat(&jsonschema.Format{Name: "date-time", Validate: func(v any) error {
		if s, ok := v.(string); ok {
			_, err := ParseTime(s)
			return err
		}
		return nil
	}})
	for name, check := range format.Checks {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(v any) error {
			if s, ok := v.(string); ok {
				return check(s)
			}
			return nil
		}})
	}
	c.UseRegexpEngine(func(s string) (jsonschema.Regexp, error) { return compilePattern(s) })
	return c
}

// compileSchema makes the effective schema and its validator; it reports
// whether the rest of the model can be checked against it.
func (t *Type) compileSchema(schema any, p *Problems) bool {
	before := len(p.List)
	root, ok := schema.(map[string]any)
	if !ok {
		p.Add("/schema", "schema: a JSON Schema of an object is needed")
		return false
	}
	if k := typesOf(root["type"]); k != objects && (k != 0 || root["type"] != nil) {
		p.Add("/schema/type", "schema: the type of the whole must be object")
	}
	var failed *jsonschema.ValidationError
	if errors.As(metaschema().Validate(root), &failed) {
		for _, f := range explain(failed, nil, nil) {
			p.Add("/schema"+f.Pointer, "schema: %s %s", strings.TrimPrefix(f.Pointer, "/"), f.Detail)
		}
	}
	e := &effective{p: p, root: root, seen: map[uintptr]bool{}, refs: map[string]string{}}
	made := e.schema(root, "/schema", whole, nil)
	e.checkReferred()
	e.checkCircles()
	t.tree, ok = made.(map[string]any)
	if !ok || len(p.List) > before {
		return false
	}
	t.tree["type"] = "object"
	t.places = findPlaces(t.tree)
	t.Binaries = t.places.describe()
	t.compileMarks(p)
	c := newCompiler()
	if err := c.AddResource(schemaURL, any(t.tree)); err != nil {
		p.Add("/schema", "schema: %v", err)
		return false
	}
	var err error
	if t.validator, err = c.Compile(schemaURL); err != nil {
		p.Add("/schema", "schema: %v", err)
		return false
	}
	t.Schema = json.RawMessage(AppendCanonical(nil, t.tree))
	t.properties = propertyNames(t.tree)
	t.compileDefaults(c, p)
	return len(p.List) == before
}

// metaschema is made anew each time: a compiler is no place for shared state,
// and models are compiled at start only.
func metaschema() *jsonschema.Schema {
	c := newCompiler()
	// effective.check says what is wrong with an expression.
	c.RegisterFormat(&jsonschema.Format{Name: "regex", Validate: func(any) error { return nil }})
	return c.MustCompile(metaschemaURL)
}

func propertyNames(v any) []string {
	set := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if props, ok := v["properties"].(map[string]any); ok {
				for name := range props {
					set[name] = true
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(v)
	return slices.Sorted(maps.Keys(set))
}

// compileAt compiles the schema at a pointer into the effective schema.
func compileAt(c *jsonschema.Compiler, pointer string) (*jsonschema.Schema, error) {
	return c.Compile(schemaURL + "#" + (&url.URL{Path: pointer}).EscapedPath())
}

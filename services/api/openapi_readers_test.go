package api_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/services/api"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// uneasy are models that are right and that readers of documents stumble over.
func uneasy(t *testing.T) []*model.Type {
	t.Helper()
	var types []*model.Type
	for _, text := range []string{`
name: tokens
title: API token
schema:
  type: object
  required: [secret, label]
  properties:
    secret: {type: string, writeOnly: true, minLength: 8}
    label: {$ref: "#/$defs/Label"}
    any: {type: [string, integer, "null"], minimum: 1}
    both: {type: [object, array], anyOf: [{type: object}, {maxItems: 3}]}
    list: {type: array}
    maybe: {type: [array, "null"]}
    nested: {type: object, required: [pin], properties: {pin: {type: string, writeOnly: true}, shown: {type: boolean}}}
    deep: {$ref: "#/$defs/Label/properties/text"}
    odd: {$ref: "#/$defs/%C3%BC~1x"}
    tree: {type: object, properties: {children: {type: array, items: {$ref: "#/properties/tree"}}}}
    patch: {type: object, additionalProperties: {$ref: "#/$defs/inner"}}
  $defs:
    Label: {type: object, required: [text], properties: {text: {type: string}, more: {$ref: "#/$defs/Label/$defs/More"}}, $defs: {More: {type: integer}}}
    label: {type: string}
    inner: {type: string}
    ü/x: {type: number, exclusiveMinimum: 0}
`, `
name: queue
title: Queue
schema: {type: object, properties: {name: {type: string}}}
`, `
name: problem-400
schema: {type: object, properties: {filter-parameter: {type: string}}}
`, `
name: filter-parameter
title: Hour
schema: {type: object, properties: {x: {type: string}}}
`, `
name: units
title: Unit
schema: {type: object, properties: {photo: {x-binary: {}}}}
`} {
		typ, problems := model.ParseType("model.yaml", []byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		types = append(types, typ)
	}
	return types
}

// quickstart are the models of the example.
func quickstart(t *testing.T) (types []*model.Type) {
	t.Helper()
	files, err := filepath.Glob("../../examples/quickstart/models/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		typ, problems := model.ParseType(file, b)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		types = append(types, typ)
	}
	return types
}

// documents are asked the questions below: with and without credentials.
func documents(t *testing.T, fn func(t *testing.T, doc map[string]any)) {
	keys, err := policy.APIKeyType()
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := notify.WebhookType(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, types := range map[string][]*model.Type{"none": nil, "documented": documented(t), "uneasy": uneasy(t), "quickstart": quickstart(t)} {
		for _, auth := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s auth %v", name, auth), func(t *testing.T) {
				all := append([]*model.Type{keys, hooks}, types...)
				fn(t, decoded(t, api.OpenAPI(all, openapi.Options{Auth: auth})))
			})
		}
	}
}

// everyObject calls fn for each object of a document, with its pointer.
func everyObject(v any, at string, fn func(at string, m map[string]any)) {
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			everyObject(x, fmt.Sprint(at, "/", i), fn)
		}
	case map[string]any:
		fn(at, v)
		for k, x := range v {
			if k != "example" && k != "examples" && k != "default" && k != "enum" && k != "const" {
				everyObject(x, at+"/"+strings.ReplaceAll(strings.ReplaceAll(k, "~", "~0"), "/", "~1"), fn)
			}
		}
	}
}

func TestGeneratorsOfClientsUnderstandEverySchema(t *testing.T) {
	documents(t, func(t *testing.T, doc map[string]any) {
		everyObject(doc, "", func(at string, m map[string]any) {
			if strings.HasSuffix(at, "/properties") || strings.HasSuffix(at, "/schemas") {
				return // names of the author's
			}
			kinds, _ := m["type"].([]any)
			if n := len(slices.DeleteFunc(slices.Clone(kinds), func(k any) bool { return k == "null" })); n > 1 {
				t.Errorf("%s has %d types", at, n)
			}
			if (m["type"] == "array" || slices.Contains(kinds, any("array"))) && m["items"] == nil {
				t.Errorf("%s says nothing of its elements", at)
			}
			if m["$defs"] != nil || m["definitions"] != nil {
				t.Errorf("%s has definitions inside", at)
			}
			if ref, ok := m["$ref"].(string); ok {
				var to any = doc
				for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					to = to.(map[string]any)[strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")]
				}
				if to == nil {
					t.Errorf("%s leads nowhere: %s", at, ref)
				}
			}
		})
		if doc["jsonSchemaDialect"] != nil { // Swagger UI warns in red of any but the default
			t.Error("the document names a dialect")
		}
	})
}

func TestNamesOfComponentsDifferByMoreThanCapitals(t *testing.T) {
	documents(t, func(t *testing.T, doc map[string]any) {
		text, _ := json.Marshal(doc)
		seen := map[string]string{}
		for kind, of := range doc["components"].(map[string]any) {
			for name := range of.(map[string]any) {
				if kind != "securitySchemes" && !strings.Contains(string(text), `"#/components/`+kind+"/"+name+`"`) && !strings.Contains(string(text), `"#/components/`+kind+"/"+name+`/`) {
					t.Errorf("nothing refers to %s/%s", kind, name)
				}
				if kind == "headers" || kind == "securitySchemes" { // of which no types are made
					continue
				}
				plain := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
				if other := seen[plain]; other != "" {
					t.Errorf("%s/%s and %s are one name", kind, name, other)
				}
				seen[plain] = kind + "/" + name
			}
		}
	})
}

func TestNoExampleOfAnAnswerHasWhatIsNeverRead(t *testing.T) {
	documents(t, func(t *testing.T, doc map[string]any) {
		everyObject(doc["paths"], "", func(at string, m map[string]any) {
			if !strings.Contains(at, "/responses/") || strings.HasPrefix(at, "/~1v1~1types") || m["example"] == nil {
				return
			}
			b, _ := json.Marshal(m["example"])
			for _, secret := range []string{`"secret":`, `"pin":`} {
				if strings.Contains(string(b), secret) {
					t.Errorf("%s shows %s", at, b)
				}
			}
		})
		for name, s := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
			if strings.HasSuffix(name, "Read") || strings.HasSuffix(name, "Stored") {
				everyObject(s, name, func(at string, m map[string]any) {
					if m["writeOnly"] == true {
						t.Errorf("%s is never read", at)
					}
				})
			}
		}
	})
}

func TestSecurityIsSaidWhereNothingIsAsked(t *testing.T) {
	documents(t, func(t *testing.T, doc map[string]any) {
		security, ok := doc["security"].([]any)
		schemes := doc["components"].(map[string]any)["securitySchemes"]
		if !ok || len(security) > 0 != (schemes != nil) {
			t.Errorf("security %v with the schemes %v", doc["security"], schemes)
		}
	})
}

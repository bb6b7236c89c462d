package openapi_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// TestOlderSaysTheSameInTheWordsOf30 looks at one schema after another.
func TestOlderSaysTheSameInTheWordsOf30(t *testing.T) {
	for before, after := range map[string]string{
		`{"type":["string","null"],"const":"a"}`:                                          `{"type":"string","nullable":true,"enum":["a"]}`,
		`{"type":["string","integer"]}`:                                                   `{}`,
		`{"type":["string","integer","null"]}`:                                            `{}`,
		`{"type":"null"}`:                                                                 `{"enum":[null]}`,
		`{"type":"integer","exclusiveMinimum":0,"examples":[1,2]}`:                        `{"type":"integer","minimum":0,"exclusiveMinimum":true,"example":1}`,
		`{"exclusiveMaximum":9,"maximum":9}`:                                              `{"maximum":9,"exclusiveMaximum":true}`,
		`{"exclusiveMaximum":9,"maximum":3}`:                                              `{"maximum":3}`,
		`{"$ref":"#/components/schemas/A","description":"d"}`:                             `{"allOf":[{"$ref":"#/components/schemas/A"}],"description":"d"}`,
		`{"oneOf":[{"$ref":"#/components/schemas/A"},{"type":"null"}]}`:                   `{"allOf":[{"$ref":"#/components/schemas/A"}],"nullable":true,"type":"object"}`,
		`{"oneOf":[{"$ref":"#/components/schemas/B"},{"type":"null"}]}`:                   `{"allOf":[{"$ref":"#/components/schemas/B"}]}`,
		`{"oneOf":[{"type":["array"],"maxItems":3},{"type":"null"}],"description":"d"}`:   `{"type":"array","maxItems":3,"items":{},"nullable":true,"description":"d"}`,
		`{"anyOf":[{"type":"string"},{"type":"integer"},{"type":"null"}]}`:                `{"anyOf":[{"type":"string"},{"type":"integer"}]}`,
		`{"type":"array","prefixItems":[{"type":"string"}]}`:                              `{"type":"array","items":{}}`,
		`{"type":"object","properties":{"type":{"type":["string","null"]},"const":true}}`: `{"type":"object","properties":{"type":{"type":"string","nullable":true},"const":{}}}`,
		`{"type":"object","additionalProperties":{"const":1},"patternProperties":{}}`:     `{"type":"object","additionalProperties":{"enum":[1]}}`,
		`{"type":"object","additionalProperties":false,"if":{},"then":false}`:             `{"type":"object","additionalProperties":false}`,
		`{"contentMediaType":"application/octet-stream"}`:                                 `{"type":"string","format":"binary"}`,
		`{"contentEncoding":"base64","type":"string"}`:                                    `{"type":"string","format":"byte"}`,
		`{"not":false,"enum":["const",{"type":["a","null"]}],"default":{"const":1}}`:      `{"not":{"not":{}},"enum":["const",{"type":["a","null"]}],"default":{"const":1}}`,
	} {
		got := openapi.Older([]byte(`{"openapi":"3.1.0","info":{"summary":"s"},"jsonSchemaDialect":"d","webhooks":{},"components":{"schemas":{"A":{"type":"object"},"X":` + before + `}}}`))
		want := `{"openapi":"3.0.3","info":{},"components":{"schemas":{"A":{"type":"object"},"X":` + after + `}}}`
		if !same(t, got, []byte(want)) {
			t.Errorf("%s becomes\n%s, not\n%s", before, got, want)
		}
	}
	got := openapi.Older([]byte(`{"paths":{"/a":{"get":{"parameters":[{"$ref":"#/components/parameters/P","description":"d"},{"schema":{"const":1},"example":{"const":1}}]}}}}`))
	if want := `{"openapi":"3.0.3","paths":{"/a":{"get":{"parameters":[{"$ref":"#/components/parameters/P"},{"schema":{"enum":[1]},"example":{"const":1}}]}}}}`; !same(t, got, []byte(want)) {
		t.Errorf("%s", got)
	}
}

func same(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	for _, p := range []struct {
		from []byte
		to   *any
	}{{a, &x}, {b, &y}} {
		if err := json.Unmarshal(p.from, p.to); err != nil {
			t.Fatal(err)
		}
	}
	m, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	n, err := json.Marshal(y)
	return err == nil && bytes.Equal(m, n)
}

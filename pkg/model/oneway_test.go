package model_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
)

func oneWayType(t *testing.T, m model.Type, schema string) (*model.Type, error) {
	t.Helper()
	m.Name, m.Schema = "things", json.RawMessage(schema)
	return model.NewType(m)
}

func TestWhatIsNeverShownCannotBeLookedFor(t *testing.T) {
	const schema = `{"type":"object","properties":{"open":{"type":"string"},"pw":{"$ref":"#/$defs/pw"},"in":{"type":"object","properties":{"pw":{"$ref":"#/$defs/pw"},"open":{"type":"string"}}},
		"list":{"type":"array","items":{"type":"object","properties":{"pw":{"$ref":"#/$defs/pw"}}}}},"$defs":{"pw":{"allOf":[{"type":"string"},{"writeOnly":true}]}}}`
	for _, path := range []string{"pw", "in.pw", "list.pw"} {
		for what, m := range map[string]model.Type{
			"index":    {Index: []string{path}},
			"fulltext": {FullText: []string{path}},
			"unique":   {Unique: [][]string{{"open", path}}},
			"refs":     {Refs: map[string]model.Ref{path: {Type: "things", OnDelete: model.Dangling}}},
			"job":      {Job: &model.JobSpec{ConcurrencyKey: path}},
		} {
			if strings.HasPrefix(path, "list") && (what == "unique" || what == "job") {
				continue // a list is none anyway
			}
			if _, err := oneWayType(t, m, schema); err == nil || !strings.Contains(err.Error(), "writeOnly") {
				t.Errorf("%s of %s: %v", what, path, err)
			}
		}
	}
	if _, err := oneWayType(t, model.Type{Index: []string{"open", "in.open"}, FullText: []string{"open"}, Unique: [][]string{{"open"}}}, schema); err != nil {
		t.Errorf("what is shown: %v", err)
	}
	for _, bad := range []string{`{"type":"object","writeOnly":true}`, `{"type":"object","properties":{"l":{"type":"array","items":{"type":"string","writeOnly":true}}}}`,
		`{"type":"object","properties":{"l":{"type":"array","prefixItems":[{"readOnly":true}]}}}`, `{"type":"object","properties":{"b":{"x-binary":{},"writeOnly":true}}}`} {
		if _, err := oneWayType(t, model.Type{}, bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestAKeywordCountsWhereverASchemaSaysIt(t *testing.T) {
	for _, x := range []struct{ schema, doc, shown string }{
		{`{"properties":{"a":{"writeOnly":true}}}`, `{"a":1,"b":2}`, `{"b":2}`},
		{`{"properties":{"a":{"type":["object","null"],"writeOnly":true,"properties":{"b":{}}}}}`, `{"a":{"b":1}}`, `{}`},
		{`{"allOf":[{"properties":{"a":{"writeOnly":true}}}]}`, `{"a":1}`, `{}`},
		{`{"anyOf":[{"properties":{"a":{"writeOnly":true}}},{"properties":{"c":{}}}]}`, `{"a":1,"c":3}`, `{"c":3}`},
		{`{"oneOf":[{"required":["a"],"properties":{"a":{"writeOnly":true}}},{"required":["c"],"properties":{"c":{}}}]}`, `{"a":1}`, `{}`},
		{`{"if":{"required":["k"]},"then":{"properties":{"a":{"writeOnly":true}}},"else":{"properties":{"b":{"writeOnly":true}}}}`, `{"k":1,"a":1,"b":1}`, `{"k":1}`},
		{`{"dependentSchemas":{"k":{"properties":{"a":{"writeOnly":true}}}}}`, `{"k":1,"a":1}`, `{"k":1}`},
		{`{"patternProperties":{"^s_":{"writeOnly":true}}}`, `{"s_a":1,"t":2}`, `{"t":2}`},
		{`{"properties":{"m":{"type":"object","additionalProperties":{"type":"object","properties":{"0":{"writeOnly":true}}}}}}`, `{"m":{"1":{"0":1,"2":2}}}`, `{"m":{"1":{"2":2}}}`},
		{`{"properties":{"l":{"type":"array","prefixItems":[{"type":"object","properties":{"a":{"writeOnly":true}}}],"items":{"type":"object","properties":{"a":{}}}}}}`, `{"l":[{"a":1},{"a":2}]}`, `{"l":[{},{"a":2}]}`},
		{`{"properties":{"l":{"type":"array","items":{"type":"array","items":{"type":"object","properties":{"a":{"writeOnly":true},"b":{}}}}}}}`, `{"l":[[{"a":1,"b":1}],[]]}`, `{"l":[[{"b":1}],[]]}`},
		{`{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"a":{"writeOnly":true},"next":{"$ref":"#/$defs/node"}}}}}`, `{"a":1,"next":{"a":2,"next":{"a":3}}}`, `{"next":{"next":{}}}`},
	} {
		typ, err := oneWayType(t, model.Type{}, x.schema[:len(x.schema)-1]+`,"type":"object","additionalProperties":true}`)
		if err != nil {
			t.Errorf("%s: %v", x.schema, err)
			continue
		}
		if got := string(typ.Conceal([]byte(x.doc))); got != x.shown {
			t.Errorf("%s shows %s of %s, want %s", x.schema, got, x.doc, x.shown)
		}
		if got := string(model.Uncovered([]byte(x.doc), typ.Concealed([]byte(x.doc)))); got != x.shown {
			t.Errorf("%s: an event of %s tells %s, want %s", x.schema, x.doc, got, x.shown)
		}
	}
}

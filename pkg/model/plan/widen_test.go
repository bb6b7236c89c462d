package plan_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
)

// typeOf makes a type whose property p has the schema; with defs, what $ref may
// lead to.
func typeOf(t *testing.T, property, defs string) *model.Type {
	t.Helper()
	whole := fmt.Sprintf(`{"type":"object","properties":{"p":%s}`, property)
	if defs != "" {
		whole += `,"$defs":` + defs
	}
	return wholeType(t, whole+"}")
}

func wholeType(t *testing.T, schema string) *model.Type {
	t.Helper()
	made, err := model.NewType(model.Type{Name: "things", Schema: json.RawMessage(schema)})
	if err != nil {
		t.Fatalf("schema %s: %v", schema, err)
	}
	return made
}

func decoded(t *testing.T, b []byte) any {
	t.Helper()
	v, err := model.DecodeJSON(b)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

// change is a schema of property p before and after, with a value that fits both
// and, where it narrows, one that fits only before.
type change struct {
	name                string
	before, after       string
	fits, breaks        string
	defsBefore, defsNow string
}

var changes = []change{
	// Types.
	{name: "the same", before: `{"type":"string"}`, after: `{"type":"string"}`, fits: `"a"`},
	{name: "any becomes text", before: `{}`, after: `{"type":"string"}`, fits: `"a"`, breaks: `1`},
	{name: "text becomes any", before: `{"type":"string"}`, after: `{}`, fits: `"a"`},
	{name: "integer becomes text", before: `{"type":"integer"}`, after: `{"type":["string","integer"]}`, fits: `1`},
	{name: "integer becomes only text", before: `{"type":["integer","null"]}`, after: `{"type":["string","null"]}`, fits: `null`, breaks: `1`},
	{name: "integer becomes number", before: `{"type":"integer"}`, after: `{"type":"number"}`, fits: `1`},
	{name: "number becomes integer", before: `{"type":"number"}`, after: `{"type":"integer"}`, fits: `1`, breaks: `1.5`},
	{name: "null is allowed", before: `{"type":"string"}`, after: `{"type":["string","null"]}`, fits: `"a"`},
	{name: "null is refused", before: `{"type":["string","null"]}`, after: `{"type":"string"}`, fits: `"a"`, breaks: `null`},
	{name: "nothing is allowed", before: `{"type":"string"}`, after: `false`, breaks: `"a"`},
	// What describes.
	{name: "a description", before: `{"type":"string"}`, after: `{"type":"string","title":"T","description":"d","examples":["x"],"deprecated":true}`, fits: `"a"`},
	{name: "a default", before: `{"type":"string"}`, after: `{"type":"string","default":"x"}`, fits: `"a"`},
	{name: "a comment goes", before: `{"type":"string","$comment":"c"}`, after: `{"type":"string"}`, fits: `"a"`},
	{name: "writeOnly", before: `{"type":"string"}`, after: `{"type":"string","writeOnly":true}`, fits: `"a"`},
	{name: "media type", before: `{"type":"string"}`, after: `{"type":"string","contentEncoding":"base64","contentMediaType":"image/png"}`, fits: `"a"`},
	// Values.
	{name: "an enum value more", before: `{"enum":["a","b"]}`, after: `{"enum":["c","b","a"]}`, fits: `"a"`},
	{name: "an enum value less", before: `{"enum":["a","b"]}`, after: `{"enum":["a"]}`, fits: `"a"`, breaks: `"b"`},
	{name: "const becomes enum", before: `{"const":"a"}`, after: `{"enum":["a","b"]}`, fits: `"a"`},
	{name: "enum becomes const", before: `{"enum":["a","b"]}`, after: `{"const":"a"}`, fits: `"a"`, breaks: `"b"`},
	{name: "enum becomes text", before: `{"enum":["a","b"]}`, after: `{"type":"string","minLength":1,"maxLength":3}`, fits: `"a"`},
	{name: "enum becomes short text", before: `{"enum":["a","bb"]}`, after: `{"type":"string","maxLength":1}`, fits: `"a"`, breaks: `"bb"`},
	{name: "text becomes enum", before: `{"type":"string"}`, after: `{"enum":["a"]}`, fits: `"a"`, breaks: `"b"`},
	{name: "enum in another order and another spelling", before: `{"enum":[1,2]}`, after: `{"enum":[2.0,1.0]}`, fits: `1`},
	{name: "boolean becomes its values", before: `{"type":"boolean"}`, after: `{"enum":[true,false]}`, fits: `true`},
	// Numbers.
	{name: "minimum lower", before: `{"type":"integer","minimum":5}`, after: `{"type":"integer","minimum":4}`, fits: `5`},
	{name: "minimum higher", before: `{"type":"integer","minimum":4}`, after: `{"type":"integer","minimum":5}`, fits: `5`, breaks: `4`},
	{name: "minimum goes", before: `{"type":"number","minimum":4}`, after: `{"type":"number"}`, fits: `5`},
	{name: "minimum comes", before: `{"type":"number"}`, after: `{"type":"number","minimum":0}`, fits: `5`, breaks: `-1`},
	{name: "maximum higher", before: `{"type":"integer","maximum":5}`, after: `{"type":"integer","maximum":6}`, fits: `5`},
	{name: "maximum lower", before: `{"type":"integer","maximum":5}`, after: `{"type":"integer","maximum":4}`, fits: `4`, breaks: `5`},
	{name: "exclusive becomes inclusive", before: `{"type":"number","exclusiveMinimum":1}`, after: `{"type":"number","minimum":1}`, fits: `2`},
	{name: "inclusive becomes exclusive", before: `{"type":"number","minimum":1}`, after: `{"type":"number","exclusiveMinimum":1}`, fits: `2`, breaks: `1`},
	{name: "exclusive of whole numbers", before: `{"type":"integer","exclusiveMinimum":1}`, after: `{"type":"integer","minimum":2}`, fits: `2`},
	{name: "exclusive maximum of whole numbers", before: `{"type":"integer","exclusiveMaximum":3}`, after: `{"type":"integer","maximum":2}`, fits: `2`},
	{name: "exclusive maximum comes", before: `{"type":"number","maximum":3}`, after: `{"type":"number","exclusiveMaximum":3}`, fits: `2`, breaks: `3`},
	{name: "multiple of less", before: `{"type":"integer","multipleOf":6}`, after: `{"type":"integer","multipleOf":3}`, fits: `6`},
	{name: "multiple of more", before: `{"type":"integer","multipleOf":3}`, after: `{"type":"integer","multipleOf":6}`, fits: `6`, breaks: `3`},
	{name: "multiple of a part of one", before: `{"type":"integer"}`, after: `{"type":"integer","multipleOf":0.5}`, fits: `1`},
	// Texts.
	{name: "minLength lower", before: `{"type":"string","minLength":2}`, after: `{"type":"string","minLength":1}`, fits: `"ab"`},
	{name: "minLength higher", before: `{"type":"string"}`, after: `{"type":"string","minLength":1}`, fits: `"a"`, breaks: `""`},
	{name: "maxLength higher", before: `{"type":"string","maxLength":2}`, after: `{"type":"string","maxLength":3}`, fits: `"ab"`},
	{name: "maxLength lower", before: `{"type":"string","maxLength":3}`, after: `{"type":"string","maxLength":2}`, fits: `"ab"`, breaks: `"abc"`},
	{name: "pattern goes", before: `{"type":"string","pattern":"^a"}`, after: `{"type":"string"}`, fits: `"ab"`},
	{name: "pattern comes", before: `{"type":"string"}`, after: `{"type":"string","pattern":"^a"}`, fits: `"ab"`, breaks: `"b"`},
	{name: "another pattern", before: `{"type":"string","pattern":"^a"}`, after: `{"type":"string","pattern":"^ab"}`, fits: `"ab"`, breaks: `"ac"`},
	{name: "a limit of texts where there are none", before: `{"type":"integer"}`, after: `{"type":"integer","minLength":5,"pattern":"^x"}`, fits: `1`},
	{name: "format goes", before: `{"type":"string","format":"email"}`, after: `{"type":"string"}`, fits: `"a@example.com"`},
	{name: "format comes", before: `{"type":"string"}`, after: `{"type":"string","format":"date"}`, fits: `"2026-01-02"`, breaks: `"soon"`},
	// Objects.
	{name: "an optional property", before: `{"type":"object","properties":{"a":{"type":"string"}}}`, after: `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}}}`, fits: `{"a":"x"}`},
	{name: "a property goes", before: `{"type":"object","properties":{"a":{"type":"string"},"b":{}}}`, after: `{"type":"object","properties":{"a":{"type":"string"}}}`, fits: `{"a":"x"}`, breaks: `{"b":1}`},
	{name: "a property is renamed", before: `{"type":"object","properties":{"a":{}}}`, after: `{"type":"object","properties":{"b":{}}}`, fits: `{}`, breaks: `{"a":1}`},
	{name: "a required property", before: `{"type":"object","properties":{"a":{}}}`, after: `{"type":"object","properties":{"a":{}},"required":["a"]}`, fits: `{"a":1}`, breaks: `{}`},
	{name: "required with a default", before: `{"type":"object","properties":{"a":{}}}`, after: `{"type":"object","properties":{"a":{"default":1}},"required":["a"]}`, fits: `{"a":1}`, breaks: `{}`},
	{name: "required no more", before: `{"type":"object","properties":{"a":{}},"required":["a"]}`, after: `{"type":"object","properties":{"a":{}}}`, fits: `{"a":1}`},
	{name: "others are allowed", before: `{"type":"object","properties":{"a":{}}}`, after: `{"type":"object","properties":{"a":{}},"additionalProperties":true}`, fits: `{"a":1}`},
	{name: "others are refused", before: `{"type":"object","properties":{"a":{}},"additionalProperties":true}`, after: `{"type":"object","properties":{"a":{}}}`, fits: `{"a":1}`, breaks: `{"b":1}`},
	{name: "others get a kind", before: `{"type":"object","additionalProperties":{}}`, after: `{"type":"object","additionalProperties":{"type":"string"}}`, fits: `{"a":"x"}`, breaks: `{"a":1}`},
	{name: "others may be more", before: `{"type":"object","additionalProperties":{"type":"integer"}}`, after: `{"type":"object","additionalProperties":{"type":"number"}}`, fits: `{"a":1}`},
	{name: "an open object names one", before: `{"type":"object","additionalProperties":true}`, after: `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":true}`, fits: `{"a":"x"}`, breaks: `{"a":1}`},
	{name: "a pattern goes on", before: `{"type":"object","patternProperties":{"^a":{"type":"integer"}},"additionalProperties":false}`, after: `{"type":"object","patternProperties":{"^a":{"type":"number"}},"additionalProperties":false}`, fits: `{"a":1}`},
	{name: "a pattern narrows", before: `{"type":"object","patternProperties":{"^a":{"type":"number"}},"additionalProperties":false}`, after: `{"type":"object","patternProperties":{"^a":{"type":"integer"}},"additionalProperties":false}`, fits: `{"a":1}`, breaks: `{"a":1.5}`},
	{name: "names are limited", before: `{"type":"object","additionalProperties":{}}`, after: `{"type":"object","additionalProperties":{},"propertyNames":{"maxLength":2}}`, fits: `{"ab":1}`, breaks: `{"abc":1}`},
	{name: "names may be longer", before: `{"type":"object","additionalProperties":{},"propertyNames":{"maxLength":2}}`, after: `{"type":"object","additionalProperties":{},"propertyNames":{"maxLength":3}}`, fits: `{"ab":1}`},
	{name: "maxProperties lower", before: `{"type":"object","additionalProperties":{},"maxProperties":2}`, after: `{"type":"object","additionalProperties":{},"maxProperties":1}`, fits: `{"a":1}`, breaks: `{"a":1,"b":2}`},
	{name: "minProperties that required says", before: `{"type":"object","properties":{"a":{}},"required":["a"]}`, after: `{"type":"object","properties":{"a":{}},"minProperties":1}`, fits: `{"a":1}`},
	{name: "minProperties higher", before: `{"type":"object","properties":{"a":{},"b":{}}}`, after: `{"type":"object","properties":{"a":{},"b":{}},"minProperties":1}`, fits: `{"a":1}`, breaks: `{}`},
	{name: "dependentRequired comes", before: `{"type":"object","properties":{"a":{},"b":{}}}`, after: `{"type":"object","properties":{"a":{},"b":{}},"dependentRequired":{"a":["b"]}}`, fits: `{"b":1}`, breaks: `{"a":1}`},
	{name: "dependentRequired that required says", before: `{"type":"object","properties":{"a":{},"b":{}},"required":["b"]}`, after: `{"type":"object","properties":{"a":{},"b":{}},"required":["b"],"dependentRequired":{"a":["b"]}}`, fits: `{"b":1}`},
	{name: "dependentSchemas comes", before: `{"type":"object","properties":{"a":{},"b":{}}}`, after: `{"type":"object","properties":{"a":{},"b":{}},"dependentSchemas":{"a":{"required":["b"]}}}`, fits: `{"b":1}`, breaks: `{"a":1}`},
	{name: "deep inside", before: `{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string","maxLength":2}}}}}`, after: `{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string","maxLength":1}}}}}`, fits: `{"a":{"b":"x"}}`, breaks: `{"a":{"b":"xx"}}`},
	// Lists.
	{name: "elements widen", before: `{"type":"array","items":{"type":"integer"}}`, after: `{"type":"array","items":{"type":"number"}}`, fits: `[1]`},
	{name: "elements narrow", before: `{"type":"array","items":{"type":"number"}}`, after: `{"type":"array","items":{"type":"integer"}}`, fits: `[1]`, breaks: `[1.5]`},
	{name: "maxItems lower", before: `{"type":"array","maxItems":2}`, after: `{"type":"array","maxItems":1}`, fits: `[1]`, breaks: `[1,2]`},
	{name: "minItems lower", before: `{"type":"array","minItems":2}`, after: `{"type":"array","minItems":1}`, fits: `[1,2]`},
	{name: "uniqueItems comes", before: `{"type":"array"}`, after: `{"type":"array","uniqueItems":true}`, fits: `[1]`, breaks: `[1,1]`},
	{name: "uniqueItems goes", before: `{"type":"array","uniqueItems":true}`, after: `{"type":"array"}`, fits: `[1]`},
	{name: "a first element", before: `{"type":"array","items":{"type":"integer"}}`, after: `{"type":"array","prefixItems":[{"type":"number"}],"items":{"type":"integer"}}`, fits: `[1]`},
	{name: "another first element", before: `{"type":"array","items":{"type":"integer"}}`, after: `{"type":"array","prefixItems":[{"type":"string"}],"items":{"type":"integer"}}`, fits: `[]`, breaks: `[1]`},
	{name: "no more elements", before: `{"type":"array","prefixItems":[{}]}`, after: `{"type":"array","prefixItems":[{}],"items":false}`, fits: `[1]`, breaks: `[1,2]`},
	{name: "contains comes", before: `{"type":"array"}`, after: `{"type":"array","contains":{"type":"string"}}`, fits: `["a"]`, breaks: `[1]`},
	{name: "contains widens", before: `{"type":"array","contains":{"type":"integer"}}`, after: `{"type":"array","contains":{"type":"number"}}`, fits: `[1]`},
	{name: "contains more often", before: `{"type":"array","contains":{"type":"integer"}}`, after: `{"type":"array","contains":{"type":"integer"},"minContains":2}`, fits: `[1,2]`, breaks: `[1]`},
	{name: "contains less often", before: `{"type":"array","contains":{"type":"integer"},"minContains":2}`, after: `{"type":"array","contains":{"type":"integer"}}`, fits: `[1,2]`},
	{name: "maxContains comes", before: `{"type":"array","contains":{"type":"integer"}}`, after: `{"type":"array","contains":{"type":"integer"},"maxContains":1}`, fits: `[1]`, breaks: `[1,2]`},
	// Combined.
	{name: "an alternative more", before: `{"anyOf":[{"type":"string"}]}`, after: `{"anyOf":[{"type":"string"},{"type":"integer"}]}`, fits: `"a"`},
	{name: "an alternative less", before: `{"anyOf":[{"type":"string"},{"type":"integer"}]}`, after: `{"anyOf":[{"type":"string"}]}`, fits: `"a"`, breaks: `1`},
	{name: "alternatives become types", before: `{"anyOf":[{"type":"string"},{"type":"null"}]}`, after: `{"type":["string","null"]}`, fits: `"a"`},
	{name: "types become alternatives", before: `{"type":["string","null"],"maxLength":3}`, after: `{"anyOf":[{"type":"string","maxLength":3},{"type":"null"}]}`, fits: `"a"`},
	{name: "a kind more of oneOf", before: `{"oneOf":[{"type":"string"},{"type":"integer"}]}`, after: `{"oneOf":[{"type":"boolean"},{"type":"string"},{"type":"integer"}]}`, fits: `"a"`},
	{name: "a form that overlaps", before: `{"oneOf":[{"type":"integer","minimum":0}]}`, after: `{"oneOf":[{"type":"integer","minimum":0},{"type":"integer","maximum":0}]}`, fits: `1`, breaks: `0`},
	{name: "a form more, told apart by its kind", before: `{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]}]}`, after: `{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]}`, fits: `{"k":"a"}`},
	{name: "forms in another order", before: `{"oneOf":[{"type":"integer","minimum":3},{"type":"integer","multipleOf":2}]}`, after: `{"oneOf":[{"type":"integer","multipleOf":2},{"type":"integer","minimum":3}]}`, fits: `3`},
	{name: "allOf gains", before: `{"allOf":[{"type":"integer"}]}`, after: `{"allOf":[{"type":"integer"},{"minimum":1}]}`, fits: `1`, breaks: `0`},
	{name: "allOf loses", before: `{"allOf":[{"type":"integer"},{"minimum":1}]}`, after: `{"allOf":[{"type":"integer"}]}`, fits: `1`},
	{name: "allOf is said at once", before: `{"allOf":[{"type":"integer"},{"minimum":1}]}`, after: `{"type":"integer","minimum":1}`, fits: `1`},
	{name: "less is forbidden", before: `{"not":{"type":"string"}}`, after: `{"not":{"type":"string","minLength":2}}`, fits: `1`},
	{name: "more is forbidden", before: `{"not":{"type":"string","minLength":2}}`, after: `{"not":{"type":"string"}}`, fits: `1`, breaks: `"a"`},
	{name: "forbidden what could not be", before: `{"type":"integer"}`, after: `{"type":"integer","not":{"type":"string"}}`, fits: `1`},
	{name: "a condition comes", before: `{"type":"integer"}`, after: `{"type":"integer","if":{"minimum":10},"then":{"multipleOf":10}}`, fits: `1`, breaks: `11`},
	{name: "a condition asks less", before: `{"type":"integer","if":{"minimum":10},"then":{"multipleOf":10}}`, after: `{"type":"integer","if":{"minimum":10},"then":{"multipleOf":5}}`, fits: `20`},
	{name: "a condition asks earlier", before: `{"type":"integer","if":{"minimum":10},"then":{"multipleOf":10}}`, after: `{"type":"integer","if":{"minimum":5},"then":{"multipleOf":10}}`, fits: `20`, breaks: `6`},
	{name: "otherwise comes", before: `{"type":"integer","if":{"minimum":10}}`, after: `{"type":"integer","if":{"minimum":10},"else":{"multipleOf":2}}`, fits: `2`, breaks: `1`},
	// $defs.
	{name: "moved into $defs", before: `{"type":"integer","minimum":1}`, after: `{"$ref":"#/$defs/n"}`, defsNow: `{"n":{"type":"integer","minimum":1}}`, fits: `1`},
	{name: "moved out of $defs", before: `{"$ref":"#/$defs/n"}`, defsBefore: `{"n":{"type":"integer","minimum":1}}`, after: `{"type":"integer","minimum":1}`, fits: `1`},
	{name: "a definition narrows", before: `{"$ref":"#/$defs/n"}`, defsBefore: `{"n":{"type":"integer"}}`, after: `{"$ref":"#/$defs/n"}`, defsNow: `{"n":{"type":"integer","minimum":1}}`, fits: `1`, breaks: `0`},
	{name: "a definition widens", before: `{"$ref":"#/$defs/n"}`, defsBefore: `{"n":{"type":"integer","minimum":1}}`, after: `{"$ref":"#/$defs/n"}`, defsNow: `{"n":{"type":"integer","minimum":0}}`, fits: `1`},
	{name: "a definition is renamed", before: `{"$ref":"#/$defs/n"}`, defsBefore: `{"n":{"type":"integer","minimum":1}}`, after: `{"$ref":"#/$defs/m"}`, defsNow: `{"m":{"type":"integer","minimum":1}}`, fits: `1`},
	{name: "a tree widens", before: `{"$ref":"#/$defs/t"}`, defsBefore: `{"t":{"type":"object","properties":{"v":{"type":"integer"},"sub":{"type":"array","items":{"$ref":"#/$defs/t"}}}}}`,
		after: `{"$ref":"#/$defs/t"}`, defsNow: `{"t":{"type":"object","properties":{"v":{"type":"number"},"sub":{"type":"array","items":{"$ref":"#/$defs/t"}}}}}`, fits: `{"v":1,"sub":[{"v":2}]}`},
	{name: "a tree narrows", before: `{"$ref":"#/$defs/t"}`, defsBefore: `{"t":{"type":"object","properties":{"v":{"type":"number"},"sub":{"type":"array","items":{"$ref":"#/$defs/t"}}}}}`,
		after: `{"$ref":"#/$defs/t"}`, defsNow: `{"t":{"type":"object","properties":{"v":{"type":"integer"},"sub":{"type":"array","items":{"$ref":"#/$defs/t"}}}}}`, fits: `{"v":1}`, breaks: `{"sub":[{"v":1.5}]}`},
	{name: "a base gets a property", before: `{"allOf":[{"$ref":"#/$defs/b"},{"type":"object","properties":{"c":{"type":"integer"}}}]}`, defsBefore: `{"b":{"type":"object","properties":{"a":{"type":"string"}}}}`,
		after: `{"allOf":[{"$ref":"#/$defs/b"},{"type":"object","properties":{"c":{"type":"integer"}}}]}`, defsNow: `{"b":{"type":"object","properties":{"a":{"type":"string"},"d":{}}}}`, fits: `{"a":"x","c":1}`},
	{name: "a base loses a property", before: `{"allOf":[{"$ref":"#/$defs/b"},{"type":"object","properties":{"c":{"type":"integer"}}}]}`, defsBefore: `{"b":{"type":"object","properties":{"a":{"type":"string"},"d":{}}}}`,
		after: `{"allOf":[{"$ref":"#/$defs/b"},{"type":"object","properties":{"c":{"type":"integer"}}}]}`, defsNow: `{"b":{"type":"object","properties":{"a":{"type":"string"}}}}`, fits: `{"a":"x","c":1}`, breaks: `{"d":1}`},
	// Binaries.
	{name: "a larger binary", before: `{"x-binary":{"maxBytes":10}}`, after: `{"x-binary":{"maxBytes":20}}`, fits: `{"digest":"sha256:` + digest + `","size":10,"content_type":"image/png"}`},
	{name: "a smaller binary", before: `{"x-binary":{"maxBytes":20}}`, after: `{"x-binary":{"maxBytes":10}}`, fits: `{"digest":"sha256:` + digest + `","size":10,"content_type":"image/png"}`, breaks: `{"digest":"sha256:` + digest + `","size":11,"content_type":"image/png"}`},
	{name: "fewer media types", before: `{"x-binary":{}}`, after: `{"x-binary":{"contentTypes":["image/*"]}}`, fits: `{"digest":"sha256:` + digest + `","size":10,"content_type":"image/png"}`, breaks: `{"digest":"sha256:` + digest + `","size":11,"content_type":"text/plain"}`},
}

const digest = "0000000000000000000000000000000000000000000000000000000000000000"

// TestEveryKeyword: a change that widens is seen as such, one that narrows is not,
// and the values say that the table is right.
func TestEveryKeyword(t *testing.T) {
	if len(changes) < 60 {
		t.Fatalf("the table has %d rows", len(changes))
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			old, now := typeOf(t, c.before, c.defsBefore), typeOf(t, c.after, c.defsNow)
			row := func(p string) any { return decoded(t, fmt.Appendf(nil, `{"p":%s}`, p)) }
			if c.fits != "" && (old.Validate(row(c.fits)) != nil || now.Validate(row(c.fits)) != nil) {
				t.Fatalf("%s does not fit both", c.fits)
			}
			if c.breaks != "" && (old.Validate(row(c.breaks)) != nil || now.Validate(row(c.breaks)) == nil) {
				t.Fatalf("%s does not tell them apart", c.breaks)
			}
			if got := plan.Widens(decoded(t, old.Schema), decoded(t, now.Schema)); got != (c.breaks == "") {
				t.Errorf("widens: %v\nold %s\nnew %s", got, old.Schema, now.Schema)
			}
		})
	}
}

// TestWideningIsNeverClaimedWrongly: for random schemas and values, what is said to
// widen refuses nothing that was allowed.
func TestWideningIsNeverClaimedWrongly(t *testing.T) {
	rounds := 600
	if n, err := strconv.Atoi(os.Getenv("AUTOCRUD_TEST_SCHEMAS")); err == nil {
		rounds = n
	}
	widened, fitting, narrowed := 0, 0, 0
	for seed := range uint64(rounds) {
		g := generator{rand.New(rand.NewPCG(seed, 17)), []string{"d", "e"}}
		before := g.model()
		after := before
		for range 1 + g.IntN(3) {
			after = g.mutated(after)
		}
		old, err := model.NewType(model.Type{Name: "things", Schema: model.AppendCanonical(nil, before)})
		if err != nil {
			continue // a circle
		}
		now, err := model.NewType(model.Type{Name: "things", Schema: model.AppendCanonical(nil, after)})
		if err != nil {
			continue
		}
		widens := plan.Widens(decoded(t, old.Schema), decoded(t, now.Schema))
		if widens {
			widened++
		}
		for range 60 {
			row := map[string]any{}
			for range g.IntN(3) {
				row[g.name()] = g.value(3)
			}
			if old.Validate(row) != nil {
				continue
			}
			fits := now.Validate(row) == nil
			if !fits {
				narrowed++
			} else if widens && len(row) > 0 {
				fitting++
			}
			if widens && !fits {
				t.Fatalf("seed %d: %s fits the old schema and not the new one, which is said to widen\nold %s\nnew %s",
					seed, model.AppendCanonical(nil, row), old.Schema, now.Schema)
			}
		}
	}
	t.Logf("%d of %d changes widen, %d values that are not empty fit, %d changes were told apart by a value", widened, rounds, fitting, narrowed)
	if widened < rounds/20 || fitting < rounds/20 || narrowed < rounds/20 {
		t.Error("the random schemas say too little")
	}
}

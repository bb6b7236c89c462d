package resource_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// binaryPlaces are the places where a schema can put a binary: the properties
// of a model, and a document in which FILE stands for one.
var binaryPlaces = map[string][2]string{
	"properties":            {`f: {x-binary: {}}`, `{"f":FILE}`},
	"$ref":                  {`f: {$ref: "#/$defs/file"}`, `{"f":FILE}`},
	"an object behind $ref": {`f: {$ref: "#/$defs/holder"}`, `{"f":{"file":FILE}}`},
	"elements behind $ref":  {`f: {type: array, items: {$ref: "#/$defs/holder"}}`, `{"f":[{},{"file":FILE}]}`},
	"a chain of $ref":       {`f: {$ref: "#/$defs/alias"}`, `{"f":FILE}`},
	"$ref to a property":    {`e: {x-binary: {}}, f: {$ref: "#/properties/e"}`, `{"f":FILE}`},
	"a map":                 {`f: {type: object, additionalProperties: {x-binary: {}}}`, `{"f":{"any name/~":FILE}}`},
	"a map of maps":         {`f: {additionalProperties: {additionalProperties: {$ref: "#/$defs/file"}}}`, `{"f":{"a":{"b":FILE}}}`},
	"patterns":              {`f: {patternProperties: {"^\\u0061": {x-binary: {}}}}`, `{"f":{"abc":FILE}}`},
	"unevaluatedProperties": {`f: {properties: {name: {type: string}}, allOf: [{properties: {x: {type: integer}}}], unevaluatedProperties: {x-binary: {}}}`, `{"f":{"name":"n","x":1,"else":FILE}}`},
	"a list":                {`f: {type: array, items: {x-binary: {}}}`, `{"f":[FILE]}`},
	"a list of lists":       {`f: {type: array, items: {type: array, items: {x-binary: {}}}}`, `{"f":[[],[FILE]]}`},
	"prefixItems":           {`f: {type: array, prefixItems: [{type: string}, {x-binary: {}}]}`, `{"f":["s",FILE]}`},
	"after prefixItems":     {`f: {type: array, prefixItems: [{type: string}], items: {x-binary: {}}}`, `{"f":["s",FILE]}`},
	"unevaluatedItems":      {`f: {type: array, prefixItems: [{type: string}], unevaluatedItems: {x-binary: {}}}`, `{"f":["s",FILE]}`},
	"contains":              {`f: {type: array, contains: {x-binary: {}}}`, `{"f":[1,FILE]}`},
	"recursion":             {`f: {$ref: "#/$defs/tree"}`, `{"f":{"children":[{"children":[{"file":FILE}]}]}}`},
	"allOf":                 {`f: {allOf: [{x-binary: {}}, {description: a file}]}`, `{"f":FILE}`},
	"anyOf":                 {`f: {anyOf: [{type: string}, {x-binary: {}}]}`, `{"f":FILE}`},
	"oneOf":                 {`f: {oneOf: [{type: object, required: [url], properties: {url: {type: string}}}, {$ref: "#/$defs/file"}]}`, `{"f":FILE}`},
	"then":                  {`kind: {type: string}, f: {}`, `{"kind":"file","f":FILE}`},
	"else":                  {`kind: {type: string}, f: {}`, `{"kind":"other","f":FILE}`},
	"dependentSchemas":      {`with: {type: boolean}, f: {}`, `{"with":true,"f":FILE}`},
	"null beside it":        {`f: {x-binary: {}, type: [object, "null"]}`, `{"f":FILE}`},
	"an empty name":         {`f: {properties: {"": {x-binary: {}}}}`, `{"f":{"":FILE}}`},
}

// beside are the keywords of the whole schema that a place needs.
var beside = map[string]string{
	"then":             "  if: {properties: {kind: {const: file}}}\n  then: {properties: {f: {x-binary: {}}}}\n",
	"else":             "  if: {properties: {kind: {const: file}}}\n  else: {properties: {f: {$ref: \"#/$defs/file\"}}}\n",
	"dependentSchemas": "  dependentSchemas: {with: {properties: {f: {x-binary: {}}}}}\n",
}

func placeModel(name, place string) string {
	return "name: " + name + "\nschema:\n  type: object\n  properties: {" + binaryPlaces[place][0] + "}\n" + beside[place] + `
  $defs:
    file: {x-binary: {maxBytes: 50, contentTypes: ["text/*"]}}
    alias: {$ref: "#/$defs/file"}
    holder: {type: object, properties: {file: {$ref: "#/$defs/file"}}}
    tree: {type: object, properties: {file: {$ref: "#/$defs/file"}, children: {type: array, items: {$ref: "#/$defs/tree"}}}}
`
}

func TestABinaryIsOneWhereverASchemaPutsIt(t *testing.T) {
	var models []string
	names := map[string]string{}
	for place := range binaryPlaces {
		names[place] = fmt.Sprintf("t%d", len(names))
		models = append(models, placeModel(names[place], place))
	}
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, models...), testenv.StackOptions{})
	for place, with := range binaryPlaces {
		t.Run(strings.ReplaceAll(place, " ", "-"), func(t *testing.T) {
			typ := names[place]
			doc := func(file string) any { return testenv.Doc(t, strings.ReplaceAll(with[1], "FILE", file)) }
			nowhere := `{"digest":"sha256:` + strings.Repeat("0", 64) + `"}`
			_, err := s.Manager.Create(t.Context(), typ, doc(nowhere), resource.CreateOptions{})
			wantCode(t, err, fault.ValidationFailed)

			text := "content of " + place
			r, err := s.Manager.Create(t.Context(), typ, doc(fmt.Sprintf(`{"base64":%q}`, base64.StdEncoding.EncodeToString([]byte(text)))), resource.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			digest := digestOf([]byte(text))
			if !bytes.Contains(r.Data, []byte(fmt.Sprintf(`{"content_type":"text/plain; charset=utf-8","digest":%q,"size":%d}`, digest, len(text)))) {
				t.Fatalf("%s", r.Data)
			}
			if out, err := s.Manager.Upkeep.Sweep(t.Context(), -upkeep.SweepAge); err != nil || out.Binaries != 0 {
				t.Fatalf("a sweep removed what is in use: %+v %v", out, err)
			}
			file, kind, err := s.Manager.Binaries.OpenBinary(t.Context(), typ, r.ID, digest)
			if err != nil || kind != "text/plain; charset=utf-8" {
				t.Fatalf("%q %v", kind, err)
			}
			defer file.Close()
			if got, _ := io.ReadAll(file); string(got) != text {
				t.Fatalf("%q", got)
			}
			b, err := s.Manager.Binaries.PutBinary(t.Context(), strings.NewReader("by digest, "+place), 100)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.Manager.Update(t.Context(), typ, r.ID, doc(fmt.Sprintf(`{"digest":%q}`, b.Digest)), resource.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			_, _, err = s.Manager.Update(t.Context(), typ, r.ID, doc(fmt.Sprintf(`{"digest":%q,"alt":"x"}`, b.Digest)), resource.UpdateOptions{})
			wantCode(t, err, fault.ValidationFailed)
		})
	}
	if f := verify(t, s); len(f) > 0 {
		t.Fatalf("%+v", f)
	}
}

func TestTheLimitsOfABinaryHoldBehindAReference(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, placeModel("files", "recursion"), `
name: either
schema:
  type: object
  properties:
    f: {oneOf: [{x-binary: {contentTypes: ["image/*"]}}, {x-binary: {contentTypes: ["text/plain"], maxBytes: 20}}]}
`), testenv.StackOptions{})
	in := func(content []byte) string {
		return fmt.Sprintf(`{"base64":%q}`, base64.StdEncoding.EncodeToString(content))
	}
	for name, c := range map[string]struct {
		typ, doc, pointer, detail string
	}{
		"TooLarge":         {"files", `{"f":{"children":[{"file":` + in(bytes.Repeat([]byte("x"), 51)) + `}]}}`, "/f/children/0/file", "the binary has 51 bytes, the most is 50"},
		"OfAnotherKind":    {"files", `{"f":{"file":` + in(png) + `}}`, "/f/file", "the binary is image/png; accepted is text/*"},
		"NeitherOfTheTwo":  {"either", `{"f":` + in([]byte("far too long for a text of this type")) + `}`, "/f", "the binary has 36 bytes, the most is 20"},
		"OneOfTheTwo":      {"either", `{"f":` + in(png) + `}`, "", ""},
		"TheOtherOfTheTwo": {"either", `{"f":` + in([]byte("short")) + `}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Manager.Create(t.Context(), c.typ, testenv.Doc(t, c.doc), resource.CreateOptions{})
			testenv.WantField(t, err, c.pointer, c.detail)
		})
	}
}

func TestEveryMemberOfABinaryIsChecked(t *testing.T) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, `
name: files
schema: {type: object, properties: {f: {x-binary: {}}, free: {type: object, additionalProperties: true}}}
`), testenv.StackOptions{})
	b, err := s.Manager.Binaries.PutBinary(t.Context(), strings.NewReader("twelve bytes"), 100)
	if err != nil {
		t.Fatal(err)
	}
	image, err := s.Manager.Binaries.PutBinary(t.Context(), bytes.NewReader(png), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][3]string{
		"AnUnknownMember":     {fmt.Sprintf(`{"digest":%q,"filename":"a.txt"}`, b.Digest), "/f/filename", "is not a known property"},
		"AnUnknownBesideIt":   {`{"base64":"aGk=","alt":"photo"}`, "/f/alt", "is not a known property"},
		"AnotherSize":         {fmt.Sprintf(`{"digest":%q,"size":99}`, b.Digest), "/f/size", "the binary has 12 bytes"},
		"ASizeThatIsText":     {fmt.Sprintf(`{"digest":%q,"size":"x"}`, b.Digest), "/f/size", "the binary has 12 bytes"},
		"ASizeThatIsNull":     {fmt.Sprintf(`{"digest":%q,"size":null}`, b.Digest), "/f/size", "the binary has 12 bytes"},
		"AnotherDigest":       {fmt.Sprintf(`{"base64":"aGk=","digest":%q}`, b.Digest), "/f/digest", "is not that of the content"},
		"Base64ThatIsANumber": {`{"base64":5}`, "/f/base64", "must be a string"},
		"BrokenBase64":        {`{"base64":"%%%"}`, "/f/base64", "cannot be read"},
		"AKindThatIsANumber":  {fmt.Sprintf(`{"digest":%q,"content_type":5}`, b.Digest), "/f/content_type", "must be a string"},
		"NoMediaType":         {fmt.Sprintf(`{"digest":%q,"content_type":"not a type"}`, b.Digest), "/f/content_type", "no media type"},
		"TwoMediaTypes":       {fmt.Sprintf(`{"digest":%q,"content_type":"image/png, text/html"}`, image.Digest), "/f/content_type", "no media type"},
		"ALineBreak":          {fmt.Sprintf(`{"digest":%q,"content_type":"text/plain\r\nX: y"}`, b.Digest), "/f/content_type", "no media type"},
		"NotASCII":            {fmt.Sprintf(`{"digest":%q,"content_type":"text/plän"}`, b.Digest), "/f/content_type", "no media type"},
		"AKindThatItIsNot":    {fmt.Sprintf(`{"digest":%q,"content_type":"image/jpeg"}`, image.Digest), "/f/content_type", "the binary is image/png"},
		"HTMLThatIsAnImage":   {fmt.Sprintf(`{"digest":%q,"content_type":"text/html"}`, image.Digest), "/f/content_type", "the binary is image/png"},
		"AllThatFits":         {fmt.Sprintf(`{"base64":"dHdlbHZlIGJ5dGVz","digest":%q,"size":12,"content_type":"Text/Markdown; charset=utf-8"}`, b.Digest), "", ""},
		"WhatWasAnswered":     {fmt.Sprintf(`{"digest":%q,"size":%d,"content_type":"image/png"}`, image.Digest, len(png)), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Manager.Create(t.Context(), "files", testenv.Doc(t, `{"f":`+c[0]+`}`), resource.CreateOptions{})
			testenv.WantField(t, err, c[1], c[2])
		})
	}
	t.Run("AMergePatchSaysAllOfTheNewOne", func(t *testing.T) {
		r := create(t, s, "files", fmt.Sprintf(`{"f":{"digest":%q}}`, image.Digest))
		patch := func(body string) error {
			_, err := s.Manager.Patch(t.Context(), "files", r.ID, resource.Patch{Kind: resource.MergePatch, Body: testenv.Doc(t, body)}, resource.UpdateOptions{})
			return err
		}
		testenv.WantField(t, patch(`{"f":{"alt":"t"}}`), "/f/alt", "is not a known property")
		testenv.WantField(t, patch(fmt.Sprintf(`{"f":{"digest":%q,"alt":"t"}}`, b.Digest)), "/f/alt", "is not a known property")
		if err := patch(fmt.Sprintf(`{"f":{"digest":%q}}`, b.Digest)); err != nil {
			t.Fatal(err)
		}
		if err := patch(`{"f":{"base64":"aGk=","content_type":null}}`); err != nil {
			t.Fatal(err)
		}
		testenv.WantField(t, patch(`{"f":{"size":3}}`), "/f/size", "the binary has 2 bytes")
	})
	t.Run("AnObjectElsewhereMayLookLikeOne", func(t *testing.T) {
		r := create(t, s, "files", fmt.Sprintf(`{"f":{"digest":%q},"free":{"digest":%q,"content_type":"text/html","base64":1}}`, image.Digest, image.Digest))
		file, kind, err := s.Manager.Binaries.OpenBinary(t.Context(), "files", r.ID, image.Digest)
		if err != nil || kind != "image/png" {
			t.Fatalf("%q %v", kind, err)
		}
		file.Close()
	})
}

func TestModelsWithBinariesThatMeanNothingAreRefused(t *testing.T) {
	for name, c := range map[string][2]string{
		"KeywordsBesideIt":   {`f: {x-binary: {}, properties: {alt: {type: string}}}`, "properties has no effect beside x-binary"},
		"AnotherType":        {`f: {type: string, x-binary: {}}`, "a binary is an object"},
		"NoMediaType":        {`f: {x-binary: {contentTypes: ["image"]}}`, "no media type"},
		"NoListOfMediaTypes": {`f: {x-binary: {contentTypes: "image/png"}}`, "must be a list"},
		"OutsideOfSchemas":   {`f: {$ref: "#/x-parts/file"}`, "leads to no place of a schema"},
		"ACircle":            {`f: {$ref: "#/$defs/a"}`, "leads in a circle"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := model.ParseType("m.yaml", []byte("name: m\nschema:\n  type: object\n  properties: {"+c[0]+`}
  x-parts: {file: {x-binary: {}}}
  $defs: {a: {allOf: [{$ref: "#/$defs/b"}]}, b: {anyOf: [{type: string}, {$ref: "#/$defs/a"}]}}
`))
			if name != "ACircle" && len(problems) == 2 { // the circle of $defs is told besides
				problems = problems[:1]
			}
			if len(problems) == 0 || !strings.Contains(problems.Error(), c[1]) {
				t.Fatalf("%v, want %q", problems, c[1])
			}
		})
	}
}

func TestDefaultsReachWhatAMapHolds(t *testing.T) {
	typ := testenv.Types(t, `
name: things
schema:
  type: object
  properties:
    map:      {type: object, additionalProperties: {$ref: "#/$defs/item"}}
    patterns: {type: object, properties: {xa: {type: object, additionalProperties: true, properties: {own: {default: 9}}}}, patternProperties: {"^x": {$ref: "#/$defs/item"}}}
    rest:     {type: object, allOf: [{properties: {known: {type: object}}}], unevaluatedProperties: {$ref: "#/$defs/item"}}
    first:    {type: array, prefixItems: [{type: integer}, {$ref: "#/$defs/item"}], items: {type: object, properties: {m: {default: 2}}}}
    left:     {type: array, prefixItems: [{type: object}], unevaluatedItems: {$ref: "#/$defs/item"}}
    deep:     {type: object, additionalProperties: {additionalProperties: {$ref: "#/$defs/item"}}}
    made:     {type: object, additionalProperties: {$ref: "#/$defs/item"}, default: {a: {}}}
  $defs:
    item: {type: object, properties: {n: {type: integer, default: 1}, own: {type: integer}}}
`)[0]
	for doc, want := range map[string]string{
		`{"map":{"a":{},"b":{"n":5}}}`:                 `{"made":{"a":{"n":1}},"map":{"a":{"n":1},"b":{"n":5}}}`,
		`{"patterns":{"xa":{},"xb":{}},"made":{}}`:     `{"made":{},"patterns":{"xa":{"n":1,"own":9},"xb":{"n":1}}}`,
		`{"rest":{"known":{},"other":{}},"made":{}}`:   `{"made":{},"rest":{"known":{},"other":{"n":1}}}`,
		`{"first":[3,{},{}],"made":{}}`:                `{"first":[3,{"n":1},{"m":2}],"made":{}}`,
		`{"left":[{},{}],"made":{}}`:                   `{"left":[{},{"n":1}],"made":{}}`,
		`{"deep":{"a":{"b":{}}},"made":{"c":{"n":0}}}`: `{"deep":{"a":{"b":{"n":1}}},"made":{"c":{"n":0}}}`,
	} {
		filled := typ.Defaults(testenv.Doc(t, doc))
		if got := string(model.AppendCanonical(nil, filled)); got != want {
			t.Errorf("%s: got %s, want %s", doc, got, want)
		}
		if err := typ.Validate(filled); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func digestOf(content []byte) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(content))
}

package model_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
)

// refusals gives "pointer: detail" for each place a document is refused for.
func refusals(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *fault.Error
	if !errors.As(err, &e) || e.Code != fault.ValidationFailed || len(e.Fields) == 0 {
		t.Fatalf("not a validation_failed with places: %v", err)
	}
	var out []string
	for _, f := range e.Fields {
		out = append(out, f.Pointer+": "+f.Detail)
	}
	return out
}

func TestValidateNamesEveryPlace(t *testing.T) {
	typ := parse(t, moviesYAML)
	for doc, want := range map[string][]string{
		`{"title":"Heat","year":1995,"slug":null,"genres":["Drama"],"released":"1995-12-15T00:00:00Z"}`: nil,
		`{"title":"Heat","year":1995.0}`: nil,
		`[]`:                             {": must be an object, not an array"},
		`null`:                           {": must be an object, not null"},
		`7`:                              {": must be an object, not an integer"},
		`{}`:                             {"/title: is required", "/year: is required"},
		`{"title":"","year":1,"colour":"red","yaer":2}`: {"/colour: is not a known property", "/title: must have at least 1 character",
			`/yaer: is not a known property; did you mean "year"?`, "/year: must be at least 1870"},
		`{"title":"x","year":1e19,"genres":["Drama","Western"]}`:             {`/genres/1: must be one of "Drama", "Crime"`, "/year: must fit a signed 64-bit integer"},
		`{"title":null,"year":"1995","slug":3}`:                              {"/slug: must be a string or null, not a number", "/title: must be a string, not null", "/year: must be an integer, not a string"},
		`{"title":"x","year":1995.5}`:                                        {"/year: must be an integer, not a number"},
		`{"title":"x","year":1995,"released":"1995-12-15"}`:                  {`/released: must be a date and time as in RFC 3339, for example "2006-01-02T15:04:05Z"`},
		`{"title":"x","year":1995,"poster":{"digest":"sha256:00"}}`:          {"/poster/digest: does not match the pattern ^sha256:[0-9a-f]{64}$"},
		`{"title":"x","year":1995,"credits":[{"director":"Mann","x":1},{}]}`: {"/credits/0/x: is not a known property", "/credits/1/director: is required"},
	} {
		if got := refusals(t, typ.Validate(decode(t, doc))); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %q\nwant %q", doc, got, want)
		}
	}
}

func TestValidateNamesAtMost100Places(t *testing.T) {
	typ := parse(t, moviesYAML)
	list := strings.Repeat(`"x",`, 200)
	got := refusals(t, typ.Validate(decode(t, `{"title":"x","year":1995,"genres":[`+list[:len(list)-1]+`]}`)))
	if len(got) != 100 {
		t.Errorf("%d places", len(got))
	}
}

func TestUnknownPropertiesAreRefusedWhereverTheModelClosesThem(t *testing.T) {
	for _, c := range []struct{ schema, doc, want string }{
		{`{"properties":{"a":{"properties":{"b":{}}}}}`, `{"a":{"b":1}}`, ""},
		{`{"properties":{"a":{"properties":{"b":{}}}}}`, `{"a":{"c":1}}`, "/a/c: "},
		{`{"properties":{"a":{}},"additionalProperties":true}`, `{"c":1}`, ""},
		{`{"properties":{"a":{}},"additionalProperties":{"type":"integer"}}`, `{"c":1}`, ""},
		{`{"properties":{"a":{}},"patternProperties":{"^x":{}}}`, `{"c":1}`, ""},
		{`{"type":"object"}`, `{"c":1}`, ""},
		{`{"properties":{"a":{"type":"object"}}}`, `{"a":{"free":1}}`, ""},
		// Composition: every branch's properties are known together.
		{`{"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}`, `{"a":1,"b":2}`, ""},
		{`{"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}`, `{"a":1,"c":2}`, "/c: "},
		{`{"properties":{"k":{}},"oneOf":[{"properties":{"k":{"const":1},"a":{}},"required":["a"]},{"properties":{"k":{"const":2},"b":{}},"required":["b"]}]}`, `{"k":1,"a":1}`, ""},
		{`{"properties":{"k":{}},"oneOf":[{"properties":{"k":{"const":1},"a":{}},"required":["a"]},{"properties":{"k":{"const":2},"b":{}},"required":["b"]}]}`, `{"k":1,"a":1,"c":1}`, "/c: "},
		{`{"properties":{"a":{}},"if":{"properties":{"a":{"const":1}}},"then":{"properties":{"b":{}}}}`, `{"a":1,"b":1}`, ""},
		{`{"properties":{"a":{}},"if":{"properties":{"a":{"const":1}}},"then":{"properties":{"b":{}}}}`, `{"a":1,"z":1}`, "/z: "},
		{`{"properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"properties":{"b":{}}}}}`, `{"a":{"b":1}}`, ""},
		{`{"properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"properties":{"b":{}}}}}`, `{"a":{"c":1}}`, "/a/c: "},
		{`{"allOf":[{"$ref":"#/$defs/x"}],"properties":{"b":{}},"$defs":{"x":{"properties":{"a":{}}}}}`, `{"a":1,"b":1}`, ""},
		{`{"allOf":[{"$ref":"#/$defs/x"}],"properties":{"b":{}},"$defs":{"x":{"properties":{"a":{}}}}}`, `{"q":1}`, "/q: "},
		{`{"properties":{"a":{"anyOf":[{"type":"object","properties":{"b":{}}},{"type":"null"}]}}}`, `{"a":null}`, ""},
		{`{"properties":{"a":{"anyOf":[{"type":"object","properties":{"b":{}}},{"type":"null"}]}}}`, `{"a":{"c":1}}`, "/a/c: "},
		{`{"properties":{"next":{"$ref":"#"},"v":{}}}`, `{"next":{"next":{"v":1}}}`, ""},
		{`{"properties":{"next":{"$ref":"#"},"v":{}}}`, `{"next":{"next":{"w":1}}}`, "/next/next/w: "},
		// Two descriptions of one property hold together: neither closes it.
		{`{"allOf":[{"properties":{"p":{"properties":{"a":{}}}}},{"properties":{"p":{"properties":{"b":{}}}}}]}`, `{"p":{"a":1,"b":2}}`, ""},
		// A question is no description.
		{`{"properties":{"p":{"properties":{"a":{},"b":{}}}},"not":{"properties":{"p":{"properties":{"a":{"const":1}}}},"required":["p"]}}`, `{"p":{"a":1,"b":2}}`, ": has a form"},
	} {
		got := strings.Join(refusals(t, schemaType(t, c.schema).Validate(decode(t, c.doc))), "; ")
		if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s with %s\n got %q\nwant %q", c.schema, c.doc, got, c.want)
		}
	}
}

func TestFormatsAreAsserted(t *testing.T) {
	typ := schemaType(t, `{"properties":{"at":{"type":"string","format":"date-time"},"d":{"type":"string","format":"date"},
		"u":{"type":"string","format":"uuid"},"m":{"type":"string","format":"email"},"l":{"type":"string","format":"uri"},"i":{"type":"string","format":"ipv4"}}}`)
	for doc, ok := range map[string]bool{
		`{"at":"2006-01-02T15:04:05Z"}`:           true,
		`{"at":"2006-01-02t15:04:05.123456789z"}`: true,
		`{"at":"2006-01-02T15:04:05+05:30"}`:      true,
		`{"at":"2016-12-31T23:59:60Z"}`:           true,
		`{"at":"2016-12-31T22:59:60Z"}`:           false,
		`{"at":"2006-01-02T1:04:05Z"}`:            false,
		`{"at":"2006-01-02T15:04:05"}`:            false,
		`{"at":"2006-01-02 15:04:05Z"}`:           false,
		`{"at":"2006-01-02T15:04:05,5Z"}`:         false,
		`{"at":"2006-02-30T15:04:05Z"}`:           false,
		`{"at":"2006-01-02T24:00:00Z"}`:           false,
		`{"at":"2006-01-02T15:04:05+24:00"}`:      false,
		`{"at":"0000-01-01T00:00:00Z"}`:           false,
		`{"at":"9999-12-31T23:59:59-01:00"}`:      false,
		`{"at":"2006-01-02T15:04:ſſZ"}`:           false,
		`{"at":"ſſſſſſſſſſſſſ:ſſ"}`:               false,
		`{"at":""}`:          false,
		`{"d":"2006-01-02"}`: true,
		`{"d":"2006-1-2"}`:   false,
		`{"u":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}`: true,
		`{"u":"f81d4fae"}`:                false,
		`{"m":"a@example.com"}`:           true,
		`{"m":"a.example.com"}`:           false,
		`{"l":"https://example.com/a?b"}`: true,
		`{"l":"example"}`:                 false,
		`{"i":"127.0.0.1"}`:               true,
		`{"i":"127.0.0.256"}`:             false,
	} {
		if err := typ.Validate(decode(t, doc)); (err == nil) != ok {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func TestParseTimeCutsToMicrosecondsInUTC(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2006-01-02T15:04:05.1234567+01:00": time.Date(2006, 1, 2, 14, 4, 5, 123456000, time.UTC),
		"2016-12-31T23:59:60.5Z":            time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := model.ParseTime(text); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: %v %v, want %v", text, got, err, want)
		}
	}
}

func TestARefusedBranchDoesNotMakeItsPropertiesUnknown(t *testing.T) {
	typ := schemaType(t, `{"allOf":[{"properties":{"a":{"type":"integer"},"b":{}}}],"properties":{"c":{}}}`)
	want := []string{"/a: must be an integer, not a string", "/z: is not a known property"}
	if got := refusals(t, typ.Validate(decode(t, `{"a":"x","b":1,"c":1,"z":1}`))); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestDefaultsAreFilledInAndNotShared(t *testing.T) {
	typ := schemaType(t, `{"properties":{
		"n":{"type":"integer","default":3},
		"o":{"type":"object","properties":{"a":{"default":[1]},"b":{"type":"string"}}},
		"whole":{"type":"object","default":{},"properties":{"x":{"default":{"y":1}}}},
		"list":{"type":"array","items":{"type":"object","properties":{"z":{"default":null}}}},
		"ref":{"$ref":"#/$defs/r"},
		"maybe":{"anyOf":[{"type":"object","properties":{"k":{"default":"v"}}},{"type":"null"}]},
		"all":{"allOf":[{"properties":{"p":{"default":true}}}]}},
		"$defs":{"r":{"type":"string","default":"d"}}}`)
	in := decode(t, `{"o":{},"list":[{},{"z":1}],"maybe":{},"all":{}}`)
	before := string(model.AppendCanonical(nil, in))
	want := `{"all":{"p":true},"list":[{"z":null},{"z":1}],"maybe":{"k":"v"},"n":3,"o":{"a":[1]},"ref":"d","whole":{"x":{"y":1}}}`
	first := typ.Defaults(in)
	if got := string(model.AppendCanonical(nil, first)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if after := string(model.AppendCanonical(nil, in)); after != before {
		t.Errorf("the document was changed: %s", after)
	}
	first.(map[string]any)["whole"].(map[string]any)["x"].(map[string]any)["y"] = "changed"
	first.(map[string]any)["o"].(map[string]any)["a"].([]any)[0] = "changed"
	if got := string(model.AppendCanonical(nil, typ.Defaults(in))); got != want {
		t.Errorf("the type was changed: %s", got)
	}
	if got := typ.Defaults("text"); got != "text" {
		t.Errorf("a document that is no object: %v", got)
	}
}

func TestExtractGivesValuesInOrder(t *testing.T) {
	typ, err := model.NewType(model.Type{Name: "things", FullText: []string{"words", "title"},
		Index: []string{"title", "at", "n", "f", "b", "tags", "credits.who", "credits.years", "deep.in", "e", "u"},
		Schema: []byte(`{"properties":{"title":{"type":"string"},"at":{"type":["string","null"],"format":"date-time"},"n":{"type":"integer"},"f":{"type":"number"},
		"b":{"type":"boolean"},"tags":{"type":"array","items":{"type":["string","null"]}},"words":{"type":"array","items":{"type":"string"}},
		"credits":{"type":"array","items":{"type":"object","properties":{"who":{"type":"string"},"years":{"type":"array","items":{"type":"integer"}}}}},
		"deep":{"$ref":"#/$defs/d"},"e":{"enum":["a","b",null]},"u":{"anyOf":[{"type":"string","format":"date-time"},{"type":"null"}]}},
		"$defs":{"d":{"properties":{"in":{"type":"number"}}}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, f := range typ.Definition().Fields {
		name := f.Name + " " + f.Kind.String()
		if f.List {
			name += " list"
		}
		fields = append(fields, name)
	}
	if want := "at time,b boolean,credits.who text list,credits.years integer list,deep.in number,e text,f number,n integer,tags text list,title text,u time"; strings.Join(fields, ",") != want {
		t.Fatalf("fields %s", strings.Join(fields, ","))
	}
	at := time.Date(2006, 1, 2, 14, 4, 5, 1000, time.UTC)
	for doc, want := range map[string][]query.Value{
		`{}`: {nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil},
		`{"at":"2006-01-02T15:04:05.0000019+01:00","b":false,"credits":[{"who":"x","years":[1,2]},{},{"who":"y","years":[3]}],"deep":{"in":2},"e":"b","f":1.5,"n":7,"tags":["p",null],"title":"t","u":null}`: {
			at, false, []query.Value{"x", "y"}, []query.Value{int64(1), int64(2), int64(3)}, 2.0, "b", 1.5, int64(7), []query.Value{"p", nil}, "t", nil},
		`{"tags":[],"credits":[]}`: {nil, nil, []query.Value{}, []query.Value{}, nil, nil, nil, nil, []query.Value{}, nil, nil},
	} {
		tree := decode(t, doc)
		if err := typ.Validate(tree); err != nil {
			t.Fatal(err)
		}
		got, _, err := typ.Extract(tree)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %#v (%v)\nwant %#v", doc, got, err, want)
		}
	}
	_, text, err := typ.Extract(decode(t, `{"title":"Heat","words":["a","b c"]}`))
	if err != nil || !reflect.DeepEqual(text, []string{"Heat", "a\nb c"}) {
		t.Errorf("full text %q %v", text, err)
	}
}

func TestExtractLimitsText(t *testing.T) {
	typ := parse(t, "name: t\nschema: {type: object, properties: {s: {type: string}, l: {type: array, items: {type: string}}, long: {type: string}}}\nindex: [s, l]\nfulltext: [long]\n")
	fits, over := strings.Repeat("é", 1000), strings.Repeat("é", 1000)+"x"
	if _, _, err := typ.Extract(map[string]any{"s": fits, "l": []any{fits}}); err != nil {
		t.Errorf("2,000 bytes: %v", err)
	}
	_, _, err := typ.Extract(map[string]any{"s": over, "l": []any{"a", over}})
	if got := refusals(t, err); len(got) != 2 || !strings.HasPrefix(got[0], "/l/1: ") || !strings.HasPrefix(got[1], "/s: ") {
		t.Errorf("got %q", got)
	}
	_, text, err := typ.Extract(map[string]any{"long": "x" + strings.Repeat("é", 200_000)})
	if err != nil || len(text[0]) != model.MaxFullText-1 || !strings.HasSuffix(text[0], "é") {
		t.Errorf("%d bytes of full text, %v", len(text[0]), err)
	}
}

func TestTypesAreUsedByManyAtOnce(t *testing.T) {
	typ := parse(t, moviesYAML)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				tree := typ.Defaults(map[string]any{"title": "x", "year": int64(1995)})
				if err := typ.Validate(tree); err != nil {
					t.Error(err)
				}
				if typ.Validate(map[string]any{"title": int64(1)}) == nil {
					t.Error("not refused")
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkWrite(b *testing.B) {
	typ := parse(b, moviesYAML)
	text := []byte(`{"title":"Heat","year":1995,"genres":["Crime","Drama"],"studio":null,"rating":8.3,"released":"1995-12-15T00:00:00Z"}`)
	tree, err := model.DecodeJSON(text)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Validate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := typ.Validate(tree); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Defaults", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			typ.Defaults(tree)
		}
	})
	b.Run("Extract", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := typ.Extract(tree); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package reshape_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
	"github.com/autocrud-go/autocrud/pkg/reshape"
)

// decode reads JSON as package model does: whole numbers are int64.
func decode(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return plain(v)
}

func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}

func shape(t *testing.T, ops string) *reshape.Shape {
	t.Helper()
	s, err := reshape.Parse(decode(t, ops).([]any))
	if err != nil {
		t.Fatalf("%s: %v", ops, err)
	}
	return s
}

func TestOperations(t *testing.T) {
	for _, c := range []struct{ ops, doc, want string }{
		{`[{"op":"rename","path":"/label","to":"title"}]`, `{"label":"a","n":1}`, `{"title":"a","n":1}`},
		{`[{"op":"rename","path":"/label","to":"title"}]`, `{"n":1}`, `{"n":1}`},
		{`[{"op":"rename","path":"/label","to":"label"}]`, `{"label":1}`, `{"label":1}`},
		{`[{"op":"rename","path":"/list/*/a","to":"b"}]`, `{"list":[{"a":1},{"c":2},3]}`, `{"list":[{"b":1},{"c":2},3]}`},
		{`[{"op":"rename","path":"/map/*/a","to":"b"}]`, `{"map":{"x":{"a":1},"y":{}}}`, `{"map":{"x":{"b":1},"y":{}}}`},
		{`[{"op":"rename","path":"/list/1/a","to":"b"}]`, `{"list":[{"a":1},{"a":2}]}`, `{"list":[{"a":1},{"b":2}]}`},
		{`[{"op":"default","path":"/n","value":7}]`, `{}`, `{"n":7}`},
		{`[{"op":"default","path":"/n","value":7}]`, `{"n":null}`, `{"n":null}`},
		{`[{"op":"default","path":"/o/n","value":[1]}]`, `{"a":1}`, `{"a":1}`},
		{`[{"op":"default","path":"/o/*/n","value":{"x":1}}]`, `{"o":[{},{"n":2}]}`, `{"o":[{"n":{"x":1}},{"n":2}]}`},
		{`[{"op":"split","path":"/name","by":" ","into":["first","last"]}]`, `{"name":"Ada King Lovelace"}`, `{"first":"Ada","last":"King Lovelace"}`},
		{`[{"op":"split","path":"/name","by":" ","into":["first","last"]}]`, `{"name":"Ada"}`, `{"first":"Ada"}`},
		{`[{"op":"split","path":"/name","by":" ","into":["name","last"]}]`, `{"name":"Ada King"}`, `{"name":"Ada","last":"King"}`},
		{`[{"op":"split","path":"/name","by":" ","into":["first","last"]}]`, `{}`, `{}`},
		{`[{"op":"split","path":"/tags","by":","}]`, `{"tags":"a, b,,c"}`, `{"tags":["a","b","c"]}`},
		{`[{"op":"split","path":"/tags","by":","}]`, `{"tags":""}`, `{"tags":[]}`},
		{`[{"op":"split","path":"/tags","by":","}]`, `{"tags":null}`, `{"tags":null}`},
		{`[{"op":"join","path":"/name","from":["first","last"],"by":" "}]`, `{"first":"Ada","last":"King"}`, `{"name":"Ada King"}`},
		{`[{"op":"join","path":"/name","from":["first","last"],"by":" "}]`, `{"last":"King","first":null}`, `{"name":"King"}`},
		{`[{"op":"join","path":"/name","from":["first","last"],"by":" "}]`, `{"x":1}`, `{"x":1}`},
		{`[{"op":"join","path":"/first","from":["first","last"],"by":" "}]`, `{"first":"Ada","last":"King"}`, `{"first":"Ada King"}`},
		{`[{"op":"join","path":"/tags","by":"; "}]`, `{"tags":["a",1,true,1.5,null]}`, `{"tags":"a; 1; true; 1.5"}`},
		{`[{"op":"join","path":"/tags","by":""}]`, `{}`, `{}`},
		{`[{"op":"map","path":"/s","values":{"open":"todo","1":"one","true":"yes","null":"none"}}]`, `{"s":"open"}`, `{"s":"todo"}`},
		{`[{"op":"map","path":"/s/*","values":{"open":"todo","1":"one","true":"yes","null":"none"}}]`, `{"s":["open",1,true,null,"x",[]]}`, `{"s":["todo","one","yes","none","x",[]]}`},
		{`[{"op":"map","path":"/s","values":{"a":1},"else":null}]`, `{"s":"b"}`, `{"s":null}`},
		{`[{"op":"map","path":"/s","values":{"a":1},"else":0}]`, `{}`, `{}`},
		{`[{"op":"convert","path":"/*","to":"string"}]`, `{"a":1,"b":1.5,"c":true,"d":"x","e":null}`, `{"a":"1","b":"1.5","c":"true","d":"x","e":null}`},
		{`[{"op":"convert","path":"/*","to":"integer"}]`, `{"a":"12","b":3.0,"c":" -4 ","d":true,"e":"1e3"}`, `{"a":12,"b":3,"c":-4,"d":1,"e":1000}`},
		{`[{"op":"convert","path":"/*","to":"number"}]`, `{"a":"1.5","b":2,"c":"7"}`, `{"a":1.5,"b":2,"c":7}`},
		{`[{"op":"convert","path":"/*","to":"boolean"}]`, `{"a":"Yes","b":0,"c":"false","d":true}`, `{"a":true,"b":false,"c":false,"d":true}`},
		{`[{"op":"convert","path":"/*","to":"list"}]`, `{"a":"x","b":[1]}`, `{"a":["x"],"b":[1]}`},
		{`[{"op":"convert","path":"/*","to":"date"}]`, `{"a":"2020-02-29T23:00:00-08:00","b":"2020-01-01"}`, `{"a":"2020-02-29","b":"2020-01-01"}`},
		{`[{"op":"convert","path":"/*","to":"date-time"}]`, `{"a":"2020-02-29","b":0,"c":"2020-02-29T23:00:00-08:00"}`, `{"a":"2020-02-29T00:00:00Z","b":"1970-01-01T00:00:00Z","c":"2020-02-29T23:00:00-08:00"}`},
		{`[{"op":"convert","path":"/n","to":"integer","else":null}]`, `{"n":"many"}`, `{"n":null}`},
		{`[{"op":"move","from":"/a","path":"/b"},{"op":"rename","path":"/b","to":"c"},{"op":"remove","path":"/missing"},{"op":"add","path":"/d","value":1}]`, `{"a":5}`, `{"c":5,"d":1}`},
		{`[]`, `{"a":5}`, `{"a":5}`},
	} {
		got, err := shape(t, c.ops).Apply(decode(t, c.doc), 0)
		if err != nil || !jsonpatch.Equal(got, decode(t, c.want)) {
			t.Errorf("%s of %s is %v, %v; want %s", c.ops, c.doc, got, err, c.want)
		}
	}
}

func TestWhatDoesNotApplyNamesItsPlace(t *testing.T) {
	for _, c := range []struct{ ops, doc, pointer, reason string }{
		{`[{"op":"rename","path":"/a","to":"b"}]`, `{"a":1,"b":2}`, "/a", "already"},
		{`[{"op":"split","path":"/a","by":","}]`, `{"a":1}`, "/a", "only a text"},
		{`[{"op":"split","path":"/a/*","by":",","into":["x","y"]}]`, `{"a":["p,q"]}`, "/a/0", "list"},
		{`[{"op":"join","path":"/a","by":","}]`, `{"a":"x"}`, "/a", "only a list"},
		{`[{"op":"join","path":"/a","by":","}]`, `{"a":[{}]}`, "/a", "only texts"},
		{`[{"op":"join","path":"/a","from":["b","c"],"by":","}]`, `{"a":"x","b":"y"}`, "/a", "already"},
		{`[{"op":"convert","path":"/a/*","to":"integer"}]`, `{"a":[1,"x"]}`, "/a/1", `"x" cannot become integer`},
		{`[{"op":"convert","path":"/a","to":"integer"}]`, `{"a":1.5}`, "/a", "cannot"},
		{`[{"op":"convert","path":"/a","to":"integer"}]`, `{"a":"0x10"}`, "/a", "cannot"},
		{`[{"op":"convert","path":"/a","to":"string"}]`, `{"a":{}}`, "/a", "cannot"},
		{`[{"op":"convert","path":"/a","to":"date"}]`, `{"a":"2021-02-29"}`, "/a", "cannot"},
		{`[{"op":"convert","path":"/a","to":"boolean"}]`, `{"a":"maybe"}`, "/a", "cannot"},
	} {
		_, err := shape(t, c.ops).Apply(decode(t, c.doc), 0)
		var e *jsonpatch.Error
		if !errors.As(err, &e) || e.Pointer != c.pointer || !strings.Contains(e.Reason, c.reason) {
			t.Errorf("%s of %s: %v", c.ops, c.doc, err)
		}
	}
	_, err := shape(t, `[{"op":"default","path":"/z","value":1},{"op":"test","path":"/a","value":2}]`).Apply(decode(t, `{"a":1}`), 0)
	var e *jsonpatch.Error
	if !errors.As(err, &e) || e.Index != 1 {
		t.Errorf("the second operation is named as %v", err)
	}
}

func TestMistakesOfOperations(t *testing.T) {
	for ops, pointer := range map[string]string{
		`[{"op":"rename","path":"/a"}]`:                                    "/0/to",
		`[{"op":"rename","path":"/a","to":"b/c"}]`:                         "/0/to",
		`[{"op":"rename","path":"","to":"b"}]`:                             "/0/path",
		`[{"op":"rename","path":"a","to":"b"}]`:                            "/0/path",
		`[{"op":"rename","path":"/a","to":"b","value":1}]`:                 "/0/value",
		`[{"op":"default","path":"/a"}]`:                                   "/0/value",
		`[{"op":"split","path":"/a"}]`:                                     "/0/by",
		`[{"op":"split","path":"/a","by":","},{"op":"split","path":"/a"}]`: "/1/by",
		`[{"op":"split","path":"/a","by":",","into":["x"]}]`:               "/0/into",
		`[{"op":"join","path":"/a","by":",","from":"x"}]`:                  "/0/from",
		`[{"op":"map","path":"/a","values":{}}]`:                           "/0/values",
		`[{"op":"convert","path":"/a","to":"int"}]`:                        "/0/to",
		`[{"op":"rename","path":"/a","to":"b"},{"op":"add","path":"/a"}]`:  "/1/value",
		`[{"op":"renam","path":"/a"}]`:                                     "/0/op",
		`["x"]`:                                                            "/0",
	} {
		_, err := reshape.Parse(decode(t, ops).([]any))
		var e *jsonpatch.Error
		if !errors.As(err, &e) || e.Pointer != pointer {
			t.Errorf("%s: %v, want one at %s", ops, err, pointer)
		}
	}
}

package model_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
)

func TestDecodeJSONReadsValues(t *testing.T) {
	for text, want := range map[string]any{
		` {"a": [1, 2.5, "x", true, false, null], "b": {}} `: map[string]any{
			"a": []any{int64(1), 2.5, "x", true, false, nil}, "b": map[string]any{}},
		"1.0":                      int64(1),
		"1e3":                      int64(1000),
		"-12.50e1":                 int64(-125),
		"-0":                       int64(0),
		"-0.0":                     int64(0),
		"0e99999999999":            int64(0),
		"1e-400":                   int64(0),
		"9223372036854775807":      int64(math.MaxInt64),
		"-9223372036854775808":     int64(math.MinInt64),
		"9223372036854775808":      float64(1 << 63),
		"-9223372036854775809":     -float64(1 << 63),
		"9007199254740993.0":       int64(9007199254740993),
		"0.1":                      0.1,
		"1e300":                    1e300,
		`"\u00e9\ud83d\ude00\n\/"`: "é😀\n/",
		`"\u2028"`:                 "\u2028",
		"[]":                       []any{},
	} {
		got, err := model.DecodeJSON([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v (%v), want %#v", text, got, err, want)
		}
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	many := "[" + strings.Repeat("1,", model.MaxJSONValues-1) + "1]"
	for text, part := range map[string]string{
		"":                        "empty",
		" \n":                     "line 2",
		"{":                       "too early",
		"{}x":                     "after the end",
		"{} {}":                   "after the end",
		`{"a":1,"\u0061":2}`:      `duplicate key "a"`,
		`{"a":1,}`:                "key",
		`[1,]`:                    "a value",
		"\xef\xbb\xbf{}":          "byte order mark",
		"\"\xff\"":                "byte 1 (line 1, column 2): text is not valid UTF-8",
		`"\ud800"`:                "surrogate",
		`"\udc00\ud800"`:          "surrogate",
		`"\ud800x"`:               "surrogate",
		`"\u12G4"`:                "hexadecimal",
		`"\x"`:                    "escape",
		`"a`:                      "does not end",
		`"a\`:                     "does not end",
		"\"a\nb\"":                "control",
		"01":                      "begin with 0",
		"1. ":                     "digit",
		".5":                      "value",
		"1e]":                     "digit",
		"-":                       "early",
		"+1":                      "value",
		"NaN":                     "value",
		"tru":                     "value",
		"'a'":                     "value",
		"// c\n1":                 "value",
		`{"a" 1}`:                 "':'",
		`{a:1}`:                   "key",
		deep:                      "64 levels",
		many:                      "100,000",
		`{"big":1e999,"broken":}`: "value", // a 400 comes before a 422
	} {
		_, err := model.DecodeJSON([]byte(text))
		if fault.CodeOf(err) != fault.InvalidRequest || !strings.Contains(err.Error(), part) {
			t.Errorf("%.40q: %v, want %q", text, err, part)
		}
	}
	if _, err := model.DecodeJSON([]byte(deep[1:129])); err != nil {
		t.Errorf("64 levels: %v", err)
	}
}

func TestDecodeJSONPointsAtWhatCannotBeKept(t *testing.T) {
	for text, pointer := range map[string]string{
		`{"a":{"b/c":[1,"x\u0000"]}}`: "/a/b~1c/1",
		`{"a":[{"b":1},-1e999]}`:      "/a/1",
		`{"a":{"k\u0000":1}}`:         "/a/k\x00",
		"\"\\u0000\"":                 "",
	} {
		_, err := model.DecodeJSON([]byte(text))
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != fault.ValidationFailed || len(e.Fields) != 1 || e.Fields[0].Pointer != pointer {
			t.Errorf("%s: %v, want a pointer %q", text, err, pointer)
		}
	}
}

func TestCanonicalIsSortedAndShort(t *testing.T) {
	in := map[string]any{"b": 1.0, "a": []any{0.0, math.Copysign(0, -1), 1e21, 1e-7, 0.25, 1 << 40, nil, true},
		"é": "<&>\u2028\x01\"\\\n", "A": map[string]any{}}
	want := "{\"A\":{},\"a\":[0,0,1e+21,1e-7,0.25,1099511627776,null,true],\"b\":1,\"é\":\"<&>\u2028\\u0001\\\"\\\\\\n\"}"
	if got := string(model.AppendCanonical(nil, in)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e10,"x\u00e9\ud83d\ude00",null]}`, "1e-7", "-9223372036854775809", "9007199254740993.5",
		"[123456789012345678901234567890, 1e22, 5e-324]", `{"a":{"b":{"a":1}}}`, "0.1e1", "1e+05", `"\u0000"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := model.DecodeJSON(b)
		if err != nil {
			return
		}
		var std any
		if err := json.Unmarshal(b, &std); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		if got := floats(v); !reflect.DeepEqual(got, std) {
			t.Fatalf("got %#v, encoding/json has %#v", got, std)
		}
		text := model.AppendCanonical(nil, v)
		again, err := model.DecodeJSON(text)
		if err != nil || !reflect.DeepEqual(v, again) {
			t.Fatalf("%s reads as %#v (%v), was %#v", text, again, err, v)
		}
		if second := model.AppendCanonical(nil, again); !bytes.Equal(text, second) {
			t.Fatalf("canonical form is not stable: %s, %s", text, second)
		}
	})
}

// floats turns integers into what encoding/json makes of them.
func floats(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = floats(x)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = floats(x)
		}
		return m
	}
	return v
}

func BenchmarkDecodeJSON(b *testing.B) {
	text := []byte(`{"title":"Heat","year":1995,"genres":["Crime","Drama"],"studio":null,"rating":8.3,"released":"1995-12-15T00:00:00Z"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := model.DecodeJSON(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendCanonical(b *testing.B) {
	v, err := model.DecodeJSON([]byte(`{"title":"Heat","year":1995,"genres":["Crime","Drama"],"studio":null,"rating":8.3,"released":"1995-12-15T00:00:00Z"}`))
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = model.AppendCanonical(buf[:0], v)
	}
}

package jsonpatch_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
)

type object = map[string]any

type list = []any

func op(name, path string, more ...any) object {
	o := object{"op": name, "path": path}
	for i := 0; i < len(more); i += 2 {
		o[more[i].(string)] = more[i+1]
	}
	return o
}

func TestPointersAreThoseOfRFC6901(t *testing.T) {
	doc := func() any { // of section 5
		return object{"foo": list{"bar", "baz"}, "": int64(0), "a/b": int64(1), "c%d": int64(2), "e^f": int64(3), "g|h": int64(4),
			`i\j`: int64(5), `k"l`: int64(6), " ": int64(7), "m~n": int64(8), "~1": int64(9)}
	}
	for pointer, want := range map[string]any{
		"": doc(), "/foo": list{"bar", "baz"}, "/foo/0": "bar", "/": int64(0), "/a~1b": int64(1), "/c%d": int64(2), "/e^f": int64(3),
		"/g|h": int64(4), `/i\j`: int64(5), `/k"l`: int64(6), "/ ": int64(7), "/m~0n": int64(8), "/~01": int64(9),
	} {
		p, err := jsonpatch.ParsePointer(pointer)
		if err != nil || p.String() != pointer {
			t.Errorf("%q: %q %v", pointer, p, err)
		}
		if _, err := apply(doc(), jsonpatch.Options{}, op("test", pointer, "value", want)); err != nil {
			t.Errorf("%q: %v", pointer, err)
		}
	}
	for _, pointer := range []string{"a", "a/b", "/~", "/~2", "/a~", "/b~x/c", "#/a"} {
		if _, err := jsonpatch.ParsePointer(pointer); err == nil {
			t.Errorf("%q was taken", pointer)
		}
	}
}

func apply(doc any, o jsonpatch.Options, ops ...any) (any, error) {
	p, err := jsonpatch.Parse(ops)
	if err != nil {
		return nil, err
	}
	return p.Apply(doc, o)
}

func TestOperationsDoWhatRFC6902Says(t *testing.T) {
	for name, c := range map[string]struct {
		doc  any
		ops  []any
		want any // nil: it does not apply
	}{
		"A.1 add a member":                      {object{"foo": "bar"}, list{op("add", "/baz", "value", "qux")}, object{"baz": "qux", "foo": "bar"}},
		"A.2 add an element":                    {object{"foo": list{"bar", "baz"}}, list{op("add", "/foo/1", "value", "qux")}, object{"foo": list{"bar", "qux", "baz"}}},
		"A.3 remove a member":                   {object{"baz": "qux", "foo": "bar"}, list{op("remove", "/baz")}, object{"foo": "bar"}},
		"A.4 remove an element":                 {object{"foo": list{"bar", "qux", "baz"}}, list{op("remove", "/foo/1")}, object{"foo": list{"bar", "baz"}}},
		"A.5 replace":                           {object{"baz": "qux"}, list{op("replace", "/baz", "value", "boo")}, object{"baz": "boo"}},
		"A.6 move a member":                     {object{"foo": object{"bar": "baz"}, "qux": object{}}, list{op("move", "/qux/thud", "from", "/foo/bar")}, object{"foo": object{}, "qux": object{"thud": "baz"}}},
		"A.7 move an element":                   {object{"foo": list{"all", "grass", "cows", "eat"}}, list{op("move", "/foo/3", "from", "/foo/1")}, object{"foo": list{"all", "cows", "eat", "grass"}}},
		"A.8 test":                              {object{"baz": "qux", "foo": list{"a", int64(2), "c"}}, list{op("test", "/baz", "value", "qux"), op("test", "/foo/1", "value", int64(2))}, object{"baz": "qux", "foo": list{"a", int64(2), "c"}}},
		"A.9 test of another value":             {object{"baz": "qux"}, list{op("test", "/baz", "value", "bar")}, nil},
		"A.10 add a nested object":              {object{}, list{op("add", "/child", "value", object{"grandchild": object{}})}, object{"child": object{"grandchild": object{}}}},
		"A.11 a member that is not known":       {object{}, list{op("add", "/baz", "value", "qux", "xyz", int64(123))}, object{"baz": "qux"}},
		"A.12 add where nothing is around it":   {object{"foo": "bar"}, list{op("add", "/baz/bat", "value", "qux")}, nil},
		"A.14 ~ and /":                          {object{"/": int64(9), "~1": int64(10)}, list{op("test", "/~01", "value", int64(10))}, object{"/": int64(9), "~1": int64(10)}},
		"A.15 text is no number":                {object{"~1": int64(10)}, list{op("test", "/~01", "value", "10")}, nil},
		"A.16 add a list":                       {object{"foo": list{"bar"}}, list{op("add", "/foo/-", "value", list{"abc"})}, object{"foo": list{"bar", list{"abc"}}}},
		"an empty key":                          {object{"": int64(1)}, list{op("copy", "/w", "from", "/")}, object{"": int64(1), "w": int64(1)}},
		"two empty keys":                        {object{"": object{"": int64(1)}}, list{op("replace", "//", "value", int64(2))}, object{"": object{"": int64(2)}}},
		"test of an empty key":                  {object{"": int64(1)}, list{op("test", "/", "value", int64(1))}, object{"": int64(1)}},
		"a leading zero":                        {object{"v": list{int64(1), int64(2)}}, list{op("remove", "/v/01")}, nil},
		"two zeros":                             {object{"v": list{int64(1)}}, list{op("test", "/v/00", "value", int64(1))}, nil},
		"a plus":                                {object{"v": list{int64(1), int64(2)}}, list{op("replace", "/v/+1", "value", int64(0))}, nil},
		"a minus":                               {object{"v": list{int64(1), int64(2)}}, list{op("remove", "/v/-1")}, nil},
		"an index like 1e0":                     {object{"v": list{int64(1), int64(2)}}, list{op("remove", "/v/1e0")}, nil},
		"keys like those in an object":          {object{"v": object{"01": int64(1), "-": int64(2)}}, list{op("remove", "/v/01"), op("replace", "/v/-", "value", nil)}, object{"v": object{"-": nil}}},
		"test of what is missing with null":     {object{}, list{op("test", "/a", "value", nil)}, nil},
		"test of null":                          {object{"a": nil}, list{op("test", "/a", "value", nil)}, object{"a": nil}},
		"test after the last":                   {object{"v": list{}}, list{op("test", "/v/-", "value", nil)}, nil},
		"remove after the last":                 {object{"v": list{int64(1)}}, list{op("remove", "/v/-")}, nil},
		"replace after the last":                {object{"v": list{int64(1)}}, list{op("replace", "/v/-", "value", int64(2))}, nil},
		"move to the end":                       {object{"v": list{int64(1), int64(2)}}, list{op("move", "/v/-", "from", "/v/0")}, object{"v": list{int64(2), int64(1)}}},
		"add at the length":                     {object{"v": list{int64(1)}}, list{op("add", "/v/1", "value", int64(2))}, object{"v": list{int64(1), int64(2)}}},
		"add beyond the length":                 {object{"v": list{int64(1)}}, list{op("add", "/v/2", "value", int64(2))}, nil},
		"replace of what is missing":            {object{}, list{op("replace", "/a", "value", int64(1))}, nil},
		"move onto itself":                      {object{"a": int64(1)}, list{op("move", "/a", "from", "/a")}, object{"a": int64(1)}},
		"move of what is missing onto itself":   {object{}, list{op("move", "/a", "from", "/a")}, nil},
		"the whole into a member":               {object{"a": int64(1)}, list{op("copy", "/b", "from", "")}, object{"a": int64(1), "b": object{"a": int64(1)}}},
		"the whole":                             {object{"a": int64(1)}, list{op("replace", "", "value", object{"b": int64(2)}), op("test", "", "value", object{"b": int64(2)})}, object{"b": int64(2)}},
		"1 is 1.0":                              {object{"n": int64(1)}, list{op("test", "/n", "value", 1.0)}, object{"n": int64(1)}},
		"0.5 is 0.5":                            {object{"n": list{0.5}}, list{op("test", "/n", "value", list{0.5})}, object{"n": list{0.5}}},
		"the last digit of a large integer":     {object{"n": int64(9007199254740993)}, list{op("test", "/n", "value", int64(9007199254740992))}, nil},
		"a large integer is not what it rounds": {object{"n": int64(9223372036854775807)}, list{op("test", "/n", "value", 9223372036854775808.0)}, nil},
		"objects without order":                 {object{"o": object{"a": int64(1), "b": list{nil}}}, list{op("test", "/o", "value", object{"b": list{nil}, "a": int64(1)})}, object{"o": object{"a": int64(1), "b": list{nil}}}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			got, err := apply(c.doc, jsonpatch.Options{}, c.ops...)
			if c.want == nil {
				var e *jsonpatch.Error
				if !errors.As(err, &e) || e.Op == "" || strings.Contains(err.Error(), "strconv") {
					t.Fatalf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestWrongOperationsAreRefusedWithTheirPlace(t *testing.T) {
	for pointer, wrong := range map[string]any{
		"/1":       "text",
		"/1/op":    op("merge", "/a"),
		"/1/value": op("add", "/a"),
		"/1/path":  object{"op": "remove"},
		"/1/from":  op("copy", "/a"),
	} {
		_, err := jsonpatch.Parse([]any{op("remove", "/x"), wrong})
		var e *jsonpatch.Error
		if !errors.As(err, &e) || e.Index != 1 || e.Pointer != pointer {
			t.Errorf("%v: %v, want %s", wrong, err, pointer)
		}
	}
	for _, wrong := range []object{op("add", "a", "value", nil), op("remove", "/b~2"), op("move", "/a/b", "from", "/a"), op("move", "/a", "from", "a"),
		op("move", "/a", "from", "")} {
		if _, err := jsonpatch.Parse([]any{wrong}); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
}

func TestAPatchCanBeAppliedAgain(t *testing.T) {
	p, err := jsonpatch.Parse([]any{op("add", "/a", "value", object{"x": list{}}), op("add", "/a/x/-", "value", int64(1)), op("copy", "/b", "from", "/a"), op("add", "/b/x/-", "value", int64(2))})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := p.Apply(object{}, jsonpatch.Options{})
		if want := (object{"a": object{"x": list{int64(1)}}, "b": object{"x": list{int64(1), int64(2)}}}); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v %v", got, err)
		}
	}
}

func TestCopiesAreLimited(t *testing.T) {
	ops := []any{op("add", "/a", "value", list{strings.Repeat("x", 100)})}
	for i := range 40 { // doubles each time
		ops = append(ops, op("copy", fmt.Sprintf("/a/%d", i), "from", "/a"))
	}
	_, err := apply(object{}, jsonpatch.Options{MaxCopied: 1 << 20}, ops...)
	var e *jsonpatch.Error
	if !errors.As(err, &e) || e.Op != "copy" || !strings.Contains(e.Reason, "at most 1048576 bytes") {
		t.Fatal(err)
	}
}

func TestWhatIsMissingIsSkippedWhenAskedFor(t *testing.T) {
	skip := jsonpatch.Options{SkipMissing: true}
	for _, ops := range [][]any{
		{op("move", "/tel", "from", "/phone")},
		{op("copy", "/tel", "from", "/phone/home")},
		{op("remove", "/phone")},
		{op("remove", "/list/7")},
		{op("move", "/x", "from", "/name/first")},
	} {
		doc := object{"name": "n", "list": list{}}
		if got, err := apply(doc, skip, ops...); err != nil || len(got.(object)) != 2 {
			t.Errorf("%v: %v %v", ops, got, err)
		}
	}
	for _, ops := range [][]any{
		{op("test", "/phone", "value", nil)},
		{op("replace", "/phone", "value", nil)},
		{op("move", "/contact/name", "from", "/name")},
		{op("add", "/contact/name", "value", "x")},
	} {
		if got, err := apply(object{"name": "n"}, skip, ops...); err == nil {
			t.Errorf("%v: %v", ops, got)
		}
	}
}

// The table of RFC 7396 appendix A.
func TestMergeIsThatOfRFC7396(t *testing.T) {
	o := func(kv ...any) object {
		m := object{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	for _, c := range [][3]any{
		{o("a", "b"), o("a", "c"), o("a", "c")},
		{o("a", "b"), o("b", "c"), o("a", "b", "b", "c")},
		{o("a", "b"), o("a", nil), o()},
		{o("a", "b", "b", "c"), o("a", nil), o("b", "c")},
		{o("a", list{"b"}), o("a", "c"), o("a", "c")},
		{o("a", "c"), o("a", list{"b"}), o("a", list{"b"})},
		{o("a", o("b", "c")), o("a", o("b", "d", "c", nil)), o("a", o("b", "d"))},
		{o("a", list{o("b", "c")}), o("a", list{int64(1)}), o("a", list{int64(1)})},
		{list{"a", "b"}, list{"c", "d"}, list{"c", "d"}},
		{o("a", "b"), list{"c"}, list{"c"}},
		{o("a", "foo"), nil, nil},
		{o("a", "foo"), "bar", "bar"},
		{o("e", nil), o("a", int64(1)), o("e", nil, "a", int64(1))},
		{list{int64(1), int64(2)}, o("a", "b", "c", nil), o("a", "b")},
		{o(), o("a", o("bb", o("ccc", nil))), o("a", o("bb", o()))},
		{o(), o("a", list{o("b", nil)}), o("a", list{o("b", nil)})}, // nulls inside lists stay
	} {
		if got := jsonpatch.Merge(c[0], c[1]); !reflect.DeepEqual(got, c[2]) {
			t.Errorf("%v with %v: got %v, want %v", c[0], c[1], got, c[2])
		}
	}
}

package tabular_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/tabular"
)

const shapeSchema = `{"type":"object","properties":{
 "title":{"type":"string"},"note":{"type":["string","null"]},"n":{"type":"integer"},"x":{"type":["number","null"]},"ok":{"type":"boolean"},
 "either":{"type":["integer","string","boolean"]},"list":{"type":"array","items":{"type":"string"}},"numbers":{"type":["array","null"],"items":{"type":["integer","null"]}},
 "both":{"type":["string","array"],"items":{"type":"string"}},"enum":{"enum":["a",1,null]},"any":{},"dotted.name":{"type":"string"},
 "crew":{"type":"array","items":{"type":"object","properties":{"who":{"type":"string"}}}},
 "deep":{"type":["object","null"],"properties":{"a":{"type":["string","null"]},"b":{"$ref":"#/$defs/b"}}},"free":{"type":"object"}},
 "$defs":{"b":{"type":"object","properties":{"c":{"type":"integer"}}}}}`

func tree(t interface{ Fatal(...any) }, text string) any {
	v, err := model.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(text, err)
	}
	return v
}

// TestEveryDocumentSurvivesItsCells writes random documents as CSV and reads them.
func TestEveryDocumentSurvivesItsCells(t *testing.T) {
	texts := rapid.OneOf(rapid.StringMatching(`[ -~\n\t\x{e4}\x{1F600}]{0,6}`), rapid.SampledFrom([]string{"", "null", `""`, `"null"`, `"\"\""`, "true", "12", " x ", "a;b", ";", "[]", "[1]", "{}", `{"a":1}`, "\r\n", "a\rb", `"quoted"`, "a,b", "=1+1", "\n", `["a"`, "1e3", "-0", "007"}))
	list := rapid.SliceOfN(texts.AsAny(), 0, 3)
	integers := rapid.Int64().AsAny()
	null := rapid.Just(any(nil))
	values := map[string]*rapid.Generator[any]{
		"title": texts.AsAny(), "note": rapid.OneOf(texts.AsAny(), null), "n": integers, "x": rapid.OneOf(rapid.Float64().AsAny(), null), "ok": rapid.Bool().AsAny(),
		"either": rapid.OneOf(texts.AsAny(), integers, rapid.Bool().AsAny()), "list": list.AsAny(), "numbers": rapid.OneOf(rapid.SliceOfN(rapid.OneOf(integers, null), 0, 3).AsAny(), null),
		"both": rapid.OneOf(texts.AsAny(), list.AsAny()), "enum": rapid.SampledFrom([]any{"a", 1, nil}), "any": rapid.OneOf(texts.AsAny(), integers, null, list.AsAny()), "dotted.name": texts.AsAny(),
		"crew": rapid.SampledFrom([]any{[]any{}, []any{map[string]any{"who": "x"}}}),
		"deep": rapid.SampledFrom([]any{nil, map[string]any{}, map[string]any{"a": nil}, map[string]any{"a": "x", "b": map[string]any{"c": 1}}, map[string]any{"b": map[string]any{}}, map[string]any{"more": "y"}}),
		"free": rapid.SampledFrom([]any{map[string]any{}, map[string]any{"k": []any{1}}}), "unknown": texts.AsAny(),
	}
	rapid.Check(t, func(t *rapid.T) {
		shape := tabular.NewShape(tree(t, shapeSchema), ";")
		var docs []map[string]any
		var rows []map[string]string
		for range rapid.IntRange(1, 3).Draw(t, "rows") {
			doc := map[string]any{}
			for name, g := range values {
				if rapid.Bool().Draw(t, "has "+name) {
					doc[name] = g.Draw(t, name)
				}
			}
			doc = tree(t, string(model.AppendCanonical(nil, doc))).(map[string]any)
			cells, err := shape.Cells(doc)
			if err != nil {
				t.Fatal(err)
			}
			docs, rows = append(docs, doc), append(rows, cells)
		}
		header := shape.Columns()
		file := tabular.Line(header)
		for _, cells := range rows {
			row := make([]string, len(header))
			for i, name := range header {
				row[i] = cells[name]
			}
			file = append(file, tabular.Line(row)...)
		}
		table, err := tabular.NewTable(bufio.NewReader(bytes.NewReader(file)))
		if err != nil {
			t.Fatal(err)
		}
		again := tabular.NewShape(tree(t, shapeSchema), ";")
		for i, doc := range docs {
			cells, _, err := table.Read()
			if err != nil {
				t.Fatalf("row %d of %q: %v", i, file, err)
			}
			got, err := again.Document(table.Header, cells)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := model.AppendCanonical(nil, doc), model.AppendCanonical(nil, got); !bytes.Equal(a, b) {
				t.Fatalf("%s\nis read as\n%s\nfrom\n%s", a, b, file)
			}
		}
	})
}

func TestCellsOfOthers(t *testing.T) {
	for text, want := range map[string]string{
		"title,n,ok\nHeat, 7 ,TRUE\n":                   `{"title":"Heat","n":7,"ok":true}`,
		"\"a,b\";n\n":                                   ``,
		"sep=|\ntitle|note\n\"a|b\"|null\n":             `{"title":"a|b","note":null}`,
		"title;list\nx;\"Drama; Crime\"\n":              `{"title":"x","list":["Drama","Crime"]}`,
		"title,deep.b.c,deep.a\n\"M*A*S*H\",1,\n":       `{"title":"M*A*S*H","deep":{"b":{"c":1}}}`,
		"title\tn\n\"\"\"M*A*S*H\"\"\"\tseven\n":        `{"title":"\"M*A*S*H\"","n":"seven"}`,
		"title,numbers,x\nnull,1;2,1.50\n":              `{"title":"null","numbers":[1,2],"x":1.5}`,
		"title,crew\nx,\"[{\"\"who\"\":\"\"y\"\"}]\"\n": `{"title":"x","crew":[{"who":"y"}]}`,
		"title,new.member\nx,y\n":                       `{"title":"x","new":{"member":"y"}}`,
	} {
		table, err := tabular.NewTable(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		cells, _, err := table.Read()
		if want == "" {
			if !errors.Is(err, io.EOF) || len(table.Header) != 2 {
				t.Errorf("%q: %q, %v", text, table.Header, err)
			}
			continue
		}
		doc, wrong := tabular.NewShape(tree(t, shapeSchema), ";").Document(table.Header, cells)
		if err != nil || wrong != nil || !bytes.Equal(model.AppendCanonical(nil, doc), model.AppendCanonical(nil, tree(t, want))) {
			t.Errorf("%q is %v, %v, %v", text, doc, err, wrong)
		}
	}
	table, err := tabular.NewTable(bufio.NewReader(strings.NewReader("a,b\n1,2\n1\n\"x\"y,2\n\xff,3\n\"two\nlines\",4\nlast,5\n")))
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for {
		_, line, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		said += strings.TrimSpace(strings.Join([]string{string(rune('0' + line)), errText(err)}, " ")) + "\n"
	}
	if want := "2\n3 it has 1 cells, the header has 2\n4 extraneous or missing \" in quoted-field\n5 column a is no UTF-8\n6\n8\n"; said != want {
		t.Errorf("%s", said)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

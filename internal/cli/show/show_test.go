package show_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/autocrud-go/autocrud/internal/cli/show"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// raw is what a terminal would act on, in bytes.
func raw(s string) bool {
	return strings.ContainsAny(s, "\x1b\u009b\u202e\x07\x7f\u200b\u2028\r\x00")
}

func TestATableFitsWhateverItHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(20, 120).Draw(t, "width")
		columns := rapid.IntRange(1, 8).Draw(t, "columns")
		table := show.Table{Width: width}
		for i := range columns {
			table.Columns = append(table.Columns, show.Column{Name: rapid.StringN(1, 20, -1).Draw(t, "name"), Right: i%2 == 1, Whole: i == 0})
		}
		cell := rapid.SampledFrom([]string{"", "a", "日本語の長い文章です", "e\u0301\u0301", "👩‍👩‍👧‍👦 family", "\x1b[2Jgone", "\u202etfel", "line\nline\r\ttab", strings.Repeat("wide", 100), "\xff\xfe", "\u009b31m"})
		for range 2 {
			var rows [][]string
			for range 3 {
				row := make([]string, columns)
				for i := range row {
					row[i] = cell.Draw(t, "cell")
				}
				rows = append(rows, row)
			}
			var b bytes.Buffer
			if err := table.Write(&b, rows); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSuffix(line, "\n")
				if show.Width(line) > width || raw(line) {
					t.Fatalf("%q is %d wide, of %d", line, show.Width(line), width)
				}
			}
		}
	})
}

// TestYAMLIsReadAsTheSame writes and reads random documents.
func TestYAMLIsReadAsTheSame(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "null", "~", "yes", "no", "on", "1", "1e3", "0x10", "0o7", "012", "2026-11-28", "2026-11-28T00:00:00Z", ".inf", "- a", "a: b", "#", " x ", "x\n", "\nx", "a\nb\n\n", "\x1b[31m", "\u202e", "tab\t", "a\tb\nc", "\u0085", "\U000E0041", "<<", "=", "!!str", "&a", "*a", "%", "@", "`", "'", "\"", "? a", "| x", "> x", "{a", "[b", "1_000", "+1", "-", "---", "...", "a #b", "\r\n"}))
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaves := []*rapid.Generator[any]{texts.AsAny(), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(), rapid.Just(any(nil))}
		if depth > 0 {
			leaves = append(leaves, rapid.SliceOfN(value(depth-1), 0, 3).AsAny(), rapid.MapOfN(texts, value(depth-1), 0, 3).AsAny())
		}
		return rapid.OneOf(leaves...)
	}
	rapid.Check(t, func(t *rapid.T) {
		doc, err := json.Marshal(map[string]any{"data": value(3).Draw(t, "value")})
		if err != nil {
			return // not JSON
		}
		want, err := model.DecodeJSON(doc)
		if err != nil {
			return // not what the program keeps
		}
		text, err := show.YAML(doc)
		if err != nil {
			t.Fatal(err)
		}
		if raw(string(text)) {
			t.Fatalf("%q acts on a terminal", text)
		}
		got, err := model.ReadYAML(text, false)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if a, b := model.AppendCanonical(nil, want), model.AppendCanonical(nil, got.Tree); !bytes.Equal(a, b) {
			t.Fatalf("%s is read as %s\n%s", a, b, text)
		}
		pretty, err := show.JSON(doc)
		if err != nil || raw(string(pretty)) {
			t.Fatalf("%q, %v", pretty, err)
		}
		if again, err := model.DecodeJSON(pretty); err != nil || !bytes.Equal(model.AppendCanonical(nil, again), model.AppendCanonical(nil, want)) {
			t.Fatalf("%s, %v", pretty, err)
		}
	})
}

func TestPaths(t *testing.T) {
	doc := []byte(`{"items":[{"meta":{"id":"a"},"data":{"n":9007199254740993,"t":"x\u001b[1m","l":["p","q"],"a.b":1}},{"meta":{"id":"b"},"data":{"n":2.50,"t":null}}]}`)
	for path, want := range map[string]string{
		`{.items[*].meta.id}`:      "a b",
		`items[0].data.n`:          "9007199254740993",
		`{.items[-1].data.n}`:      "2.50",
		`{$.items[0].data.l}`:      `["p","q"]`,
		`{.items[0].data.t}`:       `x\x1b[1m`,
		`{.items[0]['data'].l[1]}`: "q",
		`{.items[0].data['a.b']}`:  "1",
		`{range .items[*]}{.meta.id}{"\t"}{.data.n}{"\n"}{end}`: "a\t9007199254740993\nb\t2.50\n",
		`ids: {.items[*].meta.*}{'!'}`:                          "ids: a b!",
		`{.items[7].x}{.nothing}`:                               "",
	} {
		p, err := show.ParsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		var b bytes.Buffer
		if err := p.Write(&b, doc); err != nil || b.String() != want {
			t.Errorf("%s: %q, %v", path, b.String(), err)
		}
	}
	for _, path := range []string{"", "{.a", "{end}", "{range .a}", "{.a[?(@.b)]}", "{..a}", `{"a}`, "{a}"} {
		if _, err := show.ParsePath(path); err == nil {
			t.Errorf("%q is taken", path)
		}
	}
}

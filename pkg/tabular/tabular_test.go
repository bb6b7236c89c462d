package tabular_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/tabular"
)

func rows(t *testing.T, f tabular.Format, text string) string {
	t.Helper()
	var columns tabular.Columns
	if f == tabular.CSV {
		if err := tabular.Read(strings.NewReader(text), f, func(_ int, row any) error {
			columns.Look(row.(map[string]any))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var out []any
	if err := tabular.Read(strings.NewReader(text), f, func(_ int, row any) error {
		if f == tabular.CSV {
			columns.Convert(row.(map[string]any))
		}
		out = append(out, row)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRows(t *testing.T) {
	for _, c := range []struct {
		format     tabular.Format
		text, want string
	}{
		{tabular.JSON, "{\"a\": 1}\n{\"a\": 2.5}\n", `[{"a":1},{"a":2.5}]`},
		{tabular.JSON, "\uFEFF \n[{\"a\": 1},\n {\"a\": null}]\n", `[{"a":1},{"a":null}]`},
		{tabular.JSON, "", `null`},
		{tabular.JSON, "[]", `null`},
		{tabular.CSV, "a,b\n1,x\n2,\n", `[{"a":1,"b":"x"},{"a":2}]`},
		{tabular.CSV, "\uFEFFa;b\n1;\"x;y\"\n2.5;z\n", `[{"a":1,"b":"x;y"},{"a":2.5,"b":"z"}]`},
		{tabular.CSV, "code\tok\n007\tTRUE\n12\tfalse\n", `[{"code":"007","ok":true},{"code":"12","ok":false}]`},
		{tabular.CSV, "a\n1\ntrue\n", `[{"a":"1"},{"a":"true"}]`},
		{tabular.CSV, "a\n12345678901234567890\n1\n", `[{"a":"12345678901234567890"},{"a":"1"}]`},
	} {
		if got := rows(t, c.format, c.text); got != c.want {
			t.Errorf("%q is %s, want %s", c.text, got, c.want)
		}
	}
}

func TestMistakesNameTheirRow(t *testing.T) {
	for text, want := range map[string]string{
		"{\"a\": 1}\n{\"a\": }": "row 2",
		"[{\"a\": 1}, 5":        "row 3",
		"[1":                    "row 2",
	} {
		err := tabular.Read(strings.NewReader(text), tabular.JSON, func(int, any) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{"a,a\n1,2\n": "column 2", "a,b\n1\n": "row 1", "a,b\n1,2\n\"x\n": "row 2"} {
		err := tabular.Read(strings.NewReader(text), tabular.CSV, func(int, any) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if tabular.FormatOf("x.TSV") != tabular.CSV || tabular.FormatOf("x.ndjson") != tabular.JSON {
		t.Error("the format of a name is another one")
	}
}

package query_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
)

var oddNames = []string{"c d", "é", "@type", "$ref2", "1st", "Название", "AND", "OR", "NOT", "null", "true", "false", "x:y", "a`b", "`", "", "a,b", "a(b", `a"b`, "2d", "-x", "now", "len", "desc",
	"in", "principal.id", "credits.first name", "credits.AND"}

func odd() query.Fields {
	var fs []query.Field
	for _, n := range oddNames {
		fs = append(fs, query.Field{Name: n, Kind: query.Text})
	}
	return query.NewFields(append(fs, query.Field{Name: "tags of it", Kind: query.Text, List: true}, query.Field{Name: "when`s", Kind: query.Time})...)
}

func TestEveryNameCanBeQuoted(t *testing.T) {
	noVariables := func(string) (query.Variable, bool) { return query.Variable{}, false }
	for _, n := range oddNames {
		q := query.Quote(n)
		for _, src := range []string{q + ` = "x"`, `"x" != ` + q, "isNull(" + q + ")", "NOT " + q + ":*", "in(" + q + `, "a")`, "len(" + q + ") > 1", "startsWith(lower(" + q + `), "a")`,
			"(" + q + ` = "x" AND ` + q + `="y") OR ` + q + " = null"} {
			e, err := query.Parse(odd(), src, query.Options{Variables: noVariables})
			if err != nil {
				t.Errorf("%s: %v", src, err)
				continue
			}
			if again, err := query.Parse(odd(), query.String(e), query.Options{Variables: noVariables}); err != nil || !reflect.DeepEqual(again, e) {
				t.Errorf("%s is written %s, which is not read back: %v", src, query.String(e), err)
			}
		}
		o, err := query.ParseOrder(odd(), q+" desc")
		if err != nil || o[0].Field.Name != n || o.String() != q+" desc" {
			t.Errorf("order by %s: %v, %v", q, o, err)
		}
		items, err := query.List("x, " + q + " ,y")
		if err != nil || len(items) != 3 || items[1] != q {
			t.Errorf("a list with %s: %q, %v", q, items, err)
		}
		if path, err := query.Path(q); err != nil || strings.Join(path, ".") != n {
			t.Errorf("%s is %q, %v", q, path, err)
		}
	}
}

func TestPartsOfNamesAreQuoted(t *testing.T) {
	for src, want := range map[string]string{
		"credits.`first name` = \"a\"":   "credits.first name",
		"`credits`.`first name` = \"a\"": "credits.first name",
		"`credits`.AND = \"a\"":          "credits.AND",
		"`credits.first name` = \"a\"":   "credits.first name",
	} {
		if e, err := query.Parse(odd(), src, query.Options{}); err != nil || e.(query.Compare).Field.Name != want {
			t.Errorf("%s: %v, %v", src, e, err)
		}
	}
	for item, want := range map[string][]string{"a.b": {"a", "b"}, "`a.b`": {"a.b"}, "a.`b.c`.d": {"a", "b.c", "d"}, "US Gross": {"US Gross"}, "`a``b`.c": {"a`b", "c"}} {
		if got, err := query.Path(item); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %q, %v", item, got, err)
		}
	}
	got, err := query.List("a, `b,c`, month(d, \"x,y\"),e")
	if want := []string{"a", "`b,c`", "month(d, \"x,y\")", "e"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWrongNamesAreRefusedWithTheWayOut(t *testing.T) {
	for src, want := range map[string]string{
		"`c d = 1":          "column 1: the name has no closing backtick",
		"null = \"x\"":      "or write `null` for the field of this name",
		"AND = \"x\"":       "or write `AND` for the field of this name",
		"é = \"x\"":         "a field whose name is no identifier is written in backticks",
		"`len`(`c d`) = 1":  "is a field, not a function",
		"`nothing` = 1":     "field \"nothing\" is not indexed; indexed fields:",
		"`tags of it` = 1":  "`tags of it` is a list: use `tags of it`:value",
		"`c d` = true":      "`c d` is of kind text",
		"in(`c d`, `null`)": "a value is expected here, not a field",
		"`when``s` < \"x\"": "`when``s` is a time",
	} {
		if _, err := query.Parse(odd(), src, query.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", src, err, want)
		}
	}
	for _, item := range []string{"`a", "`a`b", "`a`.", "a`b`"} {
		if got, err := query.Path(item); err == nil {
			t.Errorf("%s is %q", item, got)
		}
	}
}

package query_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`year >= 2000 AND (genres:"Drama" OR title = "Heat") AND NOT isNull(title)`, `matches(title, "(?i)^a{2,3}[b-d]|\\w$")`,
		`released < now() - duration("24h")`, `in(len(title), 1, -2.5e3)`, `title = "\ud83d\ude00"`, `NOT NOT marks:1.0`, `1 < year < 3`, `((`, "\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		e, err := query.Parse(fields(), src, query.Options{Now: now})
		if err != nil {
			var qe *query.Error
			if !errors.As(err, &qe) || qe.Column < 0 || qe.Column > len(src)+1 {
				t.Fatalf("error %#v", err)
			}
			return
		}
		query.Eval(e, query.Values{"title": "Heat", "genres": []query.Value{"Drama"}})
		printed := query.String(e)
		if len(printed) > query.MaxSource {
			return
		}
		again, err := query.Parse(fields(), printed, query.Options{Now: now})
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%q printed as %q does not read back: %v", src, printed, err)
		}
	})
}

func FuzzOrder(f *testing.F) {
	for _, s := range []string{"year desc, title", "", "year,,", "genres", "meta.created_at asc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		o, err := query.ParseOrder(fields(), src)
		if err != nil {
			return
		}
		again, err := query.ParseOrder(fields(), o.String())
		if err != nil || !reflect.DeepEqual(again, o) {
			t.Fatalf("%q printed as %q does not read back: %v", src, o, err)
		}
	})
}

func FuzzCursor(f *testing.F) {
	k := query.NewCursors([]byte("key"))
	f.Add(k.Encode(query.Cursor{ID: "x", Values: []query.Value{int64(1), "a", nil}}, "b"))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := k.Decode(token, "b", nil)
		if err == nil && k.Encode(c, "b") != token {
			t.Fatalf("%q is read but was never made", token)
		}
	})
}

package query_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
)

var now = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func fields() query.Fields {
	return query.NewFields(
		query.Field{Name: "title", Kind: query.Text},
		query.Field{Name: "year", Kind: query.Integer},
		query.Field{Name: "score", Kind: query.Number},
		query.Field{Name: "open", Kind: query.Boolean},
		query.Field{Name: "released", Kind: query.Time},
		query.Field{Name: "genres", Kind: query.Text, List: true},
		query.Field{Name: "marks", Kind: query.Number, List: true},
		query.Field{Name: "credits.director-name", Kind: query.Text},
		query.Field{Name: "meta.id", Kind: query.Text},
		query.Field{Name: "meta.created_at", Kind: query.Time},
	)
}

func parse(t *testing.T, src string) query.Expr {
	t.Helper()
	e, err := query.Parse(fields(), src, query.Options{Now: now})
	if err != nil {
		t.Fatalf("Parse(%s): %v", src, err)
	}
	return e
}

func TestParseGivesThisTree(t *testing.T) {
	for src, want := range map[string]string{
		`year >= 2000 AND (genres:"Drama" OR title = "Heat") AND NOT isNull(title)`: `year >= 2000 AND (genres:"Drama" OR title = "Heat") AND NOT isNull(title)`,
		`title = null`:                 `isNull(title)`,
		`title != null`:                `NOT isNull(title)`,
		`title:*`:                      `NOT isNull(title)`,
		`genres = null`:                `isNull(genres)`,
		`2000 <= year`:                 `year >= 2000`,
		`year = -5`:                    `year = -5`,
		`score < -1.5e-3`:              `score < -0.0015`,
		`score = 1e2`:                  `score = 100.0`,
		`year = 9223372036854775808`:   `year = 9.223372036854776e+18`,
		`title = "a\"\u00e9\\ %_*"`:    `title = "a\"é\\ %_*"`,
		`title = "\ud83d\ude00\ufffd"`: "title = \"😀\uFFFD\"",
		`open = true`:                  `open = true`,
		`released >= "2024-01-01T02:00:00+02:00"`:                `released >= "2024-01-01T00:00:00Z"`,
		`released < now()`:                                       `released < "2024-05-01T12:00:00Z"`,
		`released < now()-duration("24h")`:                       `released < "2024-04-30T12:00:00Z"`,
		`released < now() + duration("1h30m")`:                   `released < "2024-05-01T13:30:00Z"`,
		`in(title,"a", "b") OR in(len(title), 1, 2.5)`:           `in(title, "a", "b") OR in(len(title), 1, 2.5)`,
		`lower(title) = "x"`:                                     `lower(title) = "x"`,
		`len(genres) > 2`:                                        `len(genres) > 2`,
		`startsWith(title,"a")`:                                  `startsWith(title, "a")`,
		`endsWith(lower(title),"a")`:                             `endsWith(lower(title), "a")`,
		`matches(title, "^(?:a|b){2,3}[^x-z\\d]$")`:              `matches(title, "^(?:a|b){2,3}[^x-z\\d]$")`,
		`credits.director-name = "x"`:                            `credits.director-name = "x"`,
		`NOT (NOT open = true)`:                                  `NOT NOT open = true`,
		"  year = 1\n\tAND year = 2 ":                            `year = 1 AND year = 2`,
		`(year=1 AND year=2) OR (year=3)`:                        `(year = 1 AND year = 2) OR year = 3`,
		`year < score AND NOT title = credits.director-name`:     `year < score AND NOT title = credits.director-name`,
		`len(title)>=len(genres) OR released != meta.created_at`: `len(title) >= len(genres) OR released != meta.created_at`,
		`lower(title) = lower(credits.director-name)`:            `lower(title) = lower(credits.director-name)`,
		`marks:1.0`: `marks:1.0`,
		strings.Repeat("(", 32) + "year=1" + strings.Repeat(")", 32): `year = 1`,
		``: ``,
	} {
		e := parse(t, src)
		if got := query.String(e); got != want {
			t.Errorf("Parse(%s)\n got %s\nwant %s", src, got, want)
		}
		if again := parse(t, query.String(e)); !reflect.DeepEqual(again, e) {
			t.Errorf("String(%s) does not read back", src)
		}
	}
}

func TestParseRefusesWithColumnAndReason(t *testing.T) {
	many := "in(year" + strings.Repeat(",1", 1001) + ")"
	for _, c := range []struct{ src, want string }{
		{`yaer = 1`, `column 1: field "yaer" is not indexed; indexed fields: credits.director-name, genres`},
		{`"é" = title AND tilte = "x"`, `column 17: field "tilte" is not indexed`},
		{`1 < year < 3`, `column 10: comparisons cannot be chained`},
		{`year = 1 = 2`, `column 10: comparisons cannot be chained`},
		{`title = title = "c"`, `column 15: comparisons cannot be chained`},
		{`in(title, title)`, `column 11: a value is expected here, not a field`},
		{`year = title`, `column 6: year is of kind integer and title of kind text: fields of one kind are compared`},
		{`released < year`, `fields of one kind are compared`},
		{`genres = title`, `genres is a list and is not compared with a field`},
		{`title != genres`, `column 10: genres is a list and is not compared with a field`},
		{`open < open`, `only = and != compare it`},
		{`lower(title) = credits.director-name`, `write lower(...) on both sides`},
		{`title = len(title)`, `title is of kind text and len(title) of kind integer`},
		{`year = 1 AND year = 2 OR year = 3`, `column 23: AND and OR are mixed`},
		{`year = 1 OR year = 2 AND year = 3`, `column 22: AND and OR are mixed`},
		{`year = 1 and year = 2`, `column 10: write AND in upper case`},
		{`not year = 1`, `column 1: write NOT in upper case`},
		{`year = 1 year = 2`, `column 10: expected AND, OR or the end, found "year"`},
		{`year = "2000"`, `column 8: year is of kind integer and cannot be compared with a string`},
		{`title = 5`, `column 9: title is of kind text and cannot be compared with a number`},
		{`open = "true"`, `column 8: open is of kind boolean`},
		{`open < true`, `column 6: open is of kind boolean: only = and != compare it`},
		{`title = true`, `cannot be compared with a boolean`},
		{`title < now()`, `cannot be compared with a time`},
		{`released = "2024-01-01"`, `column 12: released is a time: "2024-01-01" is not one as in RFC 3339`},
		{`released = 5`, `cannot be compared with a number`},
		{`genres = "Drama"`, `column 8: genres is a list: use genres:value`},
		{`title:"x"`, `column 6: ":" asks a list for an element and title is no list: use =`},
		{`genres:5`, `an element of genres is of kind text`},
		{`genres:null`, `no element equals null`},
		{`in(genres, "x")`, `genres is a list`},
		{`in(title, 1)`, `title is of kind text`},
		{`in(title)`, `at least one value`},
		{`in(title, null)`, `null is not a value here`},
		{many, `in takes at most 1000 values`},
		{`title < null`, `null can only be compared with = and !=`},
		{`lower(title) = null`, `compare the field itself with null`},
		{`lower(year) = "x"`, `lower takes a text; year is of kind integer`},
		{`len(year) = 1`, `len takes a text or a list`},
		{`len(len(title)) = 1`, `len takes a field, not a function`},
		{`len(title) = "x"`, `len(title) is of kind integer`},
		{`contains(marks, "x")`, `contains takes a text or a list of texts; marks is a list of number values`},
		{`matches(year, "x")`, `matches takes a text or a list of texts; year is of kind integer`},
		{`icontains(lower(genres), "x")`, `lower takes a text; genres is a list of text values`},
		{`startsWith(len(genres), "x")`, `startsWith takes a text or a list of texts`},
		{`matches(genres, "(")`, `the pattern`},
		{`contains(title, 5)`, `contains takes a string`},
		{`contains(title)`, `expected ","`},
		{`contains(title, "x") = true`, `contains is a condition by itself`},
		{`isnull(title)`, `write isNull`},
		{`foo(title)`, `unknown function foo; there are startsWith`},
		{`title = Heat`, `strings are written in double quotes`},
		{`title = 'Heat'`, `column 9: unexpected character '\''; strings are written in double quotes`},
		{`title = "Heat`, `column 9: the string has no closing quote`},
		{`title = "\x"`, `column 9: the string is not a JSON string`},
		{`title = "\ud800"`, `column 9: the string holds half of a surrogate pair`},
		{`title = "a\u0000"`, `column 9: text cannot contain NUL`},
		{`open = TRUE`, `column 8: write true in lower case`},
		{`year = 01`, `column 8: the number is not written as in JSON`},
		{`year = 1.`, `the number is not written as in JSON`},
		{`year = 1e999`, `column 8: the number is out of range`},
		{`year`, `column 5: expected an operator`},
		{`"x"`, `column 1: a value alone is no condition`},
		{`1 = 1`, `column 1: a comparison needs a field on one side`},
		{`(year = 1`, `column 1: this parenthesis is never closed`},
		{`year = 1)`, `column 9: this parenthesis was never opened`},
		{`year = 1 AND`, `column 13: expected a field, found the end`},
		{`AND year = 1`, `column 1: AND needs a condition before it`},
		{`year = -`, `expected a number after "-"`},
		{`released < duration("1h")`, `a duration is only added to or taken from now()`},
		{`released < now() - duration("1 day")`, `is no duration`},
		{strings.Repeat("NOT ", 33) + "year = 1", `column 129: nested deeper than 32 levels`},
		{strings.Repeat("(", 33) + "year = 1", `column 33: nested deeper than 32 levels`},
		{strings.Repeat(" ", query.MaxSource) + "x", `is longer than 131072 bytes`},
		{"title = \"\xff\"", `is not valid UTF-8`},
	} {
		_, err := query.Parse(fields(), c.src, query.Options{Now: now})
		var qe *query.Error
		if !errors.As(err, &qe) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%.60s)\n got %v\nwant %s", c.src, err, c.want)
		}
	}
}

func TestUnknownFieldIsNamedAndTheListIsBounded(t *testing.T) {
	var fs []query.Field
	for i := range 50 {
		fs = append(fs, query.Field{Name: fmt.Sprintf("f%02d", i), Kind: query.Text})
	}
	_, err := query.Parse(query.NewFields(fs...), `nope = 1`, query.Options{})
	var qe *query.Error
	if !errors.As(err, &qe) || qe.UnknownField != "nope" || !strings.Contains(qe.Detail, "f19 and 30 more") {
		t.Fatalf("got %v", err)
	}
}

func TestRegexpSubset(t *testing.T) {
	for _, p := range []string{``, `(?i)abc`, `a.b`, `[a-c]+`, `[^\d_-]`, `a|b|c`, `(a(?:b)){2,}`, `^a$`, `\.\*\\\-`, `a{0,100}`, `é+`, `[\]\[]`, `\w\s\D`} {
		if err := query.CheckRegexp(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	for _, p := range []string{
		`(a)\1`, `(?=a)`, `(?!a)`, `(?<=a)`, `(?P<n>a)`, `(?<n>a)`, `a(?i)b`, `(?s)a`, `(?i:a)`, `\pL`, `\bword`, `\Aa`, `\x41`, `a*?`, `a+?`, `a??`, `a**`, `a{2}{3}`,
		`a{101}`, `a{3,2}`, `a{,3}`, `a{x}`, `a{`, `}`, `]`, `*a`, `^*`, `(a`, `a)`, `[a`, `[]`, `[[:alpha:]]`, `[a-\d]`, `[z-a]`, `[a-c-e]`, `[\D]`, `a||b`, `()`, `a\`,
		`((a{50}){50}){50}`, strings.Repeat("a", 1001), strings.Repeat("(", 40) + "a" + strings.Repeat(")", 40),
	} {
		if err := query.CheckRegexp(p); err == nil {
			t.Errorf("%.40s is accepted", p)
		}
	}
}

func TestParseOrder(t *testing.T) {
	o, err := query.ParseOrder(fields(), "year desc, title asc,score")
	if err != nil || o.String() != "year desc, title, score" {
		t.Fatalf("got %v, %v", o, err)
	}
	if o, err := query.ParseOrder(fields(), " "); err != nil || len(o) != 0 {
		t.Fatalf("got %v, %v", o, err)
	}
	for src, want := range map[string]string{
		`year desc, year`: `column 12: year is named twice`,
		`genres`:          `column 1: genres is a list and has no order`,
		`yaer`:            `field "yaer" is not indexed`,
		`year DESC`:       `column 6: expected asc, desc, a comma or the end`,
		`year,`:           `column 6: expected a field, found the end`,
		`year title`:      `expected asc, desc, a comma or the end`,
	} {
		if _, err := query.ParseOrder(fields(), src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseOrder(%s): got %v, want %s", src, err, want)
		}
	}
}

func TestOrderHasAtMostEightTerms(t *testing.T) {
	var fs []query.Field
	var names []string
	for i := range 9 {
		fs = append(fs, query.Field{Name: fmt.Sprintf("f%d", i), Kind: query.Text})
		names = append(names, fs[i].Name)
	}
	if _, err := query.ParseOrder(query.NewFields(fs...), strings.Join(names[:8], ",")); err != nil {
		t.Error(err)
	}
	if _, err := query.ParseOrder(query.NewFields(fs...), strings.Join(names, ",")); err == nil {
		t.Error("nine terms are accepted")
	}
}

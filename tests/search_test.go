package tests_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// found are the ids of a list, sorted.
func found(r *apitest.Response) string {
	var ids []string
	for i := range r.Items() {
		ids = append(ids, r.Text(fmt.Sprintf("/items/%d/meta/id", i)))
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// TestFiltersFollowThreeValuedLogic: only what is certainly true is found.
func TestFiltersFollowThreeValuedLogic(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		for id, doc := range map[string]string{
			"full":  `{"title":"Heat 100%","year":1901,"rating":1.0,"genres":["Drama","Crime"],"color":true,"studio":null,"released":"2024-01-01T01:00:00+01:00","credits":{"director":"Mann"}}`,
			"half":  `{"title":"heat_1","year":1902,"rating":2.5,"genres":[],"color":false}`,
			"empty": `{"title":"10","year":1903}`,
		} {
			c.Post(t, "/v1/movies?id="+id, doc).Want(t, 201)
		}
		for _, x := range []struct{ name, filter, want string }{
			{"AnIntegerEqualsItsFloat", `year = 1901.0`, "full"},
			{"AFloatEqualsItsInteger", `rating = 1`, "full"},
			{"AnIntegerIsComparedWithAFraction", `year < 1901.5`, "full"},
			{"AComparisonWithMissingIsNotTrue", `rating > 0`, "full half"},
			{"NorIsItsOpposite", `rating <= 0`, ""},
			{"NorItsNot", `NOT rating > 2`, "full"},
			{"NotEqualOfMissingIsNotTrue", `rating != 1`, "half"},
			{"MissingAndFalseIsFalse", `NOT (rating = 1 AND year = 1901)`, "empty half"},
			{"MissingAndTrueIsUnknown", `NOT (rating = 1 AND year = 1903)`, "full half"},
			{"MissingOrTrueIsTrue", `rating = 1 OR year = 1903`, "empty full"},
			{"MissingOrFalseIsUnknown", `NOT (rating = 1 OR year = 1901)`, "half"},
			{"IsNullIsTrueOfMissing", `isNull(rating)`, "empty"},
			{"IsNullIsTrueOfNull", `isNull(studio)`, "empty full half"},
			{"IsNullIsNeverUnknown", `NOT isNull(rating)`, "full half"},
			{"EqualNullIsIsNull", `rating = null`, "empty"},
			{"NotEqualNullIsItsOpposite", `rating != null`, "full half"},
			{"PresenceIsTrueOrFalse", `rating:*`, "full half"},
			{"NotPresence", `NOT rating:*`, "empty"},
			{"AListIsAskedForAnElement", `genres:"Drama"`, "full"},
			{"MembershipIsNoSubstring", `genres:"Dram"`, ""},
			{"MembershipMindsCase", `genres:"drama"`, ""},
			{"NotMembershipOfMissingIsUnknown", `NOT genres:"Drama"`, "half"},
			{"AnEmptyListIsPresent", `genres:*`, "full half"},
			{"LengthOfMissingIsUnknown", `len(genres) < 1`, "half"},
			{"TextOfMissingIsUnknown", `NOT contains(credits.director, "x")`, "full"},
			{"InOfMissingIsUnknown", `NOT in(rating, 7, 8)`, "full half"},
			{"PercentIsOrdinary", `contains(title, "%")`, "full"},
			{"UnderscoreIsOrdinary", `contains(title, "_")`, "half"},
			{"AStarIsOrdinary", `title = "Heat*"`, ""},
			{"EqualMindsCase", `title = "HEAT 100%"`, ""},
			{"LowerFolds", `lower(title) = "heat 100%"`, "full"},
			{"ContainsFolded", `icontains(title, "HEAT")`, "full half"},
			{"AnElementContains", `contains(genres, "rim")`, "full"},
			{"AnElementContainsFolded", `icontains(genres, "DRAM")`, "full"},
			{"AnElementMatches", `matches(genres, "^C.*e$") AND startsWith(genres, "Dr") AND endsWith(genres, "ama")`, "full"},
			{"NoElementOfAnEmptyListMatches", `matches(genres, "")`, "full"},
			{"NotAnElementOfAMissingListIsUnknown", `NOT matches(genres, "^Dr")`, "half"},
			{"AnElementAndItsOpposite", `contains(genres, "Drama") AND NOT icontains(genres, "western")`, "full"},
			{"TextComparesByCodePoint", `title < "H"`, "empty"},
			{"TextIsNoNumber", `title = "10"`, "empty"},
			{"TimesAreInstants", `released = "2024-01-01T00:00:00Z"`, "full"},
			{"BooleansAreBooleans", `color = false`, "half"},
			{"NotOfABooleanThatIsMissing", `color != true`, "half"},
		} {
			t.Run(x.name, func(t *testing.T) {
				if got := found(c.Get(t, "/v1/movies?filter="+query(x.filter)).Want(t, 200)); got != x.want {
					t.Errorf("%s finds %q, want %q", x.filter, got, x.want)
				}
			})
		}
		for _, x := range []struct{ name, filter, says string }{
			{"TextIsNotComparedWithANumber", `title = 10`, "column 9"},
			{"ANumberIsNotComparedWithText", `year = "1"`, "column 8"},
			{"ABooleanIsNotComparedWithText", `color = "true"`, "column 9"},
			{"ATimeIsNotComparedWithANumber", `released > 5`, "column 12"},
			{"AListIsNotCompared", `genres = "Drama"`, "column 8"},
			{"AFieldIsNotAskedForAnElement", `title:"Heat"`, "column 6"},
			{"AnElementIsOfTheListsKind", `genres:5`, "column 8"},
			{"AListOfTextIsSearchedByAValidPattern", `matches(genres, "(")`, "the pattern"},
			{"ANumberContainsNothing", `icontains(year, "1")`, "contains takes a text or a list of texts; year is of kind integer"},
			{"ComparisonsAreNotChained", `1 < year < 3`, "column 10"},
			{"EqualsAreNotChained", `year = year = 1`, "column"},
			{"AndThenOrNeedsParentheses", `year = 1 AND year = 2 OR year = 3`, "column 23"},
			{"OrThenAndNeedsParentheses", `year = 1 OR year = 2 AND year = 3`, "column 22"},
			{"AFieldThatIsNotIndexedIsNamed", `note = "x"`, `"note" is not indexed`},
			{"AWordIsMisspelt", `year = 1 and year = 2`, "column 10"},
		} {
			t.Run(x.name, func(t *testing.T) {
				r := c.Get(t, "/v1/movies?filter="+query(x.filter))
				r.WantProblem(t, 400, "invalid_filter")
				if !strings.Contains(r.Text("/detail"), x.says) {
					t.Errorf("%s: %s", x.filter, r.Text("/detail"))
				}
			})
		}
	})
}

// hostile is what could be SQL, a path, a template or a pattern if a program
// took it for one.
var hostile = []string{
	`'`, `"`, "`", `\`, `;`, `--`, `/*`, `%`, `_`, `*`, `?`, `$1`, `?1`, `:a`, `@a`, `$$`, `{{.}}`, `%s`, `{}`, `[]`, `()`, ` `, "\t", "\n", `\u0000`,
	`' OR '1'='1`, `" OR "1"="1`, `1; DROP TABLE movies; --`, `x'); DELETE FROM events; --`, `year) FROM position; --`, `1 UNION SELECT identity FROM position`,
	`f0`, `rid`, `content`, `sqlite_schema`, `pg_catalog.pg_user`, `t_movies`, `meta`, `revision`, `deleted`, `meta.ref`, `movies.year`, `year::text`, `"year"`, `year desc; --`,
	`year, (SELECT 1)`, `CASE WHEN 1=1 THEN year END`, `random()`, `pg_sleep(10)`, `load_extension('x')`, `count(*)`, `sum(year)`, `lower(title)`, `year asc nulls first`,
	`year COLLATE NOCASE`, `../../etc/passwd`, "é", "\u202e", "😀", strings.Repeat("a", 3000), strings.Repeat("(", 500),
}

// TestWhatLooksLikeSQLIsDataOrRefused puts it wherever text can be put. Nothing
// is changed by it, nothing is found by it, nothing is an error of the server.
func TestWhatLooksLikeSQLIsDataOrRefused(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		films(t, c)
		before := c.Get(t, "/v1/movies?order_by=meta.id&include_deleted=true").Want(t, 200).Value("/items")
		refused := func(t *testing.T, path string) {
			t.Helper()
			if r := c.Get(t, path); r.Status != 400 {
				t.Errorf("%.200s: %d %.200s", path, r.Status, r.Body)
			}
		}
		places := map[string]func(t *testing.T, s string){
			"AFieldName": func(t *testing.T, s string) {
				refused(t, "/v1/movies?filter="+query(s+" = 1"))
				refused(t, "/v1/movies?filter="+query("isNull("+s+")"))
			},
			"AFunction":  func(t *testing.T, s string) { refused(t, "/v1/movies?filter="+query(s+"(title, \"x\")")) },
			"AnOperator": func(t *testing.T, s string) { refused(t, "/v1/movies?filter="+query("year "+s+" 1")) },
			"ABareValue": func(t *testing.T, s string) {
				if !strings.HasPrefix(s, `"`) || len(s) == 1 || strings.Contains(s, " ") { // not a whole string
					refused(t, "/v1/movies?filter="+query("title = "+s))
				}
			},
			"OrderBy":     func(t *testing.T, s string) { refusedOrBlank(t, c, "/v1/movies?order_by=", s) },
			"ADirection":  func(t *testing.T, s string) { refusedOrBlank(t, c, "/v1/movies?order_by=year+", s) },
			"GroupBy":     func(t *testing.T, s string) { refusedOrBlank(t, c, "/v1/movies:aggregate?group_by=", s) },
			"GroupOrder":  func(t *testing.T, s string) { refusedOrBlank(t, c, "/v1/movies:aggregate?group_by=year&order_by=", s) },
			"Sum":         func(t *testing.T, s string) { refusedOrBlank(t, c, "/v1/movies:aggregate?sum=", s) },
			"Min":         func(t *testing.T, s string) { refusedOrBlank(t, c, "/v1/movies:aggregate?min=", s) },
			"Count":       func(t *testing.T, s string) { refused(t, "/v1/movies:aggregate?count="+query(s+"x")) },
			"APageToken":  func(t *testing.T, s string) { refused(t, "/v1/movies?page_token="+query(s)) },
			"AGroupToken": func(t *testing.T, s string) { refused(t, "/v1/movies:aggregate?group_by=year&page_token="+query(s)) },
			"APageSize":   func(t *testing.T, s string) { refused(t, "/v1/movies?page_size="+query(s)) },
			"AFlag":       func(t *testing.T, s string) { refused(t, "/v1/movies?total="+query(s)) },
			"Consistency": func(t *testing.T, s string) { refused(t, "/v1/movies?consistency="+query(s)) },
			"AType": func(t *testing.T, s string) {
				if r := c.Get(t, "/v1/"+url.PathEscape(s)); r.Status != 404 && r.Status != 400 && r.Status != 301 {
					t.Errorf("%q: %d %.200s", s, r.Status, r.Body)
				}
			},
			"AValue": func(t *testing.T, s string) {
				if strings.ContainsAny(s, "\t\n") || s == `\` || s == `"` || strings.Contains(s, `"`) {
					s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "\n", `\n`).Replace(s)
				}
				for _, f := range []string{`title = "%s"`, `genres:"%s"`, `in(title, "%s", "x")`, `endsWith(title, "%sX")`, `icontains(lower(title), "%sX")`, `startsWith(meta.id, "%sX")`} {
					r := c.Get(t, "/v1/movies?filter="+query(fmt.Sprintf(f, s)))
					if r.Status != 400 && (r.Status != 200 || len(r.Items()) != 0) {
						t.Errorf("%.200s %q: %d %.200s", f, s, r.Status, r.Body)
					}
				}
				if r := c.Get(t, "/v1/movies?filter="+query(`matches(title, "`+s+`")`)); r.Status != 200 && r.Status != 400 {
					t.Errorf("a pattern %q: %d %.200s", s, r.Status, r.Body)
				}
			},
			"FullText": func(t *testing.T, s string) {
				if r := c.Get(t, "/v1/movies?q="+query(s)); r.Status != 200 && r.Status != 400 {
					t.Errorf("%q: %d %.200s", s, r.Status, r.Body)
				}
			},
		}
		for name, place := range places {
			t.Run(name, func(t *testing.T) {
				for _, s := range hostile {
					place(t, s)
				}
			})
		}
		after := c.Get(t, "/v1/movies?order_by=meta.id&include_deleted=true").Want(t, 200).Value("/items")
		if mustJSON(before) != mustJSON(after) {
			t.Errorf("something was changed: %s", mustJSON(after))
		}
		c.Post(t, "/v1:verify", nil).Want(t, 200).Equal(t, "/findings", `[]`)
	})
}

// refusedOrBlank asks with s, which is refused unless it is nothing but space.
func refusedOrBlank(t *testing.T, c *apitest.Client, path, s string) {
	t.Helper()
	if r := c.Get(t, path+query(s)); r.Status != 400 && (strings.TrimSpace(s) != "" || r.Status != 200) {
		t.Errorf("%s%.200q: %d %.200s", path, s, r.Status, r.Body)
	}
}

// TestAPageTokenIsOfItsListOnly alters tokens and takes them elsewhere.
func TestAPageTokenIsOfItsListOnly(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		films(t, c)
		list := "/v1/movies?page_size=1&order_by=year"
		token := c.Get(t, list).Want(t, 200).Text("/next_page_token")
		c.Get(t, list+"&page_token="+token).Want(t, 200)
		c.Get(t, "/v1/movies?page_size=2&order_by=year&page_token="+token).Want(t, 200) // the size may change
		for i := range token {
			other := token[:i] + string('A'+(token[i]+1)%26) + token[i+1:]
			if other != token {
				c.Get(t, list+"&page_token="+query(other)).WantProblem(t, 400, "invalid_page_token")
			}
		}
		for _, elsewhere := range []string{"/v1/movies?order_by=title", "/v1/movies?order_by=year+desc", "/v1/movies?order_by=year&filter=" + query("year > 0"), "/v1/movies?order_by=year&q=heat",
			"/v1/movies?order_by=year&include_deleted=true", "/v1/studios?order_by=meta.id", "/v1/movies:aggregate?group_by=year", "/v1/movies/m0/revisions?", "/v1/movies/m0/history?"} {
			c.Get(t, strings.TrimSuffix(elsewhere, "?")+map[bool]string{true: "&", false: "?"}[strings.Contains(strings.TrimSuffix(elsewhere, "?"), "?")]+"page_token="+token).WantProblem(t, 400, "invalid_page_token")
		}
	})
}

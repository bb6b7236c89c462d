package tests_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// parcels has fields of every kind that a filter compares.
const parcels = `name: parcels
schema:
  type: object
  properties:
    name:   {type: string}
    weight: {type: number}
    code:   {type: integer}
    due:    {type: string, format: date}
    dues:   {type: array, items: {type: string, format: date}}
    moved:  {type: [string, "null"], format: date-time}
index: [name, weight, code, due, dues, moved]
unique: [weight]
`

// eachParcels runs a test on every storage row with parcels of these contents.
func eachParcels(t *testing.T, docs map[string]string, fn func(t *testing.T, c *apitest.Client)) {
	t.Helper()
	t.Parallel()
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, s, nil, map[string]string{"parcels": parcels})
			for id, doc := range docs {
				c.Post(t, "/v1/parcels?id="+id, doc).Want(t, 201)
			}
			fn(t, c)
		})
	}
}

// finds asks a type for a filter.
func finds(t *testing.T, c *apitest.Client, typ, filter, want string) {
	t.Helper()
	if got := found(c.Get(t, "/v1/"+typ+"?page_size=100&filter="+url.QueryEscape(filter)).Want(t, 200)); got != want {
		t.Errorf("%s finds %q, want %q", filter, got, want)
	}
}

// TestWhatIsStoredEqualsItself: a filter made of a value finds the row that has
// it, however it is spelt and however long it is.
func TestWhatIsStoredEqualsItself(t *testing.T) {
	docs := map[string]string{
		"micro": `{"name":"5 µm","weight":1234567890123456789,"code":9007199254740993}`,
		"sigma": `{"name":"λόγος","weight":9007199254740992,"code":9223372036854775807}`,
		"long":  `{"name":"ſoft","weight":0.30000000000000004,"code":-9223372036854775808}`,
	}
	eachParcels(t, docs, func(t *testing.T, c *apitest.Client) {
		for filter, want := range map[string]string{
			`lower(name) = "5 µm"`:                                    "micro",
			`lower(name) = "5 ΜM"`:                                    "micro",
			`lower(name) = "λόγος"`:                                   "sigma",
			`lower(name) = "ΛΌΓΟΣ"`:                                   "sigma",
			`lower(name) = "ſOFT"`:                                    "long",
			`in(lower(name), "Soft", "5 µM")`:                         "long micro",
			`endsWith(lower(name), "ς")`:                              "sigma",
			`matches(lower(name), "^(ſ|λ)")`:                          "long sigma",
			`weight = 1234567890123456789`:                            "micro",
			`weight = 1.234567890123456789e18`:                        "micro",
			`weight != 1234567890123456789`:                           "long sigma",
			`weight >= 1234567890123456789`:                           "micro",
			`in(weight, 1234567890123456789, 9007199254740993)`:       "micro sigma",
			`weight = 0.3`:                                            "",
			`weight = 0.30000000000000004`:                            "long",
			`code = 9007199254740993.0`:                               "micro",
			`code > 9007199254740992.5 AND code < 9007199254740993.5`: "micro",
			`code > 9223372036854775806.5`:                            "sigma",
			`code < -9223372036854775807.5`:                           "long",
		} {
			finds(t, c, "parcels", filter, want)
		}
		// Two numbers that a filter takes for one are one to a constraint, too.
		c.Post(t, "/v1/parcels", `{"weight":9007199254740993}`).WantProblem(t, 409, "unique_conflict")
		c.Post(t, "/v1/parcels", `{"weight":1234567890123456788}`).WantProblem(t, 409, "unique_conflict")
		c.Post(t, "/v1/parcels?id=next", `{"weight":9007199254740994}`).Want(t, 201)
		finds(t, c, "parcels", `weight = 9007199254740994`, "next")
	})
}

// TestDatesCompareWithNow: a date is before now when its day is before the day
// it is in UTC.
func TestDatesCompareWithNow(t *testing.T) {
	docs := map[string]string{
		"past":   `{"due":"2001-02-03","moved":"2016-12-31t23:59:60z"}`,
		"future": `{"due":"9999-01-01","moved":"1990-12-31T23:59:59Z"}`,
		"never":  `{"dues":["2001-02-03"]}`,
	}
	eachParcels(t, docs, func(t *testing.T, c *apitest.Client) {
		for filter, want := range map[string]string{
			`due < now()`:                        "past",
			`now() < due`:                        "future",
			`NOT due < now()`:                    "future",
			`due > now() + duration("30d")`:      "future",
			`due <= now() - duration("2w1d12h")`: "past",
			`moved = "2016-12-31t23:59:60z"`:     "past",
			`moved = "2017-01-01T00:00:00Z"`:     "past",
			`moved = "1990-12-31t23:59:59z"`:     "future",
			`moved < now() - duration("7d")`:     "future past",
			`in(due, now(), "2001-02-03")`:       "past",
			`due < "2001-02-04"`:                 "past",
			`moved < now() - duration("52w")`:    "future past",
		} {
			finds(t, c, "parcels", filter, want)
		}
		for _, filter := range []string{`name < now()`, `due < duration("1d")`, `due < now() - duration("1 day")`, `len(due) < now()`} {
			c.Get(t, "/v1/parcels?filter="+url.QueryEscape(filter)).WantProblem(t, 400, "invalid_filter")
		}
	})
}

// TestFieldsOfEveryNameCanBeAskedAbout: what can be indexed can be named in
// filters, orders, groups, projections and expansions.
func TestFieldsOfEveryNameCanBeAskedAbout(t *testing.T) {
	const model = "name: odd\nschema:\n  type: object\n  properties:\n    c d: {type: string}\n    é: {type: string}\n    \"@type\": {type: string}\n    AND: {type: integer}\n" +
		"    \"null\": {type: integer}\n    \"true\": {type: integer}\n    1st: {type: integer}\n    \"a,b\": {type: string}\n    \"x`y\": {type: string}\n    to it: {type: [string, \"null\"]}\n    dotted.name: {type: string}\n" +
		"    credits: {type: object, properties: {first name: {type: string}}}\n" +
		"index: [c d, é, \"@type\", AND, \"null\", \"true\", 1st, \"a,b\", \"x`y\", credits.first name]\nrefs: {to it: {type: odd}}\n"
	t.Parallel()
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, s, nil, map[string]string{"odd": model})
			c.Post(t, "/v1/odd?id=a", "{\"c d\":\"x\",\"é\":\"x\",\"@type\":\"x\",\"AND\":1,\"null\":1,\"true\":1,\"1st\":1,\"a,b\":\"x\",\"x`y\":\"x\",\"dotted.name\":\"d\",\"credits\":{\"first name\":\"x\"}}").Want(t, 201)
			c.Post(t, "/v1/odd?id=b", "{\"c d\":\"y\",\"AND\":2,\"null\":2,\"to it\":\"a\"}").Want(t, 201)
			for _, name := range []string{"`c d`", "`é`", "`@type`", "`a,b`", "`x``y`", "credits.`first name`", "`credits.first name`"} {
				finds(t, c, "odd", name+` = "x"`, "a")
				finds(t, c, "odd", "NOT isNull("+name+") AND startsWith("+name+`, "x")`, "a")
			}
			for _, name := range []string{"`AND`", "`null`", "`true`", "`1st`"} {
				finds(t, c, "odd", name+" < 2", "a")
				finds(t, c, "odd", "1 = "+name, "a")
			}
			for _, order := range []string{"`c d` desc", "`null` desc, `é`", "`AND` desc", "AND desc"} {
				c.Get(t, "/v1/odd?order_by="+query(order)).Want(t, 200).Equal(t, "/items/0/meta/id", `"b"`)
			}
			c.Get(t, "/v1/odd:aggregate?sum="+query("`null`,`AND`")+"&max="+query("`a,b`")+"&group_by="+query("`c d`")+"&order_by="+query("`c d` desc")).Want(t, 200).
				Equal(t, "/groups/0/key", `{"c d":"y"}`).Equal(t, "/groups/0/sum", `{"AND":2,"null":2}`).Equal(t, "/groups/1/max", `{"a,b":"x"}`)
			c.Get(t, "/v1/odd:aggregate?group_by="+query("c d")).Want(t, 200) // as ever
			c.Get(t, "/v1/odd/a?returns=data&fields="+query("`a,b`,`dotted.name`,credits.`first name`")).Want(t, 200).
				Equal(t, "/data", `{"a,b":"x","dotted.name":"d","credits":{"first name":"x"}}`)
			c.Get(t, "/v1/odd/b?returns=data&fields=c%20d&expand="+query("`to it`")).Want(t, 200).Equal(t, "/data", `{"c d":"y"}`).Equal(t, "/expanded/to it/meta/id", `"a"`)
			c.Post(t, "/v1/odd:search", "{\"filter\":\"`c d` = \\\"x\\\"\",\"fields\":[\"c d\",\"`a,b`\"],\"returns\":[\"data\"]}").Want(t, 200).Equal(t, "/items/0/data", `{"a,b":"x","c d":"x"}`)
			c.Get(t, "/v1/odd?filter="+query("é = 1")).WantProblem(t, 400, "invalid_filter")
			c.Get(t, "/v1/odd?filter="+query("`c d = 1")).WantProblem(t, 400, "invalid_filter")
			c.Get(t, "/v1/odd?fields="+query("`a")).WantProblem(t, 400, "invalid_request")
		})
	}
}

// TestFieldsCompareWithFields: in filters, in the conditions of rules and of watches.
func TestFieldsCompareWithFields(t *testing.T) {
	const model = "name: parts\nschema:\n  type: object\n  properties: {stock: {type: integer}, minimum: {type: integer}, price: {type: number}, starts: {type: string, format: date-time}, ends: {type: string, format: date-time}, owner: {type: string}, tags: {type: array, items: {type: string}}}\n" +
		"index: [stock, minimum, price, starts, ends, owner, tags]\n"
	const policy = `
roles:
  keeper:
    - {types: [parts], actions: [list, read, create, update, watch], where: 'stock >= minimum AND owner = principal.id'}
  admin:
    - {types: ["*"], actions: ["*", admin]}
bindings:
  - {role: keeper, subjects: ["key:keeper"]}
`
	t.Parallel()
	for _, s := range storages(t) {
		if s.Split {
			continue // services of their own get no policy here
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			settings := s.Settings(t)
			settings.Auth, settings.AdminKey, settings.Policies = "required", strings.Repeat("k", 40), filepath.Join(t.TempDir(), "policies.yaml")
			if err := os.WriteFile(settings.Policies, []byte(policy), 0o600); err != nil {
				t.Fatal(err)
			}
			c := start(t, nil, settings, map[string]string{"parts": model}).As(settings.AdminKey)
			c.Post(t, "/v1/parts?id=low", `{"stock":1,"minimum":2,"price":1.5,"starts":"2024-01-01T00:00:00Z","ends":"2024-01-01T01:00:00+02:00","owner":"key:keeper","tags":["a"]}`).Want(t, 201)
			c.Post(t, "/v1/parts?id=even", `{"stock":2,"minimum":2,"price":2,"starts":"2024-01-01T00:00:00Z","ends":"2024-01-01T00:00:00.000001Z","owner":"key:keeper"}`).Want(t, 201)
			c.Post(t, "/v1/parts?id=none", `{"stock":5}`).Want(t, 201)
			for filter, want := range map[string]string{
				`stock < minimum`: "low", `NOT stock < minimum`: "even", `minimum > stock OR stock = 5`: "low none", `stock = price`: "even", `price > stock`: "low",
				`ends > starts`: "even", `ends < starts AND starts < meta.created_at`: "low", `owner != meta.created_by`: "even low", `len(owner) > len(tags)`: "low",
				`isNull(minimum) OR stock >= minimum`: "even none",
			} {
				finds(t, c, "parts", filter, want)
			}
			for _, filter := range []string{`stock < owner`, `tags = owner`, `owner = tags`, `stock < ends`, `tags:owner`, `in(stock, minimum)`, `stock < minimum < price`, `stock < nothing`} {
				c.Get(t, "/v1/parts?filter="+query(filter)).WantProblem(t, 400, "invalid_filter")
			}
			c.Get(t, "/v1/parts:aggregate?sum=stock&filter="+query("stock < minimum")).Want(t, 200).Equal(t, "/groups/0/sum", `{"stock":1}`)
			keeper := c.As(c.Post(t, "/v1/api-keys", `{"name":"keeper"}`).Want(t, 201).Text("/secret"))
			finds(t, keeper, "parts", ``, "even")
			keeper.Get(t, "/v1/parts/low").WantProblem(t, 404, "not_found")
			keeper.Patch(t, "/v1/parts/even", apitest.MergePatch, `{"stock":1}`).WantProblem(t, 403, "permission_denied")
			keeper.Patch(t, "/v1/parts/even", apitest.MergePatch, `{"stock":3}`).Want(t, 200)
			keeper.Post(t, "/v1/parts", `{"stock":1,"minimum":2,"owner":"key:keeper"}`).WantProblem(t, 403, "permission_denied")
			w := c.MustWatch(t, "/v1/parts:watch?filter="+query("stock < minimum"))
			c.Patch(t, "/v1/parts/low", apitest.MergePatch, `{"stock":7}`).Want(t, 200)
			if e := w.Take(t, 1)[0]; e.Action != "left" {
				t.Errorf("a watch tells %+v", e)
			}
		})
	}
}

// TestFullTextOfScriptsWithoutSpaces: any run of characters is found in a longer one,
// and words of other scripts beside it.
func TestFullTextOfScriptsWithoutSpaces(t *testing.T) {
	const model = "name: notes\nschema: {type: object, properties: {text: {type: string}, more: {type: array, items: {type: string}}}}\nfulltext: [text, more]\n"
	t.Parallel()
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			c := run(t, s, nil, map[string]string{"notes": model})
			for id, text := range map[string]string{"firm": "ABC株式会社の社員", "tokyo": "東京都 Tower", "kana": "カードとひらがな", "thai": "สวัสดีครับ", "khmer": "ភាសាខ្មែរ", "korean": "회사에서 일", "plain": "the heat"} {
				c.Post(t, "/v1/notes?id="+id, map[string]any{"text": text, "more": []string{"x", "終"}[:len(id)%2]}).Want(t, 201)
			}
			for q, want := range map[string]string{
				"会社": "firm", "株式会社": "firm", "ABC": "firm", "abc会社": "firm", "社": "firm", "員": "firm", "会員": "", "式会": "firm", `"ABC 株式"`: "firm", `"株式 ABC"`: "",
				"東京": "tokyo", "京都": "tokyo", "都": "tokyo", "tower 東": "tokyo", `"東京都 tower"`: "tokyo", "ード": "kana", "ひらがな": "kana", "ガ": "kana",
				"ครับ": "thai", "สวัสดี": "thai", "ខ្មែរ": "khmer", "회사*": "korean", "회사": "", "heat": "plain", "heat 会社": "",
			} {
				if got := found(c.Get(t, "/v1/notes?q="+query(q)).Want(t, 200)); got != want {
					t.Errorf("q=%s finds %q, want %q", q, got, want)
				}
			}
			for _, q := range []string{"", " ", "😀", "!? …", "\t\n"} { // nothing is asked for
				if n := c.Get(t, "/v1/notes?total=true&q="+query(q)).Want(t, 200).Int("/total"); n != 7 {
					t.Errorf("q=%q finds %d", q, n)
				}
				c.Get(t, "/v1/notes:count?q="+query(q)).Want(t, 200).Equal(t, "/count", "7")
			}
		})
	}
}

// TestTimesGroupByPeriods: by what the clocks of a zone show, with filters, orders and
// pages as other groups.
func TestTimesGroupByPeriods(t *testing.T) {
	docs := map[string]string{
		"a": `{"moved":"2026-10-25T00:30:00Z","weight":1,"due":"2026-10-25"}`, "b": `{"moved":"2026-10-25T01:30:00Z","weight":2,"due":"2026-11-01"}`,
		"c": `{"moved":"2026-10-31T23:30:00Z","weight":4,"due":"2027-01-01"}`, "d": `{"moved":"2026-12-31T23:30:00Z","weight":8}`, "e": `{"weight":16}`,
	}
	eachParcels(t, docs, func(t *testing.T, c *apitest.Client) {
		groups := func(by, more string) *apitest.Response {
			return c.Get(t, "/v1/parcels:aggregate?sum=weight&group_by="+query(by)+more).Want(t, 200)
		}
		berlin := `month(moved, "Europe/Berlin")`
		groups(berlin, "").Equal(t, "/groups", `[{"key":{"month(moved, \"Europe/Berlin\")":"2026-10"},"count":2,"sum":{"weight":3}},{"key":{"month(moved, \"Europe/Berlin\")":"2026-11"},"count":1,"sum":{"weight":4}},
			{"key":{"month(moved, \"Europe/Berlin\")":"2027-01"},"count":1,"sum":{"weight":8}},{"key":{"month(moved, \"Europe/Berlin\")":null},"count":1,"sum":{"weight":16}}]`)
		groups("month(moved)", "&order_by="+query("month(moved) desc")).Equal(t, "/groups/0/key/month(moved)", `"2026-12"`).Equal(t, "/groups/1/sum/weight", "7")
		groups("hour(moved,\"Europe/Berlin\")", "&page_size=2&filter="+query(`moved < "2026-10-26T00:00:00Z"`)).Equal(t, "/groups/0/key", `{"hour(moved,\"Europe/Berlin\")":"2026-10-25T02:00:00+02:00"}`).
			Equal(t, "/groups/1/key", `{"hour(moved,\"Europe/Berlin\")":"2026-10-25T02:00:00+01:00"}`)
		groups("year(moved),day(moved)", "&order_by="+query("count desc, day(moved)")).Equal(t, "/groups/0/key", `{"year(moved)":"2026","day(moved)":"2026-10-25"}`).Equal(t, "/groups/0/count", "2")
		groups("week(moved)", "").Equal(t, "/groups/0/key", `{"week(moved)":"2026-W43"}`)
		groups("month(due)", "").Equal(t, "/groups/1/key", `{"month(due)":"2026-11"}`)
		var got []string
		for token := ""; ; {
			r := groups(berlin, "&page_size=1&order_by="+query(berlin+" desc")+token)
			got = append(got, fmt.Sprint(r.Value("/groups/0/sum/weight")))
			if r.Text("/next_page_token") == "" {
				break
			}
			token = "&page_token=" + query(r.Text("/next_page_token"))
		}
		if strings.Join(got, " ") != "8 4 3 16" {
			t.Errorf("pages have %v", got)
		}
		for _, bad := range []string{"month(name)", "minute(moved)", `month(moved, "Nowhere")`, "month(moved", "month(dues)", "week(due)", `month(due, "UTC")`, "month()"} {
			c.Get(t, "/v1/parcels:aggregate?group_by="+query(bad)).WantProblem(t, 400, "invalid_filter")
		}
	})
}

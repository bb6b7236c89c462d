package tests_test

import (
	"net/url"
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
	for _, s := range storages {
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

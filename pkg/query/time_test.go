package query_test

import (
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
)

func TestAFilterTakesTheTimesThatDataTakes(t *testing.T) {
	for src, want := range map[string]string{
		`released = "1990-12-31t23:59:59z"`:              `released = "1990-12-31T23:59:59Z"`,
		`released = "2016-12-31T23:59:60Z"`:              `released = "2017-01-01T00:00:00Z"`,
		`released = "2017-01-01T05:29:60+05:30"`:         `released = "2017-01-01T00:00:00Z"`,
		`released = "2024-05-01T12:00:00.1234567Z"`:      `released = "2024-05-01T12:00:00.123456Z"`,
		`"2016-12-31t23:59:60z" <= meta.created_at`:      `meta.created_at >= "2017-01-01T00:00:00Z"`,
		`released < now() - duration("7d")`:              `released < "2024-04-24T12:00:00Z"`,
		`released < now() - duration("30d")`:             `released < "2024-04-01T12:00:00Z"`,
		`released < now() + duration("2w")`:              `released < "2024-05-15T12:00:00Z"`,
		`released < now() + duration("1w1d1h30m")`:       `released < "2024-05-09T13:30:00Z"`,
		`released < now() - duration("-1d")`:             `released < "2024-05-02T12:00:00Z"`,
		`born < now()`:                                   `born < "2024-05-01"`,
		`born <= now() + duration("7d")`:                 `born <= "2024-05-08"`,
		`now() - duration("12h1s") < born`:               `born > "2024-04-30"`,
		`in(born, now(), now() - duration("1d"))`:        `in(born, "2024-05-01", "2024-04-30")`,
		`born = "1999-01-01" AND startsWith(born, "19")`: `born = "1999-01-01" AND startsWith(born, "19")`,
	} {
		e, err := query.Parse(dated(), src, query.Options{Now: now})
		if err != nil {
			t.Errorf("%s: %v", src, err)
		} else if got := query.String(e); got != want {
			t.Errorf("%s is %s, want %s", src, got, want)
		}
	}
}

func dated() query.Fields {
	return query.NewFields(
		query.Field{Name: "born", Kind: query.Text, Day: true}, query.Field{Name: "title", Kind: query.Text},
		query.Field{Name: "released", Kind: query.Time}, query.Field{Name: "meta.created_at", Kind: query.Time})
}

func TestOtherTimesAreRefused(t *testing.T) {
	for src, want := range map[string]string{
		`released = "2024-05-01T24:00:00Z"`:      "is not one as in RFC 3339",
		`released = "2024-05-01T12:00:60Z"`:      "is not one as in RFC 3339",
		`released = "2024-05-01 12:00:00Z"`:      "is not one as in RFC 3339",
		`released = "2024-05-01T12:00:00+24:00"`: "is not one as in RFC 3339",
		`released < now() - duration("1 day")`:   "is no duration",
		`released < now() - duration("1d-1h")`:   "is no duration",
		`released < now() - duration("d")`:       "is no duration",
		`released < now() - duration("")`:        "is no duration",
		`released < now() - duration("1.5d")`:    "is no duration",
		`released < now() - duration("200000d")`: "is no duration",
		`title < now()`:                          "cannot be compared with a time",
		`len(born) < now()`:                      "cannot be compared with a time",
		`lower(born) < now()`:                    "cannot be compared with a time",
	} {
		if _, err := query.Parse(dated(), src, query.Options{Now: now}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", src, err, want)
		}
	}
}

func TestDurations(t *testing.T) {
	day := 24 * time.Hour
	for text, want := range map[string]time.Duration{"1d": day, "1w": 7 * day, "0d": 0, "0": 0, "+1h": time.Hour, "-1d12h": -36 * time.Hour, "1d0.5h": day + 30*time.Minute, "106751d": 106751 * day} {
		if got, err := query.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-", "d", "1d1w", "1d+1h", "--1d", "106752d", "106751d23h59m", "99999999999999999999d", "1D", "1 d"} {
		if got, err := query.ParseDuration(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

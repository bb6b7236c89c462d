package model_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// times lists what a line brings after an instant, as the clocks there show it.
func times(t *testing.T, line, zone, from string, n int) string {
	t.Helper()
	c, err := model.ParseCron(line, zone)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	at, err := time.Parse(time.RFC3339, from)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for range n {
		at = c.Next(at)
		out = append(out, at.Format("02T15:04:05-07"))
	}
	return strings.Join(out, " ")
}

// In 2026 the clocks of Berlin go forward on March 29 at 2:00 and back on
// October 25 at 3:00.
func TestCronOnTheDaysOnWhichClocksChange(t *testing.T) {
	for _, c := range []struct{ line, from, want string }{
		{"30 2 * * *", "2026-03-28T12:00:00Z", "29T03:30:00+02 30T02:30:00+02 31T02:30:00+02"}, // 2:30 does not exist
		{"0 3 * * *", "2026-03-28T12:00:00Z", "29T03:00:00+02 30T03:00:00+02 31T03:00:00+02"},
		{"*/30 * * * *", "2026-03-29T00:10:00Z", "29T01:30:00+01 29T03:00:00+02 29T03:30:00+02"},
		{"30 2 * * *", "2026-10-24T12:00:00Z", "25T02:30:00+02 26T02:30:00+01 27T02:30:00+01"}, // 2:30 comes twice
		{"0 3 * * *", "2026-10-24T12:00:00Z", "25T03:00:00+01 26T03:00:00+01 27T03:00:00+01"},
		{"*/30 * * * *", "2026-10-25T00:10:00Z", "25T02:30:00+02 25T02:00:00+01 25T02:30:00+01"},
		{"30 2,3 * * *", "2026-10-24T12:00:00Z", "25T02:30:00+02 25T03:30:00+01 26T02:30:00+01"},
		{"15 30 2 * * *", "2026-10-24T12:00:00Z", "25T02:30:15+02 26T02:30:15+01 27T02:30:15+01"},
	} {
		if got := times(t, c.line, "Europe/Berlin", c.from, 3); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
}

func TestCronLines(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"* * * * *", "01T00:01:00+00 01T00:02:00+00"},
		{"0 0 * * 7", "04T00:00:00+00 11T00:00:00+00"},
		{"0 0 13 * fri", "02T00:00:00+00 09T00:00:00+00"}, // either day, as cron has it
		{"*/20 * * * * *", "01T00:00:20+00 01T00:00:40+00"},
		{"@daily", "02T00:00:00+00 03T00:00:00+00"},
		{"@every 90s", "01T00:01:30+00 01T00:03:00+00"},
		{"@every 7s", "01T00:00:07+00 01T00:00:14+00"}, // the same in every process: multiples since 1970
	} {
		if got := times(t, c.line, "", "2026-01-01T00:00:00Z", 2); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
	for _, line := range []string{"", "* * * *", "60 * * * *", "* 24 * * *", "0 0 30 2 *", "@every 10ms", "@every x", "@reboot", "@nonsense",
		"TZ=Europe/Berlin 0 0 * * *", "a b c d e", "*/0 * * * *", strings.Repeat("1,", 5000) + "1 * * * *"} {
		if _, err := model.ParseCron(line, ""); err == nil {
			t.Errorf("%.40q was taken", line)
		}
	}
	if _, err := model.ParseCron("@daily", "Nowhere/City"); err == nil {
		t.Error("an unknown time zone was taken")
	}
}

func TestTheLastTimeBefore(t *testing.T) {
	from := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	now := time.Date(2026, 6, 15, 12, 0, 30, 0, time.UTC)
	for line, want := range map[string]string{"* * * * * *": "2026-06-15T12:00:30Z", "0 3 * * *": "2026-06-15T03:00:00Z",
		"0 0 1 * *": "2026-06-01T00:00:00Z", "0 0 1 1 *": "2026-01-01T00:00:00Z"} {
		c, err := model.ParseCron(line, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Last(from, now).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
		if got := c.Last(now.Add(-time.Nanosecond), now.Add(-time.Nanosecond)); !got.IsZero() {
			t.Errorf("%s: %s in no time", line, got)
		}
	}
}

func FuzzCron(f *testing.F) {
	for _, line := range []string{"* * * * *", "0 3 * * 1-5", "@every 5m", "*/7 1,2 3-5 jan sun", "L * * * *", "H H * * *", "0 0 1W * ?"} {
		f.Add(line, int64(1_700_000_000))
	}
	zones := []string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}
	f.Fuzz(func(t *testing.T, line string, at int64) {
		zone := zones[uint64(at)%4]
		c, err := model.ParseCron(line, zone)
		if err != nil || at < 0 || at > 4_000_000_000 {
			return
		}
		var seen []int64
		for x := time.Unix(at, 0); len(seen) < 20; seen = append(seen, x.Unix()) {
			next := c.Next(x)
			if next.IsZero() {
				return
			}
			if !next.After(x) {
				t.Fatalf("%q: %s after %s", line, next, x)
			}
			x = next
		}
		if !slices.IsSorted(seen) {
			t.Fatalf("%q goes back: %v", line, seen)
		}
	})
}

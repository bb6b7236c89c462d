package model_test

import (
	"archive/zip"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// zones are the names of the time zone database that Go has.
func zones(t *testing.T) (names []string) {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	for _, f := range archive.File {
		if _, err := time.LoadLocation(f.Name); err == nil && !strings.HasSuffix(f.Name, "/") && f.Name != "Factory" {
			names = append(names, f.Name)
		}
	}
	return names
}

// changes are the moments from 2024 to 2037 at which the clocks of a zone are
// put forward or back.
func changes(t *testing.T, zone string) (out []time.Time) {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	offset := func(at time.Time) int { _, o := at.Zone(); return o }
	end := time.Date(2038, 1, 1, 0, 0, 0, 0, time.UTC)
	for at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).In(loc); ; {
		_, next := at.ZoneBounds()
		if next.IsZero() || next.After(end) {
			return out
		}
		if offset(next) != offset(next.Add(-time.Second)) {
			out = append(out, next)
		}
		at = next
	}
}

// edge is how far beyond a span of days its minutes are looked at.
const edge = 26 * time.Hour

// A shownMinute is a minute of the calendar, whether or not the clocks show it.
type shownMinute struct {
	wall   time.Time
	at     []int64 // when the clocks show it
	before int64   // the offset when the clocks last showed something
}

// shownMinutes are the minutes of the calendar from one moment to before
// another, minute by minute: each minute that the clocks could show is looked
// at, and where they show it is looked up.
func shownMinutes(zone *time.Location, from, until time.Time) (out []shownMinute) {
	shown := map[string][]int64{} // by what the clocks show
	for at := from.Add(-edge); at.Before(until.Add(edge)); at = at.Add(time.Minute) {
		wall := at.In(zone).Format("2006-01-02 15:04")
		shown[wall] = append(shown[wall], at.Unix())
	}
	_, first := from.Add(-edge).In(zone).Zone()
	begin := from.Add(-edge).UTC().Add(time.Duration(first) * time.Second)
	before := int64(first)
	for wall := begin; wall.Before(until.Add(edge)); wall = wall.Add(time.Minute) {
		at := shown[wall.Format("2006-01-02 15:04")]
		if len(at) > 0 {
			_, o := time.Unix(at[len(at)-1], 0).In(zone).Zone()
			before = int64(o)
		}
		out = append(out, shownMinute{wall, at, before})
	}
	return out
}

// slow is what a line with whole minutes brings from one moment to before
// another, by the rules and minute by minute.
func slow(line string, minutes []shownMinute, from, until time.Time) (out []int64) {
	named := minutesOf(line)
	for _, m := range minutes {
		switch {
		case !named(m.wall):
		case len(m.at) == 0: // as much later as the clocks go forward
			out = append(out, m.wall.Unix()-m.before)
		case strings.Fields(line)[1][0] == '*':
			out = append(out, m.at...)
		default:
			out = append(out, m.at[0])
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(at int64) bool { return at < from.Unix() || at >= until.Unix() })
}

// A slowTable evaluates slowly once for all zones whose clocks show the same
// around the same change; what it says is then compared in each of these zones.
type slowTable struct {
	minutes map[string][]shownMinute
	wanted  map[string][]int64
}

// want is what the line brings on the days around the change.
func (s slowTable) want(line string, around, from, until time.Time) []int64 {
	clocks := clocksAround(around.Location(), from.Add(-edge), until.Add(edge))
	if s.minutes[clocks] == nil {
		s.minutes[clocks] = shownMinutes(around.Location(), from, until)
	}
	key := line + " " + clocks
	if _, known := s.wanted[key]; !known {
		s.wanted[key] = slow(line, s.minutes[clocks], from, until)
	}
	return s.wanted[key]
}

// clocksAround are all offsets that the clocks of a zone have from one moment to
// before another, and from when they have each: two zones for which this is the
// same show the same.
func clocksAround(zone *time.Location, from, until time.Time) string {
	out := fmt.Sprint(from.Unix(), "-", until.Unix())
	for at := from.In(zone); at.Before(until); {
		_, offset := at.Zone()
		out += fmt.Sprint(" ", at.Unix(), ":", offset)
		_, next := at.ZoneBounds()
		if next.IsZero() {
			break
		}
		at = next
	}
	return out
}

// minutesOf tells which minutes a line of numbers, *, lists, ranges and steps
// names.
func minutesOf(line string) func(time.Time) bool {
	f := strings.Fields(line)
	in := func(text string, v int) bool {
		for _, part := range strings.Split(text, ",") {
			values, step, stepped := strings.Cut(part, "/")
			n := 1
			if stepped {
				n, _ = strconv.Atoi(step)
			}
			low, high := 0, 99
			if a, b, ranged := strings.Cut(values, "-"); ranged {
				low, _ = strconv.Atoi(a)
				high, _ = strconv.Atoi(b)
			} else if values != "*" {
				low, _ = strconv.Atoi(values)
				high = low
			}
			if v >= low && v <= high && (v-low)%n == 0 {
				return true
			}
		}
		return false
	}
	return func(at time.Time) bool {
		day, weekday := in(f[2], at.Day()), in(f[4], int(at.Weekday())) || at.Weekday() == 0 && in(f[4], 7)
		if f[2] != "*" && f[4] != "*" {
			day, weekday = day || weekday, true
		}
		return in(f[0], at.Minute()) && in(f[1], at.Hour()) && day && in(f[3], int(at.Month())) && weekday
	}
}

var zoneLines = []string{"0 0 * * *", "30 2 * * *", "0,30 2 * * *", "* 2 * * *", "*/20 * * * *", "15 */2 * * *", "45 23 * * *", "15 1 * * *", "0,15,45 0-3 * * *", "0 9 * * 5",
	"0 0 * * 0", "* 0 * * 0", "30 1,2,3 * * 6,7", "0 9 28-31 3 *", "30 0 13 * 5", "* * * * *"}

// TestCronAgreesWithASlowEvaluation: around changes of clocks, the next times
// are those that looking at each minute gives. All changes of all zones from
// 2024 to 2037 are looked at with AUTOCRUD_TEST_CRON=all; some of them without.
func TestCronAgreesWithASlowEvaluation(t *testing.T) {
	t.Parallel()
	names := zones(t)
	if len(names) < 400 {
		t.Fatalf("only %d zones: %v", len(names), names)
	}
	seed, some := uint64(time.Now().UnixNano()), os.Getenv("AUTOCRUD_TEST_CRON") != "all"
	if text := os.Getenv("AUTOCRUD_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	g := rand.New(rand.NewPCG(seed, 3))
	always := []string{"Africa/Cairo", "Asia/Beirut", "America/Havana", "America/Santiago", "Atlantic/Azores", "Australia/Lord_Howe", "Antarctica/Troll", "America/Scoresbysund", "Africa/Casablanca"}
	looked, table := 0, slowTable{map[string][]shownMinute{}, map[string][]int64{}}
	for _, zone := range names {
		if some && !slices.Contains(always, zone) && g.IntN(20) > 0 {
			continue
		}
		for _, at := range changes(t, zone) {
			if some && g.IntN(6) > 0 {
				continue
			}
			lines := zoneLines
			if some {
				lines = []string{lines[g.IntN(len(lines))], lines[g.IntN(len(lines))], lines[g.IntN(len(lines))]}
			}
			for _, line := range lines {
				agrees(t, table, line, zone, at)
			}
			looked++
		}
	}
	if looked < 20 {
		t.Errorf("only %d changes", looked)
	}
	t.Logf("%d changes of clocks, %d that differ, seed %d", looked, len(table.minutes), seed)
}

// agrees compares what a line brings on the days around a moment.
func agrees(t *testing.T, table slowTable, line, zone string, at time.Time) {
	t.Helper()
	c, err := model.ParseCron(line, zone)
	if err != nil {
		t.Fatal(err)
	}
	from, until := at.Add(-30*time.Hour).Truncate(time.Minute), at.Add(30*time.Hour).Truncate(time.Minute)
	var got []int64
	for x := c.Next(from.Add(-time.Second)); !x.IsZero() && x.Before(until); x = c.Next(x) {
		got = append(got, x.Unix())
	}
	if want := table.want(line, at, from, until); !slices.Equal(got, want) {
		t.Errorf("%q in %s around %s:\n got %s\nwant %s", line, zone, at.UTC().Format(time.RFC3339), clocks(got, at.Location()), clocks(want, at.Location()))
	}
}

func clocks(at []int64, zone *time.Location) string {
	out := []string{}
	for _, x := range at[:min(len(at), 40)] {
		out = append(out, time.Unix(x, 0).In(zone).Format("02T15:04-0700"))
	}
	return fmt.Sprint(out)
}

// TestCronWhereClocksGoOverMidnight: a day whose midnight does not exist has
// its other hours, and midnight is later.
func TestCronWhereClocksGoOverMidnight(t *testing.T) {
	for _, c := range []struct{ line, zone, from, want string }{
		{"@daily", "Africa/Cairo", "2027-04-29T12:00:00Z", "30T01:00:00+03 01T00:00:00+03 02T00:00:00+03"},
		{"0 0 * * *", "Africa/Cairo", "2027-04-29T12:00:00Z", "30T01:00:00+03 01T00:00:00+03 02T00:00:00+03"},
		{"0 9 * * 5", "Africa/Cairo", "2027-04-22T12:00:00Z", "23T09:00:00+02 30T09:00:00+03 07T09:00:00+03"},
		{"0 9 28 3 *", "Asia/Beirut", "2027-01-01T00:00:00Z", "28T09:00:00+03 28T09:00:00+03 28T09:00:00+03"},
		{"@weekly", "Asia/Beirut", "2027-03-27T12:00:00Z", "28T01:00:00+03 04T00:00:00+03 11T00:00:00+03"},
		{"0 0 * * 0", "America/Havana", "2026-03-07T12:00:00Z", "08T01:00:00-04 15T00:00:00-04 22T00:00:00-04"},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "04T02:45:00+11 05T02:15:00+11 06T02:15:00+11"},
		{"15 1 * * *", "Antarctica/Troll", "2026-03-28T12:00:00Z", "29T03:15:00+02 30T01:15:00+02 31T01:15:00+02"},
		{"0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "29T03:00:00+02 29T03:30:00+02 30T02:00:00+02"},
		{"15,45 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "29T03:15:00+02 29T03:45:00+02 30T02:15:00+02"},
		{"30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "29T03:30:00+02 30T02:30:00+02 30T03:30:00+02"},
		{"@daily", "Atlantic/Azores", "2026-10-24T12:00:00Z", "25T00:00:00+00 26T00:00:00-01 27T00:00:00-01"},
		{"@daily", "America/Havana", "2026-10-31T12:00:00Z", "01T00:00:00-04 02T00:00:00-05 03T00:00:00-05"},
		{"@hourly", "Europe/Berlin", "2026-10-25T00:30:00Z", "25T02:00:00+01 25T03:00:00+01 25T04:00:00+01"},
		{"30 23 * * *", "America/Santiago", "2026-04-04T12:00:00Z", "04T23:30:00-03 05T23:30:00-04 06T23:30:00-04"},
		{"0 9 * * *", "Pacific/Apia", "2011-12-28T22:00:00Z", "29T09:00:00-10 31T09:00:00+14 01T09:00:00+14"}, // there was no 30 December
		{"0 9 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "31T09:00:00+14 30T09:00:00+14 30T09:00:00+14"},
		{"30 2 * * *", "Europe/Berlin", "2040-12-30T12:00:00Z", "31T02:30:00+01 01T02:30:00+01 02T02:30:00+01"},
		{"30 12 30-31 12 *", "America/New_York", "2076-12-30T12:00:00Z", "30T12:30:00-05 31T12:30:00-05 30T12:30:00-05"},
		{"0 0 29 2 *", "", "2096-03-01T00:00:00Z", "29T00:00:00+00 29T00:00:00+00 29T00:00:00+00"},
	} {
		if got := times(t, c.line, c.zone, c.from, 3); got != c.want {
			t.Errorf("%s in %s: %s, want %s", c.line, c.zone, got, c.want)
		}
	}
	c, err := model.ParseCron("* 2 * * *", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	day := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	for at := c.Next(day.Add(-24 * time.Hour)); at.Before(day); at = c.Next(at) {
		n++
	}
	if n != 60 {
		t.Errorf("of the 60 minutes of an hour that does not exist %d happen", n)
	}
}

// TestCronRefusesInItsOwnWords: a message names the field and what it takes.
func TestCronRefusesInItsOwnWords(t *testing.T) {
	for line, want := range map[string]string{
		"60 * * * *":                  `the minute "60" is not of 0 to 59`,
		"* 24 * * *":                  `the hour "24" is not of 0 to 23`,
		"* * L * *":                   `the day of the month "L" is not of 1 to 31`,
		"* * 15W * *":                 `the day of the month "15W" is not of 1 to 31`,
		"* * * foo *":                 `the month "foo" is none of 1 to 12 and jan to dec`,
		"* * * * fri#3":               `the weekday "fri#3" is none of 0 to 7 and sun to sat`,
		"H H * * *":                   `the minute "H" is not of 0 to 59`,
		"*/0 * * * *":                 `the minute "*/0" has no step of 1 to 59 after the /`,
		"*/x * * * *":                 `the minute "*/x" has no step of 1 to 59 after the /`,
		"1-2-3 * * * *":               `the minute "1-2-3" is not of 0 to 59`,
		", * * * *":                   `the minute "" is not of 0 to 59`,
		"@reboot":                     "@reboot is not a time; a schedule makes jobs at times",
		"@nonsense":                   `there is no "@nonsense"; there are @hourly`,
		"@every 1.5s":                 "@every needs a duration of whole seconds",
		"TZ=Europe/Berlin 0 0 * * *":  "the time zone is a setting of its own",
		"CRON_TZ=Asia/Tokyo @daily *": "the time zone is a setting of its own",
		"0 0 31 2,4 *":                "it never happens",
		"* * * *":                     "five fields are needed",
	} {
		if _, err := model.ParseCron(line, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	for _, line := range []string{"0 22-2 * * *", "0 0 * * fri-MON", "5/20 * * * *", "0 0 ? * *", "*/7 1,2 3-5 jan,Dec sun", "0 0 * * 5-7", "@Daily", "@every 1d", "1-30/2,59 * * * * *"} {
		if _, err := model.ParseCron(line, "Europe/Berlin"); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if got := times(t, "0 0 * * sat-mon", "", "2026-01-02T12:00:00Z", 4); got != "03T00:00:00+00 04T00:00:00+00 05T00:00:00+00 10T00:00:00+00" {
		t.Error(got)
	}
}

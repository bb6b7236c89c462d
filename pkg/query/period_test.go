package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
)

func TestPeriodsAreThoseThatClocksShow(t *testing.T) {
	for _, c := range []struct {
		unit           query.Unit
		zone, at, want string
	}{
		{query.Year, "", "2024-12-31T23:59:59.999999Z", "2024"},
		{query.Year, "Europe/Berlin", "2024-12-31T23:00:00Z", "2025"},
		{query.Month, "America/New_York", "2024-06-01T03:59:59Z", "2024-05"},
		{query.Week, "", "2024-12-30T00:00:00Z", "2025-W01"},
		{query.Week, "", "2021-01-03T23:00:00Z", "2020-W53"},
		{query.Week, "Asia/Tokyo", "2021-01-03T15:00:00Z", "2021-W01"},
		{query.Day, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"},
		{query.Day, "Africa/Cairo", "2027-04-29T22:00:00Z", "2027-04-30"},
		{query.Hour, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00+02:00"},
		{query.Hour, "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00+01:00"},
		{query.Hour, "Asia/Kolkata", "2026-01-01T00:00:00Z", "2026-01-01T05:00:00+05:30"},
		{query.Hour, "", "1969-12-31T23:59:59.999999Z", "1969-12-31T23:00:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339Nano, c.at)
		if err != nil {
			t.Fatal(err)
		}
		p := query.Period{Unit: c.unit, Zone: zone}
		if got := p.Text(p.Key(at.UnixMicro())); got != c.want {
			t.Errorf("%d of %s in %s is %s, want %s", c.unit, c.at, c.zone, got, c.want)
		}
	}
}

// TestOffsetsAreThoseOfTheZone in every year that a document can hold.
func TestOffsetsAreThoseOfTheZone(t *testing.T) {
	for _, name := range []string{"", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Gaza", "Pacific/Apia", "Europe/Dublin", "Asia/Tehran"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		changes, offsets, begin, length := query.Offsets(zone)
		if !slices.IsSorted(changes) || len(offsets) != len(changes)+1 {
			t.Fatalf("%s: %d changes, %d offsets", name, len(changes), len(offsets))
		}
		for at := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 9999; at = at.Add(37*24*time.Hour + 47*time.Minute) {
			s := at.Unix()
			if s >= begin+length {
				s = begin + (s-begin)%length
			}
			i, exact := slices.BinarySearch(changes, s)
			if exact {
				i++
			}
			if _, want := at.In(zone).Zone(); offsets[i] != int64(want) {
				t.Fatalf("%s at %s: %d, want %d", name, at, offsets[i], want)
			}
		}
	}
}

func TestKeysOfGroupsAreRead(t *testing.T) {
	fields := query.NewFields(query.Field{Name: "released", Kind: query.Time}, query.Field{Name: "due", Kind: query.Text, Day: true}, query.Field{Name: "c d", Kind: query.Time},
		query.Field{Name: "year", Kind: query.Integer}, query.Field{Name: "dates", Kind: query.Time, List: true}, query.Field{Name: "title", Kind: query.Text})
	for item, want := range map[string]string{
		`month(released, "Europe/Berlin")`: "released 2 Europe/Berlin", `year(released)`: "released 1 UTC", "day( `c d` ,\"\")": "c d 4 UTC", `hour(released,"America/St_Johns")`: "released 5 America/St_Johns",
		`week(released)`: "released 3 UTC", `month(due)`: "due 2 dates", `year`: "year 0 none", "`c d`": "c d 0 none", `c d`: "c d 0 none",
	} {
		f, p, err := query.ParseKey(fields, item)
		zone := "none"
		if p.Unit != 0 {
			zone = "dates"
		}
		if p.Zone != nil {
			zone = p.Zone.String()
		}
		if got := fmt.Sprint(f.Name, " ", p.Unit, " ", zone); err != nil || got != want {
			t.Errorf("%s is %s, %v", item, got, err)
		}
	}
	for item, want := range map[string]string{
		`minute(released)`: "groups are made by year, month, week, day or hour of a time, not by minute", `month(title)`: "month takes a time; title is of kind text", `month(dates)`: "dates is a list",
		`month(released, "Mars/Olympus")`: `there is no time zone "Mars/Olympus"`, `month(released, "Local")`: "there is no time zone", `month(released, Berlin)`: "in double quotes",
		`month(released`: `expected ")"`, `month(released) x`: "expected the end", `month("released")`: "month takes a field", `month(nothing)`: `field "nothing" is not indexed`,
		`week(due)`: "week takes a time", `hour(due)`: "hour takes a time", `month(due, "UTC")`: "is in no time zone", `nothing`: `field "nothing" is not indexed`, `len(title)`: "not by len",
	} {
		if _, _, err := query.ParseKey(fields, item); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", item, err, want)
		}
	}
}

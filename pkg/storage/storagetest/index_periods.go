package storagetest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// periodZones have changes of an hour, half an hour, two hours, a whole day, at
// midnight, and offsets with seconds in the past.
var periodZones = []string{"", "Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Cairo", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca", "America/Havana", "Etc/GMT+5"}

// moments are times around changes of clocks, and far away ones.
func moments(t *testing.T) (out []time.Time) {
	for _, text := range []string{"2026-03-29T00:59:59.999999Z", "2026-03-29T01:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-03T15:29:59Z", "2026-10-03T15:30:00Z",
		"2026-04-04T14:59:00Z", "2026-04-04T15:01:00Z", "2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z", "2027-04-29T22:00:00Z", "2027-04-29T21:59:59Z", "2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z",
		"1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", "1893-03-31T23:06:31Z", "1893-03-31T23:06:32Z", "1800-06-01T12:00:00Z", "0001-01-01T00:00:00Z", "2024-12-30T00:00:00Z", "2025-01-05T23:59:59Z",
		"2088-07-01T12:00:00Z", "2499-12-31T23:30:00Z", "2500-07-01T12:00:00Z", "2901-03-28T01:00:00Z", "2901-03-28T00:59:59Z", "9999-12-31T23:59:59.999999Z"} {
		at, err := time.Parse(time.RFC3339Nano, text)
		ok(t, err)
		out = append(out, at.UTC())
	}
	return out
}

// groupsByPeriod: times are put into the periods that Go's clocks show, on every
// page and in both directions.
func groupsByPeriod(t *testing.T, x storage.Index) {
	define(t, x, movies())
	all := moments(t)
	var changes []storage.IndexChange
	for i := range 3 * len(all) {
		values := query.Values{"year": int64(i), "title": "2026-03-29"}
		if i%17 > 0 {
			values["released"] = all[i%len(all)].Add(time.Duration(i/len(all)) * -7 * time.Minute)
		}
		if i == 0 {
			delete(values, "released")
		}
		changes = append(changes, change(uint64(i+1), fmt.Sprintf("m%03d", i), storage.Created, values))
	}
	for i := range changes { // nothing before the first year
		if at, is := changes[i].Values[4].(time.Time); is && at.Year() < 1 {
			changes[i].Values[4] = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
		}
	}
	apply(t, x, changes...)
	for _, name := range periodZones {
		zone, err := time.LoadLocation(name)
		ok(t, err)
		for unit := query.Year; unit <= query.Hour; unit++ {
			p := query.Period{Unit: unit, Zone: zone}
			counts := map[query.Value]int64{}
			for _, c := range changes {
				if at, is := c.Values[4].(time.Time); is {
					counts[p.Key(at.UnixMicro())]++
				} else {
					counts[nil]++
				}
			}
			a := storage.Aggregation{By: []query.Field{field(t, "released")}, Per: []query.Period{p}, Sum: []query.Field{field(t, "year")},
				Order: []storage.GroupTerm{{Key: 0, Desc: unit%2 == 0}}, Limit: []int{1000, 7}[int(unit)%2]}
			got := map[query.Value]int64{}
			var keys []int64
			for _, g := range groups(t, x, a) {
				got[g.Key[0]] += g.Count
				if k, is := g.Key[0].(int64); is {
					keys = append(keys, k)
				}
			}
			if !reflect.DeepEqual(got, counts) {
				t.Errorf("%s, %d: got %v\nwant %v", name, unit, got, counts)
			}
			if unit%2 == 0 {
				slices.Reverse(keys)
			}
			if !slices.IsSorted(keys) {
				t.Errorf("%s, %d: in the order %v", name, unit, keys)
			}
		}
	}
	dates := groups(t, x, storage.Aggregation{By: []query.Field{field(t, "title"), field(t, "released")}, Per: []query.Period{{Unit: query.Month}, {Unit: query.Year, Zone: time.UTC}},
		Filter: filter(t, `released >= "2026-01-01T00:00:00Z" AND released < "2027-01-01T00:00:00Z"`), Limit: 10})
	if len(dates) != 1 || dates[0].Key[0] != "2026-03" {
		t.Errorf("by month of a date: %v", dates)
	}
}

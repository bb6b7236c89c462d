package query

import (
	"fmt"
	"strings"
	"time"
)

// Unit is how long a Period is.
type Unit uint8

// The units; a week begins on Monday (ISO 8601).
const (
	Year Unit = iota + 1
	Month
	Week
	Day
	Hour
)

var units = map[string]Unit{"year": Year, "month": Month, "week": Week, "day": Day, "hour": Hour}

// Period puts times into groups: those that are in the same year, month, week,
// day or hour as the clocks of a zone show it. The zero Period leaves values as
// they are. Zones are Go's, never the database's, so that groups are the same
// everywhere.
type Period struct {
	Unit Unit
	Zone *time.Location // nil: the values are dates, which are in no zone
}

// Dates takes the beginning of the text of a date: its length.
func (p Period) Dates() (length int, ok bool) {
	return map[Unit]int{Year: 4, Month: 7, Day: 10}[p.Unit], p.Unit != 0 && p.Zone == nil
}

// A key of an hour is the moment it begins times HourStep, and the offset of its
// clocks plus HourZero, since an hour may come twice.
const (
	HourStep = 1 << 18
	HourZero = HourStep / 2
)

// Key is what all times of a period have in common, and in the order of the
// periods: in seconds since 1970, when its first day begins as if in UTC. at is
// in microseconds since 1970.
func (p Period) Key(at int64) int64 {
	t := time.UnixMicro(at).In(p.Zone)
	y, m, d := t.Date()
	switch p.Unit {
	case Year:
		m, d = 1, 1
	case Month:
		d = 1
	case Week:
		d -= (int(t.Weekday()) + 6) % 7
	case Hour:
		_, offset := t.Zone()
		begin := time.Date(y, m, d, t.Hour(), 0, 0, 0, time.UTC).Unix() - int64(offset)
		return begin*HourStep + int64(offset) + HourZero
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()
}

// Text writes a key: 2024, 2024-05, 2024-W18, 2024-05-01, or the hour's begin as
// in RFC 3339.
func (p Period) Text(key int64) string {
	t := time.Unix(key, 0).UTC()
	switch p.Unit {
	case Year:
		return t.Format("2006")
	case Month:
		return t.Format("2006-01")
	case Week:
		y, w := t.ISOWeek()
		return fmt.Sprintf("%04d-W%02d", y, w)
	case Hour:
		offset := key&(HourStep-1) - HourZero
		return time.Unix(key>>18, 0).In(time.FixedZone("", int(offset))).Format(time.RFC3339)
	}
	return t.Format(time.DateOnly)
}

// What Offsets lists: from the first change of a zone on, up to the year 2500.
// From 2100 on the rules of all zones repeat every 400 years.
const (
	cycleBegin = 4102444800 // 2100-01-01
	cycle      = 400*365*86400 + 97*86400
)

// Offsets are the changes of a zone's offset, in seconds since 1970, and the
// offsets before the first and from each on. Of a moment from begin+length on
// the offset is that of begin + (moment-begin) mod length.
func Offsets(zone *time.Location) (changes, offsets []int64, begin, length int64) {
	at := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Add(-48 * time.Hour).In(zone)
	_, offset := at.Zone()
	offsets = append(offsets, int64(offset))
	for {
		_, next := at.ZoneBounds()
		if !next.IsZero() && !next.After(at) { // it is wrong on the last day of a leap year
			next = at.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour).In(zone)
		}
		if next.IsZero() || next.Unix() >= cycleBegin+cycle {
			return changes, offsets, cycleBegin, cycle
		}
		if _, o := next.Zone(); int64(o) != offsets[len(offsets)-1] {
			changes, offsets = append(changes, next.Unix()), append(offsets, int64(o))
		}
		at = next
	}
}

// ParseKey reads an item of a list of keys: a field, or year, month, week, day
// or hour of a time, like month(released, "Europe/Berlin"); without a zone it is
// UTC. Every error is an *Error.
func ParseKey(fields Fields, item string) (Field, Period, error) {
	if f, ok := fields.Lookup(item); ok {
		return f, Period{}, nil
	}
	toks, err := lex(item)
	if err != nil || len(toks) < 3 || toks[1].text != "(" || toks[1].kind != tokSymbol || toks[0].quoted {
		names, err := Path(item)
		if err != nil {
			return Field{}, Period{}, err
		}
		f, err := fields.Find(strings.Join(names, "."))
		return f, Period{}, err
	}
	p := &parser{fields: fields, src: item, toks: toks}
	f, period, wrong := p.period()
	if wrong != nil {
		return f, period, wrong
	}
	return f, period, nil
}

func (p *parser) period() (f Field, period Period, err *Error) {
	unit := p.take()
	var ok bool
	if period.Unit, ok = units[unit.text]; !ok {
		return f, period, p.fail(unit, "groups are made by year, month, week, day or hour of a time, not by %s", clip(unit.text))
	}
	p.take()
	name := p.take()
	if name.kind != tokName {
		return f, period, p.fail(name, "%s takes a field, found %s", unit.text, name.describe())
	}
	if f, err = p.field(name); err != nil {
		return f, period, err
	}
	zone := ""
	if zoned := p.accept(","); zoned {
		t := p.take()
		if t.kind != tokString {
			return f, period, p.fail(t, "expected the name of a time zone in double quotes, found %s", t.describe())
		}
		if f.Day {
			return f, period, p.fail(t, "%s is a date, which is in no time zone", Quote(f.Name))
		}
		zone = t.text
	}
	if err := p.expect(")"); err != nil {
		return f, period, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return f, period, p.fail(t, "expected the end after %s(...), found %s", unit.text, t.describe())
	}
	switch _, dated := period.Dates(); {
	case f.List:
		return f, period, p.fail(name, "%s is a list; %s takes a single time", Quote(f.Name), unit.text)
	case f.Day && dated && period.Unit != Week && period.Unit != Hour:
		return f, period, nil
	case f.Kind != Time:
		return f, period, p.fail(name, "%s takes a time; %s is %s", unit.text, Quote(f.Name), describeField(f))
	}
	var bad error
	if period.Zone, bad = time.LoadLocation(zone); bad != nil || zone == "Local" {
		return f, period, p.fail(name, "there is no time zone %q", clip(zone))
	}
	return f, period, nil
}

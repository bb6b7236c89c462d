package model

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"
	_ "time/tzdata" // time zones where the system has none

	"github.com/autocrud-go/autocrud/pkg/query"
)

// Cron is when something is to happen: a cron line in a time zone. Every time
// that the line names, as the clocks there show it, happens:
//
//   - one that does not exist, because clocks go forward over it, is later by
//     as much as they go forward. Two that come to be one time are one.
//   - one that exists twice, because clocks go back, happens at the first of the
//     two, or at both when the hours of the line begin with *.
//
// Its date is the one that the line names, also where it is later on the next.
type Cron struct {
	line  cronLine
	zone  *time.Location
	every int64 // of "@every", in seconds: multiples of it since 1970
}

// ParseCron reads a line of five fields (minute hour day month weekday), or of
// six with the seconds first, or @hourly, @daily, @weekly, @monthly, @yearly,
// or "@every 90s". An empty zone is UTC.
func ParseCron(line, zone string) (*Cron, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fmt.Errorf("there is no time zone %q", zone)
	}
	c := &Cron{zone: loc}
	switch text, every := strings.CutPrefix(line, "@every "); {
	case every:
		d, err := query.ParseDuration(strings.TrimSpace(text))
		if err != nil || d < time.Second || d%time.Second != 0 {
			return nil, errors.New("@every needs a duration of whole seconds, at least 1s")
		}
		c.every = int64(d / time.Second)
		return c, nil
	case strings.TrimSpace(line) == "@reboot":
		return nil, errors.New("@reboot is not a time; a schedule makes jobs at times")
	}
	if c.line, err = readCronLine(line); err != nil {
		return nil, err
	}
	if c.Next(time.Now()).IsZero() {
		return nil, errors.New("it never happens")
	}
	return c, nil
}

// maxCronYears is how far Next looks: the longest that a line waits is for a
// 29 February over a year such as 2100.
const maxCronYears = 9

// Next is the first time after t; zero when there is none.
func (c *Cron) Next(t time.Time) time.Time {
	from := t.Unix() + 1 // the first second to look at
	if c.every > 0 {
		return time.Unix((t.Unix()/c.every+1)*c.every, 0).In(c.zone)
	}
	for limit := t.AddDate(maxCronYears, 0, 0).Unix(); from <= limit; {
		p := c.period(from)
		until := min(p.end, limit+1)
		if at, ok := c.within(p, from, until); ok {
			return time.Unix(at, 0).In(c.zone)
		}
		from = until
	}
	return time.Time{}
}

// period is a stretch of time over which the clocks of a zone run evenly, in
// seconds since 1970; begin is that of the first.
type period struct {
	begin, end int64
	offset     int64 // of the clocks from UTC
	before     int64 // the offset up to begin
}

const forever = 1 << 60

func (c *Cron) period(at int64) period {
	t := time.Unix(at, 0).In(c.zone)
	_, offset := t.Zone()
	p := period{begin: -forever, end: forever, offset: int64(offset), before: int64(offset)}
	begin, end := t.ZoneBounds()
	if !end.IsZero() {
		p.end = end.Unix()
	}
	if p.end <= at { // ZoneBounds is wrong on the last day of a leap year
		p.end = at - mod(at, secondsOfDay) + secondsOfDay
	}
	if !begin.IsZero() {
		p.begin = begin.Unix()
		_, before := begin.Add(-time.Second).Zone()
		p.before = int64(before)
	}
	return p
}

// within is the first time of a period from one second to before another.
func (c *Cron) within(p period, from, until int64) (first int64, ok bool) {
	begin := from
	if again := p.begin + p.before - p.offset; c.line.fixed && begin < again {
		begin = again // up to there the clocks show what they showed before
	}
	at, ok := c.line.next(begin+p.offset, until+p.offset)
	first = at - p.offset
	// What the clocks go over is counted on by the offset before.
	if missing := min(p.begin+p.offset-p.before, until); from < missing {
		if at, late := c.line.next(from+p.before, missing+p.before); late && (!ok || at-p.before < first) {
			return at - p.before, true
		}
	}
	return first, ok
}

const secondsOfDay = 24 * 60 * 60

// next is the first time of the line from one to before another, in seconds of
// even clocks.
func (l *cronLine) next(from, until int64) (int64, bool) {
	for from < until {
		day := from - mod(from, secondsOfDay)
		date := time.Unix(day, 0).UTC()
		switch {
		case l.month&(1<<date.Month()) == 0:
			from = time.Date(date.Year(), date.Month()+1, 1, 0, 0, 0, 0, time.UTC).Unix()
			continue
		case l.isDay(date):
			if s, ok := l.ofDay(from - day); ok {
				return day + s, day+s < until
			}
		}
		from = day + secondsOfDay
	}
	return 0, false
}

func mod(a, b int64) int64 { return (a%b + b) % b }

func (l *cronLine) isDay(date time.Time) bool {
	day, weekday := l.day&(1<<date.Day()) != 0, l.weekday&(1<<date.Weekday()) != 0
	if l.either {
		return day || weekday
	}
	return day && weekday
}

// ofDay is the first time of a day from a second of it on.
func (l *cronLine) ofDay(from int64) (int64, bool) {
	hour, minute, second := int(from/3600), int(from/60%60), int(from%60)
	for h := hour; ; h++ {
		if h = nextIn(l.hour, h); h > 23 {
			return 0, false
		}
		if h > hour {
			minute, second = 0, 0
		}
		for m := minute; ; m++ {
			if m = nextIn(l.minute, m); m > 59 {
				break
			}
			if m > minute {
				second = 0
			}
			if s := nextIn(l.second, second); s <= 59 {
				return int64(h*3600 + m*60 + s), true
			}
		}
	}
}

// nextIn is the smallest of a set that is at least n; 64 when there is none.
func nextIn(set uint64, n int) int { return bits.TrailingZeros64(set &^ (1<<n - 1)) }

// Last is the last time after from and not after now; zero when there is none.
func (c *Cron) Last(from, now time.Time) (last time.Time) {
	for _, window := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 32 * 24 * time.Hour, 367 * 24 * time.Hour} {
		begin := now.Add(-window)
		if begin.Before(from) {
			begin = from
		}
		for t := c.Next(begin); !t.IsZero() && !t.After(now); t = c.Next(t) {
			last = t
		}
		if !last.IsZero() || begin.Equal(from) {
			return last
		}
	}
	return last
}

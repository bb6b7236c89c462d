package resource

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // time zones where the system has none

	cron "github.com/netresearch/go-cron"
)

// Cron is when something is to happen: a cron line in a time zone.
//
// On the day on which clocks go forward a time that does not exist is an hour
// later. On the day on which they go back a line with fixed hours happens once,
// at the first of the two; one whose hours begin with * happens in both.
type Cron struct {
	schedule cron.Schedule
	zone     *time.Location
	every    time.Duration // of "@every": multiples of it since 1970
	once     bool          // in an hour that comes twice
}

const cronOptions = cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom

// ParseCron reads a line of five fields (minute hour day month weekday), or of
// six with the seconds first, or @hourly, @daily, @weekly, @monthly, @yearly,
// or "@every 90s". An empty zone is UTC.
func ParseCron(line, zone string) (c *Cron, err error) {
	defer func() {
		if v := recover(); v != nil {
			c, err = nil, fmt.Errorf("cannot be read: %v", v)
		}
	}()
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fmt.Errorf("there is no time zone %q", zone)
	}
	c = &Cron{zone: loc}
	if text, ok := strings.CutPrefix(line, "@every "); ok {
		if c.every, err = time.ParseDuration(text); err != nil || c.every < time.Second || c.every%time.Second != 0 {
			return nil, errors.New("@every needs a duration of whole seconds, at least 1s")
		}
		return c, nil
	}
	fields := strings.Fields(line)
	if !strings.HasPrefix(line, "@") {
		if len(fields) != 5 && len(fields) != 6 {
			return nil, fmt.Errorf("five fields are needed (minute hour day month weekday), or six with the seconds first; there are %d", len(fields))
		}
		c.once = !strings.HasPrefix(fields[len(fields)-4], "*")
	}
	if strings.Contains(line, "TZ=") || strings.HasPrefix(line, "@reboot") {
		return nil, errors.New("cannot be read: the time zone is a setting of its own")
	}
	p, err := cron.TryNewParser(cronOptions)
	if err != nil {
		return nil, err
	}
	if c.schedule, err = p.Parse(line); err != nil {
		return nil, err
	}
	if c.Next(time.Now()).IsZero() {
		return nil, errors.New("it never happens")
	}
	return c, nil
}

// Next is the first time after t; zero when there is none.
func (c *Cron) Next(t time.Time) time.Time {
	if c.every > 0 {
		s := int64(c.every / time.Second)
		return time.Unix((t.Unix()/s+1)*s, 0).In(c.zone)
	}
	for {
		t = c.schedule.Next(t.In(c.zone))
		if t.IsZero() || !c.once || !repeated(t) {
			return t
		}
	}
}

// repeated reports whether the clocks showed the same time before.
func repeated(t time.Time) bool {
	_, now := t.Zone()
	for _, back := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} { // how far clocks go back
		if _, before := t.Add(-back).Zone(); time.Duration(before-now)*time.Second == back {
			return true
		}
	}
	return false
}

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

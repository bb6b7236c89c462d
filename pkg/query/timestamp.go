package query

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errTimestamp = errors.New(`must be a date and time as in RFC 3339, for example "2006-01-02T15:04:05Z"`)

// ParseTime reads an RFC 3339 date and time exactly, in UTC and cut to the
// microsecond. A leap second is the instant after it. Years outside 1 to 9999
// (in UTC) are refused: not everything that must keep the time can.
func ParseTime(s string) (time.Time, error) {
	// time.Parse accepts one-digit hours, a comma and offsets out of range.
	if len(s) < 20 || len(s) > 64 || s[13] != ':' || strings.IndexByte(s, ',') >= 0 {
		return time.Time{}, errTimestamp
	}
	u := strings.Map(func(r rune) rune { // the letters may be small (RFC 3339, 5.6)
		switch r {
		case 't', 'z':
			return r - 'a' + 'A'
		}
		return r
	}, s)
	leap := u[17:19] == "60"
	if leap {
		u = u[:17] + "59" + u[19:]
	}
	if zone := u[len(u)-6:]; u[len(u)-1] != 'Z' && (zone[1:3] > "23" || zone[4:6] > "59") {
		return time.Time{}, errTimestamp
	}
	t, err := time.Parse(time.RFC3339Nano, u)
	if err != nil {
		return time.Time{}, errTimestamp
	}
	t = t.UTC()
	if leap {
		if t.Hour() != 23 || t.Minute() != 59 {
			return time.Time{}, errTimestamp
		}
		t = t.Truncate(time.Second).Add(time.Second)
	}
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errors.New("must be in the years 1 to 9999 (UTC)")
	}
	return t.Truncate(time.Microsecond), nil
}

// MaxDuration is the longest that ParseDuration reads: what a time.Duration holds.
const MaxDuration = time.Duration(1<<63 - 1)

// ParseDuration reads a duration of Go's, "1h30m", before which weeks of seven
// days and days of 24 hours may stand: "2w", "30d", "1d12h".
func ParseDuration(s string) (time.Duration, error) {
	rest, neg := strings.CutPrefix(s, "-")
	var total time.Duration
	for _, unit := range []struct {
		letter byte
		length time.Duration
	}{{'w', 7 * 24 * time.Hour}, {'d', 24 * time.Hour}} {
		i := 0
		for i < len(rest) && rest[i] >= '0' && rest[i] <= '9' {
			i++
		}
		if i == 0 || i == len(rest) || rest[i] != unit.letter {
			continue
		}
		n, err := strconv.ParseInt(rest[:i], 10, 64)
		if err != nil || n > int64((MaxDuration-total)/unit.length) {
			return 0, errDuration
		}
		total += time.Duration(n) * unit.length
		rest = rest[i+1:]
	}
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil || rest[0] == '-' || rest[0] == '+' && rest != s || d > MaxDuration-total {
			return 0, errDuration
		}
		total += d
	} else if total == 0 && !strings.ContainsAny(s, "wd") {
		return 0, errDuration
	}
	if neg {
		total = -total
	}
	return total, nil
}

var errDuration = errors.New("is no duration")

package resource

import (
	"errors"
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

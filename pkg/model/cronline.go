package model

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// cronLine is a cron line as sets of values, a bit for each.
type cronLine struct {
	second, minute, hour, day, month, weekday uint64
	// either: a day of the month and a weekday are both named, and one of the two
	// is enough.
	either bool
	// fixed: the hours do not begin with *; a time that comes twice happens once.
	fixed bool
}

// cronField is what one field may hold.
type cronField struct {
	name     string
	min, max int
	names    []string // of the values from min on
}

var cronFields = [6]cronField{
	{name: "second", max: 59}, {name: "minute", max: 59}, {name: "hour", max: 23}, {name: "day of the month", min: 1, max: 31},
	{name: "month", min: 1, max: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "weekday", max: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// cronNames are the lines that have a name.
var cronNames = map[string]string{"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *"}

// maxCronParts is how many values and ranges a line names.
const maxCronParts = 1000

// readCronLine reads a line of five fields, six with the seconds first, or a
// name.
func readCronLine(line string) (l cronLine, err error) {
	if strings.HasPrefix(line, "@") {
		text, ok := cronNames[strings.ToLower(strings.TrimSpace(line))]
		if !ok {
			return l, fmt.Errorf("there is no %.20q; there are @hourly, @daily, @weekly, @monthly, @yearly and @every 90s", line)
		}
		line = text
	}
	if strings.Contains(line, "TZ=") {
		return l, errors.New("the time zone is a setting of its own, not a part of the line")
	}
	texts := strings.Fields(line)
	switch len(texts) {
	case 5:
		texts = append([]string{"0"}, texts...)
	case 6:
	default:
		return l, fmt.Errorf("five fields are needed (minute hour day month weekday), or six with the seconds first; there are %d", len(texts))
	}
	if strings.Count(line, ",") > maxCronParts {
		return l, fmt.Errorf("more than %d values are named", maxCronParts)
	}
	var sets [6]uint64
	var all [6]bool
	for i, text := range texts {
		if sets[i], all[i], err = cronFields[i].read(text); err != nil {
			return l, err
		}
	}
	l = cronLine{second: sets[0], minute: sets[1], hour: sets[2], day: sets[3], month: sets[4], weekday: sets[5]}
	if l.weekday&(1<<7) != 0 {
		l.weekday |= 1 // 7 is Sunday too
	}
	l.either = !all[3] && !all[5]
	l.fixed = !strings.HasPrefix(texts[2], "*") && !strings.HasPrefix(texts[2], "?")
	return l, nil
}

// read reads a list of values, ranges and steps; all tells that every value is
// meant, by a *.
func (f cronField) read(text string) (set uint64, all bool, err error) {
	for _, part := range strings.Split(text, ",") {
		s, star, err := f.readPart(part)
		if err != nil {
			return 0, false, err
		}
		set, all = set|s, all || star
	}
	return set, all, nil
}

// readPart reads *, 5, 5-9, */2, 5/2 (from 5 on) or 5-9/2. A range whose end
// is before its begin goes on at the lowest value.
func (f cronField) readPart(part string) (set uint64, all bool, err error) {
	values, stepText, stepped := strings.Cut(part, "/")
	step := 1
	if stepped {
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > f.max || stepText[0] == '+' {
			return 0, false, fmt.Errorf("the %s %.20q has no step of 1 to %d after the /", f.name, part, f.max)
		}
	}
	first, last := f.min, f.max
	if values == "*" || values == "?" {
		all = step == 1
	} else {
		low, high, ranged := strings.Cut(values, "-")
		if first, err = f.value(low, part); err != nil {
			return 0, false, err
		}
		switch {
		case ranged:
			if last, err = f.value(high, part); err != nil {
				return 0, false, err
			}
		case !stepped:
			last = first
		}
	}
	width := f.max - f.min + 1
	if f.max == 7 { // weekdays: 0 and 7 are one
		width = 7
	}
	if last < first {
		last += width
	}
	for v := first; v <= last; v += step {
		n := v
		if n > f.max {
			n -= width
		}
		set |= 1 << n
	}
	return set, all, nil
}

func (f cronField) value(text, part string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.min + i, nil
		}
	}
	v, err := strconv.Atoi(text)
	if err == nil && v >= f.min && v <= f.max && text[0] != '+' {
		return v, nil
	}
	if len(f.names) > 0 {
		return 0, fmt.Errorf("the %s %.20q is none of %d to %d and %s to %s", f.name, part, f.min, f.max, f.names[0], f.names[len(f.names)-1])
	}
	return 0, fmt.Errorf("the %s %.20q is not of %d to %d", f.name, part, f.min, f.max)
}

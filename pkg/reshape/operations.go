package reshape

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
)

// members are those of an operation.
type members struct{ m map[string]any }

// memberError is a mistake in a member.
type memberError struct{ name, reason string }

func (e *memberError) Error() string { return e.reason }

func (m members) text(name, what string) (string, error) {
	s, ok := m.m[name].(string)
	if !ok || s == "" {
		return "", &memberError{name, fmt.Sprintf("%v needs %s, %s", m.m["op"], name, what)}
	}
	return s, nil
}

// names reads a list of names of properties, which may be left out.
func (m members) names(name string) ([]string, error) {
	v, given := m.m[name]
	if !given {
		return nil, nil
	}
	list, ok := v.([]any)
	var out []string
	for _, x := range list {
		s, text := x.(string)
		ok = ok && text && s != "" && !strings.ContainsAny(s, "/")
		out = append(out, s)
	}
	if !ok || len(out) < 2 {
		return nil, &memberError{name, fmt.Sprintf("%s is a list of at least two names of properties beside the one of path", name)}
	}
	return out, nil
}

// readRename gives a property another name in its object. What has that name already
// stays, as it is newer.
func readRename(m members) (change, error) {
	to, err := m.text("to", "the new name of the property, without its path")
	if err == nil && strings.Contains(to, "/") {
		err = &memberError{"to", "to is a name and no path; move leads to another object"}
	}
	return func(p place) error {
		o := p.object()
		if o == nil || !p.there || to == p.token {
			return nil
		}
		if _, taken := o[to]; taken {
			return fmt.Errorf("there is %s already", to)
		}
		o[to] = p.value
		delete(o, p.token)
		return nil
	}, err
}

// readDefault gives a value to a property that its object lacks.
func readDefault(m members) (change, error) {
	v, given := m.m["value"]
	if !given {
		return nil, &memberError{"value", "default needs value"}
	}
	return func(p place) error {
		if !p.there && p.object() != nil {
			p.set(jsonpatch.Clone(v))
		}
		return nil
	}, nil
}

// readSplit makes of a text a list, or the properties into of the same object; the
// last of them gets the rest. Parts are without space around them, empty ones are
// missing.
func readSplit(m members) (change, error) {
	by, err := m.text("by", "the text between the parts")
	if err != nil {
		return nil, err
	}
	into, err := m.names("into")
	return func(p place) error {
		if !p.there || p.value == nil {
			return nil
		}
		s, ok := p.value.(string)
		if !ok {
			return errors.New("only a text can be split")
		}
		if into == nil {
			parts := []any{}
			for _, part := range strings.Split(s, by) {
				if part = strings.TrimSpace(part); part != "" {
					parts = append(parts, part)
				}
			}
			p.set(parts)
			return nil
		}
		o := p.object()
		if o == nil {
			return errors.New("an element of a list has no properties beside it")
		}
		delete(o, p.token)
		for i, part := range strings.SplitN(strings.TrimSpace(s), by, len(into)) {
			if part = strings.TrimSpace(part); part != "" {
				o[into[i]] = part
			}
		}
		return nil
	}, err
}

// readJoin makes a text of a list, or of the properties from of the same object, which
// are gone then. Null and missing ones are passed over.
func readJoin(m members) (change, error) {
	by, ok := m.m["by"].(string)
	if !ok {
		return nil, &memberError{"by", "join needs by, the text between the parts"}
	}
	from, err := m.names("from")
	return func(p place) error {
		parts, found, err := joined(p, from)
		if err != nil || !found {
			return err
		}
		for _, name := range from {
			delete(p.object(), name)
		}
		if from == nil || len(parts) > 0 {
			p.set(strings.Join(parts, by))
		}
		return nil
	}, err
}

// joined are the parts of a text. found: there is something to join.
func joined(p place, from []string) (parts []string, found bool, err error) {
	values, found := p.value.([]any)
	if from == nil && p.there && p.value != nil && !found {
		return nil, false, errors.New("only a list can be joined")
	}
	if from != nil {
		values, found = nil, false
		for _, name := range from {
			v, there := p.object()[name]
			values, found = append(values, v), found || there
		}
		if _, mine := p.object()[p.token]; found && mine && !slices.Contains(from, p.token) {
			return nil, false, errors.New("it has a value already")
		}
	}
	for _, v := range values {
		if v == nil {
			continue
		}
		s, ok := textOf(v)
		if !ok {
			return nil, false, errors.New("only texts, numbers and booleans can be joined")
		}
		parts = append(parts, s)
	}
	return parts, found, nil
}

// readMap puts others for values, by a table. The names of the table stand for texts,
// numbers, booleans and null.
func readMap(m members) (change, error) {
	values, ok := m.m["values"].(map[string]any)
	if !ok || len(values) == 0 {
		return nil, &memberError{"values", "map needs values, an object of new values by the old ones"}
	}
	other, given := m.m["else"]
	return func(p place) error {
		if !p.there {
			return nil
		}
		name, plain := textOf(p.value)
		v, known := values[name]
		switch {
		case plain && known:
			p.set(jsonpatch.Clone(v))
		case given:
			p.set(jsonpatch.Clone(other))
		}
		return nil
	}, nil
}

// converters make values of a kind. ok is false for what cannot become one.
var converters = map[string]func(v any) (_ any, ok bool){
	"string":    func(v any) (any, bool) { s, ok := textOf(v); return s, ok },
	"integer":   toInteger,
	"number":    toNumber,
	"boolean":   toBoolean,
	"list":      toList,
	"date":      toDate,
	"date-time": toTime,
}

// readConvert makes values of another kind. Null stays null.
func readConvert(m members) (change, error) {
	to, _ := m.m["to"].(string)
	convert, ok := converters[to]
	if !ok {
		return nil, &memberError{"to", "convert needs to: string, integer, number, boolean, list, date or date-time"}
	}
	other, given := m.m["else"]
	return func(p place) error {
		if !p.there || p.value == nil {
			return nil
		}
		v, ok := convert(p.value)
		switch {
		case ok:
			p.set(v)
		case given:
			p.set(jsonpatch.Clone(other))
		default:
			return fmt.Errorf("%s cannot become %s", shown(p.value), to)
		}
		return nil
	}, nil
}

// shown is a value in a message.
func shown(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("a %T", v)
	}
	if len(b) > 60 {
		return string(b[:60]) + "..."
	}
	return string(b)
}

// textOf is the text of a scalar, as JSON has it.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case nil, bool, int64, float64:
		b, err := json.Marshal(v)
		return string(b), err == nil
	}
	return "", false
}

func toInteger(v any) (any, bool) {
	n, ok := toNumber(v)
	f, broken := n.(float64)
	if !ok || !broken {
		return n, ok
	}
	if f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return nil, false
	}
	return int64(f), true
}

func toNumber(v any) (any, bool) {
	switch v := v.(type) {
	case int64, float64:
		return v, true
	case bool:
		if v {
			return int64(1), true
		}
		return int64(0), true
	case string:
		s := strings.TrimSpace(v)
		if strings.Trim(s, "0123456789+-.eE") != "" { // no hexadecimal ones, no Inf
			return nil, false
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, true
		}
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil && !math.IsInf(f, 0)
	}
	return nil, false
}

func toBoolean(v any) (any, bool) {
	s, ok := textOf(v)
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "1", "yes":
		return true, ok
	case "false", "0", "no":
		return false, ok
	}
	return nil, false
}

func toList(v any) (any, bool) {
	if list, ok := v.([]any); ok {
		return list, true
	}
	return []any{v}, true
}

// toDate takes the date of a time as it is written, in the time's own zone.
func toDate(v any) (any, bool) {
	s, _ := v.(string)
	if _, err := time.Parse(time.RFC3339, s); err == nil {
		s, _, _ = strings.Cut(s, "T")
	}
	_, err := time.Parse(time.DateOnly, s)
	return s, err == nil
}

// toTime takes a date as its begin in UTC, and a number as the seconds since 1970.
func toTime(v any) (any, bool) {
	switch v := v.(type) {
	case string:
		if _, err := time.Parse(time.RFC3339, v); err == nil {
			return v, true
		}
		t, err := time.Parse(time.DateOnly, v)
		return t.Format(time.RFC3339), err == nil
	case int64:
		t := time.Unix(v, 0).UTC()
		return t.Format(time.RFC3339), t.Year() >= 0 && t.Year() <= 9999
	}
	return nil, false
}

package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud/pkg/job"
)

// asResult takes JSON as it is and other text as a JSON string. JSON that not
// every client can read is text too: a result must not make an answer
// unreadable.
func asResult(b []byte) (json.RawMessage, error) {
	b = bytes.TrimSpace(b)
	if len(b) > maxOutput {
		return nil, job.Fail(fmt.Errorf("the result is over %d bytes", maxOutput))
	}
	if len(b) == 0 {
		return nil, nil
	}
	if readable(b) {
		return b, nil
	}
	return json.Marshal(strings.ToValidUTF8(string(b), "?"))
}

// readable reports whether b is JSON that all parsers read alike (RFC 8259,
// sections 4, 6 and 8): UTF-8, no key twice, numbers within float64, no half of
// a surrogate pair.
func readable(b []byte) bool {
	if !json.Valid(b) || !utf8.Valid(b) || halfSurrogate(b) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var open []map[string]bool // the keys of each object around, nil for a list
	isKey := false
	for {
		t, err := d.Token()
		if err != nil {
			return true // the end: it is valid
		}
		switch t := t.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			isKey = t == '{' || inObject(open) && t != '['
			continue
		case string:
			if isKey && inObject(open) {
				keys := open[len(open)-1]
				if keys[t] {
					return false
				}
				keys[t], isKey = true, false
				continue
			}
		case json.Number:
			if f, err := t.Float64(); err != nil || math.IsInf(f, 0) {
				return false
			}
		}
		isKey = inObject(open)
	}
}

func inObject(open []map[string]bool) bool { return len(open) > 0 && open[len(open)-1] != nil }

// halfSurrogate reports whether valid JSON has an escape for one half of a
// character beside no escape for the other.
func halfSurrogate(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		r, ok := escaped(b[i:])
		switch {
		case !ok:
			i++ // another escape, of two characters
		case !utf16.IsSurrogate(r):
			i += 5
		default:
			low, ok := escaped(b[i+6:])
			if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
				return true
			}
			i += 11
		}
	}
	return false
}

// escaped reads \uXXXX.
func escaped(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	_, err := fmt.Sscanf(string(b[2:6]), "%x", &r)
	return r, err == nil
}

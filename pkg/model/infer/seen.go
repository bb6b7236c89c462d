// Package infer makes a first model from rows of data: kinds, what is required, values
// that repeat, dates, and what is likely an id or a reference. What it guessed it says in
// comments of the model.
package infer

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud/pkg/format"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// How much is remembered of a property.
const (
	maxValues = 64  // different texts, for an enum
	maxNames  = 200 // of an object; with more it is a map
	maxDepth  = 20
)

// seen is what is known of the values at one place.
type seen struct {
	count  int            // of values, null too
	kinds  map[string]int // by the names of JSON Schema
	values map[string]int // of texts; nil: there are too many
	whole  map[string]struct{}
	twice  bool // a value is there more than once
	long   int  // bytes of the longest text
	words  int  // texts with a space
	format map[string]int

	names    []string // of properties, as they came
	inside   map[string]*seen
	elements *seen
}

func newSeen() *seen {
	return &seen{kinds: map[string]int{}, values: map[string]int{}, whole: map[string]struct{}{}, format: map[string]int{}, inside: map[string]*seen{}}
}

// formats that are recognized, the first that fits.
var formats = []string{"date-time", "date", "email", "uuid", "uri"}

// add takes a value into account.
func (s *seen) add(v any, depth int) {
	s.count++
	kind := kindOf(v)
	s.kinds[kind]++
	switch v := v.(type) {
	case string:
		s.text(v)
	case int64:
		s.unique(string(model.AppendCanonical(nil, v)))
	case []any:
		if s.elements == nil {
			s.elements = newSeen()
		}
		for _, x := range v {
			if depth < maxDepth {
				s.elements.add(x, depth+1)
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if s.inside[name] == nil {
				s.inside[name] = newSeen()
				s.names = append(s.names, name)
			}
			if depth < maxDepth {
				s.inside[name].add(v[name], depth+1)
			}
		}
	}
}

func (s *seen) text(v string) {
	s.long = max(s.long, len(v))
	if strings.ContainsAny(v, " \n") {
		s.words++
	}
	s.unique(v)
	if s.values != nil && len(v) <= 60 && utf8.ValidString(v) {
		if s.values[v]++; len(s.values) > maxValues {
			s.values = nil
		}
	} else {
		s.values = nil
	}
	for _, f := range formats {
		if fits(f, v) {
			s.format[f]++
		}
	}
}

// maxUnique is for how many values it is known whether one is there twice.
const maxUnique = 2_000_000

func (s *seen) unique(v string) {
	if s.twice || len(s.whole) >= maxUnique || len(v) > 200 {
		s.twice, s.whole = true, nil
		return
	}
	if _, there := s.whole[v]; there {
		s.twice, s.whole = true, nil
		return
	}
	s.whole[v] = struct{}{}
}

func fits(name, v string) bool {
	switch name {
	case "date-time":
		return len(v) >= 20 && v[4] == '-' && parses(time.RFC3339, v)
	case "date":
		return len(v) == 10 && parses(time.DateOnly, v)
	case "email":
		return strings.Contains(v, "@") && format.Checks["email"](v) == nil
	case "uuid":
		return len(v) == 36 && strings.Count(v, "-") == 4 && strings.Trim(strings.ToLower(v), "0123456789abcdef-") == ""
	}
	return (strings.HasPrefix(v, "http://") || strings.HasPrefix(v, "https://")) && format.Checks["uri"](v) == nil
}

func parses(layout, v string) bool {
	_, err := time.Parse(layout, v)
	return err == nil
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int64:
		return "integer"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

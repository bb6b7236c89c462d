package infer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Model gathers rows of a type.
type Model struct {
	name string
	rows *seen
}

// New begins a model of a type.
func New(name string) *Model { return &Model{name, newSeen()} }

var errNoObject = errors.New("is no object; a row is one")

// Add takes a row into account, a decoded document.
func (m *Model) Add(row any) error {
	if _, ok := row.(map[string]any); !ok {
		return errNoObject
	}
	m.rows.add(row, 0)
	return nil
}

// Rows is how many were taken into account.
func (m *Model) Rows() int { return m.rows.count }

// The most fields that a first model indexes and searches.
const (
	maxIndexed  = 12
	maxFullText = 3
)

// YAML is the model. source is said to be where the rows are from; schema is the address
// of the JSON Schema of model files.
func (m *Model) YAML(source, schema string) []byte {
	var b writer
	if schema != "" {
		b.line(0, "# yaml-language-server: $schema=%s", schema)
	}
	b.line(0, "# Made from %d rows of %s. What was guessed is said so: look at it, and at what is required.", m.rows.count, source)
	b.line(0, "name: %s", m.name)
	b.line(0, "schema:")
	b.line(1, "type: object")
	m.object(&b, m.rows, 1, "")
	m.options(&b)
	return []byte(b.String())
}

// object writes the keywords of an object.
func (m *Model) object(b *writer, s *seen, depth int, path string) {
	if len(s.names) > maxNames && path != "" {
		all := newSeen()
		for _, name := range s.names {
			all.merge(s.inside[name])
		}
		b.line(depth, "# guessed: a map, as there are %d different names", len(s.names))
		b.line(depth, "additionalProperties:")
		m.schema(b, all, depth+1, path+".*")
		return
	}
	var required []string
	for _, name := range s.names {
		if s.inside[name].count == s.kinds["object"] {
			required = append(required, quoted(name))
		}
	}
	if len(required) > 0 {
		b.line(depth, "required: [%s]", strings.Join(required, ", "))
	}
	if len(s.names) == 0 {
		return
	}
	b.line(depth, "properties:")
	for _, name := range s.names {
		b.line(depth+1, "%s:", quoted(name))
		m.schema(b, s.inside[name], depth+2, strings.TrimPrefix(path+"."+name, "."))
	}
}

// schema writes the schema of the values at a place.
func (m *Model) schema(b *writer, s *seen, depth int, path string) {
	types := s.types()
	switch len(types) {
	case 0:
		b.line(depth, "# guessed: only null was seen")
		b.line(depth, "type: [string, \"null\"]")
		return
	case 1:
		b.line(depth, "type: %s", types[0])
	default:
		for i, t := range types {
			if t == "null" {
				types[i] = `"null"`
			}
		}
		if len(types) > 2 || s.kinds["null"] == 0 {
			b.line(depth, "# values of several kinds were seen")
		}
		b.line(depth, "type: [%s]", strings.Join(types, ", "))
	}
	if enum := s.enum(); enum != nil {
		if s.kinds["null"] > 0 {
			enum = append(enum, "null")
		}
		b.line(depth, "# guessed: no other value was seen in %d", s.kinds["string"])
		b.line(depth, "enum: [%s]", strings.Join(enum, ", "))
	} else if f := s.formatOf(); f != "" {
		b.line(depth, "format: %s", f)
	}
	if s.kinds["object"] > 0 {
		m.object(b, s, depth, path)
	}
	if s.elements != nil && s.elements.count > 0 {
		b.line(depth, "items:")
		m.schema(b, s.elements, depth+1, path)
	}
}

// types are the kinds that were seen; integers are numbers where both are.
func (s *seen) types() (out []string) {
	for _, k := range []string{"string", "integer", "number", "boolean", "object", "array"} {
		if s.kinds[k] > 0 && !(k == "integer" && s.kinds["number"] > 0) {
			out = append(out, k)
		}
	}
	if s.kinds["null"] > 0 && len(out) > 0 {
		out = append(out, "null")
	}
	return out
}

// enum are the values of a property that has few, each of them often.
func (s *seen) enum() (out []string) {
	n := s.kinds["string"]
	if n == 0 || n+s.kinds["null"] != s.count || s.values == nil || len(s.values) > 12 || n < 10*len(s.values) || s.formatOf() != "" {
		return nil
	}
	for _, v := range sortedKeys(s.values) {
		if v == "" || len(v) > 40 {
			return nil
		}
		out = append(out, quoted(v))
	}
	return out
}

// formatOf is the format that every text has.
func (s *seen) formatOf() string {
	for _, f := range formats {
		if n := s.kinds["string"]; n > 0 && s.format[f] == n {
			return f
		}
	}
	return ""
}

// merge takes what was seen elsewhere into account.
func (s *seen) merge(o *seen) {
	s.count += o.count
	for k, n := range o.kinds {
		s.kinds[k] += n
	}
	for f, n := range o.format {
		s.format[f] += n
	}
	s.values, s.twice = nil, true
	for _, name := range o.names {
		if s.inside[name] == nil {
			s.inside[name] = newSeen()
			s.names = append(s.names, name)
		}
		s.inside[name].merge(o.inside[name])
	}
	if o.elements != nil {
		if s.elements == nil {
			s.elements = newSeen()
		}
		s.elements.merge(o.elements)
	}
}

// options writes what stands beside the schema: fields to search, unique ones, and what
// is likely a reference.
func (m *Model) options(b *writer) {
	var index, text, ids, refs []string
	for _, name := range m.rows.names {
		s := m.rows.inside[name]
		if strings.Contains(name, ".") {
			continue
		}
		long := s.long > 500
		switch scalar := s.scalar(); {
		case long && s.only("string") || s.only("string") && s.words*2 > s.kinds["string"] && s.enum() == nil && s.formatOf() == "":
			text = append(text, quoted(name))
		case !scalar && !s.list():
			continue
		}
		if !long && s.formatOf() != "uri" {
			index = append(index, quoted(name))
		}
		if s.isID(name, m.rows.count) {
			ids = append(ids, name)
		}
		if target := referenced(name); target != "" && s.only("string") {
			refs = append(refs, fmt.Sprintf("%s: %s", quoted(name), target))
		}
	}
	if len(index) > 0 {
		b.line(0, "index: [%s]", strings.Join(index[:min(len(index), maxIndexed)], ", "))
	}
	if len(text) > 0 {
		b.line(0, "fulltext: [%s]", strings.Join(text[:min(len(text), maxFullText)], ", "))
	}
	if len(ids) > 0 {
		b.line(0, "# guessed: %s is in every row and never twice. `autocrud import %s FILE --id-field %s` makes it the id.", ids[0], m.name, ids[0])
		b.line(0, "unique: [%s]", quoted(ids[0]))
	}
	if len(refs) > 0 {
		b.line(0, "# guessed: likely references, if there are such types, and the values are ids of theirs:")
		b.line(0, "# refs: {%s}", strings.Join(refs, ", "))
	}
}

// only reports whether all values are of a kind, or null.
func (s *seen) only(kind string) bool {
	return s.kinds[kind] > 0 && s.kinds[kind]+s.kinds["null"] == s.count
}

// scalar reports whether all values are of one kind that can be indexed.
func (s *seen) scalar() bool {
	return s.only("string") || s.only("integer") || s.only("boolean") || s.kinds["number"] > 0 && s.kinds["number"]+s.kinds["integer"]+s.kinds["null"] == s.count
}

// list reports whether all values are lists whose elements can be indexed.
func (s *seen) list() bool {
	return s.only("array") && s.elements != nil && s.elements.count > 0 && s.elements.scalar() && s.elements.long <= 500
}

// isID reports whether a property has another value in every row, and the name of an id.
func (s *seen) isID(name string, rows int) bool {
	if s.count != rows || rows < 2 || s.twice || !s.only("string") && !s.only("integer") || s.kinds["null"] > 0 || s.long > 200 {
		return false
	}
	lower := strings.ToLower(name)
	return slices.Contains([]string{"id", "_id", "uid", "uuid", "key", "code", "slug", "number", "isbn", "sku", "symbol"}, lower) ||
		referenced(name) == "" && (strings.HasSuffix(lower, "_id") || strings.HasSuffix(name, "Id") || strings.HasSuffix(name, "ID"))
}

// plural of a name, as types are called.
func plural(s string) string {
	switch {
	case strings.HasSuffix(s, "y") && !strings.ContainsAny(s[max(len(s)-2, 0):len(s)-1], "aeiou"):
		return s[:len(s)-1] + "ies"
	case strings.HasSuffix(s, "s") || strings.HasSuffix(s, "x") || strings.HasSuffix(s, "ch"):
		return s + "es"
	}
	return s + "s"
}

// referenced is the type that the name of a property seems to refer to.
func referenced(name string) string {
	for _, suffix := range []string{"_id", "Id", "ID"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && base != "" {
			base = strings.ToLower(strings.Trim(base, "_"))
			if strings.Trim(base, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || base == "" || base[0] < 'a' {
				return ""
			}
			return plural(base)
		}
	}
	return ""
}

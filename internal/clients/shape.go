package clients

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// kind is what a value is.
type kind int

const (
	anything kind = iota
	text
	instant // text that is a time as in RFC 3339
	integer
	number
	boolean
	binary
	list   // of elem
	free   // an object with any names, of elem
	object // with members
	named  // a definition, by its name
)

// shape is what a schema says of a value, as far as types of programs can say it.
type shape struct {
	kind     kind
	nullable bool
	choices  []string // of text; none: any
	elem     *shape
	members  []member
	name     string // of a definition
}

// member is one property of an object.
type member struct {
	name, about string
	required    bool // of what is written and read
	shape       *shape
}

// reader reads one schema.
type reader struct {
	root  map[string]any
	defs  map[string]*shape // by pointer
	names map[string]string // of definitions, by pointer
}

// shapes reads the schema of a type: its data, and what it defines beside that, by
// names that begin with base.
func shapes(schema map[string]any, base string) (data *shape, defs map[string]*shape) {
	r := reader{schema, map[string]*shape{}, map[string]string{}}
	data, defs = r.read(schema), map[string]*shape{}
	rename(data, base)
	for pointer, d := range r.defs {
		rename(d, base)
		defs[base+r.names[pointer]] = d
	}
	return data, defs
}

// rename puts base before the names of definitions.
func rename(s *shape, base string) {
	if s == nil {
		return
	}
	if s.kind == named {
		s.name = base + s.name
	}
	rename(s.elem, base)
	for _, m := range s.members {
		rename(m.shape, base)
	}
}

func (r reader) read(v any) *shape {
	m, _ := v.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		return r.follow(ref)
	}
	if m["x-binary"] != nil {
		return &shape{kind: binary}
	}
	kinds, nullable := kindsOf(m)
	if len(kinds) == 0 {
		if s := r.alternative(m); s != nil {
			return s
		}
		kinds = guess(m)
		all, _ := m["enum"].([]any)
		nullable = nullable || slices.Contains(all, nil)
	}
	out := &shape{nullable: nullable}
	if len(kinds) != 1 {
		return out
	}
	switch kinds[0] {
	case "string":
		if out.kind = text; m["format"] == "date-time" {
			out.kind = instant
		}
		out.choices = choices(m)
	case "integer":
		out.kind = integer
	case "number":
		out.kind = number
	case "boolean":
		out.kind = boolean
	case "array":
		out.kind, out.elem = list, &shape{}
		if m["prefixItems"] == nil {
			out.elem = r.read(m["items"])
		}
	case "object":
		r.object(m, out)
	}
	return out
}

// object reads one with properties alone, or one whose names are free.
func (r reader) object(m map[string]any, out *shape) {
	properties, _ := m["properties"].(map[string]any)
	if m["patternProperties"] != nil || m["additionalProperties"] != false {
		out.kind, out.elem = free, &shape{}
		if len(properties) == 0 && m["patternProperties"] == nil {
			out.elem = r.read(m["additionalProperties"])
		}
		return
	}
	out.kind = object
	required, _ := m["required"].([]any)
	for _, name := range sorted(properties) {
		p, _ := properties[name].(map[string]any)
		about, _ := p["description"].(string)
		// What is written only is not read, what is read only need not be written.
		both := p["writeOnly"] != true && p["readOnly"] != true
		out.members = append(out.members, member{name, about, both && slices.Contains(required, any(name)), r.read(properties[name])})
	}
}

// alternative reads anyOf and oneOf of one schema and null.
func (r reader) alternative(m map[string]any) *shape {
	for _, k := range []string{"anyOf", "oneOf"} {
		all, _ := m[k].([]any)
		var rest []any
		for _, x := range all {
			if o, _ := x.(map[string]any); o["type"] != "null" {
				rest = append(rest, x)
			}
		}
		if len(rest) == 1 && len(rest) < len(all) {
			s := *r.read(rest[0])
			s.nullable = true
			return &s
		}
	}
	return nil
}

// follow reads a definition once.
func (r reader) follow(ref string) *shape {
	pointer, err := url.PathUnescape(strings.TrimPrefix(ref, "#"))
	target, ok := r.at(pointer)
	if err != nil || !strings.HasPrefix(ref, "#") || !ok {
		return &shape{}
	}
	if r.names[pointer] == "" {
		name := pascal(pointer[strings.LastIndexByte(pointer, '/')+1:])
		if pointer == "" {
			name = "Self"
		}
		for n, want := 2, name; slices.Contains(values(r.names), name); n++ {
			name = want + strconv.Itoa(n)
		}
		r.names[pointer] = name
		r.defs[pointer] = r.read(target)
	}
	return &shape{kind: named, name: r.names[pointer]}
}

func (r reader) at(pointer string) (any, bool) {
	var v any = r.root
	if pointer == "" {
		return v, true
	}
	for _, part := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			v = x[i]
		}
	}
	return v, v != nil
}

// kindsOf are the types of a schema besides null.
func kindsOf(m map[string]any) (kinds []string, nullable bool) {
	add := func(v any) {
		if v == "null" {
			nullable = true
		} else if s, ok := v.(string); ok {
			kinds = append(kinds, s)
		}
	}
	switch t := m["type"].(type) {
	case string:
		add(t)
	case []any:
		for _, v := range t {
			add(v)
		}
	}
	return kinds, nullable
}

// guess is the type of a schema that names none.
func guess(m map[string]any) []string {
	switch {
	case m["properties"] != nil:
		return []string{"object"}
	case len(choices(m)) > 0:
		return []string{"string"}
	}
	return nil
}

// choices are the texts of an enum of texts, or a const.
func choices(m map[string]any) (out []string) {
	all, _ := m["enum"].([]any)
	if c, ok := m["const"]; ok {
		all = []any{c}
	}
	for _, v := range all {
		s, ok := v.(string)
		if !ok && v != nil {
			return nil
		}
		if ok {
			out = append(out, s)
		}
	}
	return out
}

// field is what a dotted path leads to, for filters.
type field struct {
	path string // in the language of filters
	kind kind
	list bool
}

// fieldAt finds what a path leads to; false where filters have no kind for it.
func fieldAt(data *shape, defs map[string]*shape, path string) (f field, ok bool) {
	s := data
	var names []string
	for _, name := range splitPath(path) {
		names = append(names, quoted(name))
		if s = f.into(s, defs); s == nil {
			return f, false
		}
		i := slices.IndexFunc(s.members, func(m member) bool { return m.name == name })
		switch {
		case i >= 0:
			s = s.members[i].shape
		case s.kind == free && s.elem != nil:
			s = s.elem
		default:
			return f, false
		}
	}
	s = f.into(s, defs)
	f.path, f.kind = strings.Join(names, "."), s.kind
	return f, slices.Contains([]kind{text, instant, integer, number, boolean}, f.kind)
}

// into follows lists and definitions.
func (f *field) into(s *shape, defs map[string]*shape) *shape {
	for range 16 {
		switch {
		case s == nil:
			return &shape{}
		case s.kind == list:
			f.list, s = true, s.elem
		case s.kind == named:
			s = defs[s.name]
		default:
			return s
		}
	}
	return &shape{}
}

// splitPath divides a dotted path; a name in backticks may have dots.
func splitPath(path string) (names []string) {
	name, inside := "", false
	for _, r := range path {
		switch {
		case r == '`':
			inside = !inside
		case r == '.' && !inside:
			names, name = append(names, name), ""
		default:
			name += string(r)
		}
	}
	return append(names, name)
}

// quoted is a name in the language of filters.
func quoted(name string) string {
	plain := name != "" && (name[0] < '0' || name[0] > '9')
	for _, r := range name {
		plain = plain && (r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	}
	if plain && !slices.Contains([]string{"and", "or", "not", "null", "true", "false"}, strings.ToLower(name)) {
		return name
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

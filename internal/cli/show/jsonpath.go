package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Path is a template like that of kubectl: text, and in braces what a path finds:
// .data.title, .items[*].meta.id, ['a.b'], [0], [-1]; a "text" with \n and \t; range PATH
// and end around what is written for each.
type Path struct{ parts []pathPart }

type pathPart struct {
	text  string
	steps []step     // of a path; nil: it is text
	body  []pathPart // of a range
	loop  bool
}

// step into a value.
type step struct {
	name  string
	index int
	all   bool
	list  bool // index counts
}

// ParsePath reads a template. One without braces is a path.
func ParsePath(s string) (*Path, error) {
	if !strings.Contains(s, "{") {
		if s == "" {
			return nil, errors.New("jsonpath= needs a path, like {.data.title}")
		}
		if !strings.HasPrefix(s, ".") && !strings.HasPrefix(s, "[") && !strings.HasPrefix(s, "$") {
			s = "." + s
		}
		s = "{" + s + "}"
	}
	parts, rest, err := parts(s, false)
	if err == nil && rest != "" {
		err = errors.New("jsonpath: {end} without a {range}")
	}
	return &Path{parts}, err
}

func parts(s string, within bool) (out []pathPart, rest string, err error) {
	for s != "" {
		text, after, found := strings.Cut(s, "{")
		if text != "" {
			out = append(out, pathPart{text: text})
		}
		if !found {
			break
		}
		inside, next, err := closing(after)
		if err != nil {
			return nil, "", err
		}
		s = next
		inside = strings.TrimSpace(inside)
		switch loop, isLoop := strings.CutPrefix(inside, "range "); {
		case inside == "end":
			if !within {
				return nil, "", errors.New("jsonpath: {end} without a {range}")
			}
			return out, s, nil
		case isLoop:
			p := pathPart{loop: true}
			if p.steps, err = steps(strings.TrimSpace(loop)); err != nil {
				return nil, "", err
			}
			if p.body, s, err = parts(s, true); err != nil {
				return nil, "", err
			}
			out = append(out, p)
		case strings.HasPrefix(inside, `"`) || strings.HasPrefix(inside, "'"):
			quoted := inside
			if inside[0] == '\'' && len(inside) > 1 {
				quoted = `"` + strings.ReplaceAll(strings.TrimSuffix(inside[1:], "'"), `"`, `\"`) + `"`
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, "", fmt.Errorf("jsonpath: %s is no text", inside)
			}
			out = append(out, pathPart{text: text})
		default:
			p := pathPart{}
			if p.steps, err = steps(inside); err != nil {
				return nil, "", err
			}
			out = append(out, p)
		}
	}
	if within {
		return nil, "", errors.New("jsonpath: {range} without an {end}")
	}
	return out, "", nil
}

// closing finds the brace that ends an expression; those in quotes do not.
func closing(s string) (inside, rest string, err error) {
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '}':
			return s[:i], s[i+1:], nil
		}
	}
	return "", "", errors.New("jsonpath: a { is never closed")
}

func steps(s string) ([]step, error) {
	out, whole := []step{}, s
	for s = strings.TrimPrefix(strings.TrimPrefix(s, "$"), "@"); s != ""; {
		switch {
		case s == ".":
			s = ""
		case strings.HasPrefix(s, "["):
			inside, rest, ok := strings.Cut(s[1:], "]")
			if len(s) > 1 && (s[1] == '\'' || s[1] == '"') {
				inside, rest, ok = strings.Cut(s[2:], s[1:2]+"]")
				out = append(out, step{name: inside})
			} else if inside == "*" {
				out = append(out, step{all: true})
			} else if n, err := strconv.Atoi(inside); err == nil {
				out = append(out, step{index: n, list: true})
			} else {
				ok = false
			}
			if !ok {
				return nil, fmt.Errorf("jsonpath: %q: only [0], [-1], [*] and ['name'] are known", whole)
			}
			s = rest
		case strings.HasPrefix(s, ".") && !strings.HasPrefix(s, ".."):
			name := s[1:]
			if end := strings.IndexAny(name, ".["); end >= 0 {
				name = name[:end]
			}
			s = s[1+len(name):]
			if name == "" && strings.HasPrefix(s, "[") {
				continue
			}
			out = append(out, step{name: name, all: name == "*"})
		default:
			return nil, fmt.Errorf("jsonpath: %q is no path, like .data.title", whole)
		}
	}
	return out, nil
}

// Write writes what the template makes of a document.
func (p *Path) Write(w io.Writer, doc []byte) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return err
	}
	var b strings.Builder
	p.write(&b, p.parts, tree)
	_, err := io.WriteString(w, Text(b.String()))
	return err
}

func (p *Path) write(b *strings.Builder, parts []pathPart, tree any) {
	for _, part := range parts {
		if part.steps == nil {
			b.WriteString(part.text)
			continue
		}
		for i, v := range find(tree, part.steps) {
			switch {
			case part.loop:
				p.write(b, part.body, v)
				continue
			case i > 0:
				b.WriteByte(' ')
			}
			b.WriteString(Value(v))
		}
	}
}

func find(v any, steps []step) []any {
	if len(steps) == 0 {
		return []any{v}
	}
	s, rest := steps[0], steps[1:]
	switch v := v.(type) {
	case map[string]any:
		if s.all {
			var out []any
			for _, name := range sorted(v) {
				out = append(out, find(v[name], rest)...)
			}
			return out
		}
		if member, ok := v[s.name]; ok && !s.list {
			return find(member, rest)
		}
	case []any:
		if s.all {
			var out []any
			for _, e := range v {
				out = append(out, find(e, rest)...)
			}
			return out
		}
		if i := s.index; s.list {
			if i < 0 {
				i += len(v)
			}
			if i >= 0 && i < len(v) {
				return find(v[i], rest)
			}
		}
	}
	return nil
}

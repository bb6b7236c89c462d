package query

import (
	"strings"
	"unicode/utf8"
)

// A name in a filter, an order or a list of fields is a dotted identifier, or
// has parts in backticks, in which every character is ordinary and two backticks
// are one: `c d`, credits.`first name`, `AND`.

// keywords cannot be names unless they are quoted.
var keywords = map[string]bool{"AND": true, "OR": true, "NOT": true, "true": true, "false": true, "null": true}

// Quote writes a field's name as a filter takes it.
func Quote(name string) string {
	if name != "" && isNameStart(name[0]) && nameLength(name) == len(name) && !keywords[name] && !strings.HasPrefix(name, "principal.") {
		return name
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// lexName reads a name; width is its length in the source.
func lexName(src string, at int) (t token, width int, err *Error) {
	t = token{kind: tokName, at: at}
	var parts []string
	for i := at; ; i++ {
		rest := src[i:]
		if rest[0] == '`' {
			text, n, ok := unquote(rest)
			if !ok {
				return t, 0, &Error{Column: column(src, i), Detail: "the name has no closing backtick"}
			}
			parts, t.quoted = append(parts, text), true
			i += n
		} else {
			n := nameLength(rest)
			parts = append(parts, rest[:n])
			i += n
		}
		if i+1 >= len(src) || src[i] != '.' || src[i+1] != '`' && (!t.quoted || !isNameStart(src[i+1])) {
			t.text = strings.Join(parts, ".")
			return t, i - at, nil
		}
	}
}

// unquote reads what is in backticks at the start of s, n bytes.
func unquote(s string) (text string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '`' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) || s[i+1] != '`' {
			return b.String(), i + 1, true
		}
		b.WriteByte('`')
		i++
	}
	return "", 0, false
}

// List cuts a list of names at its commas: those in backticks, in strings and in
// parentheses are parts of an item. Items lose the space around them.
func List(src string) ([]string, error) {
	var items []string
	depth, start := 0, 0
	for i := 0; i < len(src); {
		n := 1
		switch c := src[i]; {
		case c == '`':
			_, width, ok := unquote(src[i:])
			if !ok {
				return nil, &Error{Column: column(src, i), Detail: "the name has no closing backtick"}
			}
			n = width
		case c == '"':
			_, width, err := lexString(src, i)
			if err != nil {
				return nil, err
			}
			n = width
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth <= 0:
			items, start = append(items, strings.TrimSpace(src[start:i])), i+1
		}
		i += n
	}
	return append(items, strings.TrimSpace(src[start:])), nil
}

// Path is the property names of an item of a list: a quoted part is one name,
// whatever it holds. Without backticks every dot leads into an object.
func Path(item string) ([]string, error) {
	if !strings.Contains(item, "`") {
		return strings.Split(item, "."), nil
	}
	var names []string
	for rest := item; ; {
		var name string
		if strings.HasPrefix(rest, "`") {
			text, n, ok := unquote(rest)
			if !ok {
				return nil, &Error{Detail: "the name " + clip(item) + " has no closing backtick"}
			}
			name, rest = text, rest[n:]
		} else {
			end := strings.IndexAny(rest, ".`")
			if end < 0 {
				end = len(rest)
			}
			name, rest = rest[:end], rest[end:]
		}
		names = append(names, name)
		if rest == "" {
			return names, nil
		}
		if rest[0] != '.' || len(rest) == 1 || !utf8.ValidString(rest) {
			return nil, &Error{Detail: "the name " + clip(item) + " cannot be read: write `name`, or `name`.`name`"}
		}
		rest = rest[1:]
	}
}

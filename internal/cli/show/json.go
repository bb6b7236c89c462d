package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// JSON is a document on several lines.
func JSON(doc []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, doc, "", "  "); err != nil {
		return nil, err
	}
	return escape(append(b.Bytes(), '\n')), nil
}

// OneLine is a document on a line.
func OneLine(doc []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, doc); err != nil {
		return nil, err
	}
	return escape(append(b.Bytes(), '\n')), nil
}

// escape writes what acts on a terminal as JSON and YAML both do. It is in texts only;
// line breaks and tabs stay.
func escape(b []byte) []byte {
	s := string(b)
	if strings.IndexFunc(s, func(r rune) bool { return acts(r) && r != '\n' && r != '\t' }) < 0 {
		return b
	}
	out := make([]byte, 0, len(b)+16)
	for _, r := range s {
		switch {
		case !acts(r) || r == '\n' || r == '\t':
			out = utf8.AppendRune(out, r)
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// YAML is a JSON document as YAML, with its members in the order that they have, and
// numbers as they are written.
func YAML(doc []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	n, err := node(d)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return nil, err
	}
	return escape(b.Bytes()), nil
}

func node(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(v)}, nil
	case json.Number:
		return number(v.String()), nil
	case string:
		return text(v), nil
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		if v == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		for d.More() {
			part, err := node(d)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, part)
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}
		_, err := d.Token()
		return n, err
	}
	return nil, fmt.Errorf("nothing writes a %T", token)
}

// number keeps the digits. YAML reads 1e3 as a text, and 1.0e+3 as a number.
func number(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: s}
	if strings.ContainsAny(s, ".eE") {
		n.Tag = "!!float"
		if mantissa, exponent, ok := strings.Cut(strings.ToLower(s), "e"); ok {
			if !strings.Contains(mantissa, ".") {
				mantissa += ".0"
			}
			if !strings.HasPrefix(exponent, "-") {
				exponent = "+" + strings.TrimPrefix(exponent, "+")
			}
			n.Value = mantissa + "e" + exponent
		}
	}
	return n
}

// text is quoted where it could be read as something else, or would act on a terminal.
func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch {
	case strings.IndexFunc(s, func(r rune) bool { return acts(r) && r != '\n' }) >= 0:
		n.Style = yaml.DoubleQuotedStyle
	case strings.Contains(s, "\n"):
		n.Style = yaml.LiteralStyle
	}
	return n
}

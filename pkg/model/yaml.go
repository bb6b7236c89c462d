package model

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Lined is a model file as a tree of JSON values, with the line of each.
type Lined struct {
	Tree  any
	Lines map[string]int
}

// lineError is a mistake at a line of a file.
type lineError struct {
	line   int
	reason string
}

func (e *lineError) Error() string { return e.reason }

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// ReadYAML reads one YAML document. JSON files are read twice: strictly for
// their values, and as YAML, of which JSON is a part, for their lines.
func ReadYAML(b []byte, isJSON bool) (Lined, error) {
	d := Lined{Lines: map[string]int{}}
	if isJSON {
		var err error
		b = bytes.TrimPrefix(b, []byte("\uFEFF")) // some editors write one, and YAML may have it
		if d.Tree, err = DecodeJSON(b); err != nil {
			return d, &lineError{jsonLine(err), Reason(err)}
		}
	}
	var root, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return d, &lineError{1, "the file is empty"}
	} else if err != nil {
		if isJSON {
			return d, nil // no lines then
		}
		m := yamlLine.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0])
		if m == nil {
			return d, &lineError{1, err.Error()}
		}
		line, _ := strconv.Atoi(m[1])
		return d, &lineError{max(line, 1), m[2]}
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) == 0 {
		return d, &lineError{1, "the file is empty"}
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return d, &lineError{max(second.Line, 1), "a file holds one type, and this is a second document"}
	}
	r := yamlReader{lines: d.Lines}
	tree, err := r.value(root.Content[0], "", 0)
	if isJSON {
		return d, nil
	}
	d.Tree = tree
	return d, err
}

var jsonLinePart = regexp.MustCompile(`\(line (\d+), `)

func jsonLine(err error) int {
	if m := jsonLinePart.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 1
}

type yamlReader struct {
	lines  map[string]int
	values int
}

func (r *yamlReader) value(n *yaml.Node, at string, depth int) (any, error) {
	if _, known := r.lines[at]; !known {
		r.lines[at] = n.Line
	}
	if r.values++; depth > MaxJSONDepth || r.values > MaxJSONValues {
		return nil, &lineError{n.Line, "nested too deep or too large"}
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.value(n.Alias, at, depth+1)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			var err error
			if list[i], err = r.value(c, PointerTo(at, i), depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.MappingNode:
		return r.mapping(n, at, depth)
	case yaml.ScalarNode:
		return scalar(n)
	}
	return nil, &lineError{n.Line, "unexpected YAML"}
}

func (r *yamlReader) mapping(n *yaml.Node, at string, depth int) (any, error) {
	m := map[string]any{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge" {
			merged = append(merged, n.Content[i+1])
			continue
		}
		if key.Kind != yaml.ScalarNode {
			return nil, &lineError{key.Line, "keys must be plain"}
		}
		if _, twice := m[key.Value]; twice {
			return nil, &lineError{key.Line, fmt.Sprintf("duplicate key %q", key.Value)}
		}
		inside := PointerTo(at, key.Value)
		r.lines[inside] = key.Line
		v, err := r.value(n.Content[i+1], inside, depth+1)
		if err != nil {
			return nil, err
		}
		m[key.Value] = v
	}
	for _, from := range merged {
		if err := r.merge(m, from, at, depth); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// merge adds what a merge key (<<) names, a mapping or a list of them, where the
// mapping has nothing of its own; of several the first counts.
func (r *yamlReader) merge(m map[string]any, from *yaml.Node, at string, depth int) error {
	if depth > MaxJSONDepth {
		return &lineError{from.Line, "nested too deep or too large"}
	}
	if from.Kind == yaml.AliasNode {
		return r.merge(m, from.Alias, at, depth+1)
	}
	if from.Kind == yaml.SequenceNode {
		for _, x := range from.Content {
			if err := r.merge(m, x, at, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if from.Kind != yaml.MappingNode {
		return &lineError{from.Line, "a merge key (<<) takes a mapping or a list of them"}
	}
	v, err := r.mapping(from, at, depth+1)
	if err != nil {
		return err
	}
	for k, x := range v.(map[string]any) {
		if _, own := m[k]; !own {
			m[k] = x
		}
	}
	return nil
}

// octal is a number that is 8 to some readers of YAML and 10 to others.
var octal = regexp.MustCompile(`^[-+]?0[0-9_]+$`)

func scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		var b bool
		err := n.Decode(&b)
		return b, wrapLine(n, err)
	case "!!int", "!!float":
		if v, err := DecodeJSON([]byte(n.Value)); err == nil {
			return v, nil // as JSON has it, whole floats included
		}
		if octal.MatchString(n.Value) {
			return nil, &lineError{n.Line, fmt.Sprintf("%s begins with 0, which some read as octal; leave the 0 out, write 0o for octal, or quote it to have text", n.Value)}
		}
		var i int64
		if n.ShortTag() == "!!int" && n.Decode(&i) == nil {
			return i, nil
		}
		var f float64
		if err := n.Decode(&f); err != nil {
			return nil, wrapLine(n, err)
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, &lineError{n.Line, n.Value + " is no JSON number"}
		}
		return f, nil
	case "!!str", "!!timestamp":
		return n.Value, nil
	}
	return nil, &lineError{n.Line, "the tag " + n.Tag + " is not supported"}
}

func wrapLine(n *yaml.Node, err error) error {
	if err == nil {
		return nil
	}
	return &lineError{n.Line, err.Error()}
}

// LineOf takes the line out of an error of readYAML.
func LineOf(err error) (int, string) {
	var e *lineError
	if errors.As(err, &e) {
		return e.line, e.reason
	}
	return 1, err.Error()
}

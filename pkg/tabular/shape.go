package tabular

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// Shape is what the cells of a table are, by the JSON Schema of the documents that its
// rows stand for. Objects with known members have a column for each member, named by its
// dotted path; everything else has one cell.
//
// An empty cell is a member that is absent. A cell of null is null where the schema allows
// it. A list has its elements in one cell, divided by the separator, or is a JSON array. A
// text that would be read as something else is written as a JSON string: "" is the empty text.
type Shape struct {
	separator string
	root      *place
	columns   map[string][]string // dotted path to the names in it
	order     []string
}

// place is a schema, as far as cells need it.
type place struct {
	kinds   map[string]bool // of JSON Schema; none: anything
	items   *place
	members map[string]*place
}

func (p *place) may(kind string) bool {
	return p == nil || len(p.kinds) == 0 || p.kinds[kind] || kind == "number" && p.kinds["integer"]
}

// NewShape reads a schema. Elements of lists are divided by separator.
func NewShape(schema any, separator string) *Shape {
	s := &Shape{separator: separator, columns: map[string][]string{}}
	root, _ := schema.(map[string]any)
	s.root = placeOf(root, root, 0)
	s.add(s.root, nil)
	return s
}

// maxDepth bounds schemas that refer to themselves.
const maxDepth = 8

func placeOf(root, schema map[string]any, depth int) *place {
	p := &place{kinds: map[string]bool{}, members: map[string]*place{}}
	if depth > maxDepth {
		return p
	}
	if ref, ok := schema["$ref"].(string); ok {
		if target := follow(root, ref); target != nil {
			return placeOf(root, target, depth+1)
		}
	}
	switch t := schema["type"].(type) {
	case string:
		p.kinds[t] = true
	case []any:
		for _, kind := range t {
			if name, ok := kind.(string); ok {
				p.kinds[name] = true
			}
		}
	default:
		values, _ := schema["enum"].([]any)
		if constant, ok := schema["const"]; ok {
			values = []any{constant}
		}
		for _, v := range values {
			p.kinds[kindOfValue(v)] = true
		}
	}
	if items, ok := schema["items"].(map[string]any); ok {
		p.items = placeOf(root, items, depth+1)
	}
	if members, ok := schema["properties"].(map[string]any); ok {
		for name, m := range members {
			if inner, ok := m.(map[string]any); ok {
				p.members[name] = placeOf(root, inner, depth+1)
			}
		}
	}
	return p
}

func follow(root map[string]any, ref string) map[string]any {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	var at any = root
	for part := range strings.SplitSeq(path, "/") {
		m, _ := at.(map[string]any)
		at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
	}
	target, _ := at.(map[string]any)
	return target
}

func kindOfValue(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "number"
}

// spread reports whether the members of an object have columns of their own.
func (p *place) spread() bool {
	return p != nil && p.may("object") && len(p.members) > 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(p.members)), func(name string) bool { return name == "" })
}

func (s *Shape) add(p *place, path []string) {
	if p.spread() {
		for _, name := range slices.Sorted(maps.Keys(p.members)) {
			s.add(p.members[name], append(slices.Clone(path), name))
		}
		return
	}
	s.known(path)
}

// known is the name of a column, which is kept in the order of its first use.
func (s *Shape) known(path []string) string {
	name := strings.Join(path, ".")
	if _, ok := s.columns[name]; !ok {
		s.columns[name] = path
		s.order = append(s.order, name)
	}
	return name
}

// Columns are the columns of the schema, and those that documents needed besides.
func (s *Shape) Columns() []string { return s.order }

func (s *Shape) at(path []string) *place {
	p := s.root
	for _, name := range path {
		if p == nil {
			return nil
		}
		p = p.members[name]
	}
	return p
}

// Document makes a document of the cells of a row. Columns that the schema does not have
// are members all the same: what refuses them says so.
func (s *Shape) Document(header, cells []string) (map[string]any, error) {
	doc := map[string]any{}
	for i, cell := range cells {
		path, ok := s.columns[header[i]]
		if !ok {
			path = strings.Split(header[i], ".")
		}
		v, present := s.read(s.at(path), cell)
		if !present {
			continue
		}
		at := doc
		for _, name := range path[:len(path)-1] {
			inner, ok := at[name].(map[string]any)
			if !ok {
				if _, taken := at[name]; taken {
					return nil, fmt.Errorf("column %s: a column before it says that %s is no object with members", header[i], name)
				}
				inner = map[string]any{}
				at[name] = inner
			}
			at = inner
		}
		last := path[len(path)-1]
		if _, taken := at[last]; taken {
			return nil, fmt.Errorf("column %s: a column before it says what it is", header[i])
		}
		at[last] = v
	}
	return doc, nil
}

// Cells takes a document apart: its cells by column.
func (s *Shape) Cells(doc map[string]any) (map[string]string, error) {
	cells := map[string]string{}
	return cells, s.take(cells, s.root, doc, nil)
}

func (s *Shape) take(cells map[string]string, p *place, v any, path []string) error {
	object, isObject := v.(map[string]any)
	if isObject && len(object) > 0 && (p.spread() || len(path) == 0) && spreadable(object) {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			var inner *place
			if p != nil {
				inner = p.members[name]
			}
			if err := s.take(cells, inner, object[name], append(slices.Clone(path), name)); err != nil {
				return err
			}
		}
		return nil
	}
	if isObject && len(path) == 0 {
		return nil // an empty document has empty cells
	}
	cell, ok := s.write(p, v)
	if !ok {
		return fmt.Errorf("%s cannot be written as a cell", strings.Join(path, "."))
	}
	cells[s.known(path)] = cell
	return nil
}

// spreadable: a name with a dot, or an empty one, would be another path.
func spreadable(object map[string]any) bool {
	for name := range object {
		if name == "" {
			return false
		}
	}
	return true
}

// read makes a value of a cell, whose kind the schema decides.
func (s *Shape) read(p *place, cell string) (v any, present bool) {
	trimmed := strings.TrimSpace(cell)
	switch {
	case cell == "":
		return nil, false
	case cell == "null" && p.may("null"):
		return nil, true
	case strings.HasPrefix(trimmed, "[") && p.may("array"), strings.HasPrefix(trimmed, "{") && p.may("object"):
		if v, err := model.DecodeJSON([]byte(trimmed)); err == nil {
			return v, true
		}
	case p.may("number") && isNumber(trimmed):
		if v, err := model.DecodeJSON([]byte(trimmed)); err == nil {
			return v, true
		}
	case p.may("boolean") && (strings.EqualFold(trimmed, "true") || strings.EqualFold(trimmed, "false")):
		return strings.EqualFold(trimmed, "true"), true
	}
	if text, ok := quoted(cell); ok && s.escaped(p, text) {
		return text, true
	}
	if p != nil && p.kinds["array"] && !p.kinds["string"] {
		list := []any{}
		for element := range strings.SplitSeq(cell, s.separator) {
			if v, ok := s.read(p.items, strings.TrimSpace(element)); ok {
				list = append(list, v)
			}
		}
		return list, true
	}
	return cell, true
}

// quoted reads a JSON string.
func quoted(cell string) (text string, ok bool) {
	if len(cell) < 2 || cell[0] != '"' || cell[len(cell)-1] != '"' {
		return "", false
	}
	return text, json.Unmarshal([]byte(cell), &text) == nil
}

// escaped reports whether a text has to be written as a JSON string. Readers of CSV lose
// the carriage returns of others.
func (s *Shape) escaped(p *place, text string) bool {
	v, present := s.read(p, text)
	return !present || v != any(text) || strings.Contains(text, "\r")
}

// write makes a cell that is read as the value.
func (s *Shape) write(p *place, v any) (cell string, ok bool) {
	literal := string(model.AppendCanonical(nil, v))
	spellings := []string{literal}
	switch v := v.(type) {
	case string:
		if !strings.Contains(v, "\r") {
			spellings = []string{v, literal}
		}
	case []any:
		if joined, ok := s.join(p, v); ok {
			spellings = []string{joined, literal}
		}
	}
	for _, cell := range spellings {
		if back, present := s.read(p, cell); present && bytes.Equal(model.AppendCanonical(nil, back), []byte(literal)) {
			return cell, true
		}
	}
	return "", false
}

// join writes the elements of a list, if each can stand for itself.
func (s *Shape) join(p *place, list []any) (string, bool) {
	if p == nil || s.separator == "" {
		return "", false
	}
	cells := make([]string, len(list))
	for i, e := range list {
		cell, ok := s.write(p.items, e)
		if !ok || strings.Contains(cell, s.separator) || strings.HasPrefix(cell, `"`) {
			return "", false
		}
		cells[i] = cell
	}
	return strings.Join(cells, s.separator), len(list) > 0
}

package model

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
)

// kinds is a set of what a value may be.
type kinds uint16

const (
	nulls kinds = 1 << iota
	booleans
	integers
	numbers
	texts
	instants // strings with the format date-time
	objects
	lists
)

func (k kinds) has(x kinds) bool { return k&x != 0 }

var kindNames = []struct {
	kind kinds
	name string
}{{booleans, "boolean"}, {integers, "integer"}, {numbers, "number"}, {texts, "string"}, {instants, "date-time"}, {objects, "object"}, {lists, "array"}}

func (k kinds) String() string {
	var names []string
	for _, x := range kindNames {
		if k.has(x.kind) {
			names = append(names, x.name)
		}
	}
	return strings.Join(names, ", ")
}

// typesOf reads the keyword type.
func typesOf(v any) kinds {
	var k kinds
	one := func(v any) {
		switch v {
		case "null":
			k |= nulls
		case "boolean":
			k |= booleans
		case "integer":
			k |= integers
		case "number":
			k |= numbers
		case "string":
			k |= texts
		case "object":
			k |= objects
		case "array":
			k |= lists
		}
	}
	one(v)
	for _, x := range listOf(v) {
		one(x)
	}
	return k
}

// kindOf is the kind of one value, for const and enum.
func kindOf(v any) kinds {
	switch v.(type) {
	case nil:
		return nulls
	case bool:
		return booleans
	case int64:
		return integers
	case float64:
		return numbers
	case string:
		return texts
	case []any:
		return lists
	}
	return objects
}

// LookupRef follows a local reference, "#" or "#/pointer", within a schema.
func LookupRef(root map[string]any, ref string) (any, bool) {
	ref, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil, false
	}
	ref, err := url.PathUnescape(ref)
	if err != nil {
		return nil, false
	}
	var at any = root
	if ref == "" {
		return at, true
	}
	if ref[0] != '/' {
		return nil, false
	}
	for _, token := range strings.Split(ref[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch node := at.(type) {
		case map[string]any:
			if at, ok = node[token]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(node) {
				return nil, false
			}
			at = node[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// shapes answers what a schema says about places in the data.
type shapes struct{ root map[string]any }

// same is every schema that describes the same value as v, v first.
func (s shapes) same(v any, depth int) []map[string]any {
	node, ok := v.(map[string]any)
	if !ok || depth > 16 {
		return nil
	}
	all := []map[string]any{node}
	if ref, ok := node["$ref"].(string); ok {
		target, _ := LookupRef(s.root, ref)
		all = append(all, s.same(target, depth+1)...)
	}
	for _, k := range []string{"allOf", "anyOf", "oneOf"} {
		for _, x := range listOf(node[k]) {
			all = append(all, s.same(x, depth+1)...)
		}
	}
	for _, k := range []string{"then", "else"} {
		all = append(all, s.same(node[k], depth+1)...)
	}
	return all
}

// kinds tells what the value of a schema may be, 0 when the schema does not
// say.
func (s shapes) kinds(v any, depth int) kinds {
	node, ok := v.(map[string]any)
	if !ok || depth > 16 {
		return 0
	}
	k := typesOf(node["type"])
	if k == 0 {
		if c, ok := node["const"]; ok {
			k = kindOf(c)
		}
		for _, x := range listOf(node["enum"]) {
			k |= kindOf(x)
		}
	}
	if k == 0 {
		if ref, ok := node["$ref"].(string); ok {
			target, _ := LookupRef(s.root, ref)
			k = s.kinds(target, depth+1)
		}
	}
	for _, x := range listOf(node["allOf"]) {
		if sub := s.kinds(x, depth+1); k == 0 {
			k = sub
		} else if k&sub != 0 {
			k &= sub
		}
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		if k == 0 {
			for _, x := range listOf(node[key]) {
				k |= s.kinds(x, depth+1)
			}
		}
	}
	switch {
	case k == 0 && hasAny(node, "properties", "patternProperties"):
		k = objects
	case k == 0 && hasAny(node, "items", "prefixItems"):
		k = lists
	}
	if k.has(texts) {
		for _, x := range s.same(v, 0) {
			if x["format"] == "date-time" {
				return k&^texts | instants
			}
		}
	}
	return k
}

// elements are the schemas of a list's elements.
func (s shapes) elements(v any) []any {
	var out []any
	for _, node := range s.same(v, 0) {
		if items, ok := node["items"]; ok {
			out = append(out, items)
		}
		out = append(out, listOf(node["prefixItems"])...)
	}
	return out
}

// place is what a dotted path leads to.
type place struct {
	kinds kinds // without null and lists
	null  bool
	list  bool
	day   bool // text that is a date everywhere
}

// find follows a dotted path through objects and lists.
func (s shapes) find(path string) (place, error) { return s.follow(path, strings.Split(path, ".")) }

// follow follows names through objects and lists; path is what an error calls
// them.
func (s shapes) follow(path string, through []string) (place, error) {
	at := []any{s.root}
	var p place
	done := ""
	for _, name := range through {
		var next []any
		names := map[string]bool{}
		for _, v := range at {
			nodes, _, list := s.flatten(v, 0)
			p.list = p.list || list
			for _, x := range nodes {
				for _, node := range s.same(x, 0) {
					props, _ := node["properties"].(map[string]any)
					for k := range props {
						names[dotted(done, k)] = true
					}
					if x, ok := props[name]; ok {
						next = append(next, x)
					}
				}
			}
		}
		if len(next) == 0 {
			for k := range names {
				if path == k || strings.HasPrefix(path, k+".") {
					return p, fmt.Errorf("the property %q has a dot in its name and cannot be named here: a dot leads into an object", strings.TrimPrefix(k, dotted(done, "")))
				}
			}
			return p, fmt.Errorf("there is no field %q%s", path, Hint(path, slices.Sorted(maps.Keys(names))))
		}
		at, done = next, dotted(done, name)
	}
	p.day = true
	for _, v := range at {
		nodes, k, list := s.flatten(v, 0)
		p.day = p.day && !slices.ContainsFunc(nodes, func(x any) bool { return !s.isDay(x) })
		p.kinds |= k &^ nulls
		p.list = p.list || list
		p.null = p.null || s.kinds(v, 0).has(nulls)
	}
	return p, nil
}

// isDay reports whether a schema's text is a date.
func (s shapes) isDay(v any) bool {
	return slices.ContainsFunc(s.same(v, 0), func(x map[string]any) bool { return x["format"] == "date" })
}

// flatten gives the schemas of what is not a list: those of the elements in
// the place of a list's.
func (s shapes) flatten(v any, depth int) (nodes []any, k kinds, list bool) {
	k = s.kinds(v, 0)
	if k == 0 || k&^(lists|nulls) != 0 {
		nodes = append(nodes, v)
	}
	if k.has(lists) && depth < 16 {
		list = true
		for _, x := range s.elements(v) {
			n, sub, _ := s.flatten(x, depth+1)
			nodes, k = append(nodes, n...), k|sub
		}
	}
	return nodes, k &^ lists, list
}

// field is the indexed field of a path, or why there can be none.
func (s shapes) field(path string) (query.Field, place, error) {
	f := query.Field{Name: path}
	if strings.HasPrefix(path, "meta.") {
		return f, place{}, fmt.Errorf("the names beginning with meta. are those of the meta fields")
	}
	p, err := s.find(path)
	if err != nil {
		return f, p, err
	}
	f.List = p.list
	switch p.kinds {
	case texts:
		f.Kind = query.Text
	case instants:
		f.Kind = query.Time
	case integers:
		f.Kind = query.Integer
	case numbers, numbers | integers:
		f.Kind = query.Number
	case booleans:
		f.Kind = query.Boolean
	case objects:
		return f, p, fmt.Errorf("field %q is an object; name a field inside it", path)
	case 0:
		return f, p, fmt.Errorf("field %q has no type in the schema", path)
	default:
		return f, p, fmt.Errorf("field %q has values of several kinds (%v); it needs one", path, p.kinds)
	}
	return f, p, nil
}

// Package reshape changes decoded JSON documents by operations that a schema's next
// version often needs: those of JSON Patch (RFC 6902) and rename, default, split, join,
// map and convert beside them. An operation passes over what is missing. A document is
// made as in package jsonpatch.
//
// The path of an operation that is not of RFC 6902 may have "*" for every element of a
// list and every value of an object.
package reshape

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
)

// Operation is one that does the same to each place of its path.
type Operation struct {
	op     string
	path   jsonpatch.Pointer
	change change
}

// change gives what an object or list holds at a place from then on. place.there tells
// whether it holds anything now.
type change func(p place) error

// Shape is a list of operations that was checked.
type Shape struct{ steps []step }

// step is an operation, or some of RFC 6902 in a row.
type step struct {
	first int // its index in the list
	patch jsonpatch.Patch
	own   *Operation
}

// kinds are the operations that are not of RFC 6902, with their members beside op and
// path, and how they are read.
var kinds = map[string]struct {
	members []string
	read    func(m members) (change, error)
}{
	"rename":  {[]string{"to"}, readRename},
	"default": {[]string{"value"}, readDefault},
	"split":   {[]string{"by", "into"}, readSplit},
	"join":    {[]string{"by", "from"}, readJoin},
	"map":     {[]string{"values", "else"}, readMap},
	"convert": {[]string{"to", "else"}, readConvert},
}

// standard are the members of the operations of RFC 6902.
var standard = []string{"op", "path", "value", "from"}

// Members lists the members that an operation of the name may have.
func Members(op string) []string {
	if k, ok := kinds[op]; ok {
		return append([]string{"op", "path"}, k.members...)
	}
	return standard
}

// Parse reads the decoded form of a list of operations. A wrong one is a
// *jsonpatch.Error whose pointer is that of the member in the list.
func Parse(ops []any) (*Shape, error) {
	s := &Shape{}
	for i := 0; i < len(ops); {
		n := i
		for n < len(ops) && !isOwn(ops[n]) {
			n++
		}
		if n > i {
			patch, err := jsonpatch.Parse(ops[i:n])
			if err != nil {
				return nil, moved(err, i)
			}
			s.steps, i = append(s.steps, step{first: i, patch: patch}), n
			continue
		}
		own, member, err := read(ops[i].(map[string]any))
		if err != nil {
			return nil, &jsonpatch.Error{Index: i, Pointer: fmt.Sprintf("/%d%s", i, member), Reason: err.Error()}
		}
		s.steps, i = append(s.steps, step{first: i, own: own}), i+1
	}
	return s, nil
}

func isOwn(op any) bool {
	m, _ := op.(map[string]any)
	name, _ := m["op"].(string)
	_, own := kinds[name]
	return own
}

// moved corrects an error of a part of a list that begins at an index.
func moved(err error, first int) error {
	var e *jsonpatch.Error
	if !errors.As(err, &e) {
		return err
	}
	place := strings.TrimPrefix(e.Pointer, fmt.Sprintf("/%d", e.Index))
	reason := strings.Replace(e.Reason, "op is add, remove, replace, move, copy or test", "op is add, remove, replace, move, copy or test, or "+strings.Join(slices.Sorted(maps.Keys(kinds)), ", "), 1)
	return &jsonpatch.Error{Index: first + e.Index, Pointer: fmt.Sprintf("/%d%s", first+e.Index, place), Reason: reason}
}

func read(m map[string]any) (_ *Operation, member string, err error) {
	name := m["op"].(string)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(Members(name), k) {
			return nil, "/" + k, fmt.Errorf("%s has op, path, %s", name, strings.Join(kinds[name].members, ", "))
		}
	}
	text, ok := m["path"].(string)
	if !ok || text == "" {
		return nil, "/path", fmt.Errorf("%s needs path, a JSON pointer to a property", name)
	}
	path, err := jsonpatch.ParsePointer(text)
	if err != nil {
		return nil, "/path", err
	}
	change, err := kinds[name].read(members{m})
	var wrong *memberError
	if errors.As(err, &wrong) {
		return nil, "/" + wrong.name, err
	}
	return &Operation{name, path, change}, "", nil
}

// Apply changes a document, which belongs to the shape from then on, and returns the
// result. A *jsonpatch.Error tells which operation does not apply, and where; the
// document must not be used any more then. maxCopied bounds the bytes that copy
// operations may add; 0: nothing does.
func (s *Shape) Apply(doc any, maxCopied int) (any, error) {
	for _, step := range s.steps {
		var err error
		if step.own == nil {
			doc, err = step.patch.Apply(doc, jsonpatch.Options{MaxCopied: maxCopied, SkipMissing: true})
		} else {
			err = step.own.at(doc, nil, step.own.path)
		}
		var e *jsonpatch.Error
		if errors.As(err, &e) {
			return nil, &jsonpatch.Error{Index: step.first + e.Index, Op: e.Op, Pointer: e.Pointer, Reason: e.Reason}
		}
	}
	return doc, nil
}

// every is the token that stands for all elements and values.
const every = "*"

// at does the operation at the places that the rest of its path leads to.
func (o *Operation) at(container any, done, rest jsonpatch.Pointer) error {
	for _, token := range tokens(container, rest[0]) {
		p := place{container: container, token: token}
		p.value, p.there = jsonpatch.Pointer{token}.Find(container)
		here := append(slices.Clone(done), token)
		if len(rest) > 1 {
			if err := o.at(p.value, here, rest[1:]); err != nil {
				return err
			}
			continue
		}
		if err := o.change(p); err != nil {
			return &jsonpatch.Error{Op: o.op, Pointer: here.String(), Reason: err.Error()}
		}
	}
	return nil
}

// tokens are what a token of a path stands for in a container.
func tokens(container any, token string) (out []string) {
	switch x := container.(type) {
	case map[string]any:
		if token == every {
			return slices.Sorted(maps.Keys(x))
		}
		return []string{token}
	case []any:
		for i := range x {
			if s := fmt.Sprint(i); token == every || s == token {
				out = append(out, s)
			}
		}
	}
	return out
}

// place is a place of an object or list.
type place struct {
	container any
	token     string
	value     any
	there     bool
}

func (p place) set(v any) {
	switch x := p.container.(type) {
	case map[string]any:
		x[p.token] = v
	case []any:
		x[index(p.token)] = v
	}
}

// index reads a token that tokens made.
func index(token string) (n int) {
	for _, c := range token {
		n = n*10 + int(c-'0')
	}
	return n
}

// object is the object that the place is in; nil where it is in a list.
func (p place) object() map[string]any {
	m, _ := p.container.(map[string]any)
	return m
}

// Package jsonpatch applies patches to decoded JSON documents: JSON Patch (RFC
// 6902) and JSON Merge Patch (RFC 7396). A document is made of map[string]any,
// []any, string, int64, float64, bool and nil.
//
// Numbers are equal when their values are (1 and 1.0), integers to the last
// digit. What is applied never shares memory with the patch, which can be
// applied again.
package jsonpatch

import (
	"errors"
	"fmt"
)

// Patch is a list of operations that was checked.
type Patch []operation

type operation struct {
	op         string
	path, from Pointer
	value      any
}

// Error tells which operation is wrong or does not apply, and where.
type Error struct {
	Index   int    // of the operation, from 0
	Op      string // its name, when it has one
	Pointer string // the place in the document, or in the patch when it cannot be read
	Reason  string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Op == "" {
		return fmt.Sprintf("operation %d: %s", e.Index, e.Reason)
	}
	return fmt.Sprintf("operation %d, %s %.200q: %s", e.Index, e.Op, e.Pointer, e.Reason)
}

// Parse reads the decoded form of a patch. Members that RFC 6902 does not know
// are passed over, as its section 4 says. A wrong operation is an *Error whose
// pointer is that of the member in the patch.
func Parse(ops []any) (Patch, error) {
	p := make(Patch, len(ops))
	for i, x := range ops {
		member, err := p[i].read(x)
		if err != nil {
			return nil, &Error{Index: i, Pointer: fmt.Sprintf("/%d%s", i, member), Reason: err.Error()}
		}
	}
	return p, nil
}

func (o *operation) read(x any) (member string, err error) {
	m, ok := x.(map[string]any)
	if !ok {
		return "", errors.New("an operation is an object")
	}
	o.op, _ = m["op"].(string)
	needsFrom := false
	switch o.op {
	case "add", "replace", "test":
		if o.value, ok = m["value"]; !ok {
			return "/value", fmt.Errorf("%s needs value", o.op)
		}
	case "move", "copy":
		needsFrom = true
	case "remove":
	default:
		return "/op", errors.New("op is add, remove, replace, move, copy or test")
	}
	if o.path, err = pointerOf(m, "path", o.op); err != nil {
		return "/path", err
	}
	if !needsFrom {
		return "", nil
	}
	if o.from, err = pointerOf(m, "from", o.op); err != nil {
		return "/from", err
	}
	if o.op == "move" && len(o.path) > len(o.from) && o.path.within(o.from) {
		return "/path", errors.New("nothing can be moved into itself")
	}
	return "", nil
}

func pointerOf(m map[string]any, name, op string) (Pointer, error) {
	s, ok := m[name].(string)
	if !ok {
		return nil, fmt.Errorf("%s needs %s, a JSON pointer", op, name)
	}
	return ParsePointer(s)
}

// Options of Apply. The zero value is right.
type Options struct {
	// MaxCopied is the most bytes, as JSON, that copy operations may add; 0 is
	// no limit.
	MaxCopied int
	// SkipMissing makes remove, move and copy of what is not there do nothing.
	SkipMissing bool
}

var errMissing = errors.New("there is nothing at this place")

// Apply changes a document, which belongs to the patch from then on, and returns
// the result. When an operation does not apply, the *Error tells which, and the
// document must not be used any more.
func (p Patch) Apply(doc any, o Options) (any, error) {
	copied := 0
	for i := range p {
		op := &p[i]
		next, at, err := op.apply(doc, o, &copied)
		if errors.Is(err, errMissing) && o.SkipMissing && (op.op == "remove" || op.from != nil && at.String() == op.from.String()) {
			continue
		}
		if err != nil {
			return nil, &Error{Index: i, Op: op.op, Pointer: at.String(), Reason: err.Error()}
		}
		doc = next
	}
	return doc, nil
}

// apply returns the document as it is then, and the place that an error is
// about.
func (o *operation) apply(doc any, options Options, copied *int) (any, Pointer, error) {
	switch o.op {
	case "add":
		doc, err := add(doc, o.path, Clone(o.value))
		return doc, o.path, err
	case "replace":
		doc, err := replace(doc, o.path, Clone(o.value))
		return doc, o.path, err
	case "remove":
		doc, _, err := remove(doc, o.path)
		return doc, o.path, err
	case "test":
		v, err := find(doc, o.path)
		if err == nil && !Equal(v, o.value) {
			err = errors.New("the value is another one")
		}
		return doc, o.path, err
	case "copy":
		v, err := find(doc, o.from)
		if err != nil {
			return doc, o.from, err
		}
		if options.MaxCopied > 0 {
			if *copied += size(v, options.MaxCopied-*copied); *copied > options.MaxCopied {
				return doc, o.from, fmt.Errorf("the copies of a patch have at most %d bytes", options.MaxCopied)
			}
		}
		doc, err = add(doc, o.path, Clone(v))
		return doc, o.path, err
	}
	_, err := find(doc, o.from)
	if err != nil || o.from.String() == o.path.String() {
		return doc, o.from, err
	}
	doc, v, err := remove(doc, o.from)
	if err != nil {
		return doc, o.from, err
	}
	doc, err = add(doc, o.path, v)
	return doc, o.path, err
}

// find gives the value at a place.
func find(doc any, p Pointer) (any, error) {
	for _, token := range p {
		switch x := doc.(type) {
		case map[string]any:
			v, ok := x[token]
			if !ok {
				return nil, errMissing
			}
			doc = v
		case []any:
			i, err := place(x, token, len(x))
			if err != nil {
				return nil, err
			}
			doc = x[i]
		default:
			return nil, errMissing
		}
	}
	return doc, nil
}

var errIndex = fmt.Errorf("an element of a list is named by its number, without leading zeros or a sign: %w", errMissing)

// place is the index that a token names in a list, below limit.
func place(list []any, token string, limit int) (int, error) {
	i, ok := index(token)
	if !ok && token == "-" {
		return 0, fmt.Errorf("- is the place after the last element: %w", errMissing)
	}
	if !ok {
		return 0, errIndex
	}
	if i >= limit {
		return 0, fmt.Errorf("the list has %d elements: %w", len(list), errMissing)
	}
	return i, nil
}

// edit changes the container of the last token of a pointer, which is not
// empty.
func edit(doc any, p Pointer, fn func(container any, token string) (any, error)) (any, error) {
	if len(p) == 1 {
		return fn(doc, p[0])
	}
	switch x := doc.(type) {
	case map[string]any:
		inside, ok := x[p[0]]
		if !ok {
			return doc, errMissing
		}
		made, err := edit(inside, p[1:], fn)
		x[p[0]] = made
		return x, err
	case []any:
		i, err := place(x, p[0], len(x))
		if err != nil {
			return doc, err
		}
		x[i], err = edit(x[i], p[1:], fn)
		return x, err
	}
	return doc, errMissing
}

var errNoContainer = fmt.Errorf("its parent is neither an object nor a list: %w", errMissing)

func add(doc any, p Pointer, v any) (any, error) {
	if len(p) == 0 {
		return v, nil
	}
	return edit(doc, p, func(container any, token string) (any, error) {
		switch x := container.(type) {
		case map[string]any:
			x[token] = v
			return x, nil
		case []any:
			if token == "-" {
				return append(x, v), nil
			}
			i, err := place(x, token, len(x)+1)
			if err != nil {
				return x, err
			}
			x = append(x, nil)
			copy(x[i+1:], x[i:])
			x[i] = v
			return x, nil
		}
		return container, errNoContainer
	})
}

func replace(doc any, p Pointer, v any) (any, error) {
	if len(p) == 0 {
		return v, nil
	}
	return edit(doc, p, func(container any, token string) (any, error) {
		switch x := container.(type) {
		case map[string]any:
			if _, ok := x[token]; !ok {
				return x, errMissing
			}
			x[token] = v
			return x, nil
		case []any:
			i, err := place(x, token, len(x))
			if err == nil {
				x[i] = v
			}
			return x, err
		}
		return container, errNoContainer
	})
}

func remove(doc any, p Pointer) (_, removed any, err error) {
	if len(p) == 0 {
		return doc, nil, errors.New("the whole document cannot be taken away")
	}
	doc, err = edit(doc, p, func(container any, token string) (any, error) {
		switch x := container.(type) {
		case map[string]any:
			v, ok := x[token]
			if !ok {
				return x, errMissing
			}
			removed = v
			delete(x, token)
			return x, nil
		case []any:
			i, err := place(x, token, len(x))
			if err != nil {
				return x, err
			}
			removed = x[i]
			return append(x[:i], x[i+1:]...), nil
		}
		return container, errNoContainer
	})
	return doc, removed, err
}

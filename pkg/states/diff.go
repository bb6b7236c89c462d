package states

import (
	"context"
	"reflect"
	"sort"
	"strconv"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// Operation of a JSON patch (RFC 6902 section 4). Value is present for add and
// replace only.
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
	null  bool   // Value is null and present
}

// MarshalJSON keeps a null value and leaves out an absent one.
func (o Operation) MarshalJSON() ([]byte, error) {
	m := map[string]any{"op": o.Op, "path": o.Path}
	if o.null || o.Value != nil {
		m["value"] = o.Value
	}
	return model.AppendCanonical(nil, m), nil
}

// Diff returns the operations that turn the content of one revision into that
// of another.
func (rd *Reads) Diff(ctx context.Context, typ, id string, from, to int) ([]Operation, *Resource, error) {
	var docs [2]any
	var r *Resource
	for i, n := range []int{from, to} {
		var err error
		if r, err = rd.Get(ctx, typ, id, GetOptions{Revision: n, IncludeDeleted: true}); err != nil {
			return nil, nil, err
		}
		if docs[i], err = model.DecodeJSON(r.Data); err != nil {
			return nil, nil, err
		}
	}
	return diff([]Operation{}, "", docs[0], docs[1]), r, nil
}

func value(op, path string, v any) Operation {
	return Operation{Op: op, Path: path, Value: v, null: v == nil}
}

func diff(out []Operation, path string, a, b any) []Operation {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			return diffObjects(out, path, a, b)
		}
	case []any:
		if b, ok := b.([]any); ok {
			return diffLists(out, path, a, b)
		}
	}
	if !reflect.DeepEqual(a, b) {
		out = append(out, value("replace", path, b))
	}
	return out
}

func diffObjects(out []Operation, path string, a, b map[string]any) []Operation {
	names := make([]string, 0, len(a)+len(b))
	for k := range a {
		names = append(names, k)
	}
	for k := range b {
		if _, both := a[k]; !both {
			names = append(names, k)
		}
	}
	sort.Strings(names)
	for _, k := range names {
		at := path + "/" + model.EscapePointer(k)
		x, before := a[k]
		y, after := b[k]
		switch {
		case !after:
			out = append(out, Operation{Op: "remove", Path: at})
		case !before:
			out = append(out, value("add", at, y))
		default:
			out = diff(out, at, x, y)
		}
	}
	return out
}

// diffLists keeps the common start and end and treats what is between by place.
func diffLists(out []Operation, path string, a, b []any) []Operation {
	start := 0
	for start < len(a) && start < len(b) && reflect.DeepEqual(a[start], b[start]) {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && reflect.DeepEqual(a[endA-1], b[endB-1]) {
		endA--
		endB--
	}
	at := func(i int) string { return path + "/" + strconv.Itoa(i) }
	i := start
	for ; i < endA && i < endB; i++ {
		out = diff(out, at(i), a[i], b[i])
	}
	for j := endA - 1; j >= i; j-- {
		out = append(out, Operation{Op: "remove", Path: at(j)})
	}
	for ; i < endB; i++ {
		out = append(out, value("add", at(i), b[i]))
	}
	return out
}

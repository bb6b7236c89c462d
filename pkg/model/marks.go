package model

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// marks finds the properties that a keyword of the schema marks, writeOnly or
// readOnly, wherever they are; nil when there are none. A property is marked when
// any schema that describes it says so.
type marks struct{ places *places }

func findMarks(root map[string]any, keyword string) *marks {
	p := findMarked(root, func(node map[string]any) (Binaries, bool) { return Binaries{}, node[keyword] == true })
	if p == nil {
		return nil
	}
	return &marks{p}
}

func (k *marks) start() []*placeNode { return []*placeNode{k.places.start} }

// inside are the schemas of a property that lead to marks, and whether it is one.
func inside(nodes []*placeNode, name string) (in []*placeNode, marked bool) {
	for _, n := range nodes {
		in = append(in, n.property(name)...)
	}
	return reaching(in)
}

func elements(nodes []*placeNode, i int) []*placeNode {
	var in []*placeNode
	for _, n := range nodes {
		in = append(in, n.element(i)...)
	}
	in, _ = reaching(in)
	return in
}

func reaching(in []*placeNode) ([]*placeNode, bool) {
	in = describing(in)
	return in, slices.ContainsFunc(in, func(n *placeNode) bool { return n.binary })
}

// without is a copy of a document without what is marked.
func (k *marks) without(doc any) any { return withoutMarked(describing(k.start()), doc) }

func withoutMarked(nodes []*placeNode, v any) any {
	if len(nodes) == 0 {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, x := range v {
			if in, marked := inside(nodes, name); !marked {
				out[name] = withoutMarked(in, x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = withoutMarked(elements(nodes, i), x)
		}
		return out
	}
	return v
}

// pointers lists what is marked in a document.
func (k *marks) pointers(doc any) []string { return pointersIn(describing(k.start()), doc, "", nil) }

func pointersIn(nodes []*placeNode, v any, at string, out []string) []string {
	if len(nodes) == 0 {
		return out
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			in, marked := inside(nodes, name)
			if here := PointerTo(at, name); marked {
				out = append(out, here)
			} else {
				out = pointersIn(in, v[name], here, out)
			}
		}
	case []any:
		for i, x := range v {
			out = pointersIn(elements(nodes, i), x, at+"/"+strconv.Itoa(i), out)
		}
	}
	return out
}

// only is what is marked in a document, with the objects that hold it; nil when
// nothing is.
func only(nodes []*placeNode, v any) any {
	if len(nodes) == 0 {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, x := range v {
			in, marked := inside(nodes, name)
			if marked {
				out[name] = x
			} else if y := only(in, x); y != nil {
				out[name] = y
			}
		}
		if len(out) > 0 {
			return out
		}
	case []any:
		var out []any
		for i, x := range v {
			if y := only(elements(nodes, i), x); y != nil {
				out = append(out, y)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// completing says how a document is completed from an older one.
type completing struct {
	nulls   bool // null removes what is marked
	parents bool // an object that is left out stays for what is marked in it
	exactly bool // what is marked becomes what it was, whatever is said
}

// fill completes what is marked in a document, in place. An element of a list is
// taken for the one that shows the same, or, in a list of the same length, for the
// one at its place.
func (k *marks) fill(doc, old any, how completing) { how.fill(describing(k.start()), doc, old) }

func (how completing) fill(nodes []*placeNode, doc, old any) {
	if len(nodes) == 0 {
		return
	}
	switch doc := doc.(type) {
	case map[string]any:
		was, _ := old.(map[string]any)
		how.fillObject(nodes, doc, was)
	case []any:
		was, _ := old.([]any)
		how.fillList(nodes, doc, was)
	}
}

func (how completing) fillObject(nodes []*placeNode, doc, was map[string]any) {
	names := map[string]bool{}
	for name := range doc {
		names[name] = true
	}
	for name := range was {
		names[name] = true
	}
	for name := range names {
		in, marked := inside(nodes, name)
		is, has := doc[name]
		old, had := was[name]
		switch {
		case marked && had && (!has || how.exactly):
			doc[name] = CloneTree(old)
		case marked && has && (how.exactly || is == nil && how.nulls):
			delete(doc, name)
		case marked || len(in) == 0:
		case has:
			how.fill(in, is, old)
		case how.parents:
			if _, object := old.(map[string]any); object {
				if kept := only(in, old); kept != nil {
					doc[name] = CloneTree(kept)
				}
			}
		}
	}
}

func (how completing) fillList(nodes []*placeNode, doc, was []any) {
	pair := make([]int, len(doc))
	taken := make([]bool, len(was))
	shown := make([]any, len(was))
	for j, x := range was {
		shown[j] = withoutMarked(elements(nodes, j), x)
	}
	for i, x := range doc {
		pair[i] = -1
		looks := withoutMarked(elements(nodes, i), x)
		for j := range was {
			if !taken[j] && EqualJSON(looks, shown[j]) {
				pair[i], taken[j] = j, true
				break
			}
		}
	}
	for i, x := range doc {
		j := pair[i]
		if j < 0 && len(doc) == len(was) && !taken[i] {
			j = i
			taken[i] = true
		}
		var old any
		if j >= 0 {
			old = was[j]
		}
		how.fill(elements(nodes, i), x, old)
	}
}

// changed is the place of something marked that two documents do not agree on; ""
// when there is none. What has no value in the first may have its default, which a
// third document of the shape of the second has. The elements of a list may change
// places and go.
func (k *marks) changed(a, b, defaults any) string {
	return changedIn(describing(k.start()), a, b, defaults, "")
}

func changedIn(nodes []*placeNode, a, b, defaults any, at string) string {
	if len(nodes) == 0 {
		return ""
	}
	if list, ok := b.([]any); ok {
		was, _ := a.([]any)
		fresh, _ := defaults.([]any)
		return changedList(nodes, was, list, fresh, at)
	}
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	fresh, _ := defaults.(map[string]any)
	all := maps.Clone(x)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, y)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		in, marked := inside(nodes, name)
		was, had := x[name]
		is, has := y[name]
		here := PointerTo(at, name)
		if marked {
			if !had && has {
				was, had = fresh[name]
			}
			if had != has || !EqualJSON(was, is) {
				return here
			}
		} else if place := changedIn(in, was, is, fresh[name], here); place != "" {
			return place
		}
	}
	return ""
}

// listElement is what an element of a list has that is marked, and the rest of it.
type listElement struct {
	i            int
	marked, rest any
}

// changedList takes an element for an old one that has the same marked values, first
// of all for one that is the same in the rest too. One that is left is new, and may
// have the defaults, unless an old one that is left is the same in the rest.
func changedList(nodes []*placeNode, was, list, defaults []any, at string) string {
	if EqualJSON(was, list) {
		return ""
	}
	old, left := markedElements(nodes, was), markedElements(nodes, list)
	old, left = unpaired(old, left, func(x, y listElement) bool { return EqualJSON(x.marked, y.marked) && EqualJSON(x.rest, y.rest) })
	old, left = unpaired(old, left, func(x, y listElement) bool { return EqualJSON(x.marked, y.marked) })
	for _, x := range left {
		stays := slices.ContainsFunc(old, func(y listElement) bool { return EqualJSON(x.rest, y.rest) })
		if stays || x.i >= len(defaults) || !EqualJSON(x.marked, only(elements(nodes, x.i), defaults[x.i])) {
			return at + "/" + strconv.Itoa(x.i)
		}
	}
	return ""
}

// markedElements are the elements of a list that have something marked.
func markedElements(nodes []*placeNode, list []any) (out []listElement) {
	for i, x := range list {
		in := elements(nodes, i)
		if marked := only(in, x); marked != nil {
			out = append(out, listElement{i, marked, withoutMarked(in, x)})
		}
	}
	return out
}

// unpaired are the elements of two lists without the pairs that are the same.
func unpaired(a, b []listElement, same func(x, y listElement) bool) (restA, restB []listElement) {
	for _, x := range b {
		if j := slices.IndexFunc(a, func(y listElement) bool { return same(x, y) }); j >= 0 {
			a = slices.Delete(a, j, j+1)
		} else {
			restB = append(restB, x)
		}
	}
	return a, restB
}

// keepNulls puts the nulls that a merge patch says of what is marked into the
// document it made, where they would be gone.
func (k *marks) keepNulls(doc, patch any) { nullsIn(describing(k.start()), doc, patch) }

func nullsIn(nodes []*placeNode, doc, patch any) {
	to, ok := doc.(map[string]any)
	said, both := patch.(map[string]any)
	if len(nodes) == 0 || !ok || !both {
		return
	}
	for name, x := range said {
		in, marked := inside(nodes, name)
		if marked && x == nil {
			to[name] = nil
		} else if !marked {
			nullsIn(in, to[name], x)
		}
	}
}

// at reports whether a place of a document, by its names, is marked or inside of what
// is.
func (k *marks) at(names []string) bool {
	if k == nil {
		return false
	}
	nodes := describing(k.start())
	for _, name := range names {
		for { // lists are passed through
			var of []*placeNode
			for _, n := range nodes {
				of = append(of, n.lists()...)
			}
			more, marked := reaching(of)
			if marked {
				return true
			}
			grown := false
			for _, n := range more {
				if !slices.Contains(nodes, n) {
					nodes, grown = append(nodes, n), true
				}
			}
			if !grown {
				break
			}
		}
		in, marked := inside(nodes, name)
		if marked {
			return true
		}
		nodes = in
	}
	return false
}

// put lists what is marked in what a patch puts at a place of a document it does not
// know: a number may be a name there or the index of an element.
func (k *marks) put(names []string, value any) []string {
	nodes, at := describing(k.start()), ""
	for _, name := range names {
		at = PointerTo(at, name)
		in, marked := inside(nodes, name)
		if marked {
			return []string{at}
		}
		if strings.Trim(name, "0123456789") == "" || name == "-" {
			for _, n := range nodes {
				in = append(in, n.lists()...)
			}
		}
		nodes = describing(in)
	}
	return pointersIn(nodes, value, at, nil)
}

// inList reports whether the keyword marks an element of a list instead of a
// property.
func (k *marks) inList() bool {
	for _, n := range k.places.byNode {
		for _, x := range describing(n.lists()) {
			if x.binary {
				return true
			}
		}
	}
	return false
}

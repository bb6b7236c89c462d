package resources

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
)

func equal(a, b any) bool {
	return bytes.Equal(model.AppendCanonical(nil, a), model.AppendCanonical(nil, b))
}

// absent is the value of a member that is not there.
type absentValue struct{}

var absent any = absentValue{}

func same(a, b any) bool {
	if a == absent || b == absent {
		return a == b
	}
	return equal(a, b)
}

// conflict is a place that two changed differently.
type conflict struct {
	pointer            string
	base, mine, theirs any
}

// merge joins two changes of one base, member by member; lists are wholes. Where both
// changed the same to something else, the result has mine and the conflict is told.
func merge(base, mine, theirs any, at string) (any, []conflict) {
	switch {
	case same(mine, theirs), same(theirs, base):
		return mine, nil
	case same(mine, base):
		return theirs, nil
	}
	m, mineIs := mine.(map[string]any)
	t, theirsIs := theirs.(map[string]any)
	if !mineIs || !theirsIs {
		return mine, []conflict{{at, base, mine, theirs}}
	}
	b, _ := base.(map[string]any)
	out, conflicts := map[string]any{}, []conflict(nil)
	for _, name := range members(m, t) {
		v, more := merge(member(b, name), member(m, name), member(t, name), at+"/"+model.EscapePointer(name))
		conflicts = append(conflicts, more...)
		if v != absent {
			out[name] = v
		}
	}
	return out, conflicts
}

func member(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	return absent
}

// members are the names of two objects, sorted.
func members(a, b map[string]any) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// operation of RFC 6902.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// MarshalJSON keeps a value that is null.
func (o operation) MarshalJSON() ([]byte, error) {
	b := append([]byte(`{"op":"`+o.Op+`","path":`), model.AppendCanonical(nil, o.Path)...)
	if o.Op != "remove" {
		b = model.AppendCanonical(append(b, `,"value":`...), o.Value)
	}
	return append(b, '}'), nil
}

// operations turn one value into another; lists are wholes.
func operations(from, to any, at string) (out []operation) {
	if same(from, to) {
		return nil
	}
	f, fromIs := from.(map[string]any)
	t, toIs := to.(map[string]any)
	switch {
	case to == absent:
		return []operation{{Op: "remove", Path: at}}
	case from == absent:
		return []operation{{Op: "add", Path: at, Value: to}}
	case !fromIs || !toIs:
		return []operation{{Op: "replace", Path: at, Value: to}}
	}
	for _, name := range members(f, t) {
		out = append(out, operations(member(f, name), member(t, name), at+"/"+model.EscapePointer(name))...)
	}
	return out
}

// lines is what changed from one text to another, as diff -u shows it, with three lines
// around each change.
func lines(from, to string) string {
	a, b := strings.SplitAfter(from, "\n"), strings.SplitAfter(to, "\n")
	type edit struct {
		mark byte
		text string
	}
	// The longest common subsequence, from the end.
	length := make([][]int32, len(a)+1)
	for i := range length {
		length[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var edits []edit
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			edits = append(edits, edit{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			edits = append(edits, edit{'-', a[i]})
			i++
		default:
			edits = append(edits, edit{'+', b[j]})
			j++
		}
	}
	var out strings.Builder
	shown := -1
	for n, e := range edits {
		near := false
		for k := max(0, n-3); k <= min(len(edits)-1, n+3); k++ {
			near = near || edits[k].mark != ' '
		}
		if !near || e.text == "" {
			continue
		}
		if shown >= 0 && n > shown+1 {
			out.WriteString("@@\n")
		}
		shown = n
		out.WriteByte(e.mark)
		out.WriteString(strings.TrimSuffix(e.text, "\n") + "\n")
	}
	return out.String()
}

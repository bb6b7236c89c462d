package query

import (
	"fmt"
	"strings"
)

// Error says what is wrong with a filter, an order or a full-text query, and
// where. Everything it holds may be shown to the caller.
type Error struct {
	Column       int // 1-based, in code points; 0 when it is about the whole
	Detail       string
	UnknownField string // the name that is not indexed, if that is what is wrong
}

// Error begins with the column: "column 14: ...".
func (e *Error) Error() string {
	if e.Column == 0 {
		return e.Detail
	}
	return fmt.Sprintf("column %d: %s", e.Column, e.Detail)
}

// maxNames bounds how many field names one error lists.
const maxNames = 20

// unknownField names the field and says which ones there are, those of the
// data before those of the meta.
func unknownField(fields Fields, name string, column int) *Error {
	var data, meta []string
	for _, n := range fields.Names() {
		if strings.HasPrefix(n, "meta.") {
			meta = append(meta, n)
		} else {
			data = append(data, Quote(n))
		}
	}
	all := append(data, meta...)
	more := ""
	if len(all) > maxNames {
		more = fmt.Sprintf(" and %d more", len(all)-maxNames)
		all = all[:maxNames]
	}
	if len(all) == 0 {
		all = []string{"none"}
	}
	return &Error{
		Column:       column,
		Detail:       fmt.Sprintf("field %q is not indexed; indexed fields: %s%s", clip(name), strings.Join(all, ", "), more),
		UnknownField: clip(name),
	}
}

// clip keeps a piece of the caller's text short enough for a message.
func clip(s string) string {
	n := 0
	for i := range s {
		if n == 80 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

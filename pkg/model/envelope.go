package model

import (
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// AppendEnvelope writes the envelope that an event leaves: data, when content is
// not nil, meta and revision. What a purge leaves has no revision.
func AppendEnvelope(b []byte, e *storage.Event, content []byte) []byte {
	meta := e.PublishedMeta()
	b = append(slices.Grow(b, len(content)+1300), '{')
	if content != nil {
		b = append(append(append(b, `"data":`...), content...), ',')
	}
	b = meta.AppendJSON(append(b, `"meta":`...))
	if e.Revision.Number > 0 {
		b = e.Revision.AppendJSON(append(b, `,"revision":`...))
	}
	return append(b, '}')
}

// IsBuiltin reports whether a name is that of a type of the program itself, whose events
// are not told outside. The types that are served tell it of one that Yields.
func IsBuiltin(name string) bool { return slices.Contains(BuiltinTypes, name) }

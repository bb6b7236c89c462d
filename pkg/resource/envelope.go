package resource

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// AppendEnvelope writes the envelope that an event leaves: data, when content is
// not nil, meta and revision. What a purge leaves has no revision.
func AppendEnvelope(b []byte, e *storage.Event, content []byte) ([]byte, error) {
	meta := e.Meta
	meta.Seq = e.Seq
	m, err := json.Marshal(&meta)
	if err != nil {
		return nil, fmt.Errorf("meta of event %d: %w", e.Seq, err)
	}
	b = slices.Grow(b, len(content)+len(m)+640)
	b = append(b, '{')
	if content != nil {
		b = append(append(append(b, `"data":`...), content...), ',')
	}
	b = append(append(b, `"meta":`...), m...)
	if e.Revision.Number > 0 {
		r, err := json.Marshal(&e.Revision)
		if err != nil {
			return nil, fmt.Errorf("revision of event %d: %w", e.Seq, err)
		}
		b = append(append(b, `,"revision":`...), r...)
	}
	return append(b, '}'), nil
}

// IsBuiltin reports whether a type is one of the program itself, whose events
// are not told outside.
func IsBuiltin(name string) bool { return slices.Contains(BuiltinTypes, name) }

package model

import (
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// ValidDigest reports whether a text is the digest of a binary: sha256: and 64
// hexadecimal digits.
func ValidDigest(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(h) == 64 && strings.Trim(h, "0123456789abcdef") == ""
}

// Holding is the event with the binaries that its content refers to, also those
// that the program that wrote it did not know to be binaries.
func (t *Type) Holding(e *storage.Event, content []byte) *storage.Event {
	var more []string
	for _, d := range t.Digests(content) {
		if !slices.Contains(e.Binaries, d) {
			more = append(more, d)
		}
	}
	if len(more) == 0 {
		return e
	}
	holding := *e
	holding.Binaries = slices.Concat(e.Binaries, more)
	return &holding
}

// Digests lists the binaries that canonical content refers to.
func (t *Type) Digests(content []byte) []string {
	var out []string
	t.EachBinary(content, func(digest, _ string) {
		if !slices.Contains(out, digest) {
			out = append(out, digest)
		}
	})
	return out
}

// EachBinary tells the digest and the media type of each binary of canonical
// content.
func (t *Type) EachBinary(content []byte, fn func(digest, mediaType string)) {
	if !t.holdsBinaries() || content == nil {
		return
	}
	tree, err := DecodeJSON(content)
	if err != nil {
		return
	}
	_ = t.VisitBinaries(tree, func(_ string, v map[string]any) (any, error) {
		if d, ok := v["digest"].(string); ok && ValidDigest(d) {
			kind, _ := v["content_type"].(string)
			fn(d, kind)
		}
		return v, nil
	})
}

// DigestAt is the digest of the binary at a place of canonical content, or "".
func (t *Type) DigestAt(content []byte, at string) (digest string) {
	tree, err := DecodeJSON(content)
	if err != nil {
		return ""
	}
	_ = t.VisitBinaries(tree, func(place string, v map[string]any) (any, error) {
		if place == at {
			digest, _ = v["digest"].(string)
		}
		return v, nil
	})
	return digest
}

// WholeBinaries makes what a merge patch says of a binary all that is said of
// it: the size of the one before is not that of the new one.
func (t *Type) WholeBinaries(merged, patch any) (any, error) {
	err := t.VisitBinaries(merged, func(at string, v map[string]any) (any, error) {
		said := patch
		pointer, err := jsonpatch.ParsePointer(at)
		if err != nil {
			return v, err
		}
		for _, token := range pointer {
			m, ok := said.(map[string]any)
			if !ok {
				return v, nil // in a list, which a merge patch replaces as a whole
			}
			said = m[token]
		}
		if m, ok := said.(map[string]any); ok && standsForBinary(m) {
			return jsonpatch.Merge(nil, m), nil
		}
		return v, nil
	})
	return merged, err
}

// holdsBinaries reports whether the type has a place for a binary.
func (t *Type) holdsBinaries() bool { return t.places != nil }

// VisitBinaries gives every binary of a document, with its place, to fn, and puts
// what it returns there.
func (t *Type) VisitBinaries(doc any, fn func(at string, v map[string]any) (any, error)) error {
	return t.places.visit(doc, fn)
}

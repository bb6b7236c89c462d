package model

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jsonpatch"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// A property with writeOnly: true is written and never shown: handlers and hooks
// get it. One with readOnly: true is shown and never written by a client: code of
// the application sets it.

// compileMarks finds both and refuses what cannot be kept.
func (t *Type) compileMarks(p *Problems) {
	t.writeOnly, t.readOnly = findMarks(t.tree, "writeOnly"), findMarks(t.tree, "readOnly")
	if t.Secret != "" { // it is sealed instead
		t.writeOnly = nil
	}
	for keyword, k := range map[string]*marks{"writeOnly": t.writeOnly, "readOnly": t.readOnly} {
		switch {
		case k == nil:
		case k.places.start.binary:
			p.Add("/schema", "schema: %s is for properties, not for the whole", keyword)
		case k.inList():
			p.Add("/schema", "schema: %s is for properties, not for the elements of a list; mark the list", keyword)
		}
	}
}

// checkMarks refuses to look for what is never shown.
func (t *Type) checkMarks(p *Problems) {
	if t.writeOnly == nil {
		return
	}
	refuse := func(at, what, path string) {
		if t.writeOnly.at(SplitPath(path)) {
			p.Add(at, "%s: field %q is writeOnly, and a value that is never shown cannot be searched for", what, path)
		}
	}
	for i, path := range t.Index {
		refuse(placeOf("/index", t.indexAt, i), "index", path)
	}
	for i, group := range t.Composite {
		for _, term := range group {
			refuse(placeOf("/index", t.compositeAt, i), "index", strings.TrimPrefix(term, "-"))
		}
	}
	for i, path := range t.FullText {
		refuse(PointerTo("/fulltext", i), "fulltext", path)
	}
	for i, group := range t.Unique {
		for _, path := range group {
			refuse(PointerTo("/unique", i), "unique", path)
		}
	}
	for path := range t.Refs {
		refuse(PointerTo("/refs", path), "refs", path)
	}
	if t.Job != nil && t.Job.ConcurrencyKey != "" {
		refuse("/job/concurrencyKey", "job.concurrencyKey", t.Job.ConcurrencyKey)
	}
	for path := range t.Binaries {
		refuse("/schema", "x-binary", path)
	}
}

// WritesOnly reports whether some of what is written to the type is never shown.
func (t *Type) WritesOnly() bool { return t.writeOnly != nil }

// HasReadOnly reports whether some of the type's content is never set by clients.
func (t *Type) HasReadOnly() bool { return t.readOnly != nil }

// NeverShown reports whether the field at a path is written and never shown.
func (t *Type) NeverShown(path []string) bool { return t.writeOnly.at(path) }

// KeepNulls writes the nulls of a merge patch for what is never shown into the
// document that the patch made.
func (t *Type) KeepNulls(doc, patch any) {
	if t.Secret != "" {
		to, isObject := doc.(map[string]any)
		if said, _ := patch.(map[string]any); isObject && removes(said, t.Secret) {
			to[t.Secret] = nil
		}
	}
	if t.writeOnly != nil {
		t.writeOnly.keepNulls(doc, patch)
	}
}

// removes reports whether a document says null of a property.
func removes(doc map[string]any, name string) bool {
	v, given := doc[name]
	return given && v == nil
}

// RemovesSecret reports whether what is written to a type says that there is to be no
// secret.
func RemovesSecret(t *Type, data any) bool {
	doc, _ := data.(map[string]any)
	return t.Secret != "" && removes(doc, t.Secret)
}

// WithoutReadOnly is a copy of a document without what clients never set.
func (t *Type) WithoutReadOnly(doc any) any { return t.readOnly.without(doc) }

// ReadOnlyChanged is the place of what clients never set and differs; empty: none.
// What has no value before may have the default that is filled in.
func (t *Type) ReadOnlyChanged(before, after any) string {
	return t.readOnly.changed(before, after, t.Defaults(t.WithoutReadOnly(after)))
}

// Conceals reports whether not all of the type's content is shown.
func (t *Type) Conceals() bool { return t.Secret != "" || t.writeOnly != nil }

// Complete keeps what a write leaves out and may not see or set. What a patch
// removed is no such thing: old is the document before, and byClient that the
// data is a whole document of a client.
func (t *Type) Complete(data, old any, byClient bool) {
	if t.writeOnly != nil {
		t.writeOnly.fill(data, old, completing{nulls: true})
	}
	if t.readOnly != nil && byClient {
		t.readOnly.fill(data, old, completing{parents: true})
	}
}

// CarryMarked gives the content of an older revision what is marked in the newest
// state: a switch neither shows nor sets it.
func (t *Type) CarryMarked(content, newest []byte, byClient bool) ([]byte, error) {
	client := t.readOnly != nil && byClient
	if t.writeOnly == nil && !client {
		return content, nil
	}
	doc, err := DecodeJSON(content)
	if err != nil {
		return nil, err
	}
	old, err := DecodeJSON(newest)
	if err != nil {
		return nil, err
	}
	if t.writeOnly != nil {
		t.writeOnly.fill(doc, old, completing{exactly: true})
	}
	if client {
		t.readOnly.fill(doc, old, completing{exactly: true, parents: true})
	}
	out := AppendCanonical(nil, doc)
	if string(out) == string(content) {
		return content, nil
	}
	return out, t.Validate(doc)
}

// Concealed lists the places of content that are not shown, for callers that know
// the event and not the model.
func (t *Type) Concealed(content []byte) []string {
	if t.writeOnly == nil || content == nil {
		return nil
	}
	doc, err := DecodeJSON(content)
	if err != nil {
		return nil
	}
	return t.writeOnly.pointers(doc)
}

// Uncovered is content without the given places.
func Uncovered(content []byte, pointers []string) []byte {
	if len(pointers) == 0 || content == nil {
		return content
	}
	doc, err := DecodeJSON(content)
	if err != nil {
		return []byte("{}")
	}
	for _, p := range pointers {
		names, err := jsonpatch.ParsePointer(p)
		if err != nil {
			return []byte("{}")
		}
		doc = lacking(doc, names)
	}
	return AppendCanonical(nil, doc)
}

// lacking is a copy of a document without the value at one place.
func lacking(v any, names []string) any {
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		if len(names) == 1 {
			delete(out, names[0])
		} else if x, ok := v[names[0]]; ok {
			out[names[0]] = lacking(x, names[1:])
		}
		return out
	case []any:
		if i, err := strconv.Atoi(names[0]); err == nil && i >= 0 && i < len(v) && len(names) > 1 {
			out := slices.Clone(v)
			out[i] = lacking(v[i], names[1:])
			return out
		}
	}
	return v
}

// Rehashed is a revision with the hash of what is shown of it: that of the rest
// would let it be guessed.
func (t *Type) Rehashed(r storage.Revision, shown []byte) storage.Revision {
	if t.writeOnly != nil && shown != nil {
		r.Hash, r.Size = HashOf(shown), len(shown)
	}
	return r
}

// CheckShown refuses a patch, or data, that is kept in a resource of another type and
// shown there.
func (t *Type) CheckShown(field string, doc any, patch bool) error {
	if t.writeOnly == nil {
		return nil
	}
	found := t.writeOnly.pointers(doc)
	if list, ok := doc.([]any); ok && patch {
		for _, op := range list {
			o, _ := op.(map[string]any)
			path, _ := o["path"].(string)
			names, err := jsonpatch.ParsePointer(path)
			if err != nil {
				continue
			}
			found = append(found, t.writeOnly.put(names, o["value"])...)
		}
	}
	if len(found) == 0 {
		return nil
	}
	detail := "sets " + found[0] + ", which is writeOnly and would be shown here"
	return &fault.Error{Code: fault.ValidationFailed, Detail: field + " " + detail, Fields: []fault.FieldError{{Pointer: "/" + field, Detail: detail}}}
}

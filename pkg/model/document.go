package model

import (
	"slices"
	"strings"
	"sync"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/query"
)

// Document is the content of a revision on its way from the request to the index: its
// canonical bytes, its tree, and what the index holds of it, each made at most once. It
// is safe for concurrent use; what it gives must not be changed.
type Document struct {
	// Content is the canonical JSON.
	Content []byte

	typ     *Type
	version string

	mu     sync.Mutex
	tree   any // nil: not read yet, or let go
	values []query.Value
	text   []string
	unfit  []fault.FieldError
	byName map[string]query.Value
}

// NewDocument writes a valid tree of a type, of whose projection the caller asked before.
// The tree belongs to the document from now on.
func NewDocument(t *Type, tree any, p Projection) *Document {
	return &Document{Content: AppendCanonical(make([]byte, 0, 1024), tree), typ: t, version: t.Version,
		tree: tree, values: p.Values, text: p.Text, unfit: p.Unfit}
}

// Projection is what the index holds of a document.
type Projection struct {
	Values []query.Value      // in the order of Definition.Fields
	Text   []string           // of the full-text fields
	Unfit  []fault.FieldError // places that cannot be indexed
}

// Holds reports whether the document is that of these bytes: the same, not equal ones.
func (d *Document) Holds(content []byte) bool {
	return d != nil && len(content) > 0 && len(d.Content) == len(content) && &d.Content[0] == &content[0]
}

// IsOf reports whether the document is of a type as it is now, and of a version of its
// schema.
func (d *Document) IsOf(t *Type, version string) bool {
	return d != nil && d.typ == t && d.version == version && d.version == t.Version
}

// Tree is the content as DecodeJSON reads it.
func (d *Document) Tree() (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tree == nil {
		tree, err := DecodeJSON(d.Content)
		if err != nil {
			return nil, err
		}
		d.tree = tree
	}
	return d.tree, nil
}

// Projection is what the index holds of it.
func (d *Document) Projection() Projection { return Projection{d.values, d.text, d.unfit} }

// Values are the indexed values by path, as ValuesOf reads them.
func (d *Document) Values() map[string]query.Value {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byName == nil {
		d.byName = byName(d.typ, d.values)
	}
	return d.byName
}

// Settle lets the tree go, and the body that its strings are parts of: what remains is
// for the index, which may be long in coming. It is called before others have the
// document.
func (d *Document) Settle() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tree, d.byName = nil, nil
	d.values, d.text = slices.Clone(d.values), slices.Clone(d.text)
	for i, v := range d.values {
		d.values[i] = apart(v)
	}
	for i, s := range d.text {
		d.text[i] = strings.Clone(s)
	}
}

// apart is a value with strings of its own.
func apart(v query.Value) query.Value {
	switch v := v.(type) {
	case string:
		return strings.Clone(v)
	case []query.Value:
		own := slices.Clone(v)
		for i, x := range own {
			own[i] = apart(x)
		}
		return own
	}
	return v
}

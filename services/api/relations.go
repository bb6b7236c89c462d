package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

func diffRevisions(a *API, c call) error {
	p := c.query()
	from, to := p.number("from", 0, 1, 1<<31-1), p.number("to", 0, 1, 1<<31-1)
	if p.err == nil && (from == 0 || to == 0) {
		p.refuse("from and to are the numbers of two revisions")
	}
	if p.err != nil {
		return p.err
	}
	ops, r, err := a.m.Diff(c.r.Context(), c.t.Name, c.id, from, to)
	if err != nil {
		return err
	}
	if done, err := c.unmodified(r.EventID); done || err != nil {
		return err
	}
	c.tag(r.EventID)
	return c.json(http.StatusOK, map[string]any{"operations": ops})
}

func listReferrers(a *API, c call) error {
	p := c.query()
	page, view := p.page(), p.view()
	if err := a.mayAsk(c, p, "read"); err != nil {
		return err
	}
	l, err := a.m.Reads.Referrers(c.r.Context(), c.t.Name, c.id, view, page)
	if err != nil {
		return err
	}
	if !c.match.Holds(l.EventID) { // If-None-Match is not asked: the tag tells of the resource, not of the others
		return errNotMatched
	}
	c.tag(l.EventID)
	return c.items(l.Items, l.NextPageToken)
}

// expand reads the names of the reference fields to expand.
func (p *params) expand(t *model.Type) []string {
	if !p.has("expand") {
		return nil
	}
	var out []string
	for _, item := range p.list("expand") {
		names, err := query.Path(item)
		if err != nil {
			p.refuse("expand: %v", err)
		}
		name := strings.Join(names, ".")
		if slices.Contains(out, name) {
			p.refuse("expand names %q twice", name)
			return nil
		}
		out = append(out, name)
	}
	if err := t.CheckExpand(out); err != nil && p.err == nil {
		p.err = err
	}
	return out
}

// expansion holds the resources that reference fields of an answer's items name.
type expansion struct {
	typ    *model.Type
	fields []string
	found  map[string]map[string]*resource.Resource // type -> id
}

// expand reads what the fields of the items lead to; without fields nothing.
func (a *API) expand(c call, view storage.View, items []*resource.Resource, fields []string) (x *expansion, err error) {
	if fields == nil {
		return nil, nil
	}
	x = &expansion{typ: c.t, fields: slices.Sorted(slices.Values(fields))}
	x.found, err = a.m.Reads.Expand(c.r.Context(), c.t.Name, view, items, fields)
	return x, err
}

// of makes the "expanded" member of an item, by field; nil is none.
func (x *expansion) of(item *resource.Resource) ([]byte, error) {
	if x == nil {
		return nil, nil
	}
	var b bytes.Buffer
	sep := byte('{')
	for _, f := range x.fields {
		b.WriteByte(sep)
		sep = ','
		name, _ := json.Marshal(f) // a string always marshals
		b.Write(name)
		b.WriteByte(':')
		refs, list, err := x.typ.References(item.Data, f)
		if err != nil {
			return nil, err
		}
		if err := appendReferred(&b, refs, list, x.found[x.typ.Refs[f].Type]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// appendReferred writes what a field leads to: an envelope or null, or for a
// list field those that were found.
func appendReferred(b *bytes.Buffer, ids []string, list bool, found map[string]*resource.Resource) error {
	if !list {
		if len(ids) == 0 || found[ids[0]] == nil {
			b.WriteString("null")
			return nil
		}
		return appendEnvelope(b, found[ids[0]], parts{data: true, meta: true}, nil, nil)
	}
	b.WriteByte('[')
	n := 0
	for _, id := range ids {
		if found[id] == nil {
			continue
		}
		if n > 0 {
			b.WriteByte(',')
		}
		n++
		if b.Len() > 2*resource.MaxPageBytes { // a list may name one many times
			return fault.Errorf(fault.TooLarge, "expand: the resources that one item refers to are over %d bytes", 2*resource.MaxPageBytes)
		}
		if err := appendEnvelope(b, found[id], parts{data: true, meta: true}, nil, nil); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sort"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

func (a *API) diff(c call) error {
	p := readQuery(c.r, "from", "to")
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

func (a *API) referrers(c call) error {
	p := readQuery(c.r, "page_size", "page_token")
	page := p.page()
	if p.err != nil {
		return p.err
	}
	l, err := a.m.Referrers(c.r.Context(), c.t.Name, c.id, page)
	if err != nil {
		return err
	}
	if !c.match.Holds(l.EventID) { // If-None-Match is not asked: the tag tells of the resource, not of the others
		return errNotMatched
	}
	c.tag(l.EventID)
	return c.json(http.StatusOK, map[string]any{"items": l.Items, "next_page_token": l.NextPageToken})
}

// expand reads the names of the reference fields to expand.
func (p *params) expand(t *resource.Type) []string {
	if !p.has("expand") {
		return nil
	}
	var out []string
	for _, item := range p.list("expand") {
		names, err := query.Path(item)
		if err != nil {
			p.refuse("expand: %v", err)
		}
		out = append(out, strings.Join(names, "."))
	}
	if err := t.CheckExpand(out); err != nil && p.err == nil {
		p.err = err
	}
	return out
}

// expanded makes the "expanded" member of each item: what its reference fields
// lead to, by field.
func (a *API) expanded(c call, items []*resource.Resource, fields []string) ([][]byte, error) {
	found, err := a.m.Expand(c.r.Context(), c.t.Name, items, fields)
	if err != nil {
		return nil, err
	}
	sort.Strings(fields)
	out := make([][]byte, len(items))
	for i, item := range items {
		var b bytes.Buffer
		sep := byte('{')
		for _, f := range fields {
			b.WriteByte(sep)
			sep = ','
			name, _ := json.Marshal(f) // a string always marshals
			b.Write(name)
			b.WriteByte(':')
			refs, list, err := c.t.References(item.Data, f)
			if err != nil {
				return nil, err
			}
			if err := appendReferred(&b, refs, list, found[c.t.Refs[f].Type]); err != nil {
				return nil, err
			}
		}
		b.WriteByte('}')
		out[i] = b.Bytes()
	}
	return out, nil
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
		if err := appendEnvelope(b, found[id], parts{data: true, meta: true}, nil, nil); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

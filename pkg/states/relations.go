package states

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Referring is a resource that refers to another.
type Referring struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Field string `json:"field"`
}

// ReferringList is a page of referrers, by type, field and id.
type ReferringList struct {
	Items         []Referring
	NextPageToken string
	EventID       string
}

// Referrers lists the live resources that refer to one.
func (rd *Reads) Referrers(ctx context.Context, typ, id string, view storage.View, o PageOptions) (*ReferringList, error) {
	t, err := rd.States.Find(typ, id)
	if err != nil {
		return nil, err
	}
	s, err := rd.States.Head(ctx, Key{typ, id}, false)
	if err != nil {
		return nil, err
	}
	if s, err = rd.Guard.shownState(ctx, t, id, view, s); err != nil {
		return nil, err
	}
	binding := fmt.Sprintf("referrers/%s/%s/%d", typ, id, view)
	at, after := 0, ""
	if o.Token != "" {
		c, err := rd.cursors.Decode(o.Token, binding, nil)
		if err != nil {
			return nil, fault.Errorf(fault.InvalidPageToken, "%v", err)
		}
		place, last, _ := strings.Cut(c.ID, " ")
		at, after = len(place), last // the place is written in strokes
	}
	if err := rd.States.Freshen(ctx, Default, 0); err != nil {
		return nil, err
	}
	fields := slices.DeleteFunc(slices.Clone(ReferrersTo(rd.States.types, typ)), func(r Referrer) bool {
		x := rd.Guard.accessIn(ctx, r.Type, rd.Guard.ViewOn(ctx, r.Type, "list", view))
		return x != nil && (!x.May("list").Allowed || policy.Touches(r.Path, x.EverHidden("list")))
	})
	sort.Slice(fields, func(i, j int) bool {
		return fields[i].Type.Name < fields[j].Type.Name || fields[i].Type.Name == fields[j].Type.Name && fields[i].Path < fields[j].Path
	})
	out := &ReferringList{Items: []Referring{}, EventID: s.Event.ID}
	for ; at < len(fields); at, after = at+1, "" {
		r := fields[at]
		in := rd.Guard.ViewOn(ctx, r.Type, "list", view)
		q := storage.Search{Type: r.Type.Name, View: in, Filter: rd.Guard.narrowIn(ctx, r.Type, in, "list", r.Filter(id, s.Event.Meta.RevisionCount)), Order: rd.States.ByID(r.Type), Limit: o.Limit() - len(out.Items), Bare: true}
		if q.Limit == 0 {
			out.NextPageToken = rd.cursors.Encode(query.Cursor{ID: strings.Repeat("|", at) + " "}, binding)
			return out, nil
		}
		if after != "" {
			q.After = &query.Cursor{Values: []query.Value{after}, ID: after}
		}
		page, err := rd.index.Search(ctx, q)
		if err != nil {
			return nil, StoreError(err)
		}
		ids := []string{}
		for _, row := range page.Rows {
			ids = append(ids, row.ID)
			out.Items = append(out.Items, Referring{r.Type.Name, row.ID, r.Path})
		}
		if len(ids) > 0 {
			if err := rd.Guard.TellRead(ctx, r.Type, "list", ids...); err != nil {
				return nil, err
			}
		}
		if page.Next != nil {
			out.NextPageToken = rd.cursors.Encode(query.Cursor{ID: strings.Repeat("|", at) + " " + page.Next.ID}, binding)
			return out, nil
		}
	}
	return out, nil
}

// maxExpanded bounds how many resources one answer is expanded with.
const maxExpanded = 1000

// Expand reads the resources that the given reference fields of the items lead
// to, each once, with one search for each referred type. What is deleted or
// gone is left out.
func (rd *Reads) Expand(ctx context.Context, typ string, view storage.View, items []*Resource, fields []string) (map[string]map[string]*Resource, error) {
	t, err := rd.States.Type(typ)
	if err != nil {
		return nil, err
	}
	wanted := map[string]map[string]bool{} // type -> ids
	n := 0
	for _, item := range items {
		if item.Problem != nil {
			continue
		}
		values, err := t.ValuesOf(item.Data)
		if err != nil {
			return nil, err
		}
		for _, f := range fields {
			ref, ok := t.Refs[f]
			if !ok {
				return nil, fault.Errorf(fault.InvalidRequest, "expand: %q is no reference of %s", f, typ)
			}
			for _, v := range model.Targets(values[f]) {
				id, _, ok := ref.Target(v)
				if !ok || wanted[ref.Type][id] || n >= maxExpanded {
					continue
				}
				if wanted[ref.Type] == nil {
					wanted[ref.Type] = map[string]bool{}
				}
				wanted[ref.Type][id] = true
				n++
			}
		}
	}
	out := map[string]map[string]*Resource{}
	for name, ids := range wanted {
		if out[name], err = rd.readAll(ctx, name, view, ids); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ReadAll reads live resources of one type by id with one search.
func (rd *Reads) ReadAll(ctx context.Context, typ string, ids map[string]bool) (map[string]*Resource, error) {
	return rd.readAll(ctx, typ, storage.HeadView, ids)
}

// readAll is ReadAll in a view.
func (rd *Reads) readAll(ctx context.Context, typ string, view storage.View, ids map[string]bool) (map[string]*Resource, error) {
	t, err := rd.States.Type(typ)
	if err != nil {
		return nil, err
	}
	view = rd.Guard.ViewOn(ctx, t, "read", view)
	f, _ := t.Definition().QueryFields().Lookup("meta.id")
	in := query.In{Field: f}
	for id := range ids {
		in.Values = append(in.Values, id)
	}
	if err := rd.States.Freshen(ctx, Default, 0); err != nil {
		return nil, err
	}
	page, err := rd.index.Search(ctx, storage.Search{Type: typ, View: view, Filter: rd.Guard.narrowIn(ctx, t, view, "read", in), Order: rd.States.ByID(t), Limit: len(ids), MaxBytes: MaxPageBytes})
	if err != nil {
		return nil, StoreError(err)
	}
	if page.Next != nil {
		return nil, fault.Errorf(fault.TooLarge, "expand: the referenced resources of %s are over %d bytes; ask for a smaller page, or for the %s by themselves", typ, MaxPageBytes, typ)
	}
	items := make([]*Resource, len(page.Rows))
	if err := rd.fill(policy.AsProgram(ctx), t, view, page.Rows, items, false); err != nil {
		return nil, err
	}
	items = rd.Guard.readAgain(ctx, t, view, "read", page.Rows, items)
	if err := rd.Guard.redactAll(ctx, t, view, "read", items); err != nil {
		return nil, err
	}
	if len(items) > 0 {
		if err := rd.Guard.TellRead(ctx, t, "list", idsOf(items)...); err != nil {
			return nil, err
		}
	}
	out := make(map[string]*Resource, len(items))
	for _, r := range items {
		out[r.ID] = r
	}
	return out, nil
}

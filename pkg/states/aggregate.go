package states

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// AggregateOptions of Aggregate. GroupBy names fields, and periods of times like
// month(released, "Europe/Berlin"); OrderBy "count" and items of GroupBy.
type AggregateOptions struct {
	ListOptions
	GroupBy            []string
	Sum, Avg, Min, Max []string
}

// Aggregate is a page of groups; the values of each are in the order of the
// options.
type Aggregate struct {
	Groups        []storage.Group
	NextPageToken string
	IndexSeq      uint64 // the index when it was read
}

// Count counts what List would find; seq is the index when it was read.
func (rd *Reads) Count(ctx context.Context, typ string, o ListOptions) (n int64, seq uint64, err error) {
	o.Page, o.OrderBy = PageOptions{Size: 1}, ""
	a, err := rd.Aggregate(ctx, typ, AggregateOptions{ListOptions: o})
	if err != nil || len(a.Groups) == 0 {
		return 0, 0, err
	}
	return a.Groups[0].Count, a.IndexSeq, nil
}

// Aggregate counts and sums up what List would find, in groups.
func (rd *Reads) Aggregate(ctx context.Context, typ string, o AggregateOptions) (*Aggregate, error) {
	t, err := rd.States.Type(typ)
	if err != nil {
		return nil, err
	}
	a, binding, err := rd.aggregation(ctx, t, o)
	if err != nil {
		return nil, err
	}
	if err := rd.States.Freshen(ctx, o.Consistency, o.MinSeq); err != nil {
		return nil, err
	}
	g, err := WhenBuilt(ctx, o.Consistency, func() (storage.Groups, error) { return rd.index.Aggregate(ctx, a) })
	if err != nil {
		return nil, err
	}
	if err := rd.Guard.TellRead(ctx, t, "list"); err != nil {
		return nil, err
	}
	out := &Aggregate{Groups: g.Groups, IndexSeq: g.Applied}
	for _, x := range out.Groups {
		for i, v := range x.Key {
			if Key, ok := v.(int64); ok && a.Period(i).Zone != nil {
				x.Key[i] = a.Period(i).Text(Key)
			}
		}
	}
	if g.Next != nil {
		out.NextPageToken = rd.cursors.Encode(*g.Next, binding)
	}
	return out, nil
}

// aggregation turns the options into a query of the index, checked against the
// type.
func (rd *Reads) aggregation(ctx context.Context, t *model.Type, o AggregateOptions) (a storage.Aggregation, binding string, err error) {
	list := o.ListOptions
	list.OrderBy, list.Page.Token = "", ""
	s, _, err := rd.Search(ctx, t, list)
	if err != nil {
		return a, "", err
	}
	a = storage.Aggregation{Type: t.Name, View: s.View, Filter: s.Filter, Text: s.Text, Deletion: s.Deletion, Limit: s.Limit}
	fields := rd.Searchable(ctx, t, s.View, "list")
	for _, item := range o.GroupBy {
		f, period, err := query.ParseKey(fields, item)
		if err != nil {
			return a, "", fault.Errorf(fault.InvalidFilter, "group_by: %v", err)
		}
		a.By, a.Per = append(a.By, f), append(a.Per, period)
	}
	for _, x := range []struct {
		parameter string
		names     []string
		to        *[]query.Field
		allowed   func(query.Field) bool
		want      string
	}{
		{"sum", o.Sum, &a.Sum, isNumber, "numbers"}, {"avg", o.Avg, &a.Avg, isNumber, "numbers"},
		{"min", o.Min, &a.Min, isSingle, "fields that are no lists"}, {"max", o.Max, &a.Max, isSingle, "fields that are no lists"},
	} {
		for _, item := range x.names {
			name, err := fieldName(fields, item)
			if err != nil {
				return a, "", fault.Errorf(fault.InvalidFilter, "%s: %v", x.parameter, err)
			}
			f, err := fields.Find(name)
			if err != nil {
				return a, "", fault.Errorf(fault.InvalidFilter, "%s: %v", x.parameter, err)
			}
			if !x.allowed(f) {
				return a, "", fault.Errorf(fault.InvalidFilter, "%s: it takes %s, which %s is not", x.parameter, x.want, name)
			}
			*x.to = append(*x.to, f)
		}
	}
	if len(a.By) > storage.MaxKeys {
		return a, "", fault.Errorf(fault.InvalidFilter, "group_by: it takes at most %d fields", storage.MaxKeys)
	}
	if a.Order, err = groupOrder(o.OrderBy, o.GroupBy); err != nil {
		return a, "", err
	}
	binding = strings.Join([]string{"aggregate", t.Name, t.Definition().Hash, o.Filter, o.OrderBy, o.Text, fmt.Sprint(s.Deletion, s.View),
		fmt.Sprintf("%q %q %q %q %q", o.GroupBy, o.Sum, o.Avg, o.Min, o.Max)}, "\x00")
	if o.Page.Token != "" {
		c, err := rd.cursors.Decode(o.Page.Token, binding, nil)
		if err == nil && len(c.Values) != len(a.Terms()) {
			err = query.ErrOtherCursor
		}
		if err != nil {
			return a, "", fault.Errorf(fault.InvalidPageToken, "%v", err)
		}
		a.After = &c
	}
	return a, binding, nil
}

func isSingle(f query.Field) bool { return !f.List }

func isNumber(f query.Field) bool {
	return !f.List && (f.Kind == query.Integer || f.Kind == query.Number)
}

// fieldName is the field that an item of a list names, in backticks or not.
func fieldName(fields query.Fields, item string) (string, error) {
	if _, ok := fields.Lookup(item); ok {
		return item, nil
	}
	names, err := query.Path(item)
	return strings.Join(names, "."), err
}

// groupOrder reads "count desc, year"; by are the items of group_by.
func groupOrder(src string, by []string) (order []storage.GroupTerm, err error) {
	if strings.TrimSpace(src) == "" {
		return nil, nil
	}
	parts, err := query.List(src)
	if err != nil {
		return nil, fault.Errorf(fault.InvalidFilter, "order_by: %v", err)
	}
	for _, part := range parts {
		name, desc := part, false
		if !slices.Contains(by, part) {
			if short, ok := strings.CutSuffix(part, " desc"); ok {
				name, desc = strings.TrimSpace(short), true
			} else if short, ok := strings.CutSuffix(part, " asc"); ok {
				name = strings.TrimSpace(short)
			}
		}
		t := storage.GroupTerm{Key: slices.IndexFunc(by, func(item string) bool { return sameName(item, name) }), Desc: desc}
		if t.Key < 0 && name != "count" {
			return nil, fault.Errorf(fault.InvalidFilter, "order_by: groups are ordered by count and by the fields of group_by, each with desc for descending order, not by %q", part)
		}
		if slices.ContainsFunc(order, func(o storage.GroupTerm) bool { return o.Key == t.Key }) {
			return nil, fault.Errorf(fault.InvalidFilter, "order_by: %s is named twice", name)
		}
		order = append(order, t)
	}
	return order, nil
}

// sameName reports whether two items of lists name one field.
func sameName(a, b string) bool {
	if a == b {
		return true
	}
	x, err := query.Path(a)
	y, err2 := query.Path(b)
	return err == nil && err2 == nil && slices.Equal(x, y)
}

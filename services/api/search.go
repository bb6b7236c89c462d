package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// deletion says which resources a search sees.
func (p *params) deletion() storage.Deletion {
	switch include, only := p.flag("include_deleted"), p.flag("only_deleted"); {
	case include && only:
		p.refuse("include_deleted and only_deleted exclude each other")
	case include:
		return storage.LiveAndDeleted
	case only:
		return storage.OnlyDeleted
	}
	return storage.Live
}

// searchResources is list with its parameters in the body, which may be longer than a
// request line.
func searchResources(a *API, c call) error {
	body, err := readObject(c.w, c.r, openapi.Operation{Parameters: searchParameters}.QueryNames()...)
	if err != nil {
		return err
	}
	p := &params{values: url.Values{}}
	for name, v := range body {
		text, err := bodyParameter(name, v)
		if err != nil {
			return err
		}
		p.values.Set(name, text)
	}
	return a.listed(c, p)
}

// bodyParameter is a member of the body as it is written in a query.
func bodyParameter(name string, v any) (string, error) {
	switch name {
	case "include_deleted", "only_deleted", "total":
		if b, ok := v.(bool); ok {
			return strconv.FormatBool(b), nil
		}
		return "", invalid("/"+name, "must be true or false")
	case "page_size", "min_seq":
		if n, ok := v.(int64); ok {
			return strconv.FormatInt(n, 10), nil
		}
		return "", invalid("/"+name, "must be an integer")
	case "returns", "fields", "expand":
		if list, ok := v.([]any); ok {
			parts := make([]string, len(list))
			for i, x := range list {
				s, ok := x.(string)
				if items, err := query.List(s); !ok || err != nil || len(items) != 1 {
					return "", invalid(fmt.Sprintf("/%s/%d", name, i), "must be a name")
				}
				parts[i] = s
			}
			return strings.Join(parts, ","), nil
		}
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	return "", invalid("/"+name, "must be a string")
}

// filtered reads what counts and aggregates have in common with lists.
func (p *params) filtered() resource.ListOptions {
	o := resource.ListOptions{Filter: p.text("filter"), Text: p.text("q"), Deletion: p.deletion(), Consistency: p.consistency(), MinSeq: p.seq("min_seq")}
	o.View = p.viewOf(o.Deletion != storage.Live)
	if !validText(o.Filter) || !validText(o.Text) {
		p.refuse("the query is not UTF-8")
	}
	return o
}

func countResources(a *API, c call) error {
	p := c.query()
	o := p.filtered()
	if err := a.mayAsk(c, p, "list"); err != nil {
		return err
	}
	if err := c.untagged(); err != nil {
		return err
	}
	n, seq, err := a.m.Count(c.r.Context(), c.t.Name, o)
	if err != nil {
		return err
	}
	c.w.Header().Set("Autocrud-Index-Seq", strconv.FormatUint(seq, 10))
	return c.json(http.StatusOK, map[string]int64{"count": n})
}

func aggregateResources(a *API, c call) error {
	p := c.query()
	o := resource.AggregateOptions{ListOptions: p.filtered(), GroupBy: p.names("group_by"),
		Sum: p.names("sum"), Avg: p.names("avg"), Min: p.names("min"), Max: p.names("max")}
	o.OrderBy, o.Page = p.text("order_by"), p.page()
	if !validText(o.OrderBy) {
		p.refuse("order_by is not UTF-8")
	}
	if p.has("count") && p.text("count") != "*" {
		p.refuse("count is *, not %q; it counts resources", p.text("count"))
	}
	if err := a.mayAsk(c, p, "list"); err != nil {
		return err
	}
	if err := c.untagged(); err != nil {
		return err
	}
	g, err := a.m.Aggregate(c.r.Context(), c.t.Name, o)
	if err != nil {
		return err
	}
	groups := make([]group, len(g.Groups))
	for i, x := range g.Groups {
		groups[i] = group{Key: named(o.GroupBy, x.Key), Count: x.Count, Sum: named(o.Sum, x.Sum), Avg: named(o.Avg, x.Avg),
			Min: named(o.Min, x.Min), Max: named(o.Max, x.Max)}
		if groups[i].Key == nil {
			groups[i].Key = map[string]any{}
		}
	}
	c.w.Header().Set("Autocrud-Index-Seq", strconv.FormatUint(g.IndexSeq, 10))
	return c.json(http.StatusOK, map[string]any{"groups": groups, "next_page_token": g.NextPageToken})
}

// group is one group of an answer. Sums beyond int64 are numbers too.
type group struct {
	Key   map[string]any `json:"key"`
	Count int64          `json:"count"`
	Sum   map[string]any `json:"sum,omitempty"`
	Avg   map[string]any `json:"avg,omitempty"`
	Min   map[string]any `json:"min,omitempty"`
	Max   map[string]any `json:"max,omitempty"`
}

func named(names []string, values []query.Value) map[string]any {
	if len(names) == 0 {
		return nil
	}
	out := make(map[string]any, len(names))
	for i, n := range names {
		if path, err := query.Path(n); err == nil {
			n = strings.Join(path, ".") // without backticks
		}
		out[n] = values[i]
	}
	return out
}

// maxNames is how many fields a parameter names.
const maxNames = 1000

// names reads a list of fields.
func (p *params) names(name string) []string {
	if !p.has(name) {
		return nil
	}
	out := p.list(name)
	for i := range out {
		if out[i] == "" || slices.Contains(out[:i], out[i]) {
			p.refuse("%s is a list of different fields, separated by commas", name)
		}
	}
	return out
}

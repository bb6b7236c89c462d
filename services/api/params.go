package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// params reads the query of a request. The first error sticks; nothing that was
// sent and is not asked for passes.
type params struct {
	values url.Values
	err    error
	read   func(name string) // is told of each name that is read; nil: nothing is
}

// query reads the parameters of the operation that was asked for: those that its
// row has, and which the document lists. No others may be in a request.
func (c call) query() *params {
	p := readQuery(c.r, c.op.names...)
	p.read = c.op.read
	return p
}

// header is what a request says in a header that the row of its operation has. A
// handler reads no other: one that the document does not list has no effect.
func (c call) header(name string) []string {
	if c.op.read != nil {
		c.op.read(name)
	}
	return c.declared(name)
}

// declared is header for the router, which reads some headers for every row that
// has them.
func (c call) declared(name string) []string {
	if !slices.Contains(c.op.headers, name) {
		return nil
	}
	return c.r.Header.Values(name)
}

// first is the only value of a header that is given once, or the first.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// unasked refuses a query where the operation has no parameters.
func (c call) unasked() error {
	if c.r.URL.RawQuery == "" || c.op.anyQuery || len(c.op.names) > 0 {
		return nil
	}
	return c.query().err
}

// readQuery parses the request's query; only the allowed names may be in it, each
// once.
func readQuery(r *http.Request, allowed ...string) *params {
	p := &params{}
	if r.URL.RawQuery == "" {
		return p
	}
	var err error
	if p.values, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		p.refuse("the query string cannot be read: %v", err)
		return p
	}
	for name, v := range p.values {
		switch {
		case !slices.Contains(allowed, name):
			if len(allowed) == 0 {
				p.refuse("unknown parameter %q; this request takes none", name)
			} else {
				p.refuse("unknown parameter %q; this request takes %s", name, strings.Join(allowed, ", "))
			}
		case len(v) > 1:
			p.refuse("parameter %q is given %d times", name, len(v))
		}
	}
	return p
}

func (p *params) refuse(format string, args ...any) {
	if p.err == nil {
		p.err = fault.Errorf(fault.InvalidRequest, format, args...)
	}
}

func (p *params) has(name string) bool {
	p.note(name)
	return p.values.Has(name)
}

func (p *params) text(name string) string {
	p.note(name)
	return p.values.Get(name)
}

func (p *params) note(name string) {
	if p.read != nil {
		p.read(name)
	}
}

func (p *params) flag(name string) bool {
	switch v := p.text(name); {
	case !p.has(name), v == "false":
		return false
	case v == "true":
		return true
	default:
		p.refuse("%s is true or false, not %q", name, v)
		return false
	}
}

// number reads an integer from low to high, or def when it is not given.
func (p *params) number(name string, def, low, high int) int {
	if !p.has(name) {
		return def
	}
	n, err := strconv.Atoi(p.text(name))
	if err != nil || n < low || n > high {
		if high >= 1<<31-1 {
			p.refuse("%s is a number from %d on, not %q", name, low, p.text(name))
		} else {
			p.refuse("%s is a number from %d to %d, not %q", name, low, high, p.text(name))
		}
		return def
	}
	return n
}

func (p *params) seq(name string) uint64 {
	if !p.has(name) {
		return 0
	}
	n, err := strconv.ParseUint(p.text(name), 10, 63)
	if err != nil {
		p.refuse("%s is a sequence, a number from 0 on, not %q", name, p.text(name))
	}
	return n
}

func (p *params) time(name string) time.Time {
	if !p.has(name) {
		return time.Time{}
	}
	t, err := model.ParseTime(p.text(name))
	if err != nil {
		p.refuse("%s is an RFC 3339 time like 2026-01-31T12:00:00Z, not %q", name, p.text(name))
	}
	return t
}

func (p *params) status() storage.Status {
	switch v := storage.Status(p.text("status")); {
	case !p.has("status"):
		return ""
	case v == storage.Draft || v == storage.Stable:
		return v
	default:
		p.refuse("status is draft or stable, not %q", v)
		return ""
	}
}

// view reads in which view something is asked for.
func (p *params) view() storage.View {
	switch v := p.text("view"); {
	case !p.has("view"), v == "head":
		return storage.HeadView
	case v == "published":
		return storage.PublishedView
	default:
		p.refuse("view is head or published, not %q", v)
		return storage.HeadView
	}
}

// mayAsk refuses parameters that were wrong, and the view of HEAD, asked for by name, to
// a caller that is shown no more than what is published.
func (a *API) mayAsk(c call, p *params, action string) error {
	if p.err != nil || c.t == nil || p.text("view") != "head" {
		return p.err
	}
	return a.m.Guard.May(c.r.Context(), c.t, action)
}

// viewOf is view where deleted resources may be asked for too, which are not published.
func (p *params) viewOf(deleted bool) storage.View {
	view := p.view()
	if view == storage.PublishedView && deleted {
		p.refuse("deleted resources are not published, so that view=published shows none")
	}
	return view
}

func (p *params) message() string {
	m := p.text("message")
	if len(m) > 1000 || strings.ContainsRune(m, 0) || !validText(m) {
		p.refuse("message is UTF-8 text of at most 1000 bytes")
	}
	return m
}

func validText(s string) bool { return strings.ToValidUTF8(s, "") == s }

func (p *params) consistency() resource.Consistency {
	switch v := p.text("consistency"); {
	case !p.has("consistency"):
		return resource.Default
	case v == "strong":
		return resource.Strong
	case v == "eventual":
		return resource.Eventual
	default:
		p.refuse("consistency is strong or eventual, not %q", v)
		return resource.Default
	}
}

// page reads where a list goes on; an empty token, as the last page has, begins.
func (p *params) page() resource.PageOptions {
	o := resource.PageOptions{Token: p.text("page_token"), Size: p.number("page_size", 0, 1, 1<<31-1)}
	if len(o.Token) > query.MaxToken {
		p.refuse("page_token is longer than any that was given out")
	}
	return o
}

// parts of the envelope.
type parts struct{ data, meta, revision bool }

func (p *params) returns(def parts) parts {
	if !p.has("returns") {
		return def
	}
	var out parts
	for _, name := range strings.Split(p.text("returns"), ",") {
		switch strings.TrimSpace(name) {
		case "data":
			out.data = true
		case "meta":
			out.meta = true
		case "revision":
			out.revision = true
		default:
			p.refuse("returns is a list of data, meta and revision, not %q", p.text("returns"))
		}
	}
	return out
}

// fields is the projection: dotted paths of the data.
func (p *params) fields(t *model.Type) projection {
	if !p.has("fields") {
		return nil
	}
	out := projection{}
	for _, item := range p.list("fields") {
		names, err := query.Path(item)
		if err != nil {
			p.refuse("fields: %v", err)
			return nil
		}
		if !t.HasNames(names) {
			p.refuse("fields: %s has no field %q", t.Name, item)
			return nil
		}
		out.add(names)
	}
	return out
}

// list reads a list of names, which may be in backticks.
func (p *params) list(name string) []string {
	items, err := query.List(p.text(name))
	if err != nil {
		p.refuse("%s: %v", name, err)
	}
	if len(items) > maxNames {
		p.refuse("%s takes at most %d fields, not %d", name, maxNames, len(items))
		return nil
	}
	return items
}

// projection is a tree of the wanted properties; an empty one wants all below.
type projection map[string]projection

func (p projection) add(path []string) {
	next, ok := p[path[0]]
	switch {
	case ok && len(next) == 0:
		return // all of it is wanted already
	case len(path) == 1:
		p[path[0]] = projection{}
		return
	case !ok:
		next = projection{}
		p[path[0]] = next
	}
	next.add(path[1:])
}

// apply keeps what is wanted of a document.
func (p projection) apply(v any) any {
	if len(p) == 0 {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(p))
		for name, below := range p {
			if x, ok := v[name]; ok {
				out[name] = below.apply(x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = p.apply(x)
		}
		return out
	}
	return v
}

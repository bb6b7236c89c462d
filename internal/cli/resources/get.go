package resources

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/autocrud-go/autocrud/internal/cli/remote"
	"github.com/autocrud-go/autocrud/internal/cli/show"
)

// Get reads resources.
type Get struct {
	Connection
	Output
	Targets  []string `arg:"" name:"type" complete:"resource" help:"TYPE for a list, TYPE ID... or TYPE/ID... for resources."`
	Filter   string   `complete:"filter" help:"Only resources that match, as in filter= of a list."`
	Order    string   `aliases:"order-by" complete:"order" help:"Fields to order by: year desc, title."`
	Q        string   `help:"Words to search for."`
	View     string   `enum:",head,published" default:"" help:"What is shown of each: head, its newest state, or published. Without it what the credential is shown."`
	Columns  []string `complete:"field" help:"Columns of the table: fields, meta.updated_at, or NAME:FIELD."`
	Limit    int      `help:"At most so many."`
	Deleted  bool     `help:"Deleted ones too."`
	AsOf     string   `name:"as-of" help:"As it was at an instant (RFC 3339); with an id."`
	Revision int      `help:"A revision by its number; with an id."`
	Watch    bool     `short:"w" help:"Then go on with every change, until interrupted."`
}

// Run lists or reads.
func (c *Get) Run(e *Env) error {
	if _, err := c.path(); err != nil {
		return err
	}
	which, err := targets(c.Targets)
	if err != nil {
		return err
	}
	s, err := c.Server()
	if err != nil {
		return err
	}
	if which[0].id == "" {
		return c.list(e, s, which[0].typ)
	}
	if c.Filter+c.Order+c.Q != "" || c.Limit != 0 {
		return usage("--filter, --order, --q and --limit are for lists; this names a resource")
	}
	if c.Watch && len(which) > 1 {
		return usage("--watch follows a type or one resource")
	}
	return c.read(e, s, which)
}

func (c *Get) viewed(q url.Values) url.Values {
	if c.View != "" {
		q.Set("view", c.View)
	}
	if c.Deleted {
		q.Set("include_deleted", "true")
	}
	return q
}

func (c *Get) read(e *Env, s remote.Server, which []target) error {
	columns, err := c.shown(e, s, which[0].typ)
	if err != nil {
		return err
	}
	l := newList(e.Out, &c.Output, columns, terminalWidth(e.Out))
	last := ""
	var items []json.RawMessage
	for _, t := range which {
		q := c.viewed(url.Values{})
		if c.AsOf != "" {
			q.Set("as_of", c.AsOf)
		}
		if c.Revision != 0 {
			q.Set("revision", strconv.Itoa(c.Revision))
		}
		a, err := s.Do(e.Ctx, remote.Request{Path: t.path(), Query: q})
		if err != nil {
			return err
		}
		if len(which) == 1 {
			if written, err := c.document(e.Out, a.Body); err != nil || written && !c.Watch {
				return err
			} else if written {
				return c.follow(e, s, t.path()+":watch", seqOf(a.Body), nil)
			}
		}
		last = seqOf(a.Body)
		items = append(items, a.Body)
	}
	if err := l.page(items); err != nil {
		return err
	}
	if err := l.finish(e.Err, ""); err != nil || !c.Watch {
		return err
	}
	return c.follow(e, s, which[0].path()+":watch", last, l)
}

func seqOf(doc []byte) string {
	var x envelope
	_ = json.Unmarshal(doc, &x) // it was read before
	return strconv.FormatUint(x.Meta.Seq, 10)
}

// shown are the columns of the table.
func (c *Get) shown(e *Env, s remote.Server, typ string) ([]string, error) {
	if c.Output.Output != "table" || len(c.Columns) > 0 {
		return c.Columns, nil
	}
	t, err := typeOf(e, s, typ)
	if remote.Code(err) == "permission_denied" || remote.Code(err) == "not_found" {
		return []string{"meta.id", "meta.status", "age:meta.updated_at"}, nil // the list will say
	}
	return t.columns(), err
}

func (c *Get) list(e *Env, s remote.Server, typ string) error {
	if c.AsOf != "" || c.Revision != 0 {
		return usage("--as-of and --revision need an id")
	}
	columns, err := c.shown(e, s, typ)
	if err != nil {
		return err
	}
	q := c.viewed(url.Values{"page_size": {"1000"}})
	for name, value := range map[string]string{"filter": c.Filter, "order_by": c.Order, "q": c.Q} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if c.Limit > 0 && c.Limit < 1000 {
		q.Set("page_size", strconv.Itoa(c.Limit))
	}
	l, left, since := newList(e.Out, &c.Output, columns, terminalWidth(e.Out)), c.Limit, ""
	err = each(e, s, typePath(typ), q, func(items []json.RawMessage, a *remote.Answer) error {
		if since == "" {
			since = a.Header.Get("Autocrud-Index-Seq")
		}
		if c.Limit > 0 && len(items) >= left {
			if err := l.page(items[:left]); err != nil {
				return err
			}
			return remote.ErrStop
		}
		left -= len(items)
		return l.page(items)
	})
	if err != nil {
		return err
	}
	if err := l.finish(e.Err, typ); err != nil || !c.Watch {
		return err
	}
	return c.follow(e, s, typePath(typ)+":watch", since, l)
}

// follow goes on with the events after a sequence.
func (c *Get) follow(e *Env, s remote.Server, path, since string, l *list) error {
	q := url.Values{"from_seq": {since}}
	if c.Filter != "" {
		q.Set("filter", c.Filter)
	}
	if c.View != "" {
		q.Set("view", c.View)
	}
	return followed(e, s, path, q, func(ev remote.Event) error {
		if l == nil || c.Output.Output != "table" {
			return writeEvent(e, &c.Output, ev)
		}
		item, err := l.changed(ev)
		if err != nil {
			return err
		}
		return l.rows([]json.RawMessage{item})
	})
}

// changed is the item of an event. What left says so where its status stands.
func (l *list) changed(ev remote.Event) (json.RawMessage, error) {
	if ev.Name != "deleted" && ev.Name != "purged" && ev.Name != "left" {
		return ev.Data, nil
	}
	var tree map[string]any
	if err := json.Unmarshal(ev.Data, &tree); err != nil {
		return nil, err
	}
	if m, ok := tree["meta"].(map[string]any); ok {
		m["status"] = ev.Name
	}
	return json.Marshal(tree)
}

// Types lists the types of the server.
type Types struct {
	Connection
	Output
	All bool `help:"The built-in ones too."`
}

// Run writes the list.
func (c *Types) Run(e *Env) error {
	if _, err := c.path(); err != nil {
		return err
	}
	s, err := c.Server()
	if err != nil {
		return err
	}
	a, err := s.Do(e.Ctx, remote.Request{Path: "/v1/types"})
	if err != nil {
		return err
	}
	var page struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := a.Into(&page); err != nil {
		return err
	}
	var rows [][]string
	var kept []json.RawMessage
	for _, item := range page.Items {
		var t served
		if err := json.Unmarshal(item, &t); err != nil {
			return err
		}
		if !c.All && IsBuiltin(t.Name) {
			continue
		}
		kept = append(kept, item)
		kind := "type"
		if t.Job != nil {
			kind = "job"
		}
		rows = append(rows, []string{t.Name, t.Title, kind, strings.Join(t.fields(), ", ")})
	}
	if c.Output.Output == "name" {
		for _, r := range rows {
			if _, err := e.Out.Write([]byte(r[0] + "\n")); err != nil {
				return err
			}
		}
		return nil
	}
	doc, err := json.Marshal(map[string]any{"items": kept})
	if err != nil {
		return err
	}
	if written, err := c.document(e.Out, doc); written || err != nil {
		return err
	}
	table := show.Table{Width: terminalWidth(e.Out), Columns: []show.Column{{Name: "type", Whole: true}, {Name: "title"}, {Name: "kind"}, {Name: "fields"}}}
	return table.Write(e.Out, rows)
}

// builtin are the types of the program itself.
var builtin = []string{"api-keys", "bindings", "bulk-jobs", "queue-settings", "roles", "schedules", "users", "webhooks"}

// IsBuiltin tells whether a type is one of the program itself, by its name.
func IsBuiltin(name string) bool { return slices.Contains(builtin, name) }

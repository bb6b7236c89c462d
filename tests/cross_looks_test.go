package tests_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// look is an operation that reads resources.
type look struct {
	right   string // that it needs
	wide    bool   // it answers with many: what may not be seen is left out
	wire    wire
	stream  bool // its answer goes on
	command bool // it is a command of the program
	asks    bool // it takes a filter
	shows   bool // it answers with content
	partly  bool // a part of it
	deleted bool // it answers for what is deleted too
	hook    bool // its answer is what a webhook is told
	of      string
	arrange func(c *cell, id string, before content)
	// tells finds in an answer what it says of a resource with a name.
	tells func(o effect, id, name string) bool
}

func tellsName(o effect, _, name string) bool { return o.code == "" && strings.Contains(o.body, name) }

func tellsID(o effect, id, _ string) bool { return o.code == "" && strings.Contains(o.body, id) }

func answered(o effect, _, _ string) bool { return o.code == "" }

func counted(o effect, _, _ string) bool {
	return o.code == "" && strings.Contains(o.body, `"count":1`)
}

// isThere creates what is looked at.
func isThere(c *cell, id string, before content) { c.create(id, before) }

// hasTwo creates it with two revisions, of which the newer is the one said.
func hasTwo(c *cell, id string, before content) {
	c.create(id, before.and("name", c.w.marker()))
	c.put(id, before)
}

func filtered(id string) string { return "filter=" + url.QueryEscape(fmt.Sprintf("meta.id = %q", id)) }

// looks are the operations that read resources of a kind.
func (k *kind) looks() (rows []*operation) {
	add := func(name, of string, l look) {
		if l.arrange == nil {
			l.arrange = isThere
		}
		if l.tells == nil {
			l.tells = tellsName
		}
		if l.wire.method == "" {
			l.wire.method = "GET"
		}
		rows = append(rows, &operation{name: k.name + " " + name, kind: k, of: []string{k.name + "." + of}, form: form{look: &l}})
	}
	row := func(suffix string) wire { return wire{path: onResource(suffix)} }
	ask := func(suffix, more string) wire {
		return wire{path: func(typ, id string) string { return "/v1/" + typ + suffix + "?" + filtered(id) + more }}
	}
	add("GET one", "read", look{right: "read", shows: true, wire: row("")})
	add("GET a revision of one", "read", look{right: "read", shows: true, wire: row("?revision=1")})
	add("GET what is stable of one", "read", look{right: "read", shows: true, wire: row("?status=stable"), arrange: func(c *cell, id string, before content) { isStable(c, id, before, nil) }})
	add("GET revisions", "revisions", look{right: "read", deleted: true, wire: row("/revisions"), tells: tellsID})
	add("GET revision 1", "revision", look{right: "read", deleted: true, shows: true, wire: row("/revisions/1")})
	add("GET history", "history", look{right: "read", deleted: true, wire: row("/history"), tells: tellsID})
	add(":diff", "diff", look{right: "read", deleted: true, shows: true, partly: true, wire: row(":diff?from=1&to=2"), arrange: hasTwo})
	add("GET referrers", "referrers", look{right: "read", deleted: true, wire: row("/referrers"), tells: answered})
	add("GET list", "list", look{right: "list", wide: true, asks: true, shows: true, wire: ask("", "")})
	add("GET list q=", "list", look{right: "list", wide: true, asks: true, shows: true, wire: ask("", "&include_deleted=true"), deleted: true})
	add(":search", "search", look{right: "list", wide: true, asks: true, shows: true, wire: wire{method: "POST", path: onType(":search"),
		body: func(_ *kind, _, id string, _ content) any {
			return map[string]any{"filter": fmt.Sprintf("meta.id = %q", id)}
		}}})
	add(":count", "count", look{right: "list", wide: true, asks: true, wire: ask(":count", ""), tells: counted})
	if k.groups != "" {
		add(":aggregate", "aggregate", look{right: "list", wide: true, asks: true, wire: ask(":aggregate", "&group_by="+k.groups), tells: counted})
	} else {
		add(":aggregate", "aggregate", look{right: "list", wide: true, asks: true, wire: ask(":aggregate", ""), tells: counted})
	}
	if !k.builtin {
		add(":preview", "preview", look{right: "read", partly: true, wire: wire{method: "POST", path: onResource(":preview"), body: withNothing}, tells: answered})
	}
	add(":watch", "watch", look{right: "watch", wide: true, shows: true, stream: true, wire: wire{path: onType(":watch")}})
	add(":watch of one", "watch_one", look{right: "watch", shows: true, stream: true, wire: row(":watch")})
	if k.job {
		add("GET logs", "logs", look{right: "read", wire: row("/logs"), tells: answered})
	}
	if k.lack("binaries") == "" {
		hasBinary := func(c *cell, id string, before content) {
			c.digest = c.w.admin.Post(c, "/v1/blobs", before["name"], apitest.Header("Content-Type", "text/plain")).Want(c, 201).Text("/digest")
			c.create(id, before.and("file", c.digest))
		}
		add("GET a binary", "blob", look{right: "read", shows: true, partly: true, wire: row("/blobs/"), arrange: hasBinary})
		add(":sign a binary", "sign", look{right: "read", partly: true, wire: wire{method: "POST", path: onResource("/blobs/:sign"), body: withNothing}, arrange: hasBinary, tells: answered})
	}
	if k.lack("refs") == "" {
		add("GET one with expand", "read", look{right: "read", wide: true, shows: true, arrange: func(c *cell, id string, before content) {
			c.create(id, before)
			c.create(id+"r", content{"may": id})
		}, wire: wire{path: func(typ, id string) string { return "/v1/" + typ + "/" + id + "r?expand=may" }}})
		add("GET referrers of another", "referrers", look{right: "read", wide: true, arrange: func(c *cell, id string, before content) {
			c.create(id+"t", nil)
			c.create(id, before.and("may", id+"t"))
		}, wire: wire{path: func(typ, id string) string { return "/v1/" + typ + "/" + id + "t/referrers" }}, tells: tellsItem})
	}
	if !k.builtin {
		all := look{right: "watch", wide: true, shows: true, stream: true, of: "watch", arrange: isThere, tells: tellsName, wire: wire{method: "GET", path: func(string, string) string { return "/v1:watch" }}}
		rows = append(rows, k.deliveries(), &operation{name: k.name + " /v1:watch", kind: k, of: []string{"watch"}, form: form{look: &all}})
	}
	export := look{right: "list", wide: true, shows: true, command: true, arrange: isThere, tells: tellsName}
	return append(rows, &operation{name: k.name + " export", kind: k, of: []string{"command export"}, form: form{look: &export}})
}

// tellsItem finds a resource among those that are listed.
func tellsItem(o effect, id, _ string) bool {
	return o.code == "" && strings.Contains(o.body, `"`+id+`"`)
}

// looksWith asks for a look.
func (c *cell) looksWith(by *caller, id string, q twist) effect {
	c.Helper()
	l := c.op.look
	switch {
	case l.hook:
		return c.delivered(by, q)
	case l.command:
		r := apitest.Run(c, "", "export", firstOf(q.typ, c.op.kind.name), "-", "--url", by.URL, "--token", by.token)
		if r.Code != 0 {
			return effect{code: refusedRow, body: r.Stderr}
		}
		return effect{body: r.Stdout}
	case l.stream && q.method == "" && q.query == "":
		return c.watches(by, id, q)
	}
	r := c.send(by.Client, id, nil, q)
	if r.Status >= 500 {
		c.Errorf("%s: %d %s", r.What, r.Status, r.Body)
	}
	return plain(r)
}

// watches reads a watch from where the cell began until something that the caller
// may see.
func (c *cell) watches(by *caller, id string, q twist) effect {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
	defer cancel()
	path := c.op.look.wire.path(firstOf(q.typ, c.op.kind.name), id) + fmt.Sprintf("?from_seq=%d", c.from)
	w, r, err := by.Watch(ctx, path, headers(q.header...)...)
	if err != nil {
		c.Fatal(err)
	}
	if w == nil {
		return plain(r)
	}
	defer w.Close()
	end := c.w.marker()
	switch {
	case by.URL == c.w.other.URL:
		c.w.other.Post(c, "/v1/"+c.op.kind.name, c.op.kind.doc(content{"name": end})).Want(c, 201)
	case c.op.look.wide:
		c.create(c.w.fresh("x"), content{"name": end})
	default:
		c.put(id, c.named(nil).and("name", end))
	}
	o := effect{header: r.Header}
	for {
		e, err := w.Next()
		if err != nil {
			c.Fatal(err)
		}
		if strings.Contains(e.Raw, end) {
			return o
		}
		o.body += e.Raw + "\n"
	}
}

// looksAt wants an answer to tell of a resource, or not to.
func (c *cell) looksAt(by *caller, id, name string, tells bool) {
	c.Helper()
	o := c.askWith(by, id, nil, twist{})
	if got := c.op.look.tells(o, id, name); got != tells {
		c.Errorf("as %s it tells of the resource: %t, want %t: %s\n%.600s", by.name, got, tells, o, o.body)
	}
}

// absent wants an answer that says nothing of a resource, as if it were not there.
func (c *cell) absent(by *caller, id, name string) {
	c.Helper()
	o := c.askWith(by, id, nil, twist{})
	if c.op.look.tells(o, id, name) {
		c.Errorf("as %s it tells of it: %.600s", by.name, o.body)
	}
	if want := "not_found"; !c.op.look.wide && o.code != want {
		c.Errorf("as %s: %s, want %s", by.name, o, want)
	} else if c.op.look.wide && o.code != "" {
		c.Errorf("as %s: %s, want it answered without the resource", by.name, o)
	}
	c.silent(o, name)
}

// seen prepares a resource to look at and remembers where the log was.
func (c *cell) seen(with content) (id, name string) {
	c.Helper()
	c.from = c.w.admin.LogSeq(c, c.op.kind.name)
	name = c.w.marker()
	id, _, _ = c.prepare(with.and("name", name), nil)
	return id, name
}

// asksOnly leaves out looks that are not so.
func looksOnly(so func(*look) bool, reason string) func(*operation) string {
	return func(o *operation) string {
		if o.look != nil && !so(o.look) {
			return reason
		}
		return ""
	}
}

// lookers add the judges of looks to the promises they are about.
func lookers(all []*promise) {
	request := both(looksOnly(func(l *look) bool { return !l.command }, "a command asks as its requests do"),
		looksOnly(func(l *look) bool { return !l.hook }, "its webhook is made by requests that have rows"))
	limited := func(by string, judge func(*cell)) func(*cell) {
		return func(c *cell) {
			if c.op.look.hook {
				c.limitedOwner(c.by(by))
				return
			}
			judge(c)
		}
	}
	set := func(name string, judge func(*cell), why ...func(*operation) string) {
		i := slices.IndexFunc(all, func(p *promise) bool { return p.name == name })
		p := all[i]
		p.look = judge
		if p.why != nil {
			why = append(why, p.why)
		}
		p.why = both(why...)
	}
	refused := func(by string, code string) func(*cell) {
		return func(c *cell) {
			id, name := c.seen(nil)
			o := c.askWith(c.by(by), id, nil, twist{})
			if o.code != code && o.code != refusedRow {
				c.Errorf("as %s: %s, want %s", by, o, code)
			}
			c.silent(o, name)
		}
	}
	everywhere := looksOnly(func(l *look) bool { return l.of != "watch" }, "it shows each caller what it may see, of any type")
	set("no credential is 401", refused("nobody", "unauthenticated"), request)
	set("no rule is 403", refused("stranger", "permission_denied"), everywhere)
	set("a scope limits a key", refused("makers", "permission_denied"), everywhere)
	set("a row that may not be seen is as absent", limited("rows", func(c *cell) {
		id, name := c.seen(content{"veiled": true})
		c.absent(c.by("rows"), id, name)
		id, name = c.seen(nil)
		c.looksAt(c.by("rows"), id, name, true)
	}))
	set("a row that may be seen and not written is 403", limited("rows", func(c *cell) {
		id, name := c.seen(content{"closed": true})
		c.looksAt(c.by("rows"), id, name, true)
	}))
	set("a hidden field is neither told nor written", limited("hides", func(c *cell) {
		text := c.w.marker()
		id, _ := c.seen(content{"hidden": text})
		o := c.askWith(c.by("hides"), id, nil, twist{})
		if o.code != "" {
			c.Errorf("as hides: %s, want it answered", o)
		}
		c.silent(o, text)
		if c.op.look.asks && c.op.kind.lack("asked") == "" {
			q := twist{query: "order_by=hidden"}
			if c.op.look.wire.body != nil {
				q = twist{edit: func(body any) { body.(map[string]any)["order_by"] = "hidden" }}
			}
			if strings.HasSuffix(c.op.name, ":count") || strings.HasSuffix(c.op.name, ":aggregate") {
				q = twist{query: "q=x"} // has no order
				c.askWith(c.by("hides"), id, nil, q)
				return
			}
			if o := c.askWith(c.by("hides"), id, nil, q); o.code != "invalid_filter" {
				c.Errorf("sorted by a hidden field: %s, want invalid_filter", o)
			}
		}
	}))
	set("a readonly field is not written", func(c *cell) {
		text := c.w.marker()
		id, _ := c.seen(content{"locked": text})
		if o := c.askWith(c.by("locks"), id, nil, twist{}); !strings.Contains(o.body, text) {
			c.Errorf("it is not told, though it may be read: %.400s", o.body)
		}
	}, looksOnly(func(l *look) bool { return l.shows && !l.partly }, "it does not show all content of a resource"))
	set("a deny wins", limited("blinds", func(c *cell) {
		id, name := c.seen(content{"denied": true})
		c.absent(c.by("blinds"), id, name)
	}))
	set("freshness: a list right after it includes it", func(c *cell) {
		id, name := c.seen(nil)
		c.looksAt(c.op.kind.master(c), id, name, true)
	})
	set("purge: nothing is left of what it wrote", func(c *cell) {
		id, name := c.seen(nil)
		c.post(c.path(id)+":purge", nil, "").Want(c, 204)
		c.absent(c.w.admin, id, name)
	}, looksOnly(func(l *look) bool { return !l.stream || l.wide }, "its end is judged where the type is watched"))
	set("namespaces: another one has nothing of it", func(c *cell) {
		id, name := c.seen(nil)
		c.from = 0
		elsewhere := &caller{Client: c.w.other, name: "the admin elsewhere", token: adminKey}
		if c.op.look.wide && strings.Contains(c.op.name, "expand") || strings.Contains(c.op.name, "of another") {
			if o := c.askWith(elsewhere, id, nil, twist{}); o.code != "not_found" {
				c.Errorf("elsewhere: %s, want not_found", o)
			}
			return
		}
		c.absent(elsewhere, id, name)
	})
	set("deleted is 410", func(c *cell) {
		id, name := c.seen(nil)
		c.w.admin.Delete(c, c.path(id)).Want(c, 200)
		c.pass(false)
		c.from = c.w.admin.LogSeq(c, c.op.kind.name)
		o := c.askWith(c.w.admin, id, nil, twist{})
		switch {
		case c.op.look.deleted:
			if !c.op.look.tells(o, id, name) {
				c.Errorf("%s, want it answered for what is deleted", o)
			}
		case c.op.look.wide:
			if o.code != "" || c.op.look.tells(o, id, name) {
				c.Errorf("%s, want it answered without what is deleted: %.300s", o, o.body)
			}
		case o.code != "deleted":
			c.Errorf("%s, want deleted", o)
		}
	}, looksOnly(func(l *look) bool { return !l.stream || l.wide }, "what is deleted can be watched until it is restored"))
	set("an unknown id is 404", func(c *cell) {
		if o := c.askWith(c.w.admin, c.w.fresh("none"), nil, twist{}); o.code != "not_found" {
			c.Errorf("%s, want not_found", o)
		}
	}, looksOnly(func(l *look) bool { return !l.wide && !l.stream }, "it names no resource that has to be there"))
	set("an unknown type is 404", func(c *cell) {
		if o := c.askWith(c.w.admin, "x", nil, twist{typ: "unknowns"}); o.code != "unknown_type" && o.code != refusedRow {
			c.Errorf("%s, want unknown_type", o)
		}
	}, everywhere, looksOnly(func(l *look) bool { return !l.hook }, "a type that is not there makes the document of a webhook invalid"))
	set("audit: an entry for what was refused", func(c *cell) {
		id, _ := c.seen(nil)
		c.askWith(c.by("stranger"), id, nil, twist{header: []string{"X-Request-Id", "cross-" + id}})
		c.refusal("cross-" + id)
	}, everywhere, request)
	wrong := func(q twist, code string) func(*cell) {
		return func(c *cell) {
			id, _ := c.seen(nil)
			if o := c.askWith(c.w.admin, id, nil, q); o.code != code {
				c.Errorf("%s, want %s", o, code)
			}
		}
	}
	body := looksOnly(func(l *look) bool { return l.wire.body != nil }, "it takes no body")
	set("limits: a body that is too large is 413", wrong(twist{body: tooLarge}, "too_large"), body)
	set("limits: another content type is 415", wrong(twist{media: "text/plain"}, "unsupported_media_type"), body)
	set("limits: broken JSON is 400", wrong(twist{body: `{"name":`}, "invalid_request"), body)
	set("limits: a member twice is 400", wrong(twist{body: `{"q":"a","q":"b"}`}, "invalid_request"), body)
	set("limits: a member that is not known is refused", wrong(twist{edit: func(body any) { body.(map[string]any)["nonsense"] = 1 }}, "validation_failed"), body)
	set("limits: an unknown parameter is 400", wrong(twist{query: "nonsense=1"}, "invalid_request"), request)
	set("limits: another method is 405", wrong(twist{method: "PROPFIND"}, "invalid_request"), request)
	set("limits: an id that is none is 400", func(c *cell) {
		if o := c.askWith(c.w.admin, "a.b", nil, twist{}); o.code != "invalid_request" {
			c.Errorf("%s, want invalid_request", o)
		}
	}, request, looksOnly(func(l *look) bool { return !l.wide }, "it names no resource that has to be there"))
}

// refusal wants one in the audit by the id of its request.
func (c *cell) refusal(requestID string) {
	c.w.expect(c, auditNote{outcome: "refused", requestID: requestID})
}

package tests_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// Columns: what a write leaves behind, for which caller, and what not.

func traces() []*promise {
	return []*promise{
		{name: "history: an entry with who and what", why: changesThat(func(ch *change) bool { return ch.action != "purged" }, "it erases the history"), change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			n := len(c.history(id))
			o := c.does(c.op.kind.master(c), id, after, twist{header: []string{"X-Request-Id", "cross-" + id}})
			entries := c.history(id)
			if len(entries) != n+1 {
				c.Fatalf("%d entries more, want 1: %v", len(entries)-n, entries)
			}
			last := entries[n]
			if last["action"] != c.op.change.action || last["principal"] != c.op.kind.master(c).name {
				c.Errorf("the entry is %v, want %s by %s", last, c.op.change.action, c.op.kind.master(c).name)
			}
			if c.op.change.wire != nil && !c.op.change.wire.later && (last["request_id"] != "cross-"+id || last["address"] != "127.0.0.1") {
				c.Errorf("the entry is not of the request: %v (%s)", last, o)
			}
		}},
		{name: "audit: an entry for what was done", change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			c.does(c.op.kind.master(c), id, after, twist{})
			c.w.expect(c, auditNote{outcome: "ok", id: id, action: c.op.change.action, principal: c.op.kind.master(c).name})
		}},
		{name: "audit: an entry for what was refused", why: onlyHTTP("refusals are told at the HTTP door"), change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			c.refuses(c.by("stranger"), id, after, twist{header: []string{"X-Request-Id", "cross-" + id}}, "permission_denied")
			c.refusal("cross-" + id)
		}},
		{name: "events: exactly one, at its place", change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			from := c.w.admin.LogSeq(c, c.op.kind.name)
			c.does(c.op.kind.master(c), id, after, twist{})
			sentinel := c.w.fresh("x")
			c.create(sentinel, nil)
			last := uint64(0)
			var got []string
			w := c.w.admin.MustWatch(c, fmt.Sprintf("/v1/%s:watch?from_seq=%d", c.op.kind.name, c.since(from)))
			defer w.Close()
			for {
				e, err := w.Next()
				if err != nil {
					c.Fatal(err)
				}
				if e.Seq <= last {
					c.Errorf("event %d comes after %d", e.Seq, last)
				}
				if last = e.Seq; e.ID() == sentinel {
					break
				}
				if e.ID() == id {
					got = append(got, e.Action)
				}
			}
			want := []string{c.op.change.action}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				c.Errorf("the watch tells %v of it, want %v", got, want)
			}
		}},
		{name: "freshness: a list right after it includes it", change: func(c *cell) {
			text := c.w.marker()
			id, before, after := c.prepare(content{"name": text}, content{"name": text})
			_ = before
			c.does(c.op.kind.master(c), id, after, twist{})
			r := c.w.admin.Get(c, "/v1/"+c.op.kind.name+"?filter="+url.QueryEscape(`meta.id = "`+id+`"`)).Want(c, 200)
			want := 1
			if c.op.change.ends {
				want = 0
			}
			if len(r.Items()) != want {
				c.Fatalf("the list has %d of it, want %d", len(r.Items()), want)
			}
			if s := c.state(id); want == 1 && r.Value("/items/0/meta/seq") != s.meta["seq"] {
				c.Errorf("the list has an older state: %s", r.Body)
			}
		}},
		{name: "purge: nothing is left of what it wrote", change: func(c *cell) {
			text := c.w.marker()
			id, _, after := c.prepare(content{"name": text}, content{"name": text + "b"})
			from := c.w.admin.LogSeq(c, c.op.kind.name)
			c.does(c.op.kind.master(c), id, after, twist{})
			if c.op.change.action != "purged" {
				c.post(c.path(id)+":purge", nil, c.state(id).etag).Want(c, 204)
			}
			c.w.admin.Get(c, c.path(id)).WantProblem(c, 404, "not_found")
			c.w.admin.Get(c, c.path(id)+"/history").WantProblem(c, 404, "not_found")
			c.w.admin.Get(c, c.path(id)+"/revisions/1").WantProblem(c, 404, "not_found")
			paths := []string{"?include_deleted=true&page_size=100"}
			if c.op.kind.lack("q") == "" {
				paths = append(paths, "?q="+text, "?q="+text+"b")
			}
			for _, path := range paths {
				if r := c.w.admin.Get(c, "/v1/"+c.op.kind.name+path).Want(c, 200); strings.Contains(string(r.Body), text) {
					c.Errorf("%s still tells it", path)
				}
			}
			sentinel := c.w.fresh("x")
			c.create(sentinel, nil)
			w := c.w.admin.MustWatch(c, fmt.Sprintf("/v1/%s:watch?from_seq=%d", c.op.kind.name, c.since(from)))
			defer w.Close()
			for {
				e, err := w.Next()
				if err != nil {
					c.Fatal(err)
				}
				if strings.Contains(e.Raw, text) {
					c.Errorf("a watch still tells it: %s", e.Raw)
				}
				if e.ID() == sentinel {
					break
				}
			}
		}},
		{name: "purge: what was purged is not found", why: changesThat(func(ch *change) bool { return !ch.makes && !ch.upserts }, "it may make what was purged anew"), change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			c.post(c.path(id)+":purge", nil, c.state(id).etag).Want(c, 204)
			c.refuses(c.w.admin, id, after, twist{}, "not_found")
		}},
		{name: "namespaces: another one has nothing of it", why: onlyHTTP("Go code runs inside one namespace"), change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			elsewhere := &caller{Client: c.w.other, name: "the admin elsewhere"}
			if c.op.change.makes {
				c.does(c.w.admin, id, after, twist{})
				c.w.other.Get(c, c.path(id)).WantProblem(c, 404, "not_found")
				return
			}
			if o := c.askWith(elsewhere, id, after, twist{}); o.code != "not_found" && o.code != nothingMatched {
				c.Errorf("elsewhere: %s, want not_found", o)
			}
			c.does(c.w.admin, id, after, twist{})
			c.w.other.Get(c, c.path(id)+"/history").WantProblem(c, 404, "not_found")
		}},
		{name: "deleted is 410", why: changesThat(func(ch *change) bool { return !ch.makes && !ch.revives && ch.action != "purged" }, "it is for what is deleted too, or for what is not there"), change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			c.w.admin.Delete(c, c.path(id), apitest.IfMatch(c.state(id).etag)).Want(c, 200)
			c.refuses(c.w.admin, id, after, twist{}, "deleted")
		}},
		{name: "an unknown id is 404", why: changesThat(func(ch *change) bool { return !ch.makes && !ch.upserts }, "it makes the id"), change: func(c *cell) {
			c.refuses(c.w.admin, c.w.fresh("none"), c.named(nil), twist{}, "not_found")
		}},
		{name: "an unknown type is 404", change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			c.refuses(c.w.admin, id, after, twist{typ: "unknowns"}, "unknown_type")
		}},
	}
}

// history reads all entries; none of what is not there.
func (c *cell) history(id string) (out []map[string]any) {
	c.Helper()
	for _, x := range c.w.admin.Get(c, c.path(id)+"/history?page_size=1000").Items() {
		out = append(out, x.(map[string]any))
	}
	return out
}

// auditNote is an entry that the audit has to have.
type auditNote struct{ cell, outcome, id, requestID, action, principal string }

// expect remembers an entry for when all cells have been judged: the audit is read
// once, from one end to the other.
func (w *world) expect(c *cell, n auditNote) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n.cell = c.op.name + " / " + c.promise.name
	w.notes = append(w.notes, n)
}

// audited compares the audit with what has to be in it.
func (w *world) audited(t testing.TB) (faults []string) {
	t.Helper()
	done, refused := map[string]bool{}, map[string]bool{}
	for path, token := "/v1/audit?page_size=1000&consistency=strong", ""; ; {
		r := w.admin.Get(t, path+token).Want(t, 200)
		for _, x := range r.Items() {
			e := x.(map[string]any)
			done[fmt.Sprint(e["id"], e["action"], e["principal"])] = true
			refused[fmt.Sprint(e["outcome"], e["request_id"])] = true
		}
		if r.Text("/next_page_token") == "" {
			break
		}
		token = "&page_token=" + url.QueryEscape(r.Text("/next_page_token"))
	}
	for _, n := range w.notes {
		if n.outcome == "ok" && !done[n.id+n.action+n.principal] || n.outcome == "refused" && !refused[n.outcome+n.requestID] {
			faults = append(faults, fmt.Sprintf("%s: the audit has no entry %+v", n.cell, n))
		}
	}
	return faults
}

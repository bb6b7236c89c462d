package tests_test

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// Columns: on which condition a write is done, and how often.

func whenDone() []*promise {
	keyed := changesThat(func(ch *change) bool { return ch.call != nil || ch.wire != nil && !ch.wire.unkeyed }, "it takes no Idempotency-Key")
	matched := changesThat(func(ch *change) bool { return ch.call != nil && !ch.unmatched || ch.wire != nil && !ch.wire.unmatched }, "it takes no If-Match")
	return []*promise{
		{name: "idempotency: a repetition has no second effect", why: keyed, change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			q := twist{header: []string{"Idempotency-Key", c.w.fresh("key")}}
			first := c.does(c.op.kind.master(c), id, after, q)
			was := c.state(id)
			if c.op.change.action == "purged" {
				c.again(first, c.askWith(c.op.kind.master(c), id, after, q))
				return
			}
			second := c.does(c.op.kind.master(c), id, after, q)
			c.again(first, second)
			if is := c.state(id); is.seq != was.seq {
				c.Errorf("the second had an effect: %s", is.raw)
			}
		}},
		{name: "idempotency: another request under the key is refused", why: keyed, change: func(c *cell) {
			q := twist{header: []string{"Idempotency-Key", c.w.fresh("key")}}
			id, _, after := c.prepare(nil, nil)
			c.does(c.op.kind.master(c), id, after, q)
			other, _, after := c.prepare(nil, nil)
			c.refuses(c.op.kind.master(c), other, after, q, "idempotency_mismatch")
		}},
		{name: "idempotency: a key is its principal's", why: both(keyed, severalMay), change: func(c *cell) {
			q := twist{header: []string{"Idempotency-Key", c.w.fresh("key")}}
			id, _, after := c.prepare(nil, nil)
			c.does(c.op.kind.master(c), id, after, q)
			other, _, after := c.prepare(nil, nil)
			c.does(c.w.admin, other, after, q)
		}},
		{name: "idempotency: what was purged does not come back", why: both(keyed, changesThat(func(ch *change) bool { return ch.makes }, "it makes nothing")), change: func(c *cell) {
			q := twist{header: []string{"Idempotency-Key", c.w.fresh("key")}}
			id, _, after := c.prepare(nil, nil)
			c.does(c.op.kind.master(c), id, after, q)
			c.w.admin.Post(c, c.path(id)+":purge", nil).Want(c, 204)
			if o := c.askWith(c.op.kind.master(c), id, after, q); o.code == "" && c.state(id).status == 200 {
				c.Errorf("the repetition brought back what was purged: %s", o)
			}
		}},
		{name: "If-Match: a state that was is 412", why: matched, change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			if c.op.change.makes {
				code := "precondition_failed"
				if c.op.change.wire != nil && c.op.change.wire.match != nil {
					code = "invalid_request" // what a batch creates takes no if_match
				}
				c.refuses(c.w.admin, id, after, twist{etag: `"old"`}, code)
				return
			}
			c.refuses(c.w.admin, id, after, twist{etag: `"0198c5a0-0000-7000-8000-000000000000"`}, "precondition_failed")
			c.does(c.w.admin, id, after, twist{etag: c.state(id).etag})
		}},
		{name: "If-Match: is demanded where the model says so", why: both(matched, ordinaryOnly), change: func(c *cell) {
			strict := *c.op
			k := *c.op.kind
			k.name = "stricts"
			strict.kind = &k
			c = &cell{TB: c.TB, w: c.w, op: &strict, promise: c.promise, passes: c.passes}
			id, _, after := c.prepare(nil, nil)
			if c.op.change.makes {
				c.does(c.w.admin, id, after, twist{})
				return
			}
			c.refuses(c.w.admin, id, after, twist{}, "precondition_required")
			c.does(c.w.admin, id, after, twist{etag: c.state(id).etag})
		}},
		{name: "If-None-Match: what is there is not made again", why: changesThat(func(ch *change) bool { return ch.makes }, "it takes no If-None-Match"), change: func(c *cell) {
			id := c.w.fresh("x")
			c.create(id, nil)
			c.refuses(c.w.admin, id, c.named(nil), twist{}, "already_exists", "precondition_failed")
			c.w.admin.Delete(c, c.path(id)).Want(c, 200)
			c.refuses(c.w.admin, id, c.named(nil), twist{}, "already_exists", "deleted")
		}},
		{name: "drafts: what is stable never changes", why: changesThat(func(ch *change) bool { return ch.action != "purged" }, "it erases the revisions"), change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			stable := map[string]string{}
			for _, x := range c.revisions(id) {
				if x.Text("/revision/status") == "stable" {
					stable[x.Text("/revision/id")] = x.Text("/revision/hash")
				}
			}
			c.does(c.w.admin, id, after, twist{})
			for _, x := range c.revisions(id) {
				if hash, was := stable[x.Text("/revision/id")]; was && hash != x.Text("/revision/hash") {
					c.Errorf("%s was stable and is another: %s", x.Text("/revision/id"), x.Body)
				}
			}
			if !c.op.change.inPlace {
				return
			}
			id = c.w.fresh("x")
			isStable(c, id, c.named(nil), nil)
			c.refuses(c.w.admin, id, c.named(nil), twist{}, "invalid_state")
		}},
		{name: "drafts: the status is what is asked for, or the model's", why: changesThat(func(ch *change) bool { return ch.brings && !ch.old }, "it writes no revision with a status of its own"), change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			c.does(c.w.admin, id, after, twist{})
			want := "stable"
			if c.op.kind.draft || c.op.change.inPlace {
				want = "draft"
			}
			if got := c.state(id).meta["status"]; got != want {
				c.Errorf("the status is %v, want %s", got, want)
			}
			if !c.op.change.status {
				return
			}
			for _, status := range []string{"draft", "stable"} {
				id, _, after := c.prepare(nil, nil)
				c.does(c.w.admin, id, after, twist{query: "status=" + status})
				if got := c.state(id).meta["status"]; got != status {
					c.Errorf("with status=%s it is %v", status, got)
				}
			}
		}},
		{name: "drafts: a read of what is stable shows no draft", why: changesThat(func(ch *change) bool { return ch.status && !ch.makes }, "no draft is made beside what is stable"), change: func(c *cell) {
			text := c.w.marker()
			id := c.w.fresh("x")
			isStable(c, id, c.named(nil), nil)
			was := c.w.admin.Get(c, c.path(id)+"?status=stable").Want(c, 200)
			c.does(c.w.admin, id, content{"name": text}, twist{query: "status=draft"})
			is := c.w.admin.Get(c, c.path(id)+"?status=stable").Want(c, 200)
			if strings.Contains(string(is.Body), text) || is.Text("/revision/hash") != was.Text("/revision/hash") {
				c.Errorf("status=stable answers the draft: %s", is.Body)
			}
		}},
	}
}

// ordinaryOnly leaves out the types that differ in other ways: a model says of any
// type what it demands.
func ordinaryOnly(o *operation) string {
	if o.kind == nil || o.kind.name != "things" {
		return "it is the same for every type, and asked of the ordinary one"
	}
	return ""
}

// severalMay leaves out the types that one principal writes here.
func severalMay(o *operation) string {
	if o.kind != nil && o.kind.admins {
		return byAdmins
	}
	return ""
}

// shownOnce is what no repetition shows again.
var shownOnce = regexp.MustCompile(`,"secret":"[^"]*"|"secret":"[^"]*",`)

// numbered is where in the log something is.
var numbered = regexp.MustCompile(`"seq":[0-9]+`)

// again compares the answer of a repetition with the first.
func (c *cell) again(first, second effect) {
	c.Helper()
	first.body = shownOnce.ReplaceAllString(first.body, "")
	if c.renumbered {
		first.body, second.body = numbered.ReplaceAllString(first.body, ""), numbered.ReplaceAllString(second.body, "")
	}
	if first.status != second.status || first.body != second.body || first.header.Get("ETag") != second.header.Get("ETag") {
		c.Errorf("the repetition is answered otherwise:\n     first  %d %.400s\n     second %d %.400s", first.status, first.body, second.status, second.body)
	}
}

// revisions reads all of them; none of what is not there.
func (c *cell) revisions(id string) (out []*apitest.Response) {
	c.Helper()
	r := c.w.admin.Get(c, c.path(id)+"/revisions")
	for i := range r.Items() {
		out = append(out, c.w.admin.Get(c, fmt.Sprintf("%s/revisions/%d", c.path(id), r.Int(fmt.Sprintf("/items/%d/revision/number", i)))).Want(c, 200))
	}
	return out
}

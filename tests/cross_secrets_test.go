package tests_test

import (
	"fmt"
	"strings"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// Columns: what is secret.

func secrets() []*promise {
	has := func(o *operation) string {
		if o.kind == nil {
			return noResource
		}
		if o.kind.name != "api-keys" && o.kind.name != "webhooks" {
			return "the type has no secrets"
		}
		return ""
	}
	keysOnly := func(o *operation) string {
		if o.kind == nil || o.kind.name != "api-keys" {
			return "nothing of the type can be signed in with"
		}
		return ""
	}
	return []*promise{
		{name: "secrets: no answer tells one", why: has, change: func(c *cell) {
			name := c.w.marker()
			if c.op.kind.name == "webhooks" && strings.HasSuffix(c.op.name, "bulk patch") { // a job would show it
				id, _, after := c.prepare(nil, nil)
				o := c.refuses(c.op.kind.master(c), id, after, twist{edit: func(body any) { body.(map[string]any)["patch"].(map[string]any)["secret"] = secretOf(name) }}, "validation_failed")
				c.tellsNone(o.body)
			}
			from := c.w.admin.LogSeq(c, c.op.kind.name)
			id, _, after := c.prepare(content{"name": name}, content{"name": name, "slot": "x"})
			o := c.does(c.op.kind.master(c), id, after, twist{})
			if !c.op.change.makes && c.op.change.action != "updated" || c.op.kind.name == "webhooks" {
				c.tellsNone(o.body)
			}
			if c.op.change.action == "purged" {
				return
			}
			for _, path := range []string{c.path(id) + "?include_deleted=true", c.path(id) + "/revisions/1", c.path(id) + "/revisions/1?raw=true", c.path(id) + "/history",
				c.path(id) + ":diff?from=1&to=1", "/v1/" + c.op.kind.name + "?include_deleted=true&" + filtered(id)} {
				c.tellsNone(string(c.w.admin.Get(c, path).Want(c, 200).Body))
			}
			end := c.w.fresh("x")
			c.create(end, nil)
			w := c.w.admin.MustWatch(c, fmt.Sprintf("/v1/%s:watch?from_seq=%d", c.op.kind.name, c.since(from)))
			defer w.Close()
			for {
				e, err := w.Next()
				if err != nil {
					c.Fatal(err)
				}
				if e.ID() == end {
					return
				}
				if e.ID() == id {
					c.tellsNone(e.Raw)
				}
			}
		}, look: func(c *cell) {
			id, _ := c.seen(nil)
			c.tellsNone(c.askWith(c.w.admin, id, nil, twist{}).body)
		}},
		{name: "secrets: the newest stays in force", why: both(keysOnly, changesThat(func(ch *change) bool { return !ch.makes && !ch.revives && !ch.ends && !ch.inPlace }, "it leaves no secret that was before it in force")), change: func(c *cell) {
			id, before, after := c.prepare(nil, nil)
			first := c.w.admin.Post(c, c.path(id)+":rotate", `{}`).Want(c, 200).Text("/secret")
			newest := c.w.admin.Post(c, c.path(id)+":rotate", `{}`).Want(c, 200).Text("/secret")
			_ = before
			o := c.does(c.op.kind.master(c), id, after, twist{})
			if strings.HasSuffix(c.op.name, ":rotate") {
				first, newest = newest, textOf(o.body, `"secret":"`)
			}
			c.w.admin.As(first).Get(c, "/v1/types").WantProblem(c, 401, "unauthenticated")
			c.w.admin.As(newest).Get(c, "/v1/types").Want(c, 200)
		}},
		{name: "secrets: a patch neither copies nor tests one", why: both(has, changesThat(func(ch *change) bool { return ch.wire != nil && ch.wire.media == apitest.JSONPatch }, "it takes no operations that could copy")), change: func(c *cell) {
			for _, op := range []map[string]any{
				{"op": "copy", "from": "/secret", "path": "/description"},
				{"op": "copy", "from": "/secret/0/key", "path": "/description"},
				{"op": "move", "from": "/secret/0/key", "path": "/description"},
				{"op": "test", "path": "/secret/0/key", "value": "x"},
			} {
				id, _, _ := c.prepare(nil, nil)
				o := c.refuses(c.w.admin, id, nil, twist{body: []any{op}}, "validation_failed", "conflict", "invalid_request")
				c.tellsNone(o.body)
			}
			// what a test of a secret answers does not depend on the secret
			id, _, _ := c.prepare(nil, nil)
			o := c.askWith(c.w.admin, id, nil, twist{body: []any{map[string]any{"op": "test", "path": "/secret", "value": nil}}})
			other := c.askWith(c.w.admin, id, nil, twist{body: []any{map[string]any{"op": "test", "path": "/secret", "value": []any{}}}})
			if o.status != other.status && (o.code == "" || other.code == "") {
				c.Logf("a test of an absent member: %s, %s", o, other)
			}
		}},
	}
}

// tellsNone wants a text without a secret, its hash or its box.
func (c *cell) tellsNone(text string) {
	c.Helper()
	for _, word := range []string{`"secret":`, `"key":"`, "whsec_", "ack_"} {
		if strings.Contains(text, word) {
			c.Errorf("it tells a secret (%s): %.500s", word, text)
		}
	}
}

// textOf is what stands after a word up to the next quote.
func textOf(body, word string) string {
	_, rest, _ := strings.Cut(body, word)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

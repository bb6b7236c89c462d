package tests_test

import "strings"

// Columns: what is wrong with a request is told, whatever it asks for.

// tooLarge is a body over what is taken.
var tooLarge = `{"name":"` + strings.Repeat("x", 10<<20) + `"}`

func limits() []*promise {
	http := onlyHTTP("it is no request of its own")
	withBody := both(http, changesThat(func(ch *change) bool { return ch.wire != nil && ch.wire.body != nil }, "it takes no body"))
	wrong := func(q twist, status int, codes ...string) func(*cell) {
		return func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			was := c.state(id)
			r := c.send(c.w.admin.Client, id, after, q)
			good := false
			for _, code := range codes {
				good = good || r.Text("/code") == code
			}
			if r.Status != status || !good {
				c.Errorf("%s: %d %.300s, want %d %s", r.What, r.Status, r.Body, status, strings.Join(codes, " or "))
			}
			if is := c.state(id); is.seq != was.seq || is.status != was.status {
				c.Errorf("it was refused, and yet it is changed: %s", is.raw)
			}
		}
	}
	return []*promise{
		{name: "limits: a body that is too large is 413", why: withBody, change: wrong(twist{body: tooLarge}, 413, "too_large")},
		{name: "limits: an unknown parameter is 400", why: http, change: wrong(twist{query: "nonsense=1"}, 400, "invalid_request")},
		{name: "limits: another content type is 415", why: withBody, change: wrong(twist{media: "text/plain"}, 415, "unsupported_media_type")},
		{name: "limits: broken JSON is 400", why: withBody, change: wrong(twist{body: `{"name":`}, 400, "invalid_request")},
		{name: "limits: a member twice is 400", why: withBody, change: wrong(twist{body: `{"name":"a","name":"b"}`}, 400, "invalid_request")},
		{name: "limits: a member that is not known is refused", why: withBody, change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			was := c.state(id)
			r := c.send(c.w.admin.Client, id, after, twist{edit: func(body any) {
				switch body := body.(type) {
				case map[string]any:
					body["nonsense"] = 1
				case []any: // unknown members of its operations are ignored (RFC 6902, section 4), unknown places are not
					body[0].(map[string]any)["path"] = "/nonsense"
				}
			}})
			if code := r.Text("/code"); r.Status != 422 && r.Status != 400 || code != "validation_failed" && code != "invalid_request" {
				c.Errorf("%s: %d %.300s, want it refused", r.What, r.Status, r.Body)
			}
			if is := c.state(id); is.seq != was.seq || is.status != was.status {
				c.Errorf("it was refused, and yet it is changed: %s", is.raw)
			}
		}},
		{name: "limits: another method is 405", why: http, change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			r := c.send(c.w.admin.Client, id, after, twist{method: "PROPFIND"})
			r.WantProblem(c, 405, "invalid_request")
			if r.Header.Get("Allow") == "" {
				c.Error("no Allow")
			}
		}},
		{name: "limits: a page of another origin is 403", why: http, change: wrong(twist{header: []string{"Origin", "https://evil.example"}}, 403, "permission_denied")},
		{name: "limits: an id that is none is 400", why: both(http, changesThat(func(ch *change) bool { return ch.wire != nil && !ch.wire.later }, "it is answered before the write")), change: func(c *cell) {
			r := c.send(c.w.admin.Client, "a.b", c.named(nil), twist{})
			if r.Status != 400 || r.Text("/code") != "invalid_request" {
				c.Errorf("%s: %d %.300s, want 400", r.What, r.Status, r.Body)
			}
		}},
		{name: "limits: a key that is none is 400", why: both(http, changesThat(func(ch *change) bool { return ch.wire != nil && !ch.wire.unkeyed }, "it takes no Idempotency-Key")),
			change: wrong(twist{header: []string{"Idempotency-Key", strings.Repeat("k", 256)}}, 400, "invalid_request")},
	}
}

// promises are all columns.
func promises() []*promise {
	var all []*promise
	for _, group := range [][]*promise{rights(), values(), secrets(), whenDone(), traces(), limits()} {
		all = append(all, group...)
	}
	lookers(all)
	forWholes(all)
	return all
}

// openNow are the cells that are known to fail.
var openNow = openCells{}

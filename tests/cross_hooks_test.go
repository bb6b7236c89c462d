package tests_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What a webhook is told is a look as a watch is: its owner sees what the receiver gets.

// hookServer receives deliveries, by the path that they came to.
type hookServer struct {
	*httptest.Server
	mu   sync.Mutex
	told map[string][]hookEvent
}

// hookEvent is one delivery.
type hookEvent struct {
	seq  uint64
	text string // headers and body
}

func newHookServer(t testing.TB) *hookServer {
	t.Helper()
	h := &hookServer{told: map[string][]hookEvent{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m struct{ Seq uint64 }
		if err != nil || json.Unmarshal(body, &m) != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told[r.URL.Path] = append(h.told[r.URL.Path], hookEvent{m.Seq, fmt.Sprint(r.Header, "\n", string(body), "\n")})
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hookServer) got(path string) []hookEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told[path][:len(h.told[path]):len(h.told[path])]
}

// deliveries is the row of a type of resources.
func (k *kind) deliveries() *operation {
	l := look{right: "watch", wide: true, shows: true, stream: true, hook: true, arrange: isThere, tells: tellsName}
	return &operation{name: k.name + " told to a webhook", kind: k, of: []string{"webhooks.create", "webhooks.replay"}, form: form{look: &l}}
}

// delivered has the caller make a webhook, which is told everything from where the
// cell began until something new, and returns what the receiver got.
func (c *cell) delivered(by *caller, q twist) effect {
	c.Helper()
	path := "/" + c.w.fresh("hook")
	id := c.w.fresh("h")
	hook := map[string]any{"url": c.w.hooks.URL + path, "types": []string{firstOf(q.typ, c.op.kind.name)}, "ordered": true, "paused": true}
	made := by.Post(c, "/v1/webhooks?id="+id, hook, headers(q.header...)...)
	if made.Status != 201 {
		if n := len(c.w.hooks.got(path)); n > 0 {
			c.Errorf("it was refused, and yet %d deliveries came", n)
		}
		return plain(made)
	}
	by.Post(c, "/v1/webhooks/"+id+":replay", map[string]any{"from_seq": c.from}).Want(c, 200)
	by.Post(c, "/v1/webhooks/"+id+":resume", nil).Want(c, 200)
	end := c.w.marker()
	maker := c.w.admin.Client
	if by.URL == c.w.other.URL {
		maker = c.w.other
	}
	maker.Post(c, "/v1/"+c.op.kind.name, c.op.kind.doc(content{"name": end})).Want(c, 201)
	var all []hookEvent
	ended := func(e hookEvent) bool { return strings.Contains(e.text, end) }
	c.wait("the receiver is told the end", func() bool {
		all = c.w.hooks.got(path)
		return slices.ContainsFunc(all, ended)
	})
	by.Post(c, "/v1/webhooks/"+id+":purge", nil).Want(c, 204)
	o := effect{header: made.Header, status: 200}
	secret := made.Text("/secret")
	for i, e := range all {
		if secret == "" || strings.Contains(e.text, secret) {
			c.Errorf("a delivery tells the secret of the webhook (%q)", secret)
		}
		if i > 0 && e.seq < all[i-1].seq {
			c.Errorf("event %d comes after %d", e.seq, all[i-1].seq)
		}
		if !ended(e) {
			o.body += e.text
		}
	}
	c.tellsNone(o.body)
	return o
}

// limitedOwner wants a caller who may not see everything to get no webhook.
func (c *cell) limitedOwner(by *caller) {
	c.Helper()
	if o := c.askWith(by, "", nil, twist{}); o.code != "permission_denied" {
		c.Errorf("as %s: %s, want permission_denied", by.name, o)
	}
}

package tests_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// cell is one operation that is asked for one promise. What fails in it is told to
// the walk.
type cell struct {
	testing.TB
	w          *world
	op         *operation
	promise    *promise
	from       uint64                    // where the log was when the cell began
	digest     string                    // of a binary of the cell
	passes     func(c *cell, asked bool) // carries the cell through a passage, before or after it asked; nil: it stays where it is
	passed     bool
	renumbered bool // events have other sequences than when the cell began
}

// change is an operation that writes one resource.
type change struct {
	right  string // that it needs
	action string // of its event
	// makes tells that the resource is not there before; brings, that its content
	// afterwards is another than before; ends, that it is not there afterwards;
	// revives, that it is not there before but can be brought back.
	makes, brings, ends, revives bool
	old                          bool // brings what was there before, which the caller does not say
	inPlace                      bool // on drafts only
	status                       bool // the caller says which status the revision has
	keeps                        bool // nothing of it is written where the content stays: no revision, no draft
	arrange                      func(c *cell, id string, before, after content)
	wire                         *wire // how it is asked for over HTTP; nil: not by one request
	// call asks for it from Go code.
	call func(ctx context.Context, m *resource.Manager, typ, id string, doc content, match resource.Match) error
	// do asks for it in another way, and says what became of it.
	do func(c *cell, by *caller, id string, after content, q twist) effect
	// unmatched tells of a call that it takes no state to be about, upserts that it
	// makes what is not there.
	unmatched, upserts bool
	// several asks for it of several resources at once, of which so many may get one
	// unique value: all or none in a unit, else one.
	several   func(c *cell, by *caller, ids []string, after content)
	ofSeveral int
}

// wire is a request that asks for an operation.
type wire struct {
	method             string
	path               func(typ, id string) string
	query              string
	media              string
	header             []string
	body               func(k *kind, typ, id string, doc content) any       // nil: it takes none
	match              func(body any, etag string)                          // says the state it is about in the body; nil: in a header
	result             func(c *cell, id string, r *apitest.Response) effect // what became of it, when the answer is not that
	later              bool                                                 // the request is answered before the write
	unkeyed, unmatched bool                                                 // it takes no Idempotency-Key, no If-Match
}

// twist is what a cell changes of the request.
type twist struct {
	typ    string // another type
	header []string
	query  string
	method string
	body   any // instead of its own
	media  string
	edit   func(body any) // of its own
	etag   string         // the state it is about
}

// effect is what became of an operation; no code means that it was done.
type effect struct {
	code   string
	body   string
	header http.Header
	status int
}

func plain(r *apitest.Response) effect {
	o := effect{code: r.Text("/code"), body: string(r.Body), header: r.Header, status: r.Status}
	if r.Status >= 300 && o.code == "" {
		o.code = fmt.Sprint(r.Status)
	}
	if r.Status < 300 {
		o.code = ""
	}
	return o
}

func (o effect) String() string {
	if o.code == "" {
		return fmt.Sprintf("done (%d)", o.status)
	}
	return fmt.Sprintf("%s: %.300s", o.code, o.body)
}

// send asks for the operation over HTTP.
func (c *cell) send(client *apitest.Client, id string, after content, q twist) *apitest.Response {
	c.Helper()
	x, k := c.op.wired(), c.op.kind
	typ := k.name
	if q.typ != "" {
		typ = q.typ
	}
	method := x.method
	if q.method != "" {
		method = q.method
	}
	path := x.path(typ, id)
	if at, verb, ok := strings.Cut(path, "/blobs/"); ok {
		path = at + "/blobs/" + firstOf(c.digest, noDigest) + verb
	}
	for _, more := range []string{x.query, q.query} {
		if more != "" {
			if strings.Contains(path, "?") {
				path += "&" + more
			} else {
				path += "?" + more
			}
		}
	}
	var body any
	switch {
	case q.body != nil:
		body = q.body
	case x.body != nil:
		body = x.body(k, typ, id, after)
	}
	var opts []apitest.Option
	if body != nil {
		opts = append(opts, apitest.Header("Content-Type", firstOf(q.media, x.media, apitest.JSON)))
	}
	if q.etag != "" {
		if x.match != nil {
			x.match(body, q.etag)
		} else {
			opts = append(opts, apitest.IfMatch(q.etag))
		}
	}
	if q.edit != nil {
		q.edit(body)
	}
	opts = append(opts, headers(append(x.header, q.header...)...)...)
	return client.Do(c, method, path, body, opts...)
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// noDigest is that of no binary.
var noDigest = "sha256:" + strings.Repeat("0", 64)

// wired is the request of an operation of either form.
func (o *operation) wired() *wire {
	if o.change != nil {
		return o.change.wire
	}
	return &o.look.wire
}

// askWith asks for the operation as a caller and tells what became of it.
func (c *cell) askWith(by *caller, id string, after content, q twist) effect {
	c.Helper()
	c.pass(false)
	defer c.pass(true)
	return c.asks(by, id, after, q)
}

// pass goes through the passage of the cell when it is to be now.
func (c *cell) pass(asked bool) {
	if c.passes != nil {
		c.passes(c, asked)
	}
}

func (c *cell) asks(by *caller, id string, after content, q twist) effect {
	c.Helper()
	if c.op.look != nil {
		return c.looksWith(by, id, q)
	}
	ch := c.op.change
	switch {
	case ch.wire != nil:
		r := c.send(by.Client, id, after, q)
		if r.Status >= 500 {
			c.Errorf("%s: %d %s", r.What, r.Status, r.Body)
		}
		if o := plain(r); o.code != "" || ch.wire.result == nil {
			return o
		}
		return ch.wire.result(c, id, r)
	case ch.call != nil:
		ctx := policy.WithActor(c.Context(), by.actor)
		if key := header(q.header, "Idempotency-Key"); key != "" {
			ctx = resource.WithIdempotency(ctx, key, id)
		}
		match := resource.Match{}
		if q.etag != "" {
			match.Events = []string{strings.Trim(q.etag, `"`)}
		}
		typ := c.op.kind.name
		if q.typ != "" {
			typ = q.typ
		}
		return failed(ch.call(ctx, c.w.m, typ, id, decoded(c.op.kind.doc(after)), match))
	}
	return ch.do(c, by, id, after, q)
}

func header(pairs []string, name string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == name {
			return pairs[i+1]
		}
	}
	return ""
}

// failed is the effect of a call in Go.
func failed(err error) effect {
	if err == nil {
		return effect{}
	}
	return effect{code: firstOf(string(fault.CodeOf(err)), "no code"), body: err.Error()}
}

// decoded is a document as Go code has it: numbers as int64.
func decoded(doc content) content {
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // it is a map of strings and numbers
	}
	v, err := model.DecodeJSON(b)
	if err != nil {
		panic(err)
	}
	return v.(map[string]any)
}

// path of a resource of the cell's type.
func (c *cell) path(id string) string { return "/v1/" + c.op.kind.name + "/" + id }

// create makes a resource as the admin, beside the operation.
func (c *cell) create(id string, doc content) *apitest.Response {
	c.Helper()
	return c.w.admin.Post(c, "/v1/"+c.op.kind.name+"?id="+id, c.op.kind.doc(c.named(doc))).Want(c, 201)
}

// named gives a document a name of its own when it has none.
func (c *cell) named(doc content) content {
	if doc["name"] != nil {
		return doc
	}
	return doc.and("name", c.w.marker())
}

// prepare brings a resource to where the operation can be asked for, with the
// content before it and, where that was there already, the content after it.
func (c *cell) prepare(before, after content) (id string, was, will content) {
	c.Helper()
	id = c.w.fresh("x")
	before, after = c.named(before), c.named(after)
	if c.op.look != nil {
		c.op.look.arrange(c, id, before)
		return id, before, before
	}
	ch := c.op.change
	if !ch.brings {
		after = before
	}
	if ch.makes {
		before = nil
	}
	if ch.arrange != nil {
		ch.arrange(c, id, before, after)
	}
	return id, before, after
}

// state is what the admin reads of a resource.
type state struct {
	status int
	seq    int
	etag   string
	data   map[string]any
	meta   map[string]any
	raw    string
}

func (c *cell) state(id string) state {
	c.Helper()
	r := c.w.admin.Get(c, c.path(id)+"?include_deleted=true")
	s := state{status: r.Status, seq: r.Int("/meta/seq"), etag: r.ETag(), raw: string(r.Body)}
	s.data, _ = r.Value("/data").(map[string]any)
	s.meta, _ = r.Value("/meta").(map[string]any)
	return s
}

// refuses asks for the operation and wants it refused with one of the codes and
// nothing changed.
func (c *cell) refuses(by *caller, id string, after content, q twist, codes ...string) effect {
	c.Helper()
	c.pass(false)
	was := c.state(id)
	o := c.askWith(by, id, after, q)
	good := false
	for _, code := range codes {
		good = good || o.code == code || o.code == refusedRow || o.code == nothingMatched && (code == "not_found" || code == "deleted")
	}
	if !good {
		c.Errorf("as %s: %s, want %s", by.name, o, strings.Join(codes, " or "))
	}
	if is := c.state(id); is.etag != was.etag || is.status != was.status {
		c.Errorf("as %s: it was %s, and yet it is changed:\n     was %.400s\n     is  %.400s", by.name, o, was.raw, is.raw)
	}
	return o
}

// does asks for the operation and wants it done.
func (c *cell) does(by *caller, id string, after content, q twist) effect {
	c.Helper()
	o := c.askWith(by, id, after, q)
	if o.code != "" {
		c.Fatalf("as %s: %s, want it done", by.name, o)
	}
	return o
}

// by is one of the callers.
func (c *cell) by(name string) *caller { return c.w.callers[name] }

// silent wants nothing of a text in an answer.
func (c *cell) silent(o effect, text string) {
	c.Helper()
	if strings.Contains(o.body, text) {
		c.Errorf("the answer tells %s: %.600s", text, o.body)
	}
	for name, values := range o.header {
		if strings.Contains(strings.Join(values, " "), text) {
			c.Errorf("the header %s tells %s", name, text)
		}
	}
}

// since is a point to watch from that was taken before a passage: where events have
// other sequences afterwards, everything is watched.
func (c *cell) since(point uint64) uint64 {
	if c.renumbered {
		return 0
	}
	return point
}

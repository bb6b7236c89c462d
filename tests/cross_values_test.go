package tests_test

import (
	"fmt"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// Columns: what is true of the content of all resources together.

// values are the promises about unique values, references, binaries and content.
func values() []*promise {
	return []*promise{
		{name: "unique: a value has one owner", why: lacks("unique"), change: func(c *cell) {
			c.unique(func(v string) content { return content{"code": v} })
		}},
		{name: "unique: composite values have one owner", why: lacks("composite"), change: func(c *cell) {
			c.unique(func(v string) content { return content{"shelf": v, "slot": "1"} })
			// half of it is no value
			half := c.w.fresh("half")
			c.create(c.w.fresh("x"), content{"shelf": half, "slot": "1"})
			id, _, after := c.prepare(content{"shelf": half, "slot": "2"}, content{"shelf": half, "slot": "3"})
			c.does(c.w.admin, id, after, twist{})
		}},
		{name: "unique: within one unit", why: both(lacks("unique"), changesThat(func(ch *change) bool { return ch.brings || ch.revives }, "it claims no value"), changesThat(func(ch *change) bool { return ch.several != nil }, "it writes one resource")), change: func(c *cell) {
			code := c.w.fresh("code")
			var ids []string
			before := content(nil)
			if c.op.change.revives && !c.op.change.brings {
				before = content{"code": code}
			}
			for range 2 {
				id, _, _ := c.prepare(before, content{"code": code})
				ids = append(ids, id)
			}
			c.op.change.several(c, c.w.admin, ids, content{"code": code})
			owners := 0
			for _, id := range ids {
				if s := c.state(id); s.status == 200 && c.op.kind.symbols(s.data)["code"] == code && s.meta["deleted"] != true {
					owners++
				}
			}
			if want := c.op.change.ofSeveral; owners != want {
				c.Errorf("%d resources have the value, want %d", owners, want)
			}
		}},
		{name: "reference: restrict", why: lacks("refs"), change: func(c *cell) {
			target := c.target()
			if c.op.change.ends {
				id, _, after := c.prepare(nil, nil)
				c.create(c.w.fresh("x"), content{"must": id})
				c.refuses(c.w.admin, id, after, twist{}, "referenced")
				return
			}
			id, _, after := c.prepare(content{"must": target}, content{"must": target})
			c.does(c.w.admin, id, after, twist{})
			c.w.admin.Delete(c, c.path(target)).WantProblem(c, 409, "referenced")
		}},
		{name: "reference: set_null follows", why: lacks("refs"), change: func(c *cell) {
			id, referrer := c.referred("may")
			c.wait("the reference is null", func() bool { return c.state(referrer).data["may"] == nil })
			c.isNamed(referrer, id)
		}},
		{name: "reference: cascade follows", why: lacks("refs"), change: func(c *cell) {
			id, referrer := c.referred("with")
			c.wait("the referrer is deleted", func() bool { s := c.state(referrer); return s.meta["deleted"] == true || s.status == 404 })
			c.isNamed(referrer, id)
		}},
		{name: "reference: what follows needs the rights of its cause", why: both(lacks("refs"), changesThat(func(ch *change) bool { return ch.ends }, "it takes no resource away")), change: func(c *cell) {
			for _, field := range []string{"with", "may"} {
				id, _, after := c.prepare(nil, nil)
				referrer := c.w.fresh("x")
				c.create(referrer, content{field: id, "closed": true})
				c.refuses(c.by("rows"), id, after, twist{}, "permission_denied")
				if s := c.state(referrer); s.data[field] != id || s.meta["deleted"] == true {
					c.Errorf("the referrer was changed: %s", s.raw)
				}
			}
		}},
		{name: "reference: a dangling one is refused", why: both(lacks("refs"), changesThat(func(ch *change) bool { return ch.brings || ch.revives }, "it brings no reference")), change: func(c *cell) {
			for _, field := range []string{"must", "with"} {
				target := c.target()
				id, _, after := c.prepare(content{}.and(field, orNil(c.op.change.revives && !c.op.change.brings, target)), content{field: target})
				c.w.admin.Delete(c, c.path(target)).Want(c, 200)
				c.wait("nothing follows any more", func() bool { return c.state(target).meta["deleted"] == true })
				c.refuses(c.w.admin, id, after, twist{}, "dangling_reference")
			}
		}},
		{name: "binary: is kept and read through its resource", why: both(lacks("binaries"), changesThat(func(ch *change) bool { return !ch.ends }, "it takes the resource away")), change: func(c *cell) {
			text := c.w.marker()
			digest := c.upload(c.w.admin, text)
			c.upload(c.op.kind.master(c), text) // a digest alone gives none
			id, _, after := c.prepare(content{"file": digest}, content{"file": digest})
			c.does(c.op.kind.master(c), id, after, twist{})
			path := c.path(id) + "/blobs/" + digest
			if got := c.w.admin.Get(c, path).Want(c, 200); string(got.Body) != text {
				c.Errorf("the binary is %q, want %q", got.Body, text)
			}
			c.w.keep(c.op.name, path)
		}},
		{name: "binary: one that is not there is refused", why: both(lacks("binaries"), changesThat(func(ch *change) bool { return ch.brings && !ch.old }, "the caller says no content")), change: func(c *cell) {
			id, _, after := c.prepare(nil, content{"file": noDigest})
			c.refuses(c.w.admin, id, after, twist{}, "validation_failed", "dangling_reference")
		}},
		{name: "binary: a digest alone gives none", why: both(lacks("binaries"), changesThat(func(ch *change) bool { return ch.brings && !ch.old }, "the caller says no content")), change: func(c *cell) {
			holder := c.w.fresh("x")
			digest := c.upload(c.w.admin, c.w.marker())
			c.create(holder, content{"file": digest, "veiled": true})
			id, _, after := c.prepare(nil, content{"file": digest})
			c.refuses(c.by("rows"), id, after, twist{}, "validation_failed", "dangling_reference")
		}},
		{name: "content fits the model", why: changesThat(func(ch *change) bool { return ch.brings && !ch.old }, "the caller says no content"), change: func(c *cell) {
			id, _, after := c.prepare(nil, content{"name": 7})
			c.refuses(c.w.admin, id, after, twist{}, "validation_failed")
			id, _, after = c.prepare(nil, content{"nonsense": "x"})
			c.refuses(c.w.admin, id, after, twist{}, "validation_failed")
		}},
		{name: "a hook may refuse it", why: func(o *operation) string {
			if o.kind != nil && o.kind.builtin {
				return "an application has no hooks on types of the program"
			}
			return ""
		}, change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			key := c.op.kind.name + "/" + id
			c.w.unwanted.Store(key, true)
			c.refuses(c.w.admin, id, after, twist{}, "validation_failed")
			c.w.unwanted.Delete(key)
			c.does(c.w.admin, id, after, twist{})
		}},
	}
}

// upload stores a binary as a caller.
func (c *cell) upload(by *caller, text string) (digest string) {
	c.Helper()
	return by.Post(c, "/v1/blobs", text, apitest.Header("Content-Type", "text/plain")).Want(c, 201).Text("/digest")
}

func orNil(so bool, v string) any {
	if so {
		return v
	}
	return nil
}

// unique: what a live resource has, no other can get.
func (c *cell) unique(with func(v string) content) {
	c.Helper()
	v := c.w.fresh("value")
	ch := c.op.change
	rival := func() *apitest.Response {
		return c.w.admin.Post(c, "/v1/"+c.op.kind.name+"?id="+c.w.fresh("x"), c.op.kind.doc(c.named(with(v))))
	}
	switch {
	case ch.brings || ch.revives: // another has it
		before := content(nil)
		if ch.revives && !ch.brings {
			before = with(v)
		}
		id, _, after := c.prepare(before, with(v))
		rival().Want(c, 201)
		c.refuses(c.w.admin, id, after, twist{}, "unique_conflict")
		v = c.w.fresh("value")
		if before != nil {
			before = with(v)
		}
		id, _, after = c.prepare(before, with(v))
		c.does(c.w.admin, id, after, twist{})
		rival().WantProblem(c, 409, "unique_conflict")
	case ch.ends: // it is given up
		id, _, after := c.prepare(with(v), nil)
		rival().WantProblem(c, 409, "unique_conflict")
		c.does(c.w.admin, id, after, twist{})
		rival().Want(c, 201)
	default: // it is kept
		id, _, after := c.prepare(with(v), nil)
		c.does(c.w.admin, id, after, twist{})
		rival().WantProblem(c, 409, "unique_conflict")
	}
}

// target is a resource to refer to.
func (c *cell) target() string {
	c.Helper()
	id := c.w.fresh("x")
	c.create(id, nil)
	return id
}

// referred takes away what a resource refers to: by the operation itself, or after
// it left the reference.
func (c *cell) referred(field string) (target, referrer string) {
	c.Helper()
	if c.op.change.ends {
		id, _, after := c.prepare(nil, nil)
		referrer = c.w.fresh("x")
		c.create(referrer, content{field: id})
		c.does(c.w.admin, id, after, twist{})
		return id, referrer
	}
	target = c.target()
	id, _, after := c.prepare(content{field: target}, content{field: target})
	c.does(c.w.admin, id, after, twist{})
	c.w.admin.Delete(c, c.path(target)).Want(c, 200)
	return target, id
}

// isNamed wants the history of what followed to say who began it.
func (c *cell) isNamed(id, cause string) {
	c.Helper()
	if c.state(id).status == 404 {
		return
	}
	h := c.w.admin.Get(c, c.path(id)+"/history").Want(c, 200)
	last := h.Text(fmt.Sprintf("/items/%d/principal", len(h.Items())-1))
	if last != "admin" {
		c.Errorf("what followed is told as done by %q, want the one who deleted %s: %s", last, cause, h.Body)
	}
}

// keep remembers a binary that has to be there after the sweep.
func (w *world) keep(cell, path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, keptBinary{cell, path})
}

func lacks(what string) func(*operation) string {
	return func(o *operation) string { return o.kind.lack(what) }
}

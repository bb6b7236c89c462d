package tests_test

// Columns: who may do what.

// rights are the promises about row rules, fields, denies and scopes.
func rights() []*promise {
	noState := func(o *operation) string {
		if o.change != nil && o.change.makes {
			return "it makes the resource: there is no state before"
		}
		return ""
	}
	return []*promise{
		{name: "no credential is 401", change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			c.refuses(c.by("nobody"), id, after, twist{}, "unauthenticated")
		}, why: onlyHTTP("it is no request of its own")},
		{name: "no rule is 403", change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			c.refuses(c.by("stranger"), id, after, twist{}, "permission_denied")
			c.refuses(c.by("reader"), id, after, twist{}, "permission_denied")
		}},
		{name: "a scope limits a key", change: func(c *cell) {
			id, _, after := c.prepare(nil, nil)
			c.refuses(c.by("scoped"), id, after, twist{}, "permission_denied")
			c.does(c.op.kind.master(c), id, after, twist{}) // the same without the scope
		}},
		{name: "a row that may not be seen is as absent", why: lacksRows, change: func(c *cell) {
			if c.op.change.makes { // at its id
				c.absentAtCreate()
				return
			}
			text := c.w.marker()
			id, _, after := c.prepare(content{"veiled": true, "name": text}, content{"veiled": false})
			c.silent(c.refuses(c.by("rows"), id, after, twist{}, "not_found"), text)
		}},
		{name: "a row that may be seen and not written is 403", why: both(lacksRows, noState), change: func(c *cell) {
			id, _, after := c.prepare(content{"closed": true}, content{"closed": false})
			c.refuses(c.by("rows"), id, after, twist{}, "permission_denied")
			if ch := c.op.change; ch.revives && ch.brings && !c.op.kind.builtin { // it may be brought back and not changed
				id, _, after := c.prepare(content{"closed": true}, content{"closed": false})
				c.refuses(c.by("revives"), id, after, twist{}, "permission_denied")
				id, _, after = c.prepare(content{"closed": false}, content{"closed": false, "slot": "x"})
				c.does(c.by("revives"), id, after, twist{})
			}
		}},
		{name: "the state after a write has to be allowed too", why: both(lacksRows, onlyBringing), change: func(c *cell) {
			id, _, after := c.prepare(content{"closed": false}, content{"closed": true})
			c.refuses(c.by("rows"), id, after, twist{}, "permission_denied")
			id, _, after = c.prepare(content{"veiled": false}, content{"veiled": true})
			code := "permission_denied"
			if c.op.change.old {
				code = "unknown_revision" // a revision that may not be seen is none
			}
			c.refuses(c.by("rows"), id, after, twist{}, code)
		}},
		{name: "a hidden field is neither told nor written", why: lacksFields, change: (*cell).hides},
		{name: "a readonly field is not written", why: lacksFields, change: (*cell).locks},
		{name: "a deny wins", why: both(lacksRows, lacks("deny")), change: func(c *cell) {
			if !c.op.change.makes {
				id, _, after := c.prepare(content{"denied": true}, content{"denied": false})
				c.refuses(c.by("denies"), id, after, twist{}, "permission_denied")
			}
			if c.op.change.brings {
				id, _, after := c.prepare(content{"denied": false}, content{"denied": true})
				c.refuses(c.by("denies"), id, after, twist{}, "permission_denied")
			}
			id, _, after := c.prepare(content{"denied": false}, content{"denied": false})
			c.does(c.by("denies"), id, after, twist{})
		}},
	}
}

// absentAtCreate: that an id is taken is all that is told of what has it.
func (c *cell) absentAtCreate() {
	text := c.w.marker()
	id := c.w.fresh("x")
	c.create(id, content{"veiled": true, "name": text})
	o := c.refuses(c.by("rows"), id, c.named(nil), twist{}, "already_exists", "precondition_failed")
	c.silent(o, text)
	c.silent(o, "deleted")
}

// hides: what writes a hidden field is refused; else it stays as it was, and no
// answer tells of it.
func (c *cell) hides() {
	text, by := c.w.marker(), c.by("hides")
	if c.op.change.brings {
		id, _, after := c.prepare(content{"hidden": "before"}, content{"hidden": text})
		o := c.refuses(by, id, after, twist{}, "permission_denied")
		c.silent(o, "before")
		if c.op.change.old { // taken out, too
			c.silent(o, text)
			id, _, after := c.prepare(content{"hidden": text}, nil)
			c.silent(c.refuses(by, id, after, twist{}, "permission_denied"), text)
		}
	}
	after := content{}
	if c.op.change.old {
		after = content{"hidden": text}
	}
	id, _, after := c.prepare(content{"hidden": text}, after)
	o := c.does(by, id, after, twist{})
	c.silent(o, text)
	if c.op.change.makes || c.op.change.action == "purged" {
		return
	}
	if is := c.op.kind.symbols(c.state(id).data)["hidden"]; is != text {
		c.Errorf("the hidden field was %s and is %v", text, is)
	}
}

// locks: what writes a readonly field is refused; else it stays as it was.
func (c *cell) locks() {
	by := c.by("locks")
	if c.op.change.brings {
		id, _, after := c.prepare(content{"locked": "before"}, content{"locked": "after"})
		c.refuses(by, id, after, twist{}, "permission_denied")
		if c.op.change.old { // taken out, too
			id, _, after := c.prepare(content{"locked": "before"}, nil)
			c.refuses(by, id, after, twist{}, "permission_denied")
		}
	}
	after := content{}
	if c.op.change.brings && !c.op.change.makes {
		after = content{"locked": "before"} // said as it is
	}
	id, _, after := c.prepare(content{"locked": "before"}, after)
	c.does(by, id, after, twist{})
	if c.op.change.makes || c.op.change.action == "purged" {
		return
	}
	if is := c.op.kind.symbols(c.state(id).data)["locked"]; is != "before" {
		c.Errorf("the readonly field was \"before\" and is %v", is)
	}
}

// The rules by which cells have no judge.

func lacksRows(o *operation) string   { return o.kind.lack("rows") }
func lacksFields(o *operation) string { return o.kind.lack("fields") }

// lack is why no content of a type can show something.
func (k *kind) lack(what string) string {
	if k == nil {
		return noResource
	}
	return k.lacks[what]
}

// both are two rules, of which the first with a reason counts.
func both(rules ...func(*operation) string) func(*operation) string {
	return func(o *operation) string {
		for _, rule := range rules {
			if reason := rule(o); reason != "" {
				return reason
			}
		}
		return ""
	}
}

func onlyBringing(o *operation) string {
	if o.change != nil && !o.change.brings {
		return "it leaves the content as it was"
	}
	return ""
}

// onlyHTTP leaves out what does not come as one request.
func onlyHTTP(reason string) func(*operation) string {
	return func(o *operation) string {
		if o.change != nil && o.change.wire == nil {
			return reason
		}
		return ""
	}
}

// changesThat leaves out changes that are not so.
func changesThat(so func(*change) bool, reason string) func(*operation) string {
	return func(o *operation) string {
		if o.change != nil && !so(o.change) {
			return reason
		}
		return ""
	}
}

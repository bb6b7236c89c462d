package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

var everything = parts{data: true, meta: true, revision: true}

func createResource(a *API, c call) error {
	return create(a, c, c.query(), resource.JobOptions{})
}

func createJob(a *API, c call) error {
	p := c.query()
	return create(a, c, p, p.job())
}

func create(a *API, c call, p *params, job resource.JobOptions) error {
	defer c.forItsForm()()
	o := resource.CreateOptions{ID: p.text("id"), Status: p.status(), Message: p.message(), Job: job}
	returns := p.returns(everything)
	if p.has("id") {
		if err := model.CheckID(o.ID); err != nil {
			return err
		}
	}
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	data, err := a.data(&c, p)
	if err != nil {
		return err
	}
	if !match.None() {
		return fault.Errorf(fault.PreconditionFailed, "a create makes a new resource, so no If-Match can hold")
	}
	r, err := a.m.Create(c.r.Context(), c.t.Name, data, o)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/"+c.t.Name+"/"+r.ID)
	return c.written(http.StatusCreated, r, returns)
}

// data reads the body of a create or a replace, after its parameters: a document, or a
// form with a document and files.
func (a *API) data(c *call, p *params) (any, error) {
	if c.takesForm() {
		if p.err != nil {
			return nil, p.err
		}
		doc, err := receiveDocument(a, *c)
		if err == nil && c.repeats != nil {
			c.r, err = c.repeats.of(c.r, doc)
		}
		return doc, err
	}
	if _, err := contentType(c.r, typeJSON); err != nil {
		return nil, err
	}
	if p.err != nil {
		return nil, p.err
	}
	return readDocument(c.w, c.r)
}

func listResources(a *API, c call) error {
	return a.listed(c, c.query())
}

// listed answers a list whose parameters are read.
func (a *API) listed(c call, p *params) error {
	o := resource.ListOptions{Filter: p.text("filter"), OrderBy: p.text("order_by"), Text: p.text("q"), Page: p.page(),
		Total: p.flag("total"), Consistency: p.consistency(), MinSeq: p.seq("min_seq"), Deletion: p.deletion()}
	o.View = p.viewOf(o.Deletion != storage.Live)
	only, expand := p.fields(c.t), p.expand(c.t)
	returns := p.returns(parts{data: true, meta: true})
	o.Bare = !returns.data && expand == nil
	if !validText(o.Filter) || !validText(o.OrderBy) || !validText(o.Text) {
		p.refuse("the query is not UTF-8")
	}
	if err := a.mayAsk(c, p, "list"); err != nil {
		return err
	}
	if err := c.untagged(); err != nil {
		return err
	}
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)
	l, err := a.page(c, o, b, expand, func(r *resource.Resource, expanded []byte) error {
		return appendEnvelope(b, r, returns, only, expanded)
	})
	if err != nil {
		return err
	}
	b.WriteString(`],"next_page_token":`)
	token, _ := json.Marshal(l.NextPageToken) // a string always marshals
	b.Write(token)
	if o.Total {
		b.WriteString(`,"total":`)
		b.WriteString(strconv.FormatInt(l.Total, 10))
	}
	b.WriteByte('}')
	c.w.Header().Set("Autocrud-Index-Seq", strconv.FormatUint(l.IndexSeq, 10))
	return c.write(http.StatusOK, b.Bytes())
}

// page writes the items of a list. What they are expanded with can make an answer
// larger than a page may be: then a page of fewer is read.
func (a *API) page(c call, o resource.ListOptions, b *bytes.Buffer, expand []string, add func(r *resource.Resource, expanded []byte) error) (*resource.List, error) {
	for {
		l, err := a.m.List(c.r.Context(), c.t.Name, o)
		if err != nil {
			return nil, err
		}
		x, err := a.expand(c, o.View, l.Items, expand)
		if fault.CodeOf(err) == fault.TooLarge && len(l.Items) > 1 {
			o.Page.Size = len(l.Items) / 2
			continue
		}
		if err != nil {
			return nil, err
		}
		b.WriteString(`{"items":[`)
		fits := len(l.Items)
		for i, r := range l.Items {
			if i > 0 && expand != nil && b.Len() > resource.MaxPageBytes {
				fits = i
				break
			}
			if i > 0 {
				b.WriteByte(',')
			}
			more, err := x.of(r)
			if err == nil {
				err = add(r, more)
			}
			if err != nil {
				return nil, err
			}
		}
		if fits == len(l.Items) {
			return l, nil
		}
		o.Page.Size = fits
		b.Reset()
	}
}

func readResource(a *API, c call) error {
	p := c.query()
	o := resource.GetOptions{Revision: p.number("revision", 0, 1, 1<<31-1), AsOf: p.time("as_of"), Status: p.status(),
		IncludeDeleted: p.flag("include_deleted"), Consistency: p.consistency(), MinSeq: p.seq("min_seq")}
	only, expand := p.fields(c.t), p.expand(c.t)
	returns := p.returns(everything)
	if o.Status == storage.Draft {
		p.refuse("status=stable reads the newest stable revision; there is no status=draft")
	}
	chosen := 0
	for _, name := range []string{"revision", "as_of", "status"} {
		if p.has(name) {
			chosen++
		}
	}
	if chosen > 1 {
		p.refuse("revision, as_of and status exclude each other")
	}
	o.View = p.viewOf(o.IncludeDeleted)
	if o.View == storage.PublishedView && (o.Revision != 0 || o.Status != "") {
		p.refuse("view=published shows the revision that is published; revision and status exclude it")
	}
	if err := a.mayAsk(c, p, "read"); err != nil {
		return err
	}
	if c.followsLink() {
		c.w.Header().Set("Cache-Control", "no-store")
	}
	r, err := a.m.Get(c.r.Context(), c.t.Name, c.id, o)
	if err != nil {
		return err
	}
	if expand != nil { // no ETag: it would not tell of a change of what is referred to
		x, err := a.expand(c, o.View, []*resource.Resource{r}, expand)
		if err != nil {
			return err
		}
		more, err := x.of(r)
		if err != nil {
			return err
		}
		if !c.match.Holds(r.EventID) {
			return errNotMatched
		}
		var b bytes.Buffer
		if err := appendEnvelope(&b, r, returns, only, more); err != nil {
			return err
		}
		return c.write(http.StatusOK, b.Bytes())
	}
	if done, err := c.unmodified(r.EventID); done || err != nil {
		return err
	}
	return c.send(http.StatusOK, r, returns, only)
}

// change reads what the parameters and headers of a write say.
func (c call) change(p *params) (o resource.UpdateOptions, err error) {
	o = resource.UpdateOptions{Status: p.status(), Message: p.message()}
	switch mode := p.text("mode"); {
	case mode == "modify":
		o.InPlace = true
	case p.has("mode") && mode != "update":
		p.refuse("mode is update or modify, not %q", mode)
	}
	o.IfMatch, err = c.writeMatch()
	return o, err
}

func replaceResource(a *API, c call) error {
	defer c.forItsForm()()
	p := c.query()
	o, err := c.change(p)
	if err != nil {
		return err
	}
	returns := p.returns(everything)
	if o.Create = o.IfMatch.Absent; o.Create && (!o.IfMatch.None() || o.InPlace) {
		p.refuse("If-None-Match: * creates; it goes with neither If-Match nor mode=modify")
	}
	data, err := a.data(&c, p)
	if err != nil {
		return err
	}
	r, created, err := a.m.Update(c.r.Context(), c.t.Name, c.id, data, o)
	if err != nil {
		return err
	}
	if created {
		c.w.Header().Set("Location", "/v1/"+c.t.Name+"/"+r.ID)
		return c.written(http.StatusCreated, r, returns)
	}
	return c.written(http.StatusOK, r, returns)
}

func patchResource(a *API, c call) error {
	p := c.query()
	o, err := c.change(p)
	if err != nil {
		return err
	}
	returns := p.returns(everything)
	kind, err := contentType(c.r, typeMerge, typePatch)
	if err != nil {
		return err
	}
	if p.err != nil {
		return p.err
	}
	body, err := readDocument(c.w, c.r)
	if err != nil {
		return err
	}
	patch := resource.Patch{Kind: resource.MergePatch, Body: body}
	if kind == typePatch {
		patch.Kind = resource.JSONPatch
	}
	r, err := a.m.Patch(c.r.Context(), c.t.Name, c.id, patch, o)
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, returns)
}

func invalid(pointer, detail string) error {
	return &fault.Error{Code: fault.ValidationFailed, Detail: "the body is not valid: " + pointer + " " + detail,
		Fields: []fault.FieldError{{Pointer: pointer, Detail: detail}}}
}

func listRevisions(a *API, c call) error {
	p := c.query()
	page, chain := p.page(), p.flag("chain_only")
	if p.err != nil {
		return p.err
	}
	l, err := a.m.Revisions(c.r.Context(), c.t.Name, c.id, chain, page)
	if err != nil {
		return err
	}
	if done, err := c.unmodified(l.EventID); done || err != nil {
		return err
	}
	type item struct {
		Revision storage.Revision `json:"revision"`
	}
	items := make([]item, len(l.Items))
	for i, r := range l.Items {
		items[i].Revision = r
	}
	c.tag(l.EventID)
	return c.items(items, l.NextPageToken)
}

func readRevision(a *API, c call) error {
	p := c.query()
	raw := p.flag("raw")
	returns, only := p.returns(everything), p.fields(c.t)
	n, err := strconv.Atoi(c.n)
	if err != nil || n < 1 || strconv.Itoa(n) != c.n {
		p.refuse("the number of a revision is 1 or more, not %q", c.n)
	}
	if p.err != nil {
		return p.err
	}
	r, err := a.m.Get(c.r.Context(), c.t.Name, c.id, resource.GetOptions{Revision: n, IncludeDeleted: true, Raw: raw})
	if err != nil {
		return err
	}
	if done, err := c.unmodified(r.EventID); done || err != nil {
		return err
	}
	return c.send(http.StatusOK, r, returns, only)
}

func readHistory(a *API, c call) error {
	p := c.query()
	page := p.page()
	if p.err != nil {
		return p.err
	}
	l, err := a.m.History(c.r.Context(), c.t.Name, c.id, page)
	if err != nil {
		return err
	}
	if done, err := c.unmodified(l.EventID); done || err != nil {
		return err
	}
	c.tag(l.EventID)
	return c.items(l.Items, l.NextPageToken)
}

func listTypes(a *API, c call) error {
	known := slices.DeleteFunc(a.m.States.Types(), func(t *model.Type) bool { return !a.m.Guard.Knows(c.r.Context(), t) })
	return c.items(known, "")
}

func readType(a *API, c call) error {
	t, err := a.m.States.Type(c.id)
	if err != nil {
		return err
	}
	if p := c.query(); p.err != nil {
		return p.err
	}
	if err := a.m.Guard.MayKnow(c.r.Context(), t); err != nil {
		return err
	}
	return c.json(http.StatusOK, t)
}

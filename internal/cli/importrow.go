package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// send creates one row. A create that was sent twice because its answer got
// lost finds its own first one and counts it as there.
func (t *importer) send(ctx context.Context, r row) error {
	base := "/v1/" + url.PathEscape(t.Type)
	q := url.Values{"returns": {"meta"}, "id": {r.id}}
	if r.status != "" {
		q.Set("status", r.status)
	}
	a, err := t.do(ctx, http.MethodPost, base+"?"+q.Encode(), nil, r.data)
	if err != nil {
		return err
	}
	p := a.refusal()
	switch {
	case p.Code == "validation_failed" && t.isForeign(ctx, p):
		r.data = without(r.data, t.IDField)
		return t.send(ctx, r)
	case p.Code == "already_exists" && p.Deleted && t.OnConflict != "fail":
		t.deleted.Add(1)
		return nil
	case p.Code == "already_exists" && t.OnConflict == "skip":
		t.there.Add(1)
		t.has(r.id)
		return nil
	case a.status == http.StatusConflict && t.OnConflict == "fail":
		return &exitError{exitFailed, fmt.Sprintf("row %d: %s", r.n, a.problem())}
	case a.status == http.StatusConflict && t.OnConflict == "replace":
		return t.replace(ctx, r, base)
	}
	return t.ended(r, a)
}

func (t *importer) replace(ctx context.Context, r row, base string) error {
	q := url.Values{"returns": {"meta"}}
	if r.status != "" {
		q.Set("status", r.status)
	}
	a, err := t.do(ctx, http.MethodPut, base+"/"+url.PathEscape(r.id)+"?"+q.Encode(), nil, r.data)
	if err != nil {
		return err
	}
	switch a.status {
	case http.StatusOK:
		t.replaced.Add(1)
		t.has(r.id)
		return nil
	case http.StatusGone:
		t.deleted.Add(1)
		return nil
	}
	return t.ended(r, a)
}

// ended counts what became of a row.
func (t *importer) ended(r row, a answer) error {
	p := a.refusal()
	switch {
	case a.status == http.StatusCreated:
		t.made.Add(1)
		t.has(r.id)
	case a.status == http.StatusNotFound, a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return &exitError{exitFailed, a.problem()}
	case p.Code == "dangling_reference":
		t.wait(r, p, a.problem())
	default:
		t.refuse(r, a.problem())
	}
	return nil
}

// refusal is a problem as a program reads it.
type refusal struct {
	Code    string
	Deleted bool
	Errors  []struct{ Pointer string }
}

func (a answer) refusal() (p refusal) {
	if a.status >= http.StatusBadRequest {
		_ = json.Unmarshal(a.body, &p) // what is no problem has no code
	}
	return p
}

// isForeign reports whether a row was refused for the property of its id, which
// the model does not have.
func (t *importer) isForeign(ctx context.Context, p refusal) bool {
	at := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(t.IDField)
	if t.IDField == "" || !slices.ContainsFunc(p.Errors, func(e struct{ Pointer string }) bool { return e.Pointer == at }) {
		return false
	}
	t.model.Do(func() {
		a, err := t.do(ctx, http.MethodGet, "/v1/types/"+url.PathEscape(t.Type), nil, nil)
		var model struct{ Schema any }
		t.foreign.Store(err == nil && a.status == http.StatusOK && json.Unmarshal(a.body, &model) == nil && !names(model.Schema, t.IDField))
	})
	return t.foreign.Load()
}

// names reports whether a schema, or one that it is made of, has the property.
func names(schema any, property string) bool {
	switch x := schema.(type) {
	case []any:
		return slices.ContainsFunc(x, func(v any) bool { return names(v, property) })
	case map[string]any:
		if props, ok := x["properties"].(map[string]any); ok {
			if _, ok := props[property]; ok {
				return true
			}
		}
		for _, key := range []string{"allOf", "anyOf", "oneOf", "then", "else"} {
			if names(x[key], property) {
				return true
			}
		}
		defs, _ := x["$defs"].(map[string]any)
		for _, v := range defs {
			if names(v, property) {
				return true
			}
		}
	}
	return false
}

// without is a document without a property; the rest stays as it is written.
func without(data json.RawMessage, property string) json.RawMessage {
	var doc map[string]json.RawMessage
	if json.Unmarshal(data, &doc) != nil {
		return data
	}
	delete(doc, property)
	out, err := json.Marshal(doc)
	if err != nil {
		return data
	}
	return out
}

// identify gives a row its id: that of its meta, the named property, or a digest
// of position and content, so that the same file gives the same ids each time.
func (t *importer) identify(r *row) error {
	if found, err := t.enveloped(r); found || err != nil {
		return err
	}
	if t.IDField == "" {
		h := sha256.New()
		fmt.Fprintf(h, "%d\n", r.n)
		var compact bytes.Buffer
		if err := json.Compact(&compact, r.data); err != nil {
			return err
		}
		h.Write(compact.Bytes())
		r.id = "row-" + hex.EncodeToString(h.Sum(nil)[:16])
		return nil
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(r.data, &doc); err != nil {
		return errors.New("it is not an object")
	}
	if json.Unmarshal(doc[t.IDField], &r.id) == nil && r.id != "" {
		return nil
	}
	var number json.Number
	if json.Unmarshal(doc[t.IDField], &number) == nil {
		if _, err := strconv.ParseInt(number.String(), 10, 64); err == nil {
			r.id = number.String()
			return nil
		}
	}
	return fmt.Errorf("its %s is no id", t.IDField)
}

// enveloped takes id, status and data out of a row that export --with-meta
// wrote.
func (t *importer) enveloped(r *row) (bool, error) {
	var meta struct {
		Meta struct {
			Type, ID, Status string
			Revision         string `json:"current_revision"`
		}
		Data, Revision json.RawMessage
	}
	var keys map[string]json.RawMessage
	ok := json.Unmarshal(r.data, &keys) == nil && keys["data"] != nil && keys["meta"] != nil && len(keys) <= 3 && (len(keys) == 2 || keys["revision"] != nil)
	ok = ok && json.Unmarshal(r.data, &meta) == nil && meta.Meta.ID != "" && meta.Meta.Revision != ""
	if !ok || !t.WithMeta && meta.Meta.Type != t.Type {
		if t.WithMeta {
			return false, errors.New("it has no data and meta, as export --with-meta writes them")
		}
		return false, nil
	}
	r.id, r.status, r.data = meta.Meta.ID, meta.Meta.Status, meta.Data
	return true, nil
}

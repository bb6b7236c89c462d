package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// exchange is a request and its answer.
type exchange struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
	resp   *Response
}

// chooses reports whether the request says which parts of envelopes it wants.
func (x exchange) chooses() bool {
	return x.url.Query().Has("returns") || strings.HasSuffix(x.url.Path, ":search") && bytes.Contains(x.body, []byte(`"returns"`))
}

// judge returns the first difference between an exchange and the document.
func (d *Document) judge(x exchange) error {
	op, params, methods := d.Find(x.method, decodedPath(x.url))
	if op == nil {
		return d.judgeStranger(x, methods)
	}
	if err := d.judgeAnswer(op, x); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if x.resp.Status >= 300 {
		return nil
	}
	if err := d.judgeRequest(op, params, x); err != nil {
		return fmt.Errorf("accepted request: %w", err)
	}
	return nil
}

// decodedPath is the path as the operations of the document are found by: an
// escape may stand for any character but the slash that divides the parts.
func decodedPath(u *url.URL) string {
	if strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return u.EscapedPath()
	}
	return u.Path
}

// judgeStranger is for what the document does not know: that can only be
// refused.
func (d *Document) judgeStranger(x exchange, methods []string) error {
	if x.method == http.MethodGet && strings.HasPrefix(x.url.Path, "/docs/") {
		return nil // the files of a page
	}
	switch x.resp.Status {
	case 400, 403, 404, 414, 429:
	case 204: // a preflight, which is no operation of the API
		if x.method != http.MethodOptions || x.resp.Header.Get("Access-Control-Allow-Origin") == "" {
			return fmt.Errorf("%s %s answered 204", x.method, x.url.Path)
		}
		return nil
	case 405:
		if len(methods) == 0 {
			return fmt.Errorf("405 on a path that is not documented")
		}
	case 301, 302, 307, 308:
		return nil
	default:
		return fmt.Errorf("%s %s is not documented and answered %d", x.method, x.url.Path, x.resp.Status)
	}
	return d.judgeProblem(x)
}

func (d *Document) judgeProblem(x exchange) error {
	if got := x.resp.Header.Get("Content-Type"); got != "application/problem+json" {
		return fmt.Errorf("%d comes as %q, not as a problem", x.resp.Status, got)
	}
	if x.method == http.MethodHead {
		return nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.resp.Body))
	if err != nil {
		return fmt.Errorf("the problem is no JSON: %w", err)
	}
	return d.check("/components/schemas/Problem", v)
}

func (d *Document) judgeAnswer(op *Operation, x exchange) error {
	r := x.resp
	responses := object(op.def["responses"])
	status := strconv.Itoa(r.Status)
	if responses[status] == nil {
		return fmt.Errorf("%s has no status %d; it was answered: %s", op.ID, r.Status, r.Body)
	}
	def, at := d.deref(object(responses[status]), op.at+"/responses/"+status)
	for name, v := range object(def["headers"]) {
		header, _ := d.deref(object(v), at)
		if header["required"] != false && r.Header.Get(name) == "" {
			return fmt.Errorf("%s %d lacks the header %s", op.ID, r.Status, name)
		}
	}
	if r.Status >= 400 {
		return d.judgeProblem(x)
	}
	content := object(def["content"])
	if len(content) == 0 {
		if len(r.Body) > 0 {
			return fmt.Errorf("%s %d has a body, the document says none", op.ID, r.Status)
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if content["*/*"] != nil {
		return nil
	}
	if err != nil || content[media] == nil {
		return fmt.Errorf("%s %d has the content type %q", op.ID, r.Status, r.Header.Get("Content-Type"))
	}
	if media != "application/json" || x.method == http.MethodHead {
		return nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.Body))
	if err != nil {
		return fmt.Errorf("%s %d: %w", op.ID, r.Status, err)
	}
	if x.chooses() {
		if d, err = d.parts(); err != nil {
			return err
		}
	}
	if err := d.check(at+"/content/"+escape(media)+"/schema", v); err != nil {
		return fmt.Errorf("%s %d: %w in %s", op.ID, r.Status, err, r.Body)
	}
	return nil
}

func (d *Document) judgeRequest(op *Operation, path map[string]string, x exchange) error {
	query := x.url.Query()
	for _, p := range d.Parameters(op) {
		text, given := "", false
		switch p.In {
		case "path":
			text, given = path[p.Name], true
		case "query":
			text, given = query.Get(p.Name), query.Has(p.Name)
			query.Del(p.Name)
		case "header":
			text, given = x.header.Get(p.Name), x.header.Get(p.Name) != ""
		}
		if !given {
			if p.Required {
				return fmt.Errorf("%s was taken without %s", op.ID, p.Name)
			}
			continue
		}
		if err := d.check(p.at+"/schema", parameterValue(p, text)); err != nil {
			return fmt.Errorf("%s took %s=%q: %w", op.ID, p.Name, text, err)
		}
	}
	if len(query) > 0 {
		return fmt.Errorf("%s took the undocumented parameters %v", op.ID, query)
	}
	body, at := d.deref(object(op.def["requestBody"]), op.at+"/requestBody")
	content := object(body["content"])
	if content["*/*"] != nil {
		return nil // bytes, maybe none
	}
	if len(x.body) == 0 {
		if body["required"] == true {
			return fmt.Errorf("%s was taken without its body", op.ID)
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(x.header.Get("Content-Type"))
	if err != nil || content[media] == nil {
		return fmt.Errorf("%s took a body of type %q", op.ID, x.header.Get("Content-Type"))
	}
	if media == "multipart/form-data" {
		return nil // its parts are files and a document, which the schema cannot tell apart
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.body))
	if err != nil {
		return fmt.Errorf("%s took what is no JSON: %w", op.ID, err)
	}
	if err := d.check(at+"/content/"+escape(media)+"/schema", v); err != nil {
		return fmt.Errorf("%s took %s: %w", op.ID, x.body, err)
	}
	return nil
}

// parameterValue reads a parameter as its schema's type.
func parameterValue(p Parameter, text string) any {
	switch object(p.def["schema"])["type"] {
	case "integer", "number":
		return json.Number(strings.TrimSpace(text))
	case "boolean":
		if text == "true" || text == "false" {
			return text == "true"
		}
	}
	return text
}

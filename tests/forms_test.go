package tests_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// formPart is a part of a form; one without a file name is no file.
type formPart struct{ field, file, said, content string }

// formOf is the body of a form and its Content-Type.
func formOf(t testing.TB, parts ...formPart) (string, apitest.Option) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name=%q`, p.field)}}
		if p.file != "" {
			h.Set("Content-Disposition", fmt.Sprintf(`form-data; name=%q; filename=%q`, p.field, p.file))
		}
		if p.said != "" {
			h.Set("Content-Type", p.said)
		}
		to, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = to.Write([]byte(p.content)) // into memory
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), apitest.Header("Content-Type", w.FormDataContentType())
}

const sleeves = `name: albums
schema:
  type: object
  required: [title]
  additionalProperties: false
  properties:
    title: {type: string}
    cover: {x-binary: {contentTypes: ["image/*"]}}
    pages: {type: array, items: {type: object, properties: {scan: {x-binary: {}}}}}
    sheet: {x-binary: {}}
`

const aPicture = "\x89PNG\r\n\x1a\n0123456789"

// A form creates and replaces: its document, with each file in the field that its part
// names, of the file's own bytes, type and name.
func TestAFormCreatesAndReplaces(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, map[string]string{"albums": sleeves})
	raw := func(content string) string {
		return c.Post(t, "/v1/blobs", content, apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
	}
	body, kind := formOf(t, formPart{"/cover", `C:\pictures\front.png`, "image/png", aPicture},
		formPart{"data", "", "application/json", `{"title":"Blue","pages":[{},{}]}`},
		formPart{"/pages/1/scan", "../../etc/passwd", "", "text"}, formPart{"/sheet", "a.csv", "text/csv", "a,b\n1,2\n"})
	made := c.Post(t, "/v1/albums?id=blue", body, kind).Want(t, 201)
	for pointer, want := range map[string]string{
		"/data/cover/digest": raw(aPicture), "/data/cover/name": "front.png", "/data/cover/content_type": "image/png",
		"/data/pages/1/scan/digest": raw("text"), "/data/pages/1/scan/name": "passwd", "/data/sheet/content_type": "text/csv", "/data/title": "Blue",
	} {
		if got := made.Text(pointer); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, want %q", pointer, got, want)
		}
	}
	if r := c.Get(t, "/v1/albums/blue/blobs/"+raw(aPicture)).Want(t, 200); string(r.Body) != aPicture || r.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%s %q", r.Header.Get("Content-Type"), r.Body)
	}
	body, kind = formOf(t, formPart{"data", "", "", `{"title":"Blue 2"}`}, formPart{"/sheet", "b.txt", "", "other"})
	c.Put(t, "/v1/albums/blue", body, kind, apitest.IfMatch(`"x"`)).WantProblem(t, 412, "precondition_failed")
	r := c.Put(t, "/v1/albums/blue", body, kind, apitest.IfMatch(made.Header.Get("ETag"))).Want(t, 200)
	if r.Text("/data/sheet/name") != "b.txt" || r.Value("/data/cover") != nil {
		t.Errorf("replaced by %s", r.Body)
	}
	c.Patch(t, "/v1/albums/blue", apitest.MergePatch, body, kind).WantProblem(t, 415, "unsupported_media_type")
	body, kind = formOf(t, formPart{"file", "c.csv", "text/csv", "a,b\n"})
	if r := c.Post(t, "/v1/blobs", body, kind).Want(t, 201); r.Text("/name") != "c.csv" || !strings.HasPrefix(r.Text("/content_type"), "text/csv") {
		t.Errorf("uploaded %s", r.Body)
	}
}

// A form that is none, or that does not fit the model, is refused and says where.
func TestAFormThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, map[string]string{"albums": sleeves})
	title := formPart{"data", "", "", `{"title":"x"}`}
	for name, x := range map[string]struct {
		parts        []formPart
		status       int
		code, detail string
	}{
		"no document":                {[]formPart{{"/cover", "a.png", "", aPicture}}, 422, "validation_failed", "title"},
		"another field":              {[]formPart{title, {"more", "", "", "x"}}, 400, "invalid_request", "more"},
		"two documents":              {[]formPart{title, title}, 400, "invalid_request", "several"},
		"a file without its pointer": {[]formPart{title, {"cover", "a.png", "", aPicture}}, 400, "invalid_request", "pointer"},
		"a file instead of all":      {[]formPart{title, {"", "a.png", "", aPicture}}, 400, "invalid_request", "pointer"},
		"a file of no field":         {[]formPart{title, {"/back", "a.png", "", aPicture}}, 422, "validation_failed", "back"},
		"a file in nothing":          {[]formPart{title, {"/pages/0/scan", "a.png", "", aPicture}}, 422, "validation_failed", "/pages/0/scan"},
		"a file where there is one":  {[]formPart{{"data", "", "", `{"title":"x","cover":{"base64":"AA=="}}`}, {"/cover", "a.png", "", aPicture}}, 422, "validation_failed", "/cover"},
		"the same place twice":       {[]formPart{title, {"/sheet", "a", "", "a"}, {"/sheet", "b", "", "b"}}, 422, "validation_failed", "/sheet"},
		"another kind of file":       {[]formPart{title, {"/cover", "a.png", "image/png", "no picture"}}, 422, "validation_failed", "/cover"},
		"a document that is broken":  {[]formPart{{"data", "", "", `{"title":`}}, 400, "invalid_request", ""},
		"an empty document":          {[]formPart{{"data", "", "", ``}}, 400, "invalid_request", ""},
		"a document twice over":      {[]formPart{{"data", "", "", `{"title":"x"}{}`}}, 400, "invalid_request", ""},
		"a document of another kind": {[]formPart{{"data", "", "text/yaml", `title: x`}}, 415, "unsupported_media_type", "application/json"},
		"a document of a picture":    {[]formPart{{"data", "x.png", "image/png", aPicture}}, 415, "unsupported_media_type", "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			body, kind := formOf(t, x.parts...)
			for method, path := range map[string]string{"POST": "/v1/albums", "PUT": "/v1/albums/none"} {
				opts := []apitest.Option{kind}
				if method == "PUT" {
					opts = append(opts, apitest.Header("If-None-Match", "*"))
				}
				r := c.Do(t, method, path, body, opts...)
				r.WantProblem(t, x.status, x.code)
				if !strings.Contains(string(r.Body), x.detail) {
					t.Errorf("%s says %s", method, r.Body)
				}
			}
		})
	}
	if n := c.Get(t, "/v1/albums:count?consistency=strong").Int("/count"); n != 0 {
		t.Errorf("%d albums were made", n)
	}
	body, kind := formOf(t, title, formPart{"/cover", "a.png", "", aPicture})
	for _, cut := range []string{body[:len(body)-9], body[:strings.LastIndex(body, "--")-1], body[:strings.Index(body, "/cover")], body[:30], ""} {
		c.Post(t, "/v1/albums", cut, kind).WantProblem(t, 400, "invalid_request")
	}
	c.Post(t, "/v1/albums", body, apitest.Header("Content-Type", "multipart/form-data; boundary=another")).WantProblem(t, 400, "invalid_request")
}

// A form with an Idempotency-Key is the same one with another boundary, as a browser sends
// it the next time, and as large as its files are.
func TestAFormIsSentAgain(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, map[string]string{"albums": sleeves})
	again := apitest.Header("Idempotency-Key", "blue")
	form := func(title, file string) (string, apitest.Option) {
		return formOf(t, formPart{"/sheet", "a.txt", "text/plain", file}, formPart{"data", "", "", `{"title":"` + title + `"}`})
	}
	large := strings.Repeat("0123456789abcde\n", 11<<16) // 11 MiB
	body, kind := form("Blue", large)
	first := c.Post(t, "/v1/albums", body, kind, again).Want(t, 201)
	body, kind = form("Blue", large)
	second := c.Post(t, "/v1/albums", body, kind, again).Want(t, 201)
	if a, b := first.Text("/meta/id"), second.Text("/meta/id"); a != b {
		t.Errorf("it made %s and %s", a, b)
	}
	for _, x := range [][2]string{{"Blue", "another file"}, {"Red", large}} {
		body, kind = form(x[0], x[1])
		c.Post(t, "/v1/albums", body, kind, again).WantProblem(t, 422, "idempotency_mismatch")
	}
	c.Post(t, "/v1/albums", `{"title":"Blue"}`, again).WantProblem(t, 422, "idempotency_mismatch")
	at, etag := "/v1/albums/"+first.Text("/meta/id"), first.Header.Get("ETag")
	for range 2 {
		body, kind = form("Red", "r")
		r := c.Put(t, at, body, kind, apitest.IfMatch(etag), apitest.Header("Idempotency-Key", "red")).Want(t, 200)
		if r.Int("/meta/revision_count") != 2 {
			t.Errorf("replaced %s", r.Body)
		}
	}
	if n := c.Get(t, "/v1/albums:count?consistency=strong").Int("/count"); n != 1 {
		t.Errorf("%d albums were made", n)
	}
}

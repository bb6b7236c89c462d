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

// A form is taken for the file that it holds, never for a file itself.
func TestAFormIsTakenForItsFile(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, nil)
	kind := func(k string) apitest.Option { return apitest.Header("Content-Type", k) }
	const file = "ten bytes\r\n--x\r\n"
	want := c.Post(t, "/v1/blobs", file, kind("application/octet-stream")).Want(t, 201).Text("/digest")
	form := func(fill func(w *multipart.Writer)) (string, apitest.Option) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		fill(w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String(), kind(w.FormDataContentType())
	}
	add := func(w *multipart.Writer, name, content string) {
		p, err := w.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = p.Write([]byte(content)) // into memory
	}
	body, k := form(func(w *multipart.Writer) { add(w, "up.txt", file) })
	r := c.Post(t, "/v1/blobs", body, k).Want(t, 201)
	if r.Text("/digest") != want || r.Int("/size") != len(file) || !strings.HasPrefix(r.Text("/content_type"), "text/plain") {
		t.Errorf("stored %s", r.Body)
	}
	picture := "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00", 100_000)
	body, k = form(func(w *multipart.Writer) { add(w, "a.png", picture) })
	if r := c.Post(t, "/v1/blobs", body, k).Want(t, 201); r.Text("/content_type") != "image/png" || r.Int("/size") != len(picture) {
		t.Errorf("stored %s", r.Body)
	}
	c.Post(t, "/v1/blobs", body[:len(body)-200], k).WantProblem(t, 400, "invalid_request") // cut off
	c.Post(t, "/v1/blobs", body[:len(body)-6], k).WantProblem(t, 400, "invalid_request")   // without its end
	for what, fill := range map[string]func(w *multipart.Writer){
		"several":   func(w *multipart.Writer) { add(w, "a", "a"); add(w, "b", "b") },
		"none":      func(*multipart.Writer) {},
		"a field":   func(w *multipart.Writer) { _ = w.WriteField("name", "x") },
		"and more":  func(w *multipart.Writer) { add(w, "a", "a"); _ = w.WriteField("name", "x") },
		"a comment": func(w *multipart.Writer) { _ = w.WriteField("name", "x"); add(w, "a", "a") },
	} {
		body, k := form(fill)
		if p := c.Post(t, "/v1/blobs", body, k).WantProblem(t, 400, "invalid_request"); !strings.Contains(p.Detail, "file") {
			t.Errorf("%s: %s", what, p.Detail)
		}
	}
	for encoding, status := range map[string]int{"binary": 201, "8Bit": 201, "7bit": 201, "base64": 400, "quoted-printable": 400} {
		body, k := form(func(w *multipart.Writer) {
			part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="up.txt"`}, "Content-Transfer-Encoding": {encoding}})
			if err != nil {
				t.Fatal(err)
			}
			_, _ = part.Write([]byte("dGV4dA==")) // into memory
		})
		if r := c.Post(t, "/v1/blobs", body, k).Want(t, status); status == 400 && !strings.Contains(r.Text("/detail"), encoding) {
			t.Errorf("%s: %s", encoding, r.Body)
		}
	}
	c.Post(t, "/v1/blobs", "x", kind("multipart/form-data")).WantProblem(t, 400, "invalid_request")
	for _, k := range []string{"application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded; charset=utf-8"} {
		if p := c.Post(t, "/v1/blobs", "a=b", kind(k)).WantProblem(t, 415, "unsupported_media_type"); !strings.Contains(p.Detail, "octet-stream") {
			t.Error(p.Detail)
		}
	}
	body, k = form(func(w *multipart.Writer) { add(w, "up.txt", heat) })
	for _, path := range []string{"/v1/movies", "/v1:batch", "/v1/movies:search", "/v1/movies:bulk", "/v1:restore"} {
		c.Post(t, path, body, k).WantProblem(t, 415, "unsupported_media_type")
		c.Post(t, path, "title=x", kind("application/x-www-form-urlencoded")).WantProblem(t, 415, "unsupported_media_type")
	}
}

// TestADocumentNamesTheBodiesOfAnUpload: what the document of POST /v1/blobs names is
// taken for the file that it holds, in a part of the name that it says.
func TestADocumentNamesTheBodiesOfAnUpload(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, nil)
	op, _, _ := c.Doc.Find("POST", "/v1/blobs")
	content, _ := c.Doc.Body(op)["content"].(map[string]any)
	const file = "the file"
	want := c.Post(t, "/v1/blobs", file, apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
	forms := 0
	for media, part := range content {
		body, header := file, strings.Replace(media, "*/*", "image/png", 1)
		schema, _ := part.(map[string]any)["schema"].(map[string]any)
		names, _ := schema["properties"].(map[string]any)
		for name := range names {
			var b bytes.Buffer
			w := multipart.NewWriter(&b)
			p, err := w.CreateFormFile(name, "a.txt")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = p.Write([]byte(file)) // into memory
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			body, header = b.String(), w.FormDataContentType()
			if !strings.HasPrefix(header, media+";") {
				t.Errorf("%s has the parts of a form", media)
			}
			forms++
		}
		if got := c.Post(t, "/v1/blobs", body, apitest.Header("Content-Type", header)).Want(t, 201).Text("/digest"); got != want {
			t.Errorf("a body of %s is kept as %s, want %s", media, got, want)
		}
	}
	if forms != 1 {
		t.Errorf("%d forms of one file are named, want 1", forms)
	}
}

// A line that is too long is named.
func TestALineThatIsTooLongIsNamed(t *testing.T) {
	t.Parallel()
	long := fmt.Sprintf(`{"code":"long","name":"%s"}`, strings.Repeat("x", 16<<20))
	for name, x := range map[string]struct {
		lines []string
		line  string
	}{
		"the third":         {[]string{`{"code":"a"}`, `{"code":"b"}`, long, `{"code":"c"}`}, "line 3"},
		"the first":         {[]string{long}, "line 1"},
		"after empty lines": {[]string{`{"code":"a"}`, "", "", long}, "line 4"},
	} {
		t.Run(name, func(t *testing.T) {
			c, file := launchRows(t, x.lines)
			r := apitest.Run(t, "", "import", "rows", file, "--url", c.URL)
			if r.Code == 0 || !strings.Contains(r.Stderr, x.line+" is longer than 16777216 bytes") {
				t.Errorf("exit %d: %.300s", r.Code, r.Stderr)
			}
		})
	}
}

package form_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/services/api/form"
)

// parts are those of a form: the header Content-Disposition without form-data, and what
// follows up to the next one.
func document(parts ...string) (doc any, files []string, err error) {
	var body strings.Builder
	for _, p := range parts {
		body.WriteString("--x\r\nContent-Disposition: form-data; " + p + "\r\n")
	}
	body.WriteString("--x--\r\n")
	r := httptest.NewRequest("POST", "/", strings.NewReader(body.String()))
	r.Header.Set("Content-Type", form.Type+"; boundary=x")
	doc, err = form.Document(r, 100, func(f form.File) (map[string]any, error) {
		b, err := io.ReadAll(f.Content)
		files = append(files, f.Field+" "+f.Name+" "+f.Said+" "+string(b))
		return map[string]any{"name": f.Name}, err
	})
	return doc, files, err
}

const poster = `name="/poster"; filename="a.png"` + "\r\nContent-Type: image/png\r\n\r\npicture"

func TestADocumentIsPutTogether(t *testing.T) {
	for name, data := range map[string]string{
		"a field":                         `name="data"` + "\r\n\r\n" + `{"title":"x"}`,
		"a field with its type":           `name="data"` + "\r\nContent-Type: application/json\r\n\r\n" + `{"title":"x"}`,
		"a Blob of a page, with its name": `name="data"; filename="blob"` + "\r\nContent-Type: application/json\r\n\r\n" + `{"title":"x"}`,
	} {
		doc, files, err := document(data, poster)
		text, _ := json.Marshal(doc)
		if err != nil || string(text) != `{"poster":{"name":"a.png"},"title":"x"}` || len(files) != 1 || files[0] != "/poster a.png image/png picture" {
			t.Errorf("%s: %s, %v, %v", name, text, files, err)
		}
	}
}

func TestAFormThatIsNoDocumentIsRefused(t *testing.T) {
	data := `name="data"` + "\r\n\r\n"
	for name, x := range map[string]struct {
		code  fault.Code
		parts []string
	}{
		"another field":           {fault.InvalidRequest, []string{`name="title"` + "\r\n\r\nx"}},
		"two documents":           {fault.InvalidRequest, []string{data + "{}", data + "{}"}},
		"another charset":         {fault.UnsupportedMediaType, []string{`name="data"` + "\r\nContent-Type: application/json; charset=utf-16\r\n\r\n{}"}},
		"a file of no type":       {fault.UnsupportedMediaType, []string{`name="/poster"; filename="a"` + "\r\nContent-Type: picture\r\n\r\nx"}},
		"a head that is broken":   {fault.InvalidRequest, []string{`name="/poster"; filename="a` + "\x01" + `b"` + "\r\n\r\nx"}},
		"a document of a picture": {fault.UnsupportedMediaType, []string{`name="data"; filename="x.png"` + "\r\nContent-Type: image/png\r\n\r\nx"}},
		"a large document":        {fault.TooLarge, []string{data + `"` + strings.Repeat("x", 100) + `"`}},
		"a file without a place":  {fault.InvalidRequest, []string{`name="poster"; filename="a.png"` + "\r\n\r\nx"}},
		"a file twice":            {fault.ValidationFailed, []string{data + `{"poster":{"digest":"x"}}`, poster}},
		"a file where nothing is": {fault.ValidationFailed, []string{`name="/no/place"; filename="a.png"` + "\r\n\r\nx"}},
	} {
		_, _, err := document(x.parts...)
		var e *fault.Error
		if !errors.As(err, &e) || e.Code != x.code {
			t.Errorf("%s: %v, want %s", name, err, x.code)
		}
	}
}

// A form that was cut off anywhere is refused, never taken for a shorter one.
func TestAFormWithoutItsEndIsRefused(t *testing.T) {
	const whole = "--x\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{}\r\n--x\r\n" +
		"Content-Disposition: form-data; name=\"/poster\"; filename=\"a.png\"\r\n\r\npicture\r\n--x--"
	read := func(body, boundary string) error {
		r := httptest.NewRequest("POST", "/", iotest.OneByteReader(strings.NewReader(body)))
		r.Header.Set("Content-Type", form.Type+"; boundary="+boundary)
		_, err := form.Document(r, 100, func(f form.File) (map[string]any, error) {
			if _, err := io.ReadAll(f.Content); err != nil {
				return nil, form.Ended(err)
			}
			return map[string]any{}, nil
		})
		return err
	}
	if err := read(whole, "x"); err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if err := read(whole[:n], "x"); fault.CodeOf(err) != fault.InvalidRequest {
			t.Errorf("of %q: %v", whole[:n], err)
		}
	}
	if err := read(whole, "another"); fault.CodeOf(err) != fault.InvalidRequest {
		t.Errorf("with another boundary: %v", err)
	}
}

// Files come in any order, and keep the places that null holds for them.
func TestAFileTakesThePlaceOfNull(t *testing.T) {
	part := func(at, name string) string {
		return `name="` + at + `"; filename="` + name + `"` + "\r\n\r\nx"
	}
	doc, _, err := document(part("/scans/1", "b"), part("/scans/0", "a"), `name="data"`+"\r\n\r\n"+`{"cover":null,"scans":[null,null]}`, part("/cover", "c"))
	text, _ := json.Marshal(doc)
	if err != nil || string(text) != `{"cover":{"name":"c"},"scans":[{"name":"a"},{"name":"b"}]}` {
		t.Errorf("%s, %v", text, err)
	}
}

// A page sends a part without a name and content for a file that no person chose.
func TestAFileThatNobodyChoseIsNone(t *testing.T) {
	unnamed := `name="/poster"; filename=""` + "\r\nContent-Type: application/octet-stream\r\n\r\n"
	doc, files, err := document(unnamed)
	if text, _ := json.Marshal(doc); err != nil || string(text) != "{}" || len(files) != 0 {
		t.Errorf("%s, %v, %v", text, files, err)
	}
	if _, _, err := document(slices.Repeat([]string{unnamed + "\r\n"}, 102)...); fault.CodeOf(err) != fault.InvalidRequest {
		t.Errorf("102 of them: %v", err)
	}
	if _, _, err := document(unnamed + "content"); fault.CodeOf(err) != fault.InvalidRequest {
		t.Errorf("with content: %v", err)
	}
}

// The name of a file is one that is harmless where it is shown or written.
func TestTheNameOfAFileIsHarmless(t *testing.T) {
	for given, want := range map[string]string{"..": "", ".": "", "/": "", "a/..": "", "a\u0085b\u009f.txt": "ab.txt", "../x": "x", `C:\\y`: "y"} {
		_, files, err := document(`name="/poster"; filename="` + given + `"` + "\r\n\r\nx")
		if err != nil || len(files) != 1 || files[0] != "/poster "+want+"  x" {
			t.Errorf("%q: %q, %v", given, files, err)
		}
	}
}

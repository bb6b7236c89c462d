package form_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

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

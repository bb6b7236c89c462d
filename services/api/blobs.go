package api

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// uploadBinary streams a binary to the store.
func uploadBinary(a *API, c call) error {
	r, cancel := long(c.w, c.r)
	defer cancel()
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return fault.Errorf(fault.UnsupportedMediaType, "Content-Encoding %q is not accepted; send the binary as it is", e)
	}
	if r.ContentLength > resource.MaxBinary {
		return fault.Errorf(fault.TooLarge, "the binary is over %d bytes", int64(resource.MaxBinary))
	}
	if err := a.m.Guard.MayWriteSome(r.Context()); err != nil {
		return err // before it is waited for the body
	}
	b, err := receive(a.m, r)
	if err != nil {
		return err
	}
	return c.json(http.StatusCreated, map[string]any{"digest": b.Digest, "size": b.Size, "content_type": b.ContentType})
}

// receive stores the body, or the one file of a form.
func receive(m *resource.Domain, r *http.Request) (model.Blob, error) {
	if said := r.Header.Get("Content-Type"); said != "" {
		if _, err := model.MediaType(said); err != nil {
			return model.Blob{}, fault.Errorf(fault.UnsupportedMediaType, "Content-Type: %v", err)
		}
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // whatever it is, unless it is a form
	switch kind {
	case "application/x-www-form-urlencoded":
		return model.Blob{}, fault.Errorf(fault.UnsupportedMediaType,
			"a form is not accepted; send the file itself, like curl -H 'Content-Type: application/octet-stream' --data-binary @FILE, or as the one file of a multipart/form-data")
	case "multipart/form-data":
		return receiveForm(m, r)
	}
	return receiveFrom(m, r, r.Body)
}

func receiveFrom(m *resource.Domain, r *http.Request, from io.Reader) (model.Blob, error) {
	body := &bodyReader{r: from}
	b, err := m.Binaries.PutBinary(r.Context(), body, resource.MaxBinary)
	if body.err != nil {
		return model.Blob{}, endedEarly(body.err)
	}
	return b, err
}

// receiveForm stores the file of a form (RFC 7578) that holds one file and nothing
// else. What was stored of a form that is refused is swept, as all that nothing
// refers to.
func receiveForm(m *resource.Domain, r *http.Request) (b model.Blob, err error) {
	form, err := r.MultipartReader()
	if err != nil {
		return b, fault.Errorf(fault.InvalidRequest, "the form cannot be read: %v", err)
	}
	for files := 0; ; files++ {
		part, err := form.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && files == 1:
			return b, nil
		case errors.Is(err, io.EOF):
			return b, fault.Errorf(fault.InvalidRequest, "the form holds no file; it takes one")
		case err != nil:
			return b, endedEarly(err)
		case part.FileName() == "":
			return b, fault.Errorf(fault.InvalidRequest, "the form has a field %q; it takes one file and nothing else", shorten(part.FormName(), 100))
		case encoded(part):
			return b, fault.Errorf(fault.InvalidRequest, "the file of the form is encoded (%s); send its bytes as they are", shorten(part.Header.Get(transferEncoding), 100))
		case files == 1:
			return b, fault.Errorf(fault.InvalidRequest, "the form holds several files; send each in a request of its own")
		}
		if b, err = receiveFrom(m, r, part); err != nil {
			return b, err
		}
	}
}

const transferEncoding = "Content-Transfer-Encoding"

// encoded reports whether a part is not the bytes themselves, which RFC 7578 section 4.7
// no longer knows.
func encoded(part *multipart.Part) bool {
	switch strings.ToLower(strings.TrimSpace(part.Header.Get(transferEncoding))) {
	case "", "7bit", "8bit", "binary":
		return false
	}
	return true
}

// bodyReader remembers what went wrong on the client's side.
type bodyReader struct {
	r   io.Reader
	err error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

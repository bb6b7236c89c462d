package api

import (
	"context"
	"io"
	"mime"
	"net/http"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/form"
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
	return c.json(http.StatusCreated, b.value())
}

// upload is a binary that was received, and what its sender calls it.
type upload struct {
	model.Blob
	name string // empty: it has none
}

// value is what stands for the binary in a document.
func (u upload) value() map[string]any {
	v := map[string]any{"digest": u.Digest, "size": u.Size, "content_type": u.ContentType}
	if u.name != "" {
		v["name"] = u.name
	}
	return v
}

// receive stores the body, or the one file of a form. What was stored of a form that is
// refused is swept, as all that nothing refers to.
func receive(m *resource.Domain, r *http.Request) (u upload, err error) {
	if said := r.Header.Get("Content-Type"); said != "" {
		if _, err := model.MediaType(said); err != nil {
			return u, fault.Errorf(fault.UnsupportedMediaType, "Content-Type: %v", err)
		}
	}
	if form.Is(r) {
		err = form.One(r, func(f form.File) (err error) {
			u, err = receiveFile(m, r, f)
			return err
		})
		return u, err
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		return u, fault.Errorf(fault.UnsupportedMediaType,
			"a form is not accepted; send the file itself, like curl -H 'Content-Type: application/octet-stream' --data-binary @FILE, or as the one file of a multipart/form-data")
	}
	u.Blob, err = receiveFrom(m, r, r.Body)
	return u, err
}

func receiveFrom(m *resource.Domain, r *http.Request, from io.Reader) (model.Blob, error) {
	body := &bodyReader{r: from}
	b, err := m.Binaries.PutBinary(r.Context(), body, resource.MaxBinary)
	if body.err != nil {
		return model.Blob{}, form.Ended(body.err)
	}
	return b, err
}

// receiveFile stores a file of a form. It is of the type that its sender says, where
// its bytes could be that.
func receiveFile(m *resource.Domain, r *http.Request, f form.File) (upload, error) {
	b, err := receiveFrom(m, r, f.Content)
	if counts, fits := model.FitsMediaType(b.ContentType, f.Said); err == nil && f.Said != "" && fits {
		b.ContentType = counts
	}
	return upload{b, f.Name}, err
}

// takesForm reports whether the body is a form that is a document with files.
func (c *call) takesForm() bool { return c.op.forms && form.Is(c.r) && !hasNoBinaries(c.t) }

// forItsForm gives a request with a form the time that its files take.
func (c *call) forItsForm() (end func()) {
	if !form.Is(c.r) {
		return func() {}
	}
	var cancel context.CancelFunc
	c.r, cancel = long(c.w, c.r)
	return cancel
}

// receiveDocument reads the document of a form and stores its files.
func receiveDocument(a *API, c call) (any, error) {
	r := c.r
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, fault.Errorf(fault.UnsupportedMediaType, "Content-Encoding %q is not accepted; send the form as it is", e)
	}
	return form.Document(r, maxBody, func(f form.File) (map[string]any, error) {
		u, err := receiveFile(a.m, r, f)
		return u.value(), err
	})
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

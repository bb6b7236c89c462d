package api

import (
	"io"
	"net/http"
	"time"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// uploadTimeout bounds a whole upload or download of a binary, however large;
// the connection's own deadlines are for small bodies.
const uploadTimeout = 30 * time.Minute

// putBlob streams a binary to the store.
func (a *API) putBlob(w http.ResponseWriter, r *http.Request) {
	r, cancel := long(w, r)
	defer cancel()
	c := call{w: w, r: r}
	err := func() error {
		if p := readQuery(r); p.err != nil {
			return p.err
		}
		if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
			return resource.Errorf(resource.UnsupportedMediaType, "Content-Encoding %q is not accepted; send the binary as it is", e)
		}
		if r.ContentLength > resource.MaxBinary {
			return resource.Errorf(resource.TooLarge, "the binary is over %d bytes", int64(resource.MaxBinary))
		}
		body := &bodyReader{r: r.Body}
		b, err := a.m.PutBinary(r.Context(), body, resource.MaxBinary)
		if body.err != nil {
			return endedEarly(body.err)
		}
		if err != nil {
			return err
		}
		return c.json(http.StatusCreated, map[string]any{"digest": b.Digest, "size": b.Size, "content_type": b.ContentType})
	}()
	if err != nil {
		a.fail(w, r, err)
	}
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

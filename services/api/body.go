package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/services/api/form"
)

// maxBody is the most bytes of a JSON body.
const maxBody = 10 << 20

// maxPromised is up to where memory is taken for what a client says that it will
// send; for more it is taken as it comes.
const maxPromised = 64 << 10

const (
	typeJSON  = "application/json"
	typeMerge = "application/merge-patch+json"
	typePatch = "application/json-patch+json"
)

// contentType checks the media type of a body against the accepted ones.
func contentType(r *http.Request, accepted ...string) (string, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return "", fault.Errorf(fault.UnsupportedMediaType, "Content-Encoding %q is not accepted; send the body as it is", e)
	}
	name, p, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && (p["charset"] == "" || strings.EqualFold(p["charset"], "utf-8")) {
		for _, a := range accepted {
			if name == a {
				return a, nil
			}
		}
	}
	return "", fault.Errorf(fault.UnsupportedMediaType, "send Content-Type: %s", strings.Join(accepted, " or "))
}

// readDocument reads and decodes a JSON body.
func readDocument(w http.ResponseWriter, r *http.Request) (any, error) {
	b, err := readBody(w, r, maxBody)
	if err != nil {
		return nil, err
	}
	return model.DecodeInput(b)
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body := http.MaxBytesReader(w, r.Body, limit)
	var b []byte
	var err error
	if n := r.ContentLength; n > 0 && n <= maxPromised {
		b = make([]byte, n)
		_, err = io.ReadFull(body, b)
	} else {
		b, err = io.ReadAll(body)
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, fault.Errorf(fault.TooLarge, "the body is over %d bytes", limit)
	case err != nil:
		return nil, form.Ended(err)
	}
	return b, nil
}

// nothing checks that an action without parameters got no body or {}.
func nothing(w http.ResponseWriter, r *http.Request) error {
	b, err := readBody(w, r, 1<<10)
	if err != nil || len(b) == 0 {
		return err
	}
	if _, err := contentType(r, typeJSON); err != nil {
		return err
	}
	v, err := model.DecodeInput(b)
	if err != nil {
		return err
	}
	if o, ok := v.(map[string]any); !ok || len(o) > 0 {
		return fault.Errorf(fault.InvalidRequest, "this request takes no body, or {}")
	}
	return nil
}

// readOptional reads the body of an action whose parameters may all be left out:
// no body is {}.
func readOptional(w http.ResponseWriter, r *http.Request, names ...string) (map[string]any, error) {
	b, err := readBody(w, r, maxBody)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return readObject(w, r, names...)
}

// readObject reads a small body whose properties are all of the given names.
func readObject(w http.ResponseWriter, r *http.Request, names ...string) (map[string]any, error) {
	if _, err := contentType(r, typeJSON); err != nil {
		return nil, err
	}
	v, err := readDocument(w, r)
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, &fault.Error{Code: fault.ValidationFailed, Detail: "the body is an object",
			Fields: []fault.FieldError{{Pointer: "", Detail: "must be an object"}}}
	}
	for name := range o {
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if !known {
			return nil, &fault.Error{Code: fault.ValidationFailed, Detail: "the body has an unknown property",
				Fields: []fault.FieldError{{Pointer: "/" + name, Detail: "unknown property; known are " + strings.Join(names, ", ")}}}
		}
	}
	return o, nil
}

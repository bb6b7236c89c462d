package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// blobPart is a line of what export --with-meta writes: a piece of a binary,
// before the row that refers to it.
type blobPart struct {
	Blob        string `json:"blob"` // digest
	ContentType string `json:"content_type"`
	Part        int    `json:"part"` // from 0
	Last        bool   `json:"last"`
	Base64      []byte `json:"base64"`
}

// partSize is how many bytes of a binary one line holds.
const partSize = 768 << 10

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// readPart reads a line that is a part.
func readPart(data []byte) (p blobPart, ok bool) {
	if !bytes.HasPrefix(data, []byte(`{"blob":"sha256:`)) {
		return p, false
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return p, d.Decode(&p) == nil && digest.MatchString(p.Blob) && bytes.Contains(data, []byte(`"part":`))
}

// uploads sends binaries whose parts come one after the other.
type uploads struct {
	server
	current string // digest; empty: none is under way
	next    int
	pipe    *io.PipeWriter
	ended   chan error
}

// take sends one part. A binary is there when its last part was taken.
func (u *uploads) take(ctx context.Context, p blobPart) error {
	if p.Part == 0 && u.current == "" {
		u.begin(ctx, p)
	}
	if p.Blob != u.current || p.Part != u.next {
		return &exitError{exitFailed, fmt.Sprintf("part %d of the binary %s is not where it should be", p.Part, p.Blob)}
	}
	u.next++
	if _, err := u.pipe.Write(p.Base64); err != nil {
		return <-u.ended // which says more
	}
	if !p.Last {
		return nil
	}
	u.current = ""
	_ = u.pipe.Close() // never fails
	return <-u.ended
}

func (u *uploads) begin(ctx context.Context, p blobPart) {
	in, out := io.Pipe()
	u.current, u.next, u.pipe, u.ended = p.Blob, 0, out, make(chan error, 1)
	go func() {
		err := u.upload(ctx, p, in)
		in.CloseWithError(io.ErrClosedPipe)
		u.ended <- err
	}()
}

func (u *uploads) upload(ctx context.Context, p blobPart, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(u.URL, "/")+"/v1/blobs", body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", p.ContentType)
	if u.Token != "" {
		req.Header.Set("Authorization", "Bearer "+u.Token)
	}
	resp, err := patient.Do(req)
	if err != nil {
		return fmt.Errorf("the binary %s: %w", p.Blob, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("the binary %s: %w", p.Blob, err)
	}
	a := answer{resp.StatusCode, b}
	if a.status != http.StatusCreated {
		return &exitError{exitFailed, "the binary " + p.Blob + ": " + a.problem()}
	}
	var made struct{ Digest string }
	if json.Unmarshal(b, &made) != nil || made.Digest != p.Blob {
		return &exitError{exitFailed, fmt.Sprintf("the binary %s was altered: its digest is %s", p.Blob, made.Digest)}
	}
	return nil
}

// unfinished tells of a file that ends in the middle of a binary.
func (u *uploads) unfinished() error {
	if u.current == "" {
		return nil
	}
	return &exitError{exitFailed, "the file ends within the binary " + u.current}
}

// stop ends what is under way.
func (u *uploads) stop() {
	if u.current != "" {
		_ = u.pipe.CloseWithError(io.ErrUnexpectedEOF) // never fails
	}
}

// blobsIn finds the binaries of a document: digest and media type.
func blobsIn(v any, found map[string]string) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			blobsIn(e, found)
		}
	case map[string]any:
		d, _ := x["digest"].(string)
		kind, typed := x["content_type"].(string)
		if _, sized := x["size"].(float64); sized && typed && len(x) == 3 && digest.MatchString(d) {
			found[d] = kind
		}
		for _, e := range x {
			blobsIn(e, found)
		}
	}
}

// writeBlob writes a binary of a resource in parts, and tells whether it is one:
// free JSON may look like it.
func (s server) writeBlob(ctx context.Context, w io.Writer, typ, id, digest, kind string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(s.URL, "/")+"/v1/"+url.PathEscape(typ)+"/"+url.PathEscape(id)+"/blobs/"+digest, nil)
	if err != nil {
		return false, err
	}
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	resp, err := patient.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return false, nil
	default:
		return false, &exitError{exitFailed, fmt.Sprintf("the binary %s of %s: %s", digest, id, resp.Status)}
	}
	buf := make([]byte, partSize)
	for n := 0; ; n++ {
		size, err := io.ReadFull(resp.Body, buf)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return false, err
		}
		line, err := json.Marshal(blobPart{digest, kind, n, last, buf[:size]})
		if err != nil {
			return false, err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return false, err
		}
		if last {
			return true, nil
		}
	}
}

package apitest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// firstEvent reads a stream up to its first empty line.
type firstEvent struct {
	r    *bufio.Reader
	rest []byte
	done bool
}

// Read implements io.Reader.
func (f *firstEvent) Read(b []byte) (int, error) {
	if len(f.rest) == 0 {
		if f.done {
			return 0, io.EOF
		}
		line, err := f.r.ReadBytes('\n')
		if err != nil {
			return 0, err
		}
		f.rest, f.done = line, len(line) == 1
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Event of a watch.
type Event struct {
	Seq      uint64
	Action   string
	Envelope struct {
		Data     map[string]any
		Meta     map[string]any
		Revision map[string]any
	}
	Raw string // the data
}

// ID of the resource.
func (e Event) ID() string { s, _ := e.Envelope.Meta["id"].(string); return s }

// Watch is a running watch.
type Watch struct {
	// Last is the id to go on after, also when no event came with it.
	Last uint64
	body io.ReadCloser
	r    *bufio.Reader
}

// Watch begins one; the context ends it.
func (c *Client) Watch(ctx context.Context, path string, opts ...Option) (*Watch, *Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		return nil, nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for _, o := range opts {
		o(req)
	}
	client := &http.Client{Transport: c.http.Transport}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	out := &Response{Status: resp.StatusCode, Header: resp.Header, What: "GET " + path}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		out.Body, err = io.ReadAll(resp.Body)
		return nil, out, err
	}
	return &Watch{body: resp.Body, r: bufio.NewReaderSize(resp.Body, 64<<10)}, out, nil
}

// MustWatch is Watch for the time of a test, and waits until it has begun.
func (c *Client) MustWatch(t testing.TB, path string, opts ...Option) *Watch {
	t.Helper()
	w, r, err := c.Watch(t.Context(), path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if w == nil {
		t.Fatalf("%s: %d %s", path, r.Status, r.Body)
	}
	t.Cleanup(w.Close)
	if err := w.begun(); err != nil {
		t.Fatal(err)
	}
	return w
}

// begun reads the line with which every watch begins.
func (w *Watch) begun() error {
	_, ok, err := w.block()
	if err == nil && ok {
		err = fmt.Errorf("the watch began with an event")
	}
	return err
}

// Close ends it.
func (w *Watch) Close() { _ = w.body.Close() } // it is only read

// Next waits for the next event.
func (w *Watch) Next() (Event, error) {
	for {
		e, ok, err := w.block()
		if err != nil || ok {
			return e, err
		}
	}
}

// Alive waits for the next sign that the watch goes on, an event or not.
func (w *Watch) Alive() (event bool, err error) {
	_, event, err = w.block()
	return event, err
}

// block reads up to the next empty line; ok tells that it was an event.
func (w *Watch) block() (e Event, ok bool, err error) {
	for {
		line, err := w.r.ReadString('\n')
		if err != nil {
			return e, false, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "":
			if line != "" || value != "" {
				continue // a comment
			}
			if e.Seq > 0 { // with the whole event only: half of one is told again
				w.Last = e.Seq
			}
			return e, e.Raw != "", nil
		case "id":
			if e.Seq, err = strconv.ParseUint(value, 10, 64); err != nil {
				return e, false, err
			}
		case "event":
			e.Action = value
		case "data":
			e.Raw = value
			if err := json.Unmarshal([]byte(value), &e.Envelope); err != nil {
				return e, false, err
			}
		}
	}
}

// Take waits for n events.
func (w *Watch) Take(t testing.TB, n int) []Event {
	t.Helper()
	var out []Event
	for range n {
		e, err := w.Next()
		if err != nil {
			t.Fatalf("after %d of %d events: %v", len(out), n, err)
		}
		out = append(out, e)
	}
	return out
}

// Package apitest drives a running program from outside, as a client that
// knows its OpenAPI document and believes nothing else: every answer, and every
// request that was accepted, is checked against it.
package apitest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Client of one running program.
type Client struct {
	URL  string
	Doc  *Document
	http *http.Client

	token string
}

// As is the client with a credential.
func (c *Client) As(token string) *Client {
	out := *c
	out.token = token
	return &out
}

// NewClient fetches the document of the program at a URL.
func NewClient(t testing.TB, base string) *Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 128, ResponseHeaderTimeout: 2 * time.Minute}
	c := &Client{URL: base, http: &http.Client{Transport: transport, Timeout: 3 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := c.http.Get(base + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("/openapi.json: %d, %v", resp.StatusCode, err)
	}
	b = bytes.ReplaceAll(b, []byte(base), nil) // but for its address, the same models have the same
	documents.Lock()
	defer documents.Unlock()
	if documents.parsed[string(b)] == nil {
		if documents.parsed[string(b)], err = ParseDocument(b); err != nil {
			t.Fatal(err)
		}
	}
	c.Doc = documents.parsed[string(b)]
	return c
}

// At is the same client for another process of the same program.
func (c *Client) At(base string) *Client { return &Client{URL: base, Doc: c.Doc, http: c.http} }

// Plain is a client that knows no document: for watches, and where the document changes.
func Plain(t testing.TB, base string) *Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{URL: base, http: &http.Client{Transport: transport}}
}

// documents that were read, with the schemas that were compiled.
var documents = struct {
	sync.Mutex
	parsed map[string]*Document
}{parsed: map[string]*Document{}}

// Option changes a request.
type Option func(*http.Request)

// Header sets a header.
func Header(name, value string) Option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// IfMatch asks for a state.
func IfMatch(etag string) Option { return Header("If-Match", etag) }

// Host sets the Host header.
func Host(name string) Option { return func(r *http.Request) { r.Host = name } }

// Response of a request.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	What   string // the request, for messages
}

// The media types of bodies.
const (
	JSON       = "application/json"
	MergePatch = "application/merge-patch+json"
	JSONPatch  = "application/json-patch+json"
)

// Try sends a request; an error means that no answer came. Bodies are strings
// or []byte as they are, anything else as JSON; nil is none. An answer that is
// not as the document says fails the test.
func (c *Client) Try(t testing.TB, method, path string, body any, opts ...Option) (*Response, error) {
	t.Helper()
	var raw []byte
	switch b := body.(type) {
	case nil:
	case string:
		raw = []byte(b)
	case []byte:
		raw = b
	default:
		var err error
		if raw, err = json.Marshal(b); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(c.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, u.String(), bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", JSON)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for _, o := range opts {
		o(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := &Response{Status: resp.StatusCode, Header: resp.Header, What: method + " " + path}
	answer := io.Reader(resp.Body)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		answer = &firstEvent{r: bufio.NewReader(resp.Body)} // the rest never ends
	}
	if out.Body, err = io.ReadAll(answer); err != nil {
		return nil, err
	}
	if c.Doc == nil {
		return out, nil
	}
	if err := c.Doc.judge(exchange{method, u, req.Header, raw, out}); err != nil {
		t.Errorf("%s: %v", shorten(out.What), err)
	}
	return out, nil
}

// Do sends a request that must be answered.
func (c *Client) Do(t testing.TB, method, path string, body any, opts ...Option) *Response {
	t.Helper()
	r, err := c.Try(t, method, path, body, opts...)
	if err != nil {
		t.Fatalf("%s %s: %s", method, shorten(path), shorten(err.Error()))
	}
	return r
}

// Get sends a GET.
func (c *Client) Get(t testing.TB, path string, opts ...Option) *Response {
	t.Helper()
	return c.Do(t, http.MethodGet, path, nil, opts...)
}

// Post sends a POST with a JSON body.
func (c *Client) Post(t testing.TB, path string, body any, opts ...Option) *Response {
	t.Helper()
	return c.Do(t, http.MethodPost, path, body, opts...)
}

// Put sends a PUT with a JSON body.
func (c *Client) Put(t testing.TB, path string, body any, opts ...Option) *Response {
	t.Helper()
	return c.Do(t, http.MethodPut, path, body, opts...)
}

// Patch sends a PATCH of the given media type.
func (c *Client) Patch(t testing.TB, path, media string, body any, opts ...Option) *Response {
	t.Helper()
	return c.Do(t, http.MethodPatch, path, body, append([]Option{Header("Content-Type", media)}, opts...)...)
}

// Delete sends a DELETE.
func (c *Client) Delete(t testing.TB, path string, opts ...Option) *Response {
	t.Helper()
	return c.Do(t, http.MethodDelete, path, nil, opts...)
}

// LogSeq is the place of the newest change in the log.
func (c *Client) LogSeq(t testing.TB, typ string) uint64 {
	t.Helper()
	r := c.Get(t, "/v1/"+typ+"?consistency=strong&page_size=1").Want(t, http.StatusOK)
	n, err := strconv.ParseUint(r.Header.Get("Autocrud-Index-Seq"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Want fails the test unless the status is the one given.
func (r *Response) Want(t testing.TB, status int) *Response {
	t.Helper()
	if r.Status != status {
		t.Fatalf("%s: %d, want %d: %s", shorten(r.What), r.Status, status, shorten(string(r.Body)))
	}
	return r
}

// Problem is an error answer.
type Problem struct {
	Type, Title, Detail, Code string
	Status                    int
	Errors                    []struct{ Pointer, Detail string }
}

// WantProblem fails the test unless the answer is a whole problem with this
// status and code.
func (r *Response) WantProblem(t testing.TB, status int, code string) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(r.Body, &p); err != nil {
		t.Fatalf("%s: %d is no problem: %s", shorten(r.What), r.Status, shorten(string(r.Body)))
	}
	if r.Status != status || p.Status != status || p.Code != code {
		t.Errorf("%s: %d %s, want %d %s: %s", shorten(r.What), r.Status, p.Code, status, code, shorten(string(r.Body)))
	}
	if p.Type == "" || p.Title == "" || p.Detail == "" || p.Code == "" {
		t.Errorf("%s: the problem is not whole: %s", shorten(r.What), r.Body)
	}
	if r.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: content type %q", shorten(r.What), r.Header.Get("Content-Type"))
	}
	return p
}

// Value reads a place of the body by a pointer; numbers are float64. Nil when
// it is not there.
func (r *Response) Value(pointer string) any {
	var v any
	if json.Unmarshal(r.Body, &v) != nil {
		return nil
	}
	if pointer == "" {
		return v
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if a, ok := v.([]any); ok {
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(a) {
				return nil
			}
			v = a[i]
			continue
		}
		v = object(v)[part]
	}
	return v
}

// Text is Value as a string.
func (r *Response) Text(pointer string) string { s, _ := r.Value(pointer).(string); return s }

// Int is Value as a number; -1 when it is none.
func (r *Response) Int(pointer string) int {
	if n, ok := r.Value(pointer).(float64); ok {
		return int(n)
	}
	return -1
}

// ETag of the answer.
func (r *Response) ETag() string { return r.Header.Get("ETag") }

// Items of a list answer.
func (r *Response) Items() []any { return list(r.Value("/items")) }

// Equal compares a place of the body with JSON text.
func (r *Response) Equal(t testing.TB, pointer, want string) *Response {
	t.Helper()
	if got := r.Value(pointer); !SameJSON(t, got, want) {
		t.Errorf("%s: %s is %v, want %s", shorten(r.What), pointer, got, want)
	}
	return r
}

// SameJSON compares a decoded value with JSON text.
func SameJSON(t testing.TB, got any, want string) bool {
	t.Helper()
	var w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	return reflect.DeepEqual(got, w)
}

// Eventually polls until ok, or fails the test at the deadline.
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func shorten(s string) string {
	if len(s) > 600 {
		return s[:600] + "..."
	}
	return s
}

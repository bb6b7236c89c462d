// Package remote talks to a running server as its clients do, and knows the servers that
// were given a name: the contexts.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Server is where requests go, and with what credential.
type Server struct {
	URL    string
	Secret string // a token, or a cookie as Cookie makes it; empty: none
}

// cookiePrefix marks a credential that is a cookie.
const cookiePrefix = "cookie "

// Cookie makes a credential of a session's cookie.
func Cookie(c *http.Cookie) string { return cookiePrefix + c.Name + "=" + c.Value }

// Request is what is asked for. A write that is a POST is sent with an Idempotency-Key, so
// that it may be sent again.
type Request struct {
	Method, Path string // GET if empty
	Query        url.Values
	Body         any    // json.RawMessage, or what becomes JSON; nil: none
	Media        string // application/json if empty
	Header       http.Header
}

// Answer is what came back, without a problem.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Problem is the refusal of a server.
type Problem struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Hint    string `json:"hint"`
	Deleted bool   `json:"deleted"`
	Errors  []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

// Error is the server's explanation, in one line.
func (p *Problem) Error() string {
	text := p.Detail
	for i, e := range p.Errors {
		if i == 5 {
			text += "; ..."
			break
		}
		text += "; " + e.Pointer + " " + e.Detail
	}
	if p.Hint != "" {
		text += " (" + p.Hint + ")"
	}
	if p.Status == http.StatusUnauthorized {
		text += "; --token, AUTOCRUD_TOKEN or `autocrud login` gives a credential"
	}
	return text
}

// Code is that of a problem; empty: err is none.
func Code(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

var client = &http.Client{Timeout: 2 * time.Minute, Transport: transport}

var transport = &http.Transport{MaxIdleConnsPerHost: 64, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}

// tries is how often a request is sent while the server is away or busy.
const tries = 6

// Do sends a request, again while the server does not answer or asks for patience. An
// answer of 400 and above is a *Problem.
func (s Server) Do(ctx context.Context, r Request) (*Answer, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	key := ""
	if r.Method == http.MethodPost {
		key = uuid.NewString()
	}
	for try := 1; ; try++ {
		a, wait, err := s.once(ctx, r, body, key)
		var p *Problem
		switch {
		case err == nil:
			return a, nil
		case key != "" && s.Secret == "" && errors.As(err, &p) && p.Status == http.StatusBadRequest && strings.Contains(p.Detail, "Idempotency-Key"):
			key = "" // only a caller who is known has one
			continue
		case errors.As(err, &p) && wait < 0, try == tries, ctx.Err() != nil:
			return nil, err
		}
		if err := pause(ctx, max(wait, time.Duration(1<<try)*50*time.Millisecond)); err != nil {
			return nil, err
		}
	}
}

// Get decodes what a GET answers into out.
func (s Server) Get(ctx context.Context, path string, q url.Values, out any) (*Answer, error) {
	a, err := s.Do(ctx, Request{Path: path, Query: q})
	if err != nil {
		return nil, err
	}
	return a, a.Into(out)
}

// Into decodes the body.
func (a *Answer) Into(out any) error {
	if err := json.Unmarshal(a.Body, out); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return nil
}

// ETag is that of the state in the answer.
func (a *Answer) ETag() string { return a.Header.Get("ETag") }

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r Request) body() ([]byte, error) {
	switch b := r.Body.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		return b, nil
	default:
		return json.Marshal(b)
	}
}

// once sends a request. A negative wait says that the same request would get the same
// answer.
func (s Server) once(ctx context.Context, r Request, body []byte, key string) (a *Answer, wait time.Duration, err error) {
	req, err := s.request(ctx, r, body)
	if err != nil {
		return nil, -1, err
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, s.unreachable(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, 0, s.unreachable(err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		p := problem(resp.StatusCode, b)
		if p.Status != http.StatusServiceUnavailable && p.Status != http.StatusTooManyRequests || r.Method == http.MethodPost && key == "" && p.Code == "outcome_unknown" {
			return nil, -1, p
		}
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // absent or a date: our own pause
		return nil, min(time.Duration(seconds)*time.Second, 10*time.Second), p
	}
	return &Answer{resp.StatusCode, resp.Header, b}, 0, nil
}

func (s Server) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the request's query
	}
	return fmt.Errorf("%s: %w", s.URL, err)
}

func problem(status int, body []byte) *Problem {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Detail == "" {
		p.Detail = "the server answered " + strconv.Itoa(status) + " " + http.StatusText(status)
	}
	p.Status = status
	return p
}

func (s Server) request(ctx context.Context, r Request, body []byte) (*http.Request, error) {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	target := strings.TrimRight(s.URL, "/") + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if body != nil {
		media := r.Media
		if media == "" {
			media = "application/json"
		}
		req.Header.Set("Content-Type", media)
	}
	if cookie, ok := strings.CutPrefix(s.Secret, cookiePrefix); ok {
		req.Header.Set("Cookie", cookie)
	} else if s.Secret != "" {
		req.Header.Set("Authorization", "Bearer "+s.Secret)
	}
	return req, nil
}

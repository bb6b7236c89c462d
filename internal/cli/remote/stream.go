package remote

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Event is one of a stream.
type Event struct {
	ID, Name string
	Data     []byte
}

// ErrStop ends a stream from its function.
var ErrStop = errors.New("enough was read")

// silence is how long a stream may say nothing, not even that it is alive, until it is
// taken for broken.
const silence = 50 * time.Second

// streaming has no time limit of its own.
var streaming = &http.Client{Transport: transport}

// Follow calls fn with each event of a stream, after the one with the id last if it is not
// empty. A stream that breaks is taken up where it was. It ends with ctx, with ErrStop of
// fn, which is no error, and with a refusal.
func (s Server) Follow(ctx context.Context, path string, q url.Values, last string, fn func(Event) error) error {
	for failures := 0; ; {
		came, err := s.stream(ctx, path, q, &last, fn)
		var p *Problem
		switch {
		case errors.Is(err, ErrStop):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &p) && p.Status < 500 && p.Status != http.StatusTooManyRequests:
			return err
		}
		var own *ownError
		if errors.As(err, &own) {
			return own.error
		}
		if came {
			failures = 0
		}
		failures++
		if err := pause(ctx, min(time.Duration(1<<min(failures, 8))*50*time.Millisecond, 5*time.Second)); err != nil {
			return err
		}
	}
}

// ownError is one of the function that is told.
type ownError struct{ error }

// stream reads one connection, and tells whether anything came.
func (s Server) stream(ctx context.Context, path string, q url.Values, last *string, fn func(Event) error) (came bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	quiet := time.AfterFunc(silence, stop)
	defer quiet.Stop()
	r := Request{Path: path, Query: q, Header: http.Header{"Accept": {"text/event-stream"}}}
	if *last != "" {
		r.Header.Set("Last-Event-ID", *last)
		if q.Has("from_seq") {
			r.Query = url.Values{}
			for name, values := range q {
				if name != "from_seq" {
					r.Query[name] = values
				}
			}
		}
	}
	req, err := s.request(ctx, r, nil)
	if err != nil {
		return false, &ownError{err}
	}
	resp, err := streaming.Do(req)
	if err != nil {
		return false, s.unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body := make([]byte, 64<<10)
		n, _ := resp.Body.Read(body) // what cannot be read is no explanation
		return false, problem(resp.StatusCode, body[:n])
	}
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	var e Event
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return came, err
		}
		came = true
		quiet.Reset(silence)
		switch name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); name {
		case "":
			if line != "\n" && line != "\r\n" {
				continue // a comment
			}
			if e.Data != nil && e.Name != "resume" { // which asks to come again, as its end does
				if err := fn(e); errors.Is(err, ErrStop) {
					return came, err
				} else if err != nil {
					return came, &ownError{err}
				}
			}
			if e.ID != "" { // only what was told counts
				*last = e.ID
			}
			e = Event{}
		case "id":
			e.ID = strings.TrimPrefix(value, " ")
		case "event":
			e.Name = strings.TrimPrefix(value, " ")
		case "data":
			if e.Data != nil {
				e.Data = append(e.Data, '\n')
			}
			e.Data = append(e.Data, strings.TrimPrefix(value, " ")...)
			if e.Data == nil {
				e.Data = []byte{}
			}
		}
	}
}

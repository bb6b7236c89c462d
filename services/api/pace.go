package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

const (
	// minBodyRate is the fewest bytes a second that a body may bring, measured
	// from its beginning.
	minBodyRate = 1 << 10
	// answerTimeout is how long an answer may take to be taken whole.
	answerTimeout = 2 * time.Minute
	// stride is how much of an answer is written at a time: it must be taken
	// before the client counts as stalled.
	stride = 64 << 10
	// buffered is how much of an answer the server keeps until it has ended: writing
	// that much waits for no client.
	buffered = 2 << 10
)

// pace ends what is too slow: a client that half sends a request, or does not take
// its answer, gives its place back soon.
type pace struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	answer  time.Time // when the whole answer must be taken
	written int
	body    *pacedBody
}

// paced is a request, and its answer, that may not stall.
func (l Limits) paced(w http.ResponseWriter, r *http.Request) *pace {
	now := time.Now()
	p := &pace{ResponseWriter: w, control: http.NewResponseController(w), stall: l.Stall, answer: now.Add(answerTimeout)}
	if r.Body != nil && r.Body != http.NoBody {
		p.body = &pacedBody{ReadCloser: r.Body, pace: p, begun: now, whole: now.Add(l.Body)}
		p.body.extend()
		r.Body = p.body
	}
	return p
}

// Unwrap gives http.ResponseController the connection's own writer.
func (p *pace) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Write implements io.Writer.
func (p *pace) Write(b []byte) (n int, err error) {
	if p.written += len(b); p.written <= buffered {
		return p.ResponseWriter.Write(b)
	}
	for {
		next := b[:min(len(b), stride)]
		until := time.Now().Add(p.stall)
		if until.After(p.answer) {
			until = p.answer
		}
		_ = p.control.SetWriteDeadline(until) // a connection without deadlines is a test's
		k, err := p.ResponseWriter.Write(next)
		n += k
		if b = b[len(next):]; err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// lengthen gives a request, and its answer, longer to be sent and taken whole.
func lengthen(w http.ResponseWriter, d time.Duration) {
	for {
		switch x := w.(type) {
		case *pace:
			x.answer = time.Now().Add(d)
			_ = x.control.SetWriteDeadline(x.answer)
			if x.body != nil {
				x.body.whole = x.answer
			}
			if x.body == nil || x.body.ended {
				_ = x.control.SetReadDeadline(x.answer)
			}
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = x.Unwrap()
		default:
			return
		}
	}
}

// pacedBody is a body that must keep coming.
type pacedBody struct {
	io.ReadCloser
	pace  *pace
	begun time.Time
	whole time.Time // when all of it must be there
	got   int64
	ended bool
	until time.Time // the deadline that is set
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.ReadCloser.Read(p)
	b.got += int64(n)
	switch {
	case err == io.EOF:
		b.ended = true
		// From here on it is only heard whether the client leaves.
		_ = b.pace.control.SetReadDeadline(b.whole)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &fault.Error{Code: fault.InvalidRequest, Cause: err,
			Detail: "the body did not arrive in time: it may stop for no longer than " + b.pace.stall.String() + " and must bring at least 1024 bytes a second"}
	}
	return n, err
}

// extend lets the next bytes come until the whole is slower than is allowed.
func (b *pacedBody) extend() {
	until := b.begun.Add(b.pace.stall + time.Duration(b.got)*(time.Second/minBodyRate))
	if soonest := time.Now().Add(b.pace.stall); until.After(soonest) && b.got > 0 {
		until = soonest
	}
	if until.After(b.whole) {
		until = b.whole
	}
	if until.Equal(b.until) {
		return
	}
	b.until = until
	_ = b.pace.control.SetReadDeadline(until) // a connection without deadlines is a test's
}

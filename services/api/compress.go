package api

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// minPacked is the size up to which answers are left as they are.
	minPacked = 1 << 10
	// maxPackers bounds the answers that are compressed at the same time, each of
	// which holds about half a megabyte for as long as its client takes it. Those
	// beyond are sent as they are.
	maxPackers = 256
	// packedWindow is how far back zstd looks.
	packedWindow = 128 << 10
)

// encoder compresses one answer after the other.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// encoders that are at work, and those that wait for the next answer.
type encoders struct {
	slots      chan struct{}
	gzip, zstd sync.Pool
}

func newEncoders() *encoders {
	return &encoders{slots: make(chan struct{}, maxPackers),
		gzip: sync.Pool{New: func() any {
			z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
			if err != nil {
				panic("api: gzip: " + err.Error()) // cannot be: the level is one of its own
			}
			return z
		}},
		zstd: sync.Pool{New: func() any {
			z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
				zstd.WithWindowSize(packedWindow), zstd.WithLowerEncoderMem(true))
			if err != nil {
				panic("api: zstd: " + err.Error()) // cannot be: the options are constants
			}
			return z
		}}}
}

func (x *encoders) of(c coding) *sync.Pool {
	if c == zstandard {
		return &x.zstd
	}
	return &x.gzip
}

// compressed compresses the answers that are text, for clients that take it. A
// client that does not ask pays nothing, a stream is left alone.
func (x *encoders) compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if streams(r) {
			next.ServeHTTP(w, r)
			return
		}
		varies(w.Header(), "Accept-Encoding")
		if asked := r.Header["Accept-Encoding"]; len(asked) > 0 {
			if c := readCodings(asked); c.best() != uncoded {
				x.serve(next, w, r, c)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (x *encoders) serve(next http.Handler, w http.ResponseWriter, r *http.Request, c codings) {
	p := &packer{ResponseWriter: w, by: x, coding: c.best(), must: !c.takesPlain(), head: r.Method == http.MethodHead}
	defer func() {
		if p.out != nil { // a panic: what it holds is discarded
			<-x.slots
		}
	}()
	next.ServeHTTP(p, r)
	p.finish()
}

// packer is an answer that is compressed when it turns out to be text of more than
// minPacked bytes. No more than those are held back.
type packer struct {
	http.ResponseWriter
	by        *encoders
	coding    coding
	must      bool // the client does not take it plain
	head      bool
	off       bool // it is sent as it is
	unchanged bool // the client has it: only its tag is still to be found
	status    int  // 0: not yet known
	decided   bool
	drop      bool // the body is not sent
	held      []byte
	out       encoder // nil: it is sent as it is
}

// packing finds the packer of an answer; nil when the client takes no coding.
func packing(w http.ResponseWriter) *packer {
	for {
		switch x := w.(type) {
		case *packer:
			return x
		case interface{ Unwrap() http.ResponseWriter }:
			w = x.Unwrap()
		default:
			return nil
		}
	}
}

// asItIs sends a binary in no coding, whatever its type.
func asItIs(w http.ResponseWriter) {
	h := w.Header()
	kept := make([]string, 0, len(h["Vary"]))
	for _, v := range h["Vary"] {
		if v != "Accept-Encoding" {
			kept = append(kept, v)
		}
	}
	if h["Vary"] = kept; len(kept) == 0 {
		h.Del("Vary")
	}
	if p := packing(w); p != nil {
		p.off = true
	}
}

// sent is the status that the client sees.
func (r *recorder) sent() int {
	if p := packing(r); p != nil && p.unchanged && r.status == http.StatusOK {
		return http.StatusNotModified
	}
	return r.status
}

// Unwrap gives http.ResponseController the connection's own writer.
func (p *packer) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// WriteHeader implements http.ResponseWriter. It decides at once when the length
// is known or the answer is none to compress.
func (p *packer) WriteHeader(status int) {
	if p.status != 0 || status < http.StatusOK {
		p.ResponseWriter.WriteHeader(status)
		return
	}
	p.status = status
	p.unchanged = p.unchanged && status == http.StatusOK
	size, err := strconv.Atoi(p.Header().Get("Content-Length"))
	switch {
	case !p.compressible():
		p.decide(false)
	case err == nil:
		p.decide(size > minPacked || p.must && size > 0)
	}
}

// compressible reports whether the answer is text, whole, and in no coding yet.
func (p *packer) compressible() bool {
	h := p.Header()
	switch p.status {
	case http.StatusNoContent, http.StatusPartialContent, http.StatusNotModified:
		return false
	}
	if p.off || h.Get("Content-Encoding") != "" || h.Get("Content-Range") != "" {
		return false
	}
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	switch media {
	case typeJSON, "application/problem+json", typeNDJSON:
		return true
	}
	return strings.HasPrefix(media, "text/") && media != "text/event-stream"
}

// decide sends the header.
func (p *packer) decide(pack bool) {
	p.decided = true
	h := p.Header()
	if pack && !p.head && !p.unchanged {
		pack = p.take()
	}
	if pack {
		h.Set("Content-Encoding", string(p.coding))
		h.Del("Content-Length")
		if tag := h.Get("ETag"); len(tag) > 1 && tag[0] == '"' {
			h.Set("ETag", p.coding.tag(tag[1:len(tag)-1]))
		}
		p.drop = p.head
	}
	if p.unchanged {
		p.status, p.drop = http.StatusNotModified, true
		for _, name := range []string{"Content-Encoding", "Content-Length", "Content-Type"} {
			h.Del(name)
		}
	}
	p.ResponseWriter.WriteHeader(p.status)
}

// take gets an encoder, unless too many are at work.
func (p *packer) take() bool {
	select {
	case p.by.slots <- struct{}{}:
	default:
		return false
	}
	p.out = p.by.of(p.coding).Get().(encoder)
	p.out.Reset(p.ResponseWriter)
	return true
}

// Write implements io.Writer.
func (p *packer) Write(b []byte) (int, error) {
	if p.status == 0 {
		p.WriteHeader(http.StatusOK)
	}
	if !p.decided {
		if len(p.held)+len(b) <= minPacked {
			p.held = append(p.held, b...)
			return len(b), nil
		}
		p.decide(true)
		if err := p.release(); err != nil {
			return 0, err
		}
	}
	return p.send(b)
}

// send passes on what is decided about.
func (p *packer) send(b []byte) (int, error) {
	switch {
	case p.drop:
		return len(b), nil
	case p.out != nil:
		return p.out.Write(b)
	}
	return p.ResponseWriter.Write(b)
}

// release sends what was held back.
func (p *packer) release() error {
	held := p.held
	if p.held = nil; len(held) == 0 {
		return nil
	}
	_, err := p.send(held)
	return err
}

// FlushError implements what http.ResponseController calls: it sends what there is.
func (p *packer) FlushError() error {
	if p.status == 0 {
		p.WriteHeader(http.StatusOK)
	}
	if !p.decided {
		p.decide(p.must)
	}
	if err := p.release(); err != nil {
		return err
	}
	if p.out != nil {
		if err := p.out.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(p.ResponseWriter).Flush()
}

// finish ends the answer.
func (p *packer) finish() {
	if p.status != 0 && !p.decided {
		p.decide(p.must && len(p.held) > 0)
	}
	_ = p.release() // a client that went away is no error of ours
	if p.out == nil {
		return
	}
	_ = p.out.Close()
	p.out.Reset(nil)
	p.by.of(p.coding).Put(p.out)
	p.out = nil
	<-p.by.slots
}

package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

const (
	// heartbeat is after what silence a watch says that it is there: a little less
	// than the 15 s that are promised.
	heartbeat = 14 * time.Second
	// patience is how long a reader may take to take what is written.
	patience = 15 * time.Second
)

// streams reports whether the answer to a request goes on until the client
// leaves, so that the limits of ordinary requests do not hold.
func streams(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	path := routePath(r.URL)
	return strings.HasSuffix(path, ":watch") || strings.HasSuffix(path, "/logs") && r.URL.Query().Get("follow") == "true"
}

// watchType follows a type or a resource as Server-Sent Events (WHATWG HTML section
// 9.2).
func watchType(a *API, c call) error {
	return follow(a, c, resource.WatchOptions{Type: c.t.Name, ID: c.id})
}

// watchEverything follows every type but those of the program itself.
func watchEverything(a *API, c call) error { return follow(a, c, resource.WatchOptions{}) }

func follow(a *API, c call, o resource.WatchOptions) error {
	o, err := a.watched(c, o)
	if err != nil {
		return err
	}
	done, err := a.begin(c.w, c.r, o)
	if err != nil {
		return err
	}
	<-done
	return nil
}

// begin starts to tell what a watch is told, on a stack of its own; done is closed
// when that has ended. The stack of the request has been deep by now and is halved
// only while little of it is used, and there may be thousands.
func (a *API) begin(w http.ResponseWriter, r *http.Request, o resource.WatchOptions) (<-chan struct{}, error) {
	ctx, cancel := context.WithCancel(r.Context())
	stopped := context.AfterFunc(a.running, cancel)
	unwatched := a.whileValid(r, cancel, func() error {
		if o.Type == "" {
			return nil
		}
		t, err := a.m.States.Type(o.Type)
		if err != nil {
			return err
		}
		return a.m.Guard.MayAsShown(ctx, t, "watch", o.View)
	})
	end := func() {
		unwatched()
		stopped()
		cancel()
	}
	watch, err := a.m.Watches.Watch(ctx, o)
	if err != nil {
		end()
		return nil, err
	}
	done := make(chan struct{})
	s := openStream(w, r)
	if s == nil {
		watch.Close()
		end()
		close(done)
		return done, nil
	}
	go func() {
		defer close(done)
		defer a.catch(w, r)
		defer end()
		defer watch.Close()
		a.tell(ctx, s, watch)
	}()
	return done, nil
}

// watched reads from where and what to follow.
func (a *API) watched(c call, o resource.WatchOptions) (resource.WatchOptions, error) {
	p, ids := c.query(), c.header("Last-Event-ID")
	o.Filter, o.View = p.text("filter"), p.view()
	if !validText(o.Filter) {
		p.refuse("the query is not UTF-8")
	}
	if p.has("from_seq") {
		n := p.seq("from_seq")
		o.After = &n
	}
	// A browser that comes back repeats the address and says where it was.
	if len(ids) > 1 {
		p.refuse("Last-Event-ID is given %d times", len(ids))
	}
	if last := first(ids); last != "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil {
			p.refuse("Last-Event-ID is the id of an event, a sequence, not %q", shorten(last, 100))
		}
		o.After = &n
	}
	return o, a.mayAsk(c, p, "watch")
}

// openStream answers with the head of a stream; nil when only that was asked for.
func openStream(w http.ResponseWriter, r *http.Request) *stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies are to pass on what comes
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	s := &stream{w: w, control: http.NewResponseController(w)}
	_ = s.control.SetReadDeadline(time.Time{}) // nothing more is read; a client that leaves is still noticed
	return s
}

// settle is after what time a watch that begins says how far it has got, so that a
// client that comes back again and again, without an event, gets on.
const settle = 100 * time.Millisecond

// tell writes what a watch is told until one of them ends.
func (a *API) tell(ctx context.Context, s *stream, watch *resource.Watch) {
	s.alive(watch.At())
	silent := settle
	for s.err == nil {
		err := a.tellNext(ctx, s, watch, silent)
		switch {
		case err == nil:
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			if silent == heartbeat || watch.At() > s.at {
				s.alive(watch.At())
			}
			silent = heartbeat
		case ctx.Err() != nil && a.running.Err() == nil:
			return // the client left
		default:
			// Behind, or a store does not answer, or this process stops: a client
			// that comes back with the last id misses nothing.
			s.resume(watch.At())
			return
		}
	}
}

// tellNext waits for an event, no longer than a watch may be silent, and sends it
// together with those that are at hand by then.
func (a *API) tellNext(ctx context.Context, s *stream, watch *resource.Watch, silent time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, silent)
	defer cancel()
	n, err := watch.Next(ctx)
	for ok := true; ok && err == nil && s.err == nil; n, ok, err = watch.AtHand(ctx) {
		s.event(n)
	}
	s.send()
	return err
}

// stream writes events. The first error sticks.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	line    []byte
	at      uint64 // the last id that was written
	unsent  int    // bytes that may still be here
	err     error
}

// event writes one. It may stay here until others are sent with it.
func (s *stream) event(n resource.Notice) {
	s.at = n.Seq
	s.line = strconv.AppendUint(append(s.line[:0], "id: "...), n.Seq, 10)
	s.line = append(append(append(s.line, "\nevent: "...), n.Action...), "\ndata: "...)
	s.write(s.line, n.Envelope, []byte("\n\n"))
}

// alive is a comment, with the id from which to go on: what is before it does
// not concern the watch.
func (s *stream) alive(at uint64) {
	s.at = at
	s.line = strconv.AppendUint(append(s.line[:0], ": alive\nid: "...), at, 10)
	s.write(s.line, []byte("\n\n"))
	s.send()
}

func (s *stream) resume(at uint64) {
	s.line = strconv.AppendUint(append(s.line[:0], "retry: 1000\nid: "...), at, 10)
	s.write(s.line, []byte("\nevent: resume\ndata: {}\n\n"))
	s.send()
}

// write writes all of a message, for send to send it.
func (s *stream) write(parts ...[]byte) {
	if s.unsent == 0 && s.err == nil {
		s.err = s.control.SetWriteDeadline(time.Now().Add(patience))
	}
	for _, p := range parts {
		if s.err == nil {
			_, s.err = s.w.Write(p)
			s.unsent += len(p)
		}
	}
	if s.unsent >= stride {
		s.send()
	}
}

// send sends what was written.
func (s *stream) send() {
	if s.unsent > 0 && s.err == nil {
		s.err = s.control.Flush()
	}
	s.unsent = 0
}

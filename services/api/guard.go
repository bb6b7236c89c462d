package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// guard is what every request passes: limits, the protection of browsers, the
// actor, and a net for defects.
func (a *API) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		address, _, _ := net.SplitHostPort(r.RemoteAddr)
		ctx, slots := r.Context(), a.streams
		if !streams(r) {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, requestTimeout)
			defer cancel()
			slots = a.slots
		}
		ctx = resource.WithActor(ctx, resource.Actor{RequestID: id, Address: address, UserAgent: shorten(r.UserAgent(), 200)})
		r = r.WithContext(ctx)
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				a.logger.LogAttrs(ctx, slog.LevelError, "panic", slog.Any("value", v), slog.String("stack", string(debug.Stack())))
				a.fail(w, r, fmt.Errorf("panic: %v", v))
			}
		}()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			a.fail(w, r, &resource.Error{Code: resource.Unavailable, RetryAfter: time.Second,
				Detail: "too many requests at the same time; try again"})
			return
		}
		if len(r.RequestURI) > maxRequestLine {
			writeProblem(w, problem{Type: "urn:autocrud:problem:too_large", Title: http.StatusText(http.StatusRequestURITooLong),
				Status: http.StatusRequestURITooLong, Code: resource.TooLarge, RequestID: id,
				Detail: fmt.Sprintf("the request line is over %d bytes", maxRequestLine)})
			return
		}
		if len(a.o.Hosts) > 0 && !slices.Contains(a.o.Hosts, hostname(r.Host)) {
			a.fail(w, r, resource.Errorf(resource.PermissionDenied, "this server does not answer to the host %q", shorten(r.Host, 100)))
			return
		}
		if err := origin.Check(r); err != nil {
			a.fail(w, r, resource.Errorf(resource.PermissionDenied, "a page of another origin may not do this"))
			return
		}
		if a.o.Auth != nil && !public(r.URL.Path) {
			var err error
			if r, err = a.authenticate(r); err != nil {
				a.fail(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

func shorten(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	if !validText(s) {
		return ""
	}
	return s
}

// recorder remembers the status for the metrics.
type recorder struct {
	http.ResponseWriter
	status int
	named  bool // the span has the name of an operation
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController the connection's own writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

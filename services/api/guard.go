package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/services/api/identity"
	"github.com/autocrud-go/autocrud/services/api/limit"
)

// guard is what every request passes: limits, the protection of browsers, the
// actor, and a net for defects. Its frame is small, because thousands of watches
// keep theirs: a stack is halved when less than a quarter of it is used.
func (a *API) guard(next http.Handler) http.Handler {
	g := &gate{a: a, origin: http.NewCrossOriginProtection(), sharing: newCORS(a.o.Origins)}
	for _, o := range append(slices.Clone(a.o.Origins), a.o.Public) {
		if o != "*" && o != "" {
			if err := g.origin.AddTrustedOrigin(o); err != nil {
				panic("api: origin: " + err.Error()) // they were checked
			}
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paced, admitted, leave := g.admit(w, r)
		if admitted == nil {
			return
		}
		defer leave()
		defer a.catch(paced, admitted)
		next.ServeHTTP(paced, admitted)
	})
}

// catch answers when a handler panics.
func (a *API) catch(w http.ResponseWriter, r *http.Request) {
	if v := recover(); v != nil {
		if v == http.ErrAbortHandler {
			panic(v)
		}
		a.logger.LogAttrs(r.Context(), slog.LevelError, "panic", slog.Any("value", v), slog.String("stack", string(debug.Stack())))
		a.fail(w, r, fmt.Errorf("panic: %v", v))
	}
}

// gate checks a request before it gets to a handler.
type gate struct {
	a       *API
	origin  *http.CrossOriginProtection
	sharing cors
}

// admit returns the request with its actor, where to answer it, and what must be
// called when it has been answered; nil when it was answered here. Health takes
// no place among the others, so it is told however busy they are.
func (g *gate) admit(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request, func()) {
	a := g.a
	id := requestID(r)
	address := clientAddress(r, a.o.Proxies)
	ctx, in, cancel := r.Context(), a.watching, func() {}
	if !streams(r) {
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		in = a.asking
		w = a.o.Limits.paced(w, r)
	}
	ctx = policy.WithActor(ctx, policy.Actor{Client: true, RequestID: id, Address: address, UserAgent: shorten(r.UserAgent(), 200)})
	r = r.WithContext(ctx)
	h := w.Header()
	h.Set("X-Request-Id", id)
	a.secure(h)
	leave, admitted, principal := cancel, false, ""
	defer func() {
		if !admitted {
			leave()
		}
	}()
	defer a.catch(w, r)
	shared := g.sharing.allow(w, r)
	if !health(r.URL.Path) {
		if wait := a.perAddress.Take(limit.AddressKey(address), time.Now()); wait > 0 {
			a.fail(w, r, limit.TooMany("address", wait))
			return nil, nil, nil
		}
		key := limit.AddressKey(address)
		if err := in.enter(key); err != nil {
			a.fail(w, r, err)
			return nil, nil, nil
		}
		leave = func() { in.leave(key, principal); cancel() }
	}
	if err := g.check(w, r, shared); err != nil {
		if !errors.Is(err, errAnswered) {
			a.fail(w, r, err)
		}
		return nil, nil, nil
	}
	if err := a.identify(&r); err != nil {
		a.fail(w, r, err)
		return nil, nil, nil
	}
	if c, _ := r.Context().Value(credentialKey{}).(identity.Credential); c.Link != nil {
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // what the link shows is all that a page gets
	}
	if who := policy.ActorOf(r.Context()); who.Identity != nil && !health(r.URL.Path) {
		if err := in.known(who.Principal); err != nil {
			a.fail(w, r, err)
			return nil, nil, nil
		}
		principal = who.Principal
	}
	admitted = true
	return w, r, leave
}

// errAnswered tells that there is nothing more to say.
var errAnswered = errors.New("answered")

// check refuses what no handler is to see.
func (g *gate) check(w http.ResponseWriter, r *http.Request, shared bool) error {
	a := g.a
	if len(r.RequestURI) > maxRequestLine {
		writeProblem(w, problem{Type: "urn:autocrud:problem:too_large", Title: http.StatusText(http.StatusRequestURITooLong),
			Status: http.StatusRequestURITooLong, Code: fault.TooLarge, RequestID: w.Header().Get("X-Request-Id"),
			Detail: fmt.Sprintf("the request line is over %d bytes", maxRequestLine)})
		return errAnswered
	}
	if len(a.o.Hosts) > 0 && !slices.Contains(a.o.Hosts, hostname(r.Host)) {
		return fault.Errorf(fault.PermissionDenied, "this server does not answer to the host %q", shorten(r.Host, 100))
	}
	if g.sharing.preflight(r) {
		if !shared {
			return fault.Errorf(fault.PermissionDenied, "pages of this origin may not use this server")
		}
		g.sharing.answer(w)
		return errAnswered
	}
	if err := g.origin.Check(r); err != nil && !(shared && g.sharing.any) {
		return fault.Errorf(fault.PermissionDenied, "a page of another origin may not do this")
	}
	return nil
}

// secure sets what every answer tells a browser: to guess nothing, to show it in
// no frame, to run nothing, to give it to no other site.
func (a *API) secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-cache") // an ETag still saves the body
	if a.o.TLS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// health are the paths that say how the process is, to every caller and however
// often.
func health(path string) bool { return path == "/livez" || path == "/readyz" }

// documents are the paths that describe the server.
func documents(path string) bool {
	return slices.Contains([]string{"/", "/openapi.json", "/openapi-3.0.json", "/asyncapi.json", "/docs", "/guide"}, path) || strings.HasPrefix(path, "/docs/") || strings.HasPrefix(path, "/guide/")
}

// identify finds the caller, where that is needed, and refuses one that asks too
// often. Whether a path exists is told only afterwards.
func (a *API) identify(r **http.Request) (err error) {
	path := (*r).URL.Path
	hidden := a.o.HideDocs && documents(path) || a.o.HideMetrics && path == "/metrics"
	switch {
	case health(path) || (documents(path) || path == "/metrics") && !hidden:
		return nil
	case a.o.Auth != nil && signingIn(path):
		return a.recognise(r)
	case a.o.Auth != nil:
		if *r, err = a.authenticate(*r); err != nil {
			return err
		}
		return a.paced(policy.ActorOf((*r).Context()))
	case hidden:
		return fault.Errorf(fault.NotFound, "there is nothing at %s", path)
	}
	return nil
}

// paced refuses a caller that asks too often: a principal, and of those without a
// credential an address.
func (a *API) paced(who policy.Actor) error {
	by, key, of := a.perPrincipal, who.Principal, "principal"
	if who.IsPublic() {
		by, key, of = a.perAnonymous, limit.AddressKey(who.Address), "address, without a credential,"
	}
	if wait := by.Take(key, time.Now()); wait > 0 {
		return limit.TooMany(of, wait)
	}
	return nil
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

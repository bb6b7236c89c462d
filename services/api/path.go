package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// routing makes the router find the route of a request by its decoded path, and
// of any method: every route tells by itself which methods it takes.
func routing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := chi.RouteContext(r.Context())
		c.RouteMethod = http.MethodGet
		c.RoutePath = routePath(r.URL)
		next.ServeHTTP(w, r)
	})
}

// routePath is the path as its parts are read, and the only place that decodes
// one: "%3A" is ':' in a digest as before a verb (RFC 3986 section 2.1 leaves the
// choice to the client, RFC 6570 makes generated ones take it). An encoded slash
// divides nothing: it stays as it was sent, and no name has a '%'.
func routePath(u *url.URL) string {
	if !encodedSlash(u.RawPath) {
		return u.Path
	}
	kept := strings.NewReplacer("%2F", "%252F", "%2f", "%252f").Replace(u.RawPath)
	path, err := url.PathUnescape(kept)
	if err != nil {
		return u.RawPath // cannot be: the server has decoded it before
	}
	return path
}

func encodedSlash(raw string) bool {
	return strings.Contains(raw, "%2F") || strings.Contains(raw, "%2f")
}

// resolve reads type, id and verb from the path. A verb is what follows the last
// ':' of its part: neither a type nor an id has one.
func (a *API) resolve(w http.ResponseWriter, r *http.Request) (c call, shape string, err error) {
	c.w, c.r = w, r
	typ, verb := verbOf(chi.URLParam(r, "type"))
	if c.t, err = a.m.States.Type(typ); err != nil {
		return c, "", err
	}
	shape = "/{type}" + verb
	if part := chi.URLParam(r, "id"); part != "" || strings.Count(chi.RouteContext(r.Context()).RoutePath, "/") > 2 {
		c.id, verb = verbOf(part)
		shape += "/{id}" + verb
	}
	if part := chi.URLParam(r, "part"); part != "" {
		shape += "/" + part
	}
	if c.n = chi.URLParam(r, "n"); c.n != "" {
		shape += "/{n}"
		if name, verb := verbOf(c.n); verb != "" && name != "sha256" { // a digest has a ':' itself
			c.n = name
			shape += verb
		}
	}
	return c, shape, nil
}

// verbOf divides a part of a path.
func verbOf(part string) (name, verb string) {
	if i := strings.LastIndexByte(part, ':'); i >= 0 {
		return part[:i], part[i:]
	}
	return part, ""
}

func nothingAt(r *http.Request) error {
	return fault.Errorf(fault.NotFound, "there is nothing at %s; /docs shows what there is", r.URL.Path)
}

package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// The headers of Cross-Origin Resource Sharing (WHATWG Fetch, section 3.2).
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsExposed = "Accept-Ranges, Autocrud-Index-Seq, Autocrud-Seq, Content-Range, ETag, Location, Retry-After, WWW-Authenticate, X-Request-Id"
	corsMaxAge  = "600"
)

// corsHeaders are those of every request, and those that operations take.
var corsHeaders = strings.Join(slices.Sorted(slices.Values(append([]string{"Authorization", "Content-Type", "X-Request-Id", "traceparent", "tracestate"}, openapi.HeaderNames()...))), ", ")

// cors lets pages of other origins use the API. Without origins there is nothing
// of it.
type cors struct {
	origins []string // exact; nil: none
	any     bool
}

func newCORS(origins []string) cors {
	return cors{origins: origins, any: slices.Contains(origins, "*")}
}

// allow tells the browser what a page of the request's origin may do. It reports
// whether pages of that origin were allowed in.
func (c cors) allow(w http.ResponseWriter, r *http.Request) bool {
	if len(c.origins) == 0 {
		return false
	}
	h := w.Header()
	if c.any {
		// Never with credentials: what a browser sends by itself must not work
		// for every page there is.
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if !slices.Contains(c.origins, origin) {
			return false
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Expose-Headers", corsExposed)
	return r.Header.Get("Origin") != ""
}

// preflight reports whether a request is a browser's question whether a page may
// send another.
func (c cors) preflight(r *http.Request) bool {
	return len(c.origins) > 0 && r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// answer is that of a preflight of an allowed origin.
func (c cors) answer(w http.ResponseWriter) {
	h := w.Header()
	h.Add("Vary", "Access-Control-Request-Method")
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
}

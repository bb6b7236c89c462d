package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// Templates are the paths that the router can answer, with {type} in those about
// types. Any verb that there is may follow a name that the router does not look into.
func (a *API) Templates() (templates []string) {
	for shape := range a.types {
		templates = append(templates, "/v1"+shape)
	}
	verbs := []string{""}
	for verb := range ReservedVerbs() {
		verbs = append(verbs, ":"+verb)
	}
	_ = chi.Walk(a.router.(chi.Routes), func(_, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		switch {
		case strings.HasPrefix(pattern, "/v1/{type}"): // the shapes are theirs
		case strings.HasSuffix(pattern, "}"):
			for _, verb := range verbs {
				templates = append(templates, pattern+verb)
			}
		default:
			templates = append(templates, pattern)
		}
		return nil
	})
	slices.Sort(templates)
	return slices.Compact(templates)
}

// BatchOperations are the operations that a batch takes.
func BatchOperations() (ops []string) {
	for op := range operationMembers {
		ops = append(ops, op)
	}
	return ops
}

// Reads makes an API tell of each parameter that a handler reads.
func (o *Options) Reads(read func(parameter string)) { o.read = read }

// RouterHeaders are what the router itself reads for the rows that have them.
func RouterHeaders(method string) []string {
	if method == http.MethodGet {
		return readConditions
	}
	return []string{"Idempotency-Key"}
}

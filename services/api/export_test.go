package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// RoutesOfTypes are the methods of the paths that every type has, by their shape.
func (a *API) RoutesOfTypes() map[string][]string {
	out := map[string][]string{}
	for shape, methods := range a.routes {
		out[shape] = keys(methods)
	}
	return out
}

// FixedRoutes are the patterns of the router besides those of types.
func (a *API) FixedRoutes() (patterns []string) {
	seen := map[string]bool{}
	_ = chi.Walk(a.router.(chi.Routes), func(_, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !seen[pattern] {
			patterns = append(patterns, pattern)
		}
		seen[pattern] = true
		return nil
	})
	return patterns
}

// BatchOperations are the operations that a batch takes.
func BatchOperations() (ops []string) {
	for op := range operationMembers {
		ops = append(ops, op)
	}
	return ops
}

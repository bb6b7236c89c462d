package api

import "net/http"

// bodyRights are the rights of which one at least is needed for a request to a
// type that has a body. Where none is named here, any right on the type is.
var bodyRights = map[string][]string{
	"POST /{type}":              {"create"},
	"PUT /{type}/{id}":          {"update", "modify", "create"},
	"PATCH /{type}/{id}":        {"update", "modify"},
	"POST /{type}:search":       {"list"},
	"POST /{type}/{id}:restore": {"restore"},
	"POST /{type}/{id}:switch":  {"switch"},
	"POST /{type}/{id}:purge":   {"purge"},
	"POST /{type}:migrate":      {"migrate"},
}

// mayBegin refuses, before its body is read, a request to a type on which the
// caller has no right that could answer it: who may nothing costs nothing.
func (a *API) mayBegin(c call, name string) error {
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead || c.r.ContentLength == 0 {
		return nil
	}
	var first error
	for _, action := range bodyRights[name] {
		err := a.m.May(c.r.Context(), c.t, action)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return a.m.MayKnow(c.r.Context(), c.t)
	}
	return first
}

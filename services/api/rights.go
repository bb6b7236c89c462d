package api

import "net/http"

// mayBegin refuses, before its body is read, a request to a type on which the
// caller has no right that could answer it: who may nothing costs nothing.
func (a *API) mayBegin(c call) error {
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead || c.r.ContentLength == 0 {
		return nil
	}
	var first error
	for _, action := range c.op.rights {
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

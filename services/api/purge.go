package api

import (
	"net/http"
	"strconv"
)

// purge erases a resource. 202 tells that the erasing goes on; the resource is
// gone for every reader all the same.
func (a *API) purge(c call) error {
	match, err := c.plainWrite()
	if err != nil {
		return err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	seq, done, err := a.m.Purge(c.r.Context(), c.t.Name, c.id, match)
	if err != nil {
		return err
	}
	c.w.Header().Set("Autocrud-Seq", strconv.FormatUint(seq, 10))
	if done {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return c.json(http.StatusAccepted, map[string]any{"job": nil, "detail": "the history is long; it is being erased"})
}

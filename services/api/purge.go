package api

import (
	"net/http"
	"strconv"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// purgeResource erases a resource. 202 tells that the erasing goes on; the resource is
// gone for every reader all the same.
func purgeResource(a *API, c call) error {
	match, err := writeMatch(c.r)
	if err != nil {
		return err
	}
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	out, err := a.m.Purge(c.r.Context(), c.t.Name, c.id, match)
	if err != nil {
		return err
	}
	if out.Job != nil {
		c.w.Header().Set("Location", "/v1/"+resource.BulkJobs+"/"+out.Job.ID)
		c.w.Header().Set("Autocrud-Seq", strconv.FormatUint(out.Seq, 10))
		return c.send(http.StatusAccepted, out.Job, everything, nil)
	}
	c.w.Header().Set("Autocrud-Seq", strconv.FormatUint(out.Seq, 10))
	status := http.StatusNoContent
	if !out.Done {
		status = http.StatusAccepted
	}
	c.w.WriteHeader(status)
	return nil
}

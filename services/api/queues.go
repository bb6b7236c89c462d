package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// bulk queues a change of everything that matches.
func (a *API) bulk(c call) error {
	if p := readQuery(c.r); p.err != nil {
		return p.err
	}
	body, err := readObject(c.w, c.r, "filter", "op", "patch")
	if err != nil {
		return err
	}
	if _, ok := body["filter"]; !ok {
		return invalid("/filter", "is needed; empty means all")
	}
	if op, _ := body["op"].(string); op == "purge" {
		return invalid("/op", "must be patch, delete, restore, cancel or rerun")
	}
	r, err := a.m.QueueBulk(c.r.Context(), c.t.Name, body)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/"+resource.BulkJobs+"/"+r.ID)
	return c.written(http.StatusAccepted, r, everything)
}

func (a *API) listQueues(w http.ResponseWriter, r *http.Request) {
	p := readQuery(r)
	queues, err := []resource.Queue(nil), p.err
	if err == nil {
		queues, err = a.m.Queues(r.Context())
	}
	if err == nil {
		err = call{w: w, r: r}.json(http.StatusOK, map[string]any{"items": queues, "next_page_token": ""})
	}
	if err != nil {
		a.fail(w, r, err)
	}
}

// onQueue reads one queue, pauses or resumes it.
func (a *API) onQueue(w http.ResponseWriter, r *http.Request) {
	var err error
	name, verb := verbOf(chi.URLParam(r, "queue"))
	method := map[string]string{"": http.MethodGet, ":pause": http.MethodPost, ":resume": http.MethodPost}[verb]
	switch {
	case method == "":
		err = a.nothingAt(r)
	case r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead):
		notAllowed(w, r, method)
		return
	}
	if err == nil {
		err = readQuery(r).err
	}
	if err == nil && method == http.MethodPost {
		err = nothing(w, r)
	}
	var q *resource.Queue
	if err == nil {
		if verb == "" {
			q, err = a.m.Queue(r.Context(), name)
		} else {
			q, err = a.m.PauseQueue(r.Context(), name, verb == ":pause")
		}
	}
	if err == nil {
		err = call{w: w, r: r}.json(http.StatusOK, q)
	}
	if err != nil {
		a.fail(w, r, err)
	}
}

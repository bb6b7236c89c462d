package api

import (
	"net/http"

	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// queueBulk queues a change of everything that matches.
func queueBulk(a *API, c call) error {
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
	r, err := a.m.Bulk.QueueBulk(c.r.Context(), c.t.Name, body)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/"+upkeep.BulkJobs+"/"+r.ID)
	return c.written(http.StatusAccepted, r, everything)
}

func listQueues(a *API, c call) error {
	queues, err := a.m.Jobs.Queues(c.r.Context())
	if err != nil {
		return err
	}
	return c.items(queues, "")
}

func readQueue(a *API, c call) error {
	q, err := a.m.Jobs.Queue(c.r.Context(), c.id)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, q)
}

func pauseQueue(a *API, c call) error  { return setPaused(a, c, true) }
func resumeQueue(a *API, c call) error { return setPaused(a, c, false) }

func setPaused(a *API, c call, paused bool) error {
	if err := nothing(c.w, c.r); err != nil {
		return err
	}
	q, err := a.m.Jobs.PauseQueue(c.r.Context(), c.id, paused)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, q)
}

// pruneType queues the pruning of the revisions of every resource of a type.
func pruneType(a *API, c call) error {
	body, err := readObject(c.w, c.r, "revisions")
	if err != nil {
		return err
	}
	if _, ok := body["revisions"]; !ok {
		return invalid("/revisions", "is needed: how many are kept of each")
	}
	r, err := a.m.Bulk.QueueBulk(c.r.Context(), c.t.Name, map[string]any{"op": "prune", "revisions": body["revisions"]})
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/"+upkeep.BulkJobs+"/"+r.ID)
	return c.written(http.StatusAccepted, r, everything)
}

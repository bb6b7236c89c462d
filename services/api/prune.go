package api

import (
	"net/http"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

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

// prunable are the types whose rows have :prune: those of applications, without an action
// of that name, which came first.
func prunable(actions []*resource.Action) func(*model.Type) bool {
	own := map[string]bool{}
	for _, x := range actions {
		if x.Name == "prune" {
			own[x.Type] = true
		}
	}
	return func(t *model.Type) bool { return !t.Builtin && !own[t.Name] }
}

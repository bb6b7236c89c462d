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

// bulkOperation is that of every type.
func bulkOperation(t *resource.Type) operation {
	ops := []any{"patch", "delete", "restore"}
	if t.Job != nil {
		ops = append(ops, "cancel", "rerun")
	}
	return operation{Operation: Operation{Method: "POST", Path: "/v1/{type}:bulk", Name: "bulk"}, summary: "Change all {many} that match a filter",
		description: "As a job, with the rights of the caller, each once. Its result counts what was changed and lists the first errors.",
		parameters:  []string{"Idempotency-Key"},
		body: func(*document, *resource.Type) object {
			return withBody(true, jsonContent(recordSchema(object{
				{"filter", object{{"type", "string"}, {"description", "As in a list; empty: all"}}},
				{"op", object{{"type", "string"}, {"enum", ops}}},
				{"patch", patchSchema("Of the op patch: RFC 7396, or RFC 6902 as an array")},
			}, "filter", "op"), object{{"filter", `meta.id = "nothing-has-this-id"`}, {"op", "delete"}}))
		},
		responses: []answer{{"202", "Queued as a job", append([]string{"Location"}, writeHeaders...), func(d *document, _ *resource.Type) object {
			return d.queued(resource.BulkJobs)
		}}},
		problems: bodyProblems}
}

var queueOperations = []operation{
	{Operation: Operation{Method: "GET", Path: "/v1/queues", Name: "queues"}, summary: "List the queues of jobs",
		responses: []answer{{"200", "All queues", nil, func(*document, *resource.Type) object {
			return jsonContent(pageOf(componentRef("schemas", "Queue")), samplePage(sampleQueue))
		}}}, problems: []string{"400", "405", "503"}},
	{Operation: Operation{Method: "GET", Path: "/v1/queues/{queue}", Name: "queue"}, summary: "Read one queue",
		responses: []answer{{"200", "The queue", nil, queueAnswer}}, problems: []string{"400", "404", "405", "503"}},
	{Operation: Operation{Method: "POST", Path: "/v1/queues/{queue}:pause", Name: "pause"}, summary: "Let no job of a queue start",
		description: "What runs goes on. Limits of a queue are a resource of the type queue-settings with its name as the id.",
		body:        emptyBody, responses: []answer{{"200", "Paused", nil, queueAnswer}}, problems: []string{"400", "404", "405", "409", "413", "415", "422", "503"}},
	{Operation: Operation{Method: "POST", Path: "/v1/queues/{queue}:resume", Name: "resume"}, summary: "Let jobs of a queue start again",
		body: emptyBody, responses: []answer{{"200", "Resumed", nil, queueAnswer}}, problems: []string{"400", "404", "405", "409", "413", "415", "422", "503"}},
}

func queueAnswer(*document, *resource.Type) object {
	return jsonContent(componentRef("schemas", "Queue"), sampleQueue)
}

var sampleQueue = object{{"name", "default"}, {"paused", false}, {"concurrency", 0}, {"rate", nil}, {"types", []any{"mails"}},
	{"depth", object{{"pending", 12}, {"scheduled", 3}, {"running", 4}, {"failed", 1}}}, {"oldest_due_at", sampleInstant},
	{"per_minute", object{{"succeeded", 240}, {"failed", 0}}}}

func queueSchema() object {
	return recordSchema(object{{"name", stringSchema}, {"paused", object{{"type", "boolean"}}},
		{"concurrency", object{{"type", "integer"}, {"minimum", 0}, {"description", "Jobs at once; 0: any number"}}},
		{"rate", object{{"type", []any{"object", "null"}}, {"description", "Starts in a time"}}},
		{"types", object{{"type", "array"}, {"items", stringSchema}, {"description", "Whose jobs go into it"}}},
		{"depth", recordSchema(object{{"pending", countSchema}, {"scheduled", countSchema}, {"running", countSchema}, {"failed", countSchema}}, "pending", "scheduled", "running", "failed")},
		{"oldest_due_at", object{{"type", []any{"string", "null"}}, {"format", "date-time"}, {"description", "Since when the oldest pending job waits"}}},
		{"per_minute", recordSchema(object{{"succeeded", countSchema}, {"failed", countSchema}}, "succeeded", "failed")},
	}, "name", "paused", "concurrency", "types", "depth", "per_minute")
}

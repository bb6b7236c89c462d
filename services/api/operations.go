package api

import (
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// operation is a row of the table of everything that a client can ask for. The
// router, what it says about methods, the parameters and headers that are taken, the verbs that
// are reserved and the document are all made of it.
type operation struct {
	openapi.Operation
	handle handler
	// serves says for which types the row is; nil: for every one.
	serves func(*model.Type) bool
	// rights are those of which a caller needs one at least before the body is read;
	// none: any right on the type.
	rights []string
	// untold says for which types the document leaves it out; nil: for none.
	untold func(*model.Type) bool
	// yields tells that custom actions may have its verb; they win.
	yields bool
	// forms tells that the body may be a form, of types with binaries.
	forms bool
	// anyQuery lets every query through to an operation without parameters, which
	// refuses one otherwise.
	anyQuery bool

	names   []string          // of the parameters in the query
	headers []string          // that it takes, besides those of every request
	metric  string            // what its requests are counted as
	read    func(name string) // is told of each parameter that is read; nil: nothing is
}

type handler func(*API, call) error

// table is everything that a client can ask for: of types, and of the server.
type table struct{ types, server []operation }

// newTable makes the table of a server with custom actions, with or without
// webhooks.
func newTable(actions []*resource.Action, webhooks bool) table {
	hooks := webhookOperations
	if !webhooks {
		hooks = nil
	}
	t := table{types: slices.Concat(typeOperations, []operation{signOperation, previewOperation}, hooks, keyOperations, userOperations, actionOperations(actions)),
		server: slices.Concat(serverOperations, peopleOperations, linkOperations, healthOperations, pageOperations)}
	for _, rows := range [][]operation{t.types, t.server} {
		for i := range rows {
			if rows[i].yields {
				rows[i].serves = yielding(actions, rows[i].Name)
			}
			rows[i].names, rows[i].headers = rows[i].QueryNames(), rows[i].HeaderNames()
			rows[i].metric = rows[i].Method + " " + rows[i].shape()
		}
	}
	return t
}

// tell makes the rows tell of each parameter that a handler reads.
func (all table) tell(read func(parameter string)) {
	for _, rows := range [][]operation{all.types, all.server} {
		for i := range rows {
			rows[i].read = read
		}
	}
}

// operations are those that the document of some types tells of.
func (all table) operations(types []*model.Type) (told []openapi.Operation) {
	for _, t := range types {
		for _, op := range all.types {
			if op.isFor(t) && !op.isUntold(t) {
				told = append(told, op.For(t))
			}
		}
	}
	for _, op := range all.server {
		if !op.isUntold(nil) {
			told = append(told, op.Operation)
		}
	}
	return told
}

func (o *operation) isFor(t *model.Type) bool    { return o.serves == nil || o.serves(t) }
func (o *operation) isUntold(t *model.Type) bool { return o.untold != nil && o.untold(t) }

// shape is the path below /v1, with the names that the router has for its parts.
func (o *operation) shape() string {
	return strings.Replace(strings.TrimPrefix(o.Path, "/v1"), "{digest}", "{n}", 1)
}

// OpenAPI is the document of everything that a server offers for the types.
func OpenAPI(types []*model.Type, o openapi.Options) []byte {
	return openapi.Document(types, newTable(o.Actions, true).operations(types), o)
}

// ReservedVerbs are those that custom actions cannot have: of every row about types,
// whichever they are for, and batch, which types may have one day.
func ReservedVerbs() map[string]bool {
	verbs := map[string]bool{"batch": true}
	for _, op := range newTable(nil, true).types {
		if _, verb := verbOf(op.Path); verb != "" && !op.yields && !strings.Contains(op.Path, "{digest}:") {
			verbs[verb[1:]] = true
		}
	}
	return verbs
}

func isJob(t *model.Type) bool         { return t.Job != nil }
func isNoJob(t *model.Type) bool       { return t.Job == nil }
func isAPIKey(t *model.Type) bool      { return t.Name == policy.APIKeys }
func isWebhook(t *model.Type) bool     { return t.Name == notify.Webhooks }
func hasNoBinaries(t *model.Type) bool { return len(t.Binaries) == 0 }
func always(*model.Type) bool          { return true }

// answer describes a success.
func answer(status, description string, content openapi.Part, headers ...string) openapi.Answer {
	return openapi.Answer{Status: status, Description: description, Content: content, Headers: headers}
}

func answers(a ...openapi.Answer) []openapi.Answer { return a }

// unmodified is the answer to a read whose state the client has.
var unmodified = answer("304", "It is still what If-None-Match names", nil, "ETag")

// written is the answer to a write.
func written(status, description string, content openapi.Part, more ...string) openapi.Answer {
	return answer(status, description, content, append([]string{"ETag", "Autocrud-Seq"}, more...)...)
}

// queued is the answer about a job that was made.
func queued(description string, content openapi.Part) openapi.Answer {
	return answer("202", description, content, "Location", "ETag", "Autocrud-Seq")
}

// The problems that operations of a kind can be answered with, besides those of
// every request.
var (
	readProblems  = []string{"400", "404", "405", "409", "412", "503"}
	liveProblems  = []string{"400", "404", "405", "409", "410", "412", "503"}
	writeProblems = []string{"400", "404", "405", "409", "410", "412", "413", "415", "422", "428", "503"}
)

// Parameters that operations of a kind take.
var (
	matchingParameters = []string{"filter", "q", "include_deleted", "only_deleted", "view"}
	readingParameters  = []string{"consistency", "min_seq"}
	searchParameters   = slices.Concat([]string{"filter", "order_by", "q", "page_size", "page_token", "include_deleted", "only_deleted", "view", "total", "list_returns", "fields", "expand"}, readingParameters)
	createParameters   = slices.Concat([]string{"new_id", "new_status", "message", "returns"}, writeConditions)
	changeParameters   = []string{"new_status", "mode", "message", "returns"}
	jobParameters      = []string{"run_at", "priority", "max_attempts", "unique_key", "after_jobs"}
	readConditions     = []string{"If-Match", "If-None-Match"}
	writeConditions    = []string{"If-Match", "If-None-Match", "Idempotency-Key"}
	ifMatch            = []string{"If-Match"} // of reads whose answer has no ETag, or one that does not tell of all of it
	paging             = []string{"page_size", "page_token"}
)

// creating makes the row of a create, which takes more for a job.
func creating(handle handler, serves func(*model.Type) bool, more ...string) operation {
	return operation{handle: handle, rights: []string{"create"}, forms: true, serves: serves, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}", Name: "create", Summary: "Create {one}",
		Parameters: slices.Concat(createParameters, more), Body: openapi.DataBody,
		Answers:  answers(written("201", "Created", openapi.Envelope, "Location")),
		Problems: []string{"400", "404", "405", "409", "410", "412", "413", "415", "422", "503"}}}
}

const watchText = "Server-Sent Events: id is the sequence in the log, event the action (or left, when the resource no longer matches the filter), " +
	"data the envelope. A connection that ends is resumed with Last-Event-ID or from_seq; event resume asks for that. " +
	"From the Autocrud-Index-Seq of a list nothing is missed."

// typeOperations are the rows of what can be done with the resources of a type.
var typeOperations = []operation{
	{handle: listResources, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}", Name: "list", Summary: "List and search {many}",
		Parameters: slices.Concat(searchParameters, ifMatch),
		Answers:    answers(answer("200", "One page", openapi.Page, "Autocrud-Index-Seq")),
		Problems:   readProblems, Expands: true}},
	creating(createResource, isNoJob),
	creating(createJob, isJob, jobParameters...),
	{handle: readResource, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}", Name: "read", Summary: "Read {one}",
		Description: "The newest state, an older revision by its number, or what was there at an instant.",
		Parameters:  slices.Concat([]string{"revision", "as_of", "read_status", "fields", "returns", "expand", "include_deleted", "view"}, readingParameters, readConditions),
		Answers:     answers(answer("200", "The resource", openapi.Partial, "OptionalETag"), unmodified),
		Problems:    liveProblems, Expands: true}},
	{handle: replaceResource, forms: true, rights: []string{"update", "modify", "create"}, Operation: openapi.Operation{Method: "PUT", Path: "/v1/{type}/{id}", Name: "replace", Summary: "Replace {one}",
		Description: "Makes a new revision{drafts}. With If-None-Match: * it creates.",
		Parameters:  slices.Concat(changeParameters, writeConditions), Body: openapi.ReplaceBody,
		Answers:  answers(written("200", "Replaced, or equal and unchanged", openapi.Envelope), written("201", "Created", openapi.Envelope, "Location")),
		Problems: writeProblems}},
	{handle: patchResource, rights: []string{"update", "modify"}, Operation: openapi.Operation{Method: "PATCH", Path: "/v1/{type}/{id}", Name: "patch", Summary: "Change parts of {one}",
		Parameters: slices.Concat(changeParameters, writeConditions), Body: openapi.PatchBody,
		Answers:  answers(written("200", "Changed, or equal and unchanged", openapi.Envelope)),
		Problems: writeProblems}},
	{handle: deleteResource, Operation: openapi.Operation{Method: "DELETE", Path: "/v1/{type}/{id}", Name: "delete", Summary: "Delete {one}",
		Description: "It can be restored. History and revisions stay readable.",
		Parameters:  writeConditions,
		Answers:     answers(written("200", "Deleted", openapi.MetaOnly)),
		Problems:    []string{"400", "404", "405", "409", "410", "412", "422", "428", "503"}}},
	{handle: restoreResource, rights: []string{"restore"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:restore", Name: "restore", Summary: "Restore {one} that is deleted",
		Description: "As it was, at an earlier revision, which needs the right switch too, or with a patch, which needs the right update.",
		Parameters:  writeConditions, Body: openapi.RestoreBody,
		Answers:  answers(written("200", "Restored", openapi.Whole)),
		Problems: writeProblems}},
	{handle: switchRevision, rights: []string{"switch"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:switch", Name: "switch", Summary: "Make a revision of {one} the current one",
		Parameters: writeConditions, Body: openapi.SwitchBody,
		Answers:  answers(written("200", "Switched", openapi.Whole)),
		Problems: writeProblems}},
	// Types of the program have no drafts; a draft of one is refused.
	{handle: setStatus, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:status", Name: "status", Summary: "Publish a draft of {one}, or begin a new one",
		Parameters: writeConditions, Body: openapi.StatusBody,
		Answers:  answers(written("200", "Its status is now the one asked for", openapi.Whole)),
		Problems: writeProblems}},
	{handle: publishResource, yields: true, rights: []string{"publish"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:publish", Name: "publish", Summary: "Publish {one}",
		Description: "A draft becomes stable; a stable revision that was taken back is published again. With at it is done at that time, of the revision that is HEAD now, in the place of what was scheduled; null cancels.",
		Parameters:  writeConditions, Body: openapi.PublishBody,
		Answers:  answers(written("200", "It is published, or scheduled", openapi.Whole)),
		Problems: writeProblems}},
	{handle: unpublishResource, yields: true, rights: []string{"publish"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:unpublish", Name: "unpublish", Summary: "Take back what is published of {one}",
		Description: "Nothing is deleted: it is not in the published view any more. With at it is done at that time, in the place of what was scheduled; null cancels.",
		Parameters:  writeConditions, Body: openapi.UnpublishBody,
		Answers:  answers(written("200", "It is not published, or that is scheduled", openapi.Whole)),
		Problems: writeProblems}},
	{handle: listRevisions, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}/revisions", Name: "revisions", Summary: "List the revisions of {one}, newest first",
		Parameters: slices.Concat(paging, []string{"chain_only"}, readConditions),
		Answers:    answers(answer("200", "One page", openapi.Revisions, "ETag"), unmodified),
		Problems:   readProblems}},
	{handle: readRevision, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}/revisions/{n}", Name: "revision", Summary: "Read one revision of {one}",
		Parameters: slices.Concat([]string{"raw", "returns", "fields"}, readConditions),
		Answers:    answers(answer("200", "The revision", openapi.Partial, "ETag"), unmodified),
		Problems:   liveProblems}},
	{handle: readHistory, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}/history", Name: "history", Summary: "List what happened to {one}, oldest first",
		Parameters: slices.Concat(paging, readConditions),
		Answers:    answers(answer("200", "One page", openapi.History, "ETag"), unmodified),
		Problems:   readProblems}},

	// Many resources at once.
	{handle: searchResources, rights: []string{"list"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}:search", Name: "search", Summary: "Search {many} with the parameters in the body",
		Description: "The parameters of the list, which may be longer here than a request line.",
		Body:        openapi.SearchBody,
		Answers:     answers(answer("200", "One page", openapi.Page, "Autocrud-Index-Seq")),
		Problems:    []string{"400", "404", "405", "413", "415", "422", "503"}}},
	{handle: countResources, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}:count", Name: "count", Summary: "Count {many}",
		Parameters: slices.Concat(matchingParameters, readingParameters, ifMatch),
		Answers:    answers(answer("200", "How many there are", openapi.Count, "Autocrud-Index-Seq")),
		Problems:   readProblems}},
	{handle: aggregateResources, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}:aggregate", Name: "aggregate", Summary: "Count and sum up {many} in groups",
		Description: "Sums are exact. A resource is in one group for each different element of a list field, and in the group of null when it has none. Without group_by there is one group.",
		Parameters:  slices.Concat([]string{"group_by", "count", "sum", "avg", "min", "max", "group_order"}, paging, matchingParameters, readingParameters, ifMatch),
		Answers:     answers(answer("200", "One page of groups", openapi.Groups, "Autocrud-Index-Seq")),
		Problems:    readProblems}},
	{handle: watchType, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}:watch", Name: "watch", Summary: "Follow what happens to {many}",
		Description: watchText, Parameters: watchParameters,
		Answers:  answers(answer("200", "Events until the client leaves", openapi.EventStream)),
		Problems: []string{"400", "404", "405", "410", "503"}}},
	{handle: watchType, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}:watch", Name: "watch_one", Summary: "Follow what happens to {one}",
		Description: watchText, Parameters: watchParameters,
		Answers:  answers(answer("200", "Events until the client leaves", openapi.EventStream)),
		Problems: []string{"400", "404", "405", "410", "503"}}},
	{handle: migrateType, rights: []string{"migrate"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}:migrate", Name: "migrate", Summary: "Bring a page of {many} to the schema version",
		Description: "Repeat with after=next until done. What is migrated is passed over, so it can be begun again.",
		Parameters:  []string{"dry_run", "after"}, Body: openapi.EmptyBody,
		Answers:  answers(answer("200", "What was done", openapi.Migration)),
		Problems: []string{"400", "404", "405", "413", "415", "503"}}},
	{handle: reindexType, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}:reindex", Name: "reindex", Summary: "Build the index of {many} anew from the log",
		Description: "The old index answers until the new one is complete; GET /v1:reindex tells how far it is.",
		Body:        openapi.EmptyBody,
		Answers:     answers(answer("202", "It has begun", openapi.Indexing)),
		Problems:    []string{"400", "404", "405", "413", "415", "503"}}},

	// One resource and others.
	{handle: purgeResource, rights: []string{"purge"}, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:purge", Name: "purge", Summary: "Erase {one} for good",
		Description: "Its content and history are destroyed; the id can be used again.",
		Parameters:  writeConditions, Body: openapi.EmptyBody,
		Answers: answers(answer("204", "Erased", nil, "Autocrud-Seq"),
			answer("202", "Gone; a job erases the long history", openapi.QueuedBulk, "Autocrud-Seq", "Location", "ETag")),
		Problems: writeProblems}},
	{handle: diffRevisions, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}:diff", Name: "diff", Summary: "What turns one revision of {one} into another",
		Parameters: slices.Concat([]string{"diff_from", "diff_to"}, readConditions),
		Answers:    answers(answer("200", "Operations of RFC 6902", openapi.Diff, "ETag"), unmodified),
		Problems:   liveProblems}},
	{handle: listReferrers, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}/referrers", Name: "referrers", Summary: "List what refers to {one}",
		Parameters: slices.Concat([]string{"view"}, paging, ifMatch),
		Answers:    answers(answer("200", "One page", openapi.Referrers, "ETag")),
		Problems:   readProblems}},
	// Of a type that has no binaries now, older revisions can have some.
	{handle: downloadBinary, untold: hasNoBinaries, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}/blobs/{digest}", Name: "blob", Summary: "Download a binary of {one}",
		Description: "Only what a revision of the resource refers to. Ranges are answered.",
		Parameters:  slices.Concat([]string{"Range", "If-Range"}, readConditions),
		Answers:     answers(answer("200", "The binary", openapi.AnyBinary, "ETag"), answer("206", "A part of it", openapi.AnyBinary, "ETag", "OptionalContent-Range"), unmodified),
		Problems:    slices.Concat(liveProblems, []string{"416"})}},

	// Jobs.
	{handle: cancelJob, serves: isJob, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:cancel", Name: "cancel", Summary: "Cancel {one} that is not finished",
		Description: "A running handler is told to stop; its later actions have no effect on the job.",
		Parameters:  writeConditions, Body: openapi.EmptyBody,
		Answers:  answers(written("200", "Cancelled", openapi.Whole)),
		Problems: writeProblems}},
	{handle: rerunJob, serves: isJob, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:rerun", Name: "rerun", Summary: "Queue {one} again that is finished",
		Parameters: writeConditions, Body: openapi.EmptyBody,
		Answers:  answers(written("200", "Queued", openapi.Whole)),
		Problems: writeProblems}},
	{handle: readLogs, serves: isJob, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}/logs", Name: "logs", Summary: "Read what the handler of {one} wrote",
		Description: "Oldest line first. With follow=true it is a stream of Server-Sent Events: line for each line, end when the job is finished.",
		Parameters:  slices.Concat(paging, []string{"follow", "Last-Event-ID"}, ifMatch),
		Answers:     answers(answer("200", "One page, or a stream", openapi.Logs, "OptionalETag")),
		Problems:    liveProblems}},
	{handle: pruneType, yields: true, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}:prune", Name: "prune", Summary: "Prune the older revisions of all {many}",
		Description: "As a job, for an administrator. The newest are kept, and what is needed: HEAD, the newest stable one, and those that a resource refers to. The history stays.",
		Parameters:  []string{"Idempotency-Key"}, Body: openapi.PruneBody,
		Answers:  answers(queued("Queued as a job", openapi.QueuedBulk)),
		Problems: writeProblems}},
	{handle: queueBulk, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}:bulk", Name: "bulk", Summary: "Change all {many} that match a filter",
		Description: "As a job, with the rights of the caller, each once. Its result counts what was changed and lists the first errors.",
		Parameters:  []string{"Idempotency-Key"}, Body: openapi.BulkBody,
		Answers:  answers(queued("Queued as a job", openapi.QueuedBulk)),
		Problems: writeProblems}},
}

// webhookOperations are the rows of webhooks.
var webhookOperations = []operation{
	{handle: pauseWebhook, serves: isWebhook, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:pause", Name: "pause", Summary: "Stop delivering; what happens meanwhile is kept for later",
		Parameters: writeConditions, Body: openapi.EmptyBody,
		Answers:  answers(written("200", "Done", openapi.Whole)),
		Problems: writeProblems}},
	{handle: resumeWebhook, serves: isWebhook, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:resume", Name: "resume", Summary: "Deliver again, from where it stopped",
		Parameters: writeConditions, Body: openapi.EmptyBody,
		Answers:  answers(written("200", "Done", openapi.Whole)),
		Problems: writeProblems}},
	{handle: replayWebhook, serves: isWebhook, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:replay", Name: "replay", Summary: "Deliver again everything after a sequence or from a time on",
		Description: "As far as the stream of events goes back. A receiver knows repeated events by webhook-id.",
		Parameters:  writeConditions, Body: openapi.ReplayBody,
		Answers:  answers(written("200", "Done", openapi.Whole)),
		Problems: writeProblems}},
	{handle: testWebhook, serves: isWebhook, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:test", Name: "test", Summary: "Send an event that means nothing, and tell what came of it",
		Parameters: readConditions, Body: openapi.EmptyBody,
		Answers:  answers(answer("200", "What came of it", openapi.Delivery)),
		Problems: writeProblems}},
	{handle: listDeliveries, serves: isWebhook, Operation: openapi.Operation{Method: "GET", Path: "/v1/{type}/{id}/deliveries", Name: "deliveries", Summary: "List what was sent in the last 7 days, newest first",
		Parameters: slices.Concat(paging, ifMatch),
		Answers:    answers(answer("200", "One page", openapi.Deliveries)),
		Problems:   readProblems}},
}

// keyOperations are the rows of API keys.
var keyOperations = []operation{
	{handle: rotateKey, serves: isAPIKey, Operation: openapi.Operation{Method: "POST", Path: "/v1/{type}/{id}:rotate", Name: "rotate", Summary: "Give an API key a new secret, which is shown once",
		Description: "The secret before stays good for the overlap, a duration of at most 720h; default: not at all.",
		Parameters:  writeConditions, Body: openapi.RotateBody,
		Answers:  answers(written("200", "The key, with its new secret", openapi.Whole)),
		Problems: writeProblems}},
}

// actionOperations are the rows of custom actions.
func actionOperations(actions []*resource.Action) (out []operation) {
	for _, x := range actions {
		op := openapi.Operation{Method: "POST", Path: "/v1/{type}:" + x.Name, Name: x.Name, Summary: x.Title,
			Parameters: []string{"Idempotency-Key"}, Body: openapi.ActionInput(x),
			Answers: answers(answer("200", "Done", openapi.ActionOutput(x))), Problems: writeProblems}
		if x.OnResource {
			op.Path = "/v1/{type}/{id}:" + x.Name
			op.Parameters = writeConditions
		}
		if x.Job {
			op.Answers = answers(queued("Queued as a job", openapi.Queued(x.JobType())))
		}
		out = append(out, operation{Operation: op, handle: runAction(x), serves: func(t *model.Type) bool { return t.Name == x.Type }})
	}
	return out
}

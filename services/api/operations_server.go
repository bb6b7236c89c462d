package api

import (
	"net/http"
	"slices"

	"github.com/autocrud-go/autocrud/services/api/openapi"
)

var watchParameters = []string{"from_seq", "watch_filter", "view", "Last-Event-ID"}

// The problems of operations of the server.
var (
	askProblems   = []string{"400", "405", "503"}
	adminProblems = []string{"400", "405", "413", "415", "503"}
	queueProblems = []string{"400", "404", "405", "409", "413", "415", "422", "503"}
)

// serverOperations are the rows that are about no type, or about several.
var serverOperations = []operation{
	// What looks at everything.
	{handle: asAdmin(verifyStores), Operation: openapi.Operation{Method: "POST", Path: "/v1:verify", Name: "verify", Summary: "Check log, blobs and index against each other",
		Body: openapi.EmptyBody, Answers: answers(answer("200", "What was looked at and what differs", openapi.Verified)), Problems: adminProblems}},
	{handle: asAdmin(sweepUnused), Operation: openapi.Operation{Method: "POST", Path: "/v1:gc", Name: "gc", Summary: "Remove what nothing refers to and is older than a day",
		Body: openapi.EmptyBody, Answers: answers(answer("200", "What was removed", openapi.Swept)), Problems: adminProblems}},
	{handle: asAdmin(sendBackup), Operation: openapi.Operation{Method: "GET", Path: "/v1:backup", Name: "backup", Summary: "Everything, as one file",
		Description: "Up to where the log ends now; writes go on meanwhile. The file ends with a digest of itself.",
		Answers:     answers(answer("200", "The backup", openapi.AnyBinary)), Problems: askProblems}},
	{handle: restoreBackup, Operation: openapi.Operation{Method: "POST", Path: "/v1:restore", Name: "restoreBackup", Summary: "Fill an empty server from a backup",
		Description: "The whole file is checked before anything is written. Where there is data, it is refused.",
		Body:        openapi.BackupBody, Answers: answers(answer("200", "What was restored", openapi.Restored)),
		Problems: []string{"400", "405", "409", "413", "415", "422", "503"}}},
	{handle: asAdmin(reindexAll), Operation: openapi.Operation{Method: "POST", Path: "/v1:reindex", Name: "reindex", Summary: "Build the index of all types anew from the log",
		Description: "The old index answers until the new one is complete; GET tells how far it is.",
		Body:        openapi.EmptyBody, Answers: answers(answer("202", "It has begun", openapi.Indexing)), Problems: adminProblems}},
	{handle: readIndexing, Operation: openapi.Operation{Method: "GET", Path: "/v1:reindex", Name: "indexing", Summary: "How far is the index?",
		Answers: answers(answer("200", "The types that are being built, and the sequences of index and log", openapi.Indexing)), Problems: askProblems}},

	{handle: planModels, Operation: openapi.Operation{Method: "POST", Path: "/v1/types:plan", Name: "planModels", Summary: "What would changed models do to the data?",
		Description: "Against the models that the data was written by. Where a change may refuse what it allowed, every live resource is read as it would be after its migrations, and checked. Nothing is changed.",
		Body:        openapi.ModelsBody, Answers: answers(answer("200", "What changes, type by type, and which resources do not fit", openapi.Plan)),
		Problems: []string{"400", "405", "413", "415", "422", "503"}}},

	{handle: reloadModels, Operation: openapi.Operation{Method: "POST", Path: "/v1/types:reload", Name: "reloadModels", Summary: "Serve the models as their files are now",
		Description: "The server reads its models folder again. Models with mistakes, and those that the data does not fit, are refused with what is wrong, and the models before stay in force. Requests, watches and running jobs go on.",
		Answers:     answers(answer("200", "What changed, type by type", openapi.Plan)), Problems: []string{"400", "405", "409", "422", "503"}}},

	// Queues.
	{handle: listQueues, Operation: openapi.Operation{Method: "GET", Path: "/v1/queues", Name: "queues", Summary: "List the queues of jobs",
		Answers: answers(answer("200", "All queues", openapi.Queues)), Problems: askProblems}},
	{handle: readQueue, Operation: openapi.Operation{Method: "GET", Path: "/v1/queues/{queue}", Name: "queue", Summary: "Read one queue",
		Answers: answers(answer("200", "The queue", openapi.Queue)), Problems: []string{"400", "404", "405", "503"}}},
	{handle: pauseQueue, Operation: openapi.Operation{Method: "POST", Path: "/v1/queues/{queue}:pause", Name: "pause", Summary: "Let no job of a queue start",
		Description: "What runs goes on. Limits of a queue are a resource of the type queue-settings with its name as the id.",
		Body:        openapi.EmptyBody, Answers: answers(answer("200", "Paused", openapi.Queue)), Problems: queueProblems}},
	{handle: resumeQueue, Operation: openapi.Operation{Method: "POST", Path: "/v1/queues/{queue}:resume", Name: "resume", Summary: "Let jobs of a queue start again",
		Body: openapi.EmptyBody, Answers: answers(answer("200", "Resumed", openapi.Queue)), Problems: queueProblems}},

	{handle: answerQuestion, Operation: openapi.Operation{Method: "POST", Path: "/v1:can", Name: "can", Summary: "May I do this, and which rule says so?",
		Description: "About a type, one resource of it, or, for create, data. Admins may ask for another principal.",
		Body:        openapi.QuestionBody, Answers: answers(answer("200", "The decision", openapi.Decision)),
		Problems: []string{"400", "404", "405", "413", "415", "422", "503"}}},
	{handle: runBatch, Operation: openapi.Operation{Method: "POST", Path: "/v1:batch", Name: "batch", Summary: "Several writes, all or none or one by one",
		Description: "1 to 100 operations, each on another resource. Atomic (the default): when one is refused nothing is written and the answer is its problem, with results. Otherwise 200, and each result has its own status.",
		Parameters:  []string{"Idempotency-Key"}, Body: openapi.BatchBody,
		Answers:  answers(answer("200", "What became of each", openapi.BatchResults)),
		Problems: writeProblems}},
	{handle: runRelease, Operation: openapi.Operation{Method: "POST", Path: "/v1:publish", Name: "release", Summary: "Publish several resources together, all or none",
		Description: "1 to 100 resources. With at they are published at that time, all or none, as they are now: one whose schedule is changed or cancelled, or that is deleted, is not a part of it any more; when one is refused then none is published. null cancels what is scheduled of each.",
		Parameters:  []string{"Idempotency-Key"}, Body: openapi.ReleaseBody,
		Answers:  answers(answer("200", "What became of each", openapi.BatchResults)),
		Problems: writeProblems}},
	{handle: watchEverything, Operation: openapi.Operation{Method: "GET", Path: "/v1:watch", Name: "watch", Summary: "Follow what happens to all types",
		Description: watchText + " A filter may name meta fields only. Types of the program itself are watched one by one.",
		Parameters:  watchParameters,
		Answers:     answers(answer("200", "Events until the client leaves", openapi.EventStream)),
		Problems:    []string{"400", "405", "410", "503"}}},
	{handle: uploadBinary, Operation: openapi.Operation{Method: "POST", Path: "/v1/blobs", Name: "upload", Summary: "Upload a binary",
		Description: "The body is the file, or a form (multipart/form-data) that holds one file and nothing else. Streamed, stored once for equal content. Refer to it by its digest in a binary field; unreferenced ones go after a day.",
		Body:        openapi.UploadBody, Answers: answers(answer("201", "Stored", openapi.Uploaded)), Problems: adminProblems}},
	{handle: listAudit, Operation: openapi.Operation{Method: "GET", Path: "/v1/audit", Name: "audit", Summary: "List who did what, when and from where",
		Description: "Every write, every refusal, and the reads of types with auditReads. Needs admin, or the right audit, on all types. A page may have fewer items than asked for, or none, while next_page_token is not empty. " +
			"Asked for as application/x-ndjson, the answer is everything that is found, one JSON document a line.",
		Parameters: slices.Concat([]string{"audit_principal", "audit_type", "audit_id", "audit_action", "audit_outcome", "audit_from", "audit_to", "audit_order", "Accept"}, paging, readingParameters),
		Answers:    answers(answer("200", "One page, or everything", openapi.Audit)), Problems: askProblems}},
	{handle: listTypes, Operation: openapi.Operation{Method: "GET", Path: "/v1/types", Name: "types", Summary: "List the types",
		Answers: answers(answer("200", "All types", openapi.ModelPage)), Problems: []string{"400", "405"}}},
	{handle: readType, anyQuery: true /* the type first */, Operation: openapi.Operation{Method: "GET", Path: "/v1/types/{type}", Name: "type", Summary: "Read the model of one type",
		Answers: answers(answer("200", "The model", openapi.Model)), Problems: []string{"400", "404", "405"}}},
}

// healthOperations tell how the process is.
var healthOperations = []operation{
	{handle: tellAlive, anyQuery: true, Operation: openapi.Operation{Method: "GET", Path: "/livez", Name: "livez", Summary: "Is the process alive?", Public: true,
		Answers: answers(answer("200", "It is", openapi.Text("text/plain"))), Problems: []string{"405"}}},
	{handle: tellReady, anyQuery: true, Operation: openapi.Operation{Method: "GET", Path: "/readyz", Name: "readyz", Summary: "Can it take requests?", Public: true,
		Answers: answers(answer("200", "It can", openapi.Text("text/plain"))), Problems: []string{"405", "503"}}},
	{handle: page(func(a *API) http.Handler { return a.metrics.page }), anyQuery: true, Operation: openapi.Operation{Method: "GET", Path: "/metrics", Name: "metrics", Summary: "Metrics for Prometheus",
		Answers: answers(answer("200", "Text exposition format", openapi.Text("text/plain"))), Problems: []string{"405"}}},
}

// pageOperations are the documents, and the page that shows them.
var pageOperations = []operation{
	{handle: describe, Operation: openapi.Operation{Method: "GET", Path: "/openapi.json", Name: "openapi", Summary: "This document", Public: true, Parameters: []string{"types"},
		Answers: answers(answer("200", "OpenAPI 3.1", openapi.AnyObject)), Problems: []string{"400", "405"}}},
	{handle: describeOlder, Operation: openapi.Operation{Method: "GET", Path: "/openapi-3.0.json", Name: "openapi30", Summary: "This document, for tools that know OpenAPI 3.0 only", Public: true, Parameters: []string{"types"},
		Answers: answers(answer("200", "OpenAPI 3.0.3", openapi.AnyObject)), Problems: []string{"400", "405"}}},
	{handle: page(func(a *API) http.Handler { return a.documents.Load().asyncapi }), anyQuery: true, Operation: openapi.Operation{Method: "GET", Path: "/asyncapi.json", Name: "asyncapi", Summary: "The document of the events", Public: true,
		Answers: answers(answer("200", "AsyncAPI 3.0", openapi.AnyObject)), Problems: []string{"405"}}},
	{handle: page(func(a *API) http.Handler { return a.docs }), anyQuery: true, Operation: openapi.Operation{Method: "GET", Path: "/docs", Name: "docs", Summary: "This document, to read and try out", Public: true,
		Answers: answers(answer("200", "A page", openapi.Text("text/html"))), Problems: []string{"405"}}},
	{handle: page(func(a *API) http.Handler { return a.docs }), anyQuery: true, untold: always, Operation: openapi.Operation{Method: "GET", Path: "/docs/*", Name: "docsfile"}},
	{handle: page(func(a *API) http.Handler { return a.guide }), anyQuery: true, untold: always, Operation: openapi.Operation{Method: "GET", Path: "/guide", Name: "guide"}},
	{handle: page(func(a *API) http.Handler { return a.guide }), anyQuery: true, untold: always, Operation: openapi.Operation{Method: "GET", Path: "/guide/*", Name: "guidefile"}},
	{handle: showDocs, anyQuery: true, untold: always, Operation: openapi.Operation{Method: "GET", Path: "/", Name: "root"}},
}

// page answers with a page that the API has.
func page(of func(*API) http.Handler) handler {
	return func(a *API, c call) error {
		of(a).ServeHTTP(c.w, c.r)
		return nil
	}
}

func showDocs(_ *API, c call) error {
	http.Redirect(c.w, c.r, "/docs", http.StatusFound)
	return nil
}

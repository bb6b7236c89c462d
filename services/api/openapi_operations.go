package api

import (
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// Operation is one thing a client can ask for: a method on a path.
type Operation struct {
	Method string
	Path   string // template: "/v1/movies/{id}:switch"
	Type   string // name of the type, empty for those of the server
	Name   string // "list", "create", ...; unique within Type
}

// Operations lists everything the OpenAPI document describes, in its order.
func Operations(types []*resource.Type, actions ...*resource.Action) []Operation {
	var out []Operation
	for _, op := range operationsOf(types, actions) {
		out = append(out, op.Operation)
	}
	return out
}

const serverTag = "server"

// operation is a row of the table: an Operation and what the document says
// about it.
type operation struct {
	Operation
	typ         *resource.Type
	summary     string
	description string
	parameters  []string // of components/parameters, besides those of the path
	body        func(*document, *resource.Type) object
	responses   []answer
	problems    []string // statuses of components/responses
	public      bool     // needs no credential
}

// answer is what a success looks like.
type answer struct {
	status      string
	description string
	headers     []string // of components/headers
	content     func(*document, *resource.Type) object
}

// unmodifiedAnswer is that of a read whose state the client has.
var unmodifiedAnswer = answer{"304", "It is still what If-None-Match names", []string{"ETag"}, nil}

// operationsOf makes the table for the types.
func operationsOf(types []*resource.Type, actions []*resource.Action) []operation {
	var all []operation
	for _, t := range types {
		texts := strings.NewReplacer("{one}", one(t), "{many}", several(t))
		for _, op := range append(typeOperations(t), actionOperations(t, actions)...) {
			op.Path = strings.Replace(op.Path, "{type}", t.Name, 1)
			op.Type, op.typ = t.Name, t
			op.summary = texts.Replace(op.summary)
			all = append(all, op)
		}
	}
	return slices.Concat(all, adminOperations, queueOperations, []operation{canOperation}, serverOperations)
}

var (
	readProblems = []string{"400", "404", "405", "409", "412", "503"}
	liveProblems = []string{"400", "404", "405", "409", "410", "412", "503"}
	bodyProblems = []string{"400", "404", "405", "409", "410", "412", "413", "415", "422", "428", "503"}
	moveProblems = []string{"400", "404", "405", "409", "410", "412", "413", "415", "422", "428", "503"}
	writeHeaders = []string{"ETag", "Autocrud-Seq"}
	listReading  = []string{"consistency", "min_seq"}
)

// expanding are the problems of a read whose references can be expanded: to too much.
func expanding(t *resource.Type, problems []string) []string {
	if len(t.Refs) == 0 {
		return problems
	}
	return slices.Insert(slices.Clone(problems), slices.Index(problems, "405")+1, "413")
}

// typeOperations is what can be done with the resources of a type.
func typeOperations(t *resource.Type) []operation {
	create := []string{"new_id", "new_status", "message", "returns", "Idempotency-Key"}
	if t.Job != nil {
		create = append(create, "run_at", "priority", "max_attempts", "unique_key", "after_jobs")
	}
	return append([]operation{
		{Operation: Operation{Method: "GET", Path: "/v1/{type}", Name: "list"}, summary: "List and search {many}",
			parameters: append([]string{"filter", "order_by", "q", "page_size", "page_token", "include_deleted", "only_deleted", "total", "list_returns", "fields", "expand"}, listReading...),
			responses:  []answer{{"200", "One page", []string{"Autocrud-Index-Seq"}, (*document).page}},
			problems:   expanding(t, readProblems)},
		{Operation: Operation{Method: "POST", Path: "/v1/{type}", Name: "create"}, summary: "Create {one}",
			parameters: create, body: (*document).dataBody,
			responses: []answer{{"201", "Created", append(writeHeaders, "Location"), (*document).envelope}},
			problems:  []string{"400", "404", "405", "409", "410", "412", "413", "415", "422", "503"}},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}/{id}", Name: "read"}, summary: "Read {one}",
			description: "The newest state, an older revision by its number, or what was there at an instant.",
			parameters:  append([]string{"revision", "as_of", "read_status", "fields", "returns", "expand", "include_deleted", "If-Match", "If-None-Match"}, listReading...),
			responses: []answer{{"200", "The resource", []string{"OptionalETag"}, (*document).partial},
				unmodifiedAnswer},
			problems: expanding(t, liveProblems)},
		{Operation: Operation{Method: "PUT", Path: "/v1/{type}/{id}", Name: "replace"}, summary: "Replace {one}",
			description: "Makes a new revision, or changes a draft in place with mode=modify. With If-None-Match: * it creates.",
			parameters:  []string{"new_status", "mode", "message", "returns", "If-Match", "If-None-Match", "Idempotency-Key"}, body: (*document).replaceBody,
			responses: []answer{{"200", "Replaced, or equal and unchanged", writeHeaders, (*document).envelope},
				{"201", "Created", append(writeHeaders, "Location"), (*document).envelope}},
			problems: bodyProblems},
		{Operation: Operation{Method: "PATCH", Path: "/v1/{type}/{id}", Name: "patch"}, summary: "Change parts of {one}",
			parameters: []string{"new_status", "mode", "message", "returns", "If-Match", "Idempotency-Key"}, body: (*document).patchBody,
			responses: []answer{{"200", "Changed, or equal and unchanged", writeHeaders, (*document).envelope}},
			problems:  bodyProblems},
		{Operation: Operation{Method: "DELETE", Path: "/v1/{type}/{id}", Name: "delete"}, summary: "Delete {one}",
			description: "It can be restored. History and revisions stay readable.",
			parameters:  []string{"If-Match", "Idempotency-Key"},
			responses:   []answer{{"200", "Deleted", writeHeaders, (*document).metaOnly}},
			problems:    []string{"400", "404", "405", "409", "410", "412", "422", "428", "503"}},
		{Operation: Operation{Method: "POST", Path: "/v1/{type}/{id}:restore", Name: "restore"}, summary: "Restore {one} that is deleted",
			description: "As it was, at an earlier revision, which needs the right switch too, or with a patch, which needs the right update.",
			parameters:  []string{"If-Match", "Idempotency-Key"}, body: restoreBody,
			responses: []answer{{"200", "Restored", writeHeaders, (*document).whole}},
			problems:  moveProblems},
		{Operation: Operation{Method: "POST", Path: "/v1/{type}/{id}:switch", Name: "switch"}, summary: "Make a revision of {one} the current one",
			parameters: []string{"If-Match", "Idempotency-Key"}, body: switchBody,
			responses: []answer{{"200", "Switched", writeHeaders, (*document).whole}},
			problems:  moveProblems},
		{Operation: Operation{Method: "POST", Path: "/v1/{type}/{id}:status", Name: "status"}, summary: "Publish a draft of {one}, or begin a new one",
			parameters: []string{"If-Match", "Idempotency-Key"}, body: statusBody,
			responses: []answer{{"200", "Its status is now the one asked for", writeHeaders, (*document).whole}},
			problems:  moveProblems},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}/{id}/revisions", Name: "revisions"}, summary: "List the revisions of {one}, newest first",
			parameters: []string{"page_size", "page_token", "chain_only", "If-Match", "If-None-Match"},
			responses:  []answer{{"200", "One page", []string{"ETag"}, (*document).revisions}, unmodifiedAnswer},
			problems:   readProblems},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}/{id}/revisions/{n}", Name: "revision"}, summary: "Read one revision of {one}",
			parameters: []string{"raw", "returns", "fields", "If-Match", "If-None-Match"},
			responses:  []answer{{"200", "The revision", []string{"ETag"}, (*document).partial}, unmodifiedAnswer},
			problems:   readProblems},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}/{id}/history", Name: "history"}, summary: "List what happened to {one}, oldest first",
			parameters: []string{"page_size", "page_token", "If-Match", "If-None-Match"},
			responses:  []answer{{"200", "One page", []string{"ETag"}, (*document).history}, unmodifiedAnswer},
			problems:   readProblems},
	}, slices.Concat(searchOperations(), watchOperations(), relationOperations(t), jobOperations(t), []operation{bulkOperation(t)}, webhookOperations(t), keyOperations(t))...)
}

var serverOperations = []operation{
	batchOperation,
	watchAllOperation,
	blobOperation,
	auditOperation,
	{Operation: Operation{Method: "GET", Path: "/v1/types", Name: "types"}, summary: "List the types",
		responses: []answer{{"200", "All types", nil, (*document).modelPage}}, problems: []string{"400", "405"}},
	{Operation: Operation{Method: "GET", Path: "/v1/types/{type}", Name: "type"}, summary: "Read the model of one type",
		responses: []answer{{"200", "The model", nil, (*document).model}}, problems: []string{"400", "404", "405"}},
	{Operation: Operation{Method: "GET", Path: "/livez", Name: "livez"}, summary: "Is the process alive?", public: true,
		responses: []answer{{"200", "It is", nil, anyText("text/plain")}}, problems: []string{"405"}},
	{Operation: Operation{Method: "GET", Path: "/readyz", Name: "readyz"}, summary: "Can it take requests?", public: true,
		responses: []answer{{"200", "It can", nil, anyText("text/plain")}}, problems: []string{"405", "503"}},
	{Operation: Operation{Method: "GET", Path: "/metrics", Name: "metrics"}, summary: "Metrics for Prometheus",
		responses: []answer{{"200", "Text exposition format", nil, anyText("text/plain")}}, problems: []string{"405"}},
	{Operation: Operation{Method: "GET", Path: "/openapi.json", Name: "openapi"}, summary: "This document", public: true,
		responses: []answer{{"200", "OpenAPI 3.1", nil, func(*document, *resource.Type) object {
			return jsonContent(freeObject(), nil)
		}}}, problems: []string{"405"}},
	{Operation: Operation{Method: "GET", Path: "/asyncapi.json", Name: "asyncapi"}, summary: "The document of the events", public: true,
		responses: []answer{{"200", "AsyncAPI 3.0", nil, func(*document, *resource.Type) object {
			return jsonContent(freeObject(), nil)
		}}}, problems: []string{"405"}},
	{Operation: Operation{Method: "GET", Path: "/docs", Name: "docs"}, summary: "This document, to read and try out", public: true,
		responses: []answer{{"200", "A page", nil, anyText("text/html")}}, problems: []string{"405"}},
}

func anyText(mediaType string) func(*document, *resource.Type) object {
	return func(*document, *resource.Type) object {
		return mediaContent(mediaType, object{{"type", "string"}}, nil)
	}
}

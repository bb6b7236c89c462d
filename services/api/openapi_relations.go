package api

import "github.com/autocrud-go/autocrud/pkg/resource"

// relationOperations are those about several revisions or several resources.
func relationOperations(t *resource.Type) []operation {
	ops := []operation{
		{Operation: Operation{Method: "POST", Path: "/v1/{type}:migrate", Name: "migrate"}, summary: "Bring a page of {many} to the schema version",
			description: "Repeat with after=next until done. What is migrated is passed over, so it can be begun again.",
			parameters:  []string{"dry_run", "after"}, body: emptyBody,
			responses: []answer{{"200", "What was done", nil, migrationAnswer}},
			problems:  []string{"400", "404", "405", "413", "415", "503"}},
		{Operation: Operation{Method: "POST", Path: "/v1/{type}:reindex", Name: "reindex"}, summary: "Build the index of {many} anew from the log", body: emptyBody,
			description: "What is there answers until the new index is complete; GET /v1:reindex tells how far it is.",
			responses:   []answer{{"202", "It has begun", nil, indexingAnswer}},
			problems:    []string{"400", "404", "405", "413", "415", "503"}},
		{Operation: Operation{Method: "POST", Path: "/v1/{type}/{id}:purge", Name: "purge"}, summary: "Erase {one} for good",
			description: "Its content and history are destroyed; the id can be used again.",
			parameters:  []string{"If-Match", "Idempotency-Key"}, body: emptyBody,
			responses: []answer{{"204", "Erased", []string{"Autocrud-Seq"}, nil}, {"202", "Gone; a job erases the long history", []string{"Autocrud-Seq", "Location", "ETag"}, purgeAnswer}},
			problems:  moveProblems},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}/{id}:diff", Name: "diff"}, summary: "What turns one revision of {one} into another",
			parameters: []string{"diff_from", "diff_to", "If-Match", "If-None-Match"},
			responses:  []answer{{"200", "Operations of RFC 6902", []string{"ETag"}, diffAnswer}, unmodifiedAnswer},
			problems:   readProblems},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}/{id}/referrers", Name: "referrers"}, summary: "List what refers to {one}",
			parameters: []string{"page_size", "page_token", "If-Match"},
			responses:  []answer{{"200", "One page", []string{"ETag"}, referrersAnswer}},
			problems:   readProblems},
	}
	if len(t.Binaries) > 0 {
		ops = append(ops, downloadOperation())
	}
	return ops
}

// batchOperation is the one write over several types.
var batchOperation = operation{
	Operation: Operation{Method: "POST", Path: "/v1:batch", Name: "batch"}, summary: "Several writes, all or none or one by one",
	description: "1 to 100 operations, each on another resource. Atomic (the default): when one is refused nothing is written and the answer is its problem, with results. Otherwise 200, and each result has its own status.",
	parameters:  []string{"Idempotency-Key"}, body: batchRequest,
	responses: []answer{{"200", "What became of each", nil, batchAnswer}},
	problems:  []string{"400", "404", "405", "409", "410", "412", "413", "415", "422", "428", "503"},
}

func purgeAnswer(d *document, _ *resource.Type) object { return d.queued(resource.BulkJobs) }

func diffAnswer(*document, *resource.Type) object {
	return jsonContent(recordSchema(object{{"operations", componentRef("schemas", "JSONPatch")}}, "operations"),
		object{{"operations", []any{object{{"op", "remove"}, {"path", "/title"}}}}})
}

func referrersAnswer(*document, *resource.Type) object {
	item := recordSchema(object{{"type", stringSchema}, {"id", stringSchema}, {"field", stringSchema}}, "type", "id", "field")
	return jsonContent(pageOf(item), samplePage(object{{"type", "movies"}, {"id", sampleID}, {"field", "studio"}}))
}

// patchSchema is a patch inside of a body: which of the two it is shows its kind.
func patchSchema(description string) object {
	out := object{{"oneOf", []any{append(freeObject(), member{"description", "RFC 7396"}), componentRef("schemas", "JSONPatch")}}}
	if description != "" {
		out = append(out, member{"description", description})
	}
	return out
}

func batchRequest(d *document, _ *resource.Type) object {
	op := object{
		{"op", object{{"type", "string"}, {"enum", []any{"create", "update", "patch", "modify", "delete", "restore", "switch"}}}},
		{"type", object{{"type", "string"}}}, {"id", object{{"type", "string"}, {"pattern", "^[A-Za-z0-9_-]{1,128}$"}}},
		{"data", freeObject()}, {"status", object{{"type", "string"}, {"enum", []any{"draft", "stable"}}, {"description", "Of create"}}}, {"patch", patchSchema("")},
		{"revision", object{{"type", "integer"}, {"minimum", 1}, {"description", "Of switch, and of restore when it is another than before"}}},
		{"if_match", object{{"type", "string"}, {"description", "The ETag, as in the header"}}},
	}
	schema := recordSchema(object{
		{"operations", object{{"type", "array"}, {"minItems", 1}, {"maxItems", resource.MaxBatch}, {"items", recordSchema(op, "op", "type")}}},
		{"atomic", object{{"type", "boolean"}, {"default", true}}},
	}, "operations")
	example := object{{"atomic", false}, {"operations", []any{}}}
	if len(d.types) > 0 {
		example = object{{"atomic", false}, {"operations", []any{
			object{{"op", "create"}, {"type", d.types[0].Name}, {"data", sampleData(d.types[0])}}}}}
	}
	return withBody(true, jsonContent(schema, example))
}

func batchAnswer(*document, *resource.Type) object {
	result := recordSchema(object{{"status", object{{"type", "integer"}}}, {"meta", componentRef("schemas", "Meta")},
		{"etag", stringSchema}, {"problem", componentRef("schemas", "Problem")}}, "status")
	return jsonContent(recordSchema(object{{"results", object{{"type", "array"}, {"items", result}}}}, "results"),
		object{{"results", []any{object{{"status", 201}}}}})
}

func migrationAnswer(*document, *resource.Type) object {
	failure := recordSchema(object{{"id", stringSchema}, {"detail", stringSchema}}, "id", "detail")
	return jsonContent(recordSchema(object{{"done", object{{"type", "boolean"}}}, {"migrated", countSchema}, {"failed", countSchema},
		{"failures", object{{"type", "array"}, {"items", failure}}}, {"next", stringSchema}}, "done", "migrated", "failed", "failures", "next"), nil)
}

// adminOperations look at everything.
var adminOperations = []operation{
	{Operation: Operation{Method: "POST", Path: "/v1:verify", Name: "verify"}, summary: "Check log, blobs and index against each other", body: emptyBody,
		responses: []answer{{"200", "What was looked at and what differs", nil, func(*document, *resource.Type) object {
			return jsonContent(recordSchema(object{{"verified", freeObject()}, {"findings", object{{"type", "array"}, {"items", freeObject()}}}}, "verified", "findings"), nil)
		}}}, problems: []string{"400", "405", "413", "415", "503"}},
	{Operation: Operation{Method: "POST", Path: "/v1:gc", Name: "gc"}, summary: "Remove what nothing refers to and is older than a day", body: emptyBody,
		responses: []answer{{"200", "What was removed", nil, func(*document, *resource.Type) object {
			return jsonContent(recordSchema(object{{"objects", countSchema}, {"binaries", countSchema}, {"bytes", countSchema}}, "objects", "binaries", "bytes"), nil)
		}}}, problems: []string{"400", "405", "413", "415", "503"}},
	{Operation: Operation{Method: "GET", Path: "/v1:backup", Name: "backup"}, summary: "Everything, as one file",
		description: "Up to where the log ends now; writes go on meanwhile. The file ends with a digest of itself.",
		responses:   []answer{{"200", "The backup", nil, anyBinary}}, problems: []string{"400", "405", "503"}},
	{Operation: Operation{Method: "POST", Path: "/v1:restore", Name: "restoreBackup"}, summary: "Fill an empty server from a backup",
		description: "The whole file is checked before anything is written. Where there is data, it is refused.",
		body: func(*document, *resource.Type) object {
			return withBody(true, object{{typeBinary, bytesSchema}})
		},
		responses: []answer{{"200", "What was restored", nil, func(*document, *resource.Type) object {
			return jsonContent(recordSchema(object{{"entries", countSchema}, {"events", countSchema}, {"binaries", countSchema}, {"bytes", countSchema}}, "entries", "events", "binaries", "bytes"), nil)
		}}}, problems: []string{"400", "405", "409", "413", "415", "422", "503"}},
	{Operation: Operation{Method: "POST", Path: "/v1:reindex", Name: "reindex"}, summary: "Build the index of all types anew from the log", body: emptyBody,
		description: "What is there answers until the new index is complete; GET tells how far it is.",
		responses:   []answer{{"202", "It has begun", nil, indexingAnswer}}, problems: []string{"400", "405", "413", "415", "503"}},
	{Operation: Operation{Method: "GET", Path: "/v1:reindex", Name: "indexing"}, summary: "How far is the index?",
		responses: []answer{{"200", "The types that are being built, and the sequences of index and log", nil, indexingAnswer}}, problems: []string{"400", "405", "503"}},
}

func indexingAnswer(*document, *resource.Type) object {
	building := recordSchema(object{{"type", stringSchema}, {"read", countSchema}, {"through", countSchema}}, "type", "read", "through")
	return jsonContent(recordSchema(object{{"applied", countSchema}, {"last", countSchema}, {"building", object{{"type", "array"}, {"items", building}}}}, "applied", "last", "building"), nil)
}

// blobOperation is the upload; the download belongs to each type.
var blobOperation = operation{
	Operation: Operation{Method: "POST", Path: "/v1/blobs", Name: "upload"}, summary: "Upload a binary",
	description: "The body is the file, or a form (multipart/form-data) that holds one file and nothing else. Streamed, stored once for equal content. Refer to it by its digest in a binary field; unreferenced ones go after a day.",
	body: func(*document, *resource.Type) object {
		return withBody(true, object{{typeBinary, bytesSchema}, {"*/*", bytesSchema}})
	},
	responses: []answer{{"201", "Stored", nil, blobAnswer}},
	problems:  []string{"400", "405", "413", "415", "503"},
}

func blobAnswer(*document, *resource.Type) object {
	return jsonContent(recordSchema(object{{"digest", object{{"type", "string"}, {"pattern", "^sha256:[0-9a-f]{64}$"}}}, {"size", countSchema}, {"content_type", stringSchema}},
		"digest", "size", "content_type"), nil)
}

func downloadOperation() operation {
	return operation{Operation: Operation{Method: "GET", Path: "/v1/{type}/{id}/blobs/{digest}", Name: "blob"}, summary: "Download a binary of {one}",
		description: "Only what a revision of the resource refers to. Ranges are answered.",
		parameters:  []string{"Range", "If-Range", "If-Match", "If-None-Match"},
		responses: []answer{{"200", "The binary", []string{"ETag"}, anyBinary}, {"206", "A part of it", []string{"ETag", "OptionalContent-Range"}, anyBinary},
			unmodifiedAnswer},
		problems: append([]string{"416"}, liveProblems...)}
}

func anyBinary(*document, *resource.Type) object {
	return object{{"*/*", bytesSchema}}
}

// bytesSchema is a body of bytes: "format: binary" says nothing in OpenAPI 3.1, and
// is what generators of clients go by.
var bytesSchema = object{{"schema", object{{"type", "string"}, {"format", "binary"}}}}

// inlineBinaries lets a write give a binary by its content too.
func inlineBinaries(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = inlineBinaries(v[i])
		}
	case map[string]any:
		if _, ok := v["x-binary"]; ok {
			return map[string]any{"anyOf": []any{v, map[string]any{"type": "object", "required": []any{"base64"}, "additionalProperties": false,
				"properties": map[string]any{"base64": map[string]any{"type": "string", "contentEncoding": "base64"}, "content_type": map[string]any{"type": "string"}}}}}
		}
		for k := range v {
			v[k] = inlineBinaries(v[k])
		}
	}
	return v
}

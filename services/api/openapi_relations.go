package api

import "github.com/autocrud-go/autocrud/pkg/resource"

// relationOperations are those about several revisions or several resources.
func relationOperations() []operation {
	return []operation{
		{Operation: Operation{Method: "POST", Path: "/v1/{type}/{id}:purge", Name: "purge"}, summary: "Erase a {name} for good",
			description: "Its content and history are destroyed; the id can be used again.",
			parameters:  []string{"If-Match", "Idempotency-Key"}, body: emptyBody,
			responses: []answer{{"204", "Erased", nil, nil}, {"202", "Gone; a long history is still being erased", nil, purgeAnswer}},
			problems:  moveProblems},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}/{id}:diff", Name: "diff"}, summary: "What turns one revision of a {name} into another",
			parameters: []string{"diff_from", "diff_to"},
			responses:  []answer{{"200", "Operations of RFC 6902", []string{"ETag"}, diffAnswer}},
			problems:   readProblems},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}/{id}/referrers", Name: "referrers"}, summary: "List what refers to a {name}",
			parameters: []string{"page_size", "page_token"},
			responses:  []answer{{"200", "One page", []string{"ETag"}, referrersAnswer}},
			problems:   readProblems},
	}
}

// batchOperation is the one write over several types.
var batchOperation = operation{
	Operation: Operation{Method: "POST", Path: "/v1:batch", Name: "batch"}, summary: "Several writes, all or none or one by one",
	description: "1 to 100 operations, each on another resource. Atomic (the default): when one is refused nothing is written and the answer is its problem, with results. Otherwise 200, and each result has its own status.",
	parameters:  []string{"Idempotency-Key"}, body: batchRequest,
	responses: []answer{{"200", "What became of each", nil, batchAnswer}},
	problems:  []string{"400", "404", "405", "409", "410", "412", "413", "415", "422", "428", "503"},
}

func purgeAnswer(*document, *resource.Type) object {
	return jsonContent(recordSchema(object{{"job", object{}}, {"detail", stringSchema}}), object{{"job", nil}, {"detail", "the history is long; it is being erased"}})
}

func diffAnswer(*document, *resource.Type) object {
	return jsonContent(recordSchema(object{{"operations", componentRef("schemas", "JSONPatch")}}, "operations"),
		object{{"operations", []any{object{{"op", "remove"}, {"path", "/title"}}}}})
}

func referrersAnswer(*document, *resource.Type) object {
	item := recordSchema(object{{"type", stringSchema}, {"id", stringSchema}, {"field", stringSchema}}, "type", "id", "field")
	return jsonContent(pageOf(item), samplePage(object{{"type", "movies"}, {"id", sampleID}, {"field", "studio"}}))
}

func batchRequest(d *document, _ *resource.Type) object {
	names := []any{}
	for _, t := range d.types {
		names = append(names, t.Name)
	}
	op := object{
		{"op", object{{"type", "string"}, {"enum", []any{"create", "update", "patch", "modify", "delete", "restore", "switch"}}}},
		{"type", object{{"type", "string"}}}, {"id", object{{"type", "string"}, {"pattern", "^[A-Za-z0-9_-]{1,128}$"}}},
		{"data", object{{"type", "object"}}}, {"patch", object{{"type", []any{"object", "array"}}}},
		{"revision", object{{"type", "integer"}, {"minimum", 1}}},
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

package openapi

import "github.com/autocrud-go/autocrud/pkg/model"

func logsAnswer(*document, *model.Type) object {
	line := recordSchema(object{{"at", instantSchema}, {"attempt", countSchema}, {"text", stringSchema}}, "at", "attempt", "text")
	return append(jsonContent(pageOf(line), samplePage(object{{"at", sampleInstant}, {"attempt", 1}, {"text", "12 of 40 pages"}})),
		mediaContent("text/event-stream", stringSchema, "id: 917504\nevent: line\ndata: {\"at\":\""+sampleInstant+"\",\"attempt\":1,\"text\":\"12 of 40 pages\"}\n\n")...)
}

func bulkBody(_ *document, t *model.Type) object {
	ops := []any{"patch", "delete", "restore"}
	if t.Job != nil {
		ops = append(ops, "cancel", "rerun")
	}
	return withBody(true, jsonContent(recordSchema(object{
		{"filter", object{{"type", "string"}, {"description", "As in a list; empty: all"}}},
		{"op", object{{"type", "string"}, {"enum", ops}}},
		{"patch", patchSchema("Of the op patch: RFC 7396, or RFC 6902 as an array")},
	}, "filter", "op"), object{{"filter", `meta.id = "nothing-has-this-id"`}, {"op", "delete"}}))
}

func pruneBody(*document, *model.Type) object {
	return withBody(true, jsonContent(recordSchema(object{{"revisions", object{{"type", "integer"}, {"minimum", 1}, {"description", "How many are kept of each"}}}}, "revisions"), object{{"revisions", 1000}}))
}

func queuesAnswer(*document, *model.Type) object {
	return jsonContent(pageOf(componentRef("schemas", "Queue")), samplePage(sampleQueue))
}

func queueAnswer(*document, *model.Type) object {
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

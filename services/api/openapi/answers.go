package openapi

import (
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

func rotateBody(*document, *model.Type) object {
	body := recordSchema(object{{"overlap", object{{"type", "string"}, {"pattern", "^[0-9]+(s|m|h)$"}}}})
	return withBody(false, jsonContent(append(body, member{"additionalProperties", false}), object{{"overlap", "1h"}}))
}

func questionBody(*document, *model.Type) object {
	text := object{{"type", "string"}, {"minLength", 1}}
	body := recordSchema(object{{"action", text}, {"type", text}, {"id", object{{"type", "string"}, {"pattern", "^[A-Za-z0-9_-]{1,128}$"}}}, {"data", freeObject()},
		{"principal", text}, {"groups", object{{"type", "array"}, {"items", stringSchema}}}}, "action", "type")
	return withBody(true, jsonContent(append(body, member{"additionalProperties", false}), object{{"action", "read"}, {"type", "webhooks"}}))
}

func decisionAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"allowed", object{{"type", "boolean"}}}, {"rule", stringSchema}, {"why", stringSchema}}, "allowed", "rule", "why"), nil)
}

func eventStream(*document, *model.Type) object {
	return mediaContent("text/event-stream", object{{"type", "string"}}, "id: 1842\nevent: updated\ndata: {\"data\":{},\"meta\":{}}\n\n")
}

func diffAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"operations", componentRef("schemas", "JSONPatch")}}, "operations"),
		object{{"operations", []any{object{{"op", "remove"}, {"path", "/title"}}}}})
}

func referrersAnswer(*document, *model.Type) object {
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

func (d *document) batchBody(*model.Type) object {
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

func batchAnswer(*document, *model.Type) object {
	result := recordSchema(object{{"status", object{{"type", "integer"}}}, {"meta", componentRef("schemas", "Meta")},
		{"etag", stringSchema}, {"problem", componentRef("schemas", "Problem")}}, "status")
	return jsonContent(recordSchema(object{{"results", object{{"type", "array"}, {"items", result}}}}, "results"),
		object{{"results", []any{object{{"status", 201}}}}})
}

func migrationAnswer(*document, *model.Type) object {
	failure := recordSchema(object{{"id", stringSchema}, {"detail", stringSchema}}, "id", "detail")
	return jsonContent(recordSchema(object{{"done", object{{"type", "boolean"}}}, {"migrated", countSchema}, {"failed", countSchema},
		{"failures", object{{"type", "array"}, {"items", failure}}}, {"next", stringSchema}}, "done", "migrated", "failed", "failures", "next"), nil)
}

func verifiedAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"verified", freeObject()}, {"findings", object{{"type", "array"}, {"items", freeObject()}}}}, "verified", "findings"), nil)
}

func sweptAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"objects", countSchema}, {"binaries", countSchema}, {"bytes", countSchema}}, "objects", "binaries", "bytes"), nil)
}

func restoredAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"entries", countSchema}, {"events", countSchema}, {"binaries", countSchema}, {"bytes", countSchema}}, "entries", "events", "binaries", "bytes"), nil)
}

func indexingAnswer(*document, *model.Type) object {
	building := recordSchema(object{{"type", stringSchema}, {"read", countSchema}, {"through", countSchema}}, "type", "read", "through")
	return jsonContent(recordSchema(object{{"applied", countSchema}, {"last", countSchema}, {"building", object{{"type", "array"}, {"items", building}}}}, "applied", "last", "building"), nil)
}

func uploadedAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"digest", object{{"type", "string"}, {"pattern", "^sha256:[0-9a-f]{64}$"}}}, {"size", countSchema}, {"content_type", stringSchema}, {"name", stringSchema}},
		"digest", "size", "content_type"), nil)
}

func anyObject(*document, *model.Type) object { return jsonContent(freeObject(), nil) }

// uploadBody names a form beside bytes of any type: a body of that type is not
// kept as it is.
func uploadBody(*document, *model.Type) object {
	file := object{{"type", "string"}, {"format", "binary"}, {"description", "The file. Its part may have any name and has a file name."}}
	form := recordSchema(object{{"file", file}}, "file")
	return withBody(true, object{{typeBinary, bytesSchema}, {typeForm, object{{"schema", form}}}, {"*/*", bytesSchema}})
}

// withForm adds to a body that is a document a form with it and files, for a type with
// binaries.
func withForm(t *model.Type, content object) object {
	if len(t.Binaries) == 0 {
		return content
	}
	data := object{{"type", "string"}, {"contentMediaType", "application/json"}, {"description", "The document. Default: {}"}}
	file := object{{"type", "string"}, {"format", "binary"}, {"description", "A file; its part has the pointer of its field as the name, and a file name."}}
	return append(content, member{typeForm, object{{"schema", object{{"type", "object"}, {"properties", object{{"data", data}}}, {"additionalProperties", file}}}}})
}

func backupBody(*document, *model.Type) object {
	return withBody(true, object{{typeBinary, bytesSchema}})
}

const (
	typeBinary = "application/octet-stream"
	typeForm   = "multipart/form-data"
)

func anyBinary(*document, *model.Type) object {
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
				"properties": map[string]any{"base64": map[string]any{"type": "string", "contentEncoding": "base64"}, "content_type": map[string]any{"type": "string"},
					"name": map[string]any{"type": "string", "maxLength": 255}}}}}
		}
		for k := range v {
			v[k] = inlineBinaries(v[k])
		}
	}
	return v
}

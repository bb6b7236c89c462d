package openapi

import (
	"strconv"

	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
)

// Short forms for the schemas of answers.
var (
	stringSchema    = object{{"type", "string"}}
	instantSchema   = object{{"type", "string"}, {"format", "date-time"}}
	nullableString  = object{{"type", []any{"string", "null"}}}
	nullableInstant = object{{"type", []any{"string", "null"}}, {"format", "date-time"}}
	countSchema     = object{{"type", "integer"}, {"minimum", 0}}
	statusSchema    = object{{"type", "string"}, {"enum", []any{"draft", "stable"}}}
	flagSchema      = object{{"type", "boolean"}}
	idSchema        = object{{"type", "string"}, {"pattern", "^[A-Za-z0-9_-]{1,128}$"}}
	atLeast1        = object{{"type", "integer"}, {"minimum", 1}}
)

func itoa(i int) string { return strconv.Itoa(i) }

// recordSchema is the schema of an object of which required members are always there.
func recordSchema(properties object, required ...string) object {
	out := object{{"type", "object"}, {"properties", properties}}
	if len(required) > 0 {
		list := []any{}
		for _, name := range required {
			list = append(list, name)
		}
		out = append(out, member{"required", list})
	}
	return out
}

// memberNames lists the names of an object's members.
func memberNames(properties object) []string {
	var names []string
	for _, m := range properties {
		names = append(names, m.key)
	}
	return names
}

// pageOf is the schema of a list answer.
func pageOf(item object) object {
	return recordSchema(object{
		{"items", object{{"type", "array"}, {"items", item}}},
		{"next_page_token", object{{"type", "string"}, {"description", "Empty on the last page"}}},
		{"total", object{{"type", "integer"}, {"minimum", 0}, {"description", "Only when total=true was asked"}}},
	}, "items", "next_page_token")
}

// scheduledSchema is what is to be done with a resource at a time.
var scheduledSchema = append(recordSchema(object{
	{"action", object{{"type", "string"}, {"enum", []any{"publish", "unpublish"}}}},
	{"at", instantSchema}, {"by", object{{"type", "string"}, {"description", "The principal as which it is done"}}},
	{"revision", object{{"type", []any{"integer", "null"}}, {"minimum", 1}, {"description", "Number of the revision that is published; null: what HEAD is then"}}},
	{"release", object{{"type", "string"}, {"description", "What has the same is done together, all or none"}}},
}, "action", "at", "by", "revision"), member{"description", "Only while something is to be done at a time"})

// sharedSchemas are the schemas that all types have in common.
func sharedSchemas() object {
	meta := object{
		{"type", stringSchema}, {"id", stringSchema},
		{"current_revision", object{{"type", "string"}, {"description", "<id>:<number>"}}},
		{"revision_count", countSchema}, {"status", statusSchema}, {"schema_version", stringSchema},
		{"seq", object{{"type", "integer"}, {"minimum", 0}, {"description", "Place of the last change in the log"}}},
		{"created_at", instantSchema}, {"created_by", stringSchema}, {"updated_at", instantSchema}, {"updated_by", stringSchema},
		{"deleted", object{{"type", "boolean"}}},
	}
	always := memberNames(meta)
	meta = append(meta, member{"published", object{{"type", []any{"integer", "null"}}, {"minimum", 1}, {"description", "Number of the revision that the published view shows; null: none"}}},
		member{"scheduled", scheduledSchema},
		member{"unfit", object{{"type", "boolean"}, {"enum", []any{true}}, {"description", "Only of a resource that does not fit the model as it is now; every write has to make it fit"}}})
	job := object{
		{"state", object{{"type", "string"}, {"enum", []any{"pending", "scheduled", "running", "succeeded", "failed", "cancelled"}}}},
		{"queue", stringSchema}, {"priority", object{{"type", "integer"}, {"minimum", 0}, {"maximum", 9}}},
		{"attempts", countSchema}, {"max_attempts", countSchema}, {"run_at", instantSchema},
		{"started_at", nullableInstant}, {"finished_at", nullableInstant}, {"next_attempt_at", nullableInstant},
		{"worker", object{{"type", []any{"string", "null"}}}},
		{"progress", object{{"type", []any{"object", "null"}}, {"properties", object{
			{"done", object{{"type", "integer"}}}, {"total", object{{"type", "integer"}}}, {"message", stringSchema}}}}},
		{"error", nullableString}, {"result", object{{"description", "What the handler answered, any JSON"}}},
		{"queued_at", instantSchema}, {"concurrency_key", stringSchema}, {"unique_key", stringSchema},
		{"after", object{{"type", "array"}, {"items", stringSchema}, {"description", "<type>/<id> of the jobs that must succeed first"}}},
		{"errors", object{{"type", "array"}, {"description", "The last failed attempts, oldest first"}, {"items", recordSchema(object{
			{"attempt", countSchema}, {"at", instantSchema}, {"worker", stringSchema}, {"error", stringSchema}}, "attempt", "at", "error")}}},
		{"schedule", recordSchema(object{{"id", stringSchema}, {"at", instantSchema}}, "id", "at")},
		{"checkpoint", object{{"description", "What an attempt left for the next one, any JSON"}}},
	}
	revision := object{
		{"id", object{{"type", "string"}, {"description", "<resource id>:<number>"}}},
		{"number", object{{"type", "integer"}, {"minimum", 1}}}, {"parent", nullableString}, {"status", statusSchema},
		{"schema_version", stringSchema}, {"hash", object{{"type", "string"}, {"pattern", "^sha256:[0-9a-f]{64}$"}}},
		{"size", countSchema}, {"created_at", instantSchema}, {"created_by", stringSchema}, {"updated_at", instantSchema},
		{"updated_by", stringSchema}, {"message", nullableString},
	}
	codes := []any{}
	for _, c := range problemCodes {
		codes = append(codes, string(c))
	}
	problem := object{
		{"type", object{{"type", "string"}, {"format", "uri-reference"}}}, {"title", stringSchema},
		{"status", object{{"type", "integer"}}}, {"detail", stringSchema},
		{"code", object{{"type", "string"}, {"enum", codes}}},
		{"errors", object{{"type", "array"}, {"items", recordSchema(object{
			{"pointer", object{{"type", "string"}, {"description", "RFC 6901"}}}, {"detail", stringSchema}}, "pointer", "detail")}}},
		{"field", object{{"type", "string"}, {"description", "unique_conflict: the field"}}},
		{"conflicting_id", object{{"type", "string"}, {"description", "unique_conflict: who holds the value"}}},
		{"deleted", object{{"type", "boolean"}, {"description", "already_exists: what exists is deleted"}}},
		{"request_id", object{{"type", "string"}, {"description", "Leads to the request in the server's log"}}},
	}
	event := object{
		{"seq", countSchema}, {"action", stringSchema}, {"at", instantSchema}, {"principal", stringSchema},
		{"request_id", nullableString}, {"revision", object{{"type", []any{"string", "null"}}, {"description", "Id of the revision that the event left current"}}}, {"address", nullableString}, {"cause", stringSchema},
	}
	operation := object{
		{"op", object{{"type", "string"}, {"enum", []any{"add", "remove", "replace", "move", "copy", "test"}}}},
		{"path", object{{"type", "string"}, {"description", "RFC 6901"}}}, {"from", stringSchema}, {"value", object{}},
	}
	model := object{
		{"name", stringSchema}, {"title", stringSchema}, {"description", stringSchema},
		{"schema", append(freeObject(), member{"description", "JSON Schema 2020-12"})},
		{"index", object{{"type", "array"}, {"items", stringSchema}}},
	}
	return object{
		{"Meta", recordSchema(meta, always...)},
		{"JobMeta", object{{"allOf", []any{componentRef("schemas", "Meta"), recordSchema(object{{"job", componentRef("schemas", "JobState")}}, "job")}}}},
		{"ScheduleMeta", object{{"allOf", []any{componentRef("schemas", "Meta"), recordSchema(object{{"schedule", scheduleSchema()}})}}}},
		{"JobState", recordSchema(job, "state", "queue", "attempts", "max_attempts", "run_at")},
		{"Revision", recordSchema(revision, memberNames(revision)...)},
		{"RevisionPage", pageOf(recordSchema(object{{"revision", componentRef("schemas", "Revision")}}, "revision"))},
		{"Event", recordSchema(event, "seq", "action", "at", "principal")},
		{"EventPage", pageOf(componentRef("schemas", "Event"))},
		{"JSONPatch", object{{"type", "array"}, {"items", recordSchema(operation, "op", "path")}, {"description", "RFC 6902"}}},
		{"Model", recordSchema(model, "name", "schema")},
		{"ModelPage", pageOf(componentRef("schemas", "Model"))},
		{"Queue", queueSchema()},
		{"AuditItem", auditSchema()},
		{"Problem", recordSchema(problem, "type", "title", "status", "code")},
	}
}

// scheduleSchema is when a schedule that is read is due.
func scheduleSchema() object {
	moment := func(text string) object {
		return object{{"type", []any{"string", "null"}}, {"format", "date-time"}, {"description", text}}
	}
	return append(object{{"description", "Where the schedule is read as it is now"}}, recordSchema(object{
		{"next", moment("When it makes its next job; null while it is paused")},
		{"last", moment("When it was due last, since its last change; null when it was not, or is paused")}}, "next", "last")...)
}

func metaName(t *model.Type) string {
	switch {
	case t.Job != nil:
		return "JobMeta"
	case t.Name == jobs.Schedules:
		return "ScheduleMeta"
	}
	return "Meta"
}

// mustDecode reads what a Type holds, which is JSON.
func mustDecode(b []byte) any {
	v, err := model.DecodeJSON(b)
	if err != nil {
		panic("openapi: the schema of a type is no JSON: " + err.Error())
	}
	return v
}

// valueKeywords are the keywords that hold data, in which nothing is a schema.
var valueKeywords = map[string]bool{"const": true, "enum": true, "default": true, "examples": true}

// mapKeywords are the keywords that hold schemas by names of the author's.
var mapKeywords = map[string]bool{"properties": true, "patternProperties": true, "dependentSchemas": true, "$defs": true}

// eachSchema calls fn for v and every schema inside it, outermost first.
func eachSchema(v any, fn func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		fn(v)
		for k, x := range v {
			switch m, ok := x.(map[string]any); {
			case valueKeywords[k]:
			case mapKeywords[k] && ok:
				for _, y := range m {
					eachSchema(y, fn)
				}
			default:
				eachSchema(x, fn)
			}
		}
	case []any:
		for _, x := range v {
			eachSchema(x, fn)
		}
	}
}

// moveRefs makes the references inside a schema lead to where the schema is in
// the document.
func moveRefs(v any, name string) any {
	eachSchema(v, func(m map[string]any) {
		if r, ok := m["$ref"].(string); ok && len(r) > 0 {
			m["$ref"] = "#/components/schemas/" + name + r[1:]
		}
	})
	return v
}

// loosen takes away what parts of a document need not fulfil: the fields
// parameter and older schema versions leave members out.
func loosen(v any) any {
	eachSchema(v, func(m map[string]any) {
		for _, k := range []string{"required", "dependentRequired", "dependentSchemas", "minProperties", "not", "if", "then", "else"} {
			delete(m, k)
		}
		for _, k := range []string{"additionalProperties", "unevaluatedProperties"} {
			if m[k] == false {
				delete(m, k)
			}
		}
		if one, ok := m["oneOf"]; ok { // without required, several may fit
			delete(m, "oneOf")
			if m["anyOf"] == nil {
				m["anyOf"] = one
			}
		}
	})
	return v
}

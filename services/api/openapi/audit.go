package openapi

import (
	"github.com/autocrud-go/autocrud/pkg/audit"
	"github.com/autocrud-go/autocrud/pkg/model"
)

func auditAnswer(*document, *model.Type) object {
	return append(jsonContent(pageOf(componentRef("schemas", "AuditItem")), samplePage(sampleAudit)),
		mediaContent("application/x-ndjson", object{{"type", "string"}, {"description", "AuditItem documents, one a line"}}, nil)...)
}

var sampleAudit = object{{"at", sampleInstant}, {"outcome", "refused"}, {"action", "update"}, {"type", "movies"}, {"id", sampleID}, {"principal", "key:importer"},
	{"code", "permission_denied"}, {"why", "no rule allows update on movies"}, {"method", "PATCH"}, {"path", "/v1/movies/" + sampleID}, {"request_id", "01JH2V4K7E"}, {"address", "192.0.2.7"}}

func auditSchema() object {
	text := func(description string) object { return object{{"type", "string"}, {"description", description}} }
	return recordSchema(object{
		{"at", object{{"type", "string"}, {"format", "date-time"}}},
		{"outcome", object{{"type", "string"}, {"enum", []any{audit.OutcomeOK, audit.OutcomeRefused}}}},
		{"action", text("created, updated and so on for writes; the right that was missing for refusals, or authenticate; read, list or watch for reads")},
		{"type", stringSchema}, {"id", stringSchema},
		{"ids", object{{"type", "array"}, {"items", stringSchema}, {"description", "What a list showed"}}},
		{"principal", stringSchema}, {"code", text("Of a refusal")}, {"why", text("Of a refusal")}, {"method", stringSchema}, {"path", stringSchema},
		{"request_id", stringSchema}, {"address", stringSchema}, {"user_agent", stringSchema},
		{"suppressed", object{{"type", "integer"}, {"description", "Refusals before this one that were only counted, because there were too many"}}},
		{"seq", object{{"type", "integer"}, {"description", "Of a write, in the log"}}}, {"event_id", stringSchema}, {"revision", text("Current after a write")},
		{"cause", text("The event that a write followed from")},
		{"digest", text("Of a write's event")}, {"previous", text("Digest of the event of the same resource before it")},
	}, "at", "outcome", "action", "principal")
}

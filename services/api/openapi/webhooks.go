package openapi

import "github.com/autocrud-go/autocrud/pkg/model"

func deliveryAnswer(*document, *model.Type) object { return jsonContent(deliverySchema(), nil) }

func deliveriesAnswer(*document, *model.Type) object {
	return jsonContent(pageOf(deliverySchema()), nil)
}

func replayBody(*document, *model.Type) object {
	body := recordSchema(object{{"from_seq", object{{"type", "integer"}, {"minimum", 0}}}, {"from_time", instantSchema}})
	body = append(body, member{"additionalProperties", false}, member{"minProperties", 1}, member{"maxProperties", 1})
	return withBody(true, jsonContent(body, object{{"from_seq", 0}}))
}

func deliverySchema() object {
	request := object{{"url", stringSchema}, {"headers", freeObject()}, {"body", object{{"description", "null when it is too large to be kept, or the caller may not watch all of the type"}}}}
	delivery := object{
		{"webhook", stringSchema}, {"event_id", object{{"type", "string"}, {"description", "webhook-id"}}}, {"type", stringSchema}, {"resource", stringSchema},
		{"action", stringSchema}, {"seq", countSchema}, {"attempt", countSchema}, {"at", instantSchema},
		{"duration_ms", object{{"type", "number"}}}, {"outcome", object{{"type", "string"}, {"enum", []any{"delivered", "retrying", "failed"}}}},
		{"status", object{{"type", "integer"}, {"description", "Of the answer; 0 when there was none"}}}, {"error", stringSchema},
		{"request", recordSchema(request, memberNames(request)...)}, {"response", object{{"type", "string"}, {"description", "How its body begins"}}},
	}
	return recordSchema(delivery, memberNames(delivery)...)
}

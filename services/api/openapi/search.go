package openapi

import "github.com/autocrud-go/autocrud/pkg/model"

func searchBody(*document, *model.Type) object {
	flag := object{{"type", "boolean"}}
	list := object{{"anyOf", []any{stringSchema, object{{"type", "array"}, {"items", stringSchema}}}}}
	body := recordSchema(object{
		{"filter", stringSchema}, {"order_by", stringSchema}, {"q", stringSchema},
		{"page_size", object{{"type", "integer"}, {"minimum", 1}}}, {"page_token", stringSchema},
		{"include_deleted", flag}, {"only_deleted", flag}, {"view", object{{"type", "string"}, {"enum", []any{"head", "published"}}}}, {"total", flag}, {"returns", list}, {"fields", list}, {"expand", list},
		{"consistency", object{{"type", "string"}, {"enum", []any{"strong", "eventual"}}}},
		{"min_seq", object{{"type", "integer"}, {"minimum", 0}}}})
	body = append(body, member{"additionalProperties", false})
	return withBody(true, jsonContent(body, object{{"filter", `meta.status = "stable"`}, {"page_size", 20}}))
}

func countAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"count", countSchema}}, "count"), object{{"count", 42}})
}

func groupsAnswer(*document, *model.Type) object {
	values := func(description string) object {
		return append(freeObject(), member{"description", description})
	}
	group := recordSchema(object{
		{"key", values("The value of each field of group_by")}, {"count", countSchema},
		{"sum", values("By field; null when there is nothing to add. Integers may be beyond 64 bits")}, {"avg", values("By field")},
		{"min", values("By field")}, {"max", values("By field")}}, "key", "count")
	answer := recordSchema(object{{"groups", object{{"type", "array"}, {"items", group}}},
		{"next_page_token", object{{"type", "string"}, {"description", "Empty on the last page"}}}}, "groups", "next_page_token")
	return jsonContent(answer, object{{"groups", []any{object{{"key", object{{"meta.status", "stable"}}}, {"count", 42}}}}, {"next_page_token", ""}})
}

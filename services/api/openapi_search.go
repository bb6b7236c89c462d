package api

import "github.com/autocrud-go/autocrud/pkg/resource"

// searchOperations are those that ask about many resources of a type, besides
// its list.
func searchOperations() []operation {
	matching := []string{"filter", "q", "include_deleted", "only_deleted"}
	return []operation{
		{Operation: Operation{Method: "POST", Path: "/v1/{type}:search", Name: "search"}, summary: "Search {many} with the parameters in the body",
			description: "The parameters of the list, which may be longer here than a request line.",
			body:        searchBody,
			responses:   []answer{{"200", "One page", []string{"Autocrud-Index-Seq"}, (*document).page}},
			problems:    []string{"400", "404", "405", "413", "415", "422", "503"}},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}:count", Name: "count"}, summary: "Count {many}",
			parameters: append(matching, listReading...),
			responses:  []answer{{"200", "How many there are", []string{"Autocrud-Index-Seq"}, countAnswer}},
			problems:   readProblems},
		{Operation: Operation{Method: "GET", Path: "/v1/{type}:aggregate", Name: "aggregate"}, summary: "Count and sum up {many} in groups",
			description: "Sums are exact. A resource is in one group for each different element of a list field, and in the group of null when it has none. Without group_by there is one group.",
			parameters:  append(append([]string{"group_by", "count", "sum", "avg", "min", "max", "group_order", "page_size", "page_token"}, matching...), listReading...),
			responses:   []answer{{"200", "One page of groups", []string{"Autocrud-Index-Seq"}, groupsAnswer}},
			problems:    readProblems},
	}
}

// searchParameters are those that only these operations take.
func searchParameters(add func(key, in, name, description string, schema object, example any)) {
	names := object{{"type", "string"}}
	add("group_by", "query", "group_by", "Fields to group by, separated by commas; of a time also year, month, week, day or hour in a zone, like month(meta.created_at, \"Europe/Berlin\")", names, nil)
	add("count", "query", "count", "Resources of each group; counted anyway", object{{"type", "string"}, {"enum", []any{"*"}}}, "*")
	add("sum", "query", "sum", "Fields to add up, separated by commas; null takes no part", names, nil)
	add("avg", "query", "avg", "Fields to take the average of", names, nil)
	add("min", "query", "min", "Fields to take the smallest value of", names, nil)
	add("max", "query", "max", "Fields to take the largest value of", names, nil)
	add("group_order", "query", "order_by", "count and fields of group_by to sort by, each with desc for descending order; the keys break ties", names, "count desc")
}

func searchBody(*document, *resource.Type) object {
	flag := object{{"type", "boolean"}}
	list := object{{"anyOf", []any{stringSchema, object{{"type", "array"}, {"items", stringSchema}}}}}
	body := recordSchema(object{
		{"filter", stringSchema}, {"order_by", stringSchema}, {"q", stringSchema},
		{"page_size", object{{"type", "integer"}, {"minimum", 1}}}, {"page_token", stringSchema},
		{"include_deleted", flag}, {"only_deleted", flag}, {"total", flag}, {"returns", list}, {"fields", list}, {"expand", list},
		{"consistency", object{{"type", "string"}, {"enum", []any{"strong", "eventual"}}}},
		{"min_seq", object{{"type", "integer"}, {"minimum", 0}}}})
	body = append(body, member{"additionalProperties", false})
	return withBody(true, jsonContent(body, object{{"filter", `meta.status = "stable"`}, {"page_size", 20}}))
}

func countAnswer(*document, *resource.Type) object {
	return jsonContent(recordSchema(object{{"count", countSchema}}, "count"), object{{"count", 42}})
}

func groupsAnswer(*document, *resource.Type) object {
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

package openapi

import (
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
)

// modelsBody are the model files that are asked about, as they are.
func modelsBody(*document, *model.Type) object {
	file := recordSchema(object{{"name", object{{"type", "string"}, {"minLength", 1}, {"description", "Ends in .yaml, .yml or .json"}}}, {"content", stringSchema}}, "name", "content")
	kept := object{{"type", "array"}, {"items", stringSchema}, {"description", "Types that are in no file and stay as they are"}}
	body := recordSchema(object{{"models", object{{"type", "array"}, {"items", append(file, member{"additionalProperties", false})}}}, {"kept", kept}}, "models")
	return withBody(true, jsonContent(append(body, member{"additionalProperties", false}),
		object{{"models", []any{object{{"name", "movies.yaml"}, {"content", "name: movies\nschema: {type: object}\n"}}}}}))
}

func planAnswer(*document, *model.Type) object {
	effect := object{{"type", "string"}, {"enum", []any{string(plan.None), string(plan.Rebuild), string(plan.Prune), string(plan.Breaking)}}}
	change := recordSchema(object{{"kind", stringSchema}, {"effect", effect}, {"detail", stringSchema}}, "kind", "effect", "detail")
	offender := recordSchema(object{{"id", stringSchema}, {"pointer", stringSchema}, {"detail", stringSchema}}, "id", "pointer", "detail")
	list := func(of object) object { return object{{"type", "array"}, {"items", of}} }
	suggestion := recordSchema(object{{"index", list(stringSchema)}, {"lists", countSchema}, {"longest_ms", countSchema}}, "index", "lists", "longest_ms")
	typ := recordSchema(object{{"type", stringSchema}, {"changes", list(change)}, {"checked", countSchema}, {"unfit", countSchema}, {"offenders", list(offender)}, {"unreadable", countSchema}, {"deletedUnfit", countSchema}, {"suggestions", list(suggestion)}},
		"type", "changes", "checked", "unfit", "offenders")
	return jsonContent(recordSchema(object{{"types", list(typ)}}, "types"), nil)
}

package api

import "github.com/autocrud-go/autocrud/pkg/resource"

// keyOperations are the rows of API keys.
func keyOperations(t *resource.Type) []operation {
	if t.Name != resource.APIKeys {
		return nil
	}
	return []operation{{Operation: Operation{Method: "POST", Path: "/v1/{type}/{id}:rotate", Name: "rotate"}, summary: "Give an API key a new secret, which is shown once",
		description: "The secret before stays good for the overlap, a duration of at most 720h; default: not at all.",
		parameters:  []string{"If-Match"}, body: rotateBody,
		responses: []answer{{"200", "The key, with its new secret", writeHeaders, (*document).whole}}, problems: moveProblems}}
}

func rotateBody(*document, *resource.Type) object {
	body := recordSchema(object{{"overlap", object{{"type", "string"}, {"pattern", "^[0-9]+(s|m|h)$"}}}})
	return withBody(false, jsonContent(append(body, member{"additionalProperties", false}), object{{"overlap", "1h"}}))
}

// canOperation asks the policy.
var canOperation = operation{
	Operation: Operation{Method: "POST", Path: "/v1:can", Name: "can"}, summary: "May I do this, and which rule says so?",
	description: "About a type, one resource of it, or, for create, data. Admins may ask for another principal.",
	body: func(*document, *resource.Type) object {
		text := object{{"type", "string"}, {"minLength", 1}}
		body := recordSchema(object{{"action", text}, {"type", text}, {"id", object{{"type", "string"}, {"pattern", "^[A-Za-z0-9_-]{1,128}$"}}}, {"data", freeObject()},
			{"principal", text}, {"groups", object{{"type", "array"}, {"items", stringSchema}}}}, "action", "type")
		return withBody(true, jsonContent(append(body, member{"additionalProperties", false}), object{{"action", "read"}, {"type", "webhooks"}}))
	},
	responses: []answer{{"200", "The decision", nil, func(*document, *resource.Type) object {
		return jsonContent(recordSchema(object{{"allowed", object{{"type", "boolean"}}}, {"rule", stringSchema}, {"why", stringSchema}}, "allowed", "rule", "why"), nil)
	}}},
	problems: []string{"400", "404", "405", "413", "415", "422", "503"},
}

package openapi

import "github.com/autocrud-go/autocrud/pkg/model"

// What people sign in with, and are answered.
var (
	LoginBody    Part = loginBody
	PasswordBody Part = passwordBody
	EmailBody    Part = emailBody
	Session      Part = sessionAnswer
	Sessions     Part = sessionsAnswer
	SignBody     Part = signBody
	ExpiryBody   Part = expiryBody
	RevokeBody   Part = revokeBody
	SignedOut    Part = signedOutAnswer
	Link         Part = linkAnswer
	Ticket       Part = ticketAnswer
)

// closedRecord is a record without other properties.
func closedRecord(properties object, required ...string) object {
	return append(recordSchema(properties, required...), member{"additionalProperties", false})
}

var filledText = object{{"type", "string"}, {"minLength", 1}}

func loginBody(*document, *model.Type) object {
	remember := member{"remember", object{{"type", "boolean"}}}
	return withBody(true, jsonContent(object{{"oneOf", []any{
		closedRecord(object{{"email", filledText}, {"password", filledText}, remember}, "email", "password"),
		closedRecord(object{{"key", filledText}, remember}, "key")}}},
		object{{"email", "ann@example.com"}, {"password", "eleven blue whales"}}))
}

func passwordBody(*document, *model.Type) object {
	return withBody(true, jsonContent(closedRecord(object{{"password", filledText}, {"current", filledText}, {"token", filledText}, {"email", filledText}, {"name", filledText}}, "password"),
		object{{"current", "eleven blue whales"}, {"password", "twelve green geese"}}))
}

func emailBody(*document, *model.Type) object {
	return withBody(true, jsonContent(closedRecord(object{{"email", filledText}}, "email"), object{{"email", "ann@example.com"}}))
}

func sessionAnswer(*document, *model.Type) object {
	principal := recordSchema(object{{"id", stringSchema}, {"groups", object{{"type", "array"}, {"items", stringSchema}}}, {"name", stringSchema}, {"email", stringSchema}}, "id", "groups", "name", "email")
	issuer := recordSchema(object{{"name", stringSchema}, {"title", stringSchema}, {"login", stringSchema}}, "name", "title", "login")
	return jsonContent(recordSchema(object{{"auth", object{{"type", "string"}, {"enum", []any{"off", "required"}}}}, {"principal", object{{"anyOf", []any{principal, object{{"type", "null"}}}}}},
		{"issuers", object{{"type", "array"}, {"items", issuer}}}},
		"auth", "principal"), object{{"auth", "required"}, {"principal", nil}})
}

func sessionsAnswer(*document, *model.Type) object {
	item := recordSchema(object{{"id", stringSchema}, {"principal", stringSchema}, {"created_at", instantSchema}, {"last_used_at", instantSchema}, {"expires_at", instantSchema},
		{"address", stringSchema}, {"user_agent", stringSchema}, {"current", object{{"type", "boolean"}}}}, "id", "principal", "created_at", "last_used_at", "expires_at", "address", "user_agent", "current")
	return jsonContent(pageOf(item), nil)
}

func linkAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"url", stringSchema}, {"expires_at", instantSchema}}, "url", "expires_at"), nil)
}

func ticketAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"ticket", stringSchema}, {"expires_at", instantSchema}}, "ticket", "expires_at"), nil)
}

func signedOutAnswer(*document, *model.Type) object {
	return jsonContent(recordSchema(object{{"continue_at", stringSchema}}, "continue_at"), nil)
}

var expirySchema = object{{"type", "string"}, {"description", "A duration from 1s to 168h; default 10m"}}

func signBody(*document, *model.Type) object {
	return withBody(true, jsonContent(closedRecord(object{{"path", object{{"type", "string"}, {"pattern", "^/v1"}}}, {"accept", filledText}, {"expires_in", expirySchema}}, "path"),
		object{{"path", "/v1/audit?outcome=refused"}, {"accept", "application/x-ndjson"}, {"expires_in", "10m"}}))
}

func expiryBody(*document, *model.Type) object {
	return withBody(false, jsonContent(closedRecord(object{{"expires_in", expirySchema}}), object{{"expires_in", "10m"}}))
}

func revokeBody(*document, *model.Type) object {
	return withBody(false, jsonContent(closedRecord(object{{"principal", filledText}, {"all", object{{"type", "boolean"}}}}), object{{"principal", "key:importer"}}))
}

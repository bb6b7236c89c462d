package openapi

import (
	"net/http"
	"strconv"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// components holds what operations refer to.
func (d *document) components() object {
	out := object{{"schemas", d.schemas()}, {"parameters", componentParameters()}, {"headers", componentHeaders()}, {"responses", problemResponses()}}
	if d.options.Auth {
		out = append(out, member{"securitySchemes", object{
			{"bearer", object{{"type", "http"}, {"scheme", "bearer"}, {"description", "An API key or a token of the OpenID Connect provider"}}},
			{"cookie", object{{"type", "apiKey"}, {"in", "cookie"}, {"name", orElse(d.options.Cookie, "__Host-autocrud")},
				{"description", "The session of a person who signed in. What changes something has to come from a page of the server's own origin, or of one that is named."}}}}})
	}
	return out
}

func componentHeaders() object {
	header := func(description string, schema object, example any) object {
		return object{{"description", description}, {"schema", schema}, {"example", example}}
	}
	seq := object{{"type", "integer"}, {"minimum", 0}}
	return object{
		{"ETag", header("Names this state of the resource, for If-Match and If-None-Match", object{{"type", "string"}}, `"8fQm2kYtB1o"`)},
		{"OptionalETag", object{{"description", "Names this state of the resource; absent with expand"}, {"required", false}, {"schema", object{{"type", "string"}}}}},
		{"Autocrud-Seq", header("The write's place in the log, for min_seq", seq, 1842)},
		{"Autocrud-Index-Seq", header("The answer includes every write up to this place in the log", seq, 1842)},
		{"Location", header("Where the resource is", object{{"type", "string"}, {"format", "uri-reference"}}, "/v1/things/"+sampleID)},
		{"OptionalContent-Range", object{{"description", "What part it is, when it is one"}, {"required", false}, {"schema", object{{"type", "string"}}}}},
		{"Retry-After", header("Seconds to wait before trying again", seq, 1)},
	}
}

// problemStatuses explains each status that a Problem comes with, by an
// example code.
var problemStatuses = []struct {
	status, description string
	code                fault.Code
	detail              string
}{
	{"400", "The request is malformed", fault.InvalidRequest, "unknown query parameter \"sort\""},
	{"401", "The request needs a valid credential", fault.Unauthenticated, "send Authorization: Bearer with an API key or a token"},
	{"403", "The caller, the page it comes from or the name it uses for the server may not do this", fault.PermissionDenied, "the caller may not do this"},
	{"404", "There is no such thing, or the caller may not see it", fault.NotFound, "there is no such resource"},
	{"405", "The path does not take this method", fault.InvalidRequest, "this path takes GET and POST"},
	{"409", "The request contradicts the current state", fault.AlreadyExists, "the id is taken"},
	{"410", "The resource is deleted, or the revision or the point in the log is not kept any more", fault.Deleted, "the resource is deleted; it can be restored"},
	{"412", "The state is not the one the precondition names", fault.PreconditionFailed, "the resource was changed by another client"},
	{"413", "The body, or what references are expanded to, is too large", fault.TooLarge, "the body is over the limit"},
	{"414", "The request line is too long", fault.TooLarge, "the request line is over 65536 bytes"},
	{"415", "The body has a media type that is not understood here", fault.UnsupportedMediaType, "send application/json"},
	{"416", "Nothing of the binary is in the range; Content-Range tells its size", fault.InvalidRequest, "nothing of the 42 bytes of the binary is in this range"},
	{"422", "The data does not fit", fault.ValidationFailed, "the data does not fit the type in one place"},
	{"428", "The type needs If-Match", fault.PreconditionRequired, "send If-Match with the ETag of the state you saw"},
	{"429", "Too many requests of this principal or address", fault.RateLimited, "too many requests of this address; Retry-After tells when the next is answered"},
	{"503", "Not now", fault.Unavailable, "the store does not answer; try again"},
}

// problemCodes are all codes a Problem may have.
var problemCodes = []fault.Code{
	fault.InvalidRequest, fault.InvalidFilter, fault.InvalidPageToken, fault.Unauthenticated, fault.PermissionDenied,
	fault.NotFound, fault.UnknownType, fault.UnknownRevision, fault.UniqueConflict,
	fault.AlreadyExists, fault.Referenced, fault.InvalidState, fault.Conflict, fault.Deleted, fault.Pruned, fault.Gone,
	fault.PreconditionFailed, fault.PreconditionRequired, fault.TooLarge, fault.UnsupportedMediaType,
	fault.ValidationFailed, fault.DanglingReference, fault.IdempotencyMismatch, fault.RateLimited,
	fault.Unavailable, fault.IndexLag, fault.OutcomeUnknown, "internal",
}

func problemResponses() object {
	out := object{}
	for _, p := range problemStatuses {
		status, _ := strconv.Atoi(p.status)
		example := object{{"type", "urn:autocrud:problem:" + string(p.code)}, {"title", http.StatusText(status)}, {"status", status}, {"detail", p.detail}, {"code", string(p.code)}}
		if p.code == fault.ValidationFailed {
			example = append(example, member{"errors", []any{object{{"pointer", "/year"}, {"detail", "must be an integer, not a string"}}}})
		}
		response := object{{"description", p.description}}
		if p.status == "503" || p.status == "429" {
			response = append(response, member{"headers", object{{"Retry-After", componentRef("headers", "Retry-After")}}})
		}
		response = append(response, member{"content", mediaContent("application/problem+json", componentRef("schemas", "Problem"), example)})
		out = append(out, member{"Problem" + p.status, response})
	}
	return out
}

package api

import (
	"net/http"
	"strconv"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// components holds what operations refer to.
func (d *document) components() object {
	out := object{{"schemas", d.schemas()}, {"parameters", componentParameters()}, {"headers", componentHeaders()}, {"responses", problemResponses()}}
	if d.options.Auth {
		out = append(out, member{"securitySchemes", object{{"bearer", object{{"type", "http"}, {"scheme", "bearer"},
			{"description", "An API key or a token of the OpenID Connect provider"}}}}})
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

func componentParameters() object {
	text := object{{"type", "string"}}
	flag := object{{"type", "boolean"}}
	id := object{{"type", "string"}, {"pattern", "^[A-Za-z0-9_-]{1,128}$"}}
	status := object{{"type", "string"}, {"enum", []any{"draft", "stable"}}}
	instant := object{{"type", "string"}, {"format", "date-time"}}
	number := func(low, high int) object {
		o := object{{"type", "integer"}, {"minimum", low}}
		if high > low {
			o = append(o, member{"maximum", high})
		}
		return o
	}
	out := object{}
	add := func(key, in, name, description string, schema object, example any) {
		p := object{{"name", name}, {"in", in}, {"description", description}}
		if in == "path" || key == "diff_from" || key == "diff_to" {
			p = append(p, member{"required", true})
		}
		p = append(p, member{"schema", schema})
		if example != nil {
			p = append(p, member{"example", example})
		}
		out = append(out, member{parameterName(key), p})
	}
	add("id", "path", "id", "Id of the resource", id, sampleID)
	add("digest", "path", "digest", "Digest of the binary", object{{"type", "string"}, {"pattern", "^sha256:[0-9a-f]{64}$"}}, nil)
	add("queue", "path", "queue", "Name of the queue", object{{"type", "string"}, {"pattern", "^[a-z0-9][a-z0-9_-]{0,62}$"}}, "default")
	add("n", "path", "n", "Number of the revision, from 1", number(1, 0), 3)
	add("type", "path", "type", "Name of the type", object{{"type", "string"}, {"pattern", "^[a-z][a-z0-9-]{0,62}$"}}, nil)
	add("filter", "query", "filter", `Condition in the language of AIP-160 over indexed fields and meta fields, for example meta.status = "stable" AND NOT meta.deleted`, text, `meta.status = "stable"`)
	add("order_by", "query", "order_by", "Fields to sort by, most significant first, each with desc for descending order; the id breaks ties", text, "meta.created_at desc")
	add("q", "query", "q", `Full text: all words must be found; "a phrase", word*`, text, nil)
	add("page_size", "query", "page_size", "Items of a page; more than 1000 means 1000", object{{"type", "integer"}, {"minimum", 1}, {"default", 20}}, 20)
	add("page_token", "query", "page_token", "next_page_token of the page before", text, nil)
	add("include_deleted", "query", "include_deleted", "See deleted resources too", flag, nil)
	add("only_deleted", "query", "only_deleted", "See deleted resources only", flag, nil)
	add("total", "query", "total", "Count all matches", flag, nil)
	add("returns", "query", "returns", "Parts of the envelope, separated by commas: data, meta, revision; all by default", text, "data,meta")
	add("list_returns", "query", "returns", "Parts of each envelope, separated by commas: data, meta, revision; default data,meta", text, "data,meta")
	add("fields", "query", "fields", "Only these fields of the data, dotted paths separated by commas; a name that is no identifier in backticks", text, nil)
	add("expand", "query", "expand", "Reference fields, separated by commas; what they lead to comes along as expanded", text, nil)
	add("dry_run", "query", "dry_run", "Only count", flag, nil)
	add("after", "query", "after", "Go on after this id, the answer's next", text, nil)
	add("diff_from", "query", "from", "Number of the revision to begin with", object{{"type", "integer"}, {"minimum", 1}}, 1)
	add("diff_to", "query", "to", "Number of the revision to end with", object{{"type", "integer"}, {"minimum", 1}}, 2)
	add("consistency", "query", "consistency", "strong: include every write acknowledged before; eventual: do not wait. Default: every write of this server", object{{"type", "string"}, {"enum", []any{"strong", "eventual"}}}, nil)
	add("min_seq", "query", "min_seq", "Include the write with this Autocrud-Seq", number(0, 0), nil)
	add("new_id", "query", "id", "Id of the new resource; made by the server when absent", id, nil)
	add("new_status", "query", "status", "Status of the new revision; the type's default when absent", status, nil)
	add("message", "query", "message", "Why; kept with the revision", text, nil)
	add("revision", "query", "revision", "Number of an older revision", number(1, 0), nil)
	add("as_of", "query", "as_of", "What was there at this instant, inclusive", instant, nil)
	add("read_status", "query", "status", "stable: the newest stable revision on the chain from the current one", status, nil)
	add("mode", "query", "mode", "modify changes a draft in place", object{{"type", "string"}, {"enum", []any{"modify"}}}, nil)
	add("chain_only", "query", "chain_only", "Only the current revision and its ancestors", flag, nil)
	add("raw", "query", "raw", "As stored, not migrated to the current schema version", flag, nil)
	add("run_at", "query", "run_at", "When to run, at once when absent", instant, nil)
	add("priority", "query", "priority", "0 to 9, higher first", number(0, 9), nil)
	add("max_attempts", "query", "max_attempts", "Attempts before the job counts as failed; the type's when absent", number(1, 1000), nil)
	add("follow", "query", "follow", "Go on until the job is finished, as Server-Sent Events", flag, nil)
	add("unique_key", "query", "unique_key", "While a job of the type with this key is not finished, another one is refused", object{{"type", "string"}, {"minLength", 1}, {"maxLength", resource.MaxUniqueKey}}, nil)
	add("after_jobs", "query", "after", "Jobs that must succeed first, separated by commas: an id of the same type, or type/id", text, nil)
	searchParameters(add)
	watchParameters(add)
	auditParameters(add)
	add("If-Match", "header", "If-Match", "Only if this is the state, else 412", text, nil)
	add("If-None-Match", "header", "If-None-Match", "GET: 304 if this is the state. PUT: * creates", text, nil)
	add("Range", "header", "Range", "Parts of it, in bytes", text, "bytes=0-1023")
	add("If-Range", "header", "If-Range", "The whole if this is not its ETag any more", text, nil)
	add("Idempotency-Key", "header", "Idempotency-Key", "Repeating the request with the same key gives the first answer again and has no second effect", text, nil)
	return out
}

// problemStatuses explains each status that a Problem comes with, by an
// example code.
var problemStatuses = []struct {
	status, description string
	code                resource.Code
	detail              string
}{
	{"400", "The request is malformed", resource.InvalidRequest, "unknown query parameter \"sort\""},
	{"401", "The request needs a valid credential", resource.Unauthenticated, "send Authorization: Bearer with an API key or a token"},
	{"403", "The caller, the page it comes from or the name it uses for the server may not do this", resource.PermissionDenied, "the caller may not do this"},
	{"404", "There is no such thing, or the caller may not see it", resource.NotFound, "there is no such resource"},
	{"405", "The path does not take this method", resource.InvalidRequest, "this path takes GET and POST"},
	{"409", "The request contradicts the current state", resource.AlreadyExists, "the id is taken"},
	{"410", "The resource is deleted, or the point in the log is not kept any more", resource.Deleted, "the resource is deleted; it can be restored"},
	{"412", "The state is not the one the precondition names", resource.PreconditionFailed, "the resource was changed by someone else"},
	{"413", "The body, or what references are expanded to, is too large", resource.TooLarge, "the body is over the limit"},
	{"414", "The request line is too long", resource.TooLarge, "the request line is over 65536 bytes"},
	{"415", "The body has a media type that is not understood here", resource.UnsupportedMediaType, "send application/json"},
	{"416", "Nothing of the binary is in the range; Content-Range tells its size", resource.InvalidRequest, "nothing of the 42 bytes of the binary is in this range"},
	{"422", "The data does not fit", resource.ValidationFailed, "the data does not fit the type in one place"},
	{"428", "The type needs If-Match", resource.PreconditionRequired, "send If-Match with the ETag of the state you saw"},
	{"429", "Too many requests of this principal or address", resource.RateLimited, "too many requests of this address; Retry-After tells when the next is answered"},
	{"503", "Not now", resource.Unavailable, "the store does not answer; try again"},
}

// problemCodes are all codes a Problem may have.
var problemCodes = []resource.Code{
	resource.InvalidRequest, resource.InvalidFilter, resource.InvalidPageToken, resource.Unauthenticated, resource.PermissionDenied,
	resource.NotFound, resource.UnknownType, resource.UnknownRevision, resource.UniqueConflict,
	resource.AlreadyExists, resource.Referenced, resource.InvalidState, resource.Conflict, resource.Deleted, resource.Gone,
	resource.PreconditionFailed, resource.PreconditionRequired, resource.TooLarge, resource.UnsupportedMediaType,
	resource.ValidationFailed, resource.DanglingReference, resource.IdempotencyMismatch, resource.RateLimited,
	resource.Unavailable, resource.IndexLag, resource.OutcomeUnknown, "internal",
}

func problemResponses() object {
	out := object{}
	for _, p := range problemStatuses {
		status, _ := strconv.Atoi(p.status)
		example := object{{"type", "urn:autocrud:problem:" + string(p.code)}, {"title", http.StatusText(status)}, {"status", status}, {"detail", p.detail}, {"code", string(p.code)}}
		if p.code == resource.ValidationFailed {
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

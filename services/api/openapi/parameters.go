package openapi

import (
	"slices"

	"github.com/autocrud-go/autocrud/pkg/audit"
	"github.com/autocrud-go/autocrud/pkg/jobs"
)

// parameter is one that operations take. Several have one name and mean different
// things, so each has a key too.
type parameter struct {
	key, in, name, description string
	schema                     object
	example                    any
}

// parameters are all that there are.
var parameters = []parameter{
	{"id", "path", "id", "Id of the resource", idSchema, sampleID},
	{"digest", "path", "digest", "Digest of the binary", object{{"type", "string"}, {"pattern", "^sha256:[0-9a-f]{64}$"}}, nil},
	{"queue", "path", "queue", "Name of the queue", object{{"type", "string"}, {"pattern", "^[a-z0-9][a-z0-9_-]{0,62}$"}}, "default"},
	{"session", "path", "session", "Id of the session", idSchema, nil},
	{"issuer", "path", "issuer", "Name of the issuer", object{{"type", "string"}, {"pattern", "^[a-z][a-z0-9-]{0,62}$"}}, "default"},
	{"n", "path", "n", "Number of the revision, from 1", atLeast1, 3},
	{"type", "path", "type", "Name of the type", object{{"type", "string"}, {"pattern", "^[a-z][a-z0-9-]{0,62}$"}}, nil},
	{"types", "query", "types", "Only these types, separated by commas, and what belongs to none", stringSchema, nil},
	{"filter", "query", "filter", `Condition in the language of AIP-160 over indexed fields and meta fields, for example meta.status = "stable" AND NOT meta.deleted`, stringSchema, `meta.status = "stable"`},
	{"order_by", "query", "order_by", "Fields to sort by, most significant first, each with desc for descending order; the id breaks ties", stringSchema, "meta.created_at desc"},
	{"q", "query", "q", `Full text: all words must be found; "a phrase", word*`, stringSchema, nil},
	{"page_size", "query", "page_size", "Items of a page; more than 1000 means 1000", object{{"type", "integer"}, {"minimum", 1}, {"default", 20}}, 20},
	{"page_token", "query", "page_token", "next_page_token of the page before", stringSchema, nil},
	{"include_deleted", "query", "include_deleted", "See deleted resources too", flagSchema, nil},
	{"only_deleted", "query", "only_deleted", "See deleted resources only", flagSchema, nil},
	{"view", "query", "view", "published: every resource as what is published of it; those of which nothing is do not exist there. Default: head, the newest state", object{{"type", "string"}, {"enum", []any{"head", "published"}}, {"default", "head"}}, nil},
	{"total", "query", "total", "Count all matches", flagSchema, nil},
	{"returns", "query", "returns", "Parts of the envelope, separated by commas: data, meta, revision; all by default. The answer then lacks the others, required or not", stringSchema, "data,meta"},
	{"list_returns", "query", "returns", "Parts of each envelope, separated by commas: data, meta, revision; default data,meta. The answer then lacks the others, required or not", stringSchema, "data,meta"},
	{"fields", "query", "fields", "Only these fields of the data, dotted paths separated by commas; a name that is no identifier in backticks", stringSchema, nil},
	{"expand", "query", "expand", "Reference fields, separated by commas; what they lead to comes along as expanded", stringSchema, nil},
	{"dry_run", "query", "dry_run", "Only count", flagSchema, nil},
	{"after", "query", "after", "Go on after this id, the answer's next", stringSchema, nil},
	{"diff_from", "query", "from", "Number of the revision to begin with", atLeast1, 1},
	{"diff_to", "query", "to", "Number of the revision to end with", atLeast1, 2},
	{"consistency", "query", "consistency", "strong: include every write acknowledged before; eventual: do not wait. Default: every write of this server", object{{"type", "string"}, {"enum", []any{"strong", "eventual"}}}, nil},
	{"min_seq", "query", "min_seq", "Include the write with this Autocrud-Seq", countSchema, nil},
	{"new_id", "query", "id", "Id of the new resource; made by the server when absent", idSchema, nil},
	{"new_status", "query", "status", "Status of the new revision; the type's default when absent", statusSchema, nil},
	{"builtin_status", "query", "status", "What is written is in force at once", object{{"type", "string"}, {"enum", []any{"stable"}}}, nil},
	{"message", "query", "message", "Why; kept with the revision", stringSchema, nil},
	{"revision", "query", "revision", "Number of an older revision", atLeast1, nil},
	{"as_of", "query", "as_of", "What was there at this instant, inclusive", instantSchema, nil},
	{"read_status", "query", "status", "stable: the newest stable revision on the chain from the current one", statusSchema, nil},
	{"mode", "query", "mode", "modify changes a draft in place", object{{"type", "string"}, {"enum", []any{"modify"}}}, nil},
	{"chain_only", "query", "chain_only", "Only the current revision and its ancestors", flagSchema, nil},
	{"raw", "query", "raw", "As stored, not migrated to the current schema version", flagSchema, nil},
	{"run_at", "query", "run_at", "When to run, at once when absent", instantSchema, nil},
	{"priority", "query", "priority", "0 to 9, higher first", object{{"type", "integer"}, {"minimum", 0}, {"maximum", 9}}, nil},
	{"max_attempts", "query", "max_attempts", "Attempts before the job counts as failed; the type's when absent", object{{"type", "integer"}, {"minimum", 1}, {"maximum", 1000}}, nil},
	{"follow", "query", "follow", "Go on until the job is finished, as Server-Sent Events", flagSchema, nil},
	{"unique_key", "query", "unique_key", "While a job of the type with this key is not finished, another one is refused", object{{"type", "string"}, {"minLength", 1}, {"maxLength", jobs.MaxUniqueKey}}, nil},
	{"after_jobs", "query", "after", "Jobs that must succeed first, separated by commas: an id of the same type, or type/id", stringSchema, nil},
	{"group_by", "query", "group_by", "Fields to group by, separated by commas; of a time also year, month, week, day or hour in a zone, like month(meta.created_at, \"Europe/Berlin\")", stringSchema, nil},
	{"count", "query", "count", "Resources of each group; counted anyway", object{{"type", "string"}, {"enum", []any{"*"}}}, "*"},
	{"sum", "query", "sum", "Fields to add up, separated by commas; null takes no part", stringSchema, nil},
	{"avg", "query", "avg", "Fields to take the average of", stringSchema, nil},
	{"min", "query", "min", "Fields to take the smallest value of", stringSchema, nil},
	{"max", "query", "max", "Fields to take the largest value of", stringSchema, nil},
	{"group_order", "query", "order_by", "count and fields of group_by to sort by, each with desc for descending order; the keys break ties", stringSchema, "count desc"},
	{"from_seq", "query", "from_seq", "Begin after this sequence; 0: everything that is kept. Without it: from now on", countSchema, nil},
	{"watch_filter", "query", "filter", "Condition as in a list", stringSchema, nil},
	{"Last-Event-ID", "header", "Last-Event-ID", "Where the connection before ended; goes before from_seq", countSchema, nil},
	{"return_to", "query", "return_to", "Where the browser goes when it is signed in", stringSchema, "/"},
	{"remember", "query", "remember", "Keep the session over the end of the browser", flagSchema, nil},
	{"session_principal", "query", "principal", "Of this principal", stringSchema, nil},
	{"audit_principal", "query", "principal", "Only of this principal", stringSchema, nil},
	{"audit_type", "query", "type", "Only of this type", stringSchema, nil},
	{"audit_id", "query", "id", "Only of this resource", stringSchema, nil},
	{"audit_action", "query", "action", "Only this action", stringSchema, nil},
	{"audit_outcome", "query", "outcome", "Only what was done, or what was refused", object{{"type", "string"}, {"enum", []any{audit.OutcomeOK, audit.OutcomeRefused}}}, nil},
	{"audit_from", "query", "from", "Not before this instant", instantSchema, nil},
	{"audit_to", "query", "to", "Not after this instant", instantSchema, nil},
	{"audit_order", "query", "order_by", "at: oldest first. Default: at desc", object{{"type", "string"}, {"enum", []any{"at", "at desc"}}}, nil},
	{"If-Match", "header", "If-Match", "Only if this is the state, else 412", stringSchema, nil},
	{"If-None-Match", "header", "If-None-Match", "GET: 304 if this is the state. Writes: 412 if it is. PUT: * creates", stringSchema, nil},
	{accept, "header", accept, "application/x-ndjson: one JSON document a line", stringSchema, nil},
	{"Range", "header", "Range", "Parts of it, in bytes", stringSchema, "bytes=0-1023"},
	{"If-Range", "header", "If-Range", "The whole if this is not its ETag any more", stringSchema, nil},
	{"Idempotency-Key", "header", "Idempotency-Key", "Repeating the request with the same key gives the first answer again and has no second effect", stringSchema, nil},
}

// parameterOf finds one by its key.
var parameterOf = func() map[string]parameter {
	all := map[string]parameter{}
	for _, p := range parameters {
		all[p.key] = p
	}
	return all
}()

// QueryNames are the names of the parameters that may be in the query.
func (o Operation) QueryNames() []string { return o.namesIn("query") }

// HeaderNames are the names of the headers that are parameters.
func (o Operation) HeaderNames() []string { return o.namesIn("header") }

func (o Operation) namesIn(place string) (names []string) {
	for _, key := range o.Parameters {
		if p := parameterOf[key]; p.in == place {
			names = append(names, p.name)
		}
	}
	return names
}

// parameterName is the name of a parameter's component.
func parameterName(key string) string { return pascal(key) + "Parameter" }

// accept chooses between the media types of an answer, which say so: a document
// does not list it (OpenAPI 3.1.1 section 4.8.12.2.1).
const accept = "Accept"

// HeaderNames are the headers that some operation has as a parameter.
func HeaderNames() (names []string) {
	for _, p := range parameters {
		if p.in == "header" {
			names = append(names, p.name)
		}
	}
	return names
}

func componentParameters() (out object) {
	for _, p := range parameters {
		if p.key == accept {
			continue
		}
		c := object{{"name", p.name}, {"in", p.in}, {"description", p.description}}
		if p.in == "path" || slices.Contains([]string{"diff_from", "diff_to"}, p.key) {
			c = append(c, member{"required", true})
		}
		c = append(c, member{"schema", p.schema})
		if p.example != nil {
			c = append(c, member{"example", p.example})
		}
		out = append(out, member{parameterName(p.key), c})
	}
	return out
}

package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// OpenAPIOptions says what the document tells about the server. The zero value
// describes an open server at the address the document came from.
type OpenAPIOptions struct {
	Title       string // default "AutoCRUD"
	Version     string // of the API, default "1"
	Description string
	ServerURL   string // base URL besides that of the document itself
	Auth        bool   // requests need a bearer token
	Actions     []*resource.Action
}

// OpenAPI describes the types' HTTP interface as an OpenAPI 3.1 document in
// JSON. The same types give the same bytes.
func OpenAPI(types []*resource.Type, o OpenAPIOptions) []byte {
	d := newDocument(types, o)
	paths := object{}
	for _, op := range d.operations {
		i := slices.IndexFunc(paths, func(m member) bool { return m.key == op.Path })
		if i < 0 {
			i, paths = len(paths), append(paths, member{op.Path, object{}})
		}
		paths[i].value = append(paths[i].value.(object), member{strings.ToLower(op.Method), d.operation(op)})
	}
	info := object{{"title", orElse(o.Title, "AutoCRUD")}, {"version", orElse(o.Version, "1")}}
	asked := "Requests need no credential."
	if o.Auth {
		asked = "Requests need a credential: Authorization: Bearer with an API key or a token."
	}
	info = append(info, member{"description", strings.TrimSpace(o.Description + "\n\n" + asked)})
	tags := []any{}
	for _, t := range d.types {
		tag := object{{"name", t.Name}}
		if text := orElse(t.Description, t.Title); text != "" {
			tag = append(tag, member{"description", text})
		}
		tags = append(tags, tag)
	}
	tags = append(tags, object{{"name", serverTag}, {"description", "The models and the state of the server"}})
	servers := []any{object{{"url", "/"}, {"description", "Where this document came from"}}}
	if o.ServerURL != "" {
		servers = append(servers, object{{"url", o.ServerURL}})
	}
	doc := object{
		{"openapi", "3.1.0"},
		{"info", info},
		{"servers", servers},
		{"tags", tags},
		{"paths", paths},
		{"components", used(d.components(), paths)},
	}
	security := []any{} // nothing is asked for
	if o.Auth {
		security = []any{object{{"bearer", []any{}}}}
	}
	doc = append(doc, member{"security", security})
	var out bytes.Buffer
	if err := json.Indent(&out, appendJSON(nil, doc), "", "  "); err != nil {
		panic(fmt.Sprintf("api: the OpenAPI document is no JSON: %v", err)) // appendJSON writes nothing else
	}
	out.WriteByte('\n')
	return out.Bytes()
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// object is a JSON object that keeps its order: a reader of the document meets
// things in the order in which they are explained.
type object []member

type member struct {
	key   string
	value any
}

// appendJSON writes objects in their order, and everything else as canonical
// JSON.
func appendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case object:
		dst = append(dst, '{')
		for i, m := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(resource.AppendCanonical(dst, m.key), ':')
			dst = appendJSON(dst, m.value)
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, x := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, x)
		}
		return append(dst, ']')
	case map[string]any: // may hold objects: sort here, not there
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		o := object{}
		for _, k := range keys {
			o = append(o, member{k, v[k]})
		}
		return appendJSON(dst, o)
	}
	return resource.AppendCanonical(dst, v)
}

// document is the document in the making.
type document struct {
	options    OpenAPIOptions
	types      []*resource.Type
	operations []operation
	namer      *namer
	names      map[string]typeNames // by type
	actions    map[*resource.Action]actionNames
}

func newDocument(types []*resource.Type, o OpenAPIOptions) *document {
	types = slices.Clone(types)
	slices.SortStableFunc(types, func(a, b *resource.Type) int { // those of the program itself come last
		switch {
		case a.Builtin == b.Builtin:
			return 0
		case a.Builtin:
			return 1
		}
		return -1
	})
	d := &document{options: o, types: types, namer: newNamer(), names: map[string]typeNames{}, actions: map[*resource.Action]actionNames{}}
	for _, t := range types {
		d.names[t.Name] = d.namer.ofType(t)
	}
	for _, x := range o.Actions {
		base := pascal(x.Type) + pascal(x.Name)
		d.actions[x] = actionNames{d.namer.name(base + "Input"), d.namer.name(base + "Output")}
	}
	d.operations = operationsOf(types, o.Actions)
	return d
}

func componentRef(kind, name string) object {
	return object{{"$ref", "#/components/" + kind + "/" + name}}
}

// operation renders one row of the table.
func (d *document) operation(op operation) object {
	id := op.Name
	if op.Type != "" {
		id = op.Type + "." + op.Name
	}
	out := object{{"operationId", id}, {"tags", []any{orElse(op.Type, serverTag)}}, {"summary", op.summary}}
	if op.description != "" {
		out = append(out, member{"description", op.description})
	}
	var params []any
	for _, name := range pathParameters(op.Path) {
		params = append(params, componentRef("parameters", parameterName(name)))
	}
	for _, name := range op.parameters {
		params = append(params, componentRef("parameters", parameterName(name)))
	}
	if len(params) > 0 {
		out = append(out, member{"parameters", params})
	}
	if op.body != nil {
		out = append(out, member{"requestBody", op.body(d, op.typ)})
	}
	responses := object{}
	for _, r := range op.responses {
		response := object{{"description", r.description}}
		headers := object{}
		for _, h := range r.headers {
			if name, optional := strings.CutPrefix(h, "Optional"); optional {
				headers = append(headers, member{name, componentRef("headers", h)})
				continue
			}
			headers = append(headers, member{h, componentRef("headers", h)})
		}
		if len(headers) > 0 {
			response = append(response, member{"headers", headers})
		}
		if r.content != nil {
			response = append(response, member{"content", r.content(d, op.typ)})
		}
		responses = append(responses, member{r.status, response})
	}
	problems := append([]string{"403", "414", "429"}, op.problems...) // what guards every request
	if d.options.Auth && !op.public {
		problems = append(problems, "401")
	}
	for _, status := range slices.Compact(slices.Sorted(slices.Values(problems))) {
		responses = append(responses, member{status, componentRef("responses", "Problem"+status)})
	}
	out = append(out, member{"responses", responses})
	if op.public {
		out = append(out, member{"security", []any{}})
	}
	return out
}

// pathParameters are the names in braces.
func pathParameters(path string) []string {
	var names []string
	for {
		_, rest, ok := strings.Cut(path, "{")
		if !ok {
			return names
		}
		var name string
		name, path, _ = strings.Cut(rest, "}")
		names = append(names, name)
	}
}

// jsonContent is a body of one media type with its example.
func jsonContent(schema object, example any) object {
	return mediaContent("application/json", schema, example)
}

func mediaContent(mediaType string, schema object, example any) object {
	body := object{{"schema", schema}}
	if example != nil {
		body = append(body, member{"example", example})
	}
	return object{{mediaType, body}}
}

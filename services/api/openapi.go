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
	if o.Description != "" {
		info = append(info, member{"description", o.Description})
	}
	tags := []any{}
	for _, t := range types {
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
		{"jsonSchemaDialect", "https://json-schema.org/draft/2020-12/schema"},
		{"servers", servers},
		{"tags", tags},
		{"paths", paths},
		{"components", d.components()},
	}
	if o.Auth {
		doc = append(doc, member{"security", []any{object{{"bearer", []any{}}}}})
	}
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
	names      map[string]typeNames // by type
}

// typeNames are the names of a type's component schemas.
type typeNames struct {
	write    string // the data as it is written
	replace  string // the data that replaces what is there: what is writeOnly may be left out, or null
	read     string // the data as it is read: "fields" leaves parts out
	envelope string // around what was written
	partial  string // around what is read
	page     string
}

func newDocument(types []*resource.Type, o OpenAPIOptions) *document {
	d := &document{options: o, types: types, names: map[string]typeNames{}}
	taken := map[string]bool{}
	for _, s := range sharedSchemas() {
		taken[s.key] = true
	}
	name := func(s string) string {
		for taken[s] {
			s += "_"
		}
		taken[s] = true
		return s
	}
	for _, t := range types {
		base := name(pascal(t.Name))
		d.names[t.Name] = typeNames{base, base, name(base + "Read"), name(base + "Envelope"), name(base + "ReadEnvelope"), name(base + "Page")}
	}
	for _, t := range types {
		if n := d.names[t.Name]; t.WritesOnly() {
			n.replace = name(n.write + "Replace")
			d.names[t.Name] = n
		}
	}
	d.operations = operationsOf(types, o.Actions)
	return d
}

// pascal makes "api-keys" ApiKeys.
func pascal(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "-") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
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
		params = append(params, componentRef("parameters", name))
	}
	for _, name := range op.parameters {
		params = append(params, componentRef("parameters", name))
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

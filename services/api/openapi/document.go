// Package openapi writes the documents of the interface: OpenAPI for the requests,
// AsyncAPI for the events. It is told which operations there are and describes
// them; it knows none by itself, and nothing of the server.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// Options says what the document tells about the server. The zero value
// describes an open server at the address the document came from.
type Options struct {
	Title       string // default "AutoCRUD"
	Version     string // of the API, default "1"
	Description string
	ServerURL   string // base URL besides that of the document itself
	Auth        bool   // requests need a credential
	Cookie      string // that of a session; default "__Host-autocrud"
	Actions     []*resource.Action
}

// Document describes operations as an OpenAPI 3.1 document in JSON, and the types
// that they are about. The same operations of the same types give the same bytes.
func Document(types []*model.Type, operations []Operation, o Options) []byte {
	d := newDocument(types, o)
	paths := object{}
	for _, op := range ordered(operations, func(op Operation) *model.Type { return op.Type }) {
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
		security = credentials()
	}
	doc = append(doc, member{"security", security})
	var out bytes.Buffer
	if err := json.Indent(&out, appendJSON(nil, doc), "", "  "); err != nil {
		panic(fmt.Sprintf("openapi: the OpenAPI document is no JSON: %v", err)) // appendJSON writes nothing else
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// credentials are what a request shows, one of them.
func credentials() []any {
	return []any{object{{"bearer", []any{}}}, object{{"cookie", []any{}}}}
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
			dst = append(model.AppendCanonical(dst, m.key), ':')
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
	return model.AppendCanonical(dst, v)
}

// document is the document in the making.
type document struct {
	options Options
	types   []*model.Type
	namer   *namer
	names   map[string]typeNames // by type
	actions map[*resource.Action]actionNames
}

func newDocument(types []*model.Type, o Options) *document {
	types = ordered(types, func(t *model.Type) *model.Type { return t })
	d := &document{options: o, types: types, namer: newNamer(), names: map[string]typeNames{}, actions: map[*resource.Action]actionNames{}}
	for _, t := range types {
		d.names[t.Name] = d.namer.ofType(t)
	}
	for _, x := range o.Actions {
		base := pascal(x.Type) + pascal(x.Name)
		d.actions[x] = actionNames{d.namer.name(base + "Input"), d.namer.name(base + "Output")}
	}
	return d
}

func componentRef(kind, name string) object {
	return object{{"$ref", "#/components/" + kind + "/" + name}}
}

// operation renders one of them.
func (d *document) operation(op Operation) object {
	out := object{{"operationId", op.ID()}, {"tags", []any{op.tag()}}, {"summary", op.Summary}}
	if op.Description != "" {
		out = append(out, member{"description", op.Description})
	}
	var params []any
	for _, key := range slices.Concat(pathParameters(op.Path), op.Parameters) {
		if key == accept {
			continue
		}
		params = append(params, componentRef("parameters", parameterName(key)))
	}
	if len(params) > 0 {
		out = append(out, member{"parameters", params})
	}
	if op.Body != nil {
		out = append(out, member{"requestBody", op.Body(d, op.Type)})
	}
	responses := object{}
	for _, a := range op.Answers {
		responses = append(responses, member{a.Status, d.answer(a, op.Type)})
	}
	for _, status := range op.allProblems(d.options.Auth) {
		responses = append(responses, member{status, componentRef("responses", "Problem"+status)})
	}
	out = append(out, member{"responses", responses})
	switch {
	case op.Recognises && d.options.Auth:
		out = append(out, member{"security", append([]any{object{}}, credentials()...)})
	case op.Public:
		out = append(out, member{"security", []any{}})
	}
	return out
}

func (d *document) answer(a Answer, t *model.Type) object {
	out, headers := object{{"description", a.Description}}, object{}
	for _, h := range a.Headers {
		headers = append(headers, member{strings.TrimPrefix(h, "Optional"), componentRef("headers", h)})
	}
	if len(headers) > 0 {
		out = append(out, member{"headers", headers})
	}
	if a.Content != nil {
		out = append(out, member{"content", a.Content(d, t)})
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

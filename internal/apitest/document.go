package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is a served OpenAPI document, ready to judge requests and answers.
type Document struct {
	Root       map[string]any
	Operations []*Operation

	compiler *jsonschema.Compiler
	parts    func() (*Document, error) // the same, where envelopes may lack parts
	mu       sync.Mutex
	schemas  map[string]*jsonschema.Schema
}

// Operation is one method on one path of the document.
type Operation struct {
	Method, Path, ID string

	at      string // pointer
	def     map[string]any
	pattern *regexp.Regexp
}

// partial is the document where envelopes may lack parts, as they do for a request that
// says which ones it wants.
func partial(b []byte) (*Document, error) {
	var root map[string]any
	if err := json.Unmarshal(b, &root); err != nil {
		return nil, err
	}
	for _, s := range object(object(root["components"])["schemas"]) {
		if properties := object(object(s)["properties"]); properties["data"] != nil && properties["meta"] != nil {
			delete(object(s), "required")
		}
	}
	loose, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	return ParseDocument(loose)
}

const docURL = "mem:///openapi.json"

// ParseDocument reads a document.
func ParseDocument(b []byte) (*Document, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the document is no object")
	}
	d := &Document{Root: root, compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	d.parts = sync.OnceValues(func() (*Document, error) { return partial(b) })
	if err := d.compiler.AddResource(docURL, v); err != nil {
		return nil, err
	}
	for path, item := range object(root["paths"]) {
		for method, def := range object(item) {
			op := &Operation{Method: strings.ToUpper(method), Path: path, at: "/paths/" + escape(path) + "/" + method, def: object(def)}
			op.ID, _ = op.def["operationId"].(string)
			op.pattern = templatePattern(path)
			d.Operations = append(d.Operations, op)
		}
	}
	slices.SortFunc(d.Operations, func(a, b *Operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return d, nil
}

var placeholder = regexp.MustCompile(`\\\{(\w+)\\\}`)

// templatePattern matches the paths of a template; a parameter holds neither a
// slash nor the colon of an action, but for a digest, which has one.
func templatePattern(path string) *regexp.Regexp {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(path), `\{digest\}`, `(?P<digest>[^/]+)`)
	return regexp.MustCompile("^" + placeholder.ReplaceAllString(pattern, `(?P<$1>[^/:]+)`) + "$")
}

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func list(v any) []any { a, _ := v.([]any); return a }

func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

// deref follows a reference inside the document and returns where it leads.
func (d *Document) deref(v map[string]any, at string) (map[string]any, string) {
	for {
		ref, ok := v["$ref"].(string)
		if !ok {
			return v, at
		}
		at = strings.TrimPrefix(ref, "#")
		var x any = d.Root
		for part := range strings.SplitSeq(strings.TrimPrefix(at, "/"), "/") {
			x = object(x)[strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")]
		}
		v = object(x)
	}
}

// check validates v against the schema at a pointer of the document.
func (d *Document) check(at string, v any) error {
	d.mu.Lock()
	s := d.schemas[at]
	if s == nil {
		var err error
		if s, err = d.compiler.Compile(docURL + "#" + (&url.URL{Path: at}).EscapedPath()); err != nil {
			d.mu.Unlock()
			return fmt.Errorf("schema %s: %w", at, err)
		}
		d.schemas[at] = s
	}
	d.mu.Unlock()
	return s.Validate(v)
}

// Find returns the operation of a request and its path parameters, or nil.
// methods are those of the path, whatever was asked for.
func (d *Document) Find(method, path string) (op *Operation, params map[string]string, methods []string) {
	if method == "HEAD" {
		method = "GET"
	}
	literal := -1
	for _, o := range d.Operations {
		m := o.pattern.FindStringSubmatch(path)
		if m == nil || len(strings.SplitN(o.Path, "{", 2)[0]) < literal {
			continue
		}
		if n := len(strings.SplitN(o.Path, "{", 2)[0]); n > literal { // the more literal template wins
			literal, op, methods = n, nil, nil
		}
		methods = append(methods, o.Method)
		if o.Method != method {
			continue
		}
		op, params = o, map[string]string{}
		for i, name := range o.pattern.SubexpNames()[1:] {
			params[name] = m[i+1]
		}
	}
	return op, params, methods
}

// Parameter of an operation.
type Parameter struct {
	Name, In   string
	Required   bool
	Example    any
	HasExample bool
	at         string
	def        map[string]any
}

// Parameters of an operation.
func (d *Document) Parameters(op *Operation) (out []Parameter) {
	for i, p := range list(op.def["parameters"]) {
		def, at := d.deref(object(p), op.at+"/parameters/"+strconv.Itoa(i))
		x := Parameter{at: at, def: def}
		x.Name, _ = def["name"].(string)
		x.In, _ = def["in"].(string)
		x.Required, _ = def["required"].(bool)
		x.Example, x.HasExample = def["example"]
		out = append(out, x)
	}
	return out
}

// Body of an operation as the document has it; nil when it takes none.
func (d *Document) Body(op *Operation) map[string]any {
	body, _ := d.deref(object(op.def["requestBody"]), op.at+"/requestBody")
	return body
}

// Example of an operation's body by media type; none when it takes no body.
func (d *Document) Example(op *Operation) map[string]any {
	out := map[string]any{}
	for media, m := range object(d.Body(op)["content"]) {
		out[media] = object(m)["example"]
	}
	return out
}

// Enum is the list of texts that a property of an operation's JSON body may be; the
// place is a path of properties and "items". Empty when there is none.
func (d *Document) Enum(op *Operation, place string) (values []string) {
	body, at := d.deref(object(op.def["requestBody"]), op.at+"/requestBody")
	schema, at := d.deref(object(object(object(body["content"])[JSON])["schema"]), at)
	for part := range strings.SplitSeq(place, "/") {
		next := object(schema["properties"])[part]
		if part == "items" && next == nil {
			next = schema["items"]
		}
		schema, at = d.deref(object(next), at)
	}
	for _, v := range list(schema["enum"]) {
		if text, ok := v.(string); ok {
			values = append(values, text)
		}
	}
	return values
}

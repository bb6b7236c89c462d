package openapi_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// rows are some operations of each type, and one of the server.
func rows(types ...*model.Type) (out []openapi.Operation) {
	for _, t := range types {
		for _, op := range []openapi.Operation{
			{Method: "GET", Path: "/v1/{type}", Name: "list", Summary: "List and search {many}", Expands: true, Parameters: []string{"filter", "list_returns"},
				Answers: []openapi.Answer{{Status: "200", Description: "One page", Content: openapi.Page, Headers: []string{"Autocrud-Index-Seq"}}}, Problems: []string{"400"}},
			{Method: "POST", Path: "/v1/{type}", Name: "create", Summary: "Create {one}", Body: openapi.DataBody, Parameters: []string{"new_id", "Idempotency-Key"},
				Answers: []openapi.Answer{{Status: "201", Description: "Created", Content: openapi.Envelope}}, Problems: []string{"400", "422"}},
			{Method: "GET", Path: "/v1/{type}/{id}", Name: "read", Summary: "Read {one}",
				Answers: []openapi.Answer{{Status: "200", Description: "The resource", Content: openapi.Partial, Headers: []string{"OptionalETag"}}}},
		} {
			out = append(out, op.For(t))
		}
	}
	return append(out, openapi.Operation{Method: "GET", Path: "/livez", Name: "livez", Summary: "Is it alive?", Public: true,
		Answers: []openapi.Answer{{Status: "200", Description: "It is", Content: openapi.Text("text/plain")}}, Problems: []string{"405"}})
}

func modelOf(t *testing.T, text string) *model.Type {
	t.Helper()
	typ, problems := model.ParseType("model.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return typ
}

// document is what the tests look at.
type document struct {
	Tags  []struct{ Name string }
	Paths map[string]map[string]struct {
		OperationID string
		Summary     string
		Tags        []string
		Parameters  []struct {
			Ref string `json:"$ref"`
		}
		RequestBody json.RawMessage
		Responses   map[string]json.RawMessage
		Security    *[]any
	}
	Components struct {
		Schemas    map[string]json.RawMessage
		Parameters map[string]json.RawMessage
	}
	Security []any
}

func documentOf(t *testing.T, o openapi.Options, types ...*model.Type) (d document) {
	t.Helper()
	if err := json.Unmarshal(openapi.Document(types, rows(types...), o), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAnOperationIsDescribedAsItsRowSays(t *testing.T) {
	op := documentOf(t, openapi.Options{}, modelOf(t, "name: movies\ntitle: Movie\nschema: {type: object}\n")).Paths["/v1/movies"]["post"]
	if op.OperationID != "movies.create" || op.Summary != "Create a movie" || !slices.Equal(op.Tags, []string{"movies"}) || len(op.RequestBody) == 0 {
		t.Errorf("it is %+v", op)
	}
	var params []string
	for _, p := range op.Parameters {
		params = append(params, strings.TrimPrefix(p.Ref, "#/components/parameters/"))
	}
	if !slices.Equal(params, []string{"NewIdParameter", "IdempotencyKeyParameter"}) {
		t.Errorf("it takes %q", params)
	}
	for _, status := range []string{"201", "400", "403", "414", "422", "429"} {
		if op.Responses[status] == nil {
			t.Errorf("it never answers %s", status)
		}
	}
	if len(op.Responses) != 6 {
		t.Errorf("it answers %d statuses", len(op.Responses))
	}
}

func TestACredentialIsAskedForWhereItIsNeeded(t *testing.T) {
	movies := modelOf(t, "name: movies\nschema: {type: object}\n")
	open, closed := documentOf(t, openapi.Options{}, movies), documentOf(t, openapi.Options{Auth: true}, movies)
	if len(open.Security) != 0 || open.Paths["/v1/movies"]["get"].Responses["401"] != nil {
		t.Error("an open server asks for a credential")
	}
	if len(closed.Security) != 2 || closed.Paths["/v1/movies"]["get"].Responses["401"] == nil {
		t.Error("a closed server asks for no credential")
	}
	if live := closed.Paths["/livez"]["get"]; live.Responses["401"] != nil || live.Security == nil || len(*live.Security) != 0 {
		t.Error("what is public asks for a credential")
	}
}

func TestOnlyATypeWithReferencesExpandsToTooMuch(t *testing.T) {
	d := documentOf(t, openapi.Options{}, modelOf(t, "name: studios\nschema: {type: object}\n"),
		modelOf(t, "name: movies\nschema: {type: object, properties: {studio: {type: string}}}\nindex: [studio]\nrefs: {studio: {type: studios}}\n"))
	if d.Paths["/v1/movies"]["get"].Responses["413"] == nil || d.Paths["/v1/studios"]["get"].Responses["413"] != nil || d.Paths["/v1/movies/{id}"]["get"].Responses["413"] != nil {
		t.Error("413 is in the wrong places")
	}
}

func TestComponentsThatNothingRefersToAreLeftOut(t *testing.T) {
	d := documentOf(t, openapi.Options{}, modelOf(t, "name: movies\nschema: {type: object}\n"))
	if d.Components.Parameters["FilterParameter"] == nil || d.Components.Parameters["GroupByParameter"] != nil || d.Components.Schemas["Queue"] != nil {
		t.Errorf("the parameters are %v", d.Components.Parameters)
	}
}

func TestTypesOfTheProgramComeLast(t *testing.T) {
	keys, err := policy.APIKeyType()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tag := range documentOf(t, openapi.Options{}, keys, modelOf(t, "name: movies\nschema: {type: object}\n")).Tags {
		names = append(names, tag.Name)
	}
	if !slices.Equal(names, []string{"movies", "api-keys", "server"}) {
		t.Errorf("the tags are %v", names)
	}
}

func TestTypesOfTheProgramHaveNoDrafts(t *testing.T) {
	keys, err := policy.APIKeyType()
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[*model.Type][]string{
		keys: {"Makes a new revision.", "builtin_status"},
		modelOf(t, "name: movies\nschema: {type: object}\n"): {"Makes a new revision, or changes a draft in place with mode=modify.", "new_status"},
	} {
		op := openapi.Operation{Method: "PUT", Path: "/v1/{type}/{id}", Description: "Makes a new revision{drafts}.", Parameters: []string{"new_status", "mode"}}.For(typ)
		if op.Description != want[0] || op.Parameters[0] != want[1] || !slices.Equal(op.QueryNames(), []string{"status", "mode"}) {
			t.Errorf("%s: %+v", typ.Name, op)
		}
	}
}

func TestTheNamesOfAQueryAreThoseThatTheDocumentLists(t *testing.T) {
	op := openapi.Operation{Parameters: []string{"new_id", "list_returns", "If-Match", "audit_order"}}
	if names := op.QueryNames(); !slices.Equal(names, []string{"id", "returns", "order_by"}) {
		t.Errorf("they are %q", names)
	}
}

func TestReferencesOfAModelLeadIntoTheComponents(t *testing.T) {
	movies := modelOf(t, `
name: movies
schema:
  type: object
  properties:
    credits: {type: array, items: {$ref: "#/$defs/credit"}}
    sequel: {anyOf: [{$ref: "#"}, {type: "null"}]}
  $defs:
    credit: {type: object, properties: {director: {type: string}}}
`)
	schemas := documentOf(t, openapi.Options{}, movies).Components.Schemas
	for _, want := range []string{`"#/components/schemas/MoviesCredit"`, `"#/components/schemas/Movies"`} {
		if !strings.Contains(string(schemas["Movies"]), want) {
			t.Errorf("no reference %s in %s", want, schemas["Movies"])
		}
	}
	for _, name := range []string{"MoviesCredit", "MoviesReadCredit"} {
		if schemas[name] == nil {
			t.Errorf("no schema %s", name)
		}
	}
}

func TestNamesThatAreTakenGetAnotherOne(t *testing.T) {
	var types []*model.Type
	for _, name := range []string{"meta", "a-1", "a1", "send-emails"} {
		types = append(types, modelOf(t, "name: "+name+"\nschema: {type: object}\n"))
	}
	schemas := documentOf(t, openapi.Options{}, types...).Components.Schemas
	for _, name := range []string{"Meta", "MetaType", "A1", "A1Type", "SendEmails"} {
		if schemas[name] == nil {
			t.Errorf("no schema %s", name)
		}
	}
}

func TestProblemCodesAreThoseOfTheDomain(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../../pkg/fault/fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := string(openapi.Document(nil, rows(), openapi.Options{}))
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		found++
		if code := spec.Values[0].(*ast.BasicLit).Value; !strings.Contains(text, code) {
			t.Errorf("the document does not know the code %s", code)
		}
		return true
	})
	if found < 20 {
		t.Errorf("only %d codes found", found)
	}
}

func TestSummariesHaveTheRightArticles(t *testing.T) {
	keys, err := policy.APIKeyType()
	if err != nil {
		t.Fatal(err)
	}
	var types []*model.Type
	for name, title := range map[string]string{"movies": "Movie", "hours": "Hour", "units": "Unit", "unions": "Union", "umbrellas": "Umbrella", "sms": "SMS",
		"urls": "URL", "faqs": "FAQ", "uninstalls": "Uninstall", "x-rays": "X-ray", "orders": "Order", "users": "User", "phones": "iPhone", "send-emails": ""} {
		typ, problems := model.ParseType("m.yaml", []byte("name: "+name+"\ntitle: \""+title+"\"\nschema: {type: object}\n"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		types = append(types, typ)
	}
	types = append(types, keys)
	text := string(openapi.Document(types, rows(types...), openapi.Options{}))
	for _, want := range []string{"Create an API key", "Create a movie", "Create an hour", "Create a unit", "Create a union", "Create an umbrella", "Create an SMS", "Create a URL",
		"Create an FAQ", "Create an uninstall", "Create an X-ray", "Create an order", "Create a user", "Create an iPhone", "Create a send-emails resource",
		"List and search API keys", "List and search movies", "List and search send emails", "Read an API key"} {
		if !strings.Contains(text, `"summary": "`+want+`"`) {
			t.Errorf("no operation is called %q", want)
		}
	}
}

func TestWhatIsAlwaysAnsweredIsRequired(t *testing.T) {
	migrated := "name: books\nversion: \"2\"\nschema: {type: object}\nmigrations: [{from: \"1\", patch: [{op: remove, path: /old}]}]\n"
	d := documentOf(t, openapi.Options{}, modelOf(t, "name: movies\nschema: {type: object}\n"), modelOf(t, migrated))
	for name, want := range map[string][]string{"MoviesEnvelope": {"data", "meta", "revision"}, "MoviesReadEnvelope": {"data", "meta"}, "BooksReadEnvelope": {"meta"}} {
		var schema struct{ Required []string }
		if err := json.Unmarshal(d.Components.Schemas[name], &schema); err != nil || !slices.Equal(schema.Required, want) {
			t.Errorf("%s requires %v, %v", name, schema.Required, err)
		}
	}
}

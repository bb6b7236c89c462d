package api_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
	"github.com/autocrud-go/autocrud/services/api"
	"github.com/autocrud-go/autocrud/services/api/identity"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// served are types of every sort that has paths of its own, and the program's, with
// actions of one of them.
func served(t *testing.T) ([]*model.Type, []*resource.Action) {
	t.Helper()
	types := documented(t)
	reviews, problems := model.ParseType("reviews.yaml", []byte("name: reviews\nschema: {type: object, properties: {movie: {type: string}}}\nrefs: {movie: {type: movies}}\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	types = append(types, reviews)
	for _, builtin := range []func() (*model.Type, error){policy.APIKeyType, upkeep.BulkType,
		jobs.QueueType, jobs.ScheduleType, policy.RoleType, policy.BindingType,
		func() (*model.Type, error) { return notify.WebhookType(func(string) error { return nil }) }} {
		typ, err := builtin()
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, typ)
	}
	type empty struct{}
	input, err := model.TypeOf[empty]("input")
	if err != nil {
		t.Fatal(err)
	}
	return types, []*resource.Action{{Type: "movies", Name: "stamp", Input: input, Output: input.Schema}, {Type: "movies", Name: "touch", OnResource: true, Input: input, Output: input.Schema}}
}

// stub lets in every caller that shows a token.
type stub struct{}

func (stub) Authenticate(_ context.Context, c identity.Credential) (policy.Actor, error) {
	if c.None() {
		return policy.Actor{}, fault.Errorf(fault.Unauthenticated, "a credential is needed")
	}
	return policy.Actor{Principal: "user:ann", Identity: &policy.Identity{}}, nil
}
func (stub) Still(identity.Credential, policy.Actor) (time.Time, bool) { return time.Time{}, true }
func (stub) Changed() <-chan struct{}                                  { return nil }

// ask sends a request without a body, with a token when auth is true.
func ask(a *api.API, method, path string, auth bool) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(method, path, nil), httptest.NewRecorder()
	if auth {
		r.Header.Set("Authorization", "Bearer x")
	}
	a.ServeHTTP(w, r)
	return w
}

// routedOf asks the router what it answers: every path that it knows, for every
// type, by a method that none takes.
func routedOf(a *api.API, types []*model.Type) map[string]bool {
	routed := map[string]bool{}
	fill := strings.NewReplacer("{id}", "x", "{n}", "1", "{queue}", "default", "{issuer}", "default", "{type}", "movies", "*", "init.js")
	for _, template := range a.Templates() {
		paths := []string{template}
		if strings.HasPrefix(template, "/v1/{type}") {
			paths = nil
			for _, t := range types {
				paths = append(paths, strings.Replace(template, "{type}", t.Name, 1))
			}
		}
		name, verb, _ := strings.Cut(template, "}:")
		anyName := verb != "" && ask(a, "PROPFIND", fill.Replace(name+"}:no-verb"), true).Code == 405 // in which ':' means nothing
		for _, path := range paths {
			w := ask(a, "PROPFIND", fill.Replace(path), true)
			if w.Code != 405 || anyName {
				continue
			}
			for method := range strings.SplitSeq(w.Header().Get("Allow"), ", ") {
				if method != "HEAD" {
					routed[method+" "+path] = true
				}
			}
		}
	}
	return routed
}

// describedBy reads the document that a router serves: what it describes, and which
// of it needs no credential.
func describedBy(t *testing.T, a *api.API) (described, public map[string]bool) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct{ Security *[]any }
	}
	if err := json.Unmarshal(ask(a, "GET", "/openapi.json", true).Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	described, public = map[string]bool{}, map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			name := strings.ToUpper(method) + " " + strings.Replace(path, "{digest}", "{n}", 1)
			described[name], public[name] = true, op.Security != nil
		}
	}
	return described, public
}

// What the document describes and what the router answers are the same, method by
// method and type by type.
func TestTheDocumentDescribesEveryRouteAndNothingElse(t *testing.T) {
	types, actions := served(t)
	for _, auth := range []api.Authenticator{nil, stub{}} {
		for _, hooks := range []api.Webhooks{nil, noWebhooks{}} {
			a := api.New(resource.NewDomain(types, nil, nil, nil, resource.Options{}), api.Options{Auth: auth, Actions: actions, Webhooks: hooks})
			untold := []string{"GET /", "GET /docs/*", "GET /guide", "GET /guide/*"} // the way to the page of the document, and its files; the guides
			for _, typ := range types {
				if len(typ.Binaries) == 0 { // which its older revisions may have had
					untold = append(untold, "GET /v1/"+typ.Name+"/{id}/blobs/{n}", "POST /v1/"+typ.Name+"/{id}/blobs/{n}:sign")
				}
			}
			routed := routedOf(a, types)
			described, _ := describedBy(t, a)
			for route := range routed {
				if described[route] == slices.Contains(untold, route) {
					t.Errorf("%s is answered, and it is %v that the document describes it", route, described[route])
				}
			}
			for route := range described {
				if !routed[route] {
					t.Errorf("%s is described and not answered", route)
				}
			}
			for _, must := range []string{"POST /v1/movies/{id}:switch", "GET /v1/movies/{id}/blobs/{n}", "POST /v1/movies:stamp", "POST /v1/movies/{id}:touch",
				"POST /v1/send-emails/{id}:cancel", "POST /v1/api-keys/{id}:rotate", "POST /v1/queues/{queue}:pause", "POST /v1:reindex", "GET /livez"} {
				if !described[must] {
					t.Errorf("there is no %s", must)
				}
			}
			if described["POST /v1/webhooks/{id}:test"] != (hooks != nil) {
				t.Error("webhooks are described that are not delivered to, or the reverse")
			}
		}
	}
}

func TestWhatTheDocumentCallsPublicNeedsNoCredential(t *testing.T) {
	types, actions := served(t)
	a := api.New(resource.NewDomain(types, nil, nil, nil, resource.Options{}), api.Options{Auth: stub{}, Actions: actions, Webhooks: noWebhooks{}, HideMetrics: true})
	fill := strings.NewReplacer("{id}", "x", "{n}", "1", "{queue}", "default", "{issuer}", "default", "{type}", "movies")
	_, public := describedBy(t, a)
	for route, open := range public {
		method, path, _ := strings.Cut(route, " ")
		if w := ask(a, method, fill.Replace(path), false); w.Code == 401 == open {
			t.Errorf("%s is called public: %v, and answers %d", route, open, w.Code)
		}
	}
	if !public["GET /livez"] || public["GET /metrics"] {
		t.Error("the wrong operations are public")
	}
}

// A parameter that the document lists is taken, and no other is.
func TestTheParametersOfTheDocumentAreThoseThatAreTaken(t *testing.T) {
	types, actions := served(t)
	a := api.New(resource.NewDomain(types, nil, nil, nil, resource.Options{}), api.Options{Actions: actions, Webhooks: noWebhooks{}})
	fill := strings.NewReplacer("{id}", "x", "{n}", "1", "{digest}", "x", "{queue}", "default", "{issuer}", "default", "{type}", "movies")
	checked := 0
	for op, declared := range parametersOf(t, a) {
		method, path, _ := strings.Cut(op, " ")
		if !strings.HasPrefix(path, "/v1") || strings.HasSuffix(path, ":backup") {
			continue
		}
		var names []string
		for _, p := range declared {
			if p.In == "query" {
				names = append(names, p.Name)
			}
		}
		want := "this request takes none"
		if len(names) > 0 {
			want = "this request takes " + strings.Join(names, ", ")
		}
		r := httptest.NewRequest(method, fill.Replace(path)+"?nope=1", nil)
		r.Header.Set("Content-Type", bodyType(method))
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		var p struct{ Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 400 || !strings.HasSuffix(p.Detail, want) {
			t.Errorf("%s: %d %s, want that %s", op, w.Code, w.Body, want)
		}
		checked++
	}
	if checked < 100 {
		t.Errorf("only %d operations", checked)
	}
}

// What a handler reads is what its row declares, and so what the document lists: a
// parameter that is read and not declared would never have an effect, and one that
// is declared and not read would be promised in vain.
func TestAHandlerReadsTheParametersOfItsRow(t *testing.T) {
	types, actions := served(t)
	read := map[string]bool{}
	o := api.Options{Actions: actions, Webhooks: noWebhooks{}}
	o.Reads(func(parameter string) { read[parameter] = true })
	a := api.New(resource.NewDomain(types, nil, nil, nil, resource.Options{}), o)
	fill := strings.NewReplacer("{id}", "x", "{n}", "1", "{digest}", "x", "{queue}", "default", "{issuer}", "default", "{type}", "movies")
	checked := 0
	for op, declared := range parametersOf(t, a) {
		method, path, _ := strings.Cut(op, " ")
		query := ""
		for _, p := range declared {
			if p.In == "query" {
				query = "?nope=1" // ends the handler when it has read all
			}
		}
		clear(read)
		r := httptest.NewRequest(method, fill.Replace(path)+query, strings.NewReader("{"))
		if method == "GET" || method == "DELETE" {
			r = httptest.NewRequest(method, fill.Replace(path)+query, nil)
		}
		r.Header.Set("Content-Type", bodyType(method))
		a.ServeHTTP(httptest.NewRecorder(), r) // 400, or 500 where it gets as far as the stores, of which there are none
		var want []string
		for _, p := range declared {
			want = append(want, p.Name)
			if p.In == "header" && slices.Contains(api.RouterHeaders(method), p.Name) {
				read[p.Name] = true
			}
		}
		if op == "GET /v1/audit" {
			want = append(want, "Accept") // which a document must not list
		}
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(read)); !slices.Equal(got, want) {
			t.Errorf("%s reads %v, and declares %v", op, got, want)
		}
		checked++
	}
	if checked < 150 {
		t.Errorf("only %d operations", checked)
	}
}

// described is a parameter of the document.
type described struct{ Name, In string }

// parametersOf are those that the document of a server lists, by method and path.
func parametersOf(t *testing.T, a *api.API) map[string][]described {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Ref string `json:"$ref"`
			}
		}
		Components struct{ Parameters map[string]described }
	}
	if err := json.Unmarshal(ask(a, "GET", "/openapi.json", false).Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string][]described{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			name := strings.ToUpper(method) + " " + path
			all[name] = nil
			for _, ref := range op.Parameters {
				if p := doc.Components.Parameters[strings.TrimPrefix(ref.Ref, "#/components/parameters/")]; p.In != "path" {
					all[name] = append(all[name], p)
				}
			}
		}
	}
	return all
}

// Headers that are read beside the rows are those of every request. Another one
// belongs into a row, where the document finds it.
func TestHeadersOfOperationsAreReadThroughTheirRows(t *testing.T) {
	ofEvery := []string{"Accept-Encoding", "Access-Control-Request-Method", "Authorization", "Content-Encoding", "Content-Type", "Origin", "Sec-Fetch-Site", "X-Forwarded-For", "X-Request-Id"}
	beside := regexp.MustCompile(`\.Header(?:\.(?:Get|Values)\(|\[)("?[\w-]+"?)`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range beside.FindAllStringSubmatch(string(text), -1) {
			name, literal := strings.CutPrefix(strings.TrimSuffix(match[1], `"`), `"`)
			switch {
			case literal && slices.Contains(ofEvery, name):
				found++
			case !literal && (file == "params.go" || name == "transferEncoding"): // c.declared itself; of a part of a form
			default:
				t.Errorf("%s reads the header %s itself, which belongs into the row of its operation", file, match[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d headers", found)
	}
}

func bodyType(method string) string {
	if method == "PATCH" {
		return "application/merge-patch+json"
	}
	return "application/json"
}

// noWebhooks delivers nothing.
type noWebhooks struct{ api.Webhooks }

func TestNoActionTakesTheVerbOfAnOperation(t *testing.T) {
	later := []string{"prune", "publish", "unpublish", "preview"} // they came later than actions of their names
	reserved := api.ReservedVerbs()
	types, _ := served(t)
	a := api.New(resource.NewDomain(types, nil, nil, nil, resource.Options{}), api.Options{Webhooks: noWebhooks{}})
	for route := range routedOf(a, types) {
		_, verb, _ := strings.Cut(route, ":")
		if verb == "" || slices.Contains(later, verb) || strings.Contains(route, " /v1:") || strings.Contains(route, " /v1/types:") || strings.Contains(route, "/blobs/") || strings.Contains(route, " /auth/") {
			continue
		}
		if x := (&resource.Action{Type: "movies", Name: verb}); !reserved[verb] || x.Check(reserved) == nil {
			t.Errorf("an action may be called %s", verb)
		}
	}
	for _, name := range []string{"batch", "Upper", ""} {
		if x := (&resource.Action{Type: "movies", Name: name}); x.Check(reserved) == nil {
			t.Errorf("an action may be called %q", name)
		}
	}
	for _, name := range append([]string{"approve"}, later...) {
		if x := (&resource.Action{Type: "movies", Name: name}); x.Check(reserved) != nil {
			t.Errorf("no action may be called %s", name)
		}
	}
}

// A type whose name is a word of the server's own paths could not be reached.
func TestNoTypeTakesAWordOfThePaths(t *testing.T) {
	a := api.New(resource.NewDomain(nil, nil, nil, nil, resource.Options{}), api.Options{})
	words := 0
	for _, template := range a.Templates() {
		word, _, _ := strings.Cut(strings.TrimPrefix(template, "/v1/"), "/")
		if !strings.HasPrefix(template, "/v1/") || strings.HasPrefix(word, "{") {
			continue
		}
		words++
		if _, problems := model.ParseType("model.yaml", []byte("name: "+word+"\nschema: {type: object}\n")); len(problems) == 0 {
			t.Errorf("a type may be called %s", word)
		}
	}
	if words < 4 {
		t.Errorf("only %d words", words)
	}
}

func TestTheDocumentListsEveryOperationOfABatch(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct {
					Schema struct {
						Properties struct {
							Operations struct {
								Items struct {
									Properties struct {
										Op struct{ Enum []string }
									}
								}
							}
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal(api.OpenAPI(documented(t), openapi.Options{}), &doc); err != nil {
		t.Fatal(err)
	}
	told := doc.Paths["/v1:batch"]["post"].RequestBody.Content["application/json"].Schema.Properties.Operations.Items.Properties.Op.Enum
	taken := api.BatchOperations()
	slices.Sort(told)
	slices.Sort(taken)
	if len(taken) == 0 || !slices.Equal(told, taken) {
		t.Errorf("the document lists %v, a batch takes %v", told, taken)
	}
}

// An upload is the bytes themselves, or a form with one file: generators of clients
// would send anything else as JSON, and the program would keep that.
func TestTheBodyOfAnUploadIsBytes(t *testing.T) {
	types, _ := served(t)
	a := api.New(resource.NewDomain(types, nil, nil, nil, resource.Options{}), api.Options{})
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Required bool
				Content  map[string]struct {
					Schema struct {
						Type, Format string
						Properties   map[string]struct {
							Type   any // or a list of them
							Format string
						}
						Required []string
					}
				}
			}
		}
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1/openapi.json", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	body := doc.Paths["/v1/blobs"]["post"].RequestBody
	if _, bytes := body.Content["application/octet-stream"]; !bytes || !body.Required {
		t.Errorf("it is %+v", body)
	}
	form := body.Content["multipart/form-data"].Schema
	if file := form.Properties["file"]; form.Type != "object" || len(form.Properties) != 1 || file.Type != "string" || file.Format != "binary" || !slices.Equal(form.Required, []string{"file"}) {
		t.Errorf("the form is %+v", form)
	}
	delete(body.Content, "multipart/form-data")
	for media, content := range body.Content {
		if strings.Contains(media, "json") || content.Schema.Type != "string" || content.Schema.Format != "binary" {
			t.Errorf("%s is %+v", media, content)
		}
	}
}

package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api"
	"github.com/autocrud-go/autocrud/services/api/openapi"
)

// served are types of every sort that has paths of its own, and the program's.
func served(t *testing.T) []*resource.Type {
	t.Helper()
	types := documented(t)
	for _, builtin := range []func() (*resource.Type, error){resource.APIKeyType, resource.BulkType,
		func() (*resource.Type, error) { return resource.WebhookType(func(string) error { return nil }) }} {
		typ, err := builtin()
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, typ)
	}
	return types
}

// What the document describes and what the router answers are the same, method by
// method: a test whose rows are taken from the document misses no route.
func TestTheDocumentDescribesEveryRoute(t *testing.T) {
	types := served(t)
	a := api.New(resource.NewManager(types, nil, nil, nil, resource.Options{}), api.Options{})
	documented := map[string]bool{}
	for _, op := range api.Operations(types) {
		path := op.Path
		if op.Type != nil {
			path = strings.Replace(strings.TrimPrefix(path, "/v1"), "/"+op.Type.Name, "/{type}", 1)
			path = strings.Replace(path, "{digest}", "{n}", 1)
		}
		documented[op.Method+" "+path] = true
	}
	routed := map[string]bool{}
	for shape, methods := range a.RoutesOfTypes() {
		for _, method := range methods {
			routed[method+" "+shape] = true
		}
	}
	for _, pattern := range a.FixedRoutes() {
		if strings.HasPrefix(pattern, "/v1/{type}") || pattern == "/" || pattern == "/docs/*" {
			continue // those of types, the way to the page, and its files
		}
		paths := []string{pattern}
		if pattern == "/v1/queues/{queue}" {
			paths = append(paths, pattern+":pause", pattern+":resume")
		}
		for _, path := range paths {
			r := httptest.NewRequest("PROPFIND", strings.NewReplacer("{queue}", "default", "{type}", "movies").Replace(path), nil)
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			if w.Code != 405 {
				t.Errorf("PROPFIND %s: %d %s", path, w.Code, w.Body)
			}
			for method := range strings.SplitSeq(w.Header().Get("Allow"), ", ") {
				routed[method+" "+path] = true
			}
		}
	}
	for route := range routed {
		if method, _, _ := strings.Cut(route, " "); !documented[route] && method != "HEAD" {
			t.Errorf("%s is answered and not documented", route)
		}
	}
	for route := range documented {
		if !routed[route] {
			t.Errorf("%s is documented and not answered", route)
		}
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

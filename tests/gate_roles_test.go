package tests_test

import (
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// The name of a role that something gives to others is not made free: a later role
// of that name would give its rights to subjects that were not chosen for it.
func TestARoleThatIsGivenKeepsItsName(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, "roles: {none: [{types: [films], actions: [read]}]}\nbindings: []\n").As(adminKey)
	role := func(id, name, more string) {
		admin.Post(t, "/v1/roles?id="+id, `{"name":"`+name+`","rules":[]`+more+`}`).Want(t, 201)
	}
	role("r1", "bound", "")
	admin.Post(t, "/v1/bindings?id=b1", `{"role":"bound","subjects":["key:ann"]}`).Want(t, 201)
	role("r2", "included", "")
	role("r3", "including", `,"includes":["included"]`)
	role("r4", "former", "")
	admin.Put(t, "/v1/roles/r4", `{"name":"renamed","rules":[]}`).Want(t, 200)
	admin.Post(t, "/v1/bindings?id=b4", `{"role":"renamed","subjects":["key:ann"]}`).Want(t, 201)
	for name, ask := range map[string]func(id string) *apitest.Response{
		"DELETE": func(id string) *apitest.Response { return admin.Delete(t, "/v1/roles/"+id) },
		":purge": func(id string) *apitest.Response { return admin.Post(t, "/v1/roles/"+id+":purge", nil) },
		"PUT":    func(id string) *apitest.Response { return admin.Put(t, "/v1/roles/"+id, `{"name":"other","rules":[]}`) },
		"PATCH": func(id string) *apitest.Response {
			return admin.Patch(t, "/v1/roles/"+id, apitest.MergePatch, `{"name":"other"}`)
		},
		"batch": func(id string) *apitest.Response {
			return admin.Post(t, "/v1:batch", `{"operations":[{"op":"delete","type":"roles","id":"`+id+`"}]}`)
		},
	} {
		for _, id := range []string{"r1", "r2"} {
			if r := ask(id); r.Status != 409 || r.Text("/code") != "referenced" && r.Text("/results/0/problem/code") != "referenced" {
				t.Errorf("%s of %s is %d: %s", name, id, r.Status, r.Body)
			}
		}
	}
	admin.Post(t, "/v1/roles/r4:switch", `{"revision":1}`).WantProblem(t, 409, "referenced")
	admin.Patch(t, "/v1/roles/r1", apitest.MergePatch, `{"rules":[{"types":["films"],"actions":["read"]}]}`).Want(t, 200)
	admin.Delete(t, "/v1/bindings/b1").Want(t, 200)
	admin.Delete(t, "/v1/roles/r1").Want(t, 200)
	admin.Delete(t, "/v1/roles/r3").Want(t, 200)
	admin.Post(t, "/v1/roles/r2:purge", nil).Want(t, 204)
}

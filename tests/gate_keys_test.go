package tests_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const keepersPolicy = `
roles:
  reader: [{types: [films], actions: [read, list, watch]}]
  keeper: [{types: [api-keys], actions: [admin]}, {types: [notes], actions: [read]}]
  maker: [{types: [api-keys], actions: [create, read, update, list, delete, restore, switch]}]
  granter: [{types: [roles, bindings], actions: ["*"]}, {types: [films], actions: [read, list, watch]}]
  strong: [{types: ["*"], actions: [admin]}]
  nearly:
    - {types: ["*"], actions: [admin]}
    - {types: [notes], actions: [read, list, watch], effect: deny}
bindings:
  - {role: keeper, subjects: ["key:keeper"]}
  - {role: maker, subjects: ["key:maker"]}
  - {role: granter, subjects: ["key:granter"]}
  - {role: strong, subjects: ["group:admins"]}
  - {role: nearly, subjects: ["key:nearly"]}
  - {role: reader, subjects: ["key:weak"]}
`

// keyDoors are the ways to change a key that is there.
func keyDoors() map[string]func(t *testing.T, c *apitest.Client, id, name string) *apitest.Response {
	batch := func(op string, atomic bool) func(t *testing.T, c *apitest.Client, id, name string) *apitest.Response {
		return func(t *testing.T, c *apitest.Client, id, name string) *apitest.Response {
			r := c.Post(t, "/v1:batch", fmt.Sprintf(`{"atomic":%v,"operations":[{"op":%q,"type":"api-keys","id":%q%s}]}`, atomic, op, id,
				map[string]string{"patch": `,"patch":{"groups":[]}`, "update": `,"data":{"name":"` + name + `"}`, "switch": `,"revision":1`}[op]))
			if r.Status == 200 {
				r.Status = r.Int("/results/0/status")
			}
			return r
		}
	}
	post := func(verb, body string) func(t *testing.T, c *apitest.Client, id, name string) *apitest.Response {
		return func(t *testing.T, c *apitest.Client, id, _ string) *apitest.Response {
			return c.Post(t, "/v1/api-keys/"+id+":"+verb, body)
		}
	}
	return map[string]func(t *testing.T, c *apitest.Client, id, name string) *apitest.Response{
		"patch": func(t *testing.T, c *apitest.Client, id, _ string) *apitest.Response {
			return c.Patch(t, "/v1/api-keys/"+id, apitest.MergePatch, `{"groups":[]}`)
		},
		"json patch": func(t *testing.T, c *apitest.Client, id, _ string) *apitest.Response {
			return c.Patch(t, "/v1/api-keys/"+id, apitest.JSONPatch, `[{"op":"replace","path":"/groups","value":[]}]`)
		},
		"put": func(t *testing.T, c *apitest.Client, id, name string) *apitest.Response {
			return c.Put(t, "/v1/api-keys/"+id, `{"name":"`+name+`"}`)
		},
		"delete": func(t *testing.T, c *apitest.Client, id, _ string) *apitest.Response {
			return c.Delete(t, "/v1/api-keys/"+id)
		},
		"rotate": post("rotate", `{}`), "switch": post("switch", `{"revision":1}`), "purge": post("purge", `{}`),
		"batch patch": batch("patch", true), "batch update": batch("update", true), "batch switch": batch("switch", true), "batch delete": batch("delete", true),
		"batch patch one by one": batch("patch", false), "batch delete one by one": batch("delete", false),
	}
}

// A key that may do more than the one who would change it is not changed, whether
// what it may is in the state before the change or in the one after it.
func TestAStrongerKeyIsNotChangedByAnyDoor(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, keepersPolicy)
	keeper, _ := key(t, admin, "keeper", "")
	nearly, _ := key(t, admin, "nearly", "")
	strong, id := key(t, admin, "strong", "")
	admin.Put(t, "/v1/api-keys/"+id, `{"name":"strong","groups":["admins"]}`).Want(t, 200)
	at := admin.Get(t, "/v1/api-keys/"+id).Int("/meta/seq")
	for who, c := range map[string]*apitest.Client{"keeper": keeper, "nearly": nearly} {
		for name, door := range keyDoors() {
			t.Run(who+" "+name, func(t *testing.T) {
				if r := door(t, c, id, "strong"); r.Status != http.StatusForbidden {
					t.Errorf("%d: %s", r.Status, r.Body)
				}
				if now := admin.Get(t, "/v1/api-keys/"+id).Want(t, 200).Int("/meta/seq"); now != at {
					t.Fatalf("the key was changed")
				}
			})
		}
		t.Run(who+" bulk", func(t *testing.T) {
			r := c.Post(t, "/v1/api-keys:bulk", `{"op":"patch","filter":"name = \"strong\"","patch":{"groups":[]}}`).Want(t, 202)
			ended(t, admin, "/v1/bulk-jobs/"+r.Text("/meta/id"))
			strong.Get(t, "/v1/films").Want(t, 200)
		})
	}
	admin.Delete(t, "/v1/api-keys/"+id).Want(t, 200)
	for who, c := range map[string]*apitest.Client{"keeper": keeper, "nearly": nearly} {
		for _, verb := range []string{"restore", "purge"} {
			if r := c.Post(t, "/v1/api-keys/"+id+":"+verb, nil); r.Status != http.StatusForbidden {
				t.Errorf("%s: %s of what had every right is %d", who, verb, r.Status)
			}
		}
	}
	nearly.Post(t, "/v1/api-keys", `{"name":"free","groups":["admins"]}`).WantProblem(t, 403, "permission_denied")
	nearly.Post(t, "/v1/api-keys", `{"name":"free"}`).WantProblem(t, 403, "permission_denied") // it would not be denied what nearly is
	keeper.Post(t, "/v1/api-keys", `{"name":"small"}`).Want(t, 201)
}

// A role or a binding is written by a principal that has every right in it, before
// and after. What denies is for admins.
func TestNobodyGivesOrTakesRightsThatItHasNot(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, keepersPolicy)
	granter, _ := key(t, admin, "granter", "")
	nearly, _ := key(t, admin, "nearly", "")
	role := func(id, rules string) string {
		return admin.Post(t, "/v1/roles?id="+id, `{"name":"`+id+`","rules":[`+rules+`]}`).Want(t, 201).Text("/meta/id")
	}
	own, above, denying := role("own", `{"types":["films"],"actions":["read"]}`), role("above", `{"types":["films"],"actions":["delete"]}`),
		role("denying", `{"types":["films"],"actions":["read"],"effect":"deny"}`)
	bind := func(role string) string {
		return "/v1/bindings/" + admin.Post(t, "/v1/bindings", `{"role":"`+role+`","subjects":["key:x"]}`).Want(t, 201).Text("/meta/id")
	}
	may := func(r *apitest.Response, want bool) {
		t.Helper()
		if ok := r.Status < 300; ok != want || !ok && r.Status != http.StatusForbidden {
			t.Errorf("%s is %d, allowed is to be %v: %s", r.What, r.Status, want, r.Body)
		}
	}
	for _, x := range []struct {
		role string
		may  bool
	}{{own, true}, {"reader", true}, {above, false}, {"strong", false}, {denying, false}, {"nearly", false}} {
		for who, c := range map[string]*apitest.Client{"granter": granter, "nearly": nearly} {
			want := x.may && who == "granter"
			may(c.Post(t, "/v1/bindings", `{"role":"`+x.role+`","subjects":["key:y"]}`), want)
			path := bind(x.role)
			may(c.Patch(t, path, apitest.MergePatch, `{"subjects":["key:`+who+`"]}`), want)
			may(c.Patch(t, path, apitest.MergePatch, `{"role":"own","subjects":["key:z"]}`), want)
			may(c.Delete(t, bind(x.role)), want)
			may(c.Post(t, bind(x.role)+":purge", nil), want)
		}
	}
	for _, x := range []struct {
		rules string
		may   bool
	}{
		{`{"types":["films"],"actions":["read","list"]}`, true},
		{`{"types":["films"],"actions":["read"],"where":"genre = \"open\""}`, true},
		{`{"types":["films"],"actions":["read"],"fields":{"hide":["budget"]}}`, true},
		{`{"types":["films"],"actions":["update"]}`, false},
		{`{"types":["*"],"actions":["read"]}`, false},
		{`{"types":["film*"],"actions":["read"]}`, false},
		{`{"types":["films"],"actions":["*"]}`, false},
		{`{"types":["api-keys"],"actions":["read"]}`, false},
		{`{"types":["*"],"actions":["admin"]}`, false},
		{`{"types":["films"],"actions":["read"],"effect":"deny"}`, false},
	} {
		may(granter.Post(t, "/v1/roles", fmt.Sprintf(`{"name":"r%d","rules":[%s]}`, len(x.rules), x.rules)), x.may)
		may(granter.Put(t, "/v1/roles/own", `{"name":"own","rules":[`+x.rules+`]}`), x.may)
	}
	may(granter.Put(t, "/v1/roles/above", `{"name":"above","rules":[]}`), false)
	may(granter.Put(t, "/v1/roles/own", `{"name":"own","includes":["strong"]}`), false)
	may(granter.Delete(t, "/v1/roles/denying"), false)
	may(granter.Post(t, "/v1/roles:bulk", `{"op":"delete","filter":""}`), true)
	apitest.Eventually(t, 30e9, "the bulk change is over", func() bool {
		return len(admin.Get(t, "/v1/bulk-jobs?filter="+query(`meta.job.state = "succeeded"`)).Items()) == 1
	})
	admin.Get(t, "/v1/roles/above").Want(t, 200)
	admin.Get(t, "/v1/roles/denying").Want(t, 200)
}

// "key:<name>" is one key for ever: a name that a key had is given to another by
// admins only, and a new secret is made for a key by admins, its maker and itself.
func TestTheNameOfAKeyIsNeverAnothers(t *testing.T) {
	t.Parallel()
	for _, storage := range []string{"memory", "disk"} {
		t.Run(storage, func(t *testing.T) {
			t.Parallel()
			admin := guard(t, autocrud.Settings{Storage: storage}, keepersPolicy)
			maker, _ := key(t, admin, "maker", "")
			keeper, _ := key(t, admin, "keeper", "")
			leaver, left := key(t, admin, "leaver", "")
			note := leaver.Post(t, "/v1/notes", `{"text":"mine"}`).Want(t, 201).Text("/meta/id")
			maker.Post(t, "/v1/api-keys/"+left+":rotate", `{}`).WantProblem(t, 403, "permission_denied")
			keeper.Post(t, "/v1/api-keys/"+left+":rotate", `{}`).WantProblem(t, 403, "permission_denied")
			_, purged := key(t, admin, "purged", "")
			_, renamed := key(t, admin, "renamed", "")
			admin.Delete(t, "/v1/api-keys/"+left).Want(t, 200)
			admin.Post(t, "/v1/api-keys/"+purged+":purge", nil).Want(t, 204)
			admin.Patch(t, "/v1/api-keys/"+renamed, apitest.MergePatch, `{"name":"otherwise"}`).Want(t, 200)
			for _, name := range []string{"leaver", "purged", "renamed", "otherwise"} {
				mine := maker.Post(t, "/v1/api-keys", `{"name":"mine-`+name+`"}`).Want(t, 201).Text("/meta/id")
				for what, r := range map[string]*apitest.Response{
					"post":   maker.Post(t, "/v1/api-keys", `{"name":"`+name+`"}`),
					"put":    maker.Put(t, "/v1/api-keys/"+purged, `{"name":"`+name+`"}`, apitest.Header("If-None-Match", "*")),
					"rename": maker.Patch(t, "/v1/api-keys/"+mine, apitest.MergePatch, `{"name":"`+name+`"}`),
					"batch":  maker.Post(t, "/v1:batch", `{"operations":[{"op":"create","type":"api-keys","id":"b","data":{"name":"`+name+`"}}]}`),
				} {
					if r.Status != http.StatusConflict || r.Text("/code") != "unique_conflict" {
						t.Errorf("%s of %s is %d: %s", what, name, r.Status, r.Body)
					}
				}
				maker.Post(t, "/v1/api-keys/"+mine+":rotate", `{}`).Want(t, 200) // its own
				maker.Patch(t, "/v1/api-keys/"+mine, apitest.MergePatch, `{"name":"again-`+name+`"}`).Want(t, 200)
				maker.Patch(t, "/v1/api-keys/"+mine, apitest.MergePatch, `{"name":"mine-`+name+`"}`).Want(t, 200) // its own name again
			}
			admin.Post(t, "/v1/api-keys/"+left+":restore", nil).Want(t, 200)
			leaver.Get(t, "/v1/notes/"+note).Want(t, 200)
			admin.Delete(t, "/v1/api-keys/"+left).Want(t, 200)
			admin.Post(t, "/v1/api-keys", `{"name":"leaver"}`).Want(t, 201)
		})
	}
}

// What is about the whole store is refused to a principal that a rule denies
// something, whatever else it may: it would show what is denied.
func TestADenyRuleIsAboveAdminForTheWholeStore(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, keepersPolicy)
	nearly, _ := key(t, admin, "nearly", "")
	whole, _ := key(t, admin, "whole", `,"groups":["admins"]`)
	admin.Post(t, "/v1/notes", `{"text":"denied"}`).Want(t, 201)
	nearly.Get(t, "/v1/films").Want(t, 200)
	nearly.Get(t, "/v1/notes").WantProblem(t, 403, "permission_denied")
	for _, x := range []struct{ method, path string }{
		{"GET", "/v1:backup"}, {"POST", "/v1:verify"}, {"POST", "/v1:reindex"}, {"POST", "/v1:gc"}, {"GET", "/v1/audit"}, {"GET", "/metrics"},
	} {
		r := nearly.Do(t, x.method, x.path, nil)
		if r.Status != http.StatusForbidden || strings.Contains(string(r.Body), `"denied"`) {
			t.Errorf("%s is %d: %.300s", r.What, r.Status, r.Body)
		}
		if r := whole.Do(t, x.method, x.path, nil); r.Status == http.StatusForbidden {
			t.Errorf("%s is refused to an admin: %s", r.What, r.Body)
		}
	}
	nearly.Do(t, "POST", "/v1:restore", "x", apitest.Header("Content-Type", "application/octet-stream")).WantProblem(t, 403, "permission_denied")
	nearly.Post(t, "/v1:can", `{"action":"read","type":"notes","principal":"key:whole","groups":["admins"]}`).WantProblem(t, 403, "permission_denied")
	nearly.Post(t, "/v1/bindings", `{"role":"strong","subjects":["key:nearly"]}`).WantProblem(t, 403, "permission_denied")
	nearly.Post(t, "/v1/webhooks", `{"url":"https://example.com/","types":["notes"]}`).WantProblem(t, 403, "permission_denied")
	nearly.Post(t, "/v1/schedules", `{"type":"bulk-jobs","cron":"@yearly","payload":{"op":"delete","type":"notes"}}`).Want(t, 201) // delete is not denied
	nearly.Post(t, "/v1/bulk-jobs", `{"op":"patch","type":"roles","patch":{"rules":[]}}`).Want(t, 201)
}

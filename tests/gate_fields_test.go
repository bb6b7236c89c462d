package tests_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

var papers = map[string]string{"papers": `name: papers
schema:
  type: object
  required: [title]
  properties:
    title: {type: string}
    salary: {type: [integer, "null"]}
    ro: {type: [number, "null"]}
    nest: {type: [object, "null"], properties: {open: {type: string}, hid: {type: integer}, fixed: {type: integer}}}
    lines: {type: array, items: {type: object, properties: {text: {type: string}, hid: {type: integer}, fixed: {type: integer}}}}
    state: {type: string}
index: [title, state]
`}

const papersPolicy = `
roles:
  clerk:
    - types: [papers]
      actions: [create, read, list, update, modify, publish, delete, restore, switch, watch, undo]
      fields: {hide: [salary, nest.hid, lines.hid], readonly: [ro, nest.fixed, lines.fixed]}
bindings:
  - {role: clerk, subjects: ["key:clerk"]}
`

// clerk is a program with papers whose clerk may neither see some fields nor write
// others, and put makes one with the given revisions.
func clerk(t *testing.T) (admin, clerk *apitest.Client, put func(id string, revisions ...string)) {
	t.Helper()
	app := autocrud.New()
	autocrud.Action(app, "papers", "undo", func(ctx context.Context, c autocrud.ActionCall[struct{}]) (struct{}, error) {
		_, err := c.Manager.Switch(ctx, "papers", c.ID, 1, resource.Match{})
		return struct{}{}, err
	}, autocrud.OnResource())
	admin = guardModels(t, app, autocrud.Settings{Storage: "memory"}, papersPolicy, papers)
	clerk, _ = key(t, admin, "clerk", "")
	return admin, clerk, func(id string, revisions ...string) {
		t.Helper()
		admin.Put(t, "/v1/papers/"+id, revisions[0], apitest.Header("If-None-Match", "*")).Want(t, 201)
		for _, r := range revisions[1:] {
			admin.Put(t, "/v1/papers/"+id, r).Want(t, 200)
		}
	}
}

func TestAMoveOfHeadLeavesFieldsAloneThatItsActorMayNotWrite(t *testing.T) {
	admin, as, put := clerk(t)
	for _, x := range []struct{ name, first, second, pointer string }{
		{"a readonly field", `{"title":"a","ro":1}`, `{"title":"a","ro":2}`, "/ro"},
		{"a readonly field that was not there", `{"title":"a"}`, `{"title":"a","ro":2}`, "/ro"},
		{"a hidden field", `{"title":"a","salary":1111111}`, `{"title":"a","salary":2222222}`, "/salary"},
		{"a hidden field that was null", `{"title":"a","salary":null}`, `{"title":"a","salary":2222222}`, "/salary"},
		{"a hidden field inside an object", `{"title":"a","nest":{"hid":1111111}}`, `{"title":"a","nest":{"hid":2222222}}`, "/nest/hid"},
		{"an object with a readonly field", `{"title":"a"}`, `{"title":"a","nest":{"fixed":3}}`, "/nest/fixed"},
		{"a list with a readonly field", `{"title":"a","lines":[{"text":"x","fixed":1},{"text":"y","fixed":2}]}`, `{"title":"a","lines":[{"text":"y","fixed":1},{"text":"x","fixed":2}]}`, "/lines/fixed"},
	} {
		t.Run(x.name, func(t *testing.T) {
			id := strings.NewReplacer(" ", "-").Replace(x.name)
			put(id, x.first, x.second)
			refused := func(how string, r *apitest.Response) {
				t.Helper()
				p := r.WantProblem(t, 403, "permission_denied")
				if strings.Contains(string(r.Body), "1111111") || strings.Contains(string(r.Body), "2222222") {
					t.Errorf("%s tells a hidden value: %s", how, r.Body)
				}
				if len(p.Errors) != 1 || p.Errors[0].Pointer != x.pointer {
					t.Errorf("%s points at %v", how, p.Errors)
				}
			}
			refused(":switch", as.Post(t, "/v1/papers/"+id+":switch", `{"revision":1}`))
			refused("a batch", as.Post(t, "/v1:batch", `{"operations":[{"op":"switch","type":"papers","id":"`+id+`","revision":1}]}`))
			r := as.Post(t, "/v1:batch", `{"atomic":false,"operations":[{"op":"switch","type":"papers","id":"`+id+`","revision":1}]}`).Want(t, 200)
			if r.Int("/results/0/status") != 403 {
				t.Errorf("%s", r.Body)
			}
			admin.Get(t, "/v1/papers/"+id).Equal(t, "/data", x.second).Equal(t, "/meta/current_revision", `"`+id+`:2"`)
		})
	}
	t.Run("the rest of a revision may be brought back", func(t *testing.T) {
		put("same", `{"title":"one","ro":1,"salary":3,"lines":[{"text":"x","hid":1}]}`, `{"title":"two","ro":1.0,"salary":3,"lines":[{"text":"x","hid":1}]}`)
		as.Post(t, "/v1/papers/same:switch", `{"revision":1}`).Want(t, 200).Equal(t, "/data/title", `"one"`)
		as.Post(t, "/v1/papers/same:status", `{"status":"draft"}`).Want(t, 200)
		as.Delete(t, "/v1/papers/same").Want(t, 200)
		as.Post(t, "/v1/papers/same:restore", `{}`).Want(t, 200)
	})
}

func TestARemovalIsAChangeOfAFieldLikeAnyOther(t *testing.T) {
	admin, as, put := clerk(t)
	const doc = `{"title":"a","ro":5,"salary":7,"nest":{"open":"o","hid":1,"fixed":2},"lines":[{"text":"x","fixed":1}]}`
	put("a", doc)
	for _, x := range []struct{ media, patch string }{
		{apitest.MergePatch, `{"ro":null}`},
		{apitest.MergePatch, `{"ro":6}`},
		{apitest.MergePatch, `{"salary":null}`},
		{apitest.MergePatch, `{"nest":{"fixed":null}}`},
		{apitest.MergePatch, `{"nest":{"hid":null}}`},
		{apitest.MergePatch, `{"nest":null}`},
		{apitest.MergePatch, `{"lines":null}`},
		{apitest.JSONPatch, `[{"op":"remove","path":"/ro"}]`},
		{apitest.JSONPatch, `[{"op":"replace","path":"/ro","value":null}]`},
		{apitest.JSONPatch, `[{"op":"move","from":"/ro","path":"/title"}]`},
		{apitest.JSONPatch, `[{"op":"remove","path":"/nest/fixed"}]`},
		{apitest.JSONPatch, `[{"op":"remove","path":"/nest"}]`},
		{apitest.JSONPatch, `[{"op":"remove","path":"/lines/0"}]`},
		{apitest.JSONPatch, `[{"op":"add","path":"/salary","value":1}]`},
	} {
		t.Run(x.patch, func(t *testing.T) {
			as.Patch(t, "/v1/papers/a", x.media, x.patch).WantProblem(t, 403, "permission_denied")
			as.Post(t, "/v1:batch", `{"operations":[{"op":"patch","type":"papers","id":"a","patch":`+x.patch+`}]}`).WantProblem(t, 403, "permission_denied")
		})
	}
	admin.Get(t, "/v1/papers/a").Equal(t, "/data", doc).Equal(t, "/meta/revision_count", "1")
	// What a replace leaves out stays, and what is repeated is no change.
	as.Put(t, "/v1/papers/a", `{"title":"b","lines":[{"text":"x","fixed":1.0}]}`).Want(t, 200)
	admin.Get(t, "/v1/papers/a").Equal(t, "/data", `{"title":"b","ro":5,"salary":7,"nest":{"hid":1,"fixed":2},"lines":[{"text":"x","fixed":1}]}`)
	as.Put(t, "/v1/papers/a", `{"title":"c","ro":5.0,"nest":{"open":"p"},"lines":[{"text":"x","fixed":1}]}`).Want(t, 200)
	as.Patch(t, "/v1/papers/a", apitest.MergePatch, `{"title":"d","nest":{"open":null}}`).Want(t, 200)
	admin.Get(t, "/v1/papers/a").Equal(t, "/data", `{"title":"d","ro":5,"salary":7,"nest":{"hid":1,"fixed":2},"lines":[{"text":"x","fixed":1}]}`)
	as.Put(t, "/v1/papers/a", `{"title":"c","ro":null,"lines":[{"text":"x","fixed":1}]}`).WantProblem(t, 403, "permission_denied")
}

func TestWhetherAHiddenFieldIsThereDoesNotShow(t *testing.T) {
	admin, as, put := clerk(t)
	put("with", `{"title":"a","nest":{"open":"o","hid":1},"salary":4}`)
	put("without", `{"title":"a","nest":{"open":"o"}}`)
	for i, x := range []struct{ method, media, body string }{
		{"PUT", "application/json", `{"title":"a","nest":"text"}`},
		{"PUT", "application/json", `{"title":"a","nest":null}`},
		{"PUT", "application/json", `{"title":"a","nest":[1]}`},
		{"PUT", "application/json", `{"title":"a","salary":null}`},
		{"PUT", "application/json", `{"title":"a","lines":"text"}`},
		{"PUT", "application/json", `{"title":"a","nest":{"hid":1}}`},
		{"PATCH", apitest.MergePatch, `{"nest":null}`},
		{"PATCH", apitest.MergePatch, `{"nest":7}`},
		{"PATCH", apitest.MergePatch, `{"salary":null}`},
		{"PATCH", apitest.MergePatch, `{"nest":{"hid":null}}`},
		{"PATCH", apitest.JSONPatch, `[{"op":"remove","path":"/nest"}]`},
		{"PATCH", apitest.JSONPatch, `[{"op":"remove","path":"/nest/hid"}]`},
		{"PATCH", apitest.JSONPatch, `[{"op":"test","path":"/salary","value":4}]`},
		{"PATCH", apitest.JSONPatch, `[{"op":"move","from":"/nest","path":"/title"}]`},
		{"PUT", "application/json", `{"title":"b"}`}, // last: it is taken
	} {
		answer := func(id string) string {
			r := as.Do(t, x.method, "/v1/papers/"+id, x.body, apitest.Header("Content-Type", x.media))
			return fmt.Sprint(r.Status, r.Value("/code"), r.Value("/detail"), r.Value("/errors"), r.Value("/data"))
		}
		if a, b := answer("with"), answer("without"); a != b {
			t.Errorf("%d %s %s is\n%s with a hidden field and\n%s without it", i, x.method, x.body, a, b)
		}
	}
	admin.Get(t, "/v1/papers/with").Equal(t, "/data", `{"title":"b","nest":{"hid":1},"salary":4}`)
}

func TestABulkChangeAndAnActionPassTheSameGate(t *testing.T) {
	admin, as, put := clerk(t)
	for i := range 3 {
		put(fmt.Sprint("b", i), `{"title":"bulk","ro":5}`)
	}
	job := as.Post(t, "/v1/papers:bulk", `{"op":"patch","filter":"title = \"bulk\"","patch":{"ro":null}}`).Want(t, 202)
	done := ended(t, admin, job.Header.Get("Location"))
	if n := done.Int("/meta/job/result/failed"); n != 3 {
		t.Errorf("%d were refused: %s", n, done.Body)
	}
	admin.Get(t, "/v1/papers/b0").Equal(t, "/data/ro", "5")
	put("undone", `{"title":"a","ro":5}`, `{"title":"a","ro":6}`)
	as.Post(t, "/v1/papers/undone:undo", `{}`).WantProblem(t, 403, "permission_denied")
	admin.Get(t, "/v1/papers/undone").Equal(t, "/data/ro", "6")
}

func TestAHiddenFieldDoesNotShowAsAConcurrencyKey(t *testing.T) {
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, `
roles:
  clerk:
    - {types: [calls, mails], actions: ["*"], fields: {hide: [patient.name]}}
bindings:
  - {role: clerk, subjects: ["key:clerk"]}
`, map[string]string{"calls": `name: calls
schema: {type: object, properties: {patient: {type: object, properties: {name: {type: string}}}, about: {type: string}}}
index: [about]
job: {concurrencyKey: patient.name}
`, "mails": `name: mails
schema: {type: object, properties: {patient: {type: object, properties: {name: {type: string}}}, about: {type: string}}}
index: [about]
job: {concurrencyKey: about}
`})
	as, _ := key(t, admin, "clerk", "")
	const secret = "Zebedee"
	at := "?id=j&run_at=2099-01-01T00:00:00Z"
	admin.Post(t, "/v1/calls"+at, `{"patient":{"name":"`+secret+`"},"about":"call"}`).Want(t, 201).Equal(t, "/meta/job/concurrency_key", `"`+secret+`"`)
	admin.Post(t, "/v1/mails"+at, `{"patient":{"name":"`+secret+`"},"about":"call"}`).Want(t, 201)
	admin.Patch(t, "/v1/calls/j", apitest.MergePatch, `{"about":"again"}`).Want(t, 200)
	for _, path := range []string{"/v1/calls/j", "/v1/calls", "/v1/calls?returns=meta", "/v1/calls?returns=meta,revision", "/v1/calls/j?revision=1", "/v1/calls/j/revisions/1", "/v1/calls/j?returns=meta",
		"/v1/calls/j/history", "/v1/calls/j/revisions", "/v1/calls:watch?from_seq=0", "/v1:watch?from_seq=0", "/v1/calls?fields=about"} {
		if body := string(as.Get(t, path).Want(t, 200).Body); strings.Contains(body, secret) {
			t.Errorf("%s tells it: %s", path, body)
		}
	}
	for _, r := range []*apitest.Response{
		as.Patch(t, "/v1/calls/j", apitest.MergePatch, `{"about":"third"}`), as.Post(t, "/v1/calls:search", `{}`), as.Delete(t, "/v1/calls/j"), as.Post(t, "/v1/calls/j:restore", `{}`),
		as.Post(t, "/v1:batch", batch(`{"op":"patch","type":"calls","id":"j","patch":{"about":"fourth"}}`)), as.Post(t, "/v1/calls/j:cancel", `{}`),
	} {
		if r.Status != 200 || strings.Contains(string(r.Body), secret) {
			t.Errorf("%s tells it: %d %s", r.What, r.Status, r.Body)
		}
	}
	admin.Get(t, "/v1/calls/j").Equal(t, "/meta/job/concurrency_key", `"`+secret+`"`)
	as.Get(t, "/v1/mails/j").Equal(t, "/meta/job/concurrency_key", `"call"`)
}

package tests_test

import (
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const keysPolicy = `
roles:
  keys:
    - {types: [api-keys, webhooks, schedules, bulk-jobs, roles, bindings], actions: ["*"]}
  hookmaker:
    - {types: [webhooks], actions: [create]}
    - {types: [films], actions: [watch, read, list]}
bindings:
  - {role: keys, subjects: ["key:manager"]}
  - {role: hookmaker, subjects: ["key:hookmaker"]}
`

// quietHook is the body of a webhook that is never called.
const quietHook = `{"url":"http://127.0.0.1:9/x","types":["films"],"paused":true}`

func insider(t *testing.T, row autocrud.Settings) *apitest.Client {
	t.Helper()
	row.AllowWebhookNet = []string{"127.0.0.0/8"}
	return guard(t, row, keysPolicy)
}

func TestAMoveOfHeadRevivesNoSecret(t *testing.T) {
	for _, row := range storages(t) {
		if row.Split { // what asks for credentials is one program here
			continue
		}
		t.Run(row.Name, func(t *testing.T) {
			admin := insider(t, row.Settings(t))
			for _, door := range []string{":switch", "batch", "restore", "not atomic"} {
				t.Run(door, func(t *testing.T) {
					old, id := key(t, admin, "k-"+strings.Trim(strings.ReplaceAll(door, " ", ""), ":"), `,"description":"first"`)
					rotated := admin.Post(t, "/v1/api-keys/"+id+":rotate", `{}`).Want(t, 200)
					admin.Patch(t, "/v1/api-keys/"+id, apitest.MergePatch, `{"description":"second"}`).Want(t, 200)
					switch door {
					case ":switch":
						admin.Post(t, "/v1/api-keys/"+id+":switch", `{"revision":1}`).Want(t, 200).Equal(t, "/data/description", `"first"`)
					case "batch":
						admin.Post(t, "/v1:batch", `{"operations":[{"op":"switch","type":"api-keys","id":"`+id+`","revision":1}]}`).Want(t, 200)
					case "not atomic":
						admin.Post(t, "/v1:batch", `{"atomic":false,"operations":[{"op":"switch","type":"api-keys","id":"`+id+`","revision":1}]}`).Want(t, 200)
					case "restore":
						admin.Delete(t, "/v1/api-keys/"+id).Want(t, 200)
						admin.Post(t, "/v1/api-keys/"+id+":restore", `{}`).Want(t, 200)
					}
					old.Get(t, "/v1/types").WantProblem(t, 401, "unauthenticated")
					admin.As(rotated.Text("/secret")).Get(t, "/v1/types").Want(t, 200)
					r := admin.Get(t, "/v1/api-keys/"+id).Want(t, 200)
					if strings.Contains(string(r.Body), "secret") {
						t.Errorf("%s", r.Body)
					}
					// It goes on from there: the parent of what a switch made is the older one.
					admin.Patch(t, "/v1/api-keys/"+id, apitest.MergePatch, `{"description":"third"}`).Want(t, 200)
					admin.As(rotated.Text("/secret")).Get(t, "/v1/types").Want(t, 200)
					admin.Get(t, "/v1/api-keys/"+id+"/revisions").Want(t, 200)
				})
			}
			t.Run("a switch within one secret moves HEAD and writes nothing", func(t *testing.T) {
				same, id := key(t, admin, "same", `,"description":"first"`)
				admin.Patch(t, "/v1/api-keys/"+id, apitest.MergePatch, `{"description":"second"}`).Want(t, 200)
				admin.Post(t, "/v1/api-keys/"+id+":switch", `{"revision":1}`).Want(t, 200).Equal(t, "/meta/current_revision", `"`+id+`:1"`)
				same.Get(t, "/v1/types").Want(t, 200)
			})
			verifyClean(t, admin)
		})
	}
}

// verifyClean has the server compare log, blobs and index.
func verifyClean(t *testing.T, admin *apitest.Client) {
	t.Helper()
	if r := admin.Post(t, "/v1:verify", `{}`).Want(t, 200); r.Int("/verified/findings") != 0 {
		t.Errorf("verify: %s", r.Body)
	}
}

func TestASecretIsNeitherCopiedNorAskedForByAPatch(t *testing.T) {
	admin := insider(t, autocrud.Settings{Storage: "memory"})
	_, id := key(t, admin, "k", "")
	w := admin.Post(t, "/v1/webhooks", quietHook).Want(t, 201).Text("/meta/id")
	for _, path := range []string{"/v1/api-keys/" + id, "/v1/webhooks/" + w} {
		before := admin.Get(t, path).Want(t, 200)
		for _, patch := range []string{
			`[{"op":"copy","from":"/secret/0/key","path":"/description"}]`,
			`[{"op":"move","from":"/secret/0/key","path":"/description"}]`,
			`[{"op":"copy","from":"/secret","path":"/scopes"}]`,
			`[{"op":"test","path":"/secret/0/until","value":null}]`,
			`[{"op":"remove","path":"/secret"}]`,
			`[{"op":"remove","path":"/secret/0"}]`,
			`[{"op":"add","path":"/secret/0","value":{"key":"x"}}]`,
			`[{"op":"add","path":"/secret","value":[{"key":"` + strings.Repeat("0", 64) + `"}]}]`,
		} {
			r := admin.Patch(t, path, apitest.JSONPatch, patch)
			if r.Status != 409 && r.Status != 422 {
				t.Errorf("%s %s is %d: %s", path, patch, r.Status, r.Body)
			}
			typ, rid, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
			if r := admin.Post(t, "/v1:batch", `{"operations":[{"op":"patch","type":"`+typ+`","id":"`+rid+`","patch":`+patch+`}]}`); r.Status != 409 && r.Status != 422 {
				t.Errorf("%s %s in a batch is %d: %s", path, patch, r.Status, r.Body)
			}
		}
		if after := admin.Get(t, path).Want(t, 200); after.ETag() != before.ETag() {
			t.Errorf("%s changed: %s", path, after.Body)
		}
		admin.Patch(t, path, apitest.JSONPatch, `[{"op":"add","path":"/description","value":"still works"}]`).Want(t, 200)
	}
}

func TestARepetitionShowsNoSecretThatItDidNotMake(t *testing.T) {
	admin := insider(t, autocrud.Settings{Storage: "memory"})
	maker, _ := key(t, admin, "hookmaker", "")
	create := func(as *apitest.Client, key string) *apitest.Response {
		return as.Post(t, "/v1/webhooks", quietHook, apitest.Header("Idempotency-Key", key)).Want(t, 201)
	}
	first := create(admin, "one")
	if first.Text("/secret") == "" || create(admin, "one").Text("/secret") != first.Text("/secret") {
		t.Error("a repetition to who may read it shows the secret that it made")
	}
	id := first.Text("/meta/id")
	admin.Patch(t, "/v1/webhooks/"+id, apitest.MergePatch, `{"secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}`).Want(t, 200)
	if s := create(admin, "one").Text("/secret"); s != "" {
		t.Errorf("a repetition shows %q, another set later", s)
	}
	// Who may create and not read sees its own once.
	first = create(maker, "two")
	if first.Text("/secret") == "" {
		t.Error("the maker does not see the secret it made")
	}
	if s := create(maker, "two").Text("/secret"); s != "" {
		t.Errorf("who may not read is shown %q", s)
	}
	admin.Patch(t, "/v1/webhooks/"+first.Text("/meta/id"), apitest.MergePatch, `{"secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}`).Want(t, 200)
	if s := create(maker, "two").Text("/secret"); s != "" {
		t.Errorf("who may not read is shown %q, another set later", s)
	}
	// PUT that creates, and API keys, of which only the hash is kept.
	put := func() *apitest.Response {
		return admin.Put(t, "/v1/webhooks/chosen", quietHook, apitest.Header("Idempotency-Key", "three"), apitest.Header("If-None-Match", "*")).Want(t, 201)
	}
	if put().Text("/secret") == "" {
		t.Error("a PUT that creates shows the secret")
	}
	admin.Patch(t, "/v1/webhooks/chosen", apitest.MergePatch, `{"secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}`).Want(t, 200)
	if s := put().Text("/secret"); s != "" {
		t.Errorf("a repeated PUT shows %q", s)
	}
	ak := func() *apitest.Response {
		return admin.Post(t, "/v1/api-keys", `{"name":"replayed"}`, apitest.Header("Idempotency-Key", "four")).Want(t, 201)
	}
	made := ak()
	if s := ak().Text("/secret"); s != "" {
		t.Errorf("a repetition shows the key %q", s)
	}
	admin.Post(t, "/v1/api-keys/"+made.Text("/meta/id")+":rotate", `{}`).Want(t, 200)
	if s := ak().Text("/secret"); s != "" {
		t.Errorf("a repetition shows the key %q", s)
	}
}

func TestWhatBelongsToTheProgramHasNoDrafts(t *testing.T) {
	admin := insider(t, autocrud.Settings{Storage: "memory"})
	bodies := map[string]string{
		"api-keys": `{"name":"draft"}`, "roles": `{"name":"draft"}`, "bindings": `{"role":"keys","subjects":["user:x"]}`, "webhooks": quietHook,
		"schedules": `{"type":"mails","cron":"@daily"}`, "bulk-jobs": `{"op":"delete","type":"films","filter":"title = \"nothing\""}`,
	}
	for typ, body := range bodies {
		t.Run(typ, func(t *testing.T) {
			admin.Post(t, "/v1/"+typ+"?status=draft", body).WantProblem(t, 422, "validation_failed")
			id := admin.Post(t, "/v1/"+typ, body).Want(t, 201).Text("/meta/id")
			admin.Post(t, "/v1/"+typ+"/"+id+":status", `{"status":"draft"}`).WantProblem(t, 422, "validation_failed")
			admin.Put(t, "/v1/"+typ+"/"+id+"?status=draft", body).WantProblem(t, 422, "validation_failed")
			admin.Get(t, "/v1/"+typ+"/"+id).Want(t, 200).Equal(t, "/meta/status", `"stable"`).Equal(t, "/meta/revision_count", "1")
		})
	}
	if n := admin.Get(t, "/v1/api-keys:count").Int("/count"); n != 1 {
		t.Errorf("%d keys", n)
	}
}

func TestWhoManagesKeysErasesWhatItMayErase(t *testing.T) {
	admin := insider(t, autocrud.Settings{Storage: "memory"})
	manager, _ := key(t, admin, "manager", "")
	for typ, body := range map[string]string{"api-keys": `{"name":"gone"}`, "roles": `{"name":"gone"}`, "bindings": `{"role":"keys","subjects":["user:x"]}`, "webhooks": quietHook,
		"schedules": `{"type":"mails","cron":"@daily"}`, "bulk-jobs": `{"op":"delete","type":"films","filter":"title = \"nothing\""}`} {
		t.Run(typ, func(t *testing.T) {
			id := admin.Post(t, "/v1/"+typ, body).Want(t, 201).Text("/meta/id")
			if r := manager.Post(t, "/v1/"+typ+"/"+id+":purge", `{}`); r.Status != 204 && r.Status != 403 {
				t.Errorf("%s is %d: %s", typ, r.Status, r.Body)
			}
			deleted := admin.Post(t, "/v1/"+typ, strings.Replace(body, "gone", "gone2", 1)).Want(t, 201).Text("/meta/id")
			admin.Delete(t, "/v1/"+typ+"/"+deleted).Want(t, 200)
			if r := manager.Post(t, "/v1/"+typ+"/"+deleted+":purge", `{}`); r.Status != 204 && r.Status != 403 {
				t.Errorf("a deleted one of %s is %d: %s", typ, r.Status, r.Body)
			}
		})
	}
}

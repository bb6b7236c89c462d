package tests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const adminKey = "an-admin-key-of-more-than-32-characters"

var guarded = map[string]string{
	"films": `name: films
schema:
  type: object
  required: [title]
  properties:
    title: {type: string}
    slug: {type: [string, "null"]}
    genre: {type: string}
    budget: {type: integer}
    credits: {type: array, items: {type: object, properties: {name: {type: string}, fee: {type: integer}}}}
    sequel: {type: [string, "null"]}
    poster: {x-binary: {}}
    secret_poster: {x-binary: {}}
index: [title, genre, budget]
fulltext: [title]
unique: [slug]
refs: {sequel: {type: films, onDelete: restrict}}
`,
	"notes": `name: notes
access: owner
schema: {type: object, properties: {text: {type: string}}}
index: [text]
`,
	"mails": `name: mails
schema: {type: object, properties: {to: {type: string}}}
index: [to]
job: {queue: mail}
`,
}

const guardedPolicy = `
roles:
  reader:
    - {types: [films], actions: [read, list, watch]}
  open:
    - types: [films]
      actions: [create, read, list, update, modify, publish, delete, restore, switch, purge, watch]
      where: 'meta.created_by = principal.id OR genre = "open"'
      fields: {hide: [budget, credits.fee, secret_poster], readonly: [slug]}
  quiet:
    includes: [reader]
    rules:
      - {types: [films], actions: [read, list, watch], where: 'genre = "secret"', effect: deny}
  everything:
    - {types: ["*"], actions: ["*"]}
bindings:
  - {role: reader, subjects: ["key:reader"]}
  - {role: open, subjects: ["group:press"]}
  - {role: quiet, subjects: ["key:quiet"]}
  - {role: everything, subjects: ["key:all"]}
`

// guard starts a program that asks for credentials. The client is its admin.
func guard(t testing.TB, row autocrud.Settings, policy string) *apitest.Client {
	t.Helper()
	return guardApp(t, nil, row, policy)
}

// guardApp is guard with Go code of an application.
func guardApp(t testing.TB, app *autocrud.App, row autocrud.Settings, policy string) *apitest.Client {
	t.Helper()
	return guardModels(t, app, row, policy, guarded)
}

// guardModels is guardApp with other models.
func guardModels(t testing.TB, app *autocrud.App, row autocrud.Settings, policy string, models map[string]string) *apitest.Client {
	t.Helper()
	row.Auth, row.AdminKey, row.Models = "required", adminKey, apitest.WriteModels(t, models)
	row.Policies = filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(row.Policies, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	return apitest.Start(t, app, row).As(adminKey)
}

// key makes an API key and a client that uses it.
func key(t testing.TB, admin *apitest.Client, name string, more string) (as *apitest.Client, id string) {
	t.Helper()
	r := admin.Post(t, "/v1/api-keys", `{"name":"`+name+`"`+more+`}`).Want(t, 201)
	return admin.As(r.Text("/secret")), r.Text("/meta/id")
}

func TestNobodyIsAnsweredWithoutACredential(t *testing.T) {
	admin := guard(t, autocrud.Settings{Storage: "memory"}, guardedPolicy)
	nobody := admin.As("")
	for _, path := range []string{"/v1/films", "/v1/films/x/history", "/v1/types", "/metrics", "/v1/queues", "/v1:reindex"} {
		r := nobody.Do(t, "GET", path, nil)
		r.WantProblem(t, 401, "unauthenticated")
		if got := r.Header.Get("WWW-Authenticate"); got != `Bearer realm="autocrud"` { // RFC 6750 section 3.1: no error is told to a client that sent nothing
			t.Errorf("%s: WWW-Authenticate %q", path, got)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/openapi.json", "/asyncapi.json", "/docs"} {
		if r := nobody.Get(t, path); r.Status >= 400 {
			t.Errorf("%s is %d", path, r.Status)
		}
	}
	for _, token := range []string{"x", "ack__", "ack_x_" + strings.Repeat("0", 64), adminKey + "x", "a.b.c"} {
		r := admin.As(token).Get(t, "/v1/films")
		r.WantProblem(t, 401, "unauthenticated")
		if got := r.Header.Get("WWW-Authenticate"); got != `Bearer realm="autocrud", error="invalid_token"` {
			t.Errorf("%q: WWW-Authenticate %q", token, got)
		}
	}
	for _, header := range []string{"Basic eDp5", "Bearer", "Bearer a b"} { // none that could be good or not
		r := nobody.Get(t, "/v1/films", apitest.Header("Authorization", header))
		r.WantProblem(t, 401, "unauthenticated")
		if got := r.Header.Get("WWW-Authenticate"); got != `Bearer realm="autocrud"` {
			t.Errorf("%q: WWW-Authenticate %q", header, got)
		}
	}
	admin.Get(t, "/metrics").Want(t, 200)
	admin.Get(t, "/v1/films").Want(t, 200)
}

func TestAKeyIsShownOnceAndEndsAtOnce(t *testing.T) {
	admin := guard(t, autocrud.Settings{Storage: "memory"}, guardedPolicy)
	reader, id := key(t, admin, "reader", "")
	reader.Get(t, "/v1/films").Want(t, 200)
	r := admin.Get(t, "/v1/api-keys/"+id).Want(t, 200)
	if strings.Contains(string(r.Body), "secret") || strings.Contains(string(admin.Get(t, "/v1/api-keys/"+id+"/revisions/1").Body), "secret") {
		t.Errorf("a key can be read: %s", r.Body)
	}
	admin.Post(t, "/v1/api-keys", `{"name":"reader"}`).WantProblem(t, 409, "unique_conflict")
	admin.Post(t, "/v1/api-keys", `{"name":"mine","secret":"I choose it"}`).WantProblem(t, 422, "validation_failed")
	r = admin.Post(t, "/v1/api-keys/"+id+":rotate", `{"overlap":"1h"}`).Want(t, 200)
	admin.As(r.Text("/secret")).Get(t, "/v1/films").Want(t, 200)
	reader.Get(t, "/v1/films").Want(t, 200)
	r = admin.Post(t, "/v1/api-keys/"+id+":rotate", `{}`).Want(t, 200)
	newest := admin.As(r.Text("/secret"))
	newest.Get(t, "/v1/films").Want(t, 200)
	reader.Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
	admin.Patch(t, "/v1/api-keys/"+id, apitest.MergePatch, `{"description":"of the reader"}`).Want(t, 200)
	newest.Get(t, "/v1/films").Want(t, 200)
	admin.Delete(t, "/v1/api-keys/"+id).Want(t, 200)
	newest.Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
	late, _ := key(t, admin, "late", `,"expires_at":"2020-01-01T00:00:00Z"`)
	late.Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
	some, _ := key(t, admin, "all", `,"scopes":[{"types":["films"],"actions":["list"]}]`)
	some.Get(t, "/v1/films").Want(t, 200)
	some.Post(t, "/v1/films", `{"title":"x"}`).WantProblem(t, 403, "permission_denied")
	some.Get(t, "/v1/mails").WantProblem(t, 403, "permission_denied")
}

func TestRowsThatMayNotBeReadAreNotThere(t *testing.T) {
	admin := guard(t, autocrud.Settings{Storage: "memory"}, guardedPolicy)
	press, _ := key(t, admin, "ann", `,"groups":["press"]`)
	for i := range 30 {
		genre := [2]string{"open", "closed"}[i%2]
		admin.Put(t, fmt.Sprintf("/v1/films/f%02d", i), fmt.Sprintf(`{"title":"Film %d","genre":"%s","budget":%d,"slug":"s%d"}`, i, genre, i, i), apitest.Header("If-None-Match", "*")).Want(t, 201)
	}
	r := press.Get(t, "/v1/films?page_size=10&total=true").Want(t, 200)
	if len(r.Items()) != 10 || r.Int("/total") != 15 {
		t.Errorf("%d rows of %d", len(r.Items()), r.Int("/total"))
	}
	if n := press.Get(t, "/v1/films:count").Want(t, 200).Int("/count"); n != 15 {
		t.Errorf("count is %d", n)
	}
	press.Get(t, "/v1/films:aggregate?group_by=genre").Want(t, 200).Equal(t, "/groups", `[{"key":{"genre":"open"},"count":15}]`)
	if n := len(press.Get(t, "/v1/films?q=film&page_size=100").Items()); n != 15 {
		t.Errorf("full text finds %d", n)
	}
	for _, x := range []struct{ method, path, body string }{
		{"GET", "/v1/films/f01", ""}, {"HEAD", "/v1/films/f01", ""}, {"GET", "/v1/films/f01?revision=1", ""}, {"GET", "/v1/films/f01/history", ""},
		{"GET", "/v1/films/f01/revisions", ""}, {"GET", "/v1/films/f01/revisions/1", ""}, {"GET", "/v1/films/f01:diff?from=1&to=1", ""},
		{"GET", "/v1/films/f01/referrers", ""}, {"GET", "/v1/films/f01/blobs/sha256:" + strings.Repeat("0", 64), ""}, {"GET", "/v1/films/f01:watch", ""},
		{"PUT", "/v1/films/f01", `{"title":"mine"}`}, {"DELETE", "/v1/films/f01", ""}, {"POST", "/v1/films/f01:restore", "{}"},
		{"POST", "/v1/films/f01:switch", `{"revision":1}`}, {"POST", "/v1/films/f01:switch", `{"revision":"x"}`}, {"POST", "/v1/films/f01:status", `{"status":"draft"}`}, {"POST", "/v1/films/f01:purge", "{}"},
	} {
		var body any
		if x.body != "" {
			body = x.body
		}
		if r := press.Do(t, x.method, x.path, body); r.Status != 404 {
			t.Errorf("%s %s is %d: %s", x.method, x.path, r.Status, r.Body)
		}
	}
	press.Patch(t, "/v1/films/f01", apitest.MergePatch, `{"title":"mine"}`).WantProblem(t, 404, "not_found")
	press.Get(t, "/v1/films/f01?as_of="+time.Now().UTC().Format(time.RFC3339Nano)).WantProblem(t, 404, "not_found")
	// A write must be allowed on the state before and after it.
	press.Patch(t, "/v1/films/f00", apitest.MergePatch, `{"genre":"closed"}`).WantProblem(t, 403, "permission_denied")
	mine := press.Post(t, "/v1/films", `{"title":"mine","genre":"closed"}`).Want(t, 201).Text("/meta/id")
	press.Get(t, "/v1/films/"+mine).Want(t, 200)
	admin.Patch(t, "/v1/films/f02", apitest.MergePatch, `{"genre":"closed"}`).Want(t, 200)
	admin.Patch(t, "/v1/films/f02", apitest.MergePatch, `{"genre":"open"}`).Want(t, 200)
	press.Get(t, "/v1/films/f02/revisions/2").WantProblem(t, 404, "unknown_revision")
	press.Get(t, "/v1/films/f02:diff?from=1&to=2").WantProblem(t, 404, "unknown_revision")
	if n := len(press.Get(t, "/v1/films/f02/revisions").Items()); n != 2 {
		t.Errorf("%d revisions are listed", n)
	}
	press.Post(t, "/v1/films/f02:switch", `{"revision":2}`).WantProblem(t, 404, "unknown_revision")
	// Nothing is told of what is in the way, or referred to.
	if p := press.Post(t, "/v1/films", `{"title":"x","sequel":"f01"}`).WantProblem(t, 422, "dangling_reference"); strings.Contains(fmt.Sprint(p), "closed") {
		t.Errorf("%v", p)
	}
	admin.Patch(t, "/v1/films/f01", apitest.MergePatch, `{"sequel":"f00"}`).Want(t, 200)
	// The id of a request is random and may hold these letters too.
	if r := press.Delete(t, "/v1/films/f00"); r.Status != 409 || strings.Contains(strings.ReplaceAll(string(r.Body), r.Header.Get("X-Request-Id"), ""), "f01") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if n := len(press.Get(t, "/v1/films/f00/referrers").Want(t, 200).Items()); n != 0 {
		t.Errorf("%d referrers", n)
	}
	batch := press.Post(t, "/v1:batch", `{"atomic":false,"operations":[{"op":"delete","type":"films","id":"f03"},{"op":"patch","type":"films","id":"f04","patch":{"title":"batch"}}]}`).Want(t, 200)
	if batch.Int("/results/0/status") != 404 || batch.Int("/results/1/status") != 200 {
		t.Errorf("%s", batch.Body)
	}
	quiet, _ := key(t, admin, "quiet", "")
	admin.Put(t, "/v1/films/s", `{"title":"s","genre":"secret"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	quiet.Get(t, "/v1/films/s").WantProblem(t, 404, "not_found")
	quiet.Get(t, "/v1/films/f01").Want(t, 200)
	quiet.Delete(t, "/v1/films/f01").WantProblem(t, 403, "permission_denied")
}

func TestFieldsThatAreHiddenAreNowhere(t *testing.T) {
	admin := guard(t, autocrud.Settings{Storage: "memory"}, guardedPolicy)
	press, _ := key(t, admin, "ann", `,"groups":["press"]`)
	blob := admin.Post(t, "/v1/blobs", "hidden picture", apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
	open := admin.Post(t, "/v1/blobs", "open picture", apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
	admin.Put(t, "/v1/films/a", `{"title":"A","genre":"open","budget":777777777,"slug":"a","credits":[{"name":"Ann","fee":888888888}],"secret_poster":{"digest":"`+blob+`"},"poster":{"digest":"`+open+`"}}`,
		apitest.Header("If-None-Match", "*")).Want(t, 201)
	admin.Patch(t, "/v1/films/a", apitest.MergePatch, `{"budget":999999999}`).Want(t, 200)
	full := admin.Get(t, "/v1/films/a").Text("/revision/hash")
	for _, path := range []string{"/v1/films/a", "/v1/films", "/v1/films?returns=data,meta,revision", "/v1/films?returns=meta,revision", "/v1/films/a?revision=1", "/v1/films/a/revisions", "/v1/films/a/revisions/1",
		"/v1/films/a/revisions/1?raw=true", "/v1/films/a:diff?from=1&to=2", "/v1/films/a/history", "/v1/films:watch?from_seq=0", "/v1/films/a?fields=budget"} {
		body := string(press.Get(t, path).Want(t, 200).Body)
		for _, word := range []string{"777777777", "888888888", "999999999", "budget", "fee", blob, full} {
			if strings.Contains(body, word) && !strings.Contains(path, "history") {
				t.Errorf("%s tells %s: %s", path, word, body)
			}
		}
	}
	for _, query := range []string{"filter=budget%3D777777777", "order_by=budget", "filter=isNull(budget)"} {
		if p := press.Get(t, "/v1/films?"+query).WantProblem(t, 400, "invalid_filter"); strings.Contains(p.Detail, "indexed fields: budget") {
			t.Error(p.Detail)
		}
	}
	press.Get(t, "/v1/films:aggregate?sum=budget").WantProblem(t, 400, "invalid_filter")
	press.Get(t, "/v1/films:aggregate?group_by=budget").WantProblem(t, 400, "invalid_filter")
	press.Get(t, "/v1/films:watch?filter=budget%3D777777777").WantProblem(t, 400, "invalid_filter")
	press.Get(t, "/v1/films/a/blobs/"+blob).WantProblem(t, 404, "not_found")
	press.Get(t, "/v1/films/a/blobs/"+open).Want(t, 200)
	// What is hidden stays as it is; what is only read cannot be changed.
	press.Put(t, "/v1/films/a", `{"title":"B","genre":"open","slug":"a","credits":[{"name":"Ann"}]}`).Want(t, 200)
	admin.Get(t, "/v1/films/a").Equal(t, "/data/budget", "999999999").Equal(t, "/data/credits", `[{"name":"Ann","fee":888888888}]`)
	press.Put(t, "/v1/films/a", `{"title":"B","genre":"open"}`).WantProblem(t, 403, "permission_denied") // the list with hidden parts is not its to remove
	press.Patch(t, "/v1/films/a", apitest.MergePatch, `{"slug":"b"}`).WantProblem(t, 403, "permission_denied")
	press.Patch(t, "/v1/films/a", apitest.MergePatch, `{"budget":1}`).WantProblem(t, 403, "permission_denied")
	if r := press.Patch(t, "/v1/films/a", apitest.JSONPatch, `[{"op":"test","path":"/budget","value":999999999}]`); r.Status != 409 && r.Status != 422 {
		t.Errorf("a test of what is hidden is %d", r.Status)
	}
	if r := press.Patch(t, "/v1/films/a", apitest.JSONPatch, `[{"op":"copy","from":"/budget","path":"/title"}]`); r.Status < 400 {
		t.Errorf("what is hidden can be copied: %s", r.Body)
	}
	press.Post(t, "/v1/films", `{"title":"x","budget":1}`).WantProblem(t, 403, "permission_denied")
	press.Post(t, "/v1/films", `{"title":"x","slug":"x"}`).WantProblem(t, 403, "permission_denied")
}

func TestOwnersSeeTheirOwn(t *testing.T) {
	admin := guard(t, autocrud.Settings{Storage: "memory"}, guardedPolicy)
	ann, _ := key(t, admin, "ann", "")
	bob, _ := key(t, admin, "bob", "")
	id := ann.Post(t, "/v1/notes", `{"text":"mine"}`).Want(t, 201).Text("/meta/id")
	ann.Get(t, "/v1/notes/"+id).Want(t, 200)
	bob.Get(t, "/v1/notes/"+id).WantProblem(t, 404, "not_found")
	bob.Put(t, "/v1/notes/"+id, `{"text":"his"}`).WantProblem(t, 404, "not_found")
	if n := len(bob.Get(t, "/v1/notes").Want(t, 200).Items()); n != 0 {
		t.Errorf("%d notes", n)
	}
	bob.Get(t, "/v1/films").WantProblem(t, 403, "permission_denied")
	bob.Get(t, "/v1/types").Want(t, 200).Equal(t, "/items/0/name", `"notes"`)
	ann.Post(t, "/v1:can", `{"action":"delete","type":"notes","id":"`+id+`"}`).Want(t, 200).Equal(t, "/allowed", "true").Equal(t, "/rule", `"model notes, rule 1"`)
	bob.Post(t, "/v1:can", `{"action":"delete","type":"notes","id":"`+id+`"}`).Want(t, 200).Equal(t, "/allowed", "false")
	bob.Post(t, "/v1:can", `{"action":"read","type":"notes","principal":"key:ann"}`).WantProblem(t, 403, "permission_denied")
	admin.Post(t, "/v1:can", `{"action":"read","type":"films","principal":"key:bob"}`).Want(t, 200).Equal(t, "/allowed", "false").Equal(t, "/why", `"no rule allows read on films"`)
}

func TestOnlyAdminsReachWhatIsTheProgramsOwn(t *testing.T) {
	admin := guard(t, autocrud.Settings{Storage: "memory"}, guardedPolicy)
	all, _ := key(t, admin, "all", "")
	all.Post(t, "/v1/films", `{"title":"x"}`).Want(t, 201)
	for _, path := range []string{"/v1/api-keys", "/v1/roles", "/v1/bindings", "/v1/webhooks", "/v1/schedules", "/v1/bulk-jobs", "/v1/queue-settings", "/v1/queues", "/v1/api-keys:watch", "/v1:reindex"} {
		all.Get(t, path).WantProblem(t, 403, "permission_denied")
		if !strings.HasSuffix(path, "watch") {
			admin.Get(t, path).Want(t, 200)
		}
	}
	for _, path := range []string{"/v1:verify", "/v1:gc", "/v1:reindex"} {
		all.Post(t, path, nil).WantProblem(t, 403, "permission_denied")
	}
	all.Post(t, "/v1/api-keys", `{"name":"more"}`).WantProblem(t, 403, "permission_denied")
	admin.Post(t, "/v1/roles", `{"name":"a","includes":["b"]}`).WantProblem(t, 422, "validation_failed")
	admin.Put(t, "/v1/roles/a", `{"name":"a"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	admin.Put(t, "/v1/roles/b", `{"name":"b","includes":["a"]}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	admin.Put(t, "/v1/roles/a", `{"name":"a","includes":["b"]}`).WantProblem(t, 422, "validation_failed")
	admin.Post(t, "/v1/roles", `{"name":"c","rules":[{"types":["films"],"actions":["read"],"where":"principal.nothing = title"}]}`).WantProblem(t, 422, "validation_failed")
}

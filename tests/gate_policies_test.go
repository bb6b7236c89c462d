package tests_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// wrongPolicies are lines that can never work, each in place of a right one, with what
// is said about it.
var wrongPolicies = map[string]struct{ was, is, says string }{
	"action":      {"actions: [read, list]", "actions: [reed, list]", `:3: role reader: "reed" is no action; did you mean "read"?`},
	"type":        {"types: [films]", "types: [filsm]", `:3: role reader: "filsm" is no type; did you mean "films"?`},
	"field":       {"hide: [budget]", "hide: [gebudt]", `:4: role reader: no type of the rule has a field "gebudt"`},
	"where":       {"genre = ", "gnere = ", `:4: role reader: for films:`},
	"includes":    {"includes: [reader]", "includes: [raeder]", `:6: role writer includes "raeder", which is no role; did you mean "reader"?`},
	"role":        {"role: writer", "role: wrietr", `:10: "wrietr" is no role; did you mean "writer"?`},
	"subject":     {"key:ann", "kye:ann", `:10: a subject is public, or user:, group:, key: or schedule: and a name, not "kye:ann"`},
	"schedule":    {"schedule:nightly", "schedule:nightl", `:10: "schedule:nightl": "nightl" is no type with a job.schedule; did you mean "nightly"?`},
	"member":      {"effect: deny", "efect: deny", `:8: "efect" is nothing that a policy has; did you mean "effect"?`},
	"effect":      {"effect: deny", "effect: refuse", `:8: role writer: is allow or deny`},
	"top":         {"bindings:", "bindigns:", `:9: "bindigns" is nothing that a policy has; did you mean "bindings"?`},
	"custom":      {"update, stamp", "update, stmap", `:8: role writer: "stmap" is no action; did you mean "stamp"?`},
	"not of type": {"types: [films], actions: [read, list]", "types: [notes], actions: [stamp]", `:3: role reader: "stamp" is no action`},
}

const rightPolicy = `roles:
  reader:
    - {types: [films], actions: [read, list]}
    - {types: [films], actions: [watch], where: 'genre = "open"', fields: {hide: [budget]}}
  writer:
    includes: [reader]
    rules:
      - {types: [films], actions: [update, stamp], effect: deny}
bindings:
  - {role: writer, subjects: ["key:ann", "schedule:nightly"]}
`

func policyModels() map[string]string {
	models := maps.Clone(guarded)
	models["nightly"] = "name: nightly\nschema: {type: object}\njob: {schedule: [\"* * * * * *\"], maxAttempts: 1}\n"
	return models
}

// What is misspelt in a policy file is told with its line, by the check and by the
// start, and nothing starts.
func TestAPolicyThatCannotWorkIsToldWithItsLine(t *testing.T) {
	t.Parallel()
	app := autocrud.New()
	autocrud.Action(app, "films", "stamp", func(context.Context, autocrud.ActionCall[struct{}]) (struct{}, error) { return struct{}{}, nil }, autocrud.OnResource())
	models := apitest.WriteModels(t, policyModels())
	file := filepath.Join(t.TempDir(), "policy.yaml")
	start := func(text string) error {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := app.Start(t.Context(), autocrud.Settings{Addr: "127.0.0.1:0", LogLevel: "error", Storage: "memory", Auth: "required", AdminKey: adminKey, Models: models, Policies: file})
		if err == nil {
			err = r.Stop()
		}
		return err
	}
	if err := start(rightPolicy); err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer(", stamp", "").Replace(rightPolicy) // of a program without actions
	for name, x := range wrongPolicies {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(rightPolicy, x.was) {
				t.Fatalf("%q is not in the policy", x.was)
			}
			if err := start(strings.Replace(rightPolicy, x.was, x.is, 1)); err == nil || !strings.Contains(err.Error(), file+x.says) {
				t.Errorf("the start says %v, want %s", err, x.says)
			}
			if name == "custom" || name == "not of type" {
				return
			}
			if err := os.WriteFile(file, []byte(strings.Replace(plain, x.was, x.is, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			got := apitest.Run(t, "", "policies", "check", "--models", models, file)
			if got.Code != 2 || !strings.Contains(got.Stderr, x.says) {
				t.Errorf("the check exits %d: %s", got.Code, got.Stderr)
			}
		})
	}
	if err := os.WriteFile(file, []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := apitest.Run(t, "", "policies", "check", "--models", models, file); got.Code != 0 || !strings.Contains(got.Stdout, "ok (2 roles, 1 bindings)") {
		t.Errorf("%d %s %s", got.Code, got.Stdout, got.Stderr)
	}
	if got := apitest.Run(t, "", "policies", "check", "--models", models, file+"x"); got.Code != 2 {
		t.Errorf("a file that is not there: %d %s", got.Code, got.Stderr)
	}
}

// Roles and bindings that are resources are checked as those of a file are.
func TestARoleThatCannotWorkIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, "roles: {}\n", policyModels())
	admin.Post(t, "/v1/roles?id=reader", `{"name":"reader","rules":[{"types":["films"],"actions":["read"]}]}`).Want(t, 201)
	for body, want := range map[string]string{
		`{"name":"x","rules":[{"types":["films"],"actions":["reed"]}]}`:                                  `/rules/0/actions/0 "reed" is no action; did you mean "read"?`,
		`{"name":"x","rules":[{"types":["film"],"actions":["read"]}]}`:                                   `/rules/0/types/0 "film" is no type; did you mean "films"?`,
		`{"name":"x","rules":[{"types":["films"],"actions":["read"],"fields":{"readonly":["bugdet"]}}]}`: `/rules/0/fields/readonly/0 no type of the rule has a field "bugdet"; did you mean "budget"?`,
		`{"name":"x","includes":["raeder"]}`:                                                             `/includes/0 "raeder" is no role; did you mean "reader"?`,
		`{"name":"x","rules":[{"types":["films"],"actions":["read","publihs"]}]}`:                        `/rules/0/actions/1 "publihs" is no action; did you mean "publish"?`,
	} {
		p := admin.Post(t, "/v1/roles", body).WantProblem(t, 422, "validation_failed")
		if got := p.Errors[0].Pointer + " " + p.Errors[0].Detail; got != want {
			t.Errorf("%s says %s", body, got)
		}
	}
	p := admin.Post(t, "/v1/bindings", `{"role":"raeder","subjects":["key:x","schedule:mails"]}`).WantProblem(t, 422, "validation_failed")
	if got := fmt.Sprint(p.Errors); !strings.Contains(got, `did you mean "reader"?`) || !strings.Contains(got, `no type with a job.schedule`) {
		t.Error(got)
	}
}

type night struct {
	About string `json:"about,omitempty"`
}

// The schedule of a model is a subject: with a binding it may do what its roles say.
func TestTheScheduleOfAModelRunsUnderItsRoles(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]string{
		"every right": "roles: {}\n",
		"limited":     "roles:\n  night: [{types: [nightly], actions: [create, read]}, {types: [films], actions: [list]}]\nbindings:\n  - {role: night, subjects: [\"schedule:nightly\"]}\n",
		"nothing":     "roles:\n  night: [{types: [films], actions: [list]}]\nbindings:\n  - {role: night, subjects: [\"schedule:nightly\"]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := autocrud.New()
			type tried struct{ list, create error }
			ran := make(chan tried, 100)
			autocrud.Register[night](app, "nightly", model.WithJob(model.JobSpec{Schedule: []string{"* * * * * *"}, MaxAttempts: 1}))
			autocrud.HandleJob(app, "nightly", func(ctx context.Context, j *job.Job[night]) error {
				x := tried{}
				_, x.list = j.Manager.List(ctx, "films", resource.ListOptions{})
				_, x.create = j.Manager.Create(ctx, "films", map[string]any{"title": "x"}, resource.CreateOptions{})
				if who := policy.ActorOf(ctx).Principal; who != "schedule:nightly" {
					t.Errorf("it acts as %s", who)
				}
				ran <- x
				return nil
			})
			admin := guardApp(t, app, autocrud.Settings{Storage: "memory"}, rules)
			if name == "nothing" { // it may not even make its jobs
				begun := time.Now()
				apitest.Eventually(t, 20*time.Second, "some of its times pass", func() bool { return time.Since(begun) > 2500*time.Millisecond })
				if n := admin.Get(t, "/v1/nightly:count").Int("/count"); n != 0 {
					t.Errorf("%d jobs", n)
				}
				return
			}
			select {
			case x := <-ran:
				if x.list != nil || (x.create == nil) != (name == "every right") {
					t.Errorf("%+v", x)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("no job ran")
			}
		})
	}
}

// Whether something may be done is answered as the write answers: with its
// references, the fields it may not write, what follows a delete, and the rights in
// a key or a schedule.
func TestCanAnswersAsTheWriteDoes(t *testing.T) {
	t.Parallel()
	models := maps.Clone(folderModels)
	models["films"] = guarded["films"]
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, `
roles:
  clerk:
    - {types: [items], actions: [create, read, update]}
    - {types: [folders], actions: [read, delete, purge], where: 'name = "known"'}
    - {types: [films], actions: [create, read, update], where: 'genre = "open"', fields: {readonly: [slug], hide: [budget]}}
    - {types: [api-keys, schedules], actions: ["*"]}
bindings:
  - {role: clerk, subjects: ["key:clerk"]}
`, models)
	clerk, _ := key(t, admin, "clerk", "")
	_, strong := key(t, admin, "strong", `,"groups":["admins"]`)
	put := func(path, body string) {
		admin.Put(t, path, body, apitest.Header("If-None-Match", "*")).Want(t, 201)
	}
	put("/v1/folders/known", `{"name":"known"}`)
	put("/v1/folders/empty", `{"name":"known"}`)
	put("/v1/folders/secret", `{"name":"secret"}`)
	put("/v1/items/i", `{"folder":"known"}`)
	put("/v1/films/open", `{"title":"O","genre":"open","slug":"a"}`)
	post := func(path, body string) func() *apitest.Response {
		return func() *apitest.Response { return clerk.Post(t, path, body) }
	}
	for _, x := range []struct {
		ask   string
		may   bool
		write func() *apitest.Response
	}{
		{`{"action":"create","type":"items","data":{"folder":"known"}}`, true, post("/v1/items", `{"folder":"known"}`)},
		{`{"action":"create","type":"items","data":{"folder":"secret"}}`, false, post("/v1/items", `{"folder":"secret"}`)},
		{`{"action":"create","type":"items","data":{"folder":"nowhere"}}`, false, post("/v1/items", `{"folder":"nowhere"}`)},
		{`{"action":"update","type":"items","id":"i","data":{"folder":"secret"}}`, false, func() *apitest.Response { return clerk.Put(t, "/v1/items/i", `{"folder":"secret"}`) }},
		{`{"action":"create","type":"films","data":{"title":"x","genre":"open"}}`, true, post("/v1/films", `{"title":"x","genre":"open"}`)},
		{`{"action":"create","type":"items","id":"new","data":{"folder":"known"}}`, true, func() *apitest.Response { return clerk.Post(t, "/v1/items?id=new", `{"folder":"known"}`) }},
		{`{"action":"create","type":"films","id":"new","data":{"title":"x","genre":"open"}}`, true, func() *apitest.Response { return clerk.Post(t, "/v1/films?id=new", `{"title":"x","genre":"open"}`) }},
		{`{"action":"create","type":"films","id":"newer","data":{"title":"x","genre":"closed"}}`, false, func() *apitest.Response {
			return clerk.Post(t, "/v1/films?id=newer", `{"title":"x","genre":"closed"}`)
		}},
		{`{"action":"create","type":"films","data":{"title":"x","genre":"closed"}}`, false, post("/v1/films", `{"title":"x","genre":"closed"}`)},
		{`{"action":"create","type":"films","data":{"title":"x","genre":"open","slug":"b"}}`, false, post("/v1/films", `{"title":"x","genre":"open","slug":"b"}`)},
		{`{"action":"create","type":"films","data":{"title":"x","genre":"open","budget":1}}`, false, post("/v1/films", `{"title":"x","genre":"open","budget":1}`)},
		{`{"action":"update","type":"films","id":"open","data":{"title":"x","genre":"closed"}}`, false, func() *apitest.Response { return clerk.Put(t, "/v1/films/open", `{"title":"x","genre":"closed"}`) }},
		{`{"action":"update","type":"films","id":"open"}`, true, func() *apitest.Response { return clerk.Patch(t, "/v1/films/open", apitest.MergePatch, `{"title":"x"}`) }},
		{`{"action":"delete","type":"folders","id":"known"}`, false, func() *apitest.Response { return clerk.Delete(t, "/v1/folders/known") }},
		{`{"action":"purge","type":"folders","id":"known"}`, false, post("/v1/folders/known:purge", `{}`)},
		{`{"action":"delete","type":"folders","id":"secret"}`, false, func() *apitest.Response { return clerk.Delete(t, "/v1/folders/secret") }},
		{`{"action":"delete","type":"folders","id":"empty"}`, true, func() *apitest.Response { return clerk.Delete(t, "/v1/folders/empty") }},
		{`{"action":"update","type":"api-keys","id":"` + strong + `"}`, false, func() *apitest.Response {
			return clerk.Patch(t, "/v1/api-keys/"+strong, apitest.MergePatch, `{"description":"x"}`)
		}},
		{`{"action":"create","type":"api-keys","data":{"name":"y","groups":["admins"]}}`, false, post("/v1/api-keys", `{"name":"y","groups":["admins"]}`)},
		{`{"action":"create","type":"schedules","data":{"type":"bulk-jobs","cron":"@yearly","payload":{"op":"delete","type":"items"}}}`, false,
			post("/v1/schedules", `{"type":"bulk-jobs","cron":"@yearly","payload":{"op":"delete","type":"items"}}`)},
	} {
		before := admin.Get(t, "/v1/audit?consistency=strong&outcome=ok&page_size=1000").Want(t, 200).Items()
		r := clerk.Post(t, "/v1:can", x.ask).Want(t, 200)
		if got := r.Value("/allowed") == true; got != x.may || !got && r.Text("/why") == "" {
			t.Errorf("%s: %s", x.ask, r.Body)
		}
		if after := admin.Get(t, "/v1/audit?consistency=strong&outcome=ok&page_size=1000").Want(t, 200).Items(); len(after) != len(before) {
			t.Errorf("%s: the question wrote something", x.ask)
		}
		if w := x.write(); (w.Status < 300) != x.may {
			t.Errorf("%s: the write is %d: %s", x.ask, w.Status, w.Body)
		}
	}
	// Of an id that is taken by what may not be read, a question tells nothing.
	put("/v1/films/hidden", `{"title":"H","genre":"closed"}`)
	for _, genre := range []string{"open", "closed"} {
		ask := `{"action":"create","type":"films","id":"%s","data":{"title":"x","genre":"` + genre + `"}}`
		taken, free := clerk.Post(t, "/v1:can", fmt.Sprintf(ask, "hidden")).Want(t, 200), clerk.Post(t, "/v1:can", fmt.Sprintf(ask, "free")).Want(t, 200)
		if string(taken.Body) != string(free.Body) {
			t.Errorf("%s: %s and %s", genre, taken.Body, free.Body)
		}
	}
}

// A command that has no credential, or a wrong one, says how to give it one.
func TestACommandWithoutACredentialSaysHowToGiveOne(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, "roles: {}\n")
	for _, args := range [][]string{{"verify"}, {"gc"}, {"reindex"}, {"export", "films", "-"}, {"verify", "--token", "ack_wrong"}} {
		if got := apitest.Run(t, "", append(args, "--url", admin.URL)...); got.Code == 0 || !strings.Contains(got.Stderr, "--token") {
			t.Errorf("%v exits %d: %s", args, got.Code, got.Stderr)
		}
	}
}

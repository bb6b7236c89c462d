package tests_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const makersPolicy = `
roles:
  reader: [{types: [films], actions: [read, list, watch]}]
  makers:
    - {types: [api-keys, webhooks, schedules, bulk-jobs], actions: [create, read, update, list, delete]}
    - {types: [films], actions: [read, list, watch]}
  strong: [{types: ["*"], actions: [admin]}]
  keys: [{types: [api-keys], actions: [admin]}]
bindings:
  - {role: makers, subjects: ["key:maker"]}
  - {role: keys, subjects: ["key:keeper"]}
  - {role: strong, subjects: ["key:strong", "group:admins"]}
  - {role: reader, subjects: ["key:weak"]}
`

// A caller that may make keys, schedules, webhooks or bulk changes gets no right by them
// that it has not.
func TestNothingThatActsLaterGivesRights(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, makersPolicy)
	maker, _ := key(t, admin, "maker", "")
	keeper, _ := key(t, admin, "keeper", "")
	_, strong := key(t, admin, "strong", "")
	for who, c := range map[string]*apitest.Client{"maker": maker, "keeper": keeper} {
		refused := func(r *apitest.Response) {
			t.Helper()
			if r.Status != http.StatusForbidden {
				t.Errorf("%s: %s is %d: %s", who, r.What, r.Status, r.Body)
			}
		}
		refused(c.Post(t, "/v1/api-keys", `{"name":"mine","groups":["admins"]}`))
		refused(c.Post(t, "/v1/api-keys/"+strong+":rotate", `{}`))
		refused(c.Patch(t, "/v1/api-keys/"+strong, apitest.MergePatch, `{"expires_at":null,"description":"x"}`))
	}
	admin.Delete(t, "/v1/api-keys/"+strong).Want(t, 200)
	if r := keeper.Post(t, "/v1/api-keys", `{"name":"other-strong"}`); r.Status != 201 { // without any role
		t.Errorf("%d: %s", r.Status, r.Body)
	}
	if r := keeper.Post(t, "/v1/api-keys/"+strong+":restore", `{}`); r.Status != http.StatusForbidden {
		t.Errorf("a key that had every right is brought back: %d", r.Status)
	}
	maker.Post(t, "/v1/schedules", `{"type":"mails","cron":"@daily","payload":{"to":"x"}}`).WantProblem(t, 403, "permission_denied")
	maker.Post(t, "/v1/webhooks", `{"url":"https://example.com/","types":["mails"]}`).WantProblem(t, 403, "permission_denied")
	maker.Post(t, "/v1/webhooks", `{"url":"https://example.com/"}`).WantProblem(t, 403, "permission_denied")
	maker.Post(t, "/v1/films:bulk", `{"op":"delete","filter":"genre = \"x\""}`).WantProblem(t, 403, "permission_denied")
	maker.Post(t, "/v1/bulk-jobs", `{"op":"delete","type":"films","filter":"genre = \"x\""}`).WantProblem(t, 403, "permission_denied")
	scoped, _ := key(t, admin, "weak", `,"scopes":[{"types":["films"],"actions":["list"]}]`)
	scoped.Get(t, "/v1/films").Want(t, 200)
	scoped.Get(t, "/v1/films/x").WantProblem(t, 403, "permission_denied")
}

// A write must be allowed on the state before, too: no caller makes a resource its own
// by the write that it is not allowed.
func TestAWriteMustBeAllowedOnWhatIsThere(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, `
roles:
  open:
    - {types: [films], actions: [read, list]}
    - {types: [films], actions: [update, modify, publish, switch, delete, restore, purge], where: 'genre = "open"'}
bindings: [{role: open, subjects: ["key:ann"]}]
`)
	ann, _ := key(t, admin, "ann", "")
	admin.Put(t, "/v1/films/a", `{"title":"A","genre":"open"}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	ann.Patch(t, "/v1/films/a", apitest.MergePatch, `{"title":"B"}`).Want(t, 200)
	admin.Patch(t, "/v1/films/a", apitest.MergePatch, `{"genre":"closed"}`).Want(t, 200)
	ann.Get(t, "/v1/films/a").Want(t, 200)
	for _, body := range []string{`{"genre":"open"}`, `{"title":"C"}`} {
		ann.Patch(t, "/v1/films/a", apitest.MergePatch, body).WantProblem(t, 403, "permission_denied")
		ann.Post(t, "/v1:batch", `{"operations":[{"op":"patch","type":"films","id":"a","patch":`+body+`}]}`).WantProblem(t, 403, "permission_denied")
	}
	ann.Put(t, "/v1/films/a", `{"title":"C","genre":"open"}`).WantProblem(t, 403, "permission_denied")
	ann.Post(t, "/v1/films/a:switch", `{"revision":1}`).WantProblem(t, 403, "permission_denied")
	ann.Delete(t, "/v1/films/a").WantProblem(t, 403, "permission_denied")
	ann.Post(t, "/v1/films/a:purge", `{}`).WantProblem(t, 403, "permission_denied")
	admin.Get(t, "/v1/films/a").Equal(t, "/data/title", `"B"`).Equal(t, "/meta/revision_count", "3")
}

// When a key was used last is known, also after a restart.
func TestAKeyTellsWhenItWasUsedLast(t *testing.T) {
	t.Parallel()
	row := autocrud.Settings{DataDir: t.TempDir(), Storage: "disk"}
	row.Auth, row.AdminKey, row.Models = "required", adminKey, apitest.WriteModels(t, guarded)
	run := func(fn func(admin *apitest.Client)) {
		s := row
		s.Addr, s.LogLevel = "127.0.0.1:0", "error"
		r, err := autocrud.New().Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		fn(apitest.NewClient(t, r.URL).As(adminKey))
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}
	id, at := "", ""
	run(func(admin *apitest.Client) {
		ann, key := key(t, admin, "ann", "")
		if id = key; admin.Get(t, "/v1/api-keys/"+id).Value("/last_used_at") != nil {
			t.Error("a key was used that was not")
		}
		ann.Get(t, "/v1/films").WantProblem(t, 403, "permission_denied")
		if at = admin.Get(t, "/v1/api-keys/"+id).Text("/last_used_at"); at == "" {
			t.Error("a key was not used that was")
		}
	})
	run(func(admin *apitest.Client) {
		if again := admin.Get(t, "/v1/api-keys/"+id).Text("/last_used_at"); again != at {
			t.Errorf("used at %q, was %q", again, at)
		}
	})
}

// A webhook is told while who made it may watch, and not any more afterwards.
func TestAWebhookIsToldWhatItsMakerMayWatch(t *testing.T) {
	t.Parallel()
	told := atomic.Int64{}
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	t.Cleanup(hook.Close)
	admin := guard(t, autocrud.Settings{Storage: "memory", AllowWebhookNet: []string{"127.0.0.0/8"}}, `
roles:
  hooks: [{types: [webhooks], actions: [create, read]}]
bindings:
  - {role: hooks, subjects: ["key:maker"]}
`)
	admin.Put(t, "/v1/roles/watchers", `{"name":"watchers","rules":[{"types":["films"],"actions":["watch"]}]}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	binding := admin.Post(t, "/v1/bindings", `{"role":"watchers","subjects":["key:maker"]}`).Want(t, 201).Text("/meta/id")
	maker, _ := key(t, admin, "maker", "")
	maker.Post(t, "/v1/webhooks", `{"url":"`+hook.URL+`","types":["films"]}`).Want(t, 201)
	other := admin.Post(t, "/v1/webhooks", `{"url":"`+hook.URL+`/admin","types":["films"]}`).Want(t, 201).Text("/meta/id")
	apitest.Eventually(t, 20*time.Second, "both are told", func() bool {
		admin.Post(t, "/v1/films", `{"title":"x"}`).Want(t, 201)
		return told.Load() >= 4
	})
	admin.Delete(t, "/v1/bindings/"+binding).Want(t, 200)
	sent := func() int {
		return len(admin.Get(t, "/v1/webhooks/"+other+"/deliveries?page_size=1000").Want(t, 200).Items())
	}
	last := admin.Post(t, "/v1/films", `{"title":"afterwards"}`).Want(t, 201).Text("/meta/id")
	apitest.Eventually(t, 20*time.Second, "the admin's is told", func() bool {
		return strings.Contains(string(admin.Get(t, "/v1/webhooks/"+other+"/deliveries").Body), last)
	})
	n := sent()
	for range 5 {
		admin.Post(t, "/v1/films", `{"title":"more"}`).Want(t, 201)
	}
	apitest.Eventually(t, 20*time.Second, "the admin's is told", func() bool { return sent() == n+5 })
	for _, x := range admin.Get(t, "/v1/webhooks?returns=data,meta").Items() {
		id := x.(map[string]any)["meta"].(map[string]any)["id"].(string)
		if id != other && strings.Contains(string(admin.Get(t, "/v1/webhooks/"+id+"/deliveries?page_size=1000").Want(t, 200).Body), last) {
			t.Error("the webhook of who may not watch any more was told")
		}
	}
}

// Keys, roles and bindings come back with a backup, and are in force at once.
func TestABackupBringsIdentityBack(t *testing.T) {
	t.Parallel()
	admin := guard(t, autocrud.Settings{Storage: "memory"}, "roles: {}\nbindings: []\n")
	admin.Post(t, "/v1/roles", `{"name":"reader","rules":[{"types":["films"],"actions":["read","list"]}]}`).Want(t, 201)
	admin.Post(t, "/v1/bindings", `{"role":"reader","subjects":["key:ann"]}`).Want(t, 201)
	r := admin.Post(t, "/v1/api-keys", `{"name":"ann"}`).Want(t, 201)
	revoked := admin.Post(t, "/v1/api-keys", `{"name":"gone"}`).Want(t, 201)
	admin.Delete(t, "/v1/api-keys/"+revoked.Text("/meta/id")).Want(t, 200)
	admin.As(r.Text("/secret")).Get(t, "/v1:backup").WantProblem(t, 403, "permission_denied")
	backup := admin.Get(t, "/v1:backup").Want(t, 200).Body
	fresh := guard(t, autocrud.Settings{Storage: "memory"}, "roles: {}\nbindings: []\n")
	fresh.As(r.Text("/secret")).Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fresh.URL+"/v1:restore", bytes.NewReader(backup))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Authorization", "Bearer "+adminKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Fatalf("restore is %d", resp.StatusCode)
	}
	ann := fresh.As(r.Text("/secret"))
	apitest.Eventually(t, 20*time.Second, "the key and its role are in force", func() bool { return ann.Get(t, "/v1/films").Status == 200 })
	ann.Post(t, "/v1/films", `{"title":"x"}`).WantProblem(t, 403, "permission_denied")
	fresh.As(revoked.Text("/secret")).Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
}

var firstKey = regexp.MustCompile(`admin key, shown this once: (aca_[0-9a-f]{64})`)

// The first admin key is printed once, by up or by provision, and is good afterwards.
func TestTheFirstAdminKeyIsPrintedOnce(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	args := []string{"--models", apitest.WriteModels(t, guarded), "--data-dir", data, "--auth", "required", "--log-level", "error"}
	p := apitest.Launch(t, args...)
	nobody := apitest.NewClient(t, p.URL)
	nobody.Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
	p.Kill()
	m := firstKey.FindStringSubmatch(p.Log())
	if m == nil {
		t.Fatalf("no key is printed: %s", p.Log())
	}
	p = apitest.Launch(t, args...)
	c := apitest.NewClient(t, p.URL)
	c.As(m[1]).Get(t, "/v1/films").Want(t, 200)
	c.As("aca_"+strings.Repeat("0", 64)).Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
	p.Kill()
	if firstKey.MatchString(p.Log()) {
		t.Error("it is printed again")
	}
	err := filepath.Walk(data, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), m[1]) {
			t.Errorf("%s holds the key", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Split services ask for credentials under the NATS rights that are shipped:
// provision makes and prints the admin key, and the services know it.
func TestSplitServicesAskForCredentials(t *testing.T) {
	t.Parallel()
	s := apitest.Services(t)
	s.Auth, s.Models = "required", apitest.WriteModels(t, guarded)
	got := apitest.RunWith(t, append(apitest.Environment(apitest.As(s, "provision")), "AUTOCRUD_AUTH=required"), "provision")
	m := firstKey.FindStringSubmatch(got.Stderr)
	if got.Code != 0 || m == nil {
		t.Fatalf("provision: %d %s", got.Code, got.Stderr)
	}
	for _, url := range apitest.StartSplit(t, nil, s) {
		c := apitest.NewClient(t, url)
		c.Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated")
		c.As(m[1]).Post(t, "/v1/films", `{"title":"x"}`).Want(t, 201)
	}
}

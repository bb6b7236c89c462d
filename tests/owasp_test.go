package tests_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// The OWASP API Security Top 10 of 2023, one test for each, against a running
// server: what an attacker with a little right, or with none, tries.

// attacked is a server that asks for credentials, its admin and two clients that
// may do everything with films of their own and nothing else.
func attacked(t *testing.T, edit func(*autocrud.Settings)) (admin, ann, eve *apitest.Client) {
	t.Helper()
	s := autocrud.Settings{Storage: "memory"}
	if edit != nil {
		edit(&s)
	}
	admin = guard(t, s, `
roles:
  own:
    - types: [films]
      actions: [create, read, list, update, modify, publish, delete, restore, switch, purge, watch]
      where: 'meta.created_by = principal.id'
      fields: {hide: [budget], readonly: [slug]}
    - {types: [mails], actions: [create, read, list], where: 'meta.created_by = principal.id'}
bindings:
  - {role: own, subjects: ["group:people"]}
`)
	ann, _ = key(t, admin, "ann", `,"groups":["people"]`)
	eve, _ = key(t, admin, "eve", `,"groups":["people"]`)
	return admin, ann, eve
}

func TestOWASP_API1_BrokenObjectLevelAuthorization(t *testing.T) {
	t.Parallel()
	_, ann, eve := attacked(t, nil)
	r := ann.Post(t, "/v1/films?id=hers", `{"title":"private-title"}`).Want(t, 201)
	ann.Put(t, "/v1/films/hers", `{"title":"private-title 2"}`).Want(t, 200)
	for _, x := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/v1/films/hers", nil}, {"GET", "/v1/films/hers?revision=1", nil}, {"GET", "/v1/films/hers?as_of=2100-01-01T00:00:00Z", nil}, {"GET", "/v1/films/hers?include_deleted=true", nil},
		{"GET", "/v1/films/hers/revisions", nil}, {"GET", "/v1/films/hers/revisions/1", nil}, {"GET", "/v1/films/hers/history", nil}, {"GET", "/v1/films/hers/referrers", nil},
		{"GET", "/v1/films/hers:diff?from=1&to=2", nil}, {"GET", "/v1/films/hers:watch", nil}, {"GET", "/v1/films/hers/blobs/sha256:" + strings.Repeat("0", 64), nil},
		{"PUT", "/v1/films/hers", `{"title":"mine now"}`}, {"DELETE", "/v1/films/hers", nil}, {"POST", "/v1/films/hers:restore", nil}, {"POST", "/v1/films/hers:purge", nil},
		{"POST", "/v1/films/hers:switch", `{"revision":1}`}, {"POST", "/v1/films/hers:status", `{"status":"draft"}`},
	} {
		a := eve.Do(t, x.method, x.path, x.body)
		if a.WantProblem(t, 404, "not_found"); strings.Contains(string(a.Body), "private-title") || a.ETag() != "" {
			t.Errorf("%s %s tells: %s", x.method, x.path, a.Body)
		}
	}
	eve.Patch(t, "/v1/films/hers", apitest.MergePatch, `{"title":"mine now"}`).WantProblem(t, 404, "not_found")
	b := eve.Post(t, "/v1:batch", `{"operations":[{"op":"update","type":"films","id":"hers","data":{"title":"mine now"}},{"op":"delete","type":"films","id":"hers"}]}`)
	if b.Status == 200 && (b.Int("/results/0/status") != 404 || strings.Contains(string(b.Body), "private-title")) {
		t.Errorf("a batch: %s", b.Body)
	}
	eve.Get(t, "/v1/films?total=true&consistency=strong").Want(t, 200).Equal(t, "/total", "0")
	eve.Get(t, "/v1/films:count").Want(t, 200).Equal(t, "/count", "0")
	eve.Get(t, "/v1/films?q=private").Want(t, 200).Equal(t, "/items", "[]")
	ann.Get(t, "/v1/films/hers").Want(t, 200).Equal(t, "/data/title", `"private-title 2"`)
	if r.ETag() == "" {
		t.Error("no ETag")
	}
}

func TestOWASP_API2_BrokenAuthentication(t *testing.T) {
	t.Parallel()
	admin, _, _ := attacked(t, nil)
	c, id := key(t, admin, "short", `,"groups":["people"],"expires_at":"`+time.Now().Add(2*time.Second).UTC().Format(time.RFC3339)+`"`)
	c.Get(t, "/v1/films").Want(t, 200)
	good := admin.Post(t, "/v1/api-keys", `{"name":"good","groups":["people"]}`).Want(t, 201)
	secret, goodID := good.Text("/secret"), good.Text("/meta/id")
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer x", "Basic YWRtaW46YWRtaW4=", "Bearer " + secret + "x", "Bearer " + secret[:len(secret)-1], "Bearer " + strings.ToUpper(secret),
		"Bearer ack_" + goodID + "_" + strings.Repeat("0", 64), "Bearer " + secret + " " + secret, secret, "Bearer null", "Bearer undefined", "Bearer " + adminKey[:len(adminKey)-1]} {
		r := admin.As("").Get(t, "/v1/films", apitest.Header("Authorization", header))
		if r.WantProblem(t, 401, "unauthenticated"); r.Header.Get("WWW-Authenticate") == "" || strings.Contains(string(r.Body), secret) {
			t.Errorf("%q: %s", header, r.Body)
		}
	}
	for _, q := range []string{"access_token", "token", "key", "api_key"} { // a credential in a URL ends up in logs
		admin.As("").Get(t, "/v1/films?"+q+"="+secret).WantProblem(t, 401, "unauthenticated")
	}
	rotated := admin.Post(t, "/v1/api-keys/"+goodID+":rotate", `{"overlap":"0s"}`).Want(t, 200).Text("/secret")
	apitest.Eventually(t, 5*time.Second, "the secret before a rotation ends", func() bool { return admin.As(secret).Get(t, "/v1/films").Status == 401 })
	admin.As(rotated).Get(t, "/v1/films").Want(t, 200)
	admin.Delete(t, "/v1/api-keys/"+goodID).Want(t, 200)
	apitest.Eventually(t, 5*time.Second, "a revoked key ends", func() bool { return admin.As(rotated).Get(t, "/v1/films").Status == 401 })
	apitest.Eventually(t, 10*time.Second, "an expired key ends", func() bool { return c.Get(t, "/v1/films").Status == 401 })
	for _, path := range []string{"/v1/api-keys/" + id, "/v1/api-keys", "/v1/api-keys/" + id + "/revisions/1", "/v1/api-keys/" + id + "/history"} {
		if body := string(admin.Get(t, path).Body); strings.Contains(body, `"secret"`) || strings.Contains(body, rotated) {
			t.Errorf("%s tells a secret: %s", path, body)
		}
	}
	slow := autocrud.Settings{Storage: "memory"}
	slow.RateLimitAddress = 10
	limited := guard(t, slow, guardedPolicy)
	guesses := func() bool { return limited.As("ack_x_"+strings.Repeat("1", 64)).Get(t, "/v1/films").Status == 429 }
	apitest.Eventually(t, 20*time.Second, "whoever guesses is stopped", guesses)
}

func TestOWASP_API3_BrokenObjectPropertyLevelAuthorization(t *testing.T) {
	t.Parallel()
	admin, ann, _ := attacked(t, nil)
	ann.Post(t, "/v1/films?id=a", `{"title":"x"}`).Want(t, 201)
	admin.Patch(t, "/v1/films/a", apitest.MergePatch, `{"budget":987654321}`).Want(t, 200)
	for _, path := range []string{"/v1/films/a", "/v1/films?consistency=strong", "/v1/films/a/revisions/2", "/v1/films/a?fields=title,budget", "/v1/films/a:diff?from=1&to=2", "/v1/films/a?revision=2", "/v1/films/a/history"} {
		if r := ann.Get(t, path); r.Status >= 500 || strings.Contains(string(r.Body), "987654321") {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	for _, q := range []string{"filter=" + query("budget > 1"), "order_by=budget"} {
		ann.Get(t, "/v1/films?"+q).WantProblem(t, 400, "invalid_filter")
	}
	ann.Get(t, "/v1/films:aggregate?group_by=budget").WantProblem(t, 400, "invalid_filter")
	// Nothing that the server or the policy decides can be written along with the rest.
	ann.Patch(t, "/v1/films/a", apitest.MergePatch, `{"budget":1}`).WantProblem(t, 403, "permission_denied")
	ann.Patch(t, "/v1/films/a", apitest.MergePatch, `{"slug":"mine"}`).WantProblem(t, 403, "permission_denied")
	for _, more := range []string{`"created_by":"admin"`, `"meta":{"created_by":"admin"}`, `"id":"b"`, `"revision":{}`, `"deleted":false`, `"isAdmin":true`, `"__proto__":{"admin":true}`} {
		ann.Post(t, "/v1/films", `{"title":"y",`+more+`}`).WantProblem(t, 422, "validation_failed")
	}
	admin.Get(t, "/v1/films/a").Want(t, 200).Equal(t, "/data", `{"title":"x","budget":987654321}`)
}

func TestOWASP_API4_UnrestrictedResourceConsumption(t *testing.T) {
	t.Parallel()
	admin, ann, _ := attacked(t, func(s *autocrud.Settings) { s.RateLimitPrincipal = 30 })
	admin.Post(t, "/v1/films", `{"title":"`+strings.Repeat("x", 11<<20)+`"}`).WantProblem(t, 413, "too_large")
	admin.Post(t, "/v1/films", strings.Repeat(`{"a":`, 20_000)+"1"+strings.Repeat("}", 20_000)).WantProblem(t, 400, "invalid_request")
	admin.Get(t, "/v1/films?filter="+query(strings.Repeat("(", 10_000)+"year = 1"+strings.Repeat(")", 10_000))).WantProblem(t, 400, "invalid_filter")
	admin.Get(t, "/v1/films?filter="+query(`matches(title, "(a+)+(a+)+(a+)+(a+)+{1000}{1000}")`)).WantProblem(t, 400, "invalid_filter")
	admin.Get(t, "/v1/films?page_size=1000000").Want(t, 200)
	admin.Get(t, "/v1/films?page_size=-1").WantProblem(t, 400, "invalid_request")
	admin.Get(t, "/v1/films?q="+strings.Repeat("a", 70<<10)).WantProblem(t, 414, "too_large")
	ops := strings.Repeat(`{"op":"create","type":"films","data":{"title":"x"}},`, 101)
	admin.Post(t, "/v1:batch", `{"operations":[`+strings.TrimSuffix(ops, ",")+`]}`).WantProblem(t, 400, "invalid_request")
	stopped := func() bool {
		r := ann.Get(t, "/v1/films")
		return r.Status == 429 && r.Header.Get("Retry-After") != ""
	}
	apitest.Eventually(t, 20*time.Second, "whoever asks for too much is stopped", stopped)
	apitest.Eventually(t, 5*time.Second, "others go on", func() bool { return admin.Get(t, "/v1/films").Status == 200 })
}

func TestOWASP_API5_BrokenFunctionLevelAuthorization(t *testing.T) {
	t.Parallel()
	admin, ann, _ := attacked(t, nil)
	admin.Post(t, "/v1/films?id=a", `{"title":"x"}`).Want(t, 201)
	for _, x := range []struct{ method, path, body string }{
		{"POST", "/v1:verify", ""}, {"POST", "/v1:gc", ""}, {"GET", "/v1:backup", ""}, {"POST", "/v1:reindex", ""}, {"GET", "/v1:reindex", ""}, {"GET", "/v1/audit", ""},
		{"GET", "/metrics", ""}, {"GET", "/v1/queues", ""}, {"POST", "/v1/queues/mail:pause", ""}, {"POST", "/v1/films:reindex", ""}, {"POST", "/v1/films:migrate", ""},
		{"POST", "/v1/api-keys", `{"name":"more"}`}, {"GET", "/v1/api-keys", ""}, {"POST", "/v1/roles", `{"name":"x","rules":[]}`}, {"GET", "/v1/roles", ""},
		{"POST", "/v1/bindings", `{"role":"x","subjects":["key:ann"]}`}, {"GET", "/v1/webhooks", ""}, {"POST", "/v1/webhooks", `{"url":"https://example.com"}`}, {"POST", "/v1/schedules", `{}`}, {"GET", "/v1/notes:nothing", ""},
	} {
		var body any
		if x.body != "" {
			body = x.body
		}
		r := ann.Do(t, x.method, x.path, body)
		if r.Status != 403 && r.Status != 404 {
			t.Errorf("%s %s: %d %s", x.method, x.path, r.Status, r.Body)
		}
	}
	ann.Post(t, "/v1:restore", "x", apitest.Header("Content-Type", "application/octet-stream")).WantProblem(t, 403, "permission_denied")
	// Another method, or another spelling, is no way around.
	for _, path := range []string{"/v1:VERIFY", "/V1:verify", "/v1:verify/", "//v1:verify", "/v1/./:verify", "/v1%3Averify"} {
		if r, err := ann.Try(t, "POST", path, nil); err == nil && r.Status < 400 {
			t.Errorf("POST %s: %d", path, r.Status)
		}
	}
	for _, h := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"} {
		ann.Get(t, "/v1/films/a", apitest.Header(h, "DELETE")).WantProblem(t, 404, "not_found")
	}
	admin.Get(t, "/v1/films/a").Want(t, 200)
}

// A flow that costs something, here a job, is there for those who have the right, as
// often as they may ask, and not twice for one reason.
func TestOWASP_API6_UnrestrictedAccessToSensitiveBusinessFlows(t *testing.T) {
	t.Parallel()
	admin, ann, _ := attacked(t, func(s *autocrud.Settings) { s.RateLimitPrincipal = 40 })
	nobody, _ := key(t, admin, "nobody", "")
	nobody.Post(t, "/v1/mails", `{"to":"x"}`).WantProblem(t, 403, "permission_denied")
	limited, _ := key(t, admin, "limited", `,"groups":["people"],"scopes":[{"types":["mails"],"actions":["read","list"]}]`)
	limited.Post(t, "/v1/mails", `{"to":"x"}`).WantProblem(t, 403, "permission_denied")
	ann.Post(t, "/v1/mails?unique_key=order-1", `{"to":"x"}`).Want(t, 201)
	ann.Post(t, "/v1/mails?unique_key=order-1", `{"to":"x"}`).WantProblem(t, 409, "unique_conflict")
	first := ann.Post(t, "/v1/mails", `{"to":"y"}`, apitest.Header("Idempotency-Key", "k1")).Want(t, 201)
	again := ann.Post(t, "/v1/mails", `{"to":"y"}`, apitest.Header("Idempotency-Key", "k1")).Want(t, 201)
	if first.Text("/meta/id") != again.Text("/meta/id") {
		t.Error("a repeated request made another job")
	}
	begun, made, stopped := time.Now(), 0, false
	for n := 0; n < 4000 && !stopped; n++ {
		switch r := ann.Post(t, "/v1/mails", `{"to":"z"}`); r.Status {
		case 201:
			made++
		case 429:
			stopped = true
		default:
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	if allowed := 41 + int(40*time.Since(begun).Seconds()); !stopped || made > allowed {
		t.Errorf("%d jobs were made in %s, at most %d may be; stopped: %v", made, time.Since(begun), allowed, stopped)
	}
}

func TestOWASP_API7_ServerSideRequestForgery(t *testing.T) {
	t.Parallel()
	admin, _, _ := attacked(t, nil)
	var called atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer inside.Close()
	port := inside.URL[strings.LastIndex(inside.URL, ":"):]
	for _, target := range []string{inside.URL, "http://localhost" + port, "http://127.1" + port, "http://2130706433" + port, "http://0x7f000001" + port, "http://[::1]" + port, "http://[::ffff:127.0.0.1]" + port,
		"http://0.0.0.0" + port, "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/", "http://[fd00::1]/", "http://[fe80::1]/", "http://100.64.0.1/",
		"file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "http://user:password@127.0.0.1/"} {
		r := admin.Post(t, "/v1/webhooks", map[string]any{"url": target, "types": []string{"films"}})
		if r.Status == 201 { // a name may resolve to what is inside: then it is not called
			id := r.Text("/meta/id")
			if a := admin.Post(t, "/v1/webhooks/"+id+":test", nil); a.Status >= 500 {
				t.Errorf("%s: the test is %d", target, a.Status)
			}
			continue
		}
		r.WantProblem(t, 422, "validation_failed")
	}
	admin.Post(t, "/v1/films", `{"title":"x"}`).Want(t, 201)
	if n := called.Load(); n != 0 {
		t.Errorf("the server inside was called %d times", n)
	}
}

func TestOWASP_API8_SecurityMisconfiguration(t *testing.T) {
	t.Parallel()
	dir := apitest.WriteModels(t, models)
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		if r := apitest.Run(t, "", "up", "--addr", addr, "--models", dir, "--storage", "memory"); r.Code != 2 || !strings.Contains(r.Stderr, "no authentication") {
			t.Errorf("%s without authentication: exit %d %s", addr, r.Code, r.Stderr)
		}
	}
	if r := apitest.Run(t, "", "up", "--addr", "127.0.0.1:0", "--auth", "required", "--admin-key", "short", "--models", dir, "--storage", "memory"); r.Code != 2 || strings.Contains(r.Stderr, `"short"`) {
		t.Errorf("a short admin key: exit %d %s", r.Code, r.Stderr)
	}
	_, ann, _ := attacked(t, nil)
	for _, r := range []*apitest.Response{ann.Get(t, "/v1/films"), ann.Get(t, "/v1/films/none"), ann.Post(t, "/v1/films", "{"), ann.Get(t, "/v1/films?filter=%27%22--"), ann.As("").Get(t, "/v1/films")} {
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Access-Control-Allow-Origin": "", "Server": "", "X-Powered-By": ""} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", r.What, name, got)
			}
		}
		for _, inside := range []string{"goroutine", ".go:", "SELECT", "sqlite", "/tmp/", "panic"} {
			if strings.Contains(string(r.Body), inside) {
				t.Errorf("%s tells %q: %s", r.What, inside, r.Body)
			}
		}
	}
	for _, method := range []string{"TRACE", "TRACK", "CONNECT", "DEBUG"} {
		if r, err := ann.Try(t, method, "/v1/films", nil); err == nil && r.Status != 405 && r.Status != 400 && r.Status != 404 {
			t.Errorf("%s: %d", method, r.Status)
		}
	}
	ann.Post(t, "/v1/films", `{"title":"x"}`, headers("Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")...).WantProblem(t, 403, "permission_denied")
	ann.Get(t, "/v1/films", apitest.Host("evil.example")).WantProblem(t, 403, "permission_denied")
}

// What the document does not name is not there, for admins neither.
func TestOWASP_API9_ImproperInventoryManagement(t *testing.T) {
	t.Parallel()
	admin, _, _ := attacked(t, nil)
	for _, path := range []string{"/v0/films", "/v2/films", "/v1beta/films", "/api/v1/films", "/films", "/debug/pprof/", "/debug/vars", "/admin", "/swagger.json", "/actuator/env", "/graphql", "/.env", "/.git/config",
		"/server-status", "/v1/films/x/secret", "/v1/films:debug", "/v1/sys", "/v1/_all", "/internal", "/console", "/healthz/../v1/films"} {
		if r, err := admin.Try(t, "GET", path, nil); err == nil && r.Status != 404 && r.Status != 400 && r.Status != 301 {
			t.Errorf("%s: %d", path, r.Status)
		}
	}
	documented := map[string]bool{}
	for _, op := range admin.Doc.Operations {
		documented[op.Method+" "+op.Path] = true
	}
	for _, op := range []string{"GET /v1/films", "POST /v1/films/{id}:purge", "GET /v1/audit", "GET /metrics", "GET /v1:backup"} {
		if !documented[op] {
			t.Errorf("%s is not in the document", op)
		}
	}
	if v, _ := admin.Doc.Root["info"].(map[string]any); v["version"] == nil {
		t.Error("the document has no version")
	}
}

// What a job's handler elsewhere answers is not believed: not its size, not where
// it sends on to, not what it says it is.
func TestOWASP_API10_UnsafeConsumptionOfAPIs(t *testing.T) {
	t.Parallel()
	var inside atomic.Int64
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	defer secret.Close()
	partner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch body, _ := io.ReadAll(r.Body); {
		case bytes.Contains(body, []byte("huge")):
			for range 512 {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 64<<10)); err != nil {
					return
				}
			}
		case bytes.Contains(body, []byte("elsewhere")):
			http.Redirect(w, r, secret.URL, http.StatusTemporaryRedirect)
		case bytes.Contains(body, []byte("rubbish")):
			_, _ = w.Write([]byte("<script>\xff\x00"))
		default:
			_, _ = w.Write([]byte(`{"ok":true}`))
		}
	}))
	defer partner.Close()
	s := autocrud.Settings{Storage: "memory", LogLevel: "error"}
	s.Models = apitest.WriteModels(t, map[string]string{"calls": fmt.Sprintf("name: calls\nschema: {type: object, properties: {what: {type: string}}}\njob: {maxAttempts: 1, timeout: 10s, handler: {http: %q}}\n", partner.URL)})
	c := apitest.Start(t, nil, s)
	state := func(what string) *apitest.Response {
		id := c.Post(t, "/v1/calls", `{"what":"`+what+`"}`).Want(t, 201).Text("/meta/id")
		var r *apitest.Response
		apitest.Eventually(t, 20*time.Second, what+" is finished", func() bool {
			r = c.Get(t, "/v1/calls/"+id)
			return r.Text("/meta/job/state") == "succeeded" || r.Text("/meta/job/state") == "failed"
		})
		if len(r.Body) > 2<<20 {
			t.Errorf("%s: the job has %d bytes", what, len(r.Body))
		}
		return r
	}
	state("fine").Equal(t, "/meta/job/result", `{"ok":true}`)
	state("huge").Equal(t, "/meta/job/state", `"failed"`)
	state("elsewhere").Equal(t, "/meta/job/state", `"failed"`)
	if r := state("rubbish"); bytes.Contains(r.Body, []byte("<script>")) || !utf8.Valid(r.Body) {
		t.Errorf("rubbish is passed on as it came: %s", r.Body)
	}
	if n := inside.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

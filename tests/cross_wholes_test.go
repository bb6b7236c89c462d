package tests_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// whole is an operation about the server, or about a type as a whole.
type whole struct {
	method, path string
	media        string
	body         any    // nil: it takes none
	needs        string // every caller, a credential, an admin, or a right on things
	typed        bool   // it names a type
	limit        string // why its body may be as large as the limit allows
}

// Who may ask for a whole.
const (
	needsNothing    = "nothing"
	needsCredential = "a credential"
	needsAdmin      = "an admin"
)

// wholes are those operations.
func (w *world) wholes() (rows []*operation) {
	add := func(id string, x whole) {
		rows = append(rows, &operation{name: strings.TrimPrefix(x.method+" "+x.path, "GET "), of: []string{id}, form: form{whole: &x}})
	}
	for path, id := range map[string]string{"/livez": "livez", "/readyz": "readyz", "/docs": "docs", "/openapi.json": "openapi", "/openapi-3.0.json": "openapi30", "/asyncapi.json": "asyncapi"} {
		add(id, whole{method: "GET", path: path, needs: needsNothing})
	}
	for path, id := range map[string]string{"/metrics": "metrics", "/v1/audit": "audit", "/v1/queues": "queues", "/v1/queues/default": "queue", "/v1:reindex": "indexing", "/v1:backup": "backup"} {
		add(id, whole{method: "GET", path: path, needs: needsAdmin})
	}
	empty := map[string]any{}
	for path, id := range map[string]string{"/v1:verify": "verify", "/v1:gc": "gc", "/v1/queues/other:pause": "pause", "/v1/queues/other:resume": "resume"} {
		add(id, whole{method: "POST", path: path, body: empty, needs: needsAdmin})
	}
	add("reindex", whole{method: "POST", path: "/v1:reindex", body: empty, needs: needsAdmin})
	add("restoreBackup", whole{method: "POST", path: "/v1:restore", body: "no backup", media: "application/octet-stream", needs: needsAdmin, limit: "a backup has any size"})
	add("types", whole{method: "GET", path: "/v1/types", needs: needsCredential})
	add("type", whole{method: "GET", path: "/v1/types/things", needs: "read", typed: true})
	add("session", whole{method: "GET", path: "/auth/session", needs: needsNothing})
	add("link", whole{method: "GET", path: "/auth/link", needs: needsNothing})
	add("sessions", whole{method: "GET", path: "/auth/sessions", needs: needsCredential})
	add("ticket", whole{method: "POST", path: "/auth/ticket", body: empty, needs: needsCredential})
	add("signRead", whole{method: "POST", path: "/auth/sign", body: map[string]any{"path": "/v1/things"}, needs: needsCredential})
	add("revokeLinks", whole{method: "POST", path: "/auth/links:revoke", body: empty, needs: needsCredential})
	add("login", whole{method: "POST", path: "/auth/login", body: map[string]any{"key": adminKey}, needs: needsNothing})
	add("logout", whole{method: "POST", path: "/auth/logout", body: empty, needs: needsNothing})
	add("planModels", whole{method: "POST", path: "/v1/types:plan", body: map[string]any{"models": []any{}}, needs: needsAdmin})
	add("reloadModels", whole{method: "POST", path: "/v1/types:reload", needs: needsAdmin})
	add("can", whole{method: "POST", path: "/v1:can", body: map[string]any{"action": "read", "type": "things"}, needs: needsCredential})
	add("upload", whole{method: "POST", path: "/v1/blobs", body: "a binary", media: "application/octet-stream", needs: "create", limit: "a binary has any size up to a limit of its own"})
	for _, typ := range []string{"things", "drafts", "tasks"} {
		add(typ+".migrate", whole{method: "POST", path: "/v1/" + typ + ":migrate", body: empty, needs: "migrate", typed: true})
		add(typ+".prune", whole{method: "POST", path: "/v1/" + typ + ":prune", body: map[string]any{"revisions": 1000}, needs: needsAdmin, typed: true})
		add(typ+".reindex", whole{method: "POST", path: "/v1/" + typ + ":reindex", body: empty, needs: needsAdmin, typed: true})
	}
	add("things.meet", whole{method: "POST", path: "/v1/things:meet", body: empty, needs: "meet", typed: true})
	return rows
}

// typeInPath is the name of a type in the path of a whole.
var typeInPath = regexp.MustCompile(`^(/v1/(?:types/)?)[a-z-]+`)

// sends asks for a whole.
func (c *cell) sends(by *caller, q twist) *apitest.Response {
	c.Helper()
	x := c.op.whole
	path := x.path
	if q.typ != "" {
		path = typeInPath.ReplaceAllString(path, "${1}"+q.typ)
	}
	if q.query != "" {
		path += "?" + q.query
	}
	body := x.body
	if q.body != nil {
		body = q.body
	}
	var opts []apitest.Option
	if body != nil {
		opts = append(opts, apitest.Header("Content-Type", firstOf(q.media, x.media, apitest.JSON)))
	}
	r := by.Do(c, firstOf(q.method, x.method), path, body, append(opts, headers(q.header...)...)...)
	if r.Status >= 500 {
		c.Errorf("%s: %d %s", r.What, r.Status, r.Body)
	}
	return r
}

// forWholes add the judges of wholes to the promises they are about.
func forWholes(all []*promise) {
	set := func(name string, judge func(*cell), why ...func(*operation) string) {
		p := all[slices.IndexFunc(all, func(p *promise) bool { return p.name == name })]
		p.whole = judge
		if p.why != nil {
			why = append(why, p.why)
		}
		p.why = both(why...)
	}
	wholeOnly := func(so func(*whole) bool, reason string) func(*operation) string {
		return func(o *operation) string {
			if o.whole != nil && !so(o.whole) {
				return reason
			}
			return ""
		}
	}
	closed := wholeOnly(func(x *whole) bool { return x.needs != needsNothing }, "it needs no credential")
	rights := wholeOnly(func(x *whole) bool { return x.needs != needsNothing && x.needs != needsCredential }, "it needs no right")
	want := func(by string, q twist, status int, codes ...string) func(*cell) {
		return func(c *cell) {
			r := c.sends(c.by(by), q)
			if r.Status != status || !slices.Contains(codes, r.Text("/code")) {
				c.Errorf("as %s: %d %.300s, want %d %s", by, r.Status, r.Body, status, strings.Join(codes, " or "))
			}
		}
	}
	set("no credential is 401", want("nobody", twist{}, 401, "unauthenticated"), closed)
	set("no rule is 403", want("stranger", twist{}, 403, "permission_denied"), rights)
	set("a scope limits a key", func(c *cell) {
		by := "scoped"
		if c.op.whole.needs == "read" {
			by = "makers"
		}
		want(by, twist{}, 403, "permission_denied")(c)
	}, rights)
	set("audit: an entry for what was refused", func(c *cell) {
		id := c.w.fresh("x")
		c.sends(c.by("stranger"), twist{header: []string{"X-Request-Id", "cross-" + id}})
		c.refusal("cross-" + id)
	}, rights)
	set("an unknown type is 404", want("admin", twist{typ: "unknowns"}, 404, "unknown_type"), wholeOnly(func(x *whole) bool { return x.typed }, "it names no type"))
	set("limits: an unknown parameter is 400", want("admin", twist{query: "nonsense=1"}, 400, "invalid_request"),
		wholeOnly(func(x *whole) bool { return strings.HasPrefix(x.path, "/v1") }, "it is a page, which passes over parameters"))
	set("limits: another method is 405", func(c *cell) {
		c.sends(c.by("admin"), twist{method: "PROPFIND"}).WantProblem(c, 405, "invalid_request")
	})
	there := wholeOnly(func(x *whole) bool { return !strings.Contains(x.path, "/none:") }, "it is asked of what is not there, which is told first")
	jsonOnly := wholeOnly(func(x *whole) bool { return x.body != nil && x.media == "" }, "it takes no JSON body")
	set("limits: a body that is too large is 413", want("admin", twist{body: tooLarge}, 413, "too_large"), jsonOnly)
	set("limits: another content type is 415", want("admin", twist{media: "text/plain"}, 415, "unsupported_media_type"), jsonOnly)
	set("limits: broken JSON is 400", want("admin", twist{body: `{"name":`}, 400, "invalid_request"), jsonOnly)
	set("limits: a member twice is 400", want("admin", twist{body: `{"type":"a","type":"b"}`}, 400, "invalid_request"), jsonOnly)
	set("limits: a member that is not known is refused", func(c *cell) {
		r := c.sends(c.w.admin, twist{body: map[string]any{"nonsense": 1}})
		if r.Status != 422 && r.Status != 400 {
			c.Errorf("%d %s, want it refused", r.Status, r.Body)
		}
	}, jsonOnly, there)
	set("limits: a page of another origin is 403", want("admin", twist{header: []string{"Origin", "https://evil.example"}}, 403, "permission_denied"),
		wholeOnly(func(x *whole) bool { return x.method != http.MethodGet }, "it changes nothing, and a page cannot read its answer"))
}

// besides are all operations that have no row, and why. Those of the document are
// of types that are served like another one.
func (w *world) besides(t testing.TB) map[string]string {
	t.Helper()
	out := maps.Clone(beside)
	for _, op := range w.admin.Doc.Operations {
		typ, _, _ := strings.Cut(op.ID, ".")
		for prefix, reason := range likeOthers {
			if typ == prefix || strings.HasPrefix(prefix, "-") && strings.HasSuffix(typ, prefix) {
				out[op.ID] = fmt.Sprintf("%s: %s", typ, reason)
			}
		}
	}
	return out
}

// likeOthers are types whose operations are those of another type, which has rows.
var likeOthers = map[string]string{
	"stricts":        "an ordinary type whose model demands If-Match, which is a column",
	"runs":           "a type of jobs, as tasks are",
	"-later-jobs":    "the type of an action's jobs, as tasks are; what they do has rows",
	"users":          "the server makes its ids, so that no cell can choose one; its doors are those of api-keys, and people_test.go asks what is its own",
	"queue-settings": "a type of the program without secrets or rights in it, as schedules are; the queues have rows",
	"bulk-jobs":      "a type of jobs, as tasks are; what they do has rows",
}

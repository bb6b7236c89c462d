package tests_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/job"
)

// on tells what an operation is about, which decides what a row that may not be
// seen does to it.
type on int

const (
	anybody on = iota // needs no credential
	nothing           // needs one, and no right
	program           // needs every right there is
	type_             // a type
	row_              // one resource
	itself            // whether its caller is let in is what it answers
)

// need is a row of the matrix: which right an operation needs, on what.
type need struct {
	on    on
	right string
}

// matrix has a row for every operation of a type, by its name in the document,
// and for every operation beside them. An operation without one fails the test.
var matrix = map[string]need{
	"list": {type_, "list"}, "count": {type_, "list"}, "aggregate": {type_, "list"}, "search": {type_, "list"}, "watch": {type_, "watch"},
	"create": {type_, "create"}, "migrate": {type_, "migrate"}, "bulk": {type_, "bulk"}, "reindex": {program, ""}, "prune": {program, ""},
	"read": {row_, "read"}, "history": {row_, "read"}, "revisions": {row_, "read"}, "revision": {row_, "read"}, "diff": {row_, "read"}, "referrers": {row_, "read"},
	"blob": {row_, "read"}, "logs": {row_, "read"}, "watch_one": {row_, "watch"}, "deliveries": {row_, "read"},
	"replace": {row_, "update"}, "patch": {row_, "update"}, "delete": {row_, "delete"}, "restore": {row_, "restore"}, "switch": {row_, "switch"},
	"status": {row_, "publish"}, "publish": {row_, "publish"}, "unpublish": {row_, "publish"}, "sign": {row_, "read"}, "preview": {row_, "read"}, "purge": {row_, "purge"}, "cancel": {row_, "cancel"}, "rerun": {row_, "rerun"},
	"pause": {row_, "update"}, "resume": {row_, "update"}, "replay": {row_, "update"}, "test": {row_, "update"}, "rotate": {row_, "update"}, "invite": {row_, "update"},
	"stamp": {row_, "stamp"}, "touch": {type_, "touch"},

	".livez": {anybody, ""}, ".readyz": {anybody, ""}, ".docs": {anybody, ""}, ".openapi": {anybody, ""}, ".openapi30": {anybody, ""}, ".asyncapi": {anybody, ""},
	".types": {nothing, ""}, ".type": {nothing, ""}, ".can": {nothing, ""}, ".batch": {nothing, ""}, ".release": {nothing, ""}, ".watch": {nothing, ""},
	".upload":  {type_, "create"}, // on some type
	".metrics": {program, ""}, ".verify": {program, ""}, ".gc": {program, ""}, ".backup": {program, ""}, ".audit": {program, ""}, ".restoreBackup": {program, ""},
	".reindex": {program, ""}, ".indexing": {program, ""}, ".planModels": {program, ""}, ".reloadModels": {program, ""},
	".login": {itself, ""}, ".link": {itself, ""}, ".password": {itself, ""}, ".reset": {itself, ""}, ".logout": {itself, ""}, ".session": {itself, ""},
	".sessions": {itself, ""}, ".endSession": {itself, ""}, ".ticket": {itself, ""}, ".signRead": {itself, ""}, ".revokeLinks": {itself, ""}, ".loginAtIssuer": {itself, ""}, ".loginFromIssuer": {itself, ""},
	".queues": {program, ""}, ".queue": {program, ""}, ".pause": {program, ""}, ".resume": {program, ""},
}

// secrets of the data: a row that the row-limited may not see, and a field that the
// field-limited may not.
const (
	forbiddenRow   = "FORBIDDEN-ROW-4711"
	forbiddenField = "987654321"
)

const matrixPolicy = `
roles:
  reader:
    - {types: [films, mails], actions: [read, list, watch]}
  rows:
    - {types: [films, mails], actions: ["*"], where: 'meta.created_by = principal.id'}
  fields:
    - {types: [films], actions: ["*"], fields: {hide: [budget]}}
bindings:
  - {role: reader, subjects: ["user:reader"]}
  - {role: rows, subjects: ["user:rows"]}
  - {role: fields, subjects: ["user:fields"]}
`

// column is who asks.
type column struct {
	name   string
	token  string
	known  bool            // the credential is one
	types  []string        // of which it may something
	rights map[string]bool // nil: all
	admin  bool
	rows   bool // the resource that is asked about is none of its own
	fields bool // a field is hidden from it
}

func (c column) may(typ, right string) bool {
	if c.admin {
		return true
	}
	if typ == "" { // of some type
		return c.rights == nil || c.rights[right]
	}
	for _, t := range c.types {
		if t == typ {
			return c.rights == nil || c.rights[right]
		}
	}
	return false
}

func matrixColumns(t *testing.T, admin *apitest.Client, issuer *testenv.Issuer) []column {
	t.Helper()
	token := func(sub string, more ...map[string]any) string {
		claims := map[string]any{"sub": sub}
		for _, m := range more {
			maps.Copy(claims, m)
		}
		return issuer.Token(t, claims)
	}
	secret := func(c *apitest.Client, body string) (string, string) {
		r := c.Post(t, "/v1/api-keys", body).Want(t, 201)
		return r.Text("/secret"), r.Text("/meta/id")
	}
	expired, _ := secret(admin, `{"name":"expired","expires_at":"2020-01-01T00:00:00Z"}`)
	revoked, id := secret(admin, `{"name":"revoked"}`)
	admin.Delete(t, "/v1/api-keys/"+id).Want(t, 200)
	tenant := guard(t, autocrud.Settings{Storage: "memory", Namespace: "other"}, "roles: {all: [{types: ['*'], actions: [admin]}]}\nbindings: [{role: all, subjects: ['key:all']}]\n")
	other, _ := secret(tenant, `{"name":"all"}`)
	own := []string{"films", "mails"}
	read := map[string]bool{"read": true, "list": true, "watch": true}
	return []column{
		{name: "no credential"},
		{name: "expired key", token: expired},
		{name: "revoked key", token: revoked},
		{name: "expired token", token: token("reader", map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})},
		{name: "wrong audience", token: token("reader", map[string]any{"aud": "somebody else"})},
		{name: "alg none", token: issuer.Unsigned(t, map[string]any{"sub": "reader"})},
		{name: "key of another tenant", token: other},
		{name: "token of another issuer", token: testenv.NewIssuer(t).Token(t, map[string]any{"sub": "reader"})},
		{name: "nobody's role", token: token("stranger"), known: true, rights: map[string]bool{}},
		{name: "reader", token: token("reader"), known: true, types: own, rights: read},
		{name: "row-limited", token: token("rows"), known: true, types: own, rows: true},
		{name: "field-limited", token: token("fields"), known: true, types: []string{"films"}, fields: true},
		{name: "admin", token: adminKey, known: true, admin: true},
	}
}

func startMatrix(t *testing.T) (*apitest.Client, *testenv.Issuer) {
	t.Helper()
	issuer := testenv.NewIssuer(t)
	app := autocrud.New()
	nothing := func(context.Context, autocrud.ActionCall[struct{}]) (struct{}, error) { return struct{}{}, nil }
	autocrud.Action(app, "films", "touch", nothing)
	autocrud.Action(app, "films", "stamp", nothing, autocrud.OnResource())
	autocrud.HandleJob(app, "mails", func(context.Context, *job.Job[letter]) error { return nil })
	s := autocrud.Settings{Storage: "memory", Auth: "required", AdminKey: adminKey, Models: apitest.WriteModels(t, map[string]string{"films": guarded["films"], "mails": guarded["mails"]}), OIDCIssuer: issuer.URL, OIDCAudience: testenv.Audience}
	s.Policies = filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(s.Policies, []byte(matrixPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return apitest.Start(t, app, s).As(adminKey), issuer
}

// Every operation of the document is asked for by every caller, and each answer is
// the one that the policy says.
func TestEveryOperationAnswersEverybodyAsThePolicySays(t *testing.T) {
	oneAfterTheOther()
	t.Parallel()
	admin, issuer := startMatrix(t)
	columns := matrixColumns(t, admin, issuer)
	cells, asked := 0, map[string]bool{}
	for _, op := range admin.Doc.Operations {
		typ, name, ofType := strings.Cut(op.ID, ".")
		if !ofType {
			typ, name = "", "."+op.ID
		}
		n, ok := matrix[name]
		if !ok {
			t.Errorf("%s %s (%s) has no row in the matrix", op.Method, op.Path, op.ID)
			continue
		}
		asked[name] = true
		for _, c := range columns {
			cells++
			askOne(t, admin, op, typ, n, c)
		}
	}
	for name := range matrix {
		if !asked[name] {
			t.Errorf("the matrix has a row for %s, which is no operation", name)
		}
	}
	t.Logf("%d operations, %d answers", len(admin.Doc.Operations), cells)
}

// askOne sends the document's example of an operation as one of the columns.
func askOne(t *testing.T, admin *apitest.Client, op *apitest.Operation, typ string, n need, c column) {
	t.Helper()
	path := strings.Replace(exampleOf(t, admin, op), "/movies", "/films", 1)
	if c.known && n.on != anybody {
		path = arranged(t, admin, op, typ, path)
	}
	bodies := admin.Doc.Example(op)
	if len(bodies) == 0 {
		bodies[""] = nil
	}
	for media, body := range bodies {
		opts := []apitest.Option{}
		switch {
		case media == "multipart/form-data" && op.ID != "upload":
			media, body = formWith(t, bodies[apitest.JSON])
		case media == "*/*", media == "multipart/form-data":
			media, body = "application/octet-stream", "bytes"
		case op.ID == "restoreBackup":
			body = "no backup"
		}
		if media != "" && media != apitest.JSON {
			opts = append(opts, apitest.Header("Content-Type", media))
		}
		text, isText := body.([]byte)
		if !isText {
			var err error
			if text, err = json.Marshal(body); err != nil {
				t.Fatal(err)
			}
		}
		hidden := c.fields && typ == "films" && strings.Contains(string(text), "budget")
		if doc, ok := body.(map[string]any); ok && hidden && media == apitest.JSON { // without it the write is allowed
			without := maps.Clone(doc)
			delete(without, "budget")
			judgeCell(t, op, n, c, typ, false, admin.As(c.token).Do(t, op.Method, path, without, opts...))
			path = arranged(t, admin, op, typ, path)
		}
		judgeCell(t, op, n, c, typ, hidden, admin.As(c.token).Do(t, op.Method, path, body, opts...))
	}
}

// arranged makes what an operation is about as another owner's resource with
// secrets in it, and returns the path with an id that was never used.
func arranged(t *testing.T, admin *apitest.Client, op *apitest.Operation, typ, path string) string {
	t.Helper()
	if typ == "" || !strings.Contains(op.Path, "{id}") {
		return path
	}
	id := fmt.Sprintf("x%d", time.Now().UnixNano())
	rest := strings.TrimPrefix(path, "/v1/"+typ+"/")
	if i := strings.IndexAny(rest, ":/?"); i >= 0 {
		rest = rest[i:]
	} else {
		rest = ""
	}
	create, _, _ := admin.Doc.Find("POST", "/v1/"+typ)
	doc, _ := admin.Doc.Example(create)[apitest.JSON].(map[string]any)
	doc = maps.Clone(doc)
	query := "?id=" + id
	switch typ {
	case "films":
		blob := admin.Post(t, "/v1/blobs", forbiddenRow, apitest.Header("Content-Type", "application/octet-stream")).Want(t, 201).Text("/digest")
		doc = map[string]any{"title": forbiddenRow, "genre": "closed", "budget": json.Number(forbiddenField), "poster": map[string]any{"digest": blob}}
		if strings.HasPrefix(rest, "/blobs/") {
			_, verb, _ := strings.Cut(op.Path, "{digest}")
			rest = "/blobs/" + blob + verb
		}
	case "bindings":
		doc = map[string]any{"role": "reader", "subjects": []any{"user:nobody"}}
	case "mails":
		doc = map[string]any{"to": forbiddenRow}
		query += "&run_at=2999-01-01T00:00:00Z"
	default:
		if _, named := doc["name"]; named {
			doc["name"] = id
		}
	}
	if typ == "users" { // whose ids the server makes
		doc["email"], query = id+"@example.org", ""
	}
	id = admin.Post(t, "/v1/"+typ+query, doc).Want(t, 201).Text("/meta/id")
	for n := range 2 { // the revisions that examples speak of
		if typ == "users" {
			admin.Patch(t, "/v1/users/"+id, apitest.MergePatch, map[string]any{"name": id + strconv.Itoa(n)}).Want(t, 200)
			continue
		}
		if body, ok := revised(typ, n); ok {
			admin.Patch(t, "/v1/"+typ+"/"+id, apitest.MergePatch, body).Want(t, 200)
			continue
		}
		if r := admin.Get(t, "/v1/"+typ+"/"+id); r.Int("/meta/revision_count") < 3 {
			status := "draft"
			if r.Text("/meta/status") == status {
				status = "stable"
			}
			admin.Post(t, "/v1/"+typ+"/"+id+":status", map[string]any{"status": status}).Want(t, 200)
			admin.Post(t, "/v1/"+typ+"/"+id+":status", map[string]any{"status": "draft"})
		}
	}
	switch op.ID {
	case "mails.rerun", "bulk-jobs.rerun":
		admin.Post(t, "/v1/"+typ+"/"+id+":cancel", nil) // a bulk job may have ended
	}
	return "/v1/" + typ + "/" + id + rest
}

func judgeCell(t *testing.T, op *apitest.Operation, n need, c column, typ string, hidden bool, r *apitest.Response) {
	t.Helper()
	code := r.Text("/code")
	is := func(status int, want string) {
		t.Helper()
		if r.Status != status || code != want {
			t.Errorf("%s for %s is %d %s, want %d %s: %.300s", op.ID, c.name, r.Status, code, status, want, r.Body)
		}
	}
	done := func() {
		t.Helper()
		if r.Status == 401 || r.Status == 403 || r.Status == 404 || r.Status >= 500 {
			t.Errorf("%s for %s is %d %s: %.300s", op.ID, c.name, r.Status, code, r.Body)
		}
	}
	switch {
	case n.on == anybody:
		done()
		return
	case n.on == itself: // people_test.go has what is right
		if r.Status >= 500 {
			t.Errorf("%s for %s is %d: %.300s", op.ID, c.name, r.Status, r.Body)
		}
	case !c.known:
		is(http.StatusUnauthorized, "unauthenticated")
		return
	case n.on == program:
		if c.admin {
			done()
		} else {
			is(http.StatusForbidden, "permission_denied")
		}
		return
	case n.on == nothing:
		if op.ID == "type" && !c.may("films", "read") {
			is(http.StatusForbidden, "permission_denied")
			break
		}
		if r.Status == 401 || r.Status >= 500 {
			t.Errorf("%s for %s is %d: %.300s", op.ID, c.name, r.Status, r.Body)
		}
	case n.right == "bulk":
		if c.may(typ, "update") && c.may(typ, "list") {
			done()
		} else {
			is(http.StatusForbidden, "permission_denied")
		}
	case !c.may(typ, n.right):
		is(http.StatusForbidden, "permission_denied")
	case n.on == row_ && c.rows:
		is(http.StatusNotFound, "not_found")
	case hidden:
		is(http.StatusForbidden, "permission_denied")
	default:
		done()
	}
	if c.admin {
		return
	}
	body := string(r.Body)
	if (c.rows || !c.may(typ, "read")) && strings.Contains(body, forbiddenRow) && !(c.name == "reader" || c.fields) {
		t.Errorf("%s tells %s of a row that it may not see: %.500s", op.ID, c.name, body)
	}
	if c.fields && strings.Contains(body, forbiddenField) {
		t.Errorf("%s tells %s of a field that is hidden: %.500s", op.ID, c.name, body)
	}
}

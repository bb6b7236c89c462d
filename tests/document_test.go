package tests_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi-validator/schema_validation"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

func TestTheServersOwnPagesAnswer(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		for path, want := range map[string]struct{ media, says string }{
			"/docs":         {"text/html", "<html"},
			"/openapi.json": {"application/json", `"openapi"`},
			"/livez":        {"text/plain", ""},
			"/readyz":       {"text/plain", ""},
			"/metrics":      {"text/plain", "autocrud_"},
			"/v1/types":     {"application/json", `"movies"`},
		} {
			r := c.Get(t, path).Want(t, 200)
			if !strings.HasPrefix(r.Header.Get("Content-Type"), want.media) || !strings.Contains(string(r.Body), want.says) {
				t.Errorf("%s: %s %.200s", path, r.Header.Get("Content-Type"), r.Body)
			}
			if r.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s may be sniffed", path)
			}
		}
		c.Get(t, "/v1/types/movies").Want(t, 200).Equal(t, "/name", `"movies"`).Equal(t, "/schema/required", `["title","year"]`)
		c.Get(t, "/").Want(t, 302)
	})
}

func TestThePageOfTheDocumentLoadsNothingFromElsewhere(t *testing.T) {
	c := start(t, nil, memory(), nil)
	page := string(c.Get(t, "/docs").Want(t, 200).Body)
	for _, attribute := range []string{`src="`, `href="`} {
		for _, part := range strings.Split(page, attribute)[1:] {
			target, _, _ := strings.Cut(part, `"`)
			if strings.Contains(target, "//") {
				t.Errorf("the page loads %s", target)
			}
			u, err := url.Parse(c.URL + "/docs")
			if err != nil {
				t.Fatal(err)
			}
			at, err := u.Parse(target)
			if err != nil {
				t.Fatal(err)
			}
			if r := c.Get(t, at.RequestURI()); r.Status != 200 && !strings.HasPrefix(target, "data:") {
				t.Errorf("%s: %d", target, r.Status)
			}
		}
	}
}

func TestTheServedDocumentIsValid(t *testing.T) {
	c := start(t, nil, memory(), nil)
	doc, err := libopenapi.NewDocument(c.Get(t, "/openapi.json").Body)
	if err != nil {
		t.Fatal(err)
	}
	if ok, problems := schema_validation.ValidateOpenAPIDocument(doc); !ok {
		for _, p := range problems {
			t.Errorf("%s: %s", p.Message, p.Reason)
		}
	}
}

func TestADocumentCanBeOfSomeTypesOnly(t *testing.T) {
	c := start(t, nil, memory(), nil)
	for _, path := range []string{"/openapi.json", "/openapi-3.0.json"} {
		whole := c.Get(t, path).Want(t, 200)
		some := c.Get(t, path+"?types=studios,movies").Want(t, 200)
		if some.ETag() == "" || some.ETag() == whole.ETag() || some.Text("/openapi") != whole.Text("/openapi") {
			t.Errorf("%s: the tags are %s and %s, the version %s", path, some.ETag(), whole.ETag(), some.Text("/openapi"))
		}
		paths, _ := some.Value("/paths").(map[string]any)
		for path := range paths {
			name, _, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
			if name, _, _ = strings.Cut(name, ":"); slices.Contains([]string{"webhooks", "roles", "tasks"}, name) {
				t.Errorf("it has %s", path)
			}
		}
		if paths["/v1/movies"] == nil || paths["/v1/studios"] == nil || paths["/v1:batch"] == nil {
			t.Errorf("%s: movies, studios or what belongs to no type is missing", path)
		}
		if p := c.Get(t, path+"?types=movies,studio").WantProblem(t, 400, "invalid_request"); !strings.Contains(p.Detail, `did you mean "studios"?`) {
			t.Errorf("%s: %s", path, p.Detail)
		}
		c.Get(t, path+"?types=").WantProblem(t, 400, "invalid_request")
		c.Get(t, path+"?type=movies").WantProblem(t, 400, "invalid_request")
	}
}

// exampleOf fills an operation's path and the parameters it cannot be without
// with the document's examples.
func exampleOf(t *testing.T, c *apitest.Client, op *apitest.Operation) string {
	t.Helper()
	path, parameters := op.Path, url.Values{}
	for _, p := range c.Doc.Parameters(op) {
		if p.In == "path" {
			value := fmt.Sprint(p.Example)
			if p.Name == "id" && strings.HasPrefix(op.ID, "users.") {
				value = aUser(t, c)
			}
			if !p.HasExample {
				value = "movies" // the name of a type
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
		} else if p.In == "query" && p.Required {
			parameters.Set(p.Name, fmt.Sprint(p.Example))
		}
	}
	if len(parameters) > 0 {
		path += "?" + parameters.Encode()
	}
	return path
}

// aUser is the id of a user, which the server makes.
func aUser(t *testing.T, c *apitest.Client) string {
	t.Helper()
	var r *apitest.Response
	eventually(t, "the list of users", func() bool { // a slow machine's index may lag
		r = c.Get(t, "/v1/users?page_size=1&include_deleted=true&order_by=meta.created_at")
		return r.Status == 200
	})
	id, at := r.Text("/items/0/meta/id"), "/items/0/meta/"
	if id == "" {
		r, at = c.Post(t, "/v1/users", `{"name":"Ann","email":"ann@example.org","password":"a sentence of an example"}`).Want(t, 201), "/meta/"
		id = r.Text("/meta/id")
	}
	if r.Value(at+"deleted") == true {
		return id
	}
	for n := r.Int(at + "revision_count"); n < 3; n++ { // the revisions that examples speak of
		c.Patch(t, "/v1/users/"+id, apitest.MergePatch, map[string]any{"name": fmt.Sprint("Ann ", n)}, apitest.IfMatch("*")).Want(t, 200)
	}
	return id
}

// formWith is a form with a document.
func formWith(t *testing.T, doc any) (media string, body []byte) {
	t.Helper()
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := errors.Join(w.WriteField("data", string(text)), w.Close()); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

// samples makes a resource of every type at the example's id, with the three
// revisions that examples speak of.
func samples(t *testing.T, c *apitest.Client) {
	t.Helper()
	for _, op := range c.Doc.Operations {
		typ, name, _ := strings.Cut(op.ID, ".")
		if name != "read" {
			continue
		}
		path := exampleOf(t, c, op)
		if c.Get(t, path+"?include_deleted=true").Status == 200 {
			c.Post(t, path+":restore", nil, apitest.IfMatch("*")).Want(t, 200)
			continue
		}
		create, _, _ := c.Doc.Find("POST", "/v1/"+typ)
		if typ == "movies" {
			example, _ := c.Doc.Example(create)[apitest.JSON].(map[string]any)
			if studio, ok := example["studio"].(string); ok { // a reference must lead somewhere
				c.Do(t, "PUT", "/v1/studios/"+studio, `{"name":"x"}`, apitest.Header("If-None-Match", "*"))
			}
		}
		id := path[strings.LastIndexByte(path, '/')+1:]
		r := c.Post(t, "/v1/"+typ+"?id="+id, c.Doc.Example(create)[apitest.JSON]).Want(t, 201)
		for i := 0; r.Int("/meta/revision_count") < 3 && i < 6; i++ {
			if body, ok := revised(typ, i); ok {
				r = c.Patch(t, path, apitest.MergePatch, body, apitest.IfMatch("*")).Want(t, 200)
				continue
			}
			status := "stable"
			if r.Text("/meta/status") == status {
				status = "draft"
			}
			r = c.Post(t, path+":status", map[string]any{"status": status}, apitest.IfMatch("*")).Want(t, 200)
		}
	}
}

// revised is a change that makes another revision of a type that has no drafts.
func revised(typ string, n int) (body string, ok bool) {
	texts := map[string]string{"api-keys": `{"description":"n%d"}`, "webhooks": `{"description":"n%d"}`, "roles": `{"rules":[{"types":["*"],"actions":["read"],"where":"meta.id = \"n%d\""}]}`,
		"bindings": `{"subjects":["user:n%d"]}`, "bulk-jobs": `{"filter":"meta.id = \"n%d\""}`, "schedules": `{"cron":"%d 3 * * *"}`,
		"queue-settings": `{"concurrency":1%d}`}
	text, ok := texts[typ]
	return strings.Replace(text, "%d", strconv.Itoa(n), 1), ok
}

func TestEveryOperationOfTheDocumentIsThereAndItsExampleWorks(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		if len(c.Doc.Operations) < 60 {
			t.Fatalf("only %d operations", len(c.Doc.Operations))
		}
		for _, op := range c.Doc.Operations {
			if strings.HasPrefix(op.Path, "/auth/") || op.ID == "users.invite" { // authentication is off; people_test.go asks them
				continue
			}
			samples(t, c)
			path := exampleOf(t, c, op)
			bodies := c.Doc.Example(op)
			if len(bodies) == 0 {
				bodies[""] = nil
			}
			for media, body := range bodies {
				var opts []apitest.Option
				if media == "multipart/form-data" && op.ID != "upload" {
					var form []byte
					media, form = formWith(t, bodies[apitest.JSON])
					body = form
				} else if media == "*/*" || media == "multipart/form-data" { // whose example would be a file
					media, body = "application/octet-stream", "bytes"
				}
				if media != "" && media != apitest.JSON {
					opts = append(opts, apitest.Header("Content-Type", media))
				}
				var raw any
				if form, ok := body.([]byte); ok {
					raw = form
				} else if body != nil {
					b, err := json.Marshal(body)
					if err != nil {
						t.Fatal(err)
					}
					raw = b
				}
				r := c.Do(t, op.Method, path, raw, opts...)
				if slices.Contains([]int{400, 404, 405, 415, 422, 500, 501}, r.Status) {
					t.Errorf("%s %s with its example: %d %s", op.Method, path, r.Status, r.Body)
				}
			}
			for _, p := range c.Doc.Parameters(op) {
				if p.In == "query" && p.HasExample && !p.Required && op.Method == "GET" {
					sep := "?"
					if strings.Contains(path, "?") {
						sep = "&"
					}
					at := path + sep + p.Name + "=" + query(fmt.Sprint(p.Example))
					r := c.Get(t, at)
					for begun := time.Now(); r.Text("/code") == "index_lag" && time.Since(begun) < time.Minute; {
						r = c.Get(t, at) // an example before rebuilds indexes, and each request waits for them
					}
					r.Want(t, 200)
				}
			}
		}
	})
}

// What is not in the document is not there: of every path, exactly the
// documented methods are taken, and undescribed actions are 404.
func TestTheDocumentHasEveryRoute(t *testing.T) {
	c := start(t, nil, memory(), nil)
	samples(t, c)
	seen := map[string]bool{}
	for _, op := range c.Doc.Operations {
		path, _, _ := strings.Cut(exampleOf(t, c, op), "?")
		if seen[path] {
			continue
		}
		seen[path] = true
		_, _, methods := c.Doc.Find("GET", path)
		slices.Sort(methods)
		r := c.Do(t, "PROPFIND", path, nil)
		r.WantProblem(t, 405, "invalid_request")
		allowed := slices.DeleteFunc(strings.Split(r.Header.Get("Allow"), ", "), func(m string) bool { return m == "HEAD" })
		slices.Sort(allowed)
		if !slices.Equal(allowed, methods) {
			t.Errorf("%s takes %v, the document says %v", path, allowed, methods)
		}
	}
	verbs := "count aggregate search batch bulk watch restore switch status purge diff cancel rerun migrate publish modify history revisions referrers logs blobs export import"
	for verb := range strings.FieldsSeq(verbs) {
		for _, path := range []string{"/v1:" + verb, "/v1/movies:" + verb, "/v1/movies/m:" + verb, "/v1/movies/m/" + verb, "/v1/mails/m:" + verb, "/v1/mails/m/" + verb, "/v1/" + verb} {
			_, _, methods := c.Doc.Find("GET", path)
			if r := c.Do(t, "PROPFIND", path, nil); len(methods) == 0 && r.Status != 404 {
				t.Errorf("%s is not documented and answers %d", path, r.Status)
			}
		}
	}
}

func TestACommandPrintsTheServedDocument(t *testing.T) {
	dir := apitest.WriteModels(t, models)
	printed := ok(t, "", "openapi", "--models", dir)
	p := apitest.Launch(t, "--models", dir, "--data-dir", t.TempDir(), "--log-level", "error")
	var a, b map[string]any
	if json.Unmarshal([]byte(printed), &a) != nil || json.Unmarshal(apitest.NewClient(t, p.URL).Get(t, "/openapi.json").Body, &b) != nil {
		t.Fatal("they are no JSON")
	}
	delete(a, "servers")
	delete(b, "servers")
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Error("they differ")
	}
}

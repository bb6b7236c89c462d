package tests_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// Callers that a rule pins to the published view. Every value that is in no published
// state holds the mark; no answer to such a caller does.
const mark = "zqmark"

var pinnedModels = map[string]string{
	"posts": `name: posts
schema:
  type: object
  required: [title]
  properties:
    title: {type: string, maxLength: 200}
    slug: {type: [string, "null"]}
    author: {type: [string, "null"]}
    cover: {x-binary: {}}
index: [title, author]
fulltext: [title]
unique: [slug]
refs: {author: {type: authors, onDelete: restrict}}
`,
	"authors": `name: authors
schema: {type: object, required: [name], properties: {name: {type: string}}}
index: [name]
fulltext: [name]
`,
	"reports": `name: reports
schema: {type: object, properties: {of: {type: string}}}
job: {}
`,
}

// site has nothing but pinned rules; writer has every other right too; half sees HEAD
// of what it made.
const pinnedPolicy = `
roles:
  site:
    - {types: [posts, authors], actions: ["*"], view: published}
  writer:
    includes: [site]
    rules:
      - {types: [posts, authors], actions: [create, update, modify, publish, delete, restore, switch, purge, migrate, peek, glance]}
      - {types: [reports, bulk-jobs, webhooks, schedules], actions: ["*"]}
  half:
    includes: [site]
    rules:
      - {types: [posts], actions: ["*"], where: 'meta.created_by = principal.id'}
bindings:
  - {role: site, subjects: ["key:site", "public"]}
  - {role: writer, subjects: ["key:writer"]}
  - {role: half, subjects: ["key:half"]}
`

type report struct {
	Of string `json:"of"`
}

// seesAll is what Go code finds that acts for a caller.
func seesAll(ctx context.Context, m *resource.Manager) (out string, err error) {
	l, err := m.List(ctx, "posts", resource.ListOptions{Text: ""})
	if err != nil {
		return "", err
	}
	for _, r := range l.Items {
		out += string(r.Data) + string(r.Meta) + string(r.Revision)
	}
	for _, id := range []string{"newer", "draft", "back", "gone"} {
		r, err := m.Get(ctx, "posts", id, resource.GetOptions{})
		if err == nil {
			out += string(r.Data) + string(r.Meta)
		}
		r, err = m.Get(ctx, "posts", id, resource.GetOptions{Revision: 2, IncludeDeleted: true})
		out += fmt.Sprint(err)
		if err == nil {
			out += string(r.Data)
		}
	}
	n, _, err := m.Count(ctx, "posts", resource.ListOptions{Filter: `contains(title, "` + mark + `")`})
	return out + fmt.Sprintf("%d marked", n), err
}

// pinnedWorld is a program with resources of every kind of draft.
type pinnedWorld struct {
	admin, site, writer, half, public *apitest.Client
	digest                            map[string]string // of the covers "shown" and mark
}

func newPinnedWorld(t testing.TB, row autocrud.Settings) *pinnedWorld {
	t.Helper()
	app := autocrud.New()
	look := func(ctx context.Context, c autocrud.ActionCall[struct{}]) (report, error) {
		text, err := seesAll(ctx, c.Manager)
		return report{text}, err
	}
	autocrud.Action(app, "posts", "peek", look)
	autocrud.Action(app, "posts", "glance", look, autocrud.OnResource())
	autocrud.HandleJob(app, "reports", func(ctx context.Context, j *job.Job[report]) error {
		text, err := seesAll(ctx, j.Manager)
		return errors.Join(err, j.SetResult(report{text}))
	})
	w := &pinnedWorld{admin: guardModels(t, app, row, pinnedPolicy, pinnedModels), digest: map[string]string{}}
	w.site, _ = key(t, w.admin, "site", "")
	w.writer, _ = key(t, w.admin, "writer", "")
	w.half, _ = key(t, w.admin, "half", "")
	w.public = w.admin.As("")
	for _, text := range []string{"shown", mark} {
		w.digest[text] = w.admin.Post(t, "/v1/blobs", "the cover "+text, apitest.Header("Content-Type", "text/plain")).Want(t, 201).Text("/digest")
	}
	c := w.admin
	c.Post(t, "/v1/authors?id=ann", `{"name":"Ann"}`).Want(t, 201)
	c.Post(t, "/v1/authors?id=bob&status=draft", `{"name":"Bob `+mark+`"}`).Want(t, 201)
	post := func(text, author string) string {
		return fmt.Sprintf(`{"title":"A %s post","slug":"%s","author":"%s","cover":{"digest":"%s"}}`, text, text, author, w.digest[text])
	}
	plain := func(text string) string { return fmt.Sprintf(`{"title":"A %s post"}`, text) }
	c.Post(t, "/v1/posts?id=newer", post("shown", "ann")).Want(t, 201)
	c.Put(t, "/v1/posts/newer?status=draft&message="+mark, post(mark, "bob")).Want(t, 200)
	c.Put(t, "/v1/posts/newer?mode=modify", post(mark, "ann")).Want(t, 200)
	c.Patch(t, "/v1/posts/newer?status=draft", apitest.MergePatch, `{"author":"bob","slug":"`+mark+`-2"}`).Want(t, 200)
	c.Post(t, "/v1/posts?id=draft&status=draft", plain(mark)).Want(t, 201)
	c.Patch(t, "/v1/posts/draft", apitest.MergePatch, `{"author":"ann","slug":"`+mark+`-3"}`, apitest.Header("X-Request-Id", "a")).Want(t, 200)
	c.Post(t, "/v1/posts/draft:status", `{"status":"draft"}`).Want(t, 200)
	c.Post(t, "/v1/posts/draft:unpublish", nil).Want(t, 200)
	c.Post(t, "/v1/posts?id=back", plain(mark)).Want(t, 201)
	c.Post(t, "/v1/posts/back:unpublish", nil).Want(t, 200)
	c.Post(t, "/v1/posts?id=gone", plain(mark)).Want(t, 201)
	c.Delete(t, "/v1/posts/gone").Want(t, 200)
	c.Post(t, "/v1/posts?id=stable", plain("shown")).Want(t, 201)
	return w
}

// pinnedCell asks one operation.
type pinnedCell struct {
	method, path string
	body         any
	opts         []apitest.Option
	status       int // of the answer to the key of the site; 0: any refusal or nothing marked
	stream       bool
}

func get(status int, paths ...string) (out []pinnedCell) {
	for _, p := range paths {
		out = append(out, pinnedCell{method: "GET", path: p, status: status})
	}
	return out
}

func sends(path string, body any) pinnedCell {
	return pinnedCell{method: "POST", path: path, body: body}
}

// marked asks for what only drafts hold, in a query.
func marked(before string) string {
	return before + url.QueryEscape(`contains(title, "`+mark+`")`)
}

// cells are requests for every operation on posts, and of the server; what has none here
// fails the test.
func (w *pinnedWorld) cells() map[string][]pinnedCell {
	onEach := func(form string, more ...string) (out []string) {
		for _, id := range []string{"newer", "draft", "back", "gone"} {
			out = append(out, fmt.Sprintf(form, id))
		}
		return append(out, more...)
	}
	writes := func(method, form string, body any, opts ...apitest.Option) (out []pinnedCell) {
		for _, p := range onEach(form) {
			out = append(out, pinnedCell{method: method, path: p, body: body, opts: opts},
				pinnedCell{method: method, path: p, body: body, opts: append(slices.Clone(opts), apitest.IfMatch(`"0192f0c1-2b3c-7d4e-8f90-123456789abc"`))})
		}
		return out
	}
	merge, patch := apitest.Header("Content-Type", apitest.MergePatch), apitest.Header("Content-Type", apitest.JSONPatch)
	new, keyed := `{"title":"new"}`, apitest.Header("Idempotency-Key", "k")
	return map[string][]pinnedCell{
		"posts.list": append(slices.Concat(get(200, "/v1/posts", "/v1/posts?total=true&returns=data,meta,revision", "/v1/posts?view=published", "/v1/posts?expand=author", marked("/v1/posts?total=true&filter="),
			"/v1/posts?q="+mark, "/v1/posts?consistency=strong&order_by=title", "/v1/posts?filter=meta.revision_count>1", "/v1/posts?page_size=1", "/v1/posts?filter=author=%22bob%22", "/v1/authors"),
			get(403, "/v1/posts?view=head", "/v1/posts?include_deleted=true", "/v1/posts?only_deleted=true")), pinnedCell{method: "HEAD", path: "/v1/posts"}),
		"posts.search":    {sends("/v1/posts:search", `{"filter":"contains(title, \"`+mark+`\")","total":true}`), sends("/v1/posts:search", `{"view":"head"}`), sends("/v1/posts:search", `{"include_deleted":true}`), sends("/v1/posts:search", `{"expand":["author"]}`)},
		"posts.count":     append(get(200, "/v1/posts:count", "/v1/posts:count?q="+mark, marked("/v1/posts:count?filter=")), get(403, "/v1/posts:count?view=head", "/v1/posts:count?include_deleted=true")...),
		"posts.aggregate": append(get(200, "/v1/posts:aggregate?group_by=title", "/v1/posts:aggregate?min=title&max=title", "/v1/posts:aggregate?group_by=author,meta.status"), get(403, "/v1/posts:aggregate?view=head&group_by=title")...),
		"posts.read": slices.Concat(get(200, "/v1/posts/newer", "/v1/posts/newer?view=published", "/v1/posts/newer?expand=author", "/v1/posts/newer?consistency=strong", "/v1/posts/newer?fields=title,slug", "/v1/posts/newer?as_of="+time.Now().UTC().Format(time.RFC3339Nano)),
			get(404, onEach("/v1/posts/%s?as_of=2020-01-01T00:00:00Z")...), get(404, "/v1/posts/draft", "/v1/posts/back", "/v1/posts/gone", "/v1/posts/draft?consistency=strong", "/v1/posts/draft?view=published"),
			get(403, onEach("/v1/posts/%s?revision=2")...), get(403, onEach("/v1/posts/%s?status=stable")...), get(403, onEach("/v1/posts/%s?view=head", "/v1/posts/nothing?view=head")...), get(403, onEach("/v1/posts/%s?include_deleted=true")...),
			[]pinnedCell{{method: "GET", path: "/v1/posts/newer", opts: []apitest.Option{apitest.IfMatch(`"0192f0c1-2b3c-7d4e-8f90-123456789abc"`)}, status: 412}, {method: "HEAD", path: "/v1/posts/newer"}}),
		"posts.revisions": get(403, onEach("/v1/posts/%s/revisions", "/v1/posts/nothing/revisions", "/v1/posts/newer/revisions?chain_only=true")...),
		"posts.revision":  get(403, onEach("/v1/posts/%s/revisions/1", "/v1/posts/newer/revisions/2", "/v1/posts/newer/revisions/2?raw=true", "/v1/posts/newer/revisions/99", "/v1/posts/nothing/revisions/1")...),
		"posts.history":   get(403, onEach("/v1/posts/%s/history", "/v1/posts/nothing/history")...),
		"posts.diff":      get(403, onEach("/v1/posts/%s:diff?from=1&to=2", "/v1/posts/nothing:diff?from=1&to=2")...),
		"posts.referrers": slices.Concat(get(200, "/v1/posts/newer/referrers", "/v1/authors/ann/referrers"), get(404, "/v1/authors/bob/referrers", "/v1/authors/bob/referrers?view=published"), get(403, "/v1/authors/ann/referrers?view=head")),
		"posts.watch": {{method: "GET", path: "/v1/posts:watch?from_seq=0", stream: true}, {method: "GET", path: "/v1/posts:watch?from_seq=0&view=published", stream: true}, {method: "GET", path: "/v1/posts:watch?view=head", status: 403},
			{method: "GET", path: marked("/v1/posts:watch?from_seq=0&filter=") + url.QueryEscape(` OR contains(title, "end")`), stream: true}},
		"posts.watch_one": {{method: "GET", path: "/v1/posts/end:watch?from_seq=0", stream: true}, {method: "GET", path: "/v1/posts/draft:watch?from_seq=0", status: 404}, {method: "GET", path: "/v1/posts/back:watch?from_seq=0", status: 404},
			{method: "GET", path: "/v1/posts/gone:watch?from_seq=0", status: 404}, {method: "GET", path: "/v1/posts/newer:watch?view=head", status: 403}},
		"watch":         {{method: "GET", path: "/v1:watch?from_seq=0", stream: true}, {method: "GET", path: "/v1:watch?from_seq=0&view=published", stream: true}, {method: "GET", path: "/v1:watch?from_seq=0&view=head", stream: true}},
		"posts.blob":    slices.Concat(get(200, "/v1/posts/newer/blobs/"+w.digest["shown"]), get(404, "/v1/posts/newer/blobs/"+w.digest[mark], "/v1/posts/draft/blobs/"+w.digest[mark], "/v1/posts/stable/blobs/"+w.digest[mark])),
		"posts.sign":    {sends("/v1/posts/newer/blobs/"+w.digest[mark]+":sign", nil), sends("/v1/posts/newer/blobs/"+w.digest["shown"]+":sign", nil)},
		"posts.preview": {sends("/v1/posts/newer:preview", nil), sends("/v1/posts/draft:preview", nil), sends("/v1/posts/nothing:preview", nil)},
		"signRead":      {sends("/auth/sign", `{"path":"/v1/posts/newer?revision=2"}`), sends("/auth/sign", `{"path":"/v1/posts/draft"}`)},
		"can": {sends("/v1:can", `{"action":"read","type":"posts","id":"draft"}`), sends("/v1:can", `{"action":"read","type":"posts","id":"newer"}`), sends("/v1:can", `{"action":"update","type":"posts","id":"newer","data":{"title":"x"}}`),
			sends("/v1:can", `{"action":"create","type":"posts","data":{"title":"x","author":"bob"}}`), sends("/v1:can", `{"action":"delete","type":"authors","id":"ann"}`), sends("/v1:can", `{"action":"publish","type":"posts","id":"draft"}`)},
		"posts.create": {sends("/v1/posts?id=draft", new), sends("/v1/posts?id=newer", new), sends("/v1/posts?id=gone", new), sends("/v1/posts", `{"title":"x","slug":"`+mark+`-2"}`), sends("/v1/posts", `{"title":"x","slug":"`+mark+`-3"}`),
			sends("/v1/posts", `{"title":"x","author":"bob"}`), {method: "POST", path: "/v1/posts", body: `{"title":"kept","author":"ann"}`, opts: []apitest.Option{keyed}}, {method: "POST", path: "/v1/posts", body: `{"title":"kept","author":"ann"}`, opts: []apitest.Option{keyed}}, sends("/v1/posts", `{"title":5}`)},
		"posts.replace": slices.Concat(writes("PUT", "/v1/posts/%s", new), writes("PUT", "/v1/posts/%s?mode=modify", new), writes("PUT", "/v1/posts/%s", new, apitest.Header("If-None-Match", "*"))),
		"posts.patch": slices.Concat(writes("PATCH", "/v1/posts/%s", `{"title":"x"}`, merge), writes("PATCH", "/v1/posts/%s?mode=modify", `{"title":null}`, merge), writes("PATCH", "/v1/posts/%s", `[{"op":"test","path":"/title","value":"x"}]`, patch),
			writes("PATCH", "/v1/posts/%s", `[{"op":"copy","from":"/title","path":"/author"}]`, patch)),
		"posts.delete":    append(writes("DELETE", "/v1/posts/%s", nil), pinnedCell{method: "DELETE", path: "/v1/authors/ann"}, pinnedCell{method: "DELETE", path: "/v1/authors/bob"}),
		"posts.restore":   slices.Concat(writes("POST", "/v1/posts/%s:restore", nil), writes("POST", "/v1/posts/%s:restore", `{"revision":2}`), writes("POST", "/v1/posts/%s:restore", `{"patch":{"slug":"x"}}`)),
		"posts.switch":    slices.Concat(writes("POST", "/v1/posts/%s:switch", `{"revision":2}`), writes("POST", "/v1/posts/%s:switch", `{"revision":77}`)),
		"posts.status":    slices.Concat(writes("POST", "/v1/posts/%s:status", `{"status":"stable"}`), writes("POST", "/v1/posts/%s:status", `{"status":"draft"}`)),
		"posts.publish":   slices.Concat(writes("POST", "/v1/posts/%s:publish", nil), writes("POST", "/v1/posts/%s:publish", whenBody(farOff)), writes("POST", "/v1/posts/%s:publish", `{"at":null}`)),
		"posts.unpublish": slices.Concat(writes("POST", "/v1/posts/%s:unpublish", nil), writes("POST", "/v1/posts/%s:unpublish", whenBody(farOff))),
		"release":         {sends("/v1:publish", `{"items":[{"type":"posts","id":"newer"},{"type":"posts","id":"draft"}]}`), sends("/v1:publish", `{"at":"`+farOff+`","items":[{"type":"posts","id":"gone"}]}`)},
		"posts.purge":     writes("POST", "/v1/posts/%s:purge", nil),
		"posts.migrate":   {sends("/v1/posts:migrate?dry_run=true", nil)},
		"posts.reindex":   {sends("/v1/posts:reindex", nil)},
		"posts.prune":     {sends("/v1/posts:prune", nil)},
		"posts.bulk":      {sends("/v1/posts:bulk", `{"filter":"contains(title, \"zqm\") AND contains(title, \"qmark\")","op":"patch","patch":{"title":"x"}}`)},
		"posts.peek":      {sends("/v1/posts:peek", nil)},
		"posts.glance":    {sends("/v1/posts/newer:glance", nil), sends("/v1/posts/draft:glance", nil)},
		"batch": {sends("/v1:batch", `{"atomic":false,"operations":[{"op":"patch","type":"posts","id":"newer","patch":{"title":"x"}},{"op":"create","type":"posts","id":"draft","data":{"title":"x"}},{"op":"delete","type":"authors","id":"ann"},{"op":"switch","type":"posts","id":"back","revision":1},{"op":"restore","type":"posts","id":"gone"}]}`),
			sends("/v1:batch", `{"operations":[{"op":"modify","type":"posts","id":"newer","data":{"title":"x"}}]}`), sends("/v1:batch", `{"operations":[{"op":"create","type":"posts","id":"fresh","data":{"title":"x","slug":"`+mark+`-3"}}]}`)},
		"verify": {sends("/v1:verify", nil)}, "gc": {sends("/v1:gc", nil)}, "backup": get(403, "/v1:backup"), "restoreBackup": {sends("/v1:restore", "x")}, "reindex": {sends("/v1:reindex", nil)},
		"indexing": get(0, "/v1:reindex"), "planModels": {sends("/v1/types:plan", `{"models":[]}`)}, "reloadModels": {sends("/v1/types:reload", nil)}, "queues": get(0, "/v1/queues"), "queue": get(0, "/v1/queues/default"),
		"pause": {sends("/v1/queues/default:pause", nil)}, "resume": {sends("/v1/queues/default:resume", nil)}, "audit": get(403, "/v1/audit", "/v1/audit?type=posts"), "types": get(200, "/v1/types"), "type": get(200, "/v1/types/posts"),
		"upload": {sends("/v1/blobs", "x")}, "metrics": get(403, "/metrics"), "livez": get(200, "/livez"), "readyz": get(200, "/readyz"), "openapi": get(200, "/openapi.json"), "openapi30": get(200, "/openapi-3.0.json"), "asyncapi": get(200, "/asyncapi.json"), "docs": get(0, "/docs"),
	}
}

// untouched are operations that are about no resource of another: signing in.
func untouched(id string) bool {
	for _, part := range []string{"login", "logout", "session", "password", "reset", "ticket", "links", "revoke", "issuer", "endSession", "link"} {
		if strings.Contains(strings.ToLower(id), strings.ToLower(part)) {
			return true
		}
	}
	return false
}

// hasMark reports whether an answer tells of a draft.
func hasMark(r *apitest.Response) bool {
	return strings.Contains(string(r.Body), mark) || strings.Contains(fmt.Sprint(r.Header), mark)
}

func TestACallerThatIsPinnedSeesNothingElse(t *testing.T) {
	w := newPinnedWorld(t, autocrud.Settings{Storage: "memory"})
	cells := w.cells()
	for _, op := range w.admin.Doc.Operations {
		typ, _, ofType := strings.Cut(op.ID, ".")
		if ofType && typ != "posts" || !ofType && untouched(op.ID) {
			continue // other types have the same rows
		}
		if len(cells[op.ID]) == 0 {
			t.Errorf("%s (%s %s) has no row", op.ID, op.Method, op.Path)
		}
	}
	end := w.half.Post(t, "/v1/posts?id=end", `{"title":"the end"}`).Want(t, 201).Header.Get("Autocrud-Seq")
	var names []string
	for name := range cells {
		names = append(names, name)
	}
	slices.Sort(names) // as they are asked, so that a failure comes again
	for _, by := range []struct {
		name string
		c    *apitest.Client
	}{{"site", w.site}, {"public", w.public}, {"half", w.half}, {"writer", w.writer}} {
		for _, name := range names {
			for _, x := range cells[name] {
				if x.stream {
					w.follows(t, by.name, by.c, x.path, end)
					continue
				}
				r := by.c.Do(t, x.method, x.path, x.body, append([]apitest.Option{apitest.Header("Content-Type", apitest.JSON)}, x.opts...)...)
				if hasMark(r) {
					t.Errorf("%s, %s: %s: %d tells of a draft: %v %.2000s", by.name, name, r.What, r.Status, r.Header, r.Body)
				}
				if by.name == "site" && x.status != 0 && r.Status != x.status {
					t.Errorf("%s, %s: %s: %d, want %d: %.500s", by.name, name, r.What, r.Status, x.status, r.Body)
				}
				if r.Status >= 500 {
					t.Errorf("%s, %s: %s: %d %.500s", by.name, name, r.What, r.Status, r.Body)
				}
				if id := r.Text("/conflicting_id"); id != "" {
					t.Errorf("%s, %s: %s names %s", by.name, name, r.What, id)
				}
			}
		}
	}
	for id, may := range map[string]string{"newer": "true", "stable": "true", "draft": "false", "back": "false", "gone": "false", "nothing": "false"} {
		w.site.Post(t, "/v1:can", `{"action":"read","type":"posts","id":"`+id+`"}`).Want(t, 200).Equal(t, "/allowed", may)
	}
	for _, id := range []string{"newer", "draft", "back", "gone"} { // and nothing was changed
		if r := w.admin.Get(t, "/v1/posts/"+id+"?include_deleted=true").Want(t, 200); !hasMark(r) {
			t.Errorf("%s was changed: %s", id, r.Body)
		}
	}
	w.site.Get(t, "/v1/posts:count").Want(t, 200)
	w.site.Get(t, marked("/v1/posts:count?filter=")).Want(t, 200).Equal(t, "/count", "0")
}

// follows reads a watch up to the end that was written for it.
func (w *pinnedWorld) follows(t *testing.T, name string, c *apitest.Client, path, end string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	feed, r, err := c.Watch(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if feed == nil {
		if hasMark(r) || name != "half" { // of which one resource is not its own
			t.Errorf("%s: %s: %d %s", name, path, r.Status, r.Body)
		}
		return
	}
	defer feed.Close()
	for {
		e, err := feed.Next()
		if err != nil {
			t.Errorf("%s: %s ends: %v", name, path, err)
			return
		}
		if strings.Contains(e.Raw, mark) {
			t.Errorf("%s: %s tells of a draft: %s", name, path, e.Raw)
		}
		if fmt.Sprint(e.Seq) == end || e.Seq > seqOf(end) {
			return
		}
	}
}

func seqOf(text string) (n uint64) {
	_, _ = fmt.Sscan(text, &n) // it is a number
	return n
}

package tests_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// opened is what an answer without any credential is.
type opened struct {
	status int
	header http.Header
	body   string
}

// open asks for a URL as a browser that knows no credential; the parameter of links is in
// no document.
func open(t testing.TB, method, at string, header ...string) opened {
	t.Helper()
	r, err := http.NewRequest(method, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return opened{resp.StatusCode, resp.Header, string(b)}
}

// posted starts a program with a film that has two pictures.
func posted(t testing.TB) (admin *apitest.Client, poster, secret string) {
	t.Helper()
	admin, _ = peopled(t, autocrud.Settings{Storage: "memory"})
	upload := func(text string) string {
		return admin.Do(t, "POST", "/v1/blobs", "\x89PNG\r\n\x1a\n"+text, apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest")
	}
	poster, secret = upload("the poster"), upload("another one")
	film := `{"title":"Heat","genre":"open","poster":{"digest":"` + poster + `"},"secret_poster":{"digest":"` + secret + `"}}`
	admin.Post(t, "/v1/films?id=f", film).Want(t, 201)
	admin.Post(t, "/v1/films?id=g", film).Want(t, 201)
	return admin, poster, secret
}

// signed makes a link to a binary.
func signed(t testing.TB, by *apitest.Client, path string, opts ...apitest.Option) string {
	t.Helper()
	return by.Post(t, path+":sign", `{"expires_in":"10m"}`, opts...).Want(t, 200).Text("/url")
}

func TestALinkIsForOneDownload(t *testing.T) {
	t.Parallel()
	admin, poster, secret := posted(t)
	press, _ := key(t, admin, "photographer", `,"groups":["press"]`)
	at := "/v1/films/f/blobs/" + poster
	link := signed(t, press, at)
	got := open(t, "GET", link)
	if got.status != 200 || !strings.HasSuffix(got.body, "the poster") || got.header.Get("Content-Type") != "image/png" {
		t.Fatalf("%d %v %q", got.status, got.header, got.body)
	}
	for name, want := range map[string]string{"Cross-Origin-Resource-Policy": "cross-origin", "Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff",
		"Cache-Control": "private, no-cache", "Set-Cookie": ""} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
		}
	}
	if part := open(t, "GET", link, "Range", "bytes=1-3"); part.status != 206 || part.body != "PNG" {
		t.Errorf("a range: %d %q", part.status, part.body)
	}
	if part := open(t, "GET", link, "Range", "bytes=1000-"); part.status != 416 {
		t.Errorf("a range outside: %d", part.status)
	}
	if again := open(t, "GET", link, "If-None-Match", got.header.Get("ETag")); again.status != 304 {
		t.Errorf("what the browser has: %d", again.status)
	}
	if head := open(t, "HEAD", link); head.status != 200 || head.body != "" || head.header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %q", head.status, head.body)
	}
	// It is for nothing else, by no other method, and nothing in it can be changed.
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	text := u.Query().Get("signature")
	for what, x := range map[string]struct{ method, path string }{
		"another resource": {"GET", "/v1/films/g/blobs/" + poster}, "another binary": {"GET", "/v1/films/f/blobs/" + secret}, "another type": {"GET", "/v1/notes/f/blobs/" + poster},
		"the resource": {"GET", "/v1/films/f"}, "the list": {"GET", "/v1/films"}, "a slash more": {"GET", "/v1/films/f/blobs/" + poster + "/"}, "a way round": {"GET", "/v1/films/g/../f/blobs/" + poster},
		"a write": {"POST", "/v1/films"}, "a delete": {"DELETE", "/v1/films/f"}, "another link": {"POST", at + ":sign"}, "the documents": {"GET", "/auth/sessions"}, "itself, deleted": {"DELETE", at},
	} {
		if got := open(t, x.method, admin.URL+x.path+"?signature="+text); got.status == 200 || got.status == 201 || got.status == 204 || got.status == 405 && what != "itself, deleted" {
			t.Errorf("%s: %d %s", what, got.status, got.body)
		}
	}
	for what, query := range map[string]string{"none": "signature=", "rubbish": "signature=x", "an altered one": "signature=" + text[:len(text)-3] + "AAA", "two": "signature=" + text + "&signature=" + text,
		"more to ask": "signature=" + text + "&x=y"} {
		if got := open(t, "GET", admin.URL+at+"?"+query); got.status != 401 {
			t.Errorf("%s: %d", what, got.status)
		}
	}
	// A digest's colon may be written in either way.
	if got := open(t, "GET", strings.Replace(link, "sha256:", "sha256%3A", 1)); got.status != 200 {
		t.Errorf("an escaped colon: %d", got.status)
	}
	// A session in the browser neither helps nor hinders; a bearer decides alone.
	if got := open(t, "GET", link, "Cookie", "autocrud=acs_x_y"); got.status != 200 {
		t.Errorf("with a dead cookie: %d", got.status)
	}
	if got := open(t, "GET", link, "Authorization", "Bearer ack_x_"+strings.Repeat("0", 64)); got.status != 401 {
		t.Errorf("with a wrong bearer: %d", got.status)
	}
	// Who may not read it makes no link to it, and learns no more than by reading.
	press.Post(t, "/v1/films/f/blobs/"+secret+":sign", nil).WantProblem(t, 404, "not_found")
	press.Post(t, "/v1/films/none/blobs/"+poster+":sign", nil).WantProblem(t, 404, "not_found")
	admin.As("").Post(t, at+":sign", nil).WantProblem(t, 401, "unauthenticated")
	for _, body := range []string{`{"expires_in":"0s"}`, `{"expires_in":"169h"}`, `{"expires_in":5}`, `{"expires_in":"x"}`} {
		press.Post(t, at+":sign", body).WantProblem(t, 422, "validation_failed")
	}
	short := press.Post(t, at+":sign", `{"expires_in":"1s"}`).Want(t, 200).Text("/url")
	apitest.Eventually(t, 4*time.Second, "the link expires", func() bool { return open(t, "GET", short).status == 401 })
}

// A link dies at once with the right of its maker, and with what it leads to.
func TestALinkDiesWithTheRightOfItsMaker(t *testing.T) {
	t.Parallel()
	admin, poster, secret := posted(t)
	at := "/v1/films/f/blobs/" + poster
	dies := func(what, link string, end func()) {
		t.Helper()
		if got := open(t, "GET", link); got.status != 200 {
			t.Errorf("before %s: %d %s", what, got.status, got.body)
		}
		end()
		apitest.Eventually(t, time.Second, what+" ends the link", func() bool { return open(t, "GET", link).status != 200 })
	}
	rotated, id := key(t, admin, "rotated", `,"groups":["readers"]`)
	dies("a rotation", signed(t, rotated, at), func() { admin.Post(t, "/v1/api-keys/"+id+":rotate", nil).Want(t, 200) })
	revoked, id2 := key(t, admin, "revoked", `,"groups":["readers"]`)
	dies("the end of the key", signed(t, revoked, at), func() { admin.Delete(t, "/v1/api-keys/"+id2).Want(t, 200) })
	moved, id3 := key(t, admin, "moved", `,"groups":["readers"]`)
	dies("another group", signed(t, moved, at), func() {
		admin.Patch(t, "/v1/api-keys/"+id3, apitest.MergePatch, `{"groups":[]}`).Want(t, 200)
	})
	narrowed, id4 := key(t, admin, "narrowed", `,"groups":["readers"]`)
	dies("a narrower scope", signed(t, narrowed, at), func() {
		admin.Patch(t, "/v1/api-keys/"+id4, apitest.MergePatch, `{"scopes":[{"types":["notes"],"actions":["read"]}]}`).Want(t, 200)
	})
	// The role is taken away, and then a field of it is hidden.
	admin.Post(t, "/v1/roles?id=viewer", `{"name":"viewer","rules":[{"types":["films"],"actions":["read"]}]}`).Want(t, 201)
	admin.Post(t, "/v1/bindings?id=viewer", `{"role":"viewer","subjects":["key:viewer"]}`).Want(t, 201)
	viewer, _ := key(t, admin, "viewer", "")
	apitest.Eventually(t, time.Second, "the role is in force", func() bool { return viewer.Do(t, "GET", "/v1/films/f", nil).Status == 200 })
	dies("a hidden field", signed(t, viewer, "/v1/films/f/blobs/"+secret), func() {
		admin.Put(t, "/v1/roles/viewer", `{"name":"viewer","rules":[{"types":["films"],"actions":["read"],"fields":{"hide":["secret_poster"]}}]}`).Want(t, 200)
	})
	dies("the end of a binding", signed(t, viewer, at), func() { admin.Delete(t, "/v1/bindings/viewer").Want(t, 200) })
	// Users: what ends their sessions ends their links; signing out does not.
	users := admin.Get(t, "/v1/users").Want(t, 200).Items()
	ann := users[0].(map[string]any)["meta"].(map[string]any)["id"].(string)
	asAnn := func() string {
		cookie := signedInAs(t, admin, "ann@example.com", annsPassword)
		link := signed(t, admin.As(""), at, cookie)
		admin.As("").Post(t, "/auth/logout", nil, cookie).Want(t, 204)
		return link
	}
	dies("disabling", asAnn(), func() { admin.Patch(t, "/v1/users/"+ann, apitest.MergePatch, `{"disabled":true}`).Want(t, 200) })
	admin.Patch(t, "/v1/users/"+ann, apitest.MergePatch, `{"disabled":false}`).Want(t, 200)
	dies("another group of a user", asAnn(), func() { admin.Patch(t, "/v1/users/"+ann, apitest.MergePatch, `{"groups":[]}`).Want(t, 200) })
	admin.Patch(t, "/v1/users/"+ann, apitest.MergePatch, `{"groups":["readers"]}`).Want(t, 200)
	dies("the end of a user", asAnn(), func() { admin.Delete(t, "/v1/users/"+ann).Want(t, 200) })
	// All of a principal's, and all there are.
	reader, _ := key(t, admin, "reader", "")
	other := signed(t, admin, at)
	dies("revoking one's own", signed(t, reader, at), func() { reader.Post(t, "/auth/links:revoke", nil).Want(t, 204) })
	dies("an admin", signed(t, reader, at), func() { admin.Post(t, "/auth/links:revoke", `{"principal":"key:reader"}`).Want(t, 204) })
	reader.Post(t, "/auth/links:revoke", `{"principal":"admin"}`).WantProblem(t, 403, "permission_denied")
	reader.Post(t, "/auth/links:revoke", `{"all":true}`).WantProblem(t, 403, "permission_denied")
	dies("revoking all", other, func() { admin.Post(t, "/auth/links:revoke", `{"all":true}`).Want(t, 204) })
	// What it leads to.
	link := signed(t, reader, at)
	dies("a delete", link, func() { admin.Delete(t, "/v1/films/f").Want(t, 200) })
	admin.Post(t, "/v1/films/f:restore", nil).Want(t, 200)
	dies("a purge", link, func() { admin.Post(t, "/v1/films/f:purge", nil).Want(t, 204) })
	admin.Post(t, "/v1/films?id=f", `{"title":"another"}`).Want(t, 201)
	if got := open(t, "GET", link); got.status != 404 {
		t.Errorf("of a later resource of the id: %d", got.status)
	}
}

// A link to an export, such as the audit as lines, is one to this path and query.
func TestALinkLeadsToAnExport(t *testing.T) {
	t.Parallel()
	admin, _, _ := posted(t)
	linkTo := func(by *apitest.Client, path, accept string) string {
		return by.Post(t, "/auth/sign", map[string]any{"path": path, "accept": accept, "expires_in": "1m"}).Want(t, 200).Text("/url")
	}
	link := linkTo(admin, "/v1/audit?type=films&action=created", "application/x-ndjson")
	got := open(t, "GET", link, "Accept", "text/html")
	if got.status != 200 || got.header.Get("Content-Type") != "application/x-ndjson" || strings.Count(got.body, "\n") != 2 || !strings.Contains(got.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if got := open(t, "GET", strings.Replace(link, "type=films", "type=notes", 1)); got.status != 401 {
		t.Errorf("another query: %d", got.status)
	}
	if got := open(t, "GET", strings.Replace(link, "&type=films", "", 1)); got.status != 401 {
		t.Errorf("a shorter query: %d", got.status)
	}
	reader, _ := key(t, admin, "reader", "")
	if got := open(t, "GET", linkTo(reader, "/v1/audit", "application/x-ndjson")); got.status != 403 {
		t.Errorf("of a maker without the right: %d", got.status)
	}
	if got := open(t, "GET", linkTo(reader, "/v1/films?page_size=1", "application/json")); got.status != 200 {
		t.Errorf("a list: %d %s", got.status, got.body)
	}
	for _, path := range []string{"https://evil.example/v1/films", "//evil.example/v1", "/auth/sessions", "/metrics", "/v1/films?signature=x", "/v1/films?ticket=x", "/v1/films#x", "x"} {
		r := reader.Do(t, "POST", "/auth/sign", map[string]any{"path": path})
		if r.Status != 422 {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	if got := open(t, "GET", linkTo(reader, "/v1/../metrics", "application/json")); got.status == 200 {
		t.Errorf("a way round: %d", got.status)
	}
	// A watch by a link ends with the right of its maker.
	watched, id := key(t, admin, "watcher", `,"groups":["readers"]`)
	w := apitest.Plain(t, admin.URL).MustWatch(t, strings.TrimPrefix(linkTo(watched, "/v1/films:watch", "text/event-stream"), admin.URL))
	admin.Delete(t, "/v1/api-keys/"+id).Want(t, 200)
	ends(t, w)
	// Without authentication a link is the plain URL.
	off := start(t, nil, autocrud.Settings{Storage: "memory"}, map[string]string{"films": guarded["films"]})
	off.Post(t, "/v1/films?id=f", `{"title":"Heat"}`).Want(t, 201)
	if got := open(t, "GET", off.Post(t, "/auth/sign", `{"path":"/v1/films/f"}`).Want(t, 200).Text("/url")); got.status != 200 {
		t.Errorf("without authentication: %d", got.status)
	}
}

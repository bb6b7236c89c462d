package tests_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// fuzzed runs a program for a fuzz target and checks what holds for any answer
// besides what the document says.
func fuzzed(f *testing.F) (send func(t testing.TB, method, path string, body any, opts ...apitest.Option) *apitest.Response) {
	f.Helper()
	c := start(f, nil, memory(), nil)
	c.Post(f, "/v1/movies?id=m", heat).Want(f, 201)
	c.Post(f, "/v1/movies?id=n", heat).Want(f, 201)
	return func(t testing.TB, method, path string, body any, opts ...apitest.Option) *apitest.Response {
		r := c.Do(t, method, path, body, opts...)
		if r.Status >= 500 {
			t.Errorf("%s %s %q: %d %s", method, path, body, r.Status, r.Body)
		}
		if r.Status >= 400 {
			r.WantProblem(t, r.Status, r.Text("/code"))
		}
		return r
	}
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{heat, `{}`, `[]`, `null`, ``, `{"title":"x","year":1e2}`, `{"title":"\ud83d\ude00","year":1995,"rating":-0.0}`,
		`[{"op":"add","path":"/note","value":"x"}]`, `[{"op":"copy","from":"","path":"/credits"}]`, `[{"op":"move","from":"/genres","path":"/genres/0"}]`,
		`[{"op":"remove","path":"/genres/-1"},{"op":"test","path":"/genres/00","value":null}]`, `{"credits":{"director":null},"genres":null}`,
		`{"title":"x","year":9223372036854775807,"rating":1.7976931348623157e308}`, `{"title":"x","year":1995,"released":"2026-12-31T23:59:60Z"}`,
		`{"title":"x","year":1995,"released":"9999-12-31T23:59:59.999999999+23:59"}`, `{"title":"x","year":1995,"released":"0000-01-01T00:00:00Z"}`,
		"\xff", `{"a":"\u0000"}`, strings.Repeat("[", 200), `{"status":"draft"}`, `{"revision":1}`} {
		f.Add([]byte(s))
	}
	send := fuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if r := send(t, "POST", "/v1/movies", body); r.Status == 201 {
			if got := send(t, "GET", r.Header.Get("Location"), nil); got.Status != 200 || got.ETag() != r.ETag() || string(got.Body) != string(r.Body) {
				t.Errorf("%q reads back as %d %s, was %s", body, got.Status, got.Body, r.Body)
			}
			if got := send(t, "PUT", r.Header.Get("Location"), body); got.ETag() != r.ETag() {
				t.Errorf("%q is not equal to itself: %s", body, got.Body)
			}
		}
		send(t, "PATCH", "/v1/movies/m", body, apitest.Header("Content-Type", apitest.MergePatch))
		send(t, "PATCH", "/v1/movies/m", body, apitest.Header("Content-Type", apitest.JSONPatch))
		send(t, "POST", "/v1/movies/m:switch", body)
		send(t, "POST", "/v1/movies/m:status", body)
		send(t, "POST", "/v1/movies/m:restore", body)
	})
}

func FuzzID(f *testing.F) {
	for _, s := range []string{"m", "", ".", "..", "*", ">", "a.b", "a/b", "a b", "%2F", "m:restore", "m:", ":m", "é", "\x00", "\xff", strings.Repeat("x", 129), "m?x=1", "m#x", "-", "revisions"} {
		f.Add(s)
	}
	send := fuzzed(f)
	f.Fuzz(func(t *testing.T, id string) {
		if len(id) > 10000 {
			return
		}
		allowed := len(id) >= 1 && len(id) <= 128 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
		path := "/v1/movies/" + strings.ReplaceAll(url.PathEscape(id), ":", "%3A")
		if id == "." || id == ".." {
			path = "/v1/movies/" + strings.ReplaceAll(id, ".", "%2E")
		}
		made := send(t, "PUT", path, heat, apitest.Header("If-None-Match", "*"))
		if ok := made.Status == 201 || made.Status == 412 || made.Status == 410; ok != allowed {
			t.Errorf("%q: %d %s", id, made.Status, made.Body)
		}
		if got := send(t, "GET", path, nil); (got.Status == 200) != allowed {
			t.Errorf("%q: %d %s", id, got.Status, got.Body)
		}
		send(t, "GET", path+"/history", nil)
		send(t, "POST", path+":restore", nil)
		send(t, "GET", "/v1/"+url.PathEscape(id), nil)
		send(t, "POST", "/v1/movies?id="+query(id), heat)
	})
}

func FuzzFilterParam(f *testing.F) {
	for _, s := range []string{"", "year >= 2000", `genres:"Drama" AND NOT isNull(studio)`, `title = "100%_\\"`, `matches(title, "^(a|b)+$")`, `in(year, 1, 2)`,
		`year = 9223372036854775808`, `rating < -1e308`, `released > "2026-01-01T00:00:00Z"`, `released > now() - duration("24h")`, `credits.director:*`,
		`len(title) > 3`, `lower(title) = "ß"`, `icontains(title, "İ")`, `meta.seq > 0`, `meta.deleted = false`, `meta.created_at != null`, `year != null`,
		`startsWith(title, "\u0000")`, `"`, `(((`, `NOT`, `a.b.c`, `year desc, title`, `color = true`, `year = 1 OR year = 2`, `title = "\ud800"`, "\xff", "title < \"\U0010ffff\"", `year = 1.5`, `rating = 1`} {
		f.Add(s)
	}
	send := fuzzed(f)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 20000 {
			return
		}
		r := send(t, "GET", "/v1/movies?total=true&page_size=1&filter="+query(text), nil)
		if r.Status == 200 && strings.TrimSpace(text) != "" {
			n := r.Int("/total")
			if again := send(t, "GET", "/v1/movies?total=true&page_size=1&filter="+query("("+text+")"), nil); again.Status == 200 && again.Int("/total") != n {
				t.Errorf("%q finds %d, in parentheses %d", text, n, again.Int("/total"))
			}
			if token := r.Text("/next_page_token"); token != "" {
				if next := send(t, "GET", "/v1/movies?page_size=1&filter="+query(text)+"&page_token="+token, nil); next.Status != 200 && !strings.Contains(text, "now") {
					t.Errorf("%q: the second page is %d", text, next.Status)
				}
			}
		}
		send(t, "GET", "/v1/movies?order_by="+query(text), nil)
		send(t, "GET", "/v1/movies?q="+query(text), nil)
		send(t, "GET", "/v1/movies?fields="+query(text), nil)
	})
}

func FuzzPageToken(f *testing.F) {
	send := fuzzed(f)
	for _, p := range []string{"/v1/movies?page_size=1", "/v1/movies?page_size=1&order_by=year", "/v1/movies?page_size=1&order_by=title+desc,rating"} {
		var page struct {
			Next string `json:"next_page_token"`
		}
		if json.Unmarshal(send(f, "GET", p, nil).Body, &page) == nil {
			f.Add(page.Next)
		}
	}
	for _, s := range []string{"", "abc", "AAAA", strings.Repeat("A", 9000), "====", "\x00", "e30", "bnVsbA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, p := range []string{"/v1/movies?page_size=1", "/v1/movies?page_size=1&order_by=year", "/v1/movies/m/revisions?page_size=1", "/v1/movies/m/history?page_size=1"} {
			if r := send(t, "GET", p+"&page_token="+query(token), nil); r.Status != 200 && r.Status != 400 && r.Status != 414 {
				t.Errorf("%q: %d", token, r.Status)
			}
		}
	})
}

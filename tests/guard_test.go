package tests_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// Every request here is wrong in two ways or more; the first in the promised
// order is told.
func TestChecksRunInThePromisedOrder(t *testing.T) {
	const i = "invalid_request"
	text := headers("Content-Type", "text/plain")
	old := headers("If-Match", `"old"`)
	merge := headers("Content-Type", apitest.MergePatch, "If-Match", `"old"`)
	each(t, func(t *testing.T, c *apitest.Client) {
		prepared(t, c)
		refuseAll(t, c, []refusal{
			{"type before method", "DELETE", "/v1/films", nil, nil, 404, "unknown_type", nil},
			{"type before parameter", "GET", "/v1/films?x=1", nil, nil, 404, "unknown_type", nil},
			{"type before id", "GET", "/v1/films/a.b", nil, nil, 404, "unknown_type", nil},
			{"type before content type", "POST", "/v1/films", "x", text, 404, "unknown_type", nil},
			{"method before parameter", "PUT", "/v1/movies?x=1", heat, nil, 405, i, nil},
			{"method before id", "POST", "/v1/movies/a.b", "x", text, 405, i, nil},
			{"method before content type", "DELETE", "/v1/movies", "x", text, 405, i, nil},
			{"content type before the resource", "PUT", "/v1/movies/none", heat, text, 415, "unsupported_media_type", nil},
			{"parameter before the resource", "PUT", "/v1/movies/none?x=1", heat, nil, 400, i, nil},
			{"broken JSON before the resource", "PUT", "/v1/movies/none", `{`, nil, 400, i, nil},
			{"size before the resource", "PUT", "/v1/movies/none", `{"note":"` + strings.Repeat("x", 10<<20) + `"}`, nil, 413, "too_large", nil},
			{"broken JSON before deleted", "PUT", "/v1/movies/gone", `{`, nil, 400, i, nil},
			{"malformed If-Match before the resource", "DELETE", "/v1/movies/none", nil, headers("If-Match", "x"), 400, i, nil},
			{"resource before precondition", "PUT", "/v1/movies/none", heat, old, 404, "not_found", nil},
			{"resource before the demanded precondition", "PUT", "/v1/accounts/none", `{"balance":1}`, nil, 404, "not_found", nil},
			{"resource before validity", "PUT", "/v1/movies/none", `{}`, nil, 404, "not_found", nil},
			{"resource before validity of a patch", "PATCH", "/v1/movies/none", `[]`, merge, 404, "not_found", nil},
			{"resource before validity of a switch", "POST", "/v1/movies/none:switch", `{}`, nil, 404, "not_found", nil},
			{"resource before validity of a status", "POST", "/v1/movies/none:status", `[]`, nil, 404, "not_found", nil},
			{"deleted before precondition", "PUT", "/v1/movies/gone", heat, old, 410, "deleted", nil},
			{"deleted before validity", "PUT", "/v1/movies/gone", `{}`, nil, 410, "deleted", nil},
			{"precondition before validity", "PUT", "/v1/movies/m1", `{}`, old, 412, "precondition_failed", nil},
			{"precondition before validity of a patch", "PATCH", "/v1/movies/m1", `[]`, merge, 412, "precondition_failed", nil},
			{"precondition before validity of a switch", "POST", "/v1/movies/m1:switch", `{"revision":"x"}`, old, 412, "precondition_failed", nil},
			{"demanded precondition before validity", "PUT", "/v1/accounts/acc", `{}`, nil, 428, "precondition_required", nil},
			{"precondition before state", "PUT", "/v1/notes/stable?mode=modify", `{"text":"y"}`, old, 412, "precondition_failed", nil},
			{"validity before state", "PUT", "/v1/notes/stable?mode=modify", `{}`, nil, 422, "validation_failed", nil},
			{"validity before existence", "POST", "/v1/movies?id=m1", `{}`, nil, 422, "validation_failed", nil},
			{"existence before validity when it must not exist", "PUT", "/v1/movies/m1", `{}`, headers("If-None-Match", "*"), 412, "precondition_failed", nil},
		})
	})
}

func TestAWrongMethodIsToldTheRightOnes(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=m1", heat).Want(t, 201)
		for path, allow := range map[string]string{
			"/v1/movies": "GET, POST", "/v1/movies/m1": "GET, PUT, PATCH, DELETE", "/v1/movies/m1:restore": "POST",
			"/v1/movies/m1/history": "GET", "/v1/movies/m1/revisions": "GET", "/v1/movies/m1/revisions/1": "GET",
			"/v1/types": "GET", "/v1/types/movies": "GET", "/livez": "GET", "/readyz": "GET", "/openapi.json": "GET", "/metrics": "GET", "/docs": "GET",
		} {
			for _, method := range []string{"OPTIONS", "TRACE", "PROPFIND", "get"} {
				r := c.Do(t, method, path, nil)
				r.WantProblem(t, 405, "invalid_request")
				if got := strings.ReplaceAll(r.Header.Get("Allow"), "HEAD, ", ""); got != allow && got != allow+", HEAD" {
					t.Errorf("%s %s: Allow %q, want %q", method, path, got, allow)
				}
			}
		}
		c.Do(t, "PROPFIND", "/v1/films", nil).WantProblem(t, 404, "unknown_type")
	})
}

func TestAPageSizeAboveTheMostMeansTheMost(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		prepared(t, c)
		r := c.Get(t, "/v1/movies?page_size=5000").Want(t, 200)
		if len(r.Items()) != 3 {
			t.Errorf("%d items", len(r.Items()))
		}
		c.Get(t, "/v1/movies/m1/revisions?page_size=5000").Want(t, 200)
		c.Get(t, "/v1/movies/m1/history?page_size=5000").Want(t, 200)
	})
}

func TestIdsOfEveryAllowedKindWork(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		for _, id := range []string{"a", "-", "_", "0", "A-b_9", strings.Repeat("x", 128), "types", "null", "-1"} {
			c.Put(t, "/v1/movies/"+id, heat, apitest.Header("If-None-Match", "*")).Want(t, 201)
			c.Get(t, "/v1/movies/"+id).Want(t, 200).Equal(t, "/meta/id", fmt.Sprintf("%q", id))
			c.Delete(t, "/v1/movies/"+id).Want(t, 200)
		}
		c.Post(t, "/v1/movies?id=a", heat).WantProblem(t, 409, "already_exists")
		c.Post(t, "/v1/movies?id=A", heat).Want(t, 201) // another id
	})
}

func TestAPreconditionLetsTheRightStatePass(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		r := c.Post(t, "/v1/accounts?id=a", `{"balance":1}`).Want(t, 201)
		r = c.Put(t, "/v1/accounts/a", `{"balance":2}`, apitest.IfMatch(`"x", `+r.ETag())).Want(t, 200)
		r = c.Patch(t, "/v1/accounts/a", apitest.MergePatch, `{"balance":3}`, apitest.IfMatch(r.ETag())).Want(t, 200)
		c.Put(t, "/v1/accounts/a", `{"balance":4}`, apitest.IfMatch("*")).Want(t, 200)
		c.Put(t, "/v1/accounts/a", `{"balance":5}`, apitest.IfMatch(r.ETag())).WantProblem(t, 412, "precondition_failed")
		c.Put(t, "/v1/accounts/a", `{"balance":5}`, apitest.IfMatch("W/"+c.Get(t, "/v1/accounts/a").ETag())).WantProblem(t, 412, "precondition_failed")
		r = c.Delete(t, "/v1/accounts/a", apitest.IfMatch(c.Get(t, "/v1/accounts/a").ETag())).Want(t, 200)
		c.Post(t, "/v1/accounts/a:restore", nil).WantProblem(t, 428, "precondition_required")
		c.Post(t, "/v1/accounts/a:restore", nil, apitest.IfMatch(r.ETag())).Want(t, 200)
		c.Put(t, "/v1/accounts/b", `{"balance":1}`, apitest.Header("If-None-Match", "*")).Want(t, 201)
	})
}

func TestPagesOfOtherOriginsMayNotWrite(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		prepared(t, c)
		refuseAll(t, c, []refusal{
			{"cross-site create", "POST", "/v1/movies", heat, headers("Sec-Fetch-Site", "cross-site"), 403, "permission_denied", nil},
			{"same-site create", "POST", "/v1/movies", heat, headers("Sec-Fetch-Site", "same-site"), 403, "permission_denied", nil},
			{"other origin", "DELETE", "/v1/movies/m1", nil, headers("Origin", "https://evil.example"), 403, "permission_denied", nil},
			{"null origin", "PUT", "/v1/movies/m1", heat, headers("Origin", "null"), 403, "permission_denied", nil},
			{"restore", "POST", "/v1/movies/gone:restore", nil, headers("Origin", "https://evil.example"), 403, "permission_denied", nil},
			{"foreign host", "POST", "/v1/movies", heat, []apitest.Option{apitest.Host("evil.example")}, 403, "permission_denied", nil},
			{"foreign host to read", "GET", "/v1/movies", nil, []apitest.Option{apitest.Host("evil.example:8080")}, 403, "permission_denied", nil},
		})
		c.Get(t, "/v1/movies", headers("Sec-Fetch-Site", "cross-site")...).Want(t, 200)
		c.Post(t, "/v1/movies", heat, headers("Sec-Fetch-Site", "same-origin", "Origin", c.URL)...).Want(t, 201)
		c.Get(t, "/v1/movies", apitest.Host("localhost:1")).Want(t, 200)
	})
}

func TestALongRequestLineIsRefused(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		words := func(n int) string { return "/v1/movies?filter=title%20!=%20%22" + strings.Repeat("w", n) + "%22" }
		c.Get(t, words(63<<10)).Want(t, 200)
		for _, n := range []int{64 << 10, 80 << 10, 300 << 10} {
			c.Get(t, words(n)).WantProblem(t, 414, "too_large")
		}
	})
}

// A client that does not keep to HTTP gets no 500 and no other harm.
func TestRawBytesDoNotHurt(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		for _, request := range []string{
			"GET /v1/movies/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /v1/movies/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /v1/../v1/movies HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET //v1/movies HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /v1/movies/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /v1//m1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /v1/: HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /v1/movies/: HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /v1/movies/m1/history/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"POST /v1/movies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{",
			"POST /v1/movies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
			"\x00\x01\x02\r\n\r\n",
		} {
			conn, err := net.DialTimeout("tcp", strings.TrimPrefix(c.URL, "http://"), 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(conn, request) // the server may close early
			_ = conn.(*net.TCPConn).CloseWrite()
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%q: %v", request, err)
			} else if resp.StatusCode < 400 || resp.StatusCode >= 500 {
				t.Errorf("%q: %s", request, resp.Status)
			}
			conn.Close()
		}
		c.Get(t, "/v1/movies?total=true").Want(t, 200).Equal(t, "/total", "0")
	})
}

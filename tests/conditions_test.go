package tests_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// conditional is a row of the tables below: what RFC 9110 says of a request.
type conditional struct {
	section      string // of RFC 9110
	method, path string
	body         any
	headers      []apitest.Option
	status       int
}

func (x conditional) String() string { return x.section + " " + x.method + " " + x.path }

// conditions asks every row; 412 is a whole problem, and whatever is refused has
// changed nothing.
func conditions(t *testing.T, c *apitest.Client, rows []conditional) {
	t.Helper()
	for i, x := range rows {
		before := c.Get(t, "/v1/movies/m?include_deleted=true").ETag()
		r := c.Do(t, x.method, x.path, x.body, x.headers...)
		if r.Status != x.status {
			t.Errorf("row %d, %s: %d, want %d: %s", i, x, r.Status, x.status, r.Body)
			continue
		}
		switch {
		case r.Status == 412 && x.method != "HEAD":
			r.WantProblem(t, 412, "precondition_failed")
		case r.Status == 304 && len(r.Body) > 0:
			t.Errorf("row %d, %s: a 304 with a body", i, x)
		}
		if r.Status >= 300 && c.Get(t, "/v1/movies/m?include_deleted=true").ETag() != before {
			t.Errorf("row %d, %s: %d, and it was written", i, x, r.Status)
		}
	}
}

func TestConditionsOfReadsAreThoseOfRFC9110(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=m", heat).Want(t, 201)
		tag := c.Put(t, "/v1/movies/m", `{"title":"Heat","year":1996}`).Want(t, 200).ETag()
		var rows []conditional
		for _, path := range []string{"/v1/movies/m", "/v1/movies/m/revisions", "/v1/movies/m/revisions/1", "/v1/movies/m/history", "/v1/movies/m:diff?from=1&to=2"} {
			if c.Get(t, path).Want(t, 200).ETag() == "" {
				t.Errorf("%s has no ETag", path)
			}
			tag := c.Get(t, path).ETag()
			for _, method := range []string{"GET", "HEAD"} {
				rows = append(rows,
					conditional{"13.1.1", method, path, nil, headers("If-Match", tag), 200},
					conditional{"13.1.1", method, path, nil, headers("If-Match", "*"), 200},
					conditional{"13.1.1", method, path, nil, headers("If-Match", `"x"`), 412},
					conditional{"13.1.1", method, path, nil, headers("If-Match", `"x", "y"`), 412},
					conditional{"13.1.1", method, path, nil, headers("If-Match", `"x" , `+tag), 200},
					conditional{"8.8.3.2", method, path, nil, headers("If-Match", "W/"+tag), 412},
					conditional{"13.1.2", method, path, nil, headers("If-None-Match", tag), 304},
					conditional{"13.1.2", method, path, nil, headers("If-None-Match", "W/"+tag), 304},
					conditional{"13.1.2", method, path, nil, headers("If-None-Match", "*"), 304},
					conditional{"13.1.2", method, path, nil, headers("If-None-Match", `"x"`), 200},
					conditional{"13.1.2", method, path, nil, headers("If-None-Match", `"x",`+tag), 304},
					conditional{"13.2.2", method, path, nil, headers("If-Match", tag, "If-None-Match", tag), 304},
					conditional{"13.2.2", method, path, nil, headers("If-Match", `"x"`, "If-None-Match", tag), 412},
					conditional{"5.6.1.2", method, path, nil, headers("If-Match", tag+","), 200},
					conditional{"5.6.1.2", method, path, nil, headers("If-Match", ","+tag), 200},
					conditional{"5.6.1.2", method, path, nil, headers("If-Match", `"x", ,	,`+tag), 200},
					conditional{"5.6.1.2", method, path, nil, headers("If-None-Match", `"x",,`+tag+" ,"), 304},
					conditional{"13.1.3", method, path, nil, headers("If-Modified-Since", "Sat, 29 Oct 2044 19:43:31 GMT"), 200},
					conditional{"13.1.4", method, path, nil, headers("If-Unmodified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"), 200},
					conditional{"14.2", method, path, nil, headers("Range", "bytes=0-1"), 200},
					conditional{"13.1.5", method, path, nil, headers("Range", "bytes=0-1", "If-Range", tag), 200})
			}
		}
		rows = append(rows,
			conditional{"13.1.1", "GET", "/v1/movies/m/referrers", nil, headers("If-Match", `"x"`), 412},
			conditional{"13.1.1", "GET", "/v1/movies/m/referrers", nil, headers("If-Match", tag), 200},
			conditional{"13.1.1", "GET", "/v1/movies/m?expand=studio", nil, headers("If-Match", `"x"`), 412},
			conditional{"13.1.1", "GET", "/v1/movies", nil, headers("If-Match", `"x"`), 412},
			conditional{"13.1.1", "GET", "/v1/movies:count", nil, headers("If-Match", `W/"x"`), 412},
			conditional{"13.1.1", "GET", "/v1/movies", nil, headers("If-Match", "*"), 200},
			conditional{"13.2.1", "GET", "/v1/movies/none", nil, headers("If-Match", "*"), 404})
		conditions(t, c, rows)
	})
}

func TestConditionsOfWritesAreThoseOfRFC9110(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=m", heat).Want(t, 201)
		c.Post(t, "/v1/movies?id=gone", heat).Want(t, 201)
		c.Delete(t, "/v1/movies/gone").Want(t, 200)
		tag := c.Put(t, "/v1/movies/m", `{"title":"Heat","year":1996}`).Want(t, 200).ETag()
		merge := apitest.Header("Content-Type", apitest.MergePatch)
		var rows []conditional
		writes := []conditional{
			{"", "PUT", "/v1/movies/m", heat, nil, 0},
			{"", "PATCH", "/v1/movies/m", `{"year":1997}`, []apitest.Option{merge}, 0},
			{"", "DELETE", "/v1/movies/m", nil, nil, 0},
			{"", "POST", "/v1/movies/m:switch", `{"revision":1}`, nil, 0},
			{"", "POST", "/v1/movies/m:status", `{"status":"draft"}`, nil, 0},
			{"", "POST", "/v1/movies/m:purge", nil, nil, 0},
			{"", "POST", "/v1/movies/m:restore", nil, nil, 0},
		}
		for _, w := range writes {
			ask := func(section string, status int, pairs ...string) {
				rows = append(rows, conditional{section, w.method, w.path, w.body, append(headers(pairs...), w.headers...), status})
			}
			ask("13.1.2", 412, "If-None-Match", "*")
			if w.method != "PUT" { // which refuses the two together
				ask("13.2.2", 412, "If-Match", tag, "If-None-Match", "*")
			}
			ask("13.1.2", 412, "If-None-Match", tag)
			ask("13.1.2", 412, "If-None-Match", `"x" , `+tag+",")
			ask("8.8.3.2", 412, "If-None-Match", "W/"+tag)
			ask("8.8.3.3", 412, "If-None-Match", strings.TrimSuffix(tag, `"`)+`+gzip"`)
			ask("13.2.2", 412, "If-Match", tag, "If-None-Match", tag)
			ask("13.1.2", 400, "If-None-Match", "x")
			ask("13.1.1", 412, "If-Match", `"x"`)
			ask("8.8.3.2", 412, "If-Match", "W/"+tag)
			ask("5.6.1.2", 412, "If-Match", `"x",,`)
			ask("5.6.1.2", 400, "If-Match", ",")
			if w.method != "PUT" {
				rows = append(rows, conditional{"13.2.1", w.method, strings.Replace(w.path, "movies/m", "movies/none", 1), w.body,
					append(headers("If-None-Match", "*"), w.headers...), 404})
			}
			rows = append(rows, conditional{"13.2.1", w.method, strings.Replace(w.path, "movies/m", "movies/none", 1), w.body,
				append(headers("If-None-Match", tag), w.headers...), 404})
		}
		rows = append(rows,
			conditional{"13.1.2", "DELETE", "/v1/movies/gone", nil, headers("If-None-Match", "*"), 410},
			conditional{"13.1.2", "DELETE", "/v1/movies/gone", nil, headers("If-None-Match", tag), 410},
			conditional{"13.1.1", "POST", "/v1/movies", heat, headers("If-Match", "*"), 412})
		conditions(t, c, rows)
		// True conditions let it happen.
		c.Post(t, "/v1/movies", heat, headers("If-None-Match", tag)...).Want(t, 201)
		c.Put(t, "/v1/movies/m", `{"title":"Heat","year":1998}`, headers("If-None-Match", `"x", W/"y"`)...).Want(t, 200)
		c.Patch(t, "/v1/movies/m", apitest.MergePatch, `{"year":1999}`, headers("If-None-Match", tag)...).Want(t, 200)
		c.Do(t, "DELETE", "/v1/movies/m", nil, headers("If-None-Match", tag)...).Want(t, 200)
		tag = c.Post(t, "/v1/movies/m:restore", nil, headers("If-None-Match", tag)...).Want(t, 200).ETag()
		for i, list := range []string{"%s,", `,"x" , %s`, `"x" ,, %s ,`, `%s	,`} {
			tag = c.Patch(t, "/v1/movies/m", apitest.MergePatch, fmt.Sprintf(`{"rating":%d}`, i), apitest.IfMatch(fmt.Sprintf(list, tag))).Want(t, 200).ETag()
		}
		c.Post(t, "/v1/movies/gone:restore", nil, headers("If-None-Match", "*")...).Want(t, 200)
		c.Post(t, "/v1:batch", `{"operations":[{"op":"delete","type":"movies","id":"m","if_match":"\"x\",,`+strings.ReplaceAll(tag, `"`, `\"`)+`,"}]}`).Want(t, 200)
	})
}

func TestRangesAndConditionsOfABinaryAreThoseOfRFC9110(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		text := "0123456789abcdefghijklmnopqrstuvwxyz"
		digest := c.Post(t, "/v1/blobs", "\x89PNG\r\n\x1a\n"+text, apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest")
		c.Post(t, "/v1/books?id=b", fmt.Sprintf(`{"title":"t","cover":{"digest":%q}}`, digest)).Want(t, 201)
		path := "/v1/books/b/blobs/" + digest
		whole := "\x89PNG\r\n\x1a\n" + text
		tag := c.Get(t, path).Want(t, 200).ETag()
		for i, x := range []struct {
			section, method string
			headers         []string
			status          int
			body, where     string
		}{
			{"14.2", "GET", []string{"Range", "bytes=0-1"}, 206, whole[:2], "bytes 0-1/44"},
			{"14.1.1", "GET", []string{"Range", "Bytes=0-1"}, 206, whole[:2], "bytes 0-1/44"},
			{"14.1.2", "GET", []string{"Range", "bytes=40-"}, 206, "wxyz", "bytes 40-43/44"},
			{"14.1.2", "GET", []string{"Range", "bytes=-4"}, 206, "wxyz", "bytes 40-43/44"},
			{"14.1.2", "GET", []string{"Range", "bytes=-400"}, 206, whole, "bytes 0-43/44"},
			{"14.1.2", "GET", []string{"Range", "bytes=40-99999999999999999999999"}, 206, "wxyz", "bytes 40-43/44"},
			{"14.1.2", "GET", []string{"Range", "bytes=-0"}, 416, "", "bytes */44"},
			{"14.1.2", "GET", []string{"Range", "bytes=-0,40-43"}, 206, "wxyz", "bytes 40-43/44"},
			{"14.1.2", "GET", []string{"Range", "bytes=44-"}, 416, "", "bytes */44"},
			{"14.1.2", "GET", []string{"Range", "bytes=99999999999999999999999-"}, 416, "", "bytes */44"},
			{"14.1.2", "GET", []string{"Range", "bytes=100-200,40-43"}, 206, "wxyz", "bytes 40-43/44"},
			{"5.6.1.2", "GET", []string{"Range", "bytes=,40-43,"}, 206, "wxyz", "bytes 40-43/44"},
			{"14.2", "GET", []string{"Range", "bytes=5-2"}, 416, "", "bytes */44"},
			{"14.2", "GET", []string{"Range", "bytes=x-y"}, 416, "", "bytes */44"},
			{"14.2", "GET", []string{"Range", "items=0-5"}, 200, whole, ""},
			{"14.2", "GET", []string{"Range", "seconds=1-"}, 200, whole, ""},
			{"14.2", "HEAD", []string{"Range", "bytes=0-1"}, 200, "", ""},
			{"14.2", "HEAD", []string{"Range", "bytes=99-"}, 200, "", ""},
			{"13.1.5", "GET", []string{"Range", "bytes=0-1", "If-Range", tag}, 206, whole[:2], "bytes 0-1/44"},
			{"13.1.5", "GET", []string{"Range", "bytes=0-1", "If-Range", `"x"`}, 200, whole, ""},
			{"13.1.5", "GET", []string{"Range", "bytes=99-", "If-Range", `"x"`}, 200, whole, ""},
			{"13.1.5", "GET", []string{"Range", "bytes=0-1", "If-Range", "W/" + tag}, 200, whole, ""},
			{"13.1.5", "GET", []string{"Range", "bytes=0-1", "If-Range", "Sat, 29 Oct 2044 19:43:31 GMT"}, 200, whole, ""},
			{"13.2.2", "GET", []string{"Range", "bytes=99-", "If-None-Match", tag}, 304, "", ""},
			{"13.2.2", "GET", []string{"Range", "bytes=0-1", "If-Match", `"x"`}, 412, "", ""},
			{"13.1.1", "GET", []string{"If-Match", `"x"`}, 412, "", ""},
			{"13.1.1", "HEAD", []string{"If-Match", `"x"`}, 412, "", ""},
			{"13.1.1", "GET", []string{"If-Match", `"x",,` + tag + ","}, 200, whole, ""},
			{"13.1.2", "GET", []string{"If-None-Match", `"x", W/` + tag}, 304, "", ""},
			{"13.1.2", "GET", []string{"If-None-Match", "*"}, 304, "", ""},
		} {
			r := c.Do(t, x.method, path, nil, headers(x.headers...)...)
			if r.Status != x.status || r.Header.Get("Content-Range") != x.where {
				t.Errorf("row %d, %s, %s %q: %d %q, want %d %q", i, x.section, x.method, x.headers, r.Status, r.Header.Get("Content-Range"), x.status, x.where)
			}
			switch {
			case x.status >= 400:
				if x.method == "GET" {
					r.WantProblem(t, x.status, map[int]string{412: "precondition_failed", 416: "invalid_request"}[x.status])
				}
				if r.Header.Get("Content-Disposition") != "" {
					t.Errorf("row %d: a problem is an attachment", i)
				}
			case x.method == "GET" && string(r.Body) != x.body:
				t.Errorf("row %d, %s %q: %q", i, x.section, x.headers, r.Body)
			case x.method == "HEAD" && r.Header.Get("Content-Length") != "44":
				t.Errorf("row %d: HEAD says Content-Length %q", i, r.Header.Get("Content-Length"))
			}
		}
		several := c.Get(t, path, headers("Range", "bytes=0-1,40-43")...).Want(t, 206)
		if !strings.HasPrefix(several.Header.Get("Content-Type"), "multipart/byteranges") || !strings.Contains(string(several.Body), "Content-Range: bytes 40-43/44\r\n\r\nwxyz") &&
			!strings.Contains(string(several.Body), "wxyz") {
			t.Errorf("several ranges: %q", several.Body)
		}
		r := c.Get(t, path).Want(t, 200)
		for name, want := range map[string]string{"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		c.Post(t, "/v1/books/b:purge", nil).Want(t, 204)
		c.Get(t, path, headers("If-None-Match", tag)...).WantProblem(t, 404, "not_found")
	})
}

func TestAnEscapeInAPathIsTheCharacterItStandsFor(t *testing.T) {
	library(t, func(t *testing.T, c *apitest.Client) {
		digest := c.Post(t, "/v1/blobs", picture, apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest")
		c.Post(t, "/v1/books?id=b-1", fmt.Sprintf(`{"title":"t","cover":{"digest":%q}}`, digest)).Want(t, 201)
		encoded := strings.Replace(digest, ":", "%3A", 1)
		for _, path := range []string{
			"/v1/books/b-1/blobs/" + encoded, "/v1/books/b-1/blobs/" + strings.ToLower(encoded), "/v1/%62ooks/%62%2d1/%62lobs/" + encoded, "/v1/b%6Foks/b%2D1",
			"/v1/books/b-1/revisions/%31", "/v1/books/b-1/%72evisions/1", "/v1/books/b-1%3Adiff?from=1&to=1", "/v1/books%3acount", "/v1/types/%62ooks", "/%76%31/books/b-1/history",
			"/v1/%71ueues",
		} {
			c.Get(t, path).Want(t, 200)
		}
		c.Post(t, "/v1/books/b-1%3Aswitch", `{"revision":1}`).Want(t, 200)
		c.Post(t, "/v1%3Abatch", `{"operations":[{"op":"patch","type":"books","id":"b-1","patch":{"title":"u"}}]}`).Want(t, 200)
		c.Post(t, "/v1/books/b%2D1%3Astatus", `{"status":"draft"}`, apitest.Header("Idempotency-Key", "one")).Want(t, 200)
		c.Post(t, "/v1/books/b-1:status", `{"status":"draft"}`, apitest.Header("Idempotency-Key", "one")).Want(t, 200) // the same request
		for path, want := range map[string]int{
			"/v1/books%2Fb-1": 404, "/v1%2fbooks": 404, "/v1/books/b-1%2Frevisions": 400, "/v1/books/b-1/revisions%2F1": 404, "/v1/books/b-1/blobs%2F" + encoded: 404,
			"/v1/types%2Fbooks": 404, "/v1/types/books%2F": 404, "/v1/books/b%252D1": 400, "/v1/books/b-1/blobs/" + strings.Replace(digest, ":", "%253A", 1): 404,
			"/v1/books/b-1/revisions/%2531": 400, "/v1/books/%00": 400, "/v1/books/b-1%3Anothing": 404, "/v1/books/..%2f..": 400,
		} {
			if r := c.Get(t, path); r.Status != want {
				t.Errorf("%s: %d, want %d: %s", path, r.Status, want, r.Body)
			}
		}
	})
}

// An action whose parameters may all be left out takes no body, or {}: the
// document says which these are.
func TestAnActionThatNeedsNoBodyTakesNone(t *testing.T) {
	t.Parallel()
	c := start(t, nil, memory(), nil)
	samples(t, c)
	actions := 0
	for _, op := range c.Doc.Operations {
		body := c.Doc.Body(op)
		if op.Method != "POST" || !strings.Contains(op.Path, ":") || body == nil || body["required"] == true {
			continue
		}
		if op.ID == "users.invite" || op.ID == "revokeLinks" { // users sign in where authentication is on; people_test.go asks it
			continue
		}
		actions++
		bodies := []any{nil, "{}", ""}
		if op.ID == "webhooks.test" { // which waits for the receiver
			bodies = bodies[:1]
		}
		for _, body := range bodies {
			r := c.Do(t, "POST", exampleOf(t, c, op), body)
			if r.Status == 404 || r.Status == 410 { // what was asked before took it away
				samples(t, c)
				r = c.Do(t, "POST", exampleOf(t, c, op), body)
			}
			if slices.Contains([]int{400, 404, 405, 413, 415, 422}, r.Status) || r.Status >= 500 {
				t.Errorf("%s with the body %v: %d %s", op.ID, body, r.Status, r.Body)
			}
		}
		if r := c.Post(t, exampleOf(t, c, op), `[1]`, apitest.IfMatch("*")); r.Status != 400 && r.Status != 422 {
			t.Errorf("%s with a list as its body: %d %s", op.ID, r.Status, r.Body)
		}
	}
	if actions < 30 {
		t.Errorf("only %d actions", actions)
	}
}

func TestARefusedBodyIsToldWhatIsTaken(t *testing.T) {
	each(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/movies?id=m", heat).Want(t, 201)
		patches := apitest.MergePatch + ", " + apitest.JSONPatch
		for _, x := range []struct {
			method, path string
			headers      []string
			patch, code  string
		}{
			{"PATCH", "/v1/movies/m", []string{"Content-Type", "application/json"}, patches, ""},
			{"PATCH", "/v1/movies/m", []string{"Content-Type", "text/plain"}, patches, ""},
			{"PATCH", "/v1/movies/m", []string{"Content-Type", apitest.MergePatch + "; charset=latin1"}, patches, ""},
			{"PATCH", "/v1/movies/m", []string{"Content-Type", apitest.MergePatch, "Content-Encoding", "gzip"}, "", "identity"},
			{"POST", "/v1/movies", []string{"Content-Type", "application/json", "Content-Encoding", "br"}, "", "identity"},
			{"POST", "/v1/blobs", []string{"Content-Encoding", "gzip"}, "", "identity"},
			{"POST", "/v1/movies", []string{"Content-Type", "text/plain"}, "", ""},
		} {
			r := c.Do(t, x.method, x.path, "{}", headers(x.headers...)...)
			r.WantProblem(t, 415, "unsupported_media_type")
			if r.Header.Get("Accept-Patch") != x.patch || r.Header.Get("Accept-Encoding") != x.code {
				t.Errorf("%s %s %q: Accept-Patch %q, Accept-Encoding %q", x.method, x.path, x.headers, r.Header.Get("Accept-Patch"), r.Header.Get("Accept-Encoding"))
			}
		}
	})
}

// RFC 9112 section 6.1: a connection on which Transfer-Encoding and Content-Length
// came together is closed after the answer, so that no next request begins
// inside this one. Others stay open.
func TestAConnectionWithTwoLengthsIsClosed(t *testing.T) {
	t.Parallel()
	c := start(t, nil, memory(), nil)
	body := `{"title":"Heat","year":1995}`
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	for _, x := range []struct {
		name, headers, body string
		closed              bool
	}{
		{"both", fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: %d\r\n", len(chunked)), chunked, true},
		{"both, the other way round", fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n", 4), chunked, true},
		{"both, in other letters", fmt.Sprintf("transfer-encoding: Chunked\r\ncontent-length: %d\r\n", len(chunked)), chunked, true},
		{"a length", fmt.Sprintf("Content-Length: %d\r\n", len(body)), body, false},
	} {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(c.URL, "http://"), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, "POST /v1/movies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+x.headers+"\r\n"+x.body)
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != 201 || resp.Close != x.closed {
			t.Errorf("%s: %d, Connection: close %v, want %v", x.name, resp.StatusCode, resp.Close, x.closed)
		}
		_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := http.ReadResponse(in, nil); (err != nil) != x.closed {
			t.Errorf("%s: the next request: %v", x.name, err)
		}
		conn.Close()
	}
}

func TestAllowNamesHead(t *testing.T) {
	t.Parallel()
	c := start(t, nil, memory(), nil)
	c.Post(t, "/v1/movies?id=m", heat).Want(t, 201)
	for path, want := range map[string]string{
		"/v1/movies/m": "GET, HEAD, PUT, PATCH, DELETE", "/v1/movies": "GET, HEAD, POST", "/v1/movies/m:restore": "POST", "/v1/movies:count": "GET, HEAD",
		"/v1:reindex": "GET, HEAD, POST", "/v1/types": "GET, HEAD", "/docs": "GET, HEAD", "/openapi.json": "GET, HEAD", "/v1:batch": "POST",
	} {
		if got := c.Do(t, "PROPFIND", path, nil).Header.Get("Allow"); got != want {
			t.Errorf("%s: Allow %q, want %q", path, got, want)
		}
		for _, method := range strings.Split(want, ", ") {
			if method == "HEAD" && c.Do(t, method, path, nil).Status != 200 {
				t.Errorf("HEAD %s is not what Allow says", path)
			}
		}
	}
}

package tests_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// raw asks without the help of Go's client, which asks for gzip and undoes it.
func raw(t *testing.T, c *apitest.Client, method, path, body string, pairs ...string) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", apitest.JSON)
	}
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Set(pairs[i], pairs[i+1])
	}
	resp, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if method == "HEAD" || resp.StatusCode == http.StatusNotModified {
		return resp, string(b)
	}
	var in io.Reader = bytes.NewReader(b)
	switch resp.Header.Get("Content-Encoding") {
	case "gzip":
		in, err = gzip.NewReader(in)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(in); err == nil {
			defer z.Close()
			in = z
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(in); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, string(b)
}

var essays = map[string]string{"essays": `name: essays
schema: {type: object, required: [title], properties: {title: {type: string}, year: {type: integer}, studio: {type: [string, "null"]}, scan: {x-binary: {}}}}
refs: {studio: {type: studios}}
`}

func eachEssay(t *testing.T, fn func(t *testing.T, c *apitest.Client)) {
	t.Helper()
	t.Parallel()
	for _, s := range storages(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			fn(t, run(t, s, nil, essays))
		})
	}
}

// long is an essay whose answers are over 1 KB.
func long(year int) string {
	return fmt.Sprintf(`{"title":%q,"year":%d}`, strings.Repeat("long ", 500), year)
}

func TestAnswersAreCompressedForClientsThatTakeIt(t *testing.T) {
	eachEssay(t, func(t *testing.T, c *apitest.Client) {
		for n := range 3 {
			c.Post(t, fmt.Sprint("/v1/essays?id=m", n), long(1990+n)).Want(t, 201)
			c.Put(t, fmt.Sprint("/v1/essays/m", n), long(2000+n)).Want(t, 200)
		}
		c.Post(t, "/v1/essays?id=small", `{"title":"Heat","year":1995}`).Want(t, 201)
		for n := range 8 {
			c.Patch(t, "/v1/essays/small", apitest.MergePatch, fmt.Sprintf(`{"year":%d}`, 1950+n)).Want(t, 200)
		}
		type row struct{ method, path, body string }
		large := []row{{"GET", "/v1/essays/m0", ""}, {"GET", "/v1/essays?consistency=strong", ""}, {"GET", "/v1/essays/m0/revisions/1", ""},
			{"GET", "/v1/essays/small/revisions", ""}, {"GET", "/v1/essays/small/history", ""}, {"GET", "/v1/types", ""},
			{"GET", "/v1/essays/m0?expand=studio", ""}, {"GET", "/openapi.json", ""}, {"GET", "/metrics", ""},
			{"POST", "/v1/essays:search", `{"page_size":3}`}}
		for _, x := range large {
			plain, want := raw(t, c, x.method, x.path, x.body, "Accept-Encoding", "identity")
			if plain.Header.Get("Content-Encoding") != "" || len(want) <= 1024 {
				t.Errorf("%s: %d bytes %v", x.path, len(want), plain.Header)
			}
			for _, coding := range []string{"gzip", "zstd"} {
				got, body := raw(t, c, x.method, x.path, x.body, "Accept-Encoding", coding)
				if x.path == "/metrics" {
					body = want // the numbers went on
				} else if !strings.Contains(strings.Join(got.Header.Values("Vary"), ","), "Accept-Encoding") {
					t.Errorf("12.5.5: %s varies by %q", x.path, got.Header.Values("Vary"))
				}
				if e := got.Header.Get("Content-Encoding"); e != coding && (x.path != "/openapi.json" || e != "") || body != want || got.StatusCode != plain.StatusCode {
					t.Errorf("12.5.3: %s in %s: %d bytes, want %d: %v", x.path, coding, len(body), len(want), got.Header)
				}
				tag, bare := got.Header.Get("ETag"), plain.Header.Get("ETag")
				if got.Header.Get("Content-Encoding") != "" && bare != "" && tag != strings.TrimSuffix(bare, `"`)+"+"+coding+`"` {
					t.Errorf("8.8.3.3: %s: the tags are %s and %s", x.path, bare, tag)
				}
				if got.Header.Get("Set-Cookie") != "" {
					t.Errorf("%s sets a cookie", x.path)
				}
				if x.method != "GET" {
					continue
				}
				head, nothing := raw(t, c, "HEAD", x.path, "", "Accept-Encoding", coding)
				if nothing != "" || head.Header.Get("ETag") != tag || head.Header.Get("Content-Encoding") != got.Header.Get("Content-Encoding") ||
					head.ContentLength >= 0 && got.ContentLength >= 0 && x.path != "/metrics" && head.ContentLength != got.ContentLength {
					t.Errorf("9.3.2: HEAD %s: %v, GET: %v", x.path, head.Header, got.Header)
				}
			}
		}
		for _, x := range []row{{"GET", "/v1/essays/small", ""}, {"GET", "/v1/essays:count", ""}, {"GET", "/v1/essays/none", ""}, {"GET", "/livez", ""}, {"POST", "/v1/essays", `{}`}} {
			plain, want := raw(t, c, x.method, x.path, x.body, "X-Request-Id", "a")
			got, body := raw(t, c, x.method, x.path, x.body, "X-Request-Id", "a", "Accept-Encoding", "gzip, zstd")
			if got.Header.Get("Content-Encoding") != "" || body != want || got.Header.Get("ETag") != plain.Header.Get("ETag") || got.ContentLength != int64(len(want)) {
				t.Errorf("%s %s is small: %v %s", x.method, x.path, got.Header, body)
			}
		}
		many := `{"operations":[` + strings.TrimSuffix(strings.Repeat(`{"op":"delete","type":"essays","id":"none"},`, 1)+
			strings.Repeat(`{"op":"create","type":"essays","data":{"title":1}},`, 20), ",") + `],"atomic":false}`
		got, body := raw(t, c, "POST", "/v1:batch", many, "Accept-Encoding", "gzip")
		if got.Header.Get("Content-Encoding") != "gzip" || !json.Valid([]byte(body)) {
			t.Errorf("a batch of problems: %d %v", got.StatusCode, got.Header)
		}
		got, body = raw(t, c, "POST", "/v1:batch", strings.Replace(many, `"atomic":false`, `"atomic":true`, 1), "Accept-Encoding", "zstd")
		if got.StatusCode < 400 || got.Header.Get("Content-Encoding") != "zstd" || !json.Valid([]byte(body)) {
			t.Errorf("a large problem: %d %v", got.StatusCode, got.Header)
		}
	})
}

func TestConditionsTakeTheTagOfEveryCoding(t *testing.T) {
	eachEssay(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/essays?id=m", long(1990)).Want(t, 201)
		c.Post(t, "/v1/essays?id=s", `{"title":"Heat","year":1995}`).Want(t, 201)
		tagOf := func(path, accept string) string {
			r, _ := raw(t, c, "GET", path, "", "Accept-Encoding", accept)
			return r.Header.Get("ETag")
		}
		for _, path := range []string{"/v1/essays/m", "/v1/essays/s", "/v1/essays/m/revisions", "/v1/essays/m/history", "/v1/essays/m/revisions/1"} {
			bare := tagOf(path, "identity")
			in := func(coding string) string { return strings.TrimSuffix(bare, `"`) + "+" + coding + `"` }
			for _, accept := range []string{"identity", "gzip", "zstd", "gzip;q=0.1, zstd;q=0", "*"} {
				would := tagOf(path, accept)
				named := []string{bare, "W/" + bare, would, `"x", ` + would, "*"}
				if would != bare || !strings.HasSuffix(path, "/s") && path == "/v1/essays/m" {
					named = append(named, in("gzip"), in("zstd"))
				}
				for _, name := range named {
					for _, method := range []string{"GET", "HEAD"} {
						r, body := raw(t, c, method, path, "", "Accept-Encoding", accept, "If-None-Match", name)
						if r.StatusCode != 304 || r.Header.Get("ETag") != would || body != "" || r.Header.Get("Content-Encoding") != "" || r.Header.Get("Vary") != "Accept-Encoding" {
							t.Errorf("13.1.2, 15.4.5: %s %s for %q with If-None-Match %s: %d %v, want %s", method, path, accept, name, r.StatusCode, r.Header, would)
						}
					}
				}
				for name, want := range map[string]int{bare: 200, in("gzip"): 200, in("zstd"): 200, "W/" + in("gzip"): 412, in("br"): 412, `"x+gzip"`: 412} {
					if r, _ := raw(t, c, "GET", path, "", "Accept-Encoding", accept, "If-Match", name); r.StatusCode != want {
						t.Errorf("13.1.1: %s with If-Match %s: %d, want %d", path, name, r.StatusCode, want)
					}
				}
			}
		}
		steps := []struct{ method, path, body, media string }{
			{"PUT", "/v1/essays/m", long(1991), apitest.JSON}, {"PATCH", "/v1/essays/m", `{"year":1992}`, apitest.MergePatch},
			{"PATCH", "/v1/essays/m", `[{"op":"replace","path":"/year","value":1993}]`, apitest.JSONPatch},
			{"POST", "/v1/essays/m:switch", `{"revision":1}`, apitest.JSON}, {"POST", "/v1/essays/m:status", `{"status":"draft"}`, apitest.JSON},
			{"POST", "/v1:batch", `{"op":"update","data":` + long(1995) + `}`, ""}, {"POST", "/v1:batch", `{"op":"patch","patch":{"year":1996}}`, ""},
			{"POST", "/v1:batch", `{"op":"delete"}`, ""}, {"POST", "/v1:batch", `{"op":"restore"}`, ""},
			{"DELETE", "/v1/essays/m", "", ""}, {"POST", "/v1/essays/m:restore", "", ""},
		}
		for i, x := range steps {
			now := tagOf("/v1/essays/m?include_deleted=true", "identity")
			tag := strings.TrimSuffix(now, `"`) + []string{`+gzip"`, `+zstd"`}[i%2]
			send := func(tag string) (*http.Response, string) {
				if x.path == "/v1:batch" {
					quoted, _ := json.Marshal(tag)
					op := strings.TrimSuffix(x.body, "}") + `,"type":"essays","id":"m","if_match":` + string(quoted) + "}"
					return raw(t, c, x.method, x.path, `{"operations":[`+op+`]}`)
				}
				return raw(t, c, x.method, x.path, x.body, "Content-Type", x.media, "If-Match", tag, "Accept-Encoding", "gzip")
			}
			for _, no := range []string{`"x+gzip"`, "W/" + tag} {
				if r, body := send(no); r.StatusCode != 412 {
					t.Errorf("13.1.1: step %d with %s: %d %s", i, no, r.StatusCode, body)
				}
			}
			if r, body := send(tag); r.StatusCode != 200 {
				t.Errorf("13.1.1: step %d with %s: %d %s", i, tag, r.StatusCode, body)
			}
			again := 412
			if x.method == "DELETE" || strings.Contains(x.body, "delete") {
				again = 410
			}
			if r, _ := send(tag); r.StatusCode != again {
				t.Errorf("step %d again with %s: %d", i, tag, r.StatusCode)
			}
		}
	})
}

func TestARequestThatIsSentAgainIsTheSameInEveryCoding(t *testing.T) {
	eachEssay(t, func(t *testing.T, c *apitest.Client) {
		c.Post(t, "/v1/essays?id=m", long(1990)).Want(t, 201)
		bare := strings.TrimSuffix(c.Get(t, "/v1/essays/m", apitest.Header("Accept-Encoding", "identity")).ETag(), `"`)
		var first, seq string
		for _, x := range []struct{ accept, suffix string }{{"gzip", "+gzip"}, {"zstd", "+zstd"}, {"identity", ""}, {"gzip", ""}} {
			r, body := raw(t, c, "PUT", "/v1/essays/m", long(1991), "Idempotency-Key", "k", "Accept-Encoding", x.accept, "If-Match", bare+x.suffix+`"`)
			if first == "" {
				first, seq = body, r.Header.Get("Autocrud-Seq")
			}
			if r.StatusCode != 200 || body != first || r.Header.Get("Autocrud-Seq") != seq {
				t.Errorf("%s with %q: %d %s", x.accept, x.suffix, r.StatusCode, body)
			}
		}
	})
}

func TestBinariesAndStreamsAreNotCompressed(t *testing.T) {
	eachEssay(t, func(t *testing.T, c *apitest.Client) {
		r, body := raw(t, c, "POST", "/v1/blobs", strings.Repeat("text ", 1000), "Content-Type", "text/plain", "Accept-Encoding", "gzip")
		if r.StatusCode != 201 {
			t.Fatalf("%d %s", r.StatusCode, body)
		}
		var b struct{ Digest string }
		if err := json.Unmarshal([]byte(body), &b); err != nil {
			t.Fatal(err)
		}
		c.Post(t, "/v1/essays?id=b", fmt.Sprintf(`{"title":"b","scan":{"digest":%q}}`, b.Digest)).Want(t, 201)
		path, tag := "/v1/essays/b/blobs/"+b.Digest, `"`+strings.TrimPrefix(b.Digest, "sha256:")+`"`
		for _, method := range []string{"GET", "HEAD"} {
			r, got := raw(t, c, method, path, "", "Accept-Encoding", "gzip, zstd")
			if r.Header.Get("Content-Encoding") != "" || r.Header.Get("Vary") != "" || r.Header.Get("ETag") != tag || r.ContentLength != 5000 || method == "GET" && len(got) != 5000 {
				t.Errorf("%s of a binary: %v", method, r.Header)
			}
			if r, _ := raw(t, c, method, path, "", "Accept-Encoding", "gzip", "If-None-Match", tag); r.StatusCode != 304 || r.Header.Get("ETag") != tag {
				t.Errorf("%s of a binary that the client has: %d %v", method, r.StatusCode, r.Header)
			}
		}
		if r, got := raw(t, c, "GET", path, "", "Accept-Encoding", "gzip", "Range", "bytes=0-2999", "If-Range", tag); r.StatusCode != 206 || r.Header.Get("Content-Encoding") != "" || len(got) != 3000 {
			t.Errorf("14.2: a range: %d %v", r.StatusCode, r.Header)
		}
		for _, method := range []string{"GET", "HEAD"} {
			for _, path := range []string{"/v1/essays:watch", "/v1:watch"} {
				req, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Accept-Encoding", "gzip, zstd, identity;q=0")
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Content-Encoding") != "" {
					t.Errorf("%s %s: %d %v", method, path, resp.StatusCode, resp.Header)
				}
			}
		}
	})
}

package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestTheCodingIsTheOneThatTheClientLikesBest(t *testing.T) {
	for _, x := range []struct {
		accept string
		best   coding
		plain  bool // whether the client takes an answer in no coding
	}{
		{"", uncoded, true},
		{"gzip", gzipped, true},
		{"x-gzip", gzipped, true}, // 8.4.1.3
		{"GZIP", gzipped, true},
		{"zstd", zstandard, true},
		{"gzip, zstd", zstandard, true},
		{"deflate, gzip, br, zstd", zstandard, true},
		{"deflate, br", uncoded, true},
		{"gzip;q=1.0, zstd;q=0.9", gzipped, true},
		{"gzip ; q=0.5 , zstd;Q=0.501", zstandard, true},
		{"gzip;q=0", uncoded, true},
		{"gzip;q=0.000", uncoded, true},
		{"gzip;q=0.001", gzipped, true},
		{"*", gzipped, true},
		{"zstd, *", zstandard, true},
		{"gzip, *", gzipped, true},
		{"gzip;q=0, *", zstandard, true},
		{"gzip;q=0, zstd;q=0, *", uncoded, true},
		{"*;q=0", uncoded, false},
		{"*;q=0, gzip", gzipped, false},
		{"*;q=0, identity", uncoded, true},
		{"identity", uncoded, true},
		{"identity;q=0", uncoded, false},
		{"identity;q=0, gzip;q=0.1", gzipped, false},
		{"identity;q=0, *;q=0.1", gzipped, false},
		{"identity, gzip", gzipped, true},
		{"identity;q=1, gzip;q=0.5", uncoded, true},
		{"identity;q=0.5, *", gzipped, true},
		{"identity, *;q=0.5", uncoded, true},
		{"gzip;q=2", uncoded, true}, // malformed ones are none
		{"gzip;q=0.1234, zstd", zstandard, true},
		{"gzip;q=, gzip;level=9", uncoded, true},
		{"gzip;q=-1", uncoded, true},
		{"gzip;q=0x1", uncoded, true},
		{",,gzip,", gzipped, true},
	} {
		c := readCodings([]string{x.accept})
		if c.best() != x.best || c.takesPlain() != x.plain {
			t.Errorf("12.5.3: %q: %q, plain %v; want %q, %v", x.accept, c.best(), c.takesPlain(), x.best, x.plain)
		}
	}
	if c := readCodings([]string{"br", "gzip"}); c.best() != gzipped {
		t.Error("5.3: a header in two lines is one list")
	}
	for accept, want := range map[string]coding{"gzip, zstd": gzipped, "zstd": uncoded, "gzip;q=0.5, identity": uncoded, "*": gzipped} {
		if got := readCodings([]string{accept}).orGzip(); got != want {
			t.Errorf("what is kept in gzip only is %q for %q, want %q", got, accept, want)
		}
	}
}

// decoded undoes a coding.
func decoded(t *testing.T, encoding string, body io.Reader) string {
	t.Helper()
	switch coding(encoding) {
	case gzipped:
		z, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		body = z
	case zstandard:
		z, err := zstd.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWhatIsCompressedDependsOnTheAnswer(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 1<<10)
	x := newEncoders()
	for _, row := range []struct {
		name, accept, contentType string
		size                      int
		extra                     []string // headers of the answer
		status                    int
		want                      string
	}{
		{"a large answer", "gzip", typeJSON, 5000, nil, 200, "gzip"},
		{"in zstd", "zstd", typeJSON, 5000, nil, 200, "zstd"},
		{"a large problem", "gzip", "application/problem+json", 5000, nil, 422, "gzip"},
		{"lines", "gzip", typeNDJSON, 5000, nil, 200, "gzip"},
		{"text", "gzip", "text/plain; charset=utf-8", 5000, nil, 200, "gzip"},
		{"1 KB", "gzip", typeJSON, 1024, nil, 200, ""},
		{"more than 1 KB", "gzip", typeJSON, 1025, nil, 201, "gzip"},
		{"nothing", "gzip", typeJSON, 0, nil, 200, ""},
		{"little for a client that takes nothing plain", "gzip, identity;q=0", typeJSON, 10, nil, 200, "gzip"},
		{"nothing for a client that takes nothing plain", "gzip, identity;q=0", typeJSON, 0, nil, 200, ""},
		{"a client that takes nothing at all", "identity;q=0", typeJSON, 5000, nil, 200, ""},
		{"a binary", "gzip", typeBinary, 5000, nil, 200, ""},
		{"a picture", "gzip", "image/png", 5000, nil, 200, ""},
		{"a stream", "gzip", "text/event-stream", 5000, nil, 200, ""},
		{"a range", "gzip", "text/plain", 5000, nil, 206, ""},
		{"parts of something", "gzip", "text/plain", 5000, []string{"Content-Range", "bytes 0-4999/9999"}, 200, ""},
		{"what is in a coding already", "gzip", typeJSON, 5000, []string{"Content-Encoding", "br"}, 200, "br"},
	} {
		for _, known := range []bool{true, false} {
			for _, method := range []string{"GET", "HEAD"} {
				for _, stride := range []int{1, 100, 1 << 20} {
					h := x.compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						h := w.Header()
						h.Set("Content-Type", row.contentType)
						h.Set("ETag", `"e"`)
						for i := 0; i < len(row.extra); i += 2 {
							h.Set(row.extra[i], row.extra[i+1])
						}
						if known {
							h.Set("Content-Length", strconv.Itoa(row.size))
						}
						w.WriteHeader(row.status)
						for rest := text[:row.size]; rest != ""; rest = rest[min(stride, len(rest)):] {
							if n, err := io.WriteString(w, rest[:min(stride, len(rest))]); err != nil || n != min(stride, len(rest)) {
								t.Errorf("%s: wrote %d: %v", row.name, n, err)
							}
						}
					}))
					r := httptest.NewRequest(method, "/v1/movies", nil)
					r.Header.Set("Accept-Encoding", row.accept)
					rec := httptest.NewRecorder()
					h.ServeHTTP(rec, r)
					got := rec.Result()
					tag := `"e"`
					if row.want == "gzip" || row.want == "zstd" {
						tag = `"e+` + row.want + `"`
						if n := got.Header.Get("Content-Length"); n != "" {
							t.Errorf("%s: Content-Length %s of what is compressed", row.name, n)
						}
					}
					if got.StatusCode != row.status || got.Header.Get("Content-Encoding") != row.want || got.Header.Get("ETag") != tag || got.Header.Get("Vary") != "Accept-Encoding" {
						t.Errorf("%s, %s: %d %v", row.name, method, got.StatusCode, got.Header)
					}
					if method == "HEAD" && tag == `"e"` {
						continue // the server drops the body
					}
					want := text[:row.size]
					if method == "HEAD" {
						if rec.Body.Len() > 0 {
							t.Errorf("%s: HEAD is compressed for nobody", row.name)
						}
						continue
					}
					if row.want != "br" && decoded(t, row.want, rec.Body) != want {
						t.Errorf("%s: another body", row.name)
					}
				}
			}
		}
	}
	if len(x.slots) != 0 {
		t.Errorf("%d encoders are still at work", len(x.slots))
	}
}

func TestEncodersComeBackAndAreBounded(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 5000)
	x := newEncoders()
	ask := func(fn http.HandlerFunc) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/v1/movies", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		x.compressed(fn).ServeHTTP(w, r)
		return w
	}
	begin := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", typeJSON)
		w.Header().Set("ETag", `"e"`)
		_, _ = w.Write(large)
	}
	t.Run("a handler that panics", func(t *testing.T) {
		func() {
			defer func() { _ = recover() }()
			ask(func(w http.ResponseWriter, r *http.Request) { begin(w); panic(http.ErrAbortHandler) })
		}()
		if len(x.slots) != 0 {
			t.Error("its encoder is still at work")
		}
	})
	t.Run("an error before the first byte is answered as one", func(t *testing.T) {
		w := ask(func(w http.ResponseWriter, r *http.Request) { writeProblem(w, asProblem(io.EOF)) })
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
	t.Run("more answers than encoders", func(t *testing.T) {
		for range maxPackers {
			x.slots <- struct{}{}
		}
		w := ask(func(w http.ResponseWriter, r *http.Request) { begin(w) })
		if w.Header().Get("Content-Encoding") != "" || w.Header().Get("ETag") != `"e"` || !bytes.Equal(w.Body.Bytes(), large) {
			t.Errorf("%v", w.Header())
		}
		for range maxPackers {
			<-x.slots
		}
	})
	t.Run("what is flushed is sent", func(t *testing.T) {
		ask(func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			p := packing(w)
			sent := p.ResponseWriter.(*httptest.ResponseRecorder)
			z, err := gzip.NewReader(bytes.NewReader(sent.Body.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.ReadAll(z); !bytes.Equal(got, large) {
				t.Errorf("%d bytes are sent", len(got))
			}
		})
	})
	t.Run("the answers after", func(t *testing.T) {
		for range 3 {
			if w := ask(func(w http.ResponseWriter, r *http.Request) { begin(w) }); decoded(t, w.Header().Get("Content-Encoding"), w.Body) != string(large) {
				t.Error("another body")
			}
		}
	})
}

package api

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestADocumentIsTaggedAndCompressedForClientsThatTakeIt(t *testing.T) {
	body := []byte(`{"x":"` + strings.Repeat("y", 5000) + `"}`)
	h := serveDocument(body)
	ask := func(method string, pairs ...string) *http.Response {
		r := httptest.NewRequest(method, "/openapi.json", nil)
		for i := 0; i < len(pairs); i += 2 {
			r.Header.Set(pairs[i], pairs[i+1])
		}
		w := httptest.NewRecorder()
		h(w, r)
		return w.Result()
	}
	tags := map[string]string{}
	for accept, want := range map[string]string{"": "", "gzip": "gzip", "gzip;q=0": "", "br, gzip;q=0.5": "gzip", "identity": ""} {
		r := ask("GET", "Accept-Encoding", accept)
		var in io.Reader = r.Body
		if got := r.Header.Get("Content-Encoding"); got != want || r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q is answered with %q", accept, got)
		}
		if want == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			in = z
		}
		if got, err := io.ReadAll(in); err != nil || string(got) != string(body) {
			t.Errorf("%q: %d bytes, %v", accept, len(got), err)
		}
		tags[want] = r.Header.Get("ETag")
		if again := ask("GET", "Accept-Encoding", accept, "If-None-Match", tags[want]); again.StatusCode != 304 {
			t.Errorf("%q: %d for what the client has", accept, again.StatusCode)
		}
		if head := ask("HEAD", "Accept-Encoding", accept); head.Header.Get("ETag") != tags[want] {
			t.Errorf("HEAD %q has another tag", accept)
		}
	}
	if tags[""] == "" || tags[""] == tags["gzip"] {
		t.Errorf("the tags are %q", tags)
	}
}

package api

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func getDocs(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	docsHandler().ServeHTTP(w, r)
	return w
}

var reference = regexp.MustCompile(`(?:src|href|url)\s*[=:(]\s*["']?([^"'\s>)]+)`)

func TestDocsPageRefersToThisServerOnly(t *testing.T) {
	page := getDocs(t, "/docs")
	if page.Code != http.StatusOK || !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", page.Code, page.Header())
	}
	policy := page.Header().Get("Content-Security-Policy")
	for _, bad := range []string{"unsafe", "*", "http:", "https:"} {
		if strings.Contains(policy, bad) {
			t.Errorf("the policy allows %s: %s", bad, policy)
		}
	}
	found := 0
	for _, text := range []string{page.Body.String(), getDocs(t, "/docs/init.js").Body.String(), getDocs(t, "/docs/page.css").Body.String()} {
		if strings.Contains(text, "//") && regexp.MustCompile(`["'(]\s*(https?:)?//`).MatchString(text) {
			t.Errorf("another host in %s", text)
		}
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			found++
			switch target := m[1]; {
			case target == "openapi.json":
			case strings.HasPrefix(target, "docs/"):
				if got := getDocs(t, "/"+target); got.Code != http.StatusOK || got.Body.Len() == 0 {
					t.Errorf("%s: %d", target, got.Code)
				}
			default:
				t.Errorf("a reference to %q", target)
			}
		}
	}
	if found < 6 {
		t.Errorf("only %d references", found)
	}
	if strings.Contains(page.Body.String(), "<script>") || strings.Contains(page.Body.String(), " on") && strings.Contains(page.Body.String(), "onload=") {
		t.Error("the page has a script inside")
	}
	// The style sheet brings its pictures along.
	for _, m := range regexp.MustCompile(`url\(["']?([a-z]*:?//[^)]{0,40}|[^)]{5})`).FindAllStringSubmatch(getDocs(t, "/docs/swagger-ui.css").Body.String(), -1) {
		if !strings.HasPrefix(m[1], "data:") {
			t.Errorf("the style sheet fetches %s", m[1])
		}
	}
}

func TestDocsAreServedCompressedAndCached(t *testing.T) {
	const bundle = "/docs/swagger-ui-bundle.js"
	packed := getDocs(t, bundle, "Accept-Encoding", "br, gzip;q=0.8")
	if packed.Header().Get("Content-Encoding") != "gzip" || packed.Header().Get("Vary") != "Accept-Encoding" || packed.Body.Len() > 600_000 {
		t.Errorf("%v, %d bytes", packed.Header(), packed.Body.Len())
	}
	plain := getDocs(t, bundle, "Accept-Encoding", "gzip;q=0")
	if plain.Header().Get("Content-Encoding") != "" || !strings.Contains(plain.Body.String(), "SwaggerUIBundle") {
		t.Errorf("%v, %d bytes", plain.Header(), plain.Body.Len())
	}
	tag := packed.Header().Get("ETag")
	if tag == "" || tag == plain.Header().Get("ETag") {
		t.Errorf("tags %q and %q", tag, plain.Header().Get("ETag"))
	}
	if again := getDocs(t, bundle, "Accept-Encoding", "gzip", "If-None-Match", tag); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("with the tag: %d", again.Code)
	}
}

func TestDocsKnowNothingElse(t *testing.T) {
	for path, want := range map[string]int{"/docs/": 302, "/docs/index.html": 302, "/docs/nope.js": 404, "/docs/../docs.go": 404, "/docs/README.md": 404, "/docs/swagger-ui.css.gz": 404, "/docs/LICENSE": 200} {
		if got := getDocs(t, path); got.Code != want {
			t.Errorf("%s: %d, want %d", path, got.Code, want)
		}
	}
}

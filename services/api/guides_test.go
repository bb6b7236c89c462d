package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func getGuide(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	guideHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestTheGuidesAreServed(t *testing.T) {
	for path, want := range map[string]int{"/guide": 302, "/guide/": 200, "/guide/models.html": 200, "/guide/adr/index.html": 200, "/guide/passages.js": 200, "/guide/search.js": 200,
		"/guide/guide.css": 200, "/guide/nope.html": 404, "/guide/models.md": 404, "/guide/../guides.go": 404} {
		got := getGuide(path)
		if got.Code != want {
			t.Errorf("%s: %d, not %d", path, got.Code, want)
		}
		if want == http.StatusOK && !strings.Contains(got.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v", path, got.Header())
		}
	}
	if page := getGuide("/guide/").Body.String(); !strings.Contains(page, "From an empty folder") {
		t.Error(page)
	}
}

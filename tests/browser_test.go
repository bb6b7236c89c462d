//go:build browser

package tests_test

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

// dot is a picture of one pixel.
const dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// A page in a real Chromium, of the server's own origin behind a proxy and of another one,
// does what an application does. AUTOCRUD_TEST_MODULES is the folder with playwright-core,
// AUTOCRUD_TEST_CHROMIUM the browser.
func TestPeopleInARealBrowser(t *testing.T) {
	files := http.FileServer(http.Dir("testdata/browser"))
	for _, own := range []bool{true, false} {
		name := "on another origin"
		if own {
			name = "on the same origin"
		}
		t.Run(name, func(t *testing.T) {
			issuer := testenv.NewIssuer(t)
			issuer.SignIn(map[string]any{"sub": "bea", "name": "Bea", "groups": []string{"press"}})
			secret, poster := filepath.Join(t.TempDir(), "secret"), filepath.Join(t.TempDir(), "dot.png")
			picture, err := base64.StdEncoding.DecodeString(dot)
			if err != nil {
				t.Fatal(err)
			}
			for name, content := range map[string][]byte{secret: []byte(testenv.ClientSecret), poster: picture} {
				if err := os.WriteFile(name, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			row := autocrud.Settings{Storage: "memory", OIDCIssuer: issuer.URL, OIDCClientID: testenv.ClientID, OIDCClientSecretFile: secret}
			front := &proxy{pages: files}
			server := httptest.NewServer(front) // of the page, and before the API where it is of the same origin
			t.Cleanup(server.Close)
			if own {
				row.PublicURL = server.URL
			} else {
				row.CORSOrigins = []string{server.URL}
			}
			policy := strings.Replace(peoplePolicy, "roles:\n", "roles:\n  editor: [{types: [films], actions: ['*']}]\n  clerk: []\n", 1) + `  - {role: editor, subjects: ["group:readers", "group:press"]}` + "\n"
			admin := guard(t, row, policy)
			admin.Post(t, "/v1/users", map[string]any{"name": "Ann", "email": "ann@example.com", "groups": []string{"readers"}, "password": annsPassword}).Want(t, 201)
			page, api := server.URL+"/page.html", server.URL
			if own {
				front.to(t, admin.URL)
			} else {
				page, api = page+"?api="+url.QueryEscape(admin.URL), admin.URL
			}
			cmd := exec.CommandContext(t.Context(), "node", "testdata/browser/drive.mjs")
			cmd.Env = append(os.Environ(), "MODULES="+os.Getenv("AUTOCRUD_TEST_MODULES"), "CHROMIUM="+os.Getenv("AUTOCRUD_TEST_CHROMIUM"),
				"PAGE="+page, "API="+api, "EVIL="+evilSite(t, files), "ADMIN_KEY="+adminKey, "POSTER="+poster)
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// proxy serves pages, and the API of the same origin.
type proxy struct {
	pages http.Handler
	api   http.Handler
}

func (p *proxy) to(t testing.TB, at string) {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	p.api = &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Host = r.In.Host
	}}
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.api != nil && (strings.HasPrefix(r.URL.Path, "/v1") || strings.HasPrefix(r.URL.Path, "/auth/") || r.URL.Path == "/") {
		p.api.ServeHTTP(w, r)
		return
	}
	p.pages.ServeHTTP(w, r)
}

// evilSite is a page of another site, to browsers: localhost is none of 127.0.0.1.
func evilSite(t testing.TB, files http.Handler) string {
	t.Helper()
	s := httptest.NewServer(files)
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "http://localhost:" + port + "/page.html"
}

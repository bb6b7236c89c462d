package tests_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// What is answered goes on only while the credential that began it is good: a download, a
// backup and a watch end within a second of its end, whether it was shown as a cookie, a
// key, a ticket or a link.
func TestWhatIsUnderWayEndsWithItsCredential(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	admin.Post(t, "/v1/roles", `{"name":"chief","rules":[{"types":["*"],"actions":["admin"]}]}`).Want(t, 201)
	admin.Post(t, "/v1/bindings", `{"role":"chief","subjects":["user:`+ann+`","group:all"]}`).Want(t, 201)
	const size = 24 << 20 // more than connections hold
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content) // no backup makes less of it
	digest := admin.Do(t, "POST", "/v1/blobs", "\x89PNG\r\n\x1a\n"+string(content), apitest.Header("Content-Type", "image/png")).Want(t, 201).Text("/digest")
	admin.Post(t, "/v1/films?id=f", `{"title":"Heat","poster":{"digest":"`+digest+`"}}`).Want(t, 201)
	const download, backup, watch = "/v1/films/f/blobs/", "/v1:backup", "/v1/films:watch?from_seq=0"
	n := 0
	newKey := func() (c *apitest.Client, secret string, end func()) {
		n++
		made := admin.Post(t, "/v1/api-keys", map[string]any{"name": "key" + string(rune('a'+n)), "groups": []string{"all"}}).Want(t, 201)
		c = admin.As(made.Text("/secret"))
		apitest.Eventually(t, 5*time.Second, "the key is good", func() bool { return c.Get(t, "/v1/films/f").Status == 200 })
		return c, made.Text("/secret"), func() { admin.Delete(t, "/v1/api-keys/"+made.Text("/meta/id")).Want(t, 200) }
	}
	for what, begin := range map[string]func(path string) (r *http.Request, end func()){
		"a key": func(path string) (*http.Request, func()) {
			_, secret, end := newKey()
			return asking(t, admin.URL+path, "Authorization", "Bearer "+secret), end
		},
		"a cookie": func(path string) (*http.Request, func()) {
			cookie := signedInAs(t, admin, "ann@example.com", annsPassword)
			r := asking(t, admin.URL+path, "", "")
			cookie(r)
			return r, func() { admin.As("").Post(t, "/auth/logout", nil, cookie).Want(t, 204) }
		},
		"a ticket": func(path string) (*http.Request, func()) {
			c, _, end := newKey()
			sign := "?"
			if strings.Contains(path, "?") {
				sign = "&"
			}
			return asking(t, admin.URL+path+sign+"ticket="+query(c.Post(t, "/auth/ticket", nil).Want(t, 200).Text("/ticket")), "", ""), end
		},
		"a link": func(path string) (*http.Request, func()) {
			c, _, end := newKey()
			return asking(t, c.Post(t, "/auth/sign", map[string]any{"path": path}).Want(t, 200).Text("/url"), "", ""), end
		},
		"a link that is revoked": func(path string) (*http.Request, func()) {
			c, _, _ := newKey()
			return asking(t, c.Post(t, "/auth/sign", map[string]any{"path": path}).Want(t, 200).Text("/url"), "", ""), func() { c.Post(t, "/auth/links:revoke", nil).Want(t, 204) }
		},
	} {
		for _, path := range []string{download + digest, backup, watch} {
			r, end := begin(path)
			resp, err := (&http.Transport{}).RoundTrip(r)
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("%s, %s: %v %v", what, path, resp, err)
				continue
			}
			first := 64 << 10
			if path == watch {
				first = 10
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, first)); err != nil {
				t.Errorf("%s, %s: %v", what, path, err)
			}
			end()
			begun := time.Now()
			rest, err := io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()                                // it is broken off
			if took := time.Since(begun); took > 2*time.Second { // a machine that others share
				t.Errorf("%s, %s: it went on for %v", what, path, took)
			}
			if path != watch && (!errors.Is(err, io.ErrUnexpectedEOF) || rest > size*3/4) {
				t.Errorf("%s, %s: %d bytes more, then %v", what, path, rest, err)
			}
		}
	}
}

func asking(t *testing.T, url, name, value string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if name != "" {
		r.Header.Set(name, value)
	}
	return r
}

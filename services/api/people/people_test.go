package people_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/services/api/people"
)

func door(t *testing.T, url string, loopback bool) *people.Door {
	t.Helper()
	d, err := people.New(people.Options{Access: policy.NewAccess(nil, nil, nil), Key: make([]byte, 32), URL: url, Loopback: loopback, Origins: []string{"https://app.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestABrowserIsLedNowhereElse(t *testing.T) {
	d := door(t, "https://api.example.com", false)
	for to, want := range map[string]string{
		"/": "/", "/console/films?x=1#y": "/console/films?x=1#y", "https://app.example.com/x": "https://app.example.com/x",
		"": "/", "x": "/", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/", "https://app.example.com@evil.example": "/",
		"https://app.example.com.evil.example": "/", "http://app.example.com": "/", "https:evil.example": "/", "javascript:alert(1)": "/", "/x\r\ny": "/", "\t//evil.example": "/",
	} {
		if got := d.ReturnTo(to); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}

func TestOnlyOwnPagesChangeAnything(t *testing.T) {
	d := door(t, "https://api.example.com", false)
	for name, x := range map[string]struct {
		header []string
		want   bool
	}{
		"no page":                      {nil, true},
		"its own":                      {[]string{"Origin", "https://api.example.com"}, true},
		"a named one":                  {[]string{"Origin", "https://app.example.com", "Sec-Fetch-Site", "cross-site"}, true},
		"another":                      {[]string{"Origin", "https://evil.example"}, false},
		"a sandbox":                    {[]string{"Origin", "null"}, false},
		"its own over plain HTTP":      {[]string{"Origin", "http://api.example.com"}, false},
		"only metadata, its own":       {[]string{"Sec-Fetch-Site", "same-origin"}, true},
		"only metadata, the same site": {[]string{"Sec-Fetch-Site", "same-site"}, false},
		"only a Referer":               {[]string{"Referer", "https://evil.example/https://api.example.com"}, false},
	} {
		r := httptest.NewRequest("POST", "https://api.example.com/v1/x", nil)
		for i := 0; i < len(x.header); i += 2 {
			r.Header.Set(x.header[i], x.header[i+1])
		}
		if got := d.FromOwnPages(r); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Over TLS the cookie is one that no other host and no plain HTTP can set.
func TestTheCookieIsTheServersOwn(t *testing.T) {
	for _, x := range []struct {
		url, name        string
		loopback, secure bool
	}{{"https://api.example.com", "__Host-autocrud", false, true}, {"http://10.0.0.1:8080", "__Host-autocrud", false, true},
		{"http://127.0.0.1:8080", "autocrud", true, false}, {"https://api.example.com", "__Host-autocrud", true, true}} {
		d, w := door(t, x.url, x.loopback), httptest.NewRecorder()
		d.SetCookie(w, "text", false, time.Now().Add(time.Hour))
		c := w.Result().Cookies()[0]
		if c.Name != x.name || c.Secure != x.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || !c.Expires.IsZero() {
			t.Errorf("%s: %s", x.url, w.Header().Get("Set-Cookie"))
		}
		r := httptest.NewRequest("GET", x.url, nil)
		r.AddCookie(c)
		if d.Cookie(r) != "text" {
			t.Errorf("%s: the cookie is not found", x.url)
		}
		r.AddCookie(c)
		if d.Cookie(r) != "" {
			t.Errorf("%s: two of them count", x.url)
		}
	}
}

package tests_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

// issued starts a program whose people sign in through issuers: one of the flags, the
// other of the file, with the name corp.
func issued(t testing.TB, row autocrud.Settings) (admin *apitest.Client, own, corp *testenv.Issuer) {
	t.Helper()
	own, corp = testenv.NewIssuer(t), testenv.NewIssuer(t)
	dir := t.TempDir()
	secret, file := filepath.Join(dir, "secret"), filepath.Join(dir, "issuers.yaml")
	for name, text := range map[string]string{secret: testenv.ClientSecret + "\n",
		file: "corp: {issuer: '" + corp.URL + "', title: Corp, client_id: " + testenv.ClientID + ", client_secret_file: '" + secret + "'}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	row.OIDCIssuer, row.OIDCClientID, row.OIDCClientSecretFile, row.OIDCIssuers = own.URL, testenv.ClientID, secret, file
	admin = guard(t, row, peoplePolicyOf("group:corp/readers"))
	return admin, own, corp
}

func peoplePolicyOf(subjects ...string) string {
	text := strings.Replace(peoplePolicy, "roles:\n", "roles:\n  clerk: [{types: [users], actions: ['*']}]\n", 1)
	for _, s := range subjects {
		text += "  - {role: reader, subjects: ['" + s + "']}\n"
	}
	return text
}

// surfer is a browser as far as signing in goes: it keeps cookies and follows nothing.
type surfer struct {
	t       testing.TB
	client  *http.Client
	cookies map[string]string
	address string
}

// surfers counts them, so that each has an address of its own.
var surfers atomic.Int64

func newSurfer(t testing.TB) *surfer {
	return &surfer{address: fmt.Sprintf("192.0.2.%d", surfers.Add(1)%250), t: t, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, cookies: map[string]string{}}
}

// open asks for a URL and returns the status and where it leads to.
func (s *surfer) open(at string) (status int, location string) {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodGet, at, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", s.address)
	for name, value := range s.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		if s.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(s.cookies, c.Name)
		}
	}
	return resp.StatusCode, resp.Header.Get("Location")
}

// away goes to an issuer and returns with what it answers, without showing it yet.
func (s *surfer) away(base, issuer, query string) (callback string) {
	s.t.Helper()
	status, at := s.open(base + "/auth/oidc/" + issuer + "/login" + query)
	if status != 303 {
		s.t.Fatalf("the sign-in begins with %d", status)
	}
	if status, callback = s.open(at); status != 302 {
		s.t.Fatalf("the issuer answers %d at %s", status, at)
	}
	return callback
}

// cookie is the session of the browser.
func (s *surfer) cookie() apitest.Option {
	return apitest.Header("Cookie", "autocrud="+s.cookies["autocrud"])
}

func withQuery(t testing.TB, at string, change func(url.Values)) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	change(q)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestPeopleSignInThroughAnIssuer(t *testing.T) {
	t.Parallel()
	const named = "https://app.example.com"
	admin, own, corp := issued(t, autocrud.Settings{Storage: "memory", CORSOrigins: []string{named}})
	nobody := admin.As("")
	ann := map[string]any{"sub": "ann", "groups": []string{"readers", "corp/readers"}, "name": "Ann", "email": "ann@example.com"}
	own.SignIn(ann)
	browser := newSurfer(t)
	callback := browser.away(admin.URL, "default", "?return_to=/docs%3Fx%3D1")
	if status, to := browser.open(callback); status != 303 || to != "/docs?x=1" {
		t.Fatalf("back from the issuer: %d, %s", status, to)
	}
	r := nobody.Get(t, "/auth/session", browser.cookie()).Want(t, 200).Equal(t, "/principal/id", `"user:ann"`).Equal(t, "/principal/groups", `["readers"]`)
	if r.Text("/principal/name") != "Ann" || r.Text("/principal/email") != "ann@example.com" || r.Text("/issuers/1/login") != "/auth/oidc/corp/login" {
		t.Errorf("the session is %s", r.Body)
	}
	admin.Post(t, "/v1/films?id=f", `{"title":"Heat"}`).Want(t, 201)
	nobody.Get(t, "/v1/films/f", browser.cookie()).Want(t, 200)
	// Another issuer's person of the same name is another, and in its own groups.
	corp.SignIn(map[string]any{"sub": "ann", "groups": []string{"readers"}})
	other := newSurfer(t)
	if status, to := other.open(other.away(admin.URL, "corp", "?return_to="+url.QueryEscape(named+"/x"))); status != 303 || to != named+"/x" {
		t.Fatalf("back from the other issuer: %d, %s", status, to)
	}
	nobody.Get(t, "/auth/session", other.cookie()).Want(t, 200).Equal(t, "/principal/id", `"user:corp/ann"`).Equal(t, "/principal/groups", `["corp/readers"]`)
	// Signing out leads to the issuer too, and ends streams here.
	w := nobody.MustWatch(t, "/v1/films:watch", other.cookie())
	out := nobody.Post(t, "/auth/logout", nil, other.cookie()).Want(t, 200)
	ends(t, w)
	at, err := url.Parse(out.Text("/continue_at"))
	if err != nil || !strings.HasPrefix(at.String(), corp.URL+"/logout?") || at.Query().Get("client_id") != testenv.ClientID || at.Query().Get("post_logout_redirect_uri") != admin.URL+"/" ||
		strings.Count(at.Query().Get("id_token_hint"), ".") != 2 {
		t.Errorf("the browser goes on at %v", at)
	}
	nobody.Get(t, "/auth/session", other.cookie()).Want(t, 200).Equal(t, "/principal", "null")
	nobody.Get(t, "/v1/films/f", browser.cookie()).Want(t, 200)
	// An admin ends the other one.
	all := admin.Get(t, "/auth/sessions?principal=user:ann").Want(t, 200).Items()
	admin.Delete(t, "/auth/sessions/"+all[0].(map[string]any)["id"].(string)).Want(t, 204)
	nobody.Get(t, "/v1/films/f", browser.cookie()).WantProblem(t, 401, "unauthenticated")
}

// An answer counts for the browser that asked, for what it asked, of the issuer that it
// asked, and once (RFC 9700 section 2.1, RFC 9207, OpenID Connect Core 1.0).
func TestAnAnswerOfAnIssuerIsToOneQuestion(t *testing.T) {
	t.Parallel()
	admin, own, corp := issued(t, autocrud.Settings{Storage: "memory", TrustedProxies: []string{"127.0.0.1"}})
	ann := func() map[string]any { return map[string]any{"sub": "ann", "groups": []string{"readers"}} }
	mallory := func() map[string]any { return map[string]any{"sub": "mallory"} }
	own.SignIn(ann())
	corp.SignIn(mallory())
	refuses := func(what string, browser *surfer, callback string) {
		t.Helper()
		if status, to := browser.open(callback); status != 401 || to != "" {
			t.Errorf("%s: %d, %s", what, status, to)
		}
		if browser.cookies["autocrud"] != "" {
			t.Errorf("%s: there is a session", what)
		}
	}
	alter := func(name, value string) func(url.Values) {
		return func(q url.Values) {
			if q.Set(name, value); value == "" {
				q.Del(name)
			}
		}
	}
	// Login CSRF: a browser is given the answer of another.
	stranger := newSurfer(t)
	callback := stranger.away(admin.URL, "default", "")
	refuses("another browser's answer", newSurfer(t), callback)
	victim := newSurfer(t)
	victim.away(admin.URL, "default", "")
	refuses("another browser's answer during its own sign-in", victim, callback)
	for what, change := range map[string]func(url.Values){
		"another state": alter("state", "x"), "no state": alter("state", ""), "no code": alter("code", ""), "a code that was not given": alter("code", "x"),
		"another issuer (RFC 9207)": alter("iss", corp.URL), "no issuer, which promised to say it": alter("iss", ""), "an issuer but for a slash": alter("iss", own.URL+"/"),
		"two codes": func(q url.Values) { q.Add("code", "x") }, "two states": func(q url.Values) { q.Add("state", "x") },
		"an error": alter("error", "access_denied"),
	} {
		browser := newSurfer(t)
		refuses(what, browser, withQuery(t, browser.away(admin.URL, "default", ""), change))
	}
	// Mixed up: the answer of one issuer at the door of another.
	browser := newSurfer(t)
	callback = browser.away(admin.URL, "default", "")
	refuses("at the other issuer's door", browser, strings.Replace(callback, "/oidc/default/", "/oidc/corp/", 1))
	// A code that was used is refused here, though this issuer would take it again.
	browser = newSurfer(t)
	callback = browser.away(admin.URL, "default", "")
	pending := browser.cookies["autocrud-oidc"]
	if status, _ := browser.open(callback); status != 303 {
		t.Fatalf("signing in is %d", status)
	}
	if browser.cookies["autocrud-oidc"] != "" {
		t.Error("the cookie of the sign-in stays")
	}
	thief := newSurfer(t)
	thief.cookies["autocrud-oidc"] = pending
	refuses("a replayed code", thief, callback)
	// An ID token for another question, client or time.
	for what, claims := range map[string]map[string]any{
		"another nonce": {"nonce": "x"}, "no nonce": {"nonce": nil}, "another audience": {"aud": "other"}, "for a bearer": {"aud": testenv.Audience},
		"several audiences and no party": {"aud": []string{testenv.ClientID, "other"}}, "another party": {"aud": testenv.ClientID, "azp": "other"},
		"another issuer": {"iss": corp.URL}, "expired": {"exp": 1}, "no subject": {"sub": nil}, "the subject of another issuer": {"sub": "corp/ann"},
	} {
		person := ann()
		for k, v := range claims {
			person[k] = v
		}
		own.SignIn(person)
		browser := newSurfer(t)
		refuses("an ID token, "+what, browser, browser.away(admin.URL, "default", ""))
	}
	id := admin.Post(t, "/v1/users", map[string]any{"email": "x@example.com"}).Want(t, 201).Text("/meta/id")
	own.SignIn(map[string]any{"sub": id})
	browser = newSurfer(t)
	refuses("the subject of a user here", browser, browser.away(admin.URL, "default", ""))
}

// A browser that signed in does not go where a link says, but stays here.
func TestSigningInLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	admin, own, _ := issued(t, autocrud.Settings{Storage: "memory", CORSOrigins: []string{"https://app.example.com"}})
	own.SignIn(map[string]any{"sub": "ann"})
	for _, to := range []string{"https://evil.example", "//evil.example", `/\evil.example`, `\\evil.example`, "https:evil.example", "javascript:alert(1)", "https://app.example.com@evil.example",
		"https://app.example.com.evil.example", "http://app.example.com", "/%0d%0aSet-Cookie: x=y\r\n", "\t//evil.example", "x", ""} {
		browser := newSurfer(t)
		status, at := browser.open(browser.away(admin.URL, "default", "?return_to="+url.QueryEscape(to)))
		if status != 303 || at != "/" {
			t.Errorf("%q: %d, %s", to, status, at)
		}
	}
	admin.As("").Get(t, "/auth/oidc/none/login").WantProblem(t, 404, "not_found")
	// A session that another put there ends when the browser signs in.
	mallory := admin.Post(t, "/v1/api-keys", `{"name":"mallory"}`).Want(t, 201).Text("/secret")
	browser := newSurfer(t)
	planted, _ := cookieOf(t, admin.As("").Post(t, "/auth/login", map[string]any{"key": mallory}).Want(t, 200))
	callback := browser.away(admin.URL, "default", "")
	r, _ := http.NewRequest("GET", "http://x", nil)
	planted(r)
	_, browser.cookies["autocrud"], _ = strings.Cut(r.Header.Get("Cookie"), "=")
	browser.open(callback)
	admin.As("").Get(t, "/auth/session", browser.cookie()).Want(t, 200).Equal(t, "/principal/id", `"user:ann"`)
	admin.As("").Get(t, "/auth/session", planted).Want(t, 200).Equal(t, "/principal", "null")
}

// The cookie of a sign-in is one that only TLS could have set, and the redirect goes by
// the public URL.
func TestASignInBehindAProxyGoesByThePublicURL(t *testing.T) {
	t.Parallel()
	admin, own, _ := issued(t, autocrud.Settings{Storage: "memory", PublicURL: "https://app.example.com"})
	own.SignIn(map[string]any{"sub": "ann"})
	browser := newSurfer(t)
	callback := browser.away(admin.URL, "default", "")
	back, ok := strings.CutPrefix(callback, "https://app.example.com/auth/oidc/default/callback?")
	if !ok || browser.cookies["__Host-autocrud-oidc"] == "" {
		t.Fatalf("the issuer answers at %s, the cookies are %v", callback, browser.cookies)
	}
	plain := newSurfer(t)
	plain.cookies["autocrud-oidc"] = browser.cookies["__Host-autocrud-oidc"]
	if status, _ := plain.open(admin.URL + "/auth/oidc/default/callback?" + back); status != 401 {
		t.Errorf("with a cookie of plain HTTP: %d", status)
	}
	if status, _ := browser.open(admin.URL + "/auth/oidc/default/callback?" + back); status != 303 || browser.cookies["__Host-autocrud"] == "" {
		t.Errorf("%d, %v", status, browser.cookies)
	}
}

// A session of an issuer ends when the program believes another one instead.
func TestASessionEndsWithItsIssuer(t *testing.T) {
	t.Parallel()
	row := autocrud.Settings{Storage: "disk", DataDir: t.TempDir()}
	issuer := testenv.NewIssuer(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(testenv.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	models := apitest.WriteModels(t, guarded)
	args := []string{"--models", models, "--data-dir", row.DataDir, "--auth", "required", "--admin-key", adminKey}
	p := apitest.Launch(t, append(args, "--oidc-issuer", issuer.URL, "--oidc-client-id", testenv.ClientID, "--oidc-client-secret-file", secret)...)
	issuer.SignIn(map[string]any{"sub": "ann"})
	browser := newSurfer(t)
	if status, _ := browser.open(browser.away(p.URL, "default", "")); status != 303 {
		t.Fatal(status)
	}
	c := apitest.NewClient(t, p.URL)
	c.Get(t, "/auth/session", browser.cookie()).Want(t, 200).Equal(t, "/principal/id", `"user:ann"`)
	byKey, _ := cookieOf(t, c.Post(t, "/auth/login", map[string]any{"key": adminKey}).Want(t, 200))
	c.Get(t, "/v1/api-keys", byKey).Want(t, 200)
	stopped(t, p)
	args[len(args)-1] = strings.ToUpper(adminKey) + "-another"
	p = apitest.Launch(t, args...)
	c = apitest.NewClient(t, p.URL)
	for _, cookie := range []apitest.Option{browser.cookie(), byKey} {
		c.Get(t, "/auth/session", cookie).Want(t, 200).Equal(t, "/principal", "null")
	}
	stopped(t, p)
}

// Settings of issuers that cannot be are told before anything starts.
func TestIssuersThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const one = "https://login.example.com"
	base := []string{"up", "--models", apitest.WriteModels(t, guarded), "--storage", "memory", "--addr", "127.0.0.1:0", "--auth", "required"}
	for want, args := range map[string][]string{
		"goes with --oidc-audience":          {"--oidc-issuer", one},
		"no effect without --oidc-client":    {"--oidc-issuer", one, "--oidc-audience", "x", "--oidc-client-secret-file", "x"},
		"an https URL":                       {"--oidc-issuer", "http://login.example.com", "--oidc-client-id", "x"},
		"the secret of the client":           {"--oidc-issuer", one, "--oidc-client-id", "x", "--oidc-client-secret-file", write("empty", "\n")},
		"cannot be read":                     {"--oidc-issuers", filepath.Join(dir, "none")},
		"field isuer not found":              {"--oidc-issuers", write("typo", "corp: {isuer: x}\n")},
		"the name of an issuer":              {"--oidc-issuers", write("named", "default: {issuer: '"+one+"', client_id: x}\n")},
		"corp: issuer is an https URL":       {"--oidc-issuers", write("plain", "corp: {issuer: 'http://login.example.com', client_id: x}\n")},
		"says audience":                      {"--oidc-issuers", write("bare", "corp: {issuer: '"+one+"'}\n")},
		"an issuer has one entry":            {"--oidc-issuers", write("twice", "a: {issuer: '"+one+"', client_id: x}\nb: {issuer: '"+one+"', client_id: y}\n")},
		"client_secret_file has no effect w": {"--oidc-issuers", write("secret", "corp: {issuer: '"+one+"', audience: x, client_secret_file: y}\n")},
	} {
		r := apitest.Run(t, "", append(base, args...)...)
		if r.Code != 2 || !strings.Contains(r.Stderr, want) {
			t.Errorf("%v: exit %d, %s", args, r.Code, r.Stderr)
		}
	}
}

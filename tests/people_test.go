package tests_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

const (
	annsPassword  = "eleven blue whales"
	otherPassword = "twelve green geese"
)

const peoplePolicy = guardedPolicy + `  - {role: reader, subjects: ["group:readers"]}
  - {role: clerk, subjects: ["key:clerk"]}
`

// peopled starts a program with a user ann, who is in the group readers.
func peopled(t testing.TB, row autocrud.Settings) (admin *apitest.Client, ann string) {
	t.Helper()
	admin = guard(t, row, strings.Replace(peoplePolicy, "roles:\n", "roles:\n  clerk: [{types: [users], actions: ['*']}, {types: [films], actions: [read, list, watch]}]\n", 1))
	ann = admin.Post(t, "/v1/users", map[string]any{"name": "Ann", "email": "ann@example.com", "groups": []string{"readers"}, "password": annsPassword}).Want(t, 201).Text("/meta/id")
	return admin, ann
}

func login(email, password string) map[string]any {
	return map[string]any{"email": email, "password": password}
}

// cookieOf is the session that an answer sets, and its attributes.
func cookieOf(t testing.TB, r *apitest.Response) (value apitest.Option, attributes string) {
	t.Helper()
	all := r.Header.Values("Set-Cookie")
	if len(all) != 1 {
		t.Fatalf("%s sets %d cookies: %s", r.What, len(all), r.Body)
	}
	value0, attributes, _ := strings.Cut(all[0], "; ")
	return apitest.Header("Cookie", value0), attributes
}

// signedInAs signs in and returns the cookie.
func signedInAs(t testing.TB, c *apitest.Client, email, password string) apitest.Option {
	t.Helper()
	cookie, _ := cookieOf(t, c.As("").Post(t, "/auth/login", login(email, password)).Want(t, 200))
	return cookie
}

func TestAPersonSignsInAndOut(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	nobody := admin.As("")
	nobody.Get(t, "/auth/session").Want(t, 200).Equal(t, "/principal", "null")
	r := nobody.Post(t, "/auth/login", login("Ann@Example.com", annsPassword)).Want(t, 200)
	cookie, attributes := cookieOf(t, r)
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(attributes, want) {
			t.Errorf("the cookie is %s, without %s", attributes, want)
		}
	}
	if strings.Contains(attributes, "Secure") || strings.Contains(attributes, "Expires") || strings.Contains(attributes, "Domain") {
		t.Errorf("the cookie is %s", attributes)
	}
	session := nobody.Get(t, "/auth/session", cookie).Want(t, 200)
	if session.Text("/principal/id") != "user:"+ann || session.Text("/principal/email") != "ann@example.com" || session.Text("/auth") != "required" {
		t.Errorf("the session is %s", session.Body)
	}
	admin.Post(t, "/v1/films?id=f", `{"title":"Heat"}`).Want(t, 201)
	nobody.Get(t, "/v1/films/f", cookie).Want(t, 200)
	nobody.Post(t, "/v1/films", `{"title":"x"}`, cookie).WantProblem(t, 403, "permission_denied")
	// Both: the bearer judges.
	admin.As("ack_x_"+strings.Repeat("0", 64)).Get(t, "/v1/films/f", cookie).WantProblem(t, 401, "unauthenticated")
	admin.Get(t, "/v1/api-keys", cookie).Want(t, 200)
	w := nobody.MustWatch(t, "/v1/films:watch", cookie)
	cleared, attributes := cookieOf(t, nobody.Post(t, "/auth/logout", nil, cookie).Want(t, 204))
	if !strings.Contains(attributes, "Max-Age=0") {
		t.Errorf("signing out sets %v %s", cleared, attributes)
	}
	ends(t, w)
	nobody.Get(t, "/v1/films/f", cookie).WantProblem(t, 401, "unauthenticated")
	nobody.Get(t, "/auth/session", cookie).Want(t, 200).Equal(t, "/principal", "null")
	nobody.Post(t, "/auth/logout", nil, cookie).Want(t, 204)
}

// ends waits until a watch is ended, for a second.
func ends(t testing.TB, w *apitest.Watch) {
	t.Helper()
	begun := time.Now()
	for {
		if _, err := w.Next(); err != nil {
			break
		}
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the watch went on for %v", took)
	}
}

// What a session stands for ends it, and its watches, within a second: the password, the
// groups, the user, its owner and an admin.
func TestASessionEndsWithWhatItIsOf(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	nobody := admin.As("")
	patch := func(body map[string]any) {
		admin.Patch(t, "/v1/users/"+ann, apitest.MergePatch, body).Want(t, 200)
	}
	password := annsPassword
	for name, end := range map[string]func(cookie apitest.Option){
		"a name changes nothing": nil,
		"its password":           func(apitest.Option) { password = otherPassword; patch(map[string]any{"password": otherPassword}) },
		"its groups":             func(apitest.Option) { patch(map[string]any{"groups": []string{"readers", "press"}}) },
		"disabled": func(apitest.Option) {
			patch(map[string]any{"disabled": true})
			nobody.Post(t, "/auth/login", login("ann@example.com", password)).WantProblem(t, 401, "unauthenticated")
			patch(map[string]any{"disabled": false})
		},
		"deleted": func(apitest.Option) {
			admin.Delete(t, "/v1/users/"+ann).Want(t, 200)
			nobody.Post(t, "/auth/login", login("ann@example.com", password)).WantProblem(t, 401, "unauthenticated")
			admin.Post(t, "/v1/users/"+ann+":restore", nil).Want(t, 200)
		},
		"its owner": func(cookie apitest.Option) {
			all := nobody.Get(t, "/auth/sessions", cookie).Want(t, 200).Items()
			for _, s := range all {
				if one := s.(map[string]any); one["current"] == true {
					nobody.Delete(t, "/auth/sessions/"+one["id"].(string), cookie).Want(t, 204)
				}
			}
		},
		"an admin": func(apitest.Option) {
			all := admin.Get(t, "/auth/sessions?principal=user:"+ann).Want(t, 200).Items()
			admin.Delete(t, "/auth/sessions/"+all[0].(map[string]any)["id"].(string)).Want(t, 204)
		},
	} {
		cookie := signedInAs(t, admin, "ann@example.com", password)
		w := nobody.MustWatch(t, "/v1/films:watch", cookie)
		if end == nil {
			patch(map[string]any{"name": "Ann " + name})
			nobody.Get(t, "/v1/films", cookie).Want(t, 200)
			w.Close()
			continue
		}
		end(cookie)
		ends(t, w)
		apitest.Eventually(t, time.Second, name+" ends the session", func() bool { return nobody.Get(t, "/v1/films", cookie).Status == 401 })
	}
}

// A session of an API key does what the key may, for as long as the key is good.
func TestASessionIsMadeOfAnAPIKey(t *testing.T) {
	t.Parallel()
	admin, _ := peopled(t, autocrud.Settings{Storage: "memory"})
	nobody := admin.As("")
	made := admin.Post(t, "/v1/api-keys", `{"name":"reader"}`).Want(t, 201)
	body := map[string]any{"key": made.Text("/secret"), "remember": true}
	cookie, attributes := cookieOf(t, nobody.Post(t, "/auth/login", body).Want(t, 200))
	if !strings.Contains(attributes, "Expires=") {
		t.Errorf("with remember the cookie is %s", attributes)
	}
	nobody.Get(t, "/auth/session", cookie).Want(t, 200).Equal(t, "/principal/id", `"key:reader"`)
	nobody.Get(t, "/v1/films", cookie).Want(t, 200)
	admin.Post(t, "/v1/api-keys/"+made.Text("/meta/id")+":rotate", nil).Want(t, 200)
	apitest.Eventually(t, time.Second, "the session ends", func() bool { return nobody.Get(t, "/v1/films", cookie).Status == 401 })
	nobody.Post(t, "/auth/login", body).WantProblem(t, 401, "unauthenticated")
	cookie, _ = cookieOf(t, nobody.Post(t, "/auth/login", map[string]any{"key": adminKey}).Want(t, 200))
	nobody.Get(t, "/v1/api-keys", cookie).Want(t, 200)
}

// A page of another origin can do nothing with a session, nor sign its reader in (OWASP
// Cross-Site Request Forgery Prevention).
func TestPagesOfOtherOriginsUseNoSession(t *testing.T) {
	t.Parallel()
	const named = "https://app.example.com"
	admin, _ := peopled(t, autocrud.Settings{Storage: "memory", CORSOrigins: []string{named}})
	made := admin.Post(t, "/v1/api-keys", `{"name":"all"}`).Want(t, 201)
	cookie, _ := cookieOf(t, admin.As("").Post(t, "/auth/login", map[string]any{"key": made.Text("/secret")}).Want(t, 200))
	nobody := admin.As("")
	n := 0
	for name, x := range map[string]struct {
		headers []string
		allowed bool
	}{
		"no page":                     {nil, true},
		"its own page":                {[]string{"Origin", admin.URL, "Sec-Fetch-Site", "same-origin"}, true},
		"its own page, an old one":    {[]string{"Origin", admin.URL}, true},
		"a named page":                {[]string{"Origin", named, "Sec-Fetch-Site", "cross-site"}, true},
		"another page":                {[]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, false},
		"another page, an old one":    {[]string{"Origin", "https://evil.example"}, false},
		"a page of the same site":     {[]string{"Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site"}, false},
		"a page in a sandbox":         {[]string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, false},
		"a sandbox of an old one":     {[]string{"Origin", "null"}, false},
		"only Fetch metadata":         {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"only Fetch metadata, same":   {[]string{"Sec-Fetch-Site", "same-site"}, false},
		"only a Referer":              {[]string{"Referer", "https://evil.example/x"}, false},
		"only a Referer of its own":   {[]string{"Referer", admin.URL + "/x"}, true},
		"a prefix of the named":       {[]string{"Origin", named + ".evil.example"}, false},
		"the named over plain HTTP":   {[]string{"Origin", "http://app.example.com"}, false},
		"its own name, another port":  {[]string{"Origin", "http://127.0.0.1:80"}, false},
		"credentials in a URL":        {[]string{"Origin", "https://app.example.com@evil.example"}, false},
		"a method that is overridden": {[]string{"Origin", "https://evil.example", "X-HTTP-Method-Override", "GET"}, false},
	} {
		opts := append(headers(x.headers...), cookie)
		n++
		for _, r := range []*apitest.Response{
			nobody.Post(t, "/v1/notes?id=n"+fmt.Sprint(n), `{"text":"x"}`, opts...),
			nobody.Put(t, "/v1/notes/p"+fmt.Sprint(n), `{"text":"x"}`, append(slices.Clone(opts), apitest.Header("If-None-Match", "*"))...),
			nobody.Post(t, "/auth/login", login("ann@example.com", annsPassword), opts[:len(opts)-1]...), // login CSRF
		} {
			if (r.Status < 300) != x.allowed || !x.allowed && r.Status != 403 {
				t.Errorf("%s: %s is %d", name, r.What, r.Status)
			}
		}
		if !x.allowed {
			nobody.Post(t, "/auth/logout", nil, opts...).WantProblem(t, 403, "permission_denied")
		}
		cookie, _ = cookieOf(t, nobody.Post(t, "/auth/login", map[string]any{"key": made.Text("/secret")}).Want(t, 200))
	}
	// Pages of every origin may read without credentials; with them none may write.
	any, _ := peopled(t, autocrud.Settings{Storage: "memory", CORSOrigins: []string{"*"}})
	annsCookie := signedInAs(t, any, "ann@example.com", annsPassword)
	any.As("").Post(t, "/v1/notes", `{"text":"x"}`, annsCookie, apitest.Header("Origin", "https://evil.example")).WantProblem(t, 403, "permission_denied")
}

// The session that another put into a browser is not the one that signs in.
func TestASessionCannotBeFixed(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	nobody := admin.As("")
	mallory := admin.Post(t, "/v1/api-keys", `{"name":"mallory"}`).Want(t, 201).Text("/secret")
	planted, _ := cookieOf(t, nobody.Post(t, "/auth/login", map[string]any{"key": mallory}).Want(t, 200))
	own, _ := cookieOf(t, nobody.Post(t, "/auth/login", login("ann@example.com", annsPassword), planted).Want(t, 200))
	nobody.Get(t, "/auth/session", own).Want(t, 200).Equal(t, "/principal/id", `"user:`+ann+`"`)
	nobody.Get(t, "/auth/session", planted).Want(t, 200).Equal(t, "/principal", "null") // it ended
	chosen := apitest.Header("Cookie", "autocrud=acs_chosen_"+strings.Repeat("0", 64))
	again, _ := cookieOf(t, nobody.Post(t, "/auth/login", login("ann@example.com", annsPassword), chosen).Want(t, 200))
	nobody.Get(t, "/auth/session", chosen).Want(t, 200).Equal(t, "/principal", "null")
	nobody.Get(t, "/auth/session", again).Want(t, 200).Equal(t, "/principal/id", `"user:`+ann+`"`)
}

// Behind a proxy with TLS a cookie that plain HTTP could have set counts as none.
func TestACookieOfPlainHTTPIsNone(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory", PublicURL: "https://app.example.com"})
	nobody := admin.As("")
	r := nobody.Post(t, "/auth/login", login("ann@example.com", annsPassword), apitest.Header("Origin", "https://app.example.com")).Want(t, 200)
	set := r.Header.Get("Set-Cookie")
	if !strings.HasPrefix(set, "__Host-autocrud=") || !strings.Contains(set, "; Secure") || strings.Contains(set, "Domain") {
		t.Errorf("the cookie is %s", set)
	}
	value, _, _ := strings.Cut(set, ";")
	nobody.Get(t, "/auth/session", apitest.Header("Cookie", value)).Want(t, 200).Equal(t, "/principal/id", `"user:`+ann+`"`)
	for _, other := range []string{strings.Replace(value, "__Host-autocrud", "autocrud", 1), value + "; " + value, strings.Replace(value, "__Host", "__host", 1)} {
		nobody.Get(t, "/auth/session", apitest.Header("Cookie", other)).Want(t, 200).Equal(t, "/principal", "null")
	}
	nobody.Post(t, "/auth/login", login("ann@example.com", annsPassword), apitest.Header("Origin", "http://app.example.com")).WantProblem(t, 403, "permission_denied")
}

// Who tries does not learn whether there is such a user: not by what is answered, and
// not by how long it takes.
func TestNobodyLearnsWhichUsersThereAre(t *testing.T) { // not in parallel: it measures
	admin, _ := peopled(t, autocrud.Settings{Storage: "memory", TrustedProxies: []string{"127.0.0.1"}})
	nobody := admin.As("")
	admin.Post(t, "/v1/users", map[string]any{"email": "off@example.com", "disabled": true, "password": annsPassword}).Want(t, 201)
	admin.Post(t, "/v1/users", map[string]any{"email": "none@example.com"}).Want(t, 201)
	took, bodies := map[string]time.Duration{}, map[string]bool{}
	emails := []string{"ann@example.com", "off@example.com", "none@example.com", "nobody@example.com"}
	late := func() (out []string) {
		for _, email := range emails {
			if took[email] < took["ann@example.com"]/2 {
				out = append(out, email)
			}
		}
		return out
	}
	// The shortest times tell; beside other work it takes some rounds until each has one.
	for round := 0; round < 4 || round < 9 && len(late()) > 0; round++ {
		if round >= 4 { // further addresses are let in at a pace, which is not measured
			<-time.After(2 * time.Second)
		}
		for _, email := range emails {
			begun := time.Now()
			r := nobody.Post(t, "/auth/login", login(email, "not the password"), apitest.Header("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", max(round, 3))))
			if d := time.Since(begun); took[email] == 0 || d < took[email] {
				took[email] = d
			}
			r.WantProblem(t, 401, "unauthenticated")
			bodies[strings.Replace(string(r.Body), r.Text("/request_id"), "", 1)] = true
		}
	}
	if len(bodies) != 1 {
		t.Errorf("the answers differ: %v", bodies)
	}
	for _, email := range late() {
		t.Errorf("for %s it takes %v, for a user %v", email, took[email], took["ann@example.com"])
	}
	for _, email := range []string{"ann@example.com", "nobody@example.com"} {
		nobody.Post(t, "/auth/reset", map[string]any{"email": email}).Want(t, 204)
	}
}

func TestAPasswordIsChosenWell(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	for _, weak := range []string{"short", "password1234", "Password-2026", "123456789012"} {
		admin.Post(t, "/v1/users", map[string]any{"email": "bob@example.com", "name": "Bob", "password": weak}).WantProblem(t, 422, "validation_failed")
		admin.Patch(t, "/v1/users/"+ann, apitest.MergePatch, map[string]any{"password": weak}).WantProblem(t, 422, "validation_failed")
	}
	for _, path := range []string{"/v1/users/" + ann, "/v1/users", "/v1/users/" + ann + "/revisions/1"} {
		if r := admin.Get(t, path).Want(t, 200); strings.Contains(string(r.Body), "argon2") || strings.Contains(string(r.Body), `"password"`) {
			t.Errorf("%s shows %s", path, r.Body)
		}
	}
	admin.Put(t, "/v1/users/"+ann, map[string]any{"email": "ann@example.com", "groups": []string{"readers"}}).Want(t, 200)
	cookie := signedInAs(t, admin, "ann@example.com", annsPassword) // a PUT that leaves it out keeps it
	nobody := admin.As("")
	change := func(current, next string) map[string]any { return map[string]any{"current": current, "password": next} }
	nobody.Post(t, "/auth/password", change("not the password", otherPassword), cookie).WantProblem(t, 401, "unauthenticated")
	nobody.Post(t, "/auth/password", change(annsPassword, "password1234"), cookie).WantProblem(t, 422, "validation_failed")
	nobody.Post(t, "/auth/password", change(annsPassword, otherPassword)).WantProblem(t, 401, "unauthenticated")
	next, _ := cookieOf(t, nobody.Post(t, "/auth/password", change(annsPassword, otherPassword), cookie).Want(t, 200))
	nobody.Get(t, "/auth/session", cookie).Want(t, 200).Equal(t, "/principal", "null")
	nobody.Get(t, "/v1/films", next).Want(t, 200)
	signedInAs(t, admin, "ann@example.com", otherPassword)
	nobody.Post(t, "/auth/login", login("ann@example.com", annsPassword)).WantProblem(t, 401, "unauthenticated")
}

// A link works once, and for the user whom it is for.
func TestALinkChoosesAPasswordOnce(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	nobody := admin.As("")
	bob := admin.Post(t, "/v1/users", map[string]any{"email": "bob@example.com"}).Want(t, 201).Text("/meta/id")
	token := func(id string) string {
		link := admin.Post(t, "/v1/users/"+id+":invite", nil).Want(t, 200).Text("/url")
		at, token, _ := strings.Cut(link, "#")
		if at != admin.URL+"/auth/link" || token == "" {
			t.Fatalf("the link is %s", link)
		}
		return token
	}
	invited := token(bob)
	use := func(token, password string) *apitest.Response {
		return nobody.Post(t, "/auth/password", map[string]any{"token": token, "password": password})
	}
	use(invited, "password1234").WantProblem(t, 422, "validation_failed")
	use(strings.Replace(invited, bob, ann, 1), otherPassword).WantProblem(t, 401, "unauthenticated")
	use(invited+"0", otherPassword).WantProblem(t, 401, "unauthenticated")
	cookie, _ := cookieOf(t, use(invited, otherPassword).Want(t, 200))
	nobody.Get(t, "/auth/session", cookie).Want(t, 200).Equal(t, "/principal/id", `"user:`+bob+`"`)
	use(invited, annsPassword).WantProblem(t, 401, "unauthenticated")
	reset, other := token(ann), token(ann)
	use(reset, "thirteen red roosters").Want(t, 200)
	use(other, "fourteen grey wolves").WantProblem(t, 401, "unauthenticated")
	r := nobody.Get(t, "/auth/link")
	if r.Status != 200 || !strings.Contains(r.Header.Get("Content-Security-Policy"), "script-src 'sha256-") {
		t.Errorf("the page: %d %s", r.Status, r.Header.Get("Content-Security-Policy"))
	}
}

// To change a user a principal needs every right that the user has.
func TestAUserIsChangedByWhoHasItsRights(t *testing.T) {
	t.Parallel()
	admin, ann := peopled(t, autocrud.Settings{Storage: "memory"})
	clerk, _ := key(t, admin, "clerk", "")
	made := clerk.Post(t, "/v1/users", map[string]any{"email": "bob@example.com"}).Want(t, 201).Text("/meta/id")
	clerk.Patch(t, "/v1/users/"+made, apitest.MergePatch, map[string]any{"name": "Bob"}).Want(t, 200)
	_, link, _ := strings.Cut(clerk.Post(t, "/v1/users/"+made+":invite", nil).Want(t, 200).Text("/url"), "#")
	clerk.Post(t, "/v1/users", map[string]any{"email": "eve@example.com", "groups": []string{"readers"}}).WantProblem(t, 403, "permission_denied")
	clerk.Patch(t, "/v1/users/"+ann, apitest.MergePatch, map[string]any{"password": otherPassword}).WantProblem(t, 403, "permission_denied")
	clerk.Post(t, "/v1/users/"+ann+":invite", nil).WantProblem(t, 403, "permission_denied")
	clerk.Delete(t, "/v1/users/"+ann).WantProblem(t, 403, "permission_denied")
	admin.Post(t, "/v1/bindings", `{"role":"everything","subjects":["user:`+made+`"]}`).Want(t, 201)
	apitest.Eventually(t, time.Second, "the binding is in force", func() bool {
		return clerk.Patch(t, "/v1/users/"+made, apitest.MergePatch, map[string]any{"name": fmt.Sprint(time.Now())}).Status == 403
	})
	clerk.Post(t, "/v1/users/"+made+":invite", nil).WantProblem(t, 403, "permission_denied")
	// Nor does a link do that the clerk has from before.
	clerk.As("").Post(t, "/auth/password", map[string]any{"token": link, "password": otherPassword}).WantProblem(t, 401, "unauthenticated")
	// No client chooses an id, so that no user has the subject of an issuer.
	admin.Post(t, "/v1/users?id=chosen", map[string]any{"email": "x@example.com"}).WantProblem(t, 400, "invalid_request")
	admin.Put(t, "/v1/users/chosen", map[string]any{"email": "x@example.com"}, apitest.Header("If-None-Match", "*")).WantProblem(t, 400, "invalid_request")
	admin.Post(t, "/v1/users", map[string]any{"email": "ann@example.com"}).WantProblem(t, 409, "unique_conflict")
	admin.Post(t, "/v1/users", map[string]any{"email": "Not@example.com"}).WantProblem(t, 422, "validation_failed")
}

// An application's own type of the name is the one that is served.
func TestAnApplicationsOwnUsersWin(t *testing.T) {
	t.Parallel()
	admin := guardModels(t, nil, autocrud.Settings{Storage: "memory"}, guardedPolicy, with(map[string]string{"users": "name: users\nschema: {type: object, properties: {nick: {type: string}}}\n", "films": guarded["films"], "notes": guarded["notes"], "mails": guarded["mails"]}))
	admin.Post(t, "/v1/users?id=chosen", `{"nick":"x"}`).Want(t, 201)
	admin.As("").Post(t, "/auth/login", login("x", "y")).WantProblem(t, 401, "unauthenticated")
}

// The first person becomes an admin by a link that works once, while there was never a
// user.
func TestTheFirstPersonBecomesAnAdmin(t *testing.T) {
	t.Parallel()
	dir, models := t.TempDir(), apitest.WriteModels(t, guarded)
	p := apitest.Launch(t, "--models", models, "--data-dir", dir, "--auth", "required")
	stopped(t, p)
	_, token, ok := strings.Cut(p.Log(), p.URL+"/auth/link#")
	if !ok {
		t.Fatalf("no link in %s", p.Log())
	}
	token, _, _ = strings.Cut(token, "\n")
	p = apitest.Launch(t, "--models", models, "--data-dir", dir, "--auth", "required")
	c := apitest.NewClient(t, p.URL)
	use := func(token, email, password string) *apitest.Response {
		return c.Post(t, "/auth/password", map[string]any{"token": token, "email": email, "name": "Ann", "password": password})
	}
	use("setup."+strings.Repeat("0", 64), "ann@example.com", annsPassword).WantProblem(t, 401, "unauthenticated")
	use(token, "ann@example.com", "password1234").WantProblem(t, 422, "validation_failed")
	cookie, _ := cookieOf(t, use(token, "Ann@example.com", annsPassword).Want(t, 200))
	c.Post(t, "/v1/films", `{"title":"x"}`, cookie).Want(t, 201)
	c.Get(t, "/v1/audit", cookie).Want(t, 200)
	use(token, "eve@example.com", otherPassword).WantProblem(t, 401, "unauthenticated")
	stopped(t, p)
	p = apitest.Launch(t, "--models", models, "--data-dir", dir, "--auth", "required")
	// Sessions outlive a restart.
	apitest.NewClient(t, p.URL).Get(t, "/v1/audit", cookie).Want(t, 200)
	stopped(t, p)
	if strings.Contains(p.Log(), "first admin") {
		t.Errorf("told again: %s", p.Log())
	}
}

// A ticket opens one stream, or reads once, for a program that cannot set headers; what
// it began ends with the credential that it was made of.
func TestATicketReadsOnce(t *testing.T) {
	t.Parallel()
	admin, _ := peopled(t, autocrud.Settings{Storage: "memory"})
	nobody, browser := admin.As(""), apitest.Plain(t, admin.URL)
	made := admin.Post(t, "/v1/api-keys", `{"name":"reader"}`).Want(t, 201)
	reader := admin.As(made.Text("/secret"))
	ticket := func(c *apitest.Client, opts ...apitest.Option) string {
		return query(c.Post(t, "/auth/ticket", nil, opts...).Want(t, 200).Text("/ticket"))
	}
	w := browser.MustWatch(t, "/v1/films:watch?ticket="+ticket(reader))
	admin.Post(t, "/v1/films?id=f", `{"title":"Heat"}`).Want(t, 201)
	if e, err := w.Next(); err != nil || e.ID() != "f" {
		t.Fatalf("%v, %v", e, err)
	}
	status := func(path string) int { // the parameter is in no document
		t.Helper()
		r, err := http.Get(admin.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.StatusCode
	}
	once := ticket(reader)
	if first, second := status("/v1/films/f?ticket="+once), status("/v1/films/f?ticket="+once); first != 200 || second != 401 {
		t.Errorf("used twice: %d, then %d", first, second)
	}
	for what, text := range map[string]string{"none": "", "rubbish": "x", "one that was used, in two lines": once[:10] + "%0A" + once[10:], "an altered one": once[:len(once)-2] + "AA", "a key": made.Text("/secret")} {
		if got := status("/v1/films/f?ticket=" + text); got != 401 {
			t.Errorf("%s: %d", what, got)
		}
	}
	if got := status("/v1/films/f?ticket=" + ticket(reader) + "&ticket=x"); got != 401 {
		t.Errorf("two of them: %d", got)
	}
	r, err := http.Post(admin.URL+"/v1/films?ticket="+ticket(admin), apitest.JSON, strings.NewReader(`{"title":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Body.Close(); r.StatusCode != 401 {
		t.Errorf("a write by a ticket: %d", r.StatusCode)
	}
	nobody.Post(t, "/auth/ticket", nil).WantProblem(t, 401, "unauthenticated")
	cookie := signedInAs(t, admin, "ann@example.com", annsPassword)
	ofCookie := browser.MustWatch(t, "/v1/films:watch?ticket="+ticket(nobody, cookie))
	nobody.Post(t, "/auth/logout", nil, cookie).Want(t, 204)
	ends(t, ofCookie)
	late := ticket(reader)
	admin.Delete(t, "/v1/api-keys/"+made.Text("/meta/id")).Want(t, 200)
	ends(t, w)
	if got := status("/v1/films/f?ticket=" + late); got != 401 {
		t.Errorf("of a key that is revoked: %d", got)
	}
}

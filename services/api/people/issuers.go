package people

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/services/api/identity"
)

// Issuer is one of OpenID Connect through which people sign in.
type Issuer struct {
	Name     string // in paths
	Title    string // for people
	ClientID string
	// Secret reads that of the client; nil: it has none, and PKCE alone protects codes.
	Secret func() (string, error)
	Tokens *identity.OIDC
}

// The paths of a sign-in through an issuer, around its name. Each issuer has its own to
// come back to, so that an answer of one cannot be taken for that of another (RFC 9700
// section 4.4.2.2).
const (
	IssuerPath   = "/auth/oidc/"
	LoginPath    = "/login"
	CallbackPath = "/callback"
)

// issuerTime is how long a sign-in at an issuer may take.
const issuerTime = 10 * time.Minute

// pending is a sign-in that the browser went to an issuer for, as its cookie holds it.
type pending struct {
	Issuer   string    `json:"i"`
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	ReturnTo string    `json:"r"`
	Redirect string    `json:"u"`
	Remember bool      `json:"k,omitempty"`
	Until    time.Time `json:"t"`
}

// Issuers are those through which people sign in.
func (d *Door) Issuers() []Issuer {
	if d == nil {
		return nil
	}
	return d.o.Issuers
}

func (d *Door) issuer(name string) (Issuer, error) {
	n := slices.IndexFunc(d.o.Issuers, func(i Issuer) bool { return i.Name == name })
	if n < 0 {
		return Issuer{}, fault.Errorf(fault.NotFound, "people do not sign in through an issuer %q here", name)
	}
	return d.o.Issuers[n], nil
}

// client is what the issuer knows this server as.
func (i Issuer) client(redirect string) (oauth2.Config, error) {
	c := oauth2.Config{ClientID: i.ClientID, RedirectURL: redirect, Scopes: []string{"openid", "profile", "email"}}
	if i.Secret == nil {
		return c, nil
	}
	var err error
	if c.ClientSecret, err = i.Secret(); err != nil {
		return c, &fault.Error{Code: fault.Unavailable, Detail: "the secret of the client cannot be read; the operator is told why", Cause: err}
	}
	return c, nil
}

// Away is where a browser goes to sign in at an issuer, and the cookie that it shows
// when it is back.
func (d *Door) Away(r *http.Request, name, returnTo string, remember bool) (to string, cookie *http.Cookie, err error) {
	i, err := d.issuer(name)
	if err != nil {
		return "", nil, err
	}
	ends, err := i.Tokens.Endpoints(r.Context())
	if err != nil {
		return "", nil, err
	}
	p := pending{Issuer: name, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), ReturnTo: d.ReturnTo(returnTo),
		Redirect: d.base(r) + IssuerPath + name + CallbackPath, Remember: remember, Until: time.Now().Add(issuerTime).UTC()}
	sealed, err := seal(d.pending, p)
	if err != nil {
		return "", nil, err
	}
	c := oauth2.Config{ClientID: i.ClientID, RedirectURL: p.Redirect, Scopes: []string{"openid", "profile", "email"}, Endpoint: oauth2.Endpoint{AuthURL: ends.Authorization}}
	if slices.Contains(ends.Scopes, "groups") {
		c.Scopes = append(c.Scopes, "groups")
	}
	to = c.AuthCodeURL(p.State, oauth2.SetAuthURLParam("nonce", p.Nonce), oauth2.S256ChallengeOption(p.Verifier))
	return to, d.pendingCookie(sealed, int(issuerTime/time.Second)), nil
}

func (d *Door) pendingCookie(value string, age int) *http.Cookie {
	return &http.Cookie{Name: d.CookieName() + "-oidc", Value: value, Path: "/", HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteLaxMode, MaxAge: age}
}

// Came takes the cookie of a sign-in that is over from the browser.
func (d *Door) Came(w http.ResponseWriter) { http.SetCookie(w, d.pendingCookie("", -1)) }

// base is where the browser reaches the server. On loopback it may know the server by
// another name than its URL has, and has the cookie under that name only.
func (d *Door) base(r *http.Request) string {
	host, err := url.Parse("//" + r.Host)
	if err != nil || !d.o.Loopback || d.own.Scheme != "http" {
		return d.o.URL
	}
	if own, err := netip.ParseAddr(d.own.Hostname()); err != nil || !own.IsLoopback() {
		return d.o.URL // it is a name that the operator gave
	}
	if a, err := netip.ParseAddr(host.Hostname()); host.Hostname() != "localhost" && (err != nil || !a.IsLoopback()) {
		return d.o.URL
	}
	return "http://" + r.Host
}

// Back is what became of a sign-in at an issuer.
type Back struct {
	Signed
	To       string // where the browser goes on
	Remember bool
}

// errBack refuses an answer that is not one to the browser's own request.
func errBack(why string) error {
	return fault.Errorf(fault.Unauthenticated, "%s; sign in again", why)
}

// Return signs in by the answer of an issuer. The browser must have asked for it here,
// and each answer works once.
func (d *Door) Return(r *http.Request, name string) (b Back, err error) {
	i, err := d.issuer(name)
	if err != nil {
		return b, err
	}
	ctx := r.Context()
	undo, err := d.attempts.ofAddress(ctx)
	if err != nil {
		return b, err
	}
	p, code, err := d.answered(r, i)
	if err != nil {
		return b, err
	}
	if err := d.o.Access.Once(ctx, d.o.Log, "oidc "+p.State, p.Until); err != nil {
		if fault.CodeOf(err) == fault.Unauthenticated {
			return b, errBack("this answer of the issuer was used before")
		}
		return b, &fault.Error{Code: fault.Unavailable, RetryAfter: time.Second, Detail: "the sign-in cannot be written down; sign in again", Cause: err}
	}
	s, err := d.ofCode(ctx, i, p, code)
	if err != nil {
		return b, err
	}
	undo()
	signed, err := d.begin(ctx, s, p.Remember)
	return Back{signed, p.ReturnTo, p.Remember}, err
}

// answered reads the answer of an issuer, and finds the request that it is to.
func (d *Door) answered(r *http.Request, i Issuer) (p pending, code string, err error) {
	q := r.URL.Query()
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(q[name]) > 1 {
			return p, "", errBack("the answer of the issuer says " + name + " twice")
		}
	}
	found := r.CookiesNamed(d.CookieName() + "-oidc")
	switch {
	case len(found) != 1 || !unseal(d.pending, found[0].Value, &p):
		return p, "", errBack("this browser did not ask to sign in here")
	case p.Issuer != i.Name || subtle.ConstantTimeCompare([]byte(p.State), []byte(q.Get("state"))) != 1:
		return p, "", errBack("this browser asked for another sign-in")
	case time.Now().After(p.Until):
		return p, "", errBack("the sign-in took too long")
	}
	ends, err := i.Tokens.Endpoints(r.Context())
	if err != nil {
		return p, "", err
	}
	// RFC 9207 section 2.4: it is compared as it is.
	if from, told := q.Get("iss"), q.Has("iss"); told && from != i.Tokens.Issuer() || !told && ends.TellsIssuer {
		return p, "", errBack("the answer is not of the issuer that was asked")
	}
	if q.Has("error") {
		return p, "", &fault.Error{Code: fault.Unauthenticated, Detail: "the issuer did not sign you in: " + plainCode(q.Get("error"))}
	}
	if code = q.Get("code"); code == "" {
		return p, "", errBack("the answer of the issuer has no code")
	}
	return p, code, nil
}

// plainCode is the code of an error as RFC 6749 section 4.1.2.1 allows it.
func plainCode(code string) string {
	for _, c := range []byte(code) {
		if c != '_' && (c < 'a' || c > 'z') || len(code) > 60 {
			return "unknown error"
		}
	}
	return code
}

// ofCode is the session that the code of an answer is for.
func (d *Door) ofCode(ctx context.Context, i Issuer, p pending, code string) (s policy.Session, err error) {
	c, err := i.client(p.Redirect)
	if err != nil {
		return s, err
	}
	token, err := i.Tokens.Exchange(ctx, c, code, p.Verifier)
	if err != nil {
		return s, err
	}
	who, err := i.Tokens.SignedIn(ctx, token, i.ClientID, p.Nonce)
	if err != nil {
		return s, err
	}
	if d.o.Access.IsUserID(idOf(who)) {
		return s, fault.Errorf(fault.Unauthenticated, "the subject is that of a user here")
	}
	s = policy.Session{Principal: who.Principal, Issuer: i.Tokens.Issuer(), Groups: who.Identity.Groups, Claims: who.Identity.Claims}
	s.Hint, err = seal(d.hints, token)
	return s, err
}

// endAt is where a browser ends a session at its issuer too (OpenID Connect RP-Initiated
// Logout 1.0); empty where there is nothing to end.
func (d *Door) endAt(r *http.Request, s policy.Session) string {
	n := slices.IndexFunc(d.o.Issuers, func(i Issuer) bool { return i.Tokens.Issuer() == s.Issuer })
	if n < 0 {
		return ""
	}
	ends, err := d.o.Issuers[n].Tokens.Endpoints(r.Context())
	if err != nil || ends.EndSession == "" {
		return ""
	}
	u, err := url.Parse(ends.EndSession)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", d.o.Issuers[n].ClientID)
	q.Set("post_logout_redirect_uri", d.base(r)+"/")
	var token string
	if unseal(d.hints, s.Hint, &token) {
		q.Set("id_token_hint", token)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// Package people is how people sign in: by password or with a key, through an issuer of
// OpenID Connect, by links that work once. It keeps the cookies of their sessions, and
// what protects those from pages of other origins.
package people

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/services/api/limit"
)

// Options of a Door.
type Options struct {
	Access *policy.Access
	Log    storage.Log
	Domain *resource.Domain
	Key    []byte // shared by all processes: links and tickets are sealed with keys made of it
	// URL is where people reach the server, for links and redirects; its scheme tells
	// whether cookies are Secure, unless Loopback allows others.
	URL string
	// Loopback tells that the server is reached on this machine only.
	Loopback bool
	Origins  []string // whose pages may use sessions, besides the server's own
	// Mail sends a link to a person; nil: nothing does.
	Mail func(ctx context.Context, m Mail) error
	// Issuers are those of OpenID Connect through which people sign in.
	Issuers []Issuer
	Logger  *slog.Logger
}

// Mail is what is sent to a person.
type Mail struct {
	Kind  string    `json:"kind"` // invitation or reset
	Email string    `json:"email"`
	Name  string    `json:"name"`
	URL   string    `json:"url"`
	Until time.Time `json:"expires_at"`
}

// Door is where people sign in. It is safe for concurrent use.
type Door struct {
	o        Options
	secure   bool
	own      *url.URL
	links    []byte // signs one-time links
	tickets  []byte // seals tickets
	pending  []byte // seals what a sign-in through an issuer is about until it is back
	signed   []byte // seals links to one read
	hints    []byte // seals the ID tokens by which a session is ended at its issuer
	attempts attempts
	resets   *limit.Limiter // by person
}

// The links to another password that are sent to one person: so many at once, and one
// again after so many seconds.
const perReset, resetPause = 3, 300

// New makes the door of a server.
func New(o Options) (*Door, error) {
	d := &Door{o: o, attempts: newAttempts(), resets: limit.Bursts(1.0/resetPause, perReset)}
	var err error
	if d.own, err = url.Parse(o.URL); err != nil {
		return nil, err
	}
	d.secure = d.own.Scheme == "https" || !o.Loopback
	for _, x := range []struct {
		key *[]byte
		of  string
	}{{&d.links, "one-time links"}, {&d.tickets, "tickets"}, {&d.pending, "sign-ins through issuers"}, {&d.signed, "links to one read"}, {&d.hints, "ends of sessions at issuers"}} {
		if *x.key, err = hkdf.Key(sha256.New, o.Key, nil, "autocrud "+x.of, 32); err != nil {
			return nil, err
		}
	}
	issuers := make([]string, len(o.Issuers))
	for n, i := range o.Issuers {
		issuers[n] = i.Tokens.Issuer()
	}
	o.Access.Believe(issuers)
	return d, nil
}

// CookieName is that of sessions. With its prefix browsers take it over TLS only, from
// this host only (RFC 6265bis section 4.1.3.2): a cookie that a page over plain HTTP, or
// of a neighbouring host, set is none.
func (d *Door) CookieName() string {
	if d == nil || d.secure {
		return "__Host-autocrud"
	}
	return "autocrud"
}

// Cookie is the session that a request shows; empty when it shows none, or several.
func (d *Door) Cookie(r *http.Request) string {
	if d == nil {
		return ""
	}
	found := r.CookiesNamed(d.CookieName())
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// SetCookie gives a session to the browser, until when it is closed or, with remember,
// until a time.
func (d *Door) SetCookie(w http.ResponseWriter, session string, remember bool, until time.Time) {
	c := &http.Cookie{Name: d.CookieName(), Value: session, Path: "/", HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteLaxMode}
	if remember {
		c.Expires = until
	}
	http.SetCookie(w, c)
}

// ClearCookie takes the session from the browser.
func (d *Door) ClearCookie(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: d.CookieName(), Path: "/", HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteLaxMode, MaxAge: -1})
}

// FromOwnPages reports whether a request that changes something comes from a page that
// may use sessions: of the server's own origin or one that is named (OWASP CSRF
// Prevention Cheat Sheet: Fetch metadata and Origin). A request that tells of no page at
// all is no browser's.
func (d *Door) FromOwnPages(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		return d.trusted(origin, r)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		from := r.Header.Get("Referer")
		return from == "" || d.trusted(from, r)
	}
	return false
}

// trusted reports whether pages at a URL may use sessions.
func (d *Door) trusted(page string, r *http.Request) bool {
	u, err := url.Parse(page)
	if err != nil || u.Host == "" {
		return false
	}
	origin := u.Scheme + "://" + u.Host
	if slices.Contains(d.o.Origins, origin) || origin == d.own.Scheme+"://"+d.own.Host {
		return true
	}
	return u.Host == r.Host && (u.Scheme == "https" || r.TLS == nil && d.own.Scheme != "https")
}

// ReturnTo is where a browser goes after it signed in: a path here, or a page of a named
// origin; anything else is the start, so that no link leads away from here.
func (d *Door) ReturnTo(to string) string {
	u, err := url.Parse(to)
	switch {
	case err != nil || strings.ContainsAny(to, "\\\r\n\t") || u.User != nil:
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//"):
		return to
	case u.Host != "" && slices.Contains(d.o.Origins, u.Scheme+"://"+u.Host):
		return to
	}
	return "/"
}

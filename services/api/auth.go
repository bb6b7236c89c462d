package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/identity"
)

// Authenticator finds the principal of a request.
type Authenticator interface {
	// Authenticate returns an actor with an identity: of a credential, or of a request
	// without one, where rules are about those. Its error is unauthenticated, or
	// unavailable when that cannot be found out now.
	Authenticate(ctx context.Context, c identity.Credential) (policy.Actor, error)
	// Still reports whether a credential is still good for the same principal, and
	// until when; zero: until something changes.
	Still(c identity.Credential, who policy.Actor) (until time.Time, ok bool)
	// Changed is closed when that, or the rights of a caller, can have changed.
	Changed() <-chan struct{}
}

// authenticate puts the caller into the context.
func (a *API) authenticate(r *http.Request) (*http.Request, error) {
	c, err := a.credentialOf(r)
	if err == nil {
		r, c, err = a.redeemed(r, c)
	}
	if err == nil {
		r, c, err = a.followed(r, c)
	}
	if err != nil {
		return r, err
	}
	who, err := a.o.Auth.Authenticate(r.Context(), c)
	if err != nil {
		return r, err
	}
	if c.Bearer == "" && !who.IsPublic() && !safe(r.Method) && !a.o.People.FromOwnPages(r) {
		return r, fault.Errorf(fault.PermissionDenied, "a page of another origin may not do this")
	}
	if who.IsPublic() && (documents(r.URL.Path) || r.URL.Path == "/metrics") {
		return r, errNoCredential
	}
	from := policy.ActorOf(r.Context())
	from.Principal, from.Identity = who.Principal, who.Identity
	r = r.WithContext(context.WithValue(policy.WithActor(r.Context(), from), credentialKey{}, c))
	if r.URL.Path == "/metrics" {
		return r, a.m.Guard.Admin(r.Context())
	}
	return r, nil
}

// errNoCredential is for what no rule of requests without one can allow.
var errNoCredential = fault.Errorf(fault.Unauthenticated, "a credential is needed: Authorization: Bearer <API key or token>")

// credentialOf is what a request shows of who sends it. A request with a bearer
// credential is judged by that.
func (a *API) credentialOf(r *http.Request) (c identity.Credential, err error) {
	if len(r.Header.Values("Authorization")) > 0 {
		c.Bearer, err = bearer(r)
		return c, err
	}
	c.Cookie = a.o.People.Cookie(r)
	return c, nil
}

// credentialKey is where the context of a request has its credential.
type credentialKey struct{}

// ticketName is the parameter of the query with a ticket.
const ticketName = "ticket"

// redeemed finds the credential that a ticket in the query stands for, and takes the
// ticket out of the query. One counts for reads, and only without the header.
func (a *API) redeemed(r *http.Request, c identity.Credential) (*http.Request, identity.Credential, error) {
	if a.o.People == nil || c.Bearer != "" || !safe(r.Method) || !strings.Contains(r.URL.RawQuery, ticketName+"=") {
		return r, c, nil
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(q[ticketName]) != 1 {
		return r, c, nil // it is refused as other queries are
	}
	if c, err = a.o.People.Redeem(r.Context(), q.Get(ticketName)); err != nil {
		return r, c, err
	}
	q.Del(ticketName)
	r = r.Clone(r.Context())
	r.URL.RawQuery = q.Encode()
	return r, c, nil
}

// safe reports whether a method changes nothing (RFC 9110 section 9.2.1).
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// bearer is the credential of the header Authorization (RFC 6750).
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", errNoCredential
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " ,") {
		return "", fault.Errorf(fault.Unauthenticated, "the header is not like this: Authorization: Bearer <API key or token>")
	}
	return token, nil
}

// whileValid ends an answer that goes on when its credential is not good any more,
// or when allowed, if it is not nil, says that it is not allowed any more.
func (a *API) whileValid(r *http.Request, end context.CancelFunc, allowed func() error) (stop func()) {
	c, known := r.Context().Value(credentialKey{}).(identity.Credential)
	if a.o.Auth == nil || !known {
		return func() {}
	}
	who := policy.ActorOf(r.Context())
	done := make(chan struct{})
	go func() {
		for {
			changed := a.o.Auth.Changed() // before it is asked, so that nothing is missed
			until, ok := a.o.Auth.Still(c, who)
			if !ok || allowed != nil && allowed() != nil {
				end()
				return
			}
			var ends <-chan time.Time // an unreferenced timer is collected
			if !until.IsZero() {
				ends = time.After(time.Until(until))
			}
			select {
			case <-done:
				return
			case <-changed:
			case <-ends:
			}
		}
	}()
	return func() { close(done) }
}

// refused logs a refused credential and answers how to authenticate.
func (a *API) refused(w http.ResponseWriter, r *http.Request, err error) {
	if fault.CodeOf(err) == fault.Unauthenticated {
		w.Header().Set("WWW-Authenticate", challenge(r))
		who := policy.ActorOf(r.Context())
		a.logger.LogAttrs(r.Context(), slog.LevelWarn, "not authenticated", slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.String("address", who.Address), slog.String("request_id", who.RequestID), slog.Any("cause", errors.Unwrap(err)))
	}
	a.logRefusal(r, err)
}

// challenge says what is wrong with the credential (RFC 6750 section 3): one that
// is not good is an error, none is not.
func challenge(r *http.Request) string {
	if _, err := bearer(r); err != nil {
		return `Bearer realm="autocrud"`
	}
	return `Bearer realm="autocrud", error="invalid_token"`
}

func (a *API) logRefusal(r *http.Request, err error) {
	a.tellRefused(r, err)
	x := policy.RefusalOf(err)
	if x == nil {
		return
	}
	a.logger.LogAttrs(r.Context(), slog.LevelWarn, "refused", slog.String("principal", x.Actor.Principal), slog.String("action", x.Action),
		slog.String("type", x.Type), slog.String("id", x.ID), slog.String("rule", x.Decision.Rule), slog.String("why", x.Decision.Why),
		slog.String("method", r.Method), slog.String("address", x.Actor.Address), slog.String("request_id", x.Actor.RequestID))
}

// rotateKey gives an API key a new secret.
func rotateKey(a *API, c call) error {
	match, err := c.writeMatch()
	if err != nil {
		return err
	}
	body, err := readOptional(c.w, c.r, "overlap")
	if err != nil {
		return a.unfit(c, "update", match, err)
	}
	overlap := time.Duration(0)
	if v, given := body["overlap"]; given {
		text, _ := v.(string)
		if overlap, err = time.ParseDuration(text); err != nil || overlap < 0 || overlap > policy.MaxOverlap {
			return a.unfit(c, "update", match, invalid("/overlap", "must be a duration from 0s to "+policy.MaxOverlap.String()))
		}
	}
	r, err := a.m.RotateKey(c.r.Context(), c.id, overlap, match)
	if err != nil {
		return err
	}
	return c.written(http.StatusOK, r, everything)
}

// answerQuestion tells whether something is allowed, and what decides it.
func answerQuestion(a *API, c call) error {
	body, err := readObject(c.w, c.r, "action", "type", "id", "data", "principal", "groups")
	if err != nil {
		return err
	}
	q := resource.Question{Data: body["data"]}
	for name, to := range map[string]*string{"action": &q.Action, "type": &q.Type, "id": &q.ID, "principal": &q.Principal} {
		if v, given := body[name]; given {
			text, ok := v.(string)
			if !ok || text == "" {
				return invalid("/"+name, "must be a text")
			}
			*to = text
		}
	}
	if list, given := body["groups"]; given {
		groups, ok := list.([]any)
		for _, g := range groups {
			text, isText := g.(string)
			ok = ok && isText
			q.Groups = append(q.Groups, text)
		}
		if !ok {
			return invalid("/groups", "must be a list of names")
		}
	}
	d, err := a.m.Can(c.r.Context(), q)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, d)
}

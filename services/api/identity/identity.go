// Package identity finds out who sends a request: by an API key, or by a token
// of an OpenID Connect issuer.
package identity

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// Authenticator checks credentials. It is safe for concurrent use.
type Authenticator struct {
	access  *policy.Access
	issuers []*OIDC // none: no tokens are taken
}

// New checks API keys and sessions with access, and tokens of issuers.
func New(access *policy.Access, issuers ...*OIDC) *Authenticator {
	return &Authenticator{access, issuers}
}

// Credential is what a request shows of who sends it. The zero value is none.
type Credential struct {
	Bearer string // of the header Authorization
	Cookie string // the session that the browser shows
	// Link is who made the link that is followed; nil: none is.
	Link *policy.Maker `json:"-"`
}

// None reports whether there is none.
func (c Credential) None() bool { return c == Credential{} }

// maxToken bounds what is looked at, in bytes.
const maxToken = 16 << 10

// Authenticate finds the principal of a credential, or of a request without one. Errors
// are unauthenticated, or unavailable when the issuer's keys are needed and cannot be had.
func (a *Authenticator) Authenticate(ctx context.Context, c Credential) (policy.Actor, error) {
	if c.Bearer != "" {
		return a.bearer(ctx, c.Bearer)
	}
	if c.Link != nil {
		who, _, ok := a.access.Links().Made(c.Link)
		if !ok {
			return who, fault.Errorf(fault.Unauthenticated, "the link was revoked, or its maker may not sign in any more")
		}
		return who, nil
	}
	if who, _, _, ok := a.access.Session(c.Cookie); ok { // one that is not any more counts as none
		return who, nil
	}
	if who, ok := a.access.Anonymous(); ok {
		return who, nil
	}
	return policy.Actor{}, fault.Errorf(fault.Unauthenticated, "a credential is needed: Authorization: Bearer <API key or token>")
}

func (a *Authenticator) bearer(ctx context.Context, token string) (policy.Actor, error) {
	if len(token) > maxToken {
		return policy.Actor{}, fault.Errorf(fault.Unauthenticated, "the credential is too long")
	}
	// A JSON Web Token has three parts; an API key has no dot.
	if len(a.issuers) > 0 && strings.Count(token, ".") == 2 && !strings.HasPrefix(token, "ack_") {
		who, err := a.issuerOf(token).Authenticate(ctx, token)
		if id, _ := strings.CutPrefix(who.Principal, policy.UserSubject); err == nil && a.access.IsUserID(id) {
			return policy.Actor{}, fault.Errorf(fault.Unauthenticated, "the token's subject is that of a user here")
		}
		return who, err
	}
	who, _, err := a.access.Key(token)
	return who, err
}

// issuerOf is the issuer that a token says it is of, or any other, which refuses it.
func (a *Authenticator) issuerOf(token string) *OIDC {
	for _, i := range a.issuers {
		if ofIssuer(token, i.o.Issuer) == nil {
			return i
		}
	}
	return a.issuers[0]
}

// Still reports whether a credential that was good still is, with the same groups
// and scopes, for answers that go on for long.
func (a *Authenticator) Still(c Credential, who policy.Actor) (until time.Time, ok bool) {
	if who.Identity.Public {
		_, ok = a.access.Anonymous()
		return until, ok
	}
	if c.Link != nil {
		again, until, ok := a.access.Links().Made(c.Link)
		return until, ok && again.Principal == who.Principal && slices.Equal(again.Identity.Groups, who.Identity.Groups)
	}
	if c.Bearer == "" {
		again, _, until, ok := a.access.Session(c.Cookie)
		return until, ok && again.Principal == who.Principal && slices.Equal(again.Identity.Groups, who.Identity.Groups)
	}
	if until = who.Identity.Until; !until.IsZero() {
		return until, time.Now().Before(until)
	}
	again, until, err := a.access.Key(c.Bearer)
	return until, err == nil && again.Principal == who.Principal &&
		slices.Equal(again.Identity.Groups, who.Identity.Groups) && reflect.DeepEqual(again.Identity.Scopes, who.Identity.Scopes)
}

// Changed is closed when a key, a role or a binding has changed.
func (a *Authenticator) Changed() <-chan struct{} { return a.access.Changed() }

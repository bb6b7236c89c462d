// Package identity finds out who sends a request: by an API key, or by a token
// of an OpenID Connect issuer.
package identity

import (
	"context"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// Authenticator checks credentials. It is safe for concurrent use.
type Authenticator struct {
	access *resource.Access
	oidc   *OIDC // nil: no tokens are taken
}

// New checks API keys with access and tokens with oidc, which may be nil.
func New(access *resource.Access, oidc *OIDC) *Authenticator { return &Authenticator{access, oidc} }

// maxToken bounds what is looked at, in bytes.
const maxToken = 16 << 10

// Authenticate finds who has a bearer credential. Errors are unauthenticated, or
// unavailable when the issuer's keys are needed and cannot be had.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (resource.Actor, error) {
	if len(token) > maxToken {
		return resource.Actor{}, resource.Errorf(resource.Unauthenticated, "the credential is too long")
	}
	// A JSON Web Token has three parts; an API key has no dot.
	if a.oidc != nil && strings.Count(token, ".") == 2 && !strings.HasPrefix(token, "ack_") {
		return a.oidc.Authenticate(ctx, token)
	}
	return a.access.Key(token)
}

// Still reports whether a credential that was good still is, for answers that go
// on for long.
func (a *Authenticator) Still(token string, who resource.Actor) bool {
	if who.Identity != nil && !who.Identity.Until.IsZero() {
		return time.Now().Before(who.Identity.Until)
	}
	again, err := a.access.Key(token)
	return err == nil && again.Principal == who.Principal
}

package identity

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"golang.org/x/oauth2"

	"github.com/autocrud-go/autocrud/pkg/fault"
)

// Endpoints are where people sign in at an issuer, as it describes itself (OpenID Connect
// Discovery 1.0 section 3).
type Endpoints struct {
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	EndSession    string   `json:"end_session_endpoint"` // empty: sessions are not ended there
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Scopes        []string `json:"scopes_supported"`
	// TellsIssuer promises iss in every answer (RFC 9207).
	TellsIssuer bool `json:"authorization_response_iss_parameter_supported"`
}

// Endpoints asks the issuer once, and remembers.
func (v *OIDC) Endpoints(ctx context.Context) (Endpoints, error) {
	if _, err := v.discover(ctx); err != nil {
		return Endpoints{}, err
	}
	if !v.safe(v.ends.Authorization) || !v.safe(v.ends.Token) {
		return Endpoints{}, away(errors.New("the issuer names no endpoints that can be trusted"))
	}
	ends := v.ends
	if !v.safe(ends.EndSession) {
		ends.EndSession = ""
	}
	return ends, nil
}

// safe reports whether an endpoint is as protected as the issuer itself.
func (v *OIDC) safe(endpoint string) bool {
	u, err := url.Parse(endpoint)
	own, _ := url.Parse(v.o.Issuer) // it was reached
	return err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && own.Scheme == "http")
}

// Issuer is the URL of the issuer.
func (v *OIDC) Issuer() string { return v.o.Issuer }

// Exchange gives the code of a sign-in for its ID token.
func (v *OIDC) Exchange(ctx context.Context, c oauth2.Config, code, verifier string) (idToken string, err error) {
	ends, err := v.Endpoints(ctx)
	if err != nil {
		return "", err
	}
	c.Endpoint = oauth2.Endpoint{AuthURL: ends.Authorization, TokenURL: ends.Token, AuthStyle: ends.style(c.ClientSecret)}
	t, err := c.Exchange(context.WithValue(ctx, oauth2.HTTPClient, v.o.Client), code, oauth2.VerifierOption(verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.Response.StatusCode < 500:
		return "", &fault.Error{Code: fault.Unauthenticated, Detail: "the issuer does not take the code of this sign-in; sign in again", Cause: err}
	case err != nil:
		return "", away(err)
	}
	idToken, _ = t.Extra("id_token").(string)
	if idToken == "" || len(idToken) > maxIDToken {
		return "", invalid(errors.New("there is no ID token"))
	}
	return idToken, nil
}

// maxIDToken bounds what is looked at, in bytes: it may list many groups.
const maxIDToken = 64 << 10

// style is how the client shows its secret (RFC 6749 section 2.3.1).
func (e Endpoints) style(secret string) oauth2.AuthStyle {
	basic := len(e.Methods) == 0 || slices.Contains(e.Methods, "client_secret_basic")
	if secret == "" || !basic {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

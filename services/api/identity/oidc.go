package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/autocrud-go/autocrud/pkg/resource"
)

// OIDCOptions say whose tokens are taken and what is read of them.
type OIDCOptions struct {
	Issuer       string
	Audience     string
	SubjectClaim string        // default sub
	GroupsClaim  string        // default groups
	Leeway       time.Duration // between the clocks; default a minute
	Client       *http.Client  // default: one that waits 5 s
	Now          func() time.Time
}

// algorithms that a token may be signed with: those with a public key. "none" and
// the HMAC ones, which a public key could be abused for, are not among them.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// OIDC checks tokens of one issuer. Its keys are fetched when they are needed and
// kept; a key that is not known is fetched again, so that the issuer can rotate
// them. It is safe for concurrent use.
type OIDC struct {
	o OIDCOptions

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier // nil: the issuer was not reached yet
	tried    time.Time             // when it was last asked
	unknown  map[string]time.Time  // ids of keys that the issuer did not have, and when
}

// again is how soon the issuer is asked again for what it did not have.
const again = 5 * time.Second

// NewOIDC does not reach the issuer yet.
func NewOIDC(o OIDCOptions) *OIDC {
	if o.SubjectClaim == "" {
		o.SubjectClaim = "sub"
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	if o.Leeway == 0 {
		o.Leeway = time.Minute
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 5 * time.Second}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &OIDC{o: o, unknown: map[string]time.Time{}}
}

func away(err error) error {
	return &resource.Error{Code: resource.Unavailable, RetryAfter: again, Cause: err,
		Detail: "the issuer of tokens cannot be reached to check this one; try again"}
}

func invalid(err error) error {
	return &resource.Error{Code: resource.Unauthenticated, Detail: "the token is not valid here, or has expired", Cause: err}
}

// discover reads the issuer's configuration once.
func (v *OIDC) discover() (*oidc.IDTokenVerifier, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.verifier != nil {
		return v.verifier, nil
	}
	if time.Since(v.tried) < time.Second {
		return nil, away(errors.New("asked a moment ago"))
	}
	v.tried = time.Now()
	// The keys are fetched with this context for as long as the process lives.
	p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), v.o.Client), v.o.Issuer)
	if err != nil {
		return nil, away(err)
	}
	v.verifier = p.Verifier(&oidc.Config{ClientID: v.o.Audience, SupportedSigningAlgs: algorithms,
		Now: func() time.Time { return v.o.Now().Add(-v.o.Leeway) }})
	return v.verifier, nil
}

// Authenticate checks signature, issuer, audience and times of a token.
func (v *OIDC) Authenticate(ctx context.Context, token string) (who resource.Actor, err error) {
	key, issuer, err := peek(token)
	if err != nil {
		return who, invalid(err)
	}
	if issuer != v.o.Issuer {
		return who, invalid(errors.New("of another issuer"))
	}
	if v.missing(key) {
		return who, invalid(errors.New("signed with an unknown key"))
	}
	verifier, err := v.discover()
	if err != nil {
		return who, err
	}
	t, err := verifier.Verify(ctx, token)
	if err != nil {
		// The library says by text only whether it was the fetching of keys.
		if strings.Contains(err.Error(), "fetching keys") {
			return who, away(err)
		}
		if strings.Contains(err.Error(), "failed to verify signature") {
			v.forget(key)
		}
		return who, invalid(err)
	}
	var claims map[string]any
	if err := t.Claims(&claims); err != nil {
		return who, invalid(err)
	}
	subject, _ := claims[v.o.SubjectClaim].(string)
	if subject == "" || len(subject) > 255 || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return who, invalid(errors.New("no subject"))
	}
	return resource.Actor{Principal: "user:" + subject,
		Identity: &resource.Identity{Groups: texts(claims[v.o.GroupsClaim]), Claims: plain(claims), Until: t.Expiry.Add(v.o.Leeway)}}, nil
}

// peek reads the key id and the issuer without believing them.
func peek(token string) (key, issuer string, err error) {
	parts := strings.Split(token, ".")
	var header struct {
		Kid string `json:"kid"`
	}
	var payload struct {
		Iss string `json:"iss"`
	}
	for i, into := range []any{&header, &payload} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			return "", "", err
		}
	}
	return header.Kid, payload.Iss, nil
}

// maxUnknown bounds how many unknown keys are remembered.
const maxUnknown = 1000

// missing reports that the issuer did not have a key a moment ago, so that nobody
// can make this process ask it again and again.
func (v *OIDC) missing(key string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	at, ok := v.unknown[key]
	return ok && time.Since(at) < again
}

func (v *OIDC) forget(key string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.unknown) >= maxUnknown {
		clear(v.unknown)
	}
	v.unknown[key] = time.Now()
}

func texts(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok && s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// plain turns whole numbers into integers, which is what filters compare.
func plain(claims map[string]any) map[string]any {
	for k, v := range claims {
		if f, ok := v.(float64); ok && f == float64(int64(f)) {
			claims[k] = int64(f)
		}
	}
	return claims
}

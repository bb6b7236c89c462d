package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
)

// OIDCOptions say whose tokens are taken and what is read of them.
type OIDCOptions struct {
	Issuer string
	// Audience that bearer tokens are for; empty: none are taken.
	Audience string
	// Name begins the subjects and the groups of this issuer, "name/"; one issuer may
	// have none. Others are the names that its subjects and groups may not begin with.
	Name         string
	Others       []string
	SubjectClaim string        // default sub
	GroupsClaim  string        // default groups
	Leeway       time.Duration // between the clocks; default a minute
	Client       *http.Client  // default: one that waits 5 s
	Now          func() time.Time
}

// algorithms that a token may be signed with: those with a public key. "none" and
// the HMAC ones, which a public key could be abused for, are not among them.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA}

// OIDC checks tokens of one issuer. It is safe for concurrent use.
type OIDC struct {
	o OIDCOptions

	mu    sync.Mutex
	keys  *keySet   // nil: the issuer was not reached yet
	ends  Endpoints // known with the keys
	tried time.Time // when that was tried last
}

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
	return &OIDC{o: o}
}

func away(err error) error {
	return &fault.Error{Code: fault.Unavailable, RetryAfter: again, Cause: err,
		Detail: "the issuer of tokens cannot be reached to check this one; try again"}
}

func invalid(err error) error {
	return &fault.Error{Code: fault.Unauthenticated, Detail: "the token is not valid here, or has expired", Cause: err}
}

// discover reads the issuer's configuration once.
func (v *OIDC) discover(ctx context.Context) (*keySet, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys != nil {
		return v.keys, nil
	}
	if !v.tried.IsZero() && time.Since(v.tried) < time.Second {
		return nil, away(errors.New("asked a moment ago"))
	}
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), v.o.Client), v.o.Issuer)
	v.tried = time.Now()
	var found struct {
		Keys string `json:"jwks_uri"`
		Endpoints
	}
	if err == nil {
		err = p.Claims(&found)
	}
	if err != nil {
		return nil, away(err)
	}
	v.ends = found.Endpoints
	v.keys = &keySet{url: found.Keys, client: v.o.Client, now: v.o.Now}
	return v.keys, nil
}

// Authenticate checks signature, issuer, audience and times of a bearer token.
func (v *OIDC) Authenticate(ctx context.Context, token string) (who policy.Actor, err error) {
	claims, until, err := v.verified(ctx, token, v.o.Audience)
	if err != nil {
		return who, err
	}
	return v.actor(claims, until)
}

// SignedIn checks the ID token of a sign-in: that it is for this client and answers the
// request with the nonce (OpenID Connect Core 1.0 section 3.1.3.7).
func (v *OIDC) SignedIn(ctx context.Context, token, client, nonce string) (who policy.Actor, err error) {
	claims, until, err := v.verified(ctx, token, client)
	if err != nil {
		return who, err
	}
	told, _ := claims["nonce"].(string)
	if nonce == "" || subtle.ConstantTimeCompare([]byte(told), []byte(nonce)) != 1 {
		return who, invalid(errors.New("the nonce is another one"))
	}
	party, given := claims["azp"]
	if all, many := claims["aud"].([]any); given && party != client || !given && many && len(all) > 1 {
		return who, invalid(errors.New("it is for another client"))
	}
	return v.actor(claims, until)
}

// verified returns the claims of a token for an audience, and until when it is good.
func (v *OIDC) verified(ctx context.Context, token, audience string) (claims map[string]any, until time.Time, err error) {
	if err := ofIssuer(token, v.o.Issuer); err != nil {
		return nil, until, invalid(err)
	}
	keys, err := v.discover(ctx)
	if err != nil {
		return nil, until, err
	}
	signed := &signature{keys: keys}
	verifier := oidc.NewVerifier(v.o.Issuer, signed, &oidc.Config{ClientID: audience, SupportedSigningAlgs: names(algorithms), SkipExpiryCheck: true})
	t, err := verifier.Verify(ctx, token)
	switch {
	case errors.Is(signed.err, errAway):
		return nil, until, away(signed.err)
	case err != nil:
		return nil, until, invalid(err)
	}
	if err := t.Claims(&claims); err != nil {
		return nil, until, invalid(err)
	}
	if err := v.inTime(claims["exp"], claims["nbf"]); err != nil {
		return nil, until, invalid(err)
	}
	return claims, t.Expiry.Add(v.o.Leeway), nil
}

// actor is who the claims of a token are about.
func (v *OIDC) actor(claims map[string]any, until time.Time) (who policy.Actor, err error) {
	subject, _ := claims[v.o.SubjectClaim].(string)
	if subject == "" || len(subject) > 255 || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return who, invalid(errors.New("no subject"))
	}
	if v.anothers(subject) {
		return who, invalid(errors.New("the subject is one of another issuer"))
	}
	groups := slices.DeleteFunc(texts(claims[v.o.GroupsClaim]), v.anothers)
	for n := range groups {
		groups[n] = v.named(groups[n])
	}
	return policy.Actor{Principal: policy.UserSubject + v.named(subject),
		Identity: &policy.Identity{Groups: groups, Claims: policy.WholeNumbers(claims), Until: until}}, nil
}

// named is a name of this issuer as rules say it.
func (v *OIDC) named(name string) string {
	if v.o.Name == "" {
		return name
	}
	return v.o.Name + "/" + name
}

// anothers reports whether a name of this issuer is, to rules, one of another.
func (v *OIDC) anothers(name string) bool {
	return v.o.Name == "" && slices.ContainsFunc(v.o.Others, func(other string) bool { return strings.HasPrefix(name, other+"/") })
}

// lastTime is the last second that RFC 3339 can write; what is beyond it is no time.
const lastTime = 253402300799

// inTime checks exp and nbf, each with the leeway; a token without exp is never good.
func (v *OIDC) inTime(exp, nbf any) error {
	now := v.o.Now()
	expiry, ok := exp.(float64)
	if !ok || expiry < 0 || expiry > lastTime {
		return errors.New("exp is no time")
	}
	if !now.Before(time.Unix(int64(expiry), 0).Add(v.o.Leeway)) {
		return errors.New("expired")
	}
	if nbf == nil {
		return nil
	}
	from, ok := nbf.(float64)
	switch {
	case !ok || from < 0 || from > lastTime:
		return errors.New("nbf is no time")
	case now.Add(v.o.Leeway).Before(time.Unix(int64(from), 0)):
		return errors.New("not valid yet")
	}
	return nil
}

// signature is what was found out about that of one token: the library that asks
// for it tells its errors by their text only.
type signature struct {
	keys *keySet
	err  error
}

// VerifySignature implements oidc.KeySet.
func (s *signature) VerifySignature(ctx context.Context, token string) (payload []byte, err error) {
	payload, s.err = s.keys.verify(ctx, token)
	return payload, s.err
}

func names(list []jose.SignatureAlgorithm) (out []string) {
	for _, a := range list {
		out = append(out, string(a))
	}
	return out
}

// ofIssuer refuses a token of another issuer without asking this one, and what is
// no token. It believes nothing.
func ofIssuer(token, issuer string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("no token")
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var payload struct {
		Iss string `json:"iss"`
	}
	if err == nil {
		err = json.Unmarshal(b, &payload)
	}
	if err == nil && payload.Iss != issuer {
		err = errors.New("of another issuer")
	}
	return err
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

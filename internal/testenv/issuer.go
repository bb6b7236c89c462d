package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Audience is that of an Issuer's tokens, unless their claims say another.
const Audience = "autocrud"

// Issuer is an OpenID Connect issuer on loopback.
type Issuer struct {
	URL string

	mu    sync.Mutex
	keys  []jose.JSONWebKey // the last one signs
	made  int
	asked int
	away  bool

	t      testing.TB
	person map[string]any   // claims of who signs in
	codes  map[string]grant // that were not used yet
}

// NewIssuer starts one for the time of a test.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{t: t, codes: map[string]grant{}}
	mux := http.NewServeMux()
	i.serveSignIn(mux)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
			"end_session_endpoint": i.URL + "/logout", "scopes_supported": []string{"openid", "groups"}, "authorization_response_iss_parameter_supported": true,
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		i.asked++
		set := jose.JSONWebKeySet{}
		for _, k := range i.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		i.mu.Unlock()
		i.answer(w, set)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	i.URL = s.URL
	i.Rotate(t, false)
	return i
}

func (i *Issuer) answer(w http.ResponseWriter, v any) {
	i.mu.Lock()
	away := i.away
	i.mu.Unlock()
	if away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// Rotate makes a new key, with which tokens are signed from now on. Those before
// are served as well when they are kept.
func (i *Issuer) Rotate(t testing.TB, keep bool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	if !keep {
		i.keys = nil
	}
	i.keys = append(i.keys, jose.JSONWebKey{Key: private, KeyID: fmt.Sprint("key-", i.made), Algorithm: "ES256", Use: "sig"})
}

// Away makes the issuer answer 503, or again as it should.
func (i *Issuer) Away(away bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.away = away
}

// Asked is how often the keys were fetched.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Token signs claims; iss, aud, iat and exp are those of a token that is good for
// an hour unless the claims say otherwise. A claim that is nil is left out.
func (i *Issuer) Token(t testing.TB, claims map[string]any) string {
	t.Helper()
	i.mu.Lock()
	key := i.keys[len(i.keys)-1]
	i.mu.Unlock()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(i.claims(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Add serves another key as well, which Sign may use.
func (i *Issuer) Add(k jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append([]jose.JSONWebKey{k}, i.keys...)
}

// Sign is Token with a key, an algorithm and a type of the caller's choice; an
// empty type is left out.
func (i *Issuer) Sign(t testing.TB, k jose.JSONWebKey, alg jose.SignatureAlgorithm, typ string, claims map[string]any) string {
	t.Helper()
	o := &jose.SignerOptions{}
	if typ != "" {
		o = o.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: k.Key, KeyID: k.KeyID}}, o)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(i.claims(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Unsigned is Token with the algorithm none.
func (i *Issuer) Unsigned(t testing.TB, claims map[string]any) string {
	t.Helper()
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part(i.claims(t, claims)) + "."
}

func (i *Issuer) claims(t testing.TB, claims map[string]any) []byte {
	t.Helper()
	now := time.Now()
	all := map[string]any{"iss": i.URL, "aud": Audience, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

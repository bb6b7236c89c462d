package identity_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/services/api/identity"
)

// clock is a time that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(by time.Duration) { c.ahead.Add(int64(by)) }

func tokens(t testing.TB, edit func(*identity.OIDCOptions)) (*testenv.Issuer, *identity.OIDC, *clock) {
	t.Helper()
	i, c := testenv.NewIssuer(t), &clock{}
	o := identity.OIDCOptions{Issuer: i.URL, Audience: testenv.Audience, Now: c.now}
	if edit != nil {
		edit(&o)
	}
	return i, identity.NewOIDC(o), c
}

func code(v *identity.OIDC, token string) fault.Code {
	_, err := v.Authenticate(context.Background(), token)
	if err != nil && fault.CodeOf(err) == "" {
		return fault.Code("no problem: " + err.Error())
	}
	return fault.CodeOf(err)
}

func want(t testing.TB, v *identity.OIDC, what, token string, want fault.Code) {
	t.Helper()
	if got := code(v, token); got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

const good = fault.Code("")

// long is a token that is good for all of a test, however its clock is moved.
func long(t testing.TB, i *testenv.Issuer) string {
	return i.Token(t, map[string]any{"sub": "ann", "exp": time.Now().Add(1000 * time.Hour).Unix()})
}

func TestKeysOfTheIssuerAreRotated(t *testing.T) {
	i, v, clock := tokens(t, nil)
	old := long(t, i)
	want(t, v, "the first key", old, good)
	clock.forward(6 * time.Second)
	i.Rotate(t, true)
	next := long(t, i)
	want(t, v, "a new key", next, good)
	want(t, v, "the old key, which is still served", old, good)
	if n := i.Asked(); n != 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
	// The old key is withdrawn: it ends as soon as the keys are fetched again.
	clock.forward(6 * time.Second)
	i.Rotate(t, false)
	want(t, v, "the newest key", long(t, i), good)
	want(t, v, "a key that was withdrawn", old, fault.Unauthenticated)
}

func TestAWithdrawnKeyEndsWithoutAnother(t *testing.T) {
	i, v, clock := tokens(t, nil)
	old := long(t, i)
	want(t, v, "a key", old, good)
	i.Rotate(t, false)
	want(t, v, "a key that was withdrawn just now", old, good)
	clock.forward(16 * time.Minute)
	deadline := time.Now().Add(10 * time.Second)
	for code(v, old) == good {
		if time.Now().After(deadline) {
			t.Fatal("a quarter of an hour later it is still taken")
		}
		time.Sleep(time.Millisecond)
	}
	// An issuer that is away withdraws nothing.
	next := long(t, i)
	want(t, v, "the new key", next, good)
	i.Away(true)
	for range 5 {
		clock.forward(time.Hour)
		want(t, v, "a known key of an issuer that is away", next, good)
	}
}

func TestAnIssuerThatIsAwayStopsNobodyKnown(t *testing.T) {
	i, v, clock := tokens(t, nil)
	i.Away(true)
	token := long(t, i)
	want(t, v, "an issuer that was never reached", token, fault.Unavailable)
	_, err := v.Authenticate(t.Context(), token)
	if e, ok := err.(*fault.Error); !ok || e.RetryAfter <= 0 || strings.Contains(e.Detail, i.URL) {
		t.Errorf("the refusal: %v", err)
	}
	i.Away(false)
	deadline := time.Now().Add(10 * time.Second)
	for code(v, token) != good {
		if time.Now().After(deadline) {
			t.Fatal("it does not recover")
		}
		time.Sleep(10 * time.Millisecond)
	}
	i.Away(true)
	clock.forward(6 * time.Second)
	want(t, v, "a known key", token, good)
	i.Rotate(t, true)
	next := long(t, i)
	want(t, v, "a key that is not known yet", next, fault.Unavailable)
	want(t, v, "a known key after that", token, good)
	i.Away(false)
	clock.forward(6 * time.Second)
	want(t, v, "the new key, when the issuer is back", next, good)
}

func TestClocksMayDifferByTheLeeway(t *testing.T) {
	i, v, _ := tokens(t, func(o *identity.OIDCOptions) { o.Leeway = time.Minute })
	at := func(claim string, d time.Duration) string {
		return i.Token(t, map[string]any{"sub": "ann", claim: time.Now().Add(d).Unix()})
	}
	want(t, v, "expired 40 s ago", at("exp", -40*time.Second), good)
	want(t, v, "expired 70 s ago", at("exp", -70*time.Second), fault.Unauthenticated)
	want(t, v, "good in 40 s", at("nbf", 40*time.Second), good)
	want(t, v, "good in 90 s", at("nbf", 90*time.Second), fault.Unauthenticated)
	want(t, v, "good for ever", i.Token(t, map[string]any{"sub": "ann", "exp": nil}), fault.Unauthenticated)
	want(t, v, "nbf that is no time", i.Token(t, map[string]any{"sub": "ann", "nbf": "soon"}), fault.Unauthenticated)
	who, err := v.Authenticate(t.Context(), at("exp", time.Minute))
	if err != nil || time.Until(who.Identity.Until) < time.Minute || time.Until(who.Identity.Until) > 2*time.Minute+time.Second {
		t.Errorf("good until %v, %v", who.Identity, err)
	}
}

func TestTokensThatAreNotForUsAreRefused(t *testing.T) {
	i, v, _ := tokens(t, nil)
	mine := map[string]any{"sub": "ann"}
	fine := i.Token(t, mine)
	want(t, v, "a good one", fine, good)
	parts := strings.Split(fine, ".")
	part := base64.RawURLEncoding.EncodeToString
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	other := testenv.NewIssuer(t) // has a key of the same id
	for what, token := range map[string]string{
		"another audience":       i.Token(t, map[string]any{"sub": "ann", "aud": "other"}),
		"no audience":            i.Token(t, map[string]any{"sub": "ann", "aud": nil}),
		"another issuer":         i.Token(t, map[string]any{"sub": "ann", "iss": "https://evil.example"}),
		"no issuer":              i.Token(t, map[string]any{"sub": "ann", "iss": nil}),
		"a key of another":       other.Token(t, map[string]any{"sub": "ann", "iss": i.URL}),
		"a token of another":     other.Token(t, mine),
		"no subject":             i.Token(t, map[string]any{}),
		"a subject of controls":  i.Token(t, map[string]any{"sub": "ann\nbob"}),
		"a subject that is long": i.Token(t, map[string]any{"sub": strings.Repeat("a", 300)}),
		"alg none":               i.Unsigned(t, mine),
		"alg none, signed":       part([]byte(`{"alg":"none"}`)) + "." + parts[1] + "." + parts[2],
		"alg None":               part([]byte(`{"alg":"None"}`)) + "." + parts[1] + ".",
		"no signature":           parts[0] + "." + parts[1] + ".",
		"altered claims":         parts[0] + "." + part(bytes.Replace(claims, []byte("ann"), []byte("bob"), 1)) + "." + parts[2],
		"another header":         part([]byte(`{"alg":"RS256","kid":"key-1"}`)) + "." + parts[1] + "." + parts[2],
		"rubbish":                "a.b.c", "empty parts": "..", "an embedded key": embedded(t, i, claims),
	} {
		want(t, v, what, token, fault.Unauthenticated)
	}
	for what, token := range abused(t, i, parts[1]) {
		want(t, v, what, token, fault.Unauthenticated)
	}
	want(t, v, "several audiences, ours among them", i.Token(t, map[string]any{"sub": "ann", "aud": []string{"other", testenv.Audience}}), good)
}

// embedded is signed with a key that the token brings along.
func embedded(t *testing.T, i *testenv.Issuer, claims []byte) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "key-1"}}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// abused are tokens for which a public key, in every form it is known in, was
// taken as a shared secret.
func abused(t *testing.T, i *testenv.Issuer, payload string) map[string]string {
	t.Helper()
	resp, err := http.Get(i.URL + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(set.Keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	one, err := set.Keys[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for form, secret := range map[string][]byte{"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "JWK": one, "set": raw, "nothing": nil} {
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"key-1","typ":"JWT"}`))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(head + "." + payload))
		out["HS256 with the public key as "+form] = head + "." + payload + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	return out
}

// A client that sends tokens of unknown keys makes the issuer be asked once every
// few seconds, and does not keep other clients from being answered.
func TestAFloodOfUnknownKeysAsksTheIssuerOnce(t *testing.T) {
	i, v, clock := tokens(t, nil)
	fine := long(t, i)
	want(t, v, "before", fine, good)
	before := i.Asked()
	clock.forward(6 * time.Second)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claims := fmt.Appendf(nil, `{"iss":%q,"aud":%q,"sub":"eve","exp":%d}`, i.URL, testenv.Audience, time.Now().Add(time.Hour).Unix())
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 100 {
				s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: fmt.Sprint("unknown-", w, "-", n)}}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				signed, err := s.Sign(claims)
				if err != nil {
					t.Error(err)
					return
				}
				token, err := signed.CompactSerialize()
				if err != nil {
					t.Error(err)
					return
				}
				want(t, v, "an unknown key", token, fault.Unauthenticated)
				want(t, v, "a good one meanwhile", fine, good)
			}
		})
	}
	wg.Wait()
	if n := i.Asked() - before; n != 1 {
		t.Errorf("800 tokens of unknown keys asked the issuer %d times", n)
	}
}

func TestClaimsAreMapped(t *testing.T) {
	i, v, _ := tokens(t, func(o *identity.OIDCOptions) { o.SubjectClaim, o.GroupsClaim = "email", "roles" })
	for _, x := range []struct {
		roles any
		want  []string
	}{{[]string{"press", "staff"}, []string{"press", "staff"}}, {"press", []string{"press"}}, {nil, nil}, {7, nil}, {[]any{"a", 1, "", nil, "b"}, []string{"a", "b"}}, {map[string]any{"x": 1}, nil}} {
		who, err := v.Authenticate(t.Context(), i.Token(t, map[string]any{"sub": "1", "email": "ann@example.com", "groups": "others", "roles": x.roles, "level": 3}))
		if err != nil || who.Principal != "user:ann@example.com" || !slices.Equal(who.Identity.Groups, x.want) || who.Identity.Claims["level"] != int64(3) {
			t.Errorf("%v: %+v, %v", x.roles, who.Identity, err)
		}
	}
	want(t, v, "without the claim that names who it is", i.Token(t, map[string]any{"sub": "ann"}), fault.Unauthenticated)
}

func TestTimesBeyondEveryCalendarAreNone(t *testing.T) {
	i, v, _ := tokens(t, nil)
	now := time.Now().Unix()
	for what, claims := range map[string]map[string]any{
		"nbf 1e300": {"nbf": 1e300}, "nbf 1e19": {"nbf": 1e19}, "nbf -1e300": {"nbf": -1e300}, "nbf a text": {"nbf": "1"}, "nbf tomorrow": {"nbf": now + 86400},
		"exp 1e300": {"exp": 1e300}, "exp -1e300": {"exp": -1e300}, "exp a text": {"exp": fmt.Sprint(now + 3600)}, "no exp": {"exp": nil}, "exp 1e19": {"exp": 1e19}, "exp a list": {"exp": []int64{now + 3600}},
	} {
		claims["sub"] = "ann"
		want(t, v, what, i.Token(t, claims), fault.Unauthenticated)
	}
	want(t, v, "fractions of seconds", i.Token(t, map[string]any{"sub": "ann", "nbf": float64(now) - 10.5, "exp": float64(now) + 60.25}), good)
}

func TestAKeyIsUsedOnlyForWhatItIsFor(t *testing.T) {
	i, v, _ := tokens(t, nil)
	of := func(bits int, id, alg, use string) jose.JSONWebKey {
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		k := jose.JSONWebKey{Key: private, KeyID: id, Algorithm: alg, Use: use}
		i.Add(k)
		return k
	}
	sub := map[string]any{"sub": "ann"}
	plain, rs256, weak, enc, oaep := of(2048, "plain", "", ""), of(2048, "rs256", "RS256", "sig"), of(1024, "weak", "RS256", "sig"), of(2048, "enc", "RS256", "enc"), of(2048, "oaep", "RSA-OAEP", "")
	for what, x := range map[string]struct {
		token string
		want  fault.Code
	}{
		"a key without an algorithm":       {i.Sign(t, plain, jose.PS256, "JWT", sub), good},
		"the key's algorithm":              {i.Sign(t, rs256, jose.RS256, "JWT", sub), good},
		"another than the key's":           {i.Sign(t, rs256, jose.PS256, "JWT", sub), fault.Unauthenticated},
		"a longer one than the key's":      {i.Sign(t, rs256, jose.RS512, "JWT", sub), fault.Unauthenticated},
		"RSA of 1024 bits":                 {i.Sign(t, weak, jose.RS256, "JWT", sub), fault.Unauthenticated},
		"a key for encryption by use":      {i.Sign(t, enc, jose.RS256, "JWT", sub), fault.Unauthenticated},
		"a key for encryption by alg":      {i.Sign(t, oaep, jose.RS256, "JWT", sub), fault.Unauthenticated},
		"no type":                          {i.Sign(t, plain, jose.RS256, "", sub), good},
		"an access token":                  {i.Sign(t, plain, jose.RS256, "at+jwt", sub), good},
		"an access token by its long name": {i.Sign(t, plain, jose.RS256, "application/AT+JWT", sub), good},
		"a logout token":                   {i.Sign(t, plain, jose.RS256, "logout+jwt", sub), fault.Unauthenticated},
		"a proof of possession":            {i.Sign(t, plain, jose.RS256, "dpop+jwt", sub), fault.Unauthenticated},
		"a security event":                 {i.Sign(t, plain, jose.RS256, "secevent+jwt", sub), fault.Unauthenticated},
		"an encrypted one's name":          {i.Sign(t, plain, jose.RS256, "JOSE+JSON", sub), fault.Unauthenticated},
	} {
		want(t, v, what, x.token, x.want)
	}
}

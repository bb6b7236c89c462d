package identity

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// again is how soon the issuer is asked again for keys.
const again = 5 * time.Second

// refresh is how long keys are used before the issuer is asked whether they are
// still its own, beside the requests. It may be away: then they go on.
const refresh = 15 * time.Minute

// maxKeySet bounds what is read of an issuer's keys, in bytes.
const maxKeySet = 1 << 20

// errAway: the keys are needed and cannot be had.
var errAway = errors.New("the keys of the issuer cannot be had")

// errSignature: no key of the issuer made the signature.
var errSignature = errors.New("not signed with a key of the issuer")

// keySet holds the public keys of an issuer. They are fetched when a token names
// one that is not known, at most every few seconds, and kept while the issuer is
// away. A signature that a known key did not make fetches nothing: a client that
// sends such tokens cannot keep other clients from being answered.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	asking sync.Mutex // held while the issuer is asked; no request with a known key waits for it
	asked  time.Time  // when the keys were fetched, or could not be
	err    error      // of that

	mu   sync.Mutex
	keys []jose.JSONWebKey
	got  time.Time // when keys were fetched, or that was last begun
}

// verify returns the payload of a token that a key of the issuer signed. Its
// error is errAway or errSignature, or about the token's form.
func (s *keySet) verify(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	if len(signed.Signatures) != 1 {
		return nil, errSignature
	}
	if !forAPIs(signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType]) {
		return nil, fmt.Errorf("%w: it is a token for something else", errSignature)
	}
	id := signed.Signatures[0].Header.KeyID
	payload, known := check(signed, s.held(), id)
	if payload != nil || known && id != "" {
		return payload, unless(payload != nil)
	}
	if err := s.fetch(ctx); err != nil {
		return nil, err
	}
	payload, _ = check(signed, s.held(), id)
	return payload, unless(payload != nil)
}

func unless(good bool) error {
	if good {
		return nil
	}
	return errSignature
}

// check tries the keys that a token may be signed with: that with its id, or all
// when it names none.
func check(signed *jose.JSONWebSignature, keys []jose.JSONWebKey, id string) (payload []byte, known bool) {
	for _, k := range keys {
		if id != "" && k.KeyID != id || k.Use == "enc" || !k.IsPublic() {
			continue
		}
		if k.Algorithm != "" && k.Algorithm != signed.Signatures[0].Header.Algorithm { // the issuer says what it is for (RFC 7517 section 4.4)
			continue
		}
		known = true
		if payload, err := signed.Verify(&k); err == nil {
			return payload, true
		}
	}
	return nil, known
}

// forAPIs reports whether a token's type is that of an ID token, or of a token for
// an API (RFC 9068): tokens for other ends, like logging out, may be signed with the
// same keys (RFC 8725 section 3.11).
func forAPIs(typ any) bool {
	name, ok := typ.(string)
	switch strings.TrimPrefix(strings.ToLower(name), "application/") {
	case "jwt", "at+jwt":
		return ok
	case "":
		return typ == nil
	}
	return false
}

// minRSA is the fewest bits of an RSA key that is believed (RFC 7518 section 3.3).
const minRSA = 2048

// strong reports whether a key is one to be believed.
func strong(k *jose.JSONWebKey) bool {
	public, isRSA := k.Key.(*rsa.PublicKey)
	return !isRSA || public.N.BitLen() >= minRSA
}

func (s *keySet) held() []jose.JSONWebKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); len(s.keys) > 0 && now.Sub(s.got) > refresh {
		s.got = now
		go func() { _ = s.fetch(context.Background()) }() // what is known goes on
	}
	return s.keys
}

// fetch asks the issuer, unless that was done a moment ago. Requests that
// come meanwhile wait for the answer.
func (s *keySet) fetch(ctx context.Context) error {
	s.asking.Lock()
	defer s.asking.Unlock()
	if !s.asked.IsZero() && s.now().Sub(s.asked) < again {
		return s.err
	}
	keys, err := s.ask(context.WithoutCancel(ctx)) // it is for all who wait; the client has a deadline
	s.asked, s.err = s.now(), err
	if err == nil {
		s.mu.Lock()
		s.keys, s.got = keys, s.now()
		s.mu.Unlock()
	}
	return err
}

func (s *keySet) ask(ctx context.Context) ([]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	defer res.Body.Close()
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxKeySet)).Decode(&set); err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: the answer is %s: %w", errAway, res.Status, err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) == nil && k.Valid() && strong(&k) { // one of a kind that is not known spoils no other
			keys = append(keys, k)
		}
	}
	return keys, nil
}

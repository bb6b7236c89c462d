package testenv

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
)

// The client that an Issuer knows.
const (
	ClientID     = "console"
	ClientSecret = "a secret & more: %"
)

// grant is what a code was given for.
type grant struct {
	redirect, challenge, nonce string
	person                     map[string]any
}

// SignIn makes people sign in with claims, at once; nil: none does.
func (i *Issuer) SignIn(claims map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.person = claims
}

// serveSignIn serves the authorization code flow (RFC 6749 section 4.1) with PKCE. Like
// a lenient issuer it takes a code as often as it comes, so that a test sees who refuses
// it.
func (i *Issuer) serveSignIn(mux *http.ServeMux) {
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		back, err := url.Parse(q.Get("redirect_uri"))
		if err != nil || q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" {
			http.Error(w, "not a request of the client", http.StatusBadRequest)
			return
		}
		answer := back.Query()
		answer.Set("state", q.Get("state"))
		answer.Set("iss", i.URL)
		i.mu.Lock()
		if i.person == nil {
			answer.Set("error", "access_denied")
		} else {
			code := rand.Text()
			i.codes[code] = grant{q.Get("redirect_uri"), q.Get("code_challenge"), q.Get("nonce"), maps.Clone(i.person)}
			answer.Set("code", code)
		}
		i.mu.Unlock()
		back.RawQuery = answer.Encode()
		http.Redirect(w, r, back.String(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
		i.mu.Lock()
		g, known := i.codes[r.PostFormValue("code")]
		i.mu.Unlock()
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if !known || id != ClientID || secret != ClientSecret || g.redirect != r.PostFormValue("redirect_uri") || g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
			return
		}
		claims := map[string]any{"aud": ClientID, "nonce": g.nonce}
		maps.Copy(claims, g.person)
		i.answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": i.Token(i.t, claims)})
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		i.SignIn(nil)
		http.Redirect(w, r, r.URL.Query().Get("post_logout_redirect_uri"), http.StatusFound)
	})
}

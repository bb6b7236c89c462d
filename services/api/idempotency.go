package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// withKey reads Idempotency-Key of a write. The fingerprint is over everything
// that makes the request what it is, so the body is read here.
func withKey(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r, nil
	}
	key := keys[0]
	ok := len(keys) == 1 && len(key) >= 1 && len(key) <= 255
	for i := 0; ok && i < len(key); i++ {
		ok = key[i] > ' ' && key[i] < 0x7f
	}
	if !ok {
		return r, fault.Errorf(fault.InvalidRequest, "Idempotency-Key is one word of 1 to 255 visible ASCII characters")
	}
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return r, err
	}
	h := sha256.New()
	q, _ := url.ParseQuery(r.URL.RawQuery) // what cannot be parsed is refused later
	for _, part := range []string{r.Method, r.URL.Path, q.Encode(), r.Header.Get("Content-Type"), withoutCodings.Replace(r.Header.Get("If-Match")), withoutCodings.Replace(r.Header.Get("If-None-Match"))} {
		_, _ = io.WriteString(h, part+"\x00") // a hash never fails
	}
	h.Write(body)
	r = r.WithContext(resource.WithIdempotency(r.Context(), key, hex.EncodeToString(h.Sum(nil))))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r, nil
}

package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"net/http"
	"net/url"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/services/api/form"
)

// withKey reads the Idempotency-Key of a write that takes one. The fingerprint is
// over everything that makes the request what it is, so the body is read here.
func (c *call) withKey() error {
	keys := c.declared("Idempotency-Key")
	if len(keys) == 0 {
		return nil
	}
	if policy.ActorOf(c.r.Context()).IsPublic() { // it would be every such caller's
		return fault.Errorf(fault.InvalidRequest, "an Idempotency-Key needs a credential: it is kept for the principal")
	}
	r := c.r
	key := keys[0]
	ok := len(keys) == 1 && len(key) >= 1 && len(key) <= 255
	for i := 0; ok && i < len(key); i++ {
		ok = key[i] > ' ' && key[i] < 0x7f
	}
	if !ok {
		return fault.Errorf(fault.InvalidRequest, "Idempotency-Key is one word of 1 to 255 visible ASCII characters")
	}
	h := sha256.New()
	isForm, kind := c.takesForm(), r.Header.Get("Content-Type")
	if isForm {
		kind = form.Type // each time that a form is sent it has another boundary
	}
	q, _ := url.ParseQuery(r.URL.RawQuery) // what cannot be parsed is refused later
	for _, part := range []string{r.Method, r.URL.Path, q.Encode(), kind, withoutCodings.Replace(first(c.declared("If-Match"))), withoutCodings.Replace(first(c.declared("If-None-Match")))} {
		_, _ = io.WriteString(h, part+"\x00") // a hash never fails
	}
	if isForm {
		c.repeats = &repetition{key, h}
		return nil
	}
	body, err := readBody(c.w, r, maxBody)
	if err != nil {
		return err
	}
	h.Write(body)
	c.r = r.WithContext(resource.WithIdempotency(r.Context(), key, hex.EncodeToString(h.Sum(nil))))
	c.r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// repetition is the key of a form, and the fingerprint of what comes before its body. A
// form is as large as its files are, so it is its document that is added, in which their
// digests are.
type repetition struct {
	key  string
	head hash.Hash
}

// of makes the request one with the key, when its document is known.
func (p *repetition) of(r *http.Request, document any) (*http.Request, error) {
	b, err := json.Marshal(document)
	if err != nil {
		return r, err
	}
	p.head.Write(b)
	return r.WithContext(resource.WithIdempotency(r.Context(), p.key, hex.EncodeToString(p.head.Sum(nil)))), nil
}

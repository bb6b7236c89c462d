package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The limits of one request.
const (
	sendTimeout  = 15 * time.Second
	maxAnswer    = 64 << 10 // read, so that the connection can be used again
	keptAnswer   = 1 << 10  // kept with the delivery
	maxKeptBody  = 64 << 10
	maxIdleConns = 100
)

// Sender signs and sends. Its methods are safe for concurrent use.
type Sender struct {
	guard  guard
	dialer *net.Dialer
	client *http.Client
	now    func() time.Time
}

// NewSender makes one that calls public addresses, and those in the allowed
// nets.
func NewSender(allowed []netip.Prefix, userAgent string) *Sender {
	s := &Sender{guard: guard{allowed}, now: time.Now}
	s.dialer = &net.Dialer{Timeout: 5 * time.Second, Control: s.guard.control}
	s.client = &http.Client{Timeout: sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: agent{userAgent, &http.Transport{DialContext: s.dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true,
			MaxIdleConns: maxIdleConns, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10}}}
	return s
}

type agent struct {
	name string
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a agent) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("User-Agent", a.name)
	return a.next.RoundTrip(r)
}

// CheckURL refuses an address that can be told from its text not to be called.
func (s *Sender) CheckURL(text string) error { return s.guard.url(text) }

// message is the body of a delivery: an envelope of the Standard Webhooks form.
type message struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"` // "movies.created"
	Timestamp time.Time       `json:"timestamp"`
	Seq       uint64          `json:"seq,omitempty"`
	Principal string          `json:"principal,omitempty"`
	DataRef   string          `json:"dataref,omitempty"`
	Data      json.RawMessage `json:"data"`
	trace     string          // traceparent (W3C Trace Context); empty for none
}

// outcome of one request.
type outcome struct {
	status     int
	err        error
	retryAfter time.Duration
	took       time.Duration
	headers    map[string]string // that were sent, without signatures
	answer     string
}

func (o outcome) ok() bool { return o.err == nil && o.status >= 200 && o.status < 300 }

func (o outcome) text() string {
	switch {
	case o.ok():
		return ""
	case o.err != nil:
		return o.err.Error()
	}
	return "it answered " + strconv.Itoa(o.status)
}

// sign makes the signatures of Standard Webhooks 1.0, one for each secret.
func sign(secrets [][]byte, id string, at time.Time, body []byte) string {
	var out []string
	for _, s := range secrets {
		h := hmac.New(sha256.New, s)
		fmt.Fprintf(h, "%s.%d.", id, at.Unix())
		h.Write(body)
		out = append(out, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	return strings.Join(out, " ")
}

// send calls an address once.
func (s *Sender) send(ctx context.Context, address string, secrets [][]byte, m message) (o outcome, body []byte) {
	if body, o.err = json.Marshal(m); o.err != nil {
		return o, nil
	}
	at := s.now()
	o.headers = map[string]string{"Content-Type": "application/json", "webhook-id": m.ID, "webhook-timestamp": strconv.FormatInt(at.Unix(), 10)}
	if m.trace != "" {
		o.headers["traceparent"] = m.trace
	}
	if o.err = s.guard.url(address); o.err != nil {
		return o, body
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		o.err = errors.New("the URL cannot be called")
		return o, body
	}
	for name, v := range o.headers {
		req.Header[name] = []string{v} // as the specification spells them
	}
	req.Header["webhook-signature"] = []string{sign(secrets, m.ID, at, body)}
	resp, err := s.client.Do(req)
	o.took = time.Since(at)
	if err != nil {
		o.err = plain(err)
		return o, body
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what it says is no matter
	o.took, o.status = time.Since(at), resp.StatusCode
	o.answer = strings.ToValidUTF8(string(b[:min(len(b), keptAnswer)]), "\uFFFD")
	if o.status == http.StatusTooManyRequests || o.status == http.StatusServiceUnavailable {
		o.retryAfter = min(retryAfter(resp.Header.Get("Retry-After"), s.now()), time.Hour)
	}
	return o, body
}

// retryAfter reads a header of that name, seconds or a time (RFC 9110 section
// 10.2.3); what is neither is no wait.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// plain takes the address out of an error: a reader of deliveries knows it, and
// may not learn which address of the private net a name has.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return errors.New("no answer in time")
		}
		err = u.Err
	}
	var op *net.OpError
	if errors.Is(err, errForbidden) {
		return errForbidden
	}
	if errors.As(err, &op) {
		return fmt.Errorf("%s failed", op.Op)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return errors.New("the name cannot be resolved")
	}
	return err
}

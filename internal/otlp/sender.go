// Package otlp sends spans and metrics by OTLP over HTTP, as the standard variables of
// OpenTelemetry say. It speaks protobuf over HTTP only: the exporters of OpenTelemetry
// bring gRPC along, which makes the program larger by a tenth.
package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Signal is what is sent: Traces or Metrics.
type Signal string

// The signals, as their variables name them.
const (
	Traces  Signal = "TRACES"
	Metrics Signal = "METRICS"
)

// Wanted reports whether the variables ask for a signal.
func (s Signal) Wanted() (bool, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_"+string(s)+"_EXPORTER") == "none" || s.value("ENDPOINT") == "" {
		return false, nil
	}
	if p := s.value("PROTOCOL"); p != "" && p != "http/protobuf" {
		return false, fmt.Errorf("%s is %q; %s are sent as http/protobuf only", s.named("PROTOCOL"), p, strings.ToLower(string(s)))
	}
	return true, nil
}

// named is the variable that has a setting: that of the signal, else the one for all.
func (s Signal) named(setting string) string {
	if own := "OTEL_EXPORTER_OTLP_" + string(s) + "_" + setting; os.Getenv(own) != "" {
		return own
	}
	return "OTEL_EXPORTER_OTLP_" + setting
}

func (s Signal) value(setting string) string { return os.Getenv(s.named(setting)) }

// Sender sends one signal.
type Sender struct {
	url      string
	headers  http.Header
	compress bool
	timeout  time.Duration
	client   *http.Client
}

// NewSender reads the variables; an error names the one that is wrong.
func NewSender(s Signal) (*Sender, error) {
	to, err := url.Parse(s.value("ENDPOINT"))
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return nil, fmt.Errorf("%s is no http or https URL", s.named("ENDPOINT"))
	}
	if s.named("ENDPOINT") == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		to = to.JoinPath("v1", strings.ToLower(string(s)))
	}
	out := &Sender{url: to.String(), headers: http.Header{"Content-Type": {"application/x-protobuf"}}, timeout: 10 * time.Second}
	if text := s.value("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return nil, fmt.Errorf("%s is %q, not a number of milliseconds", s.named("TIMEOUT"), text)
		}
		out.timeout = time.Duration(ms) * time.Millisecond
	}
	switch c := s.value("COMPRESSION"); c {
	case "", "none":
	case "gzip":
		out.compress = true
		out.headers.Set("Content-Encoding", "gzip")
	default:
		return nil, fmt.Errorf("%s is %q; gzip and none are known", s.named("COMPRESSION"), c)
	}
	for pair := range strings.SplitSeq(s.value("HEADERS"), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		value, err := url.PathUnescape(value)
		if pair != "" && (!ok || err != nil) {
			return nil, fmt.Errorf("%s is not name=value, separated by commas", s.named("HEADERS"))
		}
		if ok {
			out.headers.Set(name, value)
		}
	}
	trusted, err := s.tls()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trusted
	out.client = &http.Client{Transport: transport}
	return out, nil
}

// tls is whom to trust and what to show, where files are named.
func (s Signal) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := s.value("CERTIFICATE"); name != "" {
		pem, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.named("CERTIFICATE"), err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %s holds no certificate", s.named("CERTIFICATE"), name)
		}
	}
	if name := s.value("CLIENT_CERTIFICATE"); name != "" {
		own, err := tls.LoadX509KeyPair(name, s.value("CLIENT_KEY"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.named("CLIENT_CERTIFICATE"), err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}

// errLater is an answer that asks to send again later.
var errLater = errors.New("the collector asks to wait")

// Send sends a message, again until its time is over where the collector is away or asks
// to wait.
func (s *Sender) Send(ctx context.Context, m proto.Message) error {
	body, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	if s.compress {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body) // a buffer takes everything
		_ = z.Close()
		body = b.Bytes()
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for pause := 200 * time.Millisecond; ; pause *= 2 {
		err := s.post(ctx, body)
		if err == nil || !errors.Is(err, errLater) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func (s *Sender) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = s.headers
	resp, err := s.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("%w: %w", errLater, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be used again
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("%w: %s", errLater, resp.Status)
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("the collector refuses: %s", resp.Status)
	}
	return nil
}

// Close ends idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// spans sends spans. It implements otlptrace.Client.
type spans struct{ *Sender }

// NewSpans is the exporter of spans.
func NewSpans(ctx context.Context) (*otlptrace.Exporter, error) {
	s, err := NewSender(Traces)
	if err != nil {
		return nil, err
	}
	return otlptrace.New(ctx, spans{s})
}

// Start implements otlptrace.Client.
func (spans) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (s spans) Stop(context.Context) error {
	s.Close()
	return nil
}

// UploadTraces implements otlptrace.Client.
func (s spans) UploadTraces(ctx context.Context, of []*tracepb.ResourceSpans) error {
	return s.Send(ctx, &tracepb.TracesData{ResourceSpans: of}) // the same bytes as the request of the collector's service
}

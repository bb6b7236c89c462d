package tests_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/internal/apitest"
)

// pair writes a certificate for 127.0.0.1 with a serial number into two files.
func pair(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		next := name + ".new" // as those who renew certificates do it
		if err := os.WriteFile(next, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, name); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// secured is a client that trusts any certificate and opens a connection of its
// own unless told to keep one.
func secured(keep bool, edit func(*tls.Config)) *http.Client {
	c := &tls.Config{InsecureSkipVerify: true}
	if edit != nil {
		edit(c)
	}
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: !keep, ForceAttemptHTTP2: keep}}
}

func serial(t *testing.T, c *http.Client, url string) int64 {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
}

func TestACertificateIsReplacedWhileItIsUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := pair(t, dir, 1)
	p := apitest.Launch(t, "--models", apitest.WriteModels(t, models), "--data-dir", t.TempDir(), "--log-level", "info", "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(p.URL, "https://") {
		t.Fatalf("address %q", p.URL)
	}
	if r := apitest.Run(t, "", "health", "--url", p.URL); r.Code != 0 {
		t.Errorf("health: exit %d: %s", r.Code, r.Stderr)
	}
	fresh, kept := secured(false, nil), secured(true, nil)
	if serial(t, fresh, p.URL+"/livez") != 1 || serial(t, kept, p.URL+"/v1/movies") != 1 {
		t.Error("the certificate is another")
	}
	// An answer that goes on, over the replacement.
	watch, err := kept.Get(p.URL + "/v1/movies:watch")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Body.Close()
	if watch.ProtoMajor != 2 {
		t.Errorf("it is HTTP/%d", watch.ProtoMajor)
	}
	lines := bufio.NewReader(watch.Body)
	told := make(chan string, 64)
	go func() {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				close(told)
				return
			}
			told <- line
		}
	}()
	pair(t, dir, 2)
	apitest.Eventually(t, 20*time.Second, "new connections get the new certificate", func() bool { return serial(t, fresh, p.URL+"/livez") == 2 })
	if err := os.WriteFile(cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // the files are looked at once a second
	if got := serial(t, fresh, p.URL+"/livez"); got != 2 {
		t.Errorf("with a broken file: certificate %d", got)
	}
	pair(t, dir, 3)
	apitest.Eventually(t, 20*time.Second, "it recovers", func() bool { return serial(t, fresh, p.URL+"/livez") == 3 })
	// The old connection, made with the first certificate, was never dropped.
	if got := serial(t, kept, p.URL+"/livez"); got != 1 {
		t.Errorf("the old connection has certificate %d", got)
	}
	req, err := http.NewRequest("POST", p.URL+"/v1/movies?id=a", strings.NewReader(heat))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := kept.Do(req)
	if err != nil || resp.StatusCode != 201 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	for deadline := time.After(20 * time.Second); ; {
		select {
		case line, ok := <-told:
			if !ok {
				t.Fatal("the watch ended")
			}
			if strings.HasPrefix(line, "event: created") {
				return
			}
		case <-deadline:
			t.Fatal("the watch tells nothing")
		}
	}
}

func TestOldTLSAndPlainTextAreRefused(t *testing.T) {
	t.Parallel()
	cert, key := pair(t, t.TempDir(), 1)
	p := apitest.Launch(t, "--models", apitest.WriteModels(t, models), "--data-dir", t.TempDir(), "--tls-cert", cert, "--tls-key", key)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		c := secured(false, func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
		if resp, err := c.Get(p.URL + "/livez"); err == nil {
			resp.Body.Close()
			t.Errorf("%s is spoken", tls.VersionName(version))
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		serial(t, secured(false, func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }), p.URL+"/livez")
	}
	resp, err := http.Get(strings.Replace(p.URL, "https", "http", 1) + "/v1/movies")
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("plain text: %d", resp.StatusCode)
		}
	}
}

func TestEveryAnswerHasTheHeadersOfSecurity(t *testing.T) {
	t.Parallel()
	c := start(t, nil, autocrud.Settings{Storage: "memory"}, nil)
	c.Post(t, "/v1/movies?id=a", heat).Want(t, 201)
	for _, path := range []string{"/v1/movies/a", "/v1/movies", "/v1/nothing", "/livez", "/openapi.json", "/docs", "/v1/movies/a?x=1"} {
		r := c.Get(t, path)
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if !strings.Contains(r.Header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(r.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: Content-Security-Policy %q", path, r.Header.Get("Content-Security-Policy"))
		}
		if got := r.Header.Get("Cache-Control"); !strings.Contains(got, "no-") {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		for name := range r.Header {
			if strings.HasPrefix(name, "Access-Control-") || name == "Server" || name == "X-Powered-By" || name == "Strict-Transport-Security" {
				t.Errorf("%s: %s is sent", path, name)
			}
		}
	}
}

func TestPagesOfOtherOriginsAreLetInByName(t *testing.T) {
	t.Parallel()
	const app, other = "https://app.example.com", "https://evil.example.com"
	asks := func(origin string) []apitest.Option {
		return headers("Origin", origin, "Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization, if-match")
	}
	none := start(t, nil, autocrud.Settings{Storage: "memory"}, nil)
	if r := none.Do(t, "OPTIONS", "/v1/movies/a", nil, asks(app)...); r.Status != 405 || r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without origins: %d, %v", r.Status, r.Header)
	}
	s := autocrud.Settings{Storage: "memory"}
	s.CORSOrigins = []string{app, "http://localhost:5173"}
	c := start(t, nil, s, nil)
	r := c.Do(t, "OPTIONS", "/v1/movies/a", nil, asks(app)...).Want(t, 204)
	for name, want := range map[string]string{"Access-Control-Allow-Origin": app, "Access-Control-Allow-Methods": "PATCH", "Access-Control-Allow-Headers": "Authorization",
		"Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "600"} {
		if !strings.Contains(r.Header.Get(name), want) {
			t.Errorf("%s: %q", name, r.Header.Get(name))
		}
	}
	if !strings.Contains(strings.Join(r.Header.Values("Vary"), ","), "Origin") {
		t.Errorf("Vary %q", r.Header.Values("Vary"))
	}
	r = c.Do(t, "OPTIONS", "/v1/movies/a", nil, asks(other)...)
	r.WantProblem(t, 403, "permission_denied")
	if r.Header.Get("Access-Control-Allow-Origin") != "" || r.Header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("another origin: %v", r.Header)
	}
	cross := func(origin string) []apitest.Option { return headers("Origin", origin, "Sec-Fetch-Site", "cross-site") }
	r = c.Post(t, "/v1/movies?id=a", heat, cross(app)...).Want(t, 201)
	if r.Header.Get("Access-Control-Allow-Origin") != app || !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "ETag") {
		t.Errorf("a create: %v", r.Header)
	}
	c.Post(t, "/v1/movies?id=b", heat, cross(other)...).WantProblem(t, 403, "permission_denied")
	if r = c.Get(t, "/v1/movies/a", cross(other)...).Want(t, 200); r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin reads: %v", r.Header)
	}
	if r = c.Get(t, "/v1/nothing", cross(app)...); r.Header.Get("Access-Control-Allow-Origin") != app { // a page reads what went wrong too
		t.Errorf("a problem: %v", r.Header)
	}
	c.Do(t, "OPTIONS", "/v1/movies/a", nil, headers("Origin", app)...).WantProblem(t, 405, "invalid_request") // no preflight
}

func TestWrongExposureIsRefused(t *testing.T) {
	cert, key := pair(t, t.TempDir(), 1)
	_, otherKey := pair(t, t.TempDir(), 2)
	dir := apitest.WriteModels(t, models)
	for _, args := range [][]string{
		{"--tls-cert", cert}, {"--tls-key", key}, {"--tls-cert", cert, "--tls-key", otherKey}, {"--tls-cert", "/no/file", "--tls-key", key},
		{"--cors-origin", "*"}, {"--cors-origin", "example.com"}, {"--cors-origin", "https://example.com/"}, {"--cors-origin", "null"}, {"--cors-origin", "https://*.example.com/x"},
		{"--trusted-proxies", "10.0.0"}, {"--rate-limit-address", "-1"}, {"--rate-limit-principal", "fast"}, {"--max-connections", "-1"},
		{"--header-timeout", "0s"}, {"--body-timeout", "1s"}, {"--max-header-bytes", "10"},
	} {
		r := apitest.Run(t, "", append([]string{"up", "--addr", "127.0.0.1:0", "--models", dir, "--data-dir", t.TempDir()}, args...)...)
		if r.Code != 2 || strings.Count(strings.TrimSpace(r.Stderr), "\n") != 0 || r.Stdout != "" {
			t.Errorf("%v: exit %d, %q, %q", args, r.Code, r.Stdout, r.Stderr)
		}
	}
}

func TestAnAddressThatAsksTooOftenIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	s := autocrud.Settings{Storage: "memory"}
	s.RateLimitAddress, s.TrustedProxies = 5, []string{"127.0.0.0/8"}
	c := start(t, nil, s, nil)
	ask := func(from string) *apitest.Response {
		return c.Get(t, "/v1/movies", apitest.Header("X-Forwarded-For", from))
	}
	begun := time.Now()
	refused := 0
	for range 40 {
		if r := ask("192.0.2.1"); r.Status == 429 {
			refused++
			r.WantProblem(t, 429, "rate_limited")
			if n, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || n < 1 || n > 2 {
				t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
			}
		}
	}
	allowed := 5 + int(time.Since(begun).Seconds()*5) + 1
	if got := 40 - refused; got < 5 || got > allowed {
		t.Errorf("%d of 40 were answered in %s, at most %d should be", got, time.Since(begun), allowed)
	}
	ask("192.0.2.2").Want(t, 200) // another address
	// What the address says of itself before the trusted proxy changes nothing.
	if r := ask("203.0.113.9, 192.0.2.1"); r.Status != 429 && time.Since(begun) < time.Second {
		t.Errorf("a forged address: %d", r.Status)
	}
	for range 20 {
		c.Get(t, "/livez", apitest.Header("X-Forwarded-For", "192.0.2.1")).Want(t, 200)
	}
	apitest.Eventually(t, 10*time.Second, "it is answered again", func() bool { return ask("192.0.2.1").Status == 200 })
}

func TestAForwardedAddressCountsOnlyFromATrustedProxy(t *testing.T) {
	t.Parallel()
	seen := func(c *apitest.Client, id, forwarded string) string {
		c.Post(t, "/v1/movies?id="+id, heat, apitest.Header("X-Forwarded-For", forwarded)).Want(t, 201)
		return c.Get(t, "/v1/movies/"+id+"/history").Text("/items/0/address")
	}
	plain := start(t, nil, autocrud.Settings{Storage: "memory"}, nil)
	if got := seen(plain, "a", "192.0.2.1"); got != "127.0.0.1" {
		t.Errorf("nobody is trusted: %s", got)
	}
	s := autocrud.Settings{Storage: "memory"}
	s.TrustedProxies = []string{"127.0.0.1", "10.0.0.0/8"}
	c := start(t, nil, s, nil)
	for i, x := range [][2]string{{"192.0.2.1", "192.0.2.1"}, {"1.2.3.4, 192.0.2.1, 10.9.9.9", "192.0.2.1"}, {"10.1.1.1", "10.1.1.1"}, {"", "127.0.0.1"},
		{"nonsense", "127.0.0.1"}, {"192.0.2.1, nonsense", "127.0.0.1"}, {"[2001:db8::1]:443", "2001:db8::1"}, {"::ffff:192.0.2.7", "192.0.2.7"}, {"192.0.2.1:99", "192.0.2.1"},
		{strings.Repeat("10.0.0.1,", 1000), "127.0.0.1"}, {"<script>", "127.0.0.1"}} {
		if got := seen(c, "x"+strconv.Itoa(i), x[0]); got != x[1] {
			t.Errorf("%.60q: %s, want %s", x[0], got, x[1])
		}
	}
}

// Clients that send as slowly as they can hold no connection for long, and keep
// no other client waiting.
func TestSlowClientsHoldNothing(t *testing.T) {
	t.Parallel()
	s := autocrud.Settings{Storage: "memory"}
	s.HeaderTimeout, s.BodyTimeout, s.MaxConnections = 500*time.Millisecond, time.Second, 60
	c := start(t, nil, s, nil)
	address := strings.TrimPrefix(c.URL, "http://")
	dial := func(request string) net.Conn {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, request)
		return conn
	}
	closed := func(conn net.Conn) time.Duration {
		begun := time.Now()
		_ = conn.SetReadDeadline(begun.Add(20 * time.Second))
		_, err := io.Copy(io.Discard, conn)
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Fatal("it is still open after 20 s")
		}
		return time.Since(begun)
	}
	var slow []net.Conn
	for range 20 {
		slow = append(slow, dial("GET /v1/movies HTTP/1.1\r\nHost: localhost\r\nX-A: "),
			dial("POST /v1/movies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"))
	}
	c.Get(t, "/v1/movies").Want(t, 200)
	for _, conn := range slow {
		closed(conn)
	}
	// Beyond the limit a connection is closed at once; those that are open go on.
	apitest.Eventually(t, 10*time.Second, "the slow ones are gone", func() bool {
		return strings.Contains(string(c.Get(t, "/metrics").Body), "\nautocrud_http_connections 1\n")
	})
	for range 70 {
		dial("")
	}
	refused := func() bool {
		return !strings.Contains(string(c.Get(t, "/metrics").Body), "autocrud_http_connections_refused_total 0\n")
	}
	apitest.Eventually(t, 10*time.Second, "some are closed", refused)
	c.Get(t, "/v1/movies").Want(t, 200)
	apitest.Eventually(t, 20*time.Second, "there is room again", func() bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		b, _ := io.ReadAll(conn)
		return bytes.HasPrefix(b, []byte("HTTP/1.1 200"))
	})
}

func TestOneAddressHasOnlySoManyConnections(t *testing.T) {
	t.Parallel()
	s := autocrud.Settings{Storage: "memory"}
	s.MaxConnectionsPerAddress = 5
	c := start(t, nil, s, nil)
	var open []net.Conn
	for range 20 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	ended := 0
	for _, conn := range open {
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); err != nil && !os.IsTimeout(err) {
			ended++
		}
	}
	if ended < 15 || ended == 20 {
		t.Errorf("%d of 20 connections were closed", ended)
	}
	c.Get(t, "/metrics").Want(t, 200)
}

func TestLargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	s := autocrud.Settings{Storage: "memory"}
	s.MaxHeaderBytes = 8192
	c := start(t, nil, s, nil)
	resp, err := http.DefaultClient.Do(&http.Request{Method: "GET", URL: mustURL(t, c.URL+"/v1/movies"), Header: http.Header{"X-Big": {strings.Repeat("x", 64<<10)}}})
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	c.Get(t, "/v1/movies").Want(t, 200)
}

func TestDocumentsAndMetricsCanBeHidden(t *testing.T) {
	t.Parallel()
	no := false
	s := autocrud.Settings{Storage: "memory"}
	s.PublicDocs, s.PublicMetrics, s.Addr = &no, &no, "127.0.0.1:0"
	s.LogLevel, s.Models = "error", apitest.WriteModels(t, models)
	r, err := autocrud.New().Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for path, want := range map[string]int{"/": 404, "/docs": 404, "/guide/": 404, "/guide/models.html": 404, "/docs/swagger-ui.css": 404, "/openapi.json": 404, "/asyncapi.json": 404, "/metrics": 404,
		"/livez": 200, "/readyz": 200, "/v1/movies": 200} {
		resp, err := http.Get(r.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// Secrets are in no help, no error, no log and no dump.
func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	const secret = "s3cret-Hunter2"
	dir := apitest.WriteModels(t, models)
	env := []string{"AUTOCRUD_NATS_PASSWORD=" + secret, "AUTOCRUD_S3_SECRET_KEY=" + secret,
		"AUTOCRUD_NATS_EVENTS_PASSWORD=" + secret, "AUTOCRUD_POSTGRES_URL=postgres://u:" + secret + "@127.0.0.1:1/x?sslmode=disable"}
	up := []string{"up", "--addr", "127.0.0.1:0", "--models", dir, "--data-dir", t.TempDir(), "--log-level", "debug"}
	row := append(up, "--storage", "postgres", "--s3-endpoint", "127.0.0.1:1", "--s3-bucket", "b", "--s3-access-key", "a", "--s3-use-tls", "false")
	for _, args := range [][]string{{"up", "--help"}, {"api", "--help"}, append(up, "--no-such-flag"), append(up, "--storage", "tape"), row,
		append(up, "--nats-url", "nats://u:"+secret+"@127.0.0.1:1"), append(up, "--nats-url", "nats://u:"+secret+"@bad host:1"), append(up, "--nats-url", "nats://u:"+secret+"@127.0.0.1:port"),
		append(up, "--nats-url", "nats://127.0.0.1:1,nats://u:"+secret+"@[::1"), append(row, "--postgres-url", "postgres://u:"+secret+"@[bad/x"),
		append(row, "--postgres-url", "host=127.0.0.1 port=x password="+secret), {"provision", "--models", dir, "--storage", "postgres", "--nats-url", "nats://u:" + secret + "@127.0.0.1:1", "--s3-endpoint", "x:1", "--s3-bucket", "b", "--s3-access-key", "a"}} {
		for _, more := range []string{"AUTOCRUD_NATS_HOOK_PASSWORD=" + secret, "AUTOCRUD_NATS_HOOK_PASSWORD="} { // one without --nats-listen is refused first
			r := apitest.RunWith(t, append(env, more), args...)
			if strings.Contains(r.Stdout+r.Stderr, secret) {
				t.Errorf("%v says it: %s%s", args, r.Stdout, r.Stderr)
			}
			if len(args) > 2 && r.Code == 0 {
				t.Errorf("%v: exit 0", args)
			}
		}
	}
	s := autocrud.Settings{Storage: "postgres", PostgresURL: "postgres://u:" + secret + "@db/x", NatsURL: "nats://u:" + secret + "@n:4222", S3SecretKey: secret, NatsPassword: secret}
	shown, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%v", &s), s.LogValue().String(), string(shown)} {
		if strings.Contains(text, secret) || !strings.Contains(text, "postgres://u:") {
			t.Errorf("a dump: %s", text)
		}
	}
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAStarLetsEveryPageInWithoutCredentials(t *testing.T) {
	t.Parallel()
	s := autocrud.Settings{Storage: "memory"}
	s.CORSOrigins = []string{"*"}
	admin := guard(t, s, guardedPolicy)
	page := headers("Origin", "https://any.example", "Sec-Fetch-Site", "cross-site")
	for _, r := range []*apitest.Response{
		admin.Do(t, "OPTIONS", "/v1/films", nil, append(append([]apitest.Option{}, page...), headers("Access-Control-Request-Method", "POST")...)...).Want(t, 204),
		admin.Post(t, "/v1/films", `{"title":"x"}`, page...).Want(t, 201),
		admin.Get(t, "/v1/films", page...).Want(t, 200),
		admin.As("").Get(t, "/v1/films", page...).Want(t, 401),
	} {
		if r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Values("Access-Control-Allow-Credentials") != nil {
			t.Errorf("%s: %v", r.What, r.Header)
		}
	}
}

func TestAPrincipalThatAsksTooOftenIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	s := autocrud.Settings{Storage: "memory"}
	s.RateLimitPrincipal = 5
	admin := guard(t, s, guardedPolicy)
	reader, _ := key(t, admin, "reader", "")
	apitest.Eventually(t, 10*time.Second, "the reader is refused", func() bool {
		r := reader.Get(t, "/v1/films")
		return r.Status == 429 && r.Header.Get("Retry-After") != ""
	})
	admin.Get(t, "/v1/films").Want(t, 200)                                       // another caller
	admin.As("wrong").Get(t, "/v1/films").WantProblem(t, 401, "unauthenticated") // no caller
	apitest.Eventually(t, 10*time.Second, "it is answered again", func() bool { return reader.Get(t, "/v1/films").Status == 200 })
}

func TestDocumentsOnAPublicAddressNeedACredential(t *testing.T) {
	t.Parallel()
	dir := apitest.WriteModels(t, models)
	run := func(args ...string) string {
		p := apitest.Launch(t, append([]string{"--addr", "0.0.0.0:0", "--auth", "required", "--admin-key", adminKey, "--models", dir, "--storage", "memory"}, args...)...)
		return "http://127.0.0.1" + p.URL[strings.LastIndex(p.URL, ":"):]
	}
	status := func(url, credential string) int {
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if credential != "" {
			req.Header.Set("Authorization", "Bearer "+credential)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	hidden, shown := run(), run("--public-docs", "--public-metrics")
	for path, want := range map[string]int{"/docs": 401, "/guide/": 401, "/guide/models.html": 401, "/docs/swagger-ui.css": 401, "/openapi.json": 401, "/asyncapi.json": 401, "/metrics": 401, "/livez": 200, "/readyz": 200, "/v1/movies": 401} {
		if got := status(hidden+path, ""); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
		if got := status(hidden+path, adminKey); got != 200 {
			t.Errorf("%s as admin: %d", path, got)
		}
		if want == 401 && path != "/v1/movies" {
			want = 200
		}
		if got := status(shown+path, ""); got != want {
			t.Errorf("%s when it is public: %d, want %d", path, got, want)
		}
	}
}

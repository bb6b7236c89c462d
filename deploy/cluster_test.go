package deploy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/internal/testenv"
)

// certificate writes tls.crt and tls.key for 127.0.0.1 into dir; it is its own
// authority.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: der}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// runCluster runs three servers with the shipped configuration of a cluster, and
// that of TLS with the certificates in certs. Only addresses are replaced.
func runCluster(t *testing.T, certs string) (urls []string) {
	t.Helper()
	text, err := os.ReadFile("nats/tls.conf")
	if err != nil {
		t.Fatal(err)
	}
	secure := filepath.Join(certs, "tls.conf")
	if err := os.WriteFile(secure, []byte(strings.ReplaceAll(string(text), "/etc/nats-certs", certs)), 0o600); err != nil {
		t.Fatal(err)
	}
	tls, err := server.ProcessConfigFile(secure)
	if err != nil {
		t.Fatal(err)
	}
	listeners := make([]net.Listener, 3)
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Setenv(fmt.Sprint("NATS_ROUTE_", i+1), fmt.Sprintf(`"nats://route:%s@%s"`, testenv.Password, listeners[i].Addr()))
	}
	var servers []*server.Server
	for i, l := range listeners {
		o, err := testenv.NATSConfig("cluster.conf")
		if err != nil {
			t.Fatal(err)
		}
		o.ServerName, o.Host, o.Port, o.HTTPPort, o.StoreDir, o.NoSigs, o.NoLog = fmt.Sprint("nats-", i+1), "127.0.0.1", -1, 0, t.TempDir(), true, true
		o.TLS, o.TLSConfig, o.TLSTimeout = true, tls.TLSConfig, tls.TLSTimeout
		o.Cluster.Host, o.Cluster.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
		l.Close()
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	apitest.Eventually(t, 30*time.Second, "the cluster has a leader and three members", func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(servers) {
				return true
			}
		}
		return false
	})
	for _, s := range servers {
		urls = append(urls, fmt.Sprintf("tls://%s", s.Addr()))
	}
	return urls
}

// TestServicesOverTLSInACluster runs the services over three NATS servers with
// TLS. Who does not trust their certificate gets no further.
func TestServicesOverTLSInACluster(t *testing.T) {
	certs := t.TempDir()
	certificate(t, certs)
	urls := runCluster(t, certs)
	models, err := filepath.Abs("../examples/quickstart/models")
	if err != nil {
		t.Fatal(err)
	}
	s := apitest.Postgres(t)
	s.DataDir, s.NatsURL, s.Models = "", strings.Join(urls, ","), models
	environment := func(service string, more ...string) []string {
		in := s
		in.NatsUser, in.NatsEventsUser, in.NatsPassword, in.NatsInbox = service, service+"-events", testenv.Password, "_INBOX_"+strings.ToUpper(service)
		return append(append(apitest.Environment(in), "AUTOCRUD_NATS_REPLICAS=3"), more...)
	}
	ca := "AUTOCRUD_NATS_CA=" + filepath.Join(certs, "tls.crt")
	r := apitest.RunWith(t, environment("provision"), "provision")
	if r.Code == 0 || !strings.Contains(r.Stderr, "certificate") {
		t.Errorf("an unknown certificate: exit %d: %s", r.Code, r.Stderr)
	}
	if r = apitest.RunWith(t, environment("provision", ca), "provision"); r.Code != 0 {
		t.Fatalf("provision: exit %d: %s", r.Code, r.Stderr)
	}
	var api *apitest.Process
	for _, service := range []string{"indexer", "worker", "api"} {
		api = apitest.LaunchWith(t, environment(service, ca), service, "--addr", "127.0.0.1:0")
	}
	c := apitest.NewClient(t, api.URL)
	c.Post(t, "/v1/elements?id=Xx", map[string]any{"symbol": "Xx", "name": "testium", "number": 118, "period": 7}).Want(t, http.StatusCreated)
	if items := c.Get(t, `/v1/elements?consistency=strong&filter=symbol%20%3D%20%22Xx%22`).Want(t, http.StatusOK).Items(); len(items) != 1 {
		t.Errorf("%d are found", len(items))
	}
}

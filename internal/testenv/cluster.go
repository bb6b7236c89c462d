package testenv

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// NATS is a running server, or a cluster of them, that syncs what it stores
// before it answers.
type NATS struct {
	Servers []*server.Server
	options []*server.Options
}

// URL names all servers.
func (n *NATS) URL() string {
	urls := make([]string, len(n.Servers))
	for i, s := range n.Servers {
		urls[i] = s.ClientURL()
	}
	return strings.Join(urls, ",")
}

// StartNATS starts one server, or a cluster of size, until the end of the test.
func StartNATS(t testing.TB, size int) *NATS {
	t.Helper()
	n, err := NewNATS(t.TempDir(), size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

// NewNATS is StartNATS outside of a test; Stop must follow. Every client may
// do everything.
func NewNATS(dir string, size int) (*NATS, error) {
	return newNATS(dir, size, func(int) (*server.Options, error) { return &server.Options{}, nil })
}

// newNATS starts servers that begin with what options says of each.
func newNATS(dir string, size int, options func(i int) (*server.Options, error)) (*NATS, error) {
	n := &NATS{}
	ports, err := freePorts(2 * size)
	if err != nil {
		return nil, err
	}
	var routes []*url.URL
	for _, p := range ports[size:] {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", p)})
	}
	for i := range size {
		o, err := options(i)
		if err != nil {
			n.Stop()
			return nil, err
		}
		o.ServerName, o.Host, o.Port, o.HTTPPort, o.NoSigs, o.NoLog = fmt.Sprintf("n%d", i+1), "127.0.0.1", ports[i], 0, true, true
		o.JetStream, o.StoreDir, o.SyncAlways, o.MaxPayload = true, fmt.Sprintf("%s/n%d", dir, i+1), true, 2<<20
		o.JetStreamMaxStore, o.JetStreamMaxMemory = 1<<50, 1<<30
		if size > 1 {
			o.Cluster.Name, o.Cluster.Host, o.Cluster.Port = "test", "127.0.0.1", ports[size+i]
			o.Routes = routes
		}
		s, err := server.NewServer(o.Clone())
		if err != nil {
			n.Stop()
			return nil, err
		}
		s.Start()
		n.Servers, n.options = append(n.Servers, s), append(n.options, o)
	}
	return n, n.await()
}

// freePorts are ports on which no process listens.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// await returns when all take connections and a cluster has its leader.
func (n *NATS) await() error {
	for _, s := range n.Servers {
		if !s.ReadyForConnections(20 * time.Second) {
			return fmt.Errorf("%s is not ready after 20 s", s.Name())
		}
	}
	if len(n.Servers) == 1 {
		return nil
	}
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		for _, s := range n.Servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(n.Servers) {
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("the cluster has no leader after 30 s")
}

// Restart stops one server and starts it again on what it stored.
func (n *NATS) Restart(t testing.TB, i int) {
	t.Helper()
	n.StopOne(i)
	n.StartOne(t, i)
}

// StopOne stops one server.
func (n *NATS) StopOne(i int) {
	n.Servers[i].Shutdown()
	n.Servers[i].WaitForShutdown()
}

// StartOne starts a stopped one again at its address.
func (n *NATS) StartOne(t testing.TB, i int) {
	t.Helper()
	s, err := server.NewServer(n.options[i].Clone())
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	n.Servers[i] = s
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatalf("%s is not ready after 20 s", s.Name())
	}
}

// Stop ends all.
func (n *NATS) Stop() {
	for _, s := range n.Servers {
		s.Shutdown()
	}
	for _, s := range n.Servers {
		s.WaitForShutdown()
	}
}

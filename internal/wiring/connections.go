package wiring

import (
	"net"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// connections are the open ones. A connection over the limits is closed at once, so
// that a client with many does not keep others waiting; but for a few, which live
// shortly so that a probe can ask for the health of the process.
type connections struct {
	net.Listener
	most, each int            // 0: any number
	spared     []netip.Prefix // to which each does not apply

	refused prometheus.Counter
	mu      sync.Mutex
	open    int
	of      map[netip.Addr]int
	spare   []*counted // the oldest is first
}

// limitConnections takes connections of l up to the limits of the settings.
func limitConnections(l net.Listener, set *Settings, r *prometheus.Registry) (net.Listener, error) {
	spared, err := set.proxies()
	if err != nil {
		return nil, err
	}
	c := &connections{Listener: l, most: set.MaxConnections, each: set.MaxConnectionsPerAddress, spared: spared, of: map[netip.Addr]int{},
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "autocrud_http_connections_refused_total", Help: "Connections closed because there were too many."})}
	r.MustRegister(c.refused, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "autocrud_http_connections", Help: "Connections that are open."}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(c.open)
	}))
	return c, nil
}

// Accept implements net.Listener.
func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	peer, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	from := peer.Addr().Unmap().WithZone("")
	if c.enter(from) {
		return &counted{Conn: conn, leave: sync.OnceFunc(func() { c.leave(from) })}, nil
	}
	c.refused.Inc()
	return c.lend(conn, from), nil
}

func (c *connections) enter(from netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most > 0 && c.open >= c.most {
		return false
	}
	if c.each > 0 {
		if c.of[from] >= c.each && !c.spares(from) {
			return false
		}
		c.of[from]++
	}
	c.open++
	return true
}

func (c *connections) spares(a netip.Addr) bool {
	for _, n := range c.spared {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

func (c *connections) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.each > 0 {
		if c.of[from]--; c.of[from] <= 0 {
			delete(c.of, from)
		}
	}
}

// counted is a connection that says when it is closed.
type counted struct {
	net.Conn
	leave func()
	spare bool // over the limits
	from  netip.Addr
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}

package wiring

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// spareConnections are kept open beyond the limits, one of an address; the
	// oldest is closed for the next.
	spareConnections = 64
	// spareTime is how long each is: enough to be asked whether the process lives.
	spareTime = time.Second
)

// lend keeps a connection that is over the limits open for a moment: a probe
// of the process must be answered, however many other clients connect.
func (c *connections) lend(conn net.Conn, from netip.Addr) net.Conn {
	lent := &counted{Conn: conn, spare: true, from: from}
	lent.leave = sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spare = slices.DeleteFunc(c.spare, func(x *counted) bool { return x == lent })
	})
	c.mu.Lock()
	i := slices.IndexFunc(c.spare, func(x *counted) bool { return x.from == from })
	if i < 0 && len(c.spare) >= spareConnections {
		i = 0
	}
	var last *counted
	if i >= 0 {
		last = c.spare[i]
		c.spare = slices.Delete(c.spare, i, i+1)
	}
	c.spare = append(c.spare, lent)
	c.mu.Unlock()
	time.AfterFunc(spareTime, func() { _ = lent.Close() }) // it may be closed by then
	if last != nil {
		_ = last.Close() // its error changes nothing
	}
	return lent
}

type spareKey struct{}

// markSpare lets the requests of a connection know that it is over the limits.
func markSpare(ctx context.Context, conn net.Conn) context.Context {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	if c, ok := conn.(*counted); ok && c.spare {
		return context.WithValue(ctx, spareKey{}, true)
	}
	return ctx
}

// healthOnly answers on connections over the limits only how the process is.
func healthOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(spareKey{}) != nil {
			if r.URL.Path != "/livez" && r.URL.Path != "/readyz" {
				panic(http.ErrAbortHandler) // as if the connection had been closed at once
			}
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

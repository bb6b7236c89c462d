package webhook

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// TestAddressesThatAreRefused has one of each kind that leads inside, and some
// that do not.
func TestAddressesThatAreRefused(t *testing.T) {
	g := guard{}
	for _, text := range []string{"10.0.0.1", "172.16.3.4", "172.31.255.255", "192.168.1.1", "127.0.0.1", "127.255.0.1", "0.0.0.0", "0.1.2.3",
		"169.254.169.254", "100.64.0.1", "100.127.255.254", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.0.1", "192.0.2.1",
		"198.18.0.1", "198.51.100.7", "203.0.113.9", "192.88.99.1", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2001::1", "2001:db8::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1",
		"ff02::1", "100::1", "5f00::1", "3fff::1"} {
		if err := g.address(netip.AddrPortFrom(netip.MustParseAddr(text), 443)); err == nil {
			t.Errorf("%s may be called", text)
		}
	}
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"} {
		if err := g.address(netip.AddrPortFrom(netip.MustParseAddr(text), 443)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, port := range []uint16{0, 22, 25, 6379, 11211, 4222, 5432} {
		if err := g.address(netip.AddrPortFrom(netip.MustParseAddr("8.8.8.8"), port)); err == nil {
			t.Errorf("port %d may be called", port)
		}
	}
	inside := guard{[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for text, may := range map[string]bool{"127.0.0.1": true, "::ffff:127.0.0.1": true, "10.0.0.1": false, "::1": false} {
		if err := inside.address(netip.AddrPortFrom(netip.MustParseAddr(text), 12345)); (err == nil) != may {
			t.Errorf("with 127.0.0.0/8 allowed, %s: %v", text, err)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	g := guard{}
	for _, text := range []string{"", "x", "ftp://example.com", "file:///etc/passwd", "gopher://example.com", "//example.com", "http://", "http:example.com",
		"https://user@example.com", "https://user:pw@example.com", "https://:pw@example.com", "https://example.com#f", "https://example.com:22", "https://example.com:99999",
		"https://example.com:0", "https://example.com:x", "http://127.0.0.1", "http://127.0.0.1:80/x", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/",
		"http://localhost", "http://LOCALHOST.", "http://a.localhost:80", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://127.1/", "http://0177.0.0.1/",
		"http://169.254.169.254/latest/meta-data", "http://exa mple.com", "javascript:alert(1)", "http://127.0.0.1.:80/"} {
		if err := g.url(text); err == nil {
			t.Errorf("%q may be called", text)
		}
	}
	for _, text := range []string{"https://example.com", "http://example.com:8080/a?b=c", "https://8.8.8.8/", "https://EXAMPLE.com:8443"} {
		if err := g.url(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestTheAddressThatIsCalledIsTheOneThatWasLookedAt calls names that lead to
// this machine, as a name server could answer between a look and the call.
func TestTheAddressThatIsCalledIsTheOneThatWasLookedAt(t *testing.T) {
	var called atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	s := NewSender([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, "test") // so that the text alone does not refuse a name
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "ip6-localhost"} {
		o, _ := s.send(t.Context(), "http://"+host+":"+port+"/", nil, message{ID: "x"})
		if o.err == nil || called.Load() != 0 {
			t.Errorf("%s was called: %+v", host, o)
		}
		if strings.Contains(o.text(), "127.0.0.1") && !strings.Contains(host, "127.0.0.1") {
			t.Errorf("%s: the error tells what the name leads to: %s", host, o.text())
		}
	}
}

// TestANameMayChangeWhereItLeads has a name server that answers another address
// each time, and both at once: only what may be called is called.
func TestANameMayChangeWhereItLeads(t *testing.T) {
	listen := func(address string, called *atomic.Int64) string {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			called.Add(1)
			w.Header().Set("Connection", "close")
		})}
		go srv.Serve(l) //nolint:errcheck // it ends with Close
		t.Cleanup(func() { srv.Close() })
		return l.Addr().String()
	}
	var outside, inside atomic.Int64
	_, port, _ := net.SplitHostPort(listen("127.0.0.2:0", &outside))
	listen("127.0.0.1:"+port, &inside)
	var answers atomic.Value
	var asked atomic.Int64
	server := nameServer(t, func() []netip.Addr {
		asked.Add(1)
		return answers.Load().([]netip.Addr)
	})
	s := NewSender([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, "test")
	s.dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server)
	}}
	address := "http://hooks.example:" + port + "/"
	good, bad := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")
	for i, c := range []struct {
		answers []netip.Addr
		sent    bool
	}{{[]netip.Addr{good}, true}, {[]netip.Addr{bad}, false}, {[]netip.Addr{good}, true}, {[]netip.Addr{bad, good}, true}, {[]netip.Addr{good, bad}, true},
		{[]netip.Addr{bad, bad}, false}} {
		answers.Store(c.answers)
		before := asked.Load()
		if err := s.CheckURL(address); err != nil { // nothing is asked when it is made, so nothing is remembered
			t.Fatal(err)
		}
		o, _ := s.send(t.Context(), address, nil, message{ID: "x"})
		if o.ok() != c.sent || asked.Load() == before {
			t.Errorf("%d: with %v %+v, asked %d times", i, c.answers, o, asked.Load()-before)
		}
	}
	if inside.Load() != 0 || outside.Load() != 4 {
		t.Errorf("inside was called %d times, outside %d", inside.Load(), outside.Load())
	}
}

// nameServer answers every question for an IPv4 address.
func nameServer(t *testing.T, answer func() []netip.Addr) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				for _, a := range answer() {
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
						Body: &dnsmessage.AResource{A: a.As4()}})
				}
			}
			if b, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(b, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var called atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer inside.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside.URL, http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	s := NewSender([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "test")
	o, _ := s.send(t.Context(), srv.URL, nil, message{ID: "x"})
	if o.ok() || o.status != http.StatusTemporaryRedirect || called.Load() != 0 {
		t.Errorf("%+v, the target was called %d times", o, called.Load())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	stop := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; ; i++ { // without end
			select {
			case <-stop:
				return
			default:
			}
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	defer close(stop)
	s := NewSender([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "test")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	o, _ := s.send(ctx, srv.URL, nil, message{ID: "x"})
	if !o.ok() || len(o.answer) > 4*keptAnswer {
		t.Errorf("%d bytes kept, %v", len(o.answer), o.err)
	}
}

func TestTheWaitsOfThreeDays(t *testing.T) {
	sum, n := time.Duration(0), 0
	for {
		d := threeDays(n + 1)
		if d == 0 {
			break
		}
		sum += d
		n++
	}
	if sum < 66*time.Hour || sum > 72*time.Hour || n < 15 {
		t.Errorf("%d waits, %s in all", n, sum)
	}
}

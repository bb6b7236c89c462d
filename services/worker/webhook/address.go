package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ports that may be called elsewhere than in an allowed net.
var ports = []uint16{80, 443, 8080, 8443}

// special are the ranges that do not lead to a host on the Internet, besides
// those that netip knows (IANA special-purpose registries, RFC 6890).
var special = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
	"3fff::/20", "5f00::/16", "fec0::/10")

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// guard decides which addresses may be called.
type guard struct{ allowed []netip.Prefix }

// errForbidden tells that an address must not be called.
var errForbidden = errors.New("this address may not be called")

// address refuses what is not a host on the Internet or in an allowed net. It
// looks at the very address that is about to be connected to, so it does not
// matter what a name resolved to before.
func (g guard) address(ap netip.AddrPort) error {
	a := ap.Addr().Unmap()
	if a.Zone() == "" && slices.ContainsFunc(g.allowed, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return nil
	}
	if a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() ||
		slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return fmt.Errorf("%w: %s is not a public address", errForbidden, a)
	}
	if !slices.Contains(ports, ap.Port()) {
		return fmt.Errorf("%w: port %d is none of %v", errForbidden, ap.Port(), ports)
	}
	return nil
}

// control is asked by the dialer for each address before it connects.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", errForbidden, address)
	}
	return g.address(ap)
}

// url refuses what can be told from the text alone. What a name leads to is
// looked at when it is called.
func (g guard) url(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("is not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must begin with http:// or https://")
	case u.User != nil:
		return errors.New("must not hold a user or a password")
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("needs a host")
	case u.Fragment != "":
		return errors.New("must not hold a fragment")
	}
	port := uint64(80)
	if u.Scheme == "https" {
		port = 443
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.ParseUint(p, 10, 16); err != nil || port == 0 {
			return errors.New("has an invalid port")
		}
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.address(netip.AddrPortFrom(a, uint16(port)))
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if len(g.allowed) == 0 {
		if host == "localhost" || strings.HasSuffix(host, ".localhost") {
			return fmt.Errorf("%w: %s is not a public address", errForbidden, host)
		}
		if !slices.Contains(ports, uint16(port)) {
			return fmt.Errorf("%w: port %d is none of %v", errForbidden, port, ports)
		}
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; last == "" || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return errors.New("is a number in a form that is not an address") // RFC 3986 knows none, some resolvers do
	}
	return nil
}

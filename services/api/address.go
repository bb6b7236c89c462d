package api

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxForwarded bounds how many proxies are believed, one after another.
const maxForwarded = 16

// clientAddress is where a request comes from. X-Forwarded-For counts only from a
// trusted proxy, and only as far as the proxies that it names are trusted: what
// is before was written by the sender.
func clientAddress(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	address := peer.Addr().Unmap().WithZone("")
	if len(trusted) == 0 {
		return address.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for n := 0; within(address, trusted) && n < maxForwarded && len(hops) > 0; n++ {
		hop := strings.TrimSpace(hops[len(hops)-1])
		hops = hops[:len(hops)-1]
		next, err := netip.ParseAddr(strings.Trim(hop, "[]"))
		if err != nil {
			with, err := netip.ParseAddrPort(hop)
			if err != nil {
				break
			}
			next = with.Addr()
		}
		address = next.Unmap().WithZone("")
	}
	return address.String()
}

func within(a netip.Addr, nets []netip.Prefix) bool {
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

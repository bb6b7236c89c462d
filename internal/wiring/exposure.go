package wiring

import (
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/services/api"
)

// withExposureDefaults fills in what the command line would of what a network sees.
func (x Choices) withExposureDefaults() Choices {
	if x.MaxConnections == 0 {
		x.MaxConnections = 20000
	}
	if x.HeaderTimeout == 0 {
		x.HeaderTimeout = 10 * time.Second
	}
	if x.BodyTimeout == 0 {
		x.BodyTimeout = 2 * time.Minute
	}
	if x.StallTimeout == 0 {
		x.StallTimeout = 10 * time.Second
	}
	for to, def := range map[*int]int{&x.MaxRequestsPerAddress: 512, &x.MaxRequestsPerPrincipal: 512, &x.MaxWatchesPerAddress: 5000, &x.MaxWatchesPerPrincipal: 5000} {
		if *to == 0 {
			*to = def
		}
	}
	for to, def := range map[*int64]int64{&x.UploadQuota: 1 << 40, &x.UploadQuotaPrincipal: 100 << 30} {
		if *to == 0 {
			*to = def
		}
	}
	if x.MaxHeaderBytes == 0 {
		x.MaxHeaderBytes = 512 << 10
	}
	return x
}

// checkExposure refuses what a network must not see before anything is started.
func (x *Choices) checkExposure() error {
	if (x.TLSCert == "") != (x.TLSKey == "") {
		return wrong("--tls-cert and --tls-key go together")
	}
	for _, o := range x.CORSOrigins {
		if o == "*" {
			if x.Auth != "required" {
				return wrong("--cors-origin * without authentication would let every web page read and write everything: name the origins")
			}
			continue
		}
		u, err := url.Parse(o)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || o != u.Scheme+"://"+strings.ToLower(u.Host) {
			return wrong("--cors-origin is an origin as browsers write it, like https://app.example.com, or *, not %q", o)
		}
	}
	if _, err := x.proxies(); err != nil {
		return err
	}
	if x.RateLimitAddress < 0 || x.RateLimitPrincipal < 0 || x.RateLimitPublic < 0 {
		return wrong("--rate-limit-address, --rate-limit-principal and --rate-limit-public are numbers of requests a second, or 0")
	}
	if x.MaxConnections < 0 || x.MaxConnectionsPerAddress < 0 {
		return wrong("--max-connections and --max-connections-per-address are numbers, or 0")
	}
	if x.HeaderTimeout < time.Millisecond || x.BodyTimeout < x.HeaderTimeout || x.BodyTimeout > time.Hour {
		return wrong("--header-timeout is at least 1ms, and --body-timeout from as long to 1h")
	}
	if x.StallTimeout < time.Millisecond || x.StallTimeout > time.Hour {
		return wrong("--stall-timeout is from 1ms to 1h")
	}
	for name, n := range map[string]int{"requests-per-address": x.MaxRequestsPerAddress, "requests-per-principal": x.MaxRequestsPerPrincipal,
		"watches-per-address": x.MaxWatchesPerAddress, "watches-per-principal": x.MaxWatchesPerPrincipal} {
		if n < -1 || n == 0 {
			return wrong("--max-%s is a number from 1 on, or -1 for any", name)
		}
	}
	for name, n := range map[string]int64{"upload-quota": x.UploadQuota, "upload-quota-principal": x.UploadQuotaPrincipal} {
		if n < -1 || n == 0 {
			return wrong("--%s is a number of bytes from 1 on, or -1 for any", name)
		}
	}
	if x.MaxHeaderBytes < 4096 || x.MaxHeaderBytes > 16<<20 {
		return wrong("--max-header-bytes is from 4096 to 16777216")
	}
	return nil
}

// proxies are the nets of TrustedProxies; an address is a net of one.
func (x *Choices) proxies() (nets []netip.Prefix, err error) {
	for _, text := range x.TrustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, wrong("--trusted-proxies are nets like 10.0.0.0/8, not %q", text)
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		nets = append(nets, p)
	}
	return nets, nil
}

// limits are how much of the API one client may take at the same time.
func (x *Choices) limits() api.Limits {
	return api.Limits{RequestsPerAddress: x.MaxRequestsPerAddress, RequestsPerPrincipal: x.MaxRequestsPerPrincipal,
		WatchesPerAddress: x.MaxWatchesPerAddress, WatchesPerPrincipal: x.MaxWatchesPerPrincipal, Stall: x.StallTimeout, Body: x.BodyTimeout}
}

// said is a setting that may be left to a rule.
func said(choice *bool, otherwise bool) bool {
	if choice != nil {
		return *choice
	}
	return otherwise
}

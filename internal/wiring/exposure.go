package wiring

import (
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/services/api"
)

// Exposure is what stands between a network and the API: encryption, whose pages
// and proxies are trusted, and how much anybody may ask for.
type Exposure struct {
	TLSCert string `name:"tls-cert" group:"exposure" help:"File with the certificate chain in PEM; with --tls-key the service speaks HTTPS. Both are read again when they change."`
	TLSKey  string `name:"tls-key" group:"exposure" help:"File with the private key of the certificate."`

	CORSOrigins    []string `name:"cors-origin" group:"exposure" help:"Origin whose pages may use the API, like https://app.example.com; can be repeated. * is every page, without credentials, and needs authentication. Default: none."`
	TrustedProxies []string `name:"trusted-proxies" group:"exposure" help:"Nets of proxies whose X-Forwarded-For is believed, like 10.0.0.0/8; can be repeated. Default: none."`
	PublicDocs     *bool    `name:"public-docs" group:"exposure" help:"Show /docs, /openapi.json and /asyncapi.json to everybody (true or false). Default: true on loopback or without authentication."`
	PublicMetrics  *bool    `name:"public-metrics" group:"exposure" help:"Show /metrics to everybody (true or false). Default: true without authentication."`

	RateLimitAddress   float64 `name:"rate-limit-address" group:"exposure" help:"Requests a second that an address may send to this process, and as many at once; 0: any number."`
	RateLimitPrincipal float64 `name:"rate-limit-principal" group:"exposure" help:"Requests a second that a principal may send to this process, and as many at once; 0: any number."`

	MaxConnections           int           `name:"max-connections" default:"20000" group:"exposure" help:"Connections at the same time; further ones are closed at once. 0: any number."`
	MaxConnectionsPerAddress int           `name:"max-connections-per-address" group:"exposure" help:"Connections of one address at the same time, trusted proxies left out. 0: any number."`
	HeaderTimeout            time.Duration `name:"header-timeout" default:"10s" group:"exposure" help:"How long the head of a request may take to arrive."`
	BodyTimeout              time.Duration `name:"body-timeout" default:"2m" group:"exposure" help:"How long a request may take to arrive whole; uploads of binaries and backups have 30 minutes."`
	StallTimeout             time.Duration `name:"stall-timeout" default:"10s" group:"exposure" help:"How long a client may send nothing of a body, or take nothing of an answer, before its connection is closed."`
	MaxRequestsPerAddress    int           `name:"max-requests-per-address" default:"512" group:"exposure" help:"Requests of one address under way at the same time, of 2048 in all. -1: any number."`
	MaxRequestsPerPrincipal  int           `name:"max-requests-per-principal" default:"512" group:"exposure" help:"Requests of one principal under way at the same time. -1: any number."`
	MaxWatchesPerAddress     int           `name:"max-watches-per-address" default:"5000" group:"exposure" help:"Watches and followed logs of one address at the same time, of 10000 in all. -1: any number."`
	MaxWatchesPerPrincipal   int           `name:"max-watches-per-principal" default:"5000" group:"exposure" help:"Watches and followed logs of one principal at the same time. -1: any number."`
	UploadQuota              int64         `name:"upload-quota" default:"1099511627776" group:"exposure" help:"Most bytes of binaries that are uploaded to this process in a day. -1: any number."`
	UploadQuotaPrincipal     int64         `name:"upload-quota-principal" default:"107374182400" group:"exposure" help:"Most bytes of binaries that a principal uploads to this process in a day, where there are principals. -1: any number."`
	MaxHeaderBytes           int           `name:"max-header-bytes" default:"524288" group:"exposure" help:"Most bytes of the head of a request."`
}

// withDefaults fills in what the command line would.
func (x Exposure) withDefaults() Exposure {
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

// check refuses settings before anything is started.
func (x *Exposure) check(authenticated bool) error {
	if (x.TLSCert == "") != (x.TLSKey == "") {
		return wrong("--tls-cert and --tls-key go together")
	}
	for _, o := range x.CORSOrigins {
		if o == "*" {
			if !authenticated {
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
	if x.RateLimitAddress < 0 || x.RateLimitPrincipal < 0 {
		return wrong("--rate-limit-address and --rate-limit-principal are numbers of requests a second, or 0")
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
func (x *Exposure) proxies() (nets []netip.Prefix, err error) {
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
func (x *Exposure) limits() api.Limits {
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

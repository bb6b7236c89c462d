// Package format checks text against the formats of JSON Schema 2020-12
// (validation, section 7.3), each by the grammar of its RFC.
package format

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
)

// Checks are the formats by name. A check takes any text and returns why it is
// not of the format; times are for the caller to keep.
var Checks = map[string]func(string) error{
	"duration":      duration,
	"ipv4":          ipv4,
	"ipv6":          ipv6,
	"hostname":      hostname,
	"idn-hostname":  idnHostname,
	"email":         email,
	"idn-email":     idnEmail,
	"uri":           func(s string) error { return uri(s, false, false) },
	"uri-reference": func(s string) error { return uri(s, false, true) },
	"iri":           func(s string) error { return uri(s, true, false) },
	"iri-reference": func(s string) error { return uri(s, true, true) },
	"uri-template":  uriTemplate,
	"regex":         ecmaRegex,
}

// RFC 3339 appendix A: units follow each other without a gap, weeks stand alone.
var durationForm = regexp.MustCompile(`^P(?:[0-9]+W|(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)(?:` + durationTime + `)?|` + durationTime + `)$`)

const durationTime = `T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)`

func duration(s string) error {
	if !durationForm.MatchString(s) {
		return errors.New("is no duration such as P1Y2M3DT4H5M6S or P2W (RFC 3339 appendix A)")
	}
	return nil
}

// RFC 2673 section 3.2; a leading zero would be octal to some readers.
func ipv4(s string) error {
	if a, err := netip.ParseAddr(s); err != nil || !a.Is4() {
		return errors.New("is no IPv4 address such as 192.0.2.1")
	}
	return nil
}

// RFC 4291 section 2.2; a zone is not part of an address.
func ipv6(s string) error {
	if a, err := netip.ParseAddr(s); err != nil || !a.Is6() || a.Zone() != "" || strings.Contains(s, "%") {
		return errors.New("is no IPv6 address such as 2001:db8::1")
	}
	return nil
}

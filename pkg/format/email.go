package format

import (
	"errors"
	"strings"
)

// email checks a Mailbox of RFC 5321 section 4.1.2, with the lengths of section
// 4.5.3.1.
func email(s string) error { return mailbox(s, false) }

// idnEmail checks RFC 6531 section 3.3, by which both parts may be international.
func idnEmail(s string) error { return mailbox(s, true) }

func mailbox(s string, international bool) error {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return errors.New("has no @")
	}
	local, domain := s[:at], s[at+1:]
	if len(local) > 64 || len(s) > 254 {
		return errors.New("is longer than 254 bytes, or than 64 before the @")
	}
	if !isLocal(local, international) {
		return errors.New("has a part before the @ that is no name")
	}
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		return addressLiteral(literal)
	}
	if international {
		return idnHostname(domain)
	}
	for label := range strings.SplitSeq(domain, ".") {
		if err := ldh(label); err != nil {
			return err
		}
	}
	return nil
}

// isLocal is Dot-string or Quoted-string.
func isLocal(s string, international bool) bool {
	if inside, ok := strings.CutPrefix(s, `"`); ok {
		inside, ok = strings.CutSuffix(inside, `"`)
		for i := 0; ok && i < len(inside); i++ {
			c := inside[i]
			if c == '\\' {
				i++
				ok = i < len(inside) && inside[i] >= ' ' && inside[i] <= '~'
				continue
			}
			ok = c >= ' ' && c <= '~' && c != '"' || international && c > 127
		}
		return ok
	}
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			c := atom[i]
			if !isAlpha(c) && !isDigit(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 && (!international || c < 128) {
				return false
			}
		}
	}
	return true
}

func addressLiteral(s string) error {
	bad := errors.New("has no address in the brackets")
	s, ok := strings.CutSuffix(s, "]")
	if !ok {
		return bad
	}
	if tag, address, tagged := strings.Cut(s, ":"); tagged {
		if strings.EqualFold(tag, "IPv6") {
			return ipv6(address)
		}
		if ldh(tag) != nil || address == "" {
			return bad
		}
		for _, r := range address {
			if r < '!' || r > '~' || r >= '[' && r <= ']' {
				return bad
			}
		}
		return nil
	}
	return ipv4(s)
}

package format

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// uri checks RFC 3986 appendix A, or for an IRI RFC 3987 section 2.2; a
// reference may be relative.
func uri(s string, international, reference bool) error {
	rest, fragment, _ := strings.Cut(s, "#")
	rest, query, _ := strings.Cut(rest, "?")
	x := uriChars{international}
	if err := x.all(fragment, ":@/?", false); err != nil {
		return err
	}
	if err := x.all(query, ":@/?", true); err != nil {
		return err
	}
	scheme, after, absolute := strings.Cut(rest, ":")
	absolute = absolute && isScheme(scheme)
	switch {
	case absolute:
		rest = after
	case !reference:
		return errors.New("has no scheme, such as https")
	}
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		authority, rest = cutAt(authority, '/')
		if err := x.authority(authority); err != nil {
			return err
		}
	} else if first, _ := cutAt(rest, '/'); !absolute && strings.Contains(first, ":") {
		return errors.New("begins with a part that has a colon and is no scheme")
	}
	return x.all(rest, ":@/", false)
}

// cutAt divides s before a byte.
func cutAt(s string, c byte) (before, from string) {
	if i := strings.IndexByte(s, c); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func isScheme(s string) bool {
	return s != "" && isAlpha(s[0]) && strings.IndexFunc(s, func(r rune) bool {
		return r > 127 || !isAlpha(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("+-.", r)
	}) < 0
}

func isAlpha(c byte) bool { return c|32 >= 'a' && c|32 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c|32 >= 'a' && c|32 <= 'f' }

type uriChars struct{ international bool }

const (
	unreservedMarks = "-._~"
	subDelims       = "!$&'()*+,;="
)

// all checks that s holds unreserved, escaped and delimiting characters and those
// of more; private ones, of an IRI's query, where they may be.
func (x uriChars) all(s, more string, private bool) error {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isAlpha(c) || isDigit(c) || strings.IndexByte(unreservedMarks+subDelims+more, c) >= 0:
			i++
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return errors.New("has a % without two hexadecimal digits")
			}
			i += 3
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if !x.international || !isUCS(r) && (!private || !isPrivate(r)) {
				return fmt.Errorf("has the character %q, which must be escaped", r)
			}
			i += n
		}
	}
	return nil
}

// isUCS is ucschar of RFC 3987: everything beyond ASCII but private and
// noncharacters.
func isUCS(r rune) bool {
	switch {
	case r < 0xa0, r >= 0xe000 && r < 0xf900, r >= 0xfdd0 && r <= 0xfdef, r >= 0xfff0 && r <= 0xffff:
		return false
	case r >= 0xe0000 && r < 0xe1000, r >= 0xf0000:
		return false
	}
	return r&0xfffe != 0xfffe
}

func isPrivate(r rune) bool {
	return r >= 0xe000 && r <= 0xf8ff || r >= 0xf0000 && r <= 0xffffd || r >= 0x100000 && r <= 0x10fffd
}

func (x uriChars) authority(s string) error {
	if user, host, ok := strings.Cut(s, "@"); ok {
		if err := x.all(user, ":", false); err != nil {
			return err
		}
		s = host
	}
	if literal, ok := strings.CutPrefix(s, "["); ok {
		address, port, ok := strings.Cut(literal, "]")
		if !ok || !isLiteral(address) || port != "" && (port[0] != ':' || !allDigits(port[1:])) {
			return errors.New("has no address in its brackets")
		}
		return nil
	}
	host, port, _ := strings.Cut(s, ":")
	if !allDigits(port) {
		return errors.New("has a port that is no number")
	}
	return x.all(host, "", false)
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// isLiteral is what stands in brackets: an IPv6 address or one of a later
// version.
func isLiteral(s string) bool {
	if s == "" || s[0]|32 != 'v' {
		return ipv6(s) == nil
	}
	version, address, ok := strings.Cut(s[1:], ".")
	return ok && version != "" && address != "" && strings.Trim(version, "0123456789abcdefABCDEF") == "" &&
		!strings.Contains(address, "%") && uriChars{}.all(address, ":", false) == nil
}

// uriTemplate checks RFC 6570 section 2.
func uriTemplate(s string) error {
	for s != "" {
		literal, from := cutAt(s, '{')
		if err := templateLiteral(literal); err != nil {
			return err
		}
		if from == "" {
			return nil
		}
		expression, rest, ok := strings.Cut(from[1:], "}")
		if !ok {
			return errors.New("has a { without its }")
		}
		if err := templateExpression(expression); err != nil {
			return err
		}
		s = rest
	}
	return nil
}

func templateLiteral(s string) error {
	for i, r := range s {
		switch {
		case r == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])):
			return errors.New("has a % without two hexadecimal digits")
		case r <= ' ' || r == 0x7f || r > 0x7f && !isUCS(r) && !isPrivate(r) || strings.ContainsRune("\"'<>\\^`{|}", r):
			return fmt.Errorf("has the character %q outside of an expression", r)
		}
	}
	return nil
}

func templateExpression(s string) error {
	if s != "" && strings.IndexByte("+#./;?&=,!@|", s[0]) >= 0 {
		s = s[1:]
	}
	for variable := range strings.SplitSeq(s, ",") {
		if name, ok := strings.CutSuffix(variable, "*"); ok {
			variable = name
		} else if name, length, ok := strings.Cut(variable, ":"); ok {
			if length == "" || len(length) > 4 || length[0] == '0' || !allDigits(length) {
				return fmt.Errorf("has the length %q in an expression", length)
			}
			variable = name
		}
		if !isVariable(variable) {
			return fmt.Errorf("has the name %q in an expression", variable)
		}
	}
	return nil
}

func isVariable(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
			return false
		}
		for i := 0; i < len(part); i++ {
			switch c := part[i]; {
			case isAlpha(c) || isDigit(c) || c == '_':
			case c == '%' && i+2 < len(part) && isHex(part[i+1]) && isHex(part[i+2]):
				i += 2
			default:
				return false
			}
		}
	}
	return true
}

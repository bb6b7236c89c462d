package format

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ecmaRegex checks the Pattern of ECMA 262 section 22.2.1 with the flag u, which
// JSON Schema asks for (core, section 6.4).
func ecmaRegex(s string) error {
	p := &ecmaParser{s: s, names: map[string]bool{}}
	p.disjunction()
	if p.err == nil && p.i < len(s) {
		p.fail("a ) without its (")
	}
	for _, n := range p.numbers {
		if n > p.groups {
			p.fail(fmt.Sprintf(`\%d refers to no group`, n))
		}
	}
	for _, name := range p.named {
		if !p.names[name] {
			p.fail(`\k<` + name + "> refers to no group")
		}
	}
	return p.err
}

type ecmaParser struct {
	s       string
	i       int
	groups  int
	names   map[string]bool
	numbers []int    // that are referred to
	named   []string // the same
	err     error
}

func (p *ecmaParser) fail(reason string) {
	if p.err == nil {
		p.err = errors.New("is no regular expression: " + reason)
	}
	p.i = len(p.s)
}

func (p *ecmaParser) has(prefix string) bool {
	if !strings.HasPrefix(p.s[p.i:], prefix) {
		return false
	}
	p.i += len(prefix)
	return true
}

func (p *ecmaParser) disjunction() {
	for p.i < len(p.s) && p.s[p.i] != ')' {
		if p.s[p.i] == '|' {
			p.i++
			continue
		}
		p.term()
	}
}

var groupName = regexp.MustCompile(`^[\p{L}\p{Nl}$_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}$\x{200c}\x{200d}]*$`)

func (p *ecmaParser) term() {
	repeatable := true
	switch c := p.s[p.i]; {
	case c == '^' || c == '$':
		p.i++
		repeatable = false
	case p.has(`\b`) || p.has(`\B`):
		repeatable = false
	case p.has("(?=") || p.has("(?!") || p.has("(?<=") || p.has("(?<!"):
		p.group()
		repeatable = false
	case p.has("(?:"):
		p.group()
	case p.has("(?<"):
		name, _, ok := strings.Cut(p.s[p.i:], ">")
		if !ok || !groupName.MatchString(name) || p.names[name] {
			p.fail("a group has no name of its own")
			return
		}
		p.names[name] = true
		p.i += len(name) + 1
		p.groups++
		p.group()
	case strings.HasPrefix(p.s[p.i:], "(?"):
		p.fail("what follows (? is not known")
	case c == '(':
		p.i++
		p.groups++
		p.group()
	case c == '[':
		p.i++
		p.class()
	case c == '\\':
		p.i++
		p.escape(false)
	case strings.IndexByte("*+?{}]", c) >= 0:
		p.fail(fmt.Sprintf("%q stands for itself only after a backslash", c))
	default:
		_, n := utf8.DecodeRuneInString(p.s[p.i:])
		p.i += n
	}
	p.quantifier(repeatable)
}

func (p *ecmaParser) group() {
	p.disjunction()
	if !p.has(")") {
		p.fail("a ( without its )")
	}
}

var counts = regexp.MustCompile(`^\{(\d+)(?:,(\d*))?\}`)

func (p *ecmaParser) quantifier(allowed bool) {
	if p.err != nil || p.i >= len(p.s) || strings.IndexByte("*+?{", p.s[p.i]) < 0 {
		return
	}
	if !allowed {
		p.fail("nothing that could be repeated")
		return
	}
	if p.s[p.i] != '{' {
		p.i++
	} else {
		m := counts.FindStringSubmatch(p.s[p.i:])
		if m == nil {
			p.fail("{ stands for itself only after a backslash")
			return
		}
		least, _ := strconv.ParseUint(m[1], 10, 63)
		if most, err := strconv.ParseUint(m[2], 10, 63); err == nil && most < least {
			p.fail(m[0] + ": the larger count comes last")
			return
		}
		p.i += len(m[0])
	}
	p.has("?")
}

var propertyName = regexp.MustCompile(`^\{[A-Za-z_]+(=[A-Za-z0-9_]+)?\}`)

// escape reads what follows a backslash; -1 is a set of characters.
func (p *ecmaParser) escape(inClass bool) rune {
	if p.i >= len(p.s) {
		p.fail("a backslash at the end")
		return -1
	}
	c := p.s[p.i]
	p.i++
	switch {
	case strings.IndexByte("dDsSwW", c) >= 0:
		return -1
	case strings.IndexByte("fnrtv", c) >= 0:
		return rune("\f\n\r\t\v"[strings.IndexByte("fnrtv", c)])
	case strings.IndexByte(`^$\.*+?()[]{}|/`, c) >= 0 || inClass && c == '-':
		return rune(c)
	case inClass && c == 'b':
		return '\b'
	case c == 'p' || c == 'P':
		m := propertyName.FindString(p.s[p.i:])
		if m == "" {
			p.fail(`\p names no property`)
		}
		p.i = min(p.i+len(m), len(p.s))
		return -1
	case c == 'c' && p.i < len(p.s) && isAlpha(p.s[p.i]):
		p.i++
		return rune(p.s[p.i-1] & 31)
	case c == '0' && (p.i == len(p.s) || !isDigit(p.s[p.i])):
		return 0
	case c >= '1' && c <= '9' && !inClass:
		end := p.i
		for end < len(p.s) && isDigit(p.s[end]) {
			end++
		}
		n, err := strconv.Atoi(p.s[p.i-1 : end])
		if err != nil {
			n = 1 << 30
		}
		p.numbers, p.i = append(p.numbers, n), end
		return -1
	case c == 'k' && !inClass:
		if name, _, ok := strings.Cut(strings.TrimPrefix(p.s[p.i:], "<"), ">"); ok && p.has("<"+name+">") {
			p.named = append(p.named, name)
			return -1
		}
	case c == 'x' || c == 'u':
		return p.codePoint(c)
	}
	p.fail(fmt.Sprintf(`\%s is no escape`, strings.ToValidUTF8(string(c), "?")))
	return -1
}

var codes = map[byte]*regexp.Regexp{
	'x': regexp.MustCompile(`^([0-9A-Fa-f]{2})`),
	'u': regexp.MustCompile(`^(?:([0-9A-Fa-f]{4})|\{([0-9A-Fa-f]+)\})`),
}

func (p *ecmaParser) codePoint(kind byte) rune {
	m := codes[kind].FindStringSubmatch(p.s[p.i:])
	if m == nil {
		p.fail(`\` + string(kind) + " needs hexadecimal digits")
		return -1
	}
	p.i += len(m[0])
	digits := m[1]
	if len(m) > 2 {
		digits += m[2]
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || n > utf8.MaxRune {
		p.fail("a code point beyond Unicode")
		return -1
	}
	return rune(n)
}

func (p *ecmaParser) class() {
	p.has("^")
	for {
		if p.i >= len(p.s) {
			p.fail("a [ without its ]")
			return
		}
		if p.has("]") {
			return
		}
		low := p.classAtom()
		if p.i+1 < len(p.s) && p.s[p.i] == '-' && p.s[p.i+1] != ']' {
			p.i++
			if high := p.classAtom(); p.err == nil && (low < 0 || high < 0 || high < low) {
				p.fail("a range in [] has no order")
			}
		}
	}
}

func (p *ecmaParser) classAtom() rune {
	if p.has(`\`) {
		return p.escape(true)
	}
	r, n := utf8.DecodeRuneInString(p.s[p.i:])
	p.i += n
	return r
}

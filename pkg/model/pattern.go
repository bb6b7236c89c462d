package model

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// compilePattern compiles a regular expression of a schema, which is one of
// ECMA 262 with the flag u (JSON Schema core, section 6.4), by the engine of Go.
// What that engine cannot do, looking around and back references, is an error.
func compilePattern(expression string) (*regexp.Regexp, error) {
	translated, err := fromECMA(expression)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(translated)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}

// White space and line ends of ECMA 262, sections 12.2 and 12.3, as parts of a
// class.
const (
	ecmaSpace = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	ecmaLines = `\n\r\x{2028}\x{2029}`
	// The complement of ecmaSpace, for a class that holds other things beside it.
	ecmaNoSpace = `\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
	maxRepeat   = 1000 // of the engine
	mostRepeats = 10_000
)

type ecma struct {
	s     string
	i     int
	out   strings.Builder
	atom  int   // where the last atom begins in out; -1: there is none
	opens []int // where the open groups begin in out
}

func fromECMA(s string) (string, error) {
	e := ecma{s: s, atom: -1}
	for e.i < len(s) {
		if err := e.next(); err != nil {
			return "", err
		}
	}
	return e.out.String(), nil
}

func (e *ecma) next() error {
	start := e.out.Len()
	switch c := e.s[e.i]; c {
	case '\\':
		e.atom = start
		return e.escape(false)
	case '[':
		e.atom = start
		return e.class()
	case '.':
		e.out.WriteString("[^" + ecmaLines + "]")
		e.i++
		e.atom = start
	case '(':
		for _, look := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
			if strings.HasPrefix(e.s[e.i:], look) {
				return fmt.Errorf("looking around, %s...), is not supported", look)
			}
		}
		e.opens = append(e.opens, start)
		e.out.WriteByte(c)
		e.i++
		e.atom = -1
	case ')':
		e.atom = -1
		if n := len(e.opens); n > 0 {
			e.atom, e.opens = e.opens[n-1], e.opens[:n-1]
		}
		e.out.WriteByte(c)
		e.i++
	case '{':
		return e.repeat()
	default:
		_, n := utf8.DecodeRuneInString(e.s[e.i:])
		e.out.WriteString(e.s[e.i : e.i+n])
		e.i += n
		if !strings.ContainsRune("*+?|^$", rune(c)) {
			e.atom = start
		}
	}
	return nil
}

var repeatCount = regexp.MustCompile(`^\{(\d+)(,(\d*))?\}`)

// repeat divides counts that are beyond the engine's.
func (e *ecma) repeat() error {
	m := repeatCount.FindStringSubmatch(e.s[e.i:])
	if m == nil || e.atom < 0 {
		e.out.WriteByte('{')
		e.atom = e.out.Len() - 1
		e.i++
		return nil
	}
	least, err := strconv.Atoi(m[1])
	most := least
	switch {
	case m[2] != "" && m[3] == "":
		most = -1
	case m[2] != "" && err == nil:
		most, err = strconv.Atoi(m[3])
	}
	if err != nil || least > mostRepeats || most > mostRepeats {
		return fmt.Errorf("%s: a count is at most %d", m[0], mostRepeats)
	}
	if most >= 0 && most < least {
		return fmt.Errorf("%s: the larger count comes last", m[0])
	}
	e.i += len(m[0])
	if max(least, most) <= maxRepeat {
		e.out.WriteString(m[0])
		return nil
	}
	atom := e.out.String()[e.atom:]
	before := e.out.String()[:e.atom]
	e.out.Reset()
	e.out.WriteString(before + "(?:")
	for left := least; left > 0; left -= maxRepeat {
		fmt.Fprintf(&e.out, "%s{%d}", atom, min(left, maxRepeat))
	}
	for left := most - least; left > 0; left -= maxRepeat {
		fmt.Fprintf(&e.out, "%s{0,%d}", atom, min(left, maxRepeat))
	}
	if most < 0 {
		e.out.WriteString(atom + "*")
	}
	e.out.WriteString(")")
	return nil
}

// class reads [...].
func (e *ecma) class() error {
	e.i++
	negated := strings.HasPrefix(e.s[e.i:], "^")
	if negated {
		e.i++
	}
	if strings.HasPrefix(e.s[e.i:], "]") { // ECMA: nothing, and everything
		e.i++
		if negated {
			e.out.WriteString(`[\x{0}-\x{10ffff}]`)
		} else {
			e.out.WriteString(`[^\x{0}-\x{10ffff}]`)
		}
		return nil
	}
	e.out.WriteByte('[')
	if negated {
		e.out.WriteByte('^')
	}
	for e.i < len(e.s) {
		switch c := e.s[e.i]; {
		case c == ']':
			e.out.WriteByte(c)
			e.i++
			return nil
		case c == '\\':
			if err := e.escape(true); err != nil {
				return err
			}
		case strings.HasPrefix(e.s[e.i:], "[:"): // a named class of the engine
			e.out.WriteString("[:")
			e.i += 2
			if end := strings.Index(e.s[e.i:], ":]"); end >= 0 {
				e.out.WriteString(e.s[e.i : e.i+end+2])
				e.i += end + 2
			}
		case c == '[':
			e.out.WriteString(`\[`)
			e.i++
		default:
			e.out.WriteByte(c)
			e.i++
		}
	}
	return nil // the engine says what is missing
}

// escape reads what follows a backslash.
func (e *ecma) escape(inClass bool) error {
	if e.i+1 >= len(e.s) {
		return errors.New("a backslash at the end")
	}
	c := e.s[e.i+1]
	write := func(s string, length int) error {
		e.out.WriteString(s)
		e.i += length
		return nil
	}
	switch {
	case c == 's' && inClass:
		return write(ecmaSpace, 2)
	case c == 's':
		return write("["+ecmaSpace+"]", 2)
	case c == 'S' && inClass:
		return write(ecmaNoSpace, 2)
	case c == 'S':
		return write("[^"+ecmaSpace+"]", 2)
	case c == 'u':
		return e.codePoint()
	case c == 'c' && e.i+2 < len(e.s) && isLetter(e.s[e.i+2]):
		return write(fmt.Sprintf(`\x{%x}`, e.s[e.i+2]&31), 3)
	case c == '0' && (e.i+2 >= len(e.s) || e.s[e.i+2] < '0' || e.s[e.i+2] > '9'):
		return write(`\x{0}`, 2)
	case c >= '1' && c <= '9':
		return fmt.Errorf(`back references, \%c, are not supported`, c)
	case c == 'k':
		return errors.New(`back references, \k, are not supported`)
	case c == 'b' && inClass:
		return write(`\x{8}`, 2)
	case c == 'p' || c == 'P':
		return e.property(c)
	case c == '/':
		return write("/", 2)
	}
	_, n := utf8.DecodeRuneInString(e.s[e.i+1:])
	return write(e.s[e.i:e.i+1+n], 1+n)
}

func isLetter(c byte) bool { return c|32 >= 'a' && c|32 <= 'z' }

// codePoint reads \uXXXX, two of them that make one character, and \u{X...}.
func (e *ecma) codePoint() error {
	rest := e.s[e.i:]
	if strings.HasPrefix(rest, `\u{`) {
		digits, _, ok := strings.Cut(rest[3:], "}")
		n, err := strconv.ParseUint(digits, 16, 32)
		if !ok || err != nil || n > utf8.MaxRune {
			return errors.New(`\u{...} holds no code point`)
		}
		fmt.Fprintf(&e.out, `\x{%x}`, n)
		e.i += len(`\u{}`) + len(digits)
		return nil
	}
	r, ok := hex4(rest)
	if !ok {
		return errors.New(`\u needs four hexadecimal digits`)
	}
	length := 6
	if utf16.IsSurrogate(r) {
		low, _ := hex4(rest[6:])
		if r, length = utf16.DecodeRune(r, low), 12; r == utf8.RuneError {
			return errors.New(`\u with half of a surrogate pair`)
		}
	}
	fmt.Fprintf(&e.out, `\x{%x}`, r)
	e.i += length
	return nil
}

// property reads \p{...}; scripts are named without "Script=" by the engine.
func (e *ecma) property(c byte) error {
	rest := e.s[e.i+2:]
	if !strings.HasPrefix(rest, "{") {
		e.out.WriteString(`\` + string(c))
		e.i += 2
		return nil
	}
	name, _, ok := strings.Cut(rest[1:], "}")
	if !ok {
		return fmt.Errorf(`\%c{ does not end`, c)
	}
	short := name
	for _, prefix := range []string{"Script=", "sc=", "Script_Extensions=", "scx=", "General_Category=", "gc="} {
		short = strings.TrimPrefix(short, prefix)
	}
	fmt.Fprintf(&e.out, `\%c{%s}`, c, short)
	e.i += 4 + len(name)
	return nil
}

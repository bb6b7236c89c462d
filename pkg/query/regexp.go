package query

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// MaxPattern is the longest pattern matches() takes, in bytes.
const MaxPattern = 1000

const (
	maxRepeat       = 100  // in {n,m}
	maxPatternSize  = 1000 // atoms after all repetitions are written out
	maxPatternDepth = 32   // nested groups
)

// CheckRegexp refuses every pattern outside the one subset that all backends
// answer alike: literals, "." (any character), classes, \d \w \s and their
// opposites (ASCII), groups, |, ? * + {n} {n,} {n,m}, ^ $ (the ends of the
// text), and (?i) at the very start. The error continues "the pattern ...".
func CheckRegexp(pattern string) error {
	if len(pattern) > MaxPattern {
		return fmt.Errorf("is longer than %d bytes", MaxPattern)
	}
	if !utf8.ValidString(pattern) {
		return errors.New("is not valid UTF-8")
	}
	c := patternChecker{rest: strings.TrimPrefix(pattern, "(?i)")}
	if c.rest == "" {
		return nil
	}
	size, err := c.alternatives(0)
	switch {
	case err != nil:
		return err
	case c.rest != "":
		return errors.New("closes a group that was never opened")
	case size > maxPatternSize:
		return errors.New("repeats too much")
	}
	_, err = CompileRegexp(pattern)
	return err
}

// CompileRegexp compiles a pattern of the subset; the result is shared.
// Compiled patterns are kept, a bounded number of them.
func CompileRegexp(pattern string) (*regexp.Regexp, error) {
	compiled.Lock()
	defer compiled.Unlock()
	if re := compiled.byPattern[pattern]; re != nil {
		return re, nil
	}
	// "." matches a newline too: databases do so, and a pattern has no flag
	// to say otherwise.
	re, err := regexp.Compile("(?s)" + pattern)
	if err != nil {
		return nil, errors.New("is no regular expression")
	}
	if len(compiled.byPattern) >= 256 {
		clear(compiled.byPattern)
	}
	compiled.byPattern[pattern] = re
	return re, nil
}

var compiled = struct {
	sync.Mutex
	byPattern map[string]*regexp.Regexp
}{byPattern: map[string]*regexp.Regexp{}}

// patternChecker walks a pattern once. Its methods return how many atoms what
// they read stands for.
type patternChecker struct{ rest string }

func (c *patternChecker) next() rune {
	r, n := utf8.DecodeRuneInString(c.rest)
	c.rest = c.rest[n:]
	return r
}

func (c *patternChecker) alternatives(depth int) (int, error) {
	if depth > maxPatternDepth {
		return 0, fmt.Errorf("nests groups deeper than %d", maxPatternDepth)
	}
	total := 0
	for {
		n, err := c.branch(depth)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, errors.New("has an empty alternative or group")
		}
		total += n
		if !strings.HasPrefix(c.rest, "|") {
			return total, nil
		}
		c.next()
	}
}

// branch reads up to | or ) or the end.
func (c *patternChecker) branch(depth int) (int, error) {
	total := 0
	for c.rest != "" && c.rest[0] != '|' && c.rest[0] != ')' {
		n, anchor, err := c.atom(depth)
		if err != nil {
			return 0, err
		}
		times, err := c.quantifier()
		if err != nil {
			return 0, err
		}
		if times > 0 && anchor {
			return 0, errors.New("repeats an anchor")
		}
		total += n * max(times, 1)
		if total > maxPatternSize {
			return 0, errors.New("repeats too much")
		}
	}
	return total, nil
}

func (c *patternChecker) atom(depth int) (size int, anchor bool, err error) {
	switch r := c.next(); r {
	case '(':
		if strings.HasPrefix(c.rest, "?:") {
			c.rest = c.rest[2:]
		} else if strings.HasPrefix(c.rest, "?") {
			return 0, false, errors.New("uses (?...), of which only (?:...) and a leading (?i) are supported")
		}
		n, err := c.alternatives(depth + 1)
		if err != nil {
			return 0, false, err
		}
		if !strings.HasPrefix(c.rest, ")") {
			return 0, false, errors.New("has a group that is never closed")
		}
		c.next()
		return n, false, nil
	case '[':
		return 1, false, c.class()
	case '^', '$':
		return 1, true, nil
	case '\\':
		_, err := c.escape()
		return 1, false, err
	case '*', '+', '?':
		return 0, false, errors.New("has nothing to repeat before a quantifier, or two quantifiers (lazy ones are not supported)")
	case '{', '}', ']':
		return 0, false, fmt.Errorf("needs a backslash before %q to mean it literally", r)
	}
	return 1, false, nil
}

// escape reads what follows a backslash; class tells \d and its kind apart
// from a single character.
func (c *patternChecker) escape() (class bool, err error) {
	if c.rest == "" {
		return false, errors.New("ends with a backslash")
	}
	r := c.next()
	switch {
	case strings.ContainsRune("dwsDWS", r):
		return true, nil
	case strings.ContainsRune("ntr", r), r > ' ' && r < 0x7f && !isNamePart(byte(r)), r == '-':
		return false, nil
	}
	return false, fmt.Errorf("uses \\%c, which is not supported", r)
}

// class reads a bracket expression after its opening bracket.
func (c *patternChecker) class() error {
	c.rest = strings.TrimPrefix(c.rest, "^")
	if strings.HasPrefix(c.rest, "]") {
		return errors.New("has an empty class; write \\] for the bracket itself")
	}
	for first := true; ; first = false {
		if c.rest == "" {
			return errors.New("has a class that is never closed")
		}
		if c.rest[0] == ']' {
			c.next()
			return nil
		}
		if c.rest[0] == '-' && !first && !strings.HasPrefix(c.rest, "-]") {
			return errors.New("needs a backslash before \"-\" inside a class")
		}
		set, err := c.classItem()
		if err != nil {
			return err
		}
		if !strings.HasPrefix(c.rest, "-") || strings.HasPrefix(c.rest, "-]") {
			continue
		}
		c.next()
		if c.rest == "" {
			return errors.New("has a class that is never closed")
		}
		toSet, err := c.classItem()
		if err != nil {
			return err
		}
		if set || toSet {
			return errors.New("has a range in a class that does not end in single characters")
		}
	}
}

// classItem reads one member of a class; set tells \d and its kind.
func (c *patternChecker) classItem() (set bool, err error) {
	switch c.next() {
	case '[':
		return false, errors.New("needs a backslash before \"[\" inside a class")
	case '\\':
		// An opposite inside a class means different things to different engines.
		if c.rest != "" && strings.IndexByte("DWS", c.rest[0]) >= 0 {
			return false, fmt.Errorf("uses \\%c inside a class, which is not supported", c.rest[0])
		}
		return c.escape()
	}
	return false, nil
}

// quantifier reads ? * + {n} {n,} {n,m}, 0 when there is none.
func (c *patternChecker) quantifier() (times int, err error) {
	if c.rest == "" {
		return 0, nil
	}
	switch c.rest[0] {
	case '?', '*', '+':
		c.next()
		times = 1
	case '{':
		body, after, ok := strings.Cut(c.rest[1:], "}")
		if !ok {
			return 0, errors.New("needs a backslash before \"{\" to mean it literally")
		}
		if times, err = repeatBounds(body); err != nil {
			return 0, err
		}
		c.rest = after
	default:
		return 0, nil
	}
	if c.rest != "" && strings.IndexByte("?*+{", c.rest[0]) >= 0 {
		return 0, errors.New("has two quantifiers in a row (lazy ones are not supported)")
	}
	return times, nil
}

// repeatBounds reads "n", "n," or "n,m".
func repeatBounds(body string) (int, error) {
	low, high, comma := strings.Cut(body, ",")
	n, ok := smallNumber(low)
	m := n
	if ok && comma && high != "" {
		m, ok = smallNumber(high)
	}
	if !ok || m < n {
		return 0, fmt.Errorf("repeats {%s}; write {n}, {n,} or {n,m} with n <= m <= %d", clip(body), maxRepeat)
	}
	return max(m, 1), nil
}

func smallNumber(s string) (int, bool) {
	n := 0
	for _, r := range s {
		if r < '0' || r > '9' {
			return 0, false
		}
		if n = n*10 + int(r-'0'); n > maxRepeat {
			return 0, false
		}
	}
	return n, s != ""
}

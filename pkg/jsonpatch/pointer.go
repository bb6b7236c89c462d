package jsonpatch

import (
	"fmt"
	"strconv"
	"strings"
)

// Pointer is a JSON pointer (RFC 6901), its reference tokens unescaped. The
// empty one is the whole document.
type Pointer []string

// ParsePointer reads the string form (RFC 6901 section 3): "" or tokens that
// each begin with "/", in which "~" is written "~0" and "/" is written "~1".
func ParsePointer(s string) (Pointer, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return nil, fmt.Errorf("%.200q is no JSON pointer: it begins with /", s)
	}
	tokens := strings.Split(s[1:], "/")
	for i, token := range tokens {
		plain, err := unescape(token)
		if err != nil {
			return nil, fmt.Errorf("%.200q is no JSON pointer: %w", s, err)
		}
		tokens[i] = plain
	}
	return tokens, nil
}

func unescape(token string) (string, error) {
	if !strings.Contains(token, "~") {
		return token, nil
	}
	for i := range len(token) {
		if token[i] == '~' && (i+1 == len(token) || token[i+1] != '0' && token[i+1] != '1') {
			return "", fmt.Errorf("~ is followed by 0 or 1")
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~"), nil
}

var escapes = strings.NewReplacer("~", "~0", "/", "~1")

// String is the form that ParsePointer reads.
func (p Pointer) String() string {
	var b strings.Builder
	for _, token := range p {
		b.WriteByte('/')
		b.WriteString(escapes.Replace(token))
	}
	return b.String()
}

// Find gives the value at the place in a document.
func (p Pointer) Find(doc any) (any, bool) {
	v, err := find(doc, p)
	return v, err == nil
}

// within reports whether p is inside of what q leads to, or that itself.
func (p Pointer) within(q Pointer) bool {
	if len(p) < len(q) {
		return false
	}
	for i := range q {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}

// index reads an array index (RFC 6901 section 4): digits without a sign and
// without leading zeros.
func index(token string) (int, bool) {
	if token == "" || len(token) > 9 || token[0] == '0' && token != "0" || strings.Trim(token, "0123456789") != "" {
		return 0, false
	}
	i, err := strconv.Atoi(token)
	return i, err == nil
}

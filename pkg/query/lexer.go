package query

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxSource is the longest filter or order that is read, in bytes.
const MaxSource = 128 << 10

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokName             // a name or a keyword
	tokString           // text holds the decoded string
	tokNumber
	tokSymbol // one of ( ) , : * + - = != < <= > >=
)

// token is one word of the source; at is its byte offset.
type token struct {
	kind   tokenKind
	text   string
	at     int
	quoted bool // a name with a part in backticks: never a keyword or a function
}

// describe is how an error names the token.
func (t token) describe() string {
	switch t.kind {
	case tokEnd:
		return "the end"
	case tokString:
		return "a string"
	case tokNumber:
		return "the number " + clip(t.text)
	}
	return fmt.Sprintf("%q", clip(t.text))
}

// column turns a byte offset into a 1-based column of code points.
func column(src string, at int) int {
	return utf8.RuneCountInString(src[:min(at, len(src))]) + 1
}

// lex cuts the source into tokens, the last of which is tokEnd.
func lex(src string) ([]token, *Error) {
	if len(src) > MaxSource {
		return nil, &Error{Detail: fmt.Sprintf("is longer than %d bytes", MaxSource)}
	}
	if !utf8.ValidString(src) {
		return nil, &Error{Detail: "is not valid UTF-8"}
	}
	var toks []token
	for at := 0; at < len(src); {
		if strings.IndexByte(" \t\r\n", src[at]) >= 0 {
			at++
			continue
		}
		t, width, err := lexOne(src, at)
		if err != nil {
			return nil, err
		}
		toks = append(toks, t)
		at += width
	}
	return append(toks, token{kind: tokEnd, at: len(src)}), nil
}

func lexOne(src string, at int) (token, int, *Error) {
	rest := src[at:]
	c := rest[0]
	switch {
	case c == '"':
		return lexString(src, at)
	case c >= '0' && c <= '9':
		return lexNumber(src, at)
	case isNameStart(c) || c == '`':
		return lexName(src, at)
	case len(rest) > 1 && rest[1] == '=' && strings.IndexByte("!<>", c) >= 0:
		return token{kind: tokSymbol, text: rest[:2], at: at}, 2, nil
	case strings.IndexByte("(),:*+-=<>", c) >= 0:
		return token{kind: tokSymbol, text: rest[:1], at: at}, 1, nil
	}
	r, _ := utf8.DecodeRuneInString(rest)
	detail := fmt.Sprintf("unexpected character %q", r)
	if r == '\'' {
		detail += `; strings are written in double quotes`
	} else if r != '/' && r != ';' {
		detail += "; a field whose name is no identifier is written in backticks"
	}
	return token{}, 0, &Error{Column: column(src, at), Detail: detail}
}

func isNameStart(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isNamePart(c byte) bool { return isNameStart(c) || c == '-' || '0' <= c && c <= '9' }

// nameLength measures a dotted identifier at the start of s.
func nameLength(s string) int {
	n := 0
	for n < len(s) {
		if isNamePart(s[n]) || s[n] == '.' && n+1 < len(s) && isNameStart(s[n+1]) {
			n++
			continue
		}
		break
	}
	return n
}

// lexString reads a JSON string. A lone surrogate and NUL are refused: no
// stored text can hold them.
func lexString(src string, at int) (token, int, *Error) {
	fail := func(off int, detail string) (token, int, *Error) {
		return token{}, 0, &Error{Column: column(src, off), Detail: detail}
	}
	end := at + 1
	for ; end < len(src) && src[end] != '"'; end++ {
		if src[end] == '\\' {
			end++
		}
	}
	if end >= len(src) {
		return fail(at, "the string has no closing quote")
	}
	raw := src[at : end+1]
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return fail(at, "the string is not a JSON string: check its escapes")
	}
	if strings.ContainsRune(s, 0) {
		return fail(at, "text cannot contain NUL")
	}
	if strings.Count(s, "\uFFFD") != strings.Count(raw, "\uFFFD")+countReplacementEscapes(raw) {
		return fail(at, "the string holds half of a surrogate pair")
	}
	return token{kind: tokString, text: s, at: at}, len(raw), nil
}

// countReplacementEscapes counts the escapes that spell U+FFFD itself, which
// is also what the JSON decoder puts in the place of a lone surrogate.
func countReplacementEscapes(raw string) int {
	n := 0
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if raw[i+1] == 'u' && i+6 <= len(raw) && strings.EqualFold(raw[i+2:i+6], "fffd") {
			n++
		}
		i++
	}
	return n
}

// lexNumber reads a JSON number without its sign.
func lexNumber(src string, at int) (token, int, *Error) {
	s := src[at:]
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	bad := func() (token, int, *Error) {
		return token{}, 0, &Error{Column: column(src, at), Detail: "the number is not written as in JSON"}
	}
	n := digits(0)
	if n > 1 && s[0] == '0' {
		return bad()
	}
	if n < len(s) && s[n] == '.' {
		m := digits(n + 1)
		if m == n+1 {
			return bad()
		}
		n = m
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if m < len(s) && (s[m] == '+' || s[m] == '-') {
			m++
		}
		if digits(m) == m {
			return bad()
		}
		n = digits(m)
	}
	if n < len(s) && (isNamePart(s[n]) && s[n] != '-' || s[n] == '.') {
		return bad()
	}
	return token{kind: tokNumber, text: s[:n], at: at}, n, nil
}

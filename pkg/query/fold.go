package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold maps each code point by itself to its folded form: the lower case of
// its upper case, provided that Unicode's simple case folding counts the two
// as the same letter, else itself. So K, k and the Kelvin sign are one, as are
// Σ, σ and ς, while İ and ı stay themselves and ß does not become ss. No
// locale and no database takes part.
func Fold(s string) string {
	if isFoldedASCII(s) {
		return s
	}
	return strings.Map(foldRune, s)
}

func isFoldedASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}
	l := unicode.ToLower(unicode.ToUpper(r))
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		if o == l {
			return l
		}
	}
	return r
}

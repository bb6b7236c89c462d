package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Words cuts text into the words full text knows: runs of letters and digits,
// case folded, accents removed, without stemming or stop words.
func Words(s string) []string {
	if isASCII(s) {
		return strings.FieldsFunc(Fold(s), func(r rune) bool { return !isWordRune(r) })
	}
	var words []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			words = append(words, norm.NFC.String(b.String()))
			b.Reset()
		}
	}
	for _, r := range norm.NFD.String(s) {
		switch {
		case unicode.Is(unicode.M, r): // an accent neither parts nor marks a word
		case isWordRune(r):
			b.WriteRune(foldRune(r))
		default:
			flush()
		}
	}
	flush()
	return words
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Phrase is a run of words that must stand together, in this order.
type Phrase struct {
	Words  []string
	Prefix bool // the last word is the beginning of a word
}

// MaxPhrases is how many words and phrases one full-text query has.
const MaxPhrases = 64

// MaxPhraseWords is how many words a phrase has.
const MaxPhraseWords = 64

// ParseText reads a full-text query: every word and every "phrase" must be
// found; word* finds the words that begin so. Other characters part words. A
// query without words has no phrases and finds nothing.
func ParseText(src string) ([]Phrase, error) {
	if len(src) > MaxSource {
		return nil, &Error{Detail: "the full-text query is too long"}
	}
	if !utf8.ValidString(src) {
		return nil, &Error{Detail: "the full-text query is not valid UTF-8"}
	}
	var out []Phrase
	for i, part := range strings.Split(src, `"`) {
		if i%2 == 1 {
			w := Words(part)
			if len(w) > MaxPhraseWords {
				return nil, &Error{Detail: fmt.Sprintf("a phrase has at most %d words", MaxPhraseWords)}
			}
			if len(w) > 0 {
				out = append(out, Phrase{Words: w})
			}
			continue
		}
		for _, piece := range strings.Fields(part) {
			words := Words(piece)
			if len(out)+len(words) > MaxPhrases {
				return nil, &Error{Detail: fmt.Sprintf("the full-text query has more than %d words", MaxPhrases)}
			}
			for n, w := range words {
				last := n == len(words)-1
				out = append(out, Phrase{Words: []string{w}, Prefix: last && strings.HasSuffix(piece, "*")})
			}
		}
	}
	if strings.Count(src, `"`)%2 == 1 {
		return nil, &Error{Detail: "the full-text query has a quote that is never closed"}
	}
	if len(out) > MaxPhrases {
		return nil, &Error{Detail: "the full-text query has too many words"}
	}
	return out, nil
}

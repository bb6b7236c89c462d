package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Words cuts text into the words full text knows: runs of letters and digits,
// case folded, accents removed, without stemming or stop words. Of a script that
// is written without spaces a run is cut into its pairs of characters, after
// which its last character comes alone: every two, and every one, begin a word.
func Words(s string) []string {
	if isASCII(s) {
		return strings.FieldsFunc(Fold(s), func(r rune) bool { return !isWordRune(r) })
	}
	var words []string
	for _, r := range runs(s) {
		words = r.words(words)
	}
	return words
}

// run is a run of letters and digits of scripts with spaces, or without.
type run struct {
	text  []rune
	whole bool // it is one word
}

func (r run) words(to []string) []string {
	if r.whole {
		return append(to, norm.NFC.String(string(r.text)))
	}
	return append(r.pairs(to), norm.NFC.String(string(r.text[len(r.text)-1])))
}

func (r run) pairs(to []string) []string {
	for i := range len(r.text) - 1 {
		to = append(to, norm.NFC.String(string(r.text[i:i+2])))
	}
	return to
}

// runs folds text and cuts it.
func runs(s string) (out []run) {
	var now run
	flush := func() {
		if len(now.text) > 0 {
			out = append(out, now)
			now.text = nil
		}
	}
	for _, r := range norm.NFD.String(s) {
		switch {
		case unicode.Is(unicode.M, r): // an accent neither parts nor marks a word
		case isWordRune(r):
			if whole := !unspaced(r); whole != now.whole {
				flush()
				now.whole = whole
			}
			now.text = append(now.text, foldRune(r))
		default:
			flush()
		}
	}
	flush()
	return out
}

// unspaced reports whether a letter is of a script that is written without spaces
// between words. Korean has them.
func unspaced(r rune) bool {
	const prolonged = 'ー' // of both kana, and so of no script
	return r >= 0x0E00 && (r == prolonged || !unicode.IsDigit(r) && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar))
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
// found; word* finds the words that begin so, and a run of a script without
// spaces is found anywhere in another. Other characters part words. A query
// without words has no phrases.
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
			p := phrase(runs(part))
			if len(p.Words) > MaxPhraseWords {
				return nil, errLongPhrase
			}
			if len(p.Words) > 0 {
				out = append(out, p)
			}
			continue
		}
		for _, piece := range strings.Fields(part) {
			all := runs(piece)
			if len(out)+len(all) > MaxPhrases {
				return nil, &Error{Detail: fmt.Sprintf("the full-text query has more than %d words", MaxPhrases)}
			}
			for n, r := range all {
				p := phrase([]run{r})
				if len(p.Words) > MaxPhraseWords {
					return nil, errLongPhrase
				}
				p.Prefix = p.Prefix || r.whole && n == len(all)-1 && strings.HasSuffix(piece, "*")
				out = append(out, p)
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

var errLongPhrase = &Error{Detail: fmt.Sprintf("a phrase has at most %d words", MaxPhraseWords)}

// phrase asks for runs one after the other. The last one may go on if its script
// has no spaces.
func phrase(all []run) (p Phrase) {
	for i, r := range all {
		switch {
		case r.whole || i < len(all)-1:
			p.Words = r.words(p.Words)
		case len(r.text) == 1:
			p.Words, p.Prefix = r.words(p.Words), true
		default:
			p.Words = r.pairs(p.Words)
		}
	}
	return p
}

package pgindex

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Full text is in two forms. The column words is a tsvector of the words of
// all fields, with an index: it finds rows by word and by prefix. A tsvector
// cannot hold everything (a lexeme has at most 2 KB, a position is at most
// 16383, all together at most 1 MB), so it decides alone only about single
// words, and the columns w0, w1, ... hold each field's words between spaces,
// in which phrases and long words are looked up.
const (
	maxLexeme    = 1000    // bytes; longer words are cut and looked up
	maxPositions = 32      // of one word, for the rank
	maxPosition  = 16383   //
	maxVector    = 900_000 // bytes; beyond it the row has overflow alone
	overflow     = "'!'"   // no word: every search looks its row up
	spaced       = " %s "  // a field's words
)

// wordValues are the values of w0, w1, ... and words.
func (w *writable) wordValues(c *storage.IndexChange, none bool) []any {
	var out []any
	positions := map[string][]int{}
	at := 0
	for _, i := range w.texts {
		text := ""
		if i >= 0 && i < len(c.Text) && !none {
			words := query.Words(c.Text[i])
			for _, word := range words {
				at++
				l := lexeme(word)
				if p := positions[l]; len(p) < maxPositions && at <= maxPosition || len(p) == 0 {
					positions[l] = append(p, min(at, maxPosition))
				}
			}
			if len(words) > 0 {
				text = fmt.Sprintf(spaced, strings.Join(words, " "))
			}
		}
		out = append(out, text)
	}
	return append(out, vector(positions))
}

// lexeme is a word as the tsvector holds it.
func lexeme(word string) string {
	if len(word) <= maxLexeme {
		return word
	}
	n := maxLexeme
	for !utf8.RuneStart(word[n]) {
		n--
	}
	return word[:n]
}

// vector writes a tsvector; words hold letters and digits only.
func vector(positions map[string][]int) string {
	size := 0
	lexemes := make([]string, 0, len(positions))
	for l, p := range positions {
		lexemes = append(lexemes, l)
		size += len(l) + 4 + 2*len(p)
	}
	if size > maxVector {
		return overflow
	}
	sort.Strings(lexemes)
	var b strings.Builder
	for _, l := range lexemes {
		b.WriteByte('\'')
		b.WriteString(l)
		b.WriteByte('\'')
		for i, p := range positions[l] {
			b.WriteByte(":,"[min(i, 1)])
			b.WriteString(strconv.Itoa(p))
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// tsquery finds the rows that have the words, and those that have to be looked
// up because their words did not fit.
func tsquery(phrases []query.Phrase) string {
	var all []string
	for _, p := range phrases {
		for i, word := range p.Words {
			part := "'" + lexeme(word) + "'"
			if p.Prefix && i == len(p.Words)-1 {
				part += ":*"
			}
			all = append(all, part)
		}
	}
	return "(" + strings.Join(all, " & ") + ") | " + overflow
}

// match adds the full-text conditions; its first argument is the tsquery.
func (s *search) match(t *writable, phrases []query.Phrase) {
	s.where = append(s.where, "words @@ "+s.query+"::tsquery")
	var single []string
	for _, p := range phrases {
		word := p.Words[len(p.Words)-1]
		if len(p.Words) > 1 || len(lexeme(word)) < len(word) {
			s.where = append(s.where, s.lookUp(t, p))
		} else {
			single = append(single, s.lookUp(t, p))
		}
	}
	if len(single) > 0 {
		s.where = append(s.where, "(NOT words @@ $$"+overflow+"$$::tsquery OR ("+strings.Join(single, " AND ")+"))")
	}
}

// lookUp finds a phrase in one of the fields.
func (s *search) lookUp(t *writable, p query.Phrase) string {
	text := " " + strings.Join(p.Words, " ")
	if !p.Prefix {
		text += " "
	}
	arg := s.r.Arg(text)
	var in []string
	for i := range t.def.FullText {
		in = append(in, fmt.Sprintf("strpos(w%d, %s) > 0", i, arg))
	}
	return "(" + strings.Join(in, " OR ") + ")"
}

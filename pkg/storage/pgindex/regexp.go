package pgindex

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
)

// advanced writes a pattern of query's subset as an advanced regular
// expression of Postgres with the same meaning. It is written from the parsed
// tree, in which classes, case and the dot are sets of characters already, so
// that nothing is left to the flavour or the locale: only literals, sets,
// groups, |, repetitions and the two anchors.
func advanced(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl|syntax.DotNL)
	if err != nil { // query checked it
		return "a^"
	}
	var b strings.Builder
	writeARE(&b, re)
	return b.String()
}

func writeARE(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpNoMatch:
		b.WriteString("(?:a^)")
	case syntax.OpEmptyMatch:
		b.WriteString("(?:)")
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				writeFolded(b, r)
			} else {
				writeRune(b, r)
			}
		}
	case syntax.OpCharClass:
		writeClass(b, re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('.') // matches a newline too in Postgres
	case syntax.OpBeginText, syntax.OpBeginLine:
		b.WriteByte('^')
	case syntax.OpEndText, syntax.OpEndLine:
		b.WriteByte('$')
	case syntax.OpCapture:
		writeGroup(b, re.Sub[0])
	case syntax.OpStar:
		writeGroup(b, re.Sub[0])
		b.WriteByte('*')
	case syntax.OpPlus:
		writeGroup(b, re.Sub[0])
		b.WriteByte('+')
	case syntax.OpQuest:
		writeGroup(b, re.Sub[0])
		b.WriteByte('?')
	case syntax.OpRepeat:
		writeGroup(b, re.Sub[0])
		switch {
		case re.Max < 0:
			fmt.Fprintf(b, "{%d,}", re.Min)
		case re.Max == re.Min:
			fmt.Fprintf(b, "{%d}", re.Min)
		default:
			fmt.Fprintf(b, "{%d,%d}", re.Min, re.Max)
		}
	case syntax.OpConcat:
		for _, s := range re.Sub {
			if s.Op == syntax.OpAlternate {
				writeGroup(b, s)
			} else {
				writeARE(b, s)
			}
		}
	case syntax.OpAlternate:
		for i, s := range re.Sub {
			if i > 0 {
				b.WriteByte('|')
			}
			writeARE(b, s)
		}
	}
}

func writeGroup(b *strings.Builder, re *syntax.Regexp) {
	b.WriteString("(?:")
	writeARE(b, re)
	b.WriteByte(')')
}

// writeFolded writes the set of all forms of a letter.
func writeFolded(b *strings.Builder, r rune) {
	set := []rune{r, r}
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		set = append(set, o, o)
	}
	writeClass(b, set)
}

// writeClass writes pairs of first and last.
func writeClass(b *strings.Builder, ranges []rune) {
	b.WriteByte('[')
	for i := 0; i < len(ranges); i += 2 {
		low, high := max(ranges[i], 1), ranges[i+1] // text holds no NUL
		if high < low {
			if len(ranges) == 2 {
				b.WriteString(`\u0001`)
			}
			continue
		}
		writeRune(b, low)
		if high > low {
			b.WriteByte('-')
			writeRune(b, high)
		}
	}
	b.WriteByte(']')
}

func writeRune(b *strings.Builder, r rune) {
	switch {
	case '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
		b.WriteRune(r)
	case r <= 0xFFFF:
		fmt.Fprintf(b, `\u%04X`, r)
	default:
		fmt.Fprintf(b, `\U%08X`, r)
	}
}

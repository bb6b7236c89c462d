package grammar

import (
	"reflect"
	"strings"
)

// Candidate is a word that may stand where the cursor is, and what it is.
type Candidate struct{ Word, Help string }

// Place is where a word is asked for that only the program can know.
type Place struct {
	Kind  string   // of the flag or argument, by its tag complete
	Word  string   // as far as it is written
	Words []string // of a list of arguments those before it
	Given any      // a pointer to the struct of the command, with what was written before
}

// Complete tells what the last of the words can be: commands, flags, values of an enum,
// and what ask answers about arguments and flags with the tag complete. What was written
// before it is in the struct of the command, as far as it can be read.
func (p Program) Complete(target any, words []string, ask func(Place) []Candidate) (out []Candidate) {
	if len(words) == 0 {
		words = []string{""}
	}
	c, given := read(reflect.ValueOf(target).Elem(), p.Prefix), map[*value]bool{}
	before, word := words[:len(words)-1], words[len(words)-1]
	var rest []string
	var waiting *value // a flag whose value comes next
	for _, w := range before {
		switch {
		case waiting != nil:
			_ = waiting.set(w) // what cannot be read says nothing
			waiting = nil
		case strings.HasPrefix(w, "-") && w != "-":
			v, text, has := c.find(w)
			if v == nil {
				continue
			}
			given[v] = true
			if has || v.isBool() {
				_ = v.set(or(text, "true"))
			} else {
				waiting = v
			}
		case len(c.commands) > 0:
			if c = c.named(w); c == nil {
				return nil
			}
		default:
			rest = append(rest, w)
		}
	}
	_ = c.positional(rest) // likewise, as the next
	_ = c.complete(given, len(rest), p.Lookup)
	place := Place{Word: word, Given: c.target.Addr().Interface()}
	switch {
	case waiting != nil:
		return waiting.candidates(place, ask)
	case strings.HasPrefix(word, "--") && strings.Contains(word, "="):
		v, text, _ := c.find(word)
		if v == nil {
			return nil
		}
		place.Word = text
		out = v.candidates(place, ask)
		for i := range out {
			out[i].Word = strings.TrimSuffix(word, text) + out[i].Word
		}
		return out
	case strings.HasPrefix(word, "-"):
		for _, f := range c.flags {
			out = append(out, Candidate{"--" + f.name, f.help})
		}
		return beginning(word, append(out, Candidate{"--help", "Show this help."}))
	case len(c.commands) > 0:
		for _, sub := range c.commands {
			out = append(out, Candidate{sub.name, sub.help})
		}
		return beginning(word, out)
	case len(c.args) == 0:
		return nil
	}
	at := min(len(rest), len(c.args)-1)
	if len(rest) > at && c.args[at].target.Kind() != reflect.Slice {
		return nil
	}
	place.Words = rest[at:]
	return c.args[at].candidates(place, ask)
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// candidates are the values that a flag or argument can have.
func (v *value) candidates(at Place, ask func(Place) []Candidate) (out []Candidate) {
	for _, e := range v.enum {
		out = append(out, Candidate{e, ""})
	}
	if v.complete != "" {
		at.Kind = v.complete
		out = append(out, ask(at)...)
	}
	return beginning(at.Word, out)
}

func beginning(word string, all []Candidate) (out []Candidate) {
	for _, c := range all {
		if strings.HasPrefix(c.Word, word) {
			out = append(out, c)
		}
	}
	return out
}

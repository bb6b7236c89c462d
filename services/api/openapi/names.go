package openapi

import (
	"strings"
	"unicode"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// namer gives out the names of components. Two of them differ by more than
// capitals and punctuation, of whatever kind they are: generators make one
// identifier of each.
type namer struct{ taken map[string]bool }

func newNamer() *namer {
	n := &namer{map[string]bool{}}
	for _, components := range []object{sharedSchemas(), componentParameters(), problemResponses()} {
		for _, c := range components {
			n.taken[plainName(c.key)] = true
		}
	}
	return n
}

func (n *namer) name(want string) string {
	for n.taken[plainName(want)] {
		want += "Type"
	}
	n.taken[plainName(want)] = true
	return want
}

// plainName is the part of a name that every language allows.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(s))
}

// pascal makes "api-keys" ApiKeys; what is neither letter nor digit of ASCII
// divides words.
func pascal(name string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return plainName(string(r)) == "" }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// typeNames are the names of a type's component schemas.
type typeNames struct {
	write    string // the data as it is written
	replace  string // the data of a replace: what is writeOnly may be left out, or null
	stored   string // the data as a write answers it
	read     string // the data as it is read: "fields" leaves parts out
	envelope string // around what was written
	partial  string // around what is read
	whole    string // around what is answered with all its parts
	page     string
}

func (n *namer) ofType(t *model.Type) typeNames {
	base := n.name(pascal(t.Name))
	replace := base
	if t.WritesOnly() {
		replace = n.name(base + "Replace")
	}
	return typeNames{base, replace, n.name(base + "Stored"), n.name(base + "Read"), n.name(base + "Envelope"), n.name(base + "ReadEnvelope"), n.name(base + "State"), n.name(base + "Page")}
}

// one names a resource of a type, with its article: "an API key", or "a
// send-emails resource" for a type without a title.
func one(t *model.Type) string {
	if t.Title == "" {
		return withArticle(t.Name + " resource")
	}
	return withArticle(inSentence(t.Title))
}

// several names the resources of a type: "API keys".
func several(t *model.Type) string {
	name := strings.ReplaceAll(t.Name, "-", " ")
	for _, ending := range []string{"s", "es"} {
		if strings.EqualFold(t.Title+ending, name) {
			return inSentence(t.Title) + ending
		}
	}
	return name
}

// inSentence is a title inside a sentence: "Movie" begins small, "API key"
// and "iPhone" stay.
func inSentence(title string) string {
	r := []rune(title)
	if len(r) > 1 && unicode.IsUpper(r[0]) && unicode.IsLower(r[1]) {
		r[0] = unicode.ToLower(r[0])
	}
	return string(r)
}

// withArticle puts a or an before a noun, by how English says its beginning; an
// abbreviation is spelled.
func withArticle(noun string) string {
	first, _, _ := strings.Cut(noun, " ")
	first, _, _ = strings.Cut(first, "-")
	vowels, word := "aeiou", strings.ToLower(first)
	if first == strings.ToUpper(first) && !strings.ContainsAny(first, "0123456789") && len(first) <= 4 {
		vowels = "aefhilmnorsx"
	} else {
		for _, beginning := range []string{"uni", "use", "usa", "usu", "uti", "eu", "ewe", "one", "once"} { // said as you, or as won
			if strings.HasPrefix(word, beginning) && !strings.HasPrefix(word, "unin") && !strings.HasPrefix(word, "unim") {
				return "a " + noun
			}
		}
		for _, beginning := range []string{"hour", "honest", "honour", "honor", "heir"} {
			if strings.HasPrefix(word, beginning) {
				return "an " + noun
			}
		}
	}
	if word != "" && strings.ContainsRune(vowels, rune(word[0])) {
		return "an " + noun
	}
	return "a " + noun
}

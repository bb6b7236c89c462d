package password

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// common are the words that passwords which are guessed first are made of, in small
// letters and without digits around them.
var common = strings.Fields(`password passwort motdepasse contrasena senha passw pass qwerty qwertyuiop qwertz qwertzuiop azerty asdfgh asdfghjkl zxcvbn zxcvbnm
	qazwsx qazwsxedc abc abcd abcdef abcdefg abcdefgh abcdefghijkl abcdefghijklm abcdefghijklmn abcdefghijklmnopqrstuvwxyz
	letmein welcome willkommen bienvenue admin administrator root superuser login changeme secret default guest user test testing temp iloveyou ilove love
	sunshine princess dragon monkey football baseball basketball soccer hockey superman batman spiderman pokemon starwars master shadow michael jordan jennifer jessica
	ashley charlie thomas robert daniel matthew andrew joshua hunter ranger killer trustno whatever freedom mustang corvette ferrari mercedes porsche liverpool arsenal
	chelsea barcelona realmadrid manchester google facebook linkedin twitter microsoft windows samsung iphone android computer internet server database postgres oracle
	autocrud company summer winter spring autumn january february march april june july august september october november december monday friday
	correcthorsebatterystaple thequickbrownfox helloworld hello goodmorning nothing something everything blink flower cookie chocolate banana orange cheese`)

// Weak tells what is wrong with a password that a user chose, or nothing. About are
// words that belong to the user, like the name.
func Weak(text string, about ...string) string {
	switch {
	case len([]rune(text)) < Min:
		return fmt.Sprintf("has fewer than %d characters", Min)
	case len(text) > Max:
		return fmt.Sprintf("has more than %d bytes", Max)
	}
	low := strings.ToLower(text)
	around := func(r rune) bool { return !unicode.IsLetter(r) }
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, plain(strings.TrimFunc(low, around)))
	kinds := map[rune]bool{}
	for _, r := range low {
		kinds[r] = true
	}
	if len(kinds) < 5 || run(low) {
		return "is a repetition or a sequence, which is guessed first"
	}
	rest := letters
	words := append(slices.Clone(common), wordsOf(about)...)
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) }) // a long one is no remainder of a short one
	for _, word := range words {
		if len(word) >= 3 {
			rest = strings.ReplaceAll(rest, word, "")
		}
	}
	if len(rest) < 3 && len([]rune(letters)) > 0 || letters == "" && len(low) < 16 {
		return "is a common one, or made of common words, which is guessed first"
	}
	return ""
}

// wordsOf are the words of texts, as plain has them.
func wordsOf(texts []string) (out []string) {
	for _, text := range texts {
		for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
			out = append(out, plain(word))
		}
	}
	return out
}

// plain is a text in small letters, with the digits and signs that commonly stand for
// letters as those.
func plain(text string) string {
	return strings.NewReplacer("@", "a", "0", "o", "1", "i", "3", "e", "$", "s", "5", "s", "7", "t", "!", "i").Replace(strings.ToLower(text))
}

// run reports whether most of a text follows from what is before it: digits that count
// up or down, or the same piece again and again.
func run(text string) bool {
	r := []rune(text)
	steps := 0
	for i := 1; i < len(r); i++ {
		if d := r[i] - r[i-1]; d >= -1 && d <= 1 || r[i] == '0' && r[i-1] == '9' {
			steps++
		}
	}
	if steps >= len(r)-2 {
		return true
	}
	for n := 1; n <= len(r)/3; n++ {
		if strings.HasPrefix(strings.Repeat(string(r[:n]), len(r)/n+1), text) {
			return true
		}
	}
	return false
}

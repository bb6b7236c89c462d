package storagetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Agree holds several indexes, all empty, and the evaluator to the same ids in
// the same order for n random searches over random rows: every kind, null,
// missing, full text, patterns, deleted ones.
func Agree(t *testing.T, indexes map[string]storage.Index, seed uint64, n int) {
	g := &generator{rand.New(rand.NewPCG(seed, 11))}
	rows, changes := g.resources()
	for _, x := range indexes {
		define(t, x, movies())
		apply(t, x, changes...)
	}
	for i := range n {
		src, s := g.search(t, i%50) // pages of one row are slow
		if g.IntN(4) == 0 {
			s.Filter, src = nil, ""
		}
		if g.IntN(3) == 0 {
			s.Text = g.words()
		}
		s.Deletion = pick(g, []storage.Deletion{storage.Live, storage.Live, storage.LiveAndDeleted, storage.OnlyDeleted})
		if i%50 > 3 {
			s.Limit = 200
		}
		expected := reference(visible(t, rows, changes, s), s.Filter, s.Order)
		for name, x := range indexes {
			if got := ids(t, x, s); !slices.Equal(got, expected) {
				t.Fatalf("%s, seed %d, search %d: %s\ntext %s\norder by %s\n got %v\nwant %v", name, seed, i, src, s.Text, s.Order, got, expected)
			}
		}
	}
}

// resources are rows for the evaluator and the changes that make them.
func (g *generator) resources() (rows []query.Row, changes []storage.IndexChange) {
	for i := range 100 {
		values := g.row()
		c := withText(change(uint64(2*i+1), fmt.Sprintf("m%03d", (i*37)%100), storage.Created, values), g.prose(), g.prose())
		c.Event.Meta.CreatedAt = pick(g, times)
		if g.IntN(8) == 0 {
			c.Event.Meta.Deleted = true
		}
		encode(&c)
		c.Event.Meta.Seq = c.Event.Seq
		changes = append(changes, c)
		rows = append(rows, resourceRow{&c.Event.Meta, values})
	}
	return rows, changes
}

// visible are the rows that deletion and full text leave.
func visible(t testing.TB, rows []query.Row, changes []storage.IndexChange, s storage.Search) (out []query.Row) {
	t.Helper()
	phrases, err := query.ParseText(s.Text)
	ok(t, err)
	for i, r := range rows {
		deleted := changes[i].Event.Meta.Deleted
		if s.Deletion == storage.Live && deleted || s.Deletion == storage.OnlyDeleted && !deleted {
			continue
		}
		found := s.Text == "" || len(phrases) > 0
		for _, p := range phrases {
			found = found && slices.ContainsFunc(changes[i].Text, func(text string) bool { return holds(query.Words(text), p) })
		}
		if found {
			out = append(out, r)
		}
	}
	return out
}

// holds reports whether the phrase is in the words.
func holds(words []string, p query.Phrase) bool {
	for i := range words {
		if i+len(p.Words) > len(words) {
			return false
		}
		match := true
		for j, w := range p.Words {
			last := j == len(p.Words)-1
			match = match && (words[i+j] == w || p.Prefix && last && strings.HasPrefix(words[i+j], w))
		}
		if match {
			return true
		}
	}
	return false
}

var vocabulary = []string{"heat", "Heat", "HEATED", "été", "ete", "e\u0301te\u0301", "über", "and", "or", "not", "near", "the", "100", "10", "日本", "日本語", "straße",
	"strasse", "Σίσυφος", "σισυφοσ", "don't", "a", "w0", "x_y", "50%", "null", "Ⅻ", "١٢", "😀", "naïve-ness", "Ⱥbc", "İstanbul",
	"ABC株式会社", "会社員", "会", "東京都", "京都", "ひらがなカタカナー", "데이터베이스", "สวัสดีครับ", "ครับผม", "ភាសាខ្មែរ", "၁၂မြန်မာ", "heat会社heat"}

func (g *generator) prose() string {
	var words []string
	for range g.IntN(9) {
		words = append(words, pick(g, vocabulary))
	}
	return strings.Join(words, pick(g, []string{" ", ", ", " - ", "\n"}))
}

// words is a full-text query.
func (g *generator) words() string {
	var parts []string
	for range 1 + g.IntN(3) {
		w := pick(g, vocabulary)
		switch g.IntN(4) {
		case 0:
			w = `"` + w + " " + pick(g, vocabulary) + `"`
		case 1:
			r := []rune(w)
			w = string(r[:1+g.IntN(len(r))]) + "*"
		}
		parts = append(parts, w)
	}
	return strings.Join(parts, " ")
}

// pattern is a random pattern of the subset.
func (g *generator) pattern() string {
	for {
		p := g.alternatives(3)
		if g.IntN(4) == 0 {
			p = "(?i)" + p
		}
		if query.CheckRegexp(p) == nil {
			return p
		}
	}
}

func (g *generator) alternatives(depth int) string {
	s := g.branch(depth)
	for g.IntN(4) == 0 {
		s += "|" + g.branch(depth)
	}
	return s
}

func (g *generator) branch(depth int) string {
	s := ""
	for range 1 + g.IntN(3) {
		atom := pick(g, []string{"a", "e", "H", "é", "σ", "k", "1", "0", "%", "_", ".", "[a-f]", "[^a]", "[é-ü]", `[\d_]`, `[^\s"]`, `\d`, `\w`, `\s`, `\D`, `\W`, `\S`,
			`\.`, `\*`, `\\`, " ", "日", "😀", "[😀-😂]", "[A-Z]", "ß", "ſ", "^", "$", `[\-a]`, `[x\]]`, `\n`})
		if depth > 0 && g.IntN(5) == 0 {
			atom = pick(g, []string{"(", "(?:"}) + g.alternatives(depth-1) + ")"
		}
		if atom != "^" && atom != "$" && g.IntN(3) == 0 {
			atom += pick(g, []string{"*", "+", "?", "{2}", "{1,}", "{0,3}", "{0}"})
		}
		s += atom
	}
	return s
}

// zoned writes an instant in some time zone.
func (g *generator) zoned() string {
	zone := time.FixedZone("", (g.IntN(48)-24)*1800)
	return `"` + pick(g, times).In(zone).Format("2006-01-02T15:04:05.999999Z07:00") + `"`
}

package tests_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/autocrud-go/autocrud/internal/apitest"
)

// film is a line of the file as the tests below read it.
type film struct {
	Title   string   `json:"title"`
	Year    int      `json:"year"`
	Cast    []string `json:"cast"`
	Genres  []string `json:"genres"`
	Href    *string  `json:"href"`
	Extract *string  `json:"extract"`
	Width   *int     `json:"thumbnail_width"`
	Height  *int     `json:"thumbnail_height"`
}

const filmModel = `name: films
schema:
  type: object
  required: [title, year]
  properties:
    title: {type: string}
    year: {type: integer}
    cast: {type: array, items: {type: string}}
    genres: {type: array, items: {type: string}}
    href: {type: [string, "null"]}
    extract: {type: string}
    thumbnail: {type: string}
    thumbnail_width: {type: integer}
    thumbnail_height: {type: integer}
index: [title, year, genres, cast, href, thumbnail_width, thumbnail_height]
fulltext: [title, extract]
`

// readFilms reads the file that AUTOCRUD_TEST_MOVIES names, one film a line, or
// a small one of invented films.
func readFilms(t *testing.T) (path string, all []film) {
	t.Helper()
	path = os.Getenv("AUTOCRUD_TEST_MOVIES")
	if path == "" {
		path = filepath.Join("testdata", "films.ndjson")
	}
	path, err := filepath.Abs(path) // commands run elsewhere
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var f film
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return path, all
}

func has(list []string, s string) bool { return slices.Contains(list, s) }

func at(p *int, unknown int) int {
	if p == nil {
		return unknown
	}
	return *p
}

// wordsOf cuts a text into lower-case words.
func wordsOf(s *string) []string {
	if s == nil {
		return nil
	}
	return strings.FieldsFunc(strings.ToLower(*s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// says reports whether a film's title or extract has the words in a row.
func (f film) says(words ...string) bool {
	for _, text := range [][]string{wordsOf(&f.Title), wordsOf(f.Extract)} {
		for i := 0; i+len(words) <= len(text); i++ {
			if slices.Equal(text[i:i+len(words)], words) {
				return true
			}
		}
	}
	return false
}

func (f film) begins(prefix string) bool {
	return slices.ContainsFunc(append(wordsOf(&f.Title), wordsOf(f.Extract)...), func(w string) bool { return strings.HasPrefix(w, prefix) })
}

// busiest is who is in most casts.
func busiest(all []film) string {
	n, best := map[string]int{}, ""
	for _, f := range all {
		for _, c := range f.Cast {
			if n[c]++; n[c] > n[best] || n[c] == n[best] && c < best {
				best = c
			}
		}
	}
	return best
}

// filmQuestions are asked by a filter and full text, and answered by a function
// that knows nothing of either.
func filmQuestions(star string) []struct {
	filter, q string
	is        func(film) bool
} {
	quoted := mustJSON(star)
	return []struct {
		filter, q string
		is        func(film) bool
	}{
		{`year >= 2000`, "", func(f film) bool { return f.Year >= 2000 }},
		{`year = 1995.0`, "", func(f film) bool { return f.Year == 1995 }},
		{`year > 1979.5 AND year < 1990`, "", func(f film) bool { return f.Year >= 1980 && f.Year <= 1989 }},
		{`in(year, 1970, 1984, 2023)`, "", func(f film) bool { return f.Year == 1970 || f.Year == 1984 || f.Year == 2023 }},
		{`genres:"Drama"`, "", func(f film) bool { return has(f.Genres, "Drama") }},
		{`genres:"Drama" AND genres:"Comedy"`, "", func(f film) bool { return has(f.Genres, "Drama") && has(f.Genres, "Comedy") }},
		{`genres:"Drama" AND NOT genres:"Comedy"`, "", func(f film) bool { return has(f.Genres, "Drama") && !has(f.Genres, "Comedy") }},
		{`genres:"Horror" OR genres:"War"`, "", func(f film) bool { return has(f.Genres, "Horror") || has(f.Genres, "War") }},
		{`genres:"Dram"`, "", func(film) bool { return false }},
		{`len(genres) = 0`, "", func(f film) bool { return len(f.Genres) == 0 }},
		{`len(genres) >= 3`, "", func(f film) bool { return len(f.Genres) >= 3 }},
		{`len(cast) > 3 AND year < 1980`, "", func(f film) bool { return len(f.Cast) > 3 && f.Year < 1980 }},
		{`cast:` + quoted, "", func(f film) bool { return has(f.Cast, star) }},
		{`cast:` + quoted + ` AND (genres:"Drama" OR genres:"Comedy") AND year >= 1990`, "",
			func(f film) bool {
				return has(f.Cast, star) && (has(f.Genres, "Drama") || has(f.Genres, "Comedy")) && f.Year >= 1990
			}},
		{`NOT cast:` + quoted + ` AND genres:"War"`, "", func(f film) bool { return !has(f.Cast, star) && has(f.Genres, "War") }},
		{`isNull(href)`, "", func(f film) bool { return f.Href == nil }},
		{`href:*`, "", func(f film) bool { return f.Href != nil }},
		{`NOT startsWith(href, "The_")`, "", func(f film) bool { return f.Href != nil && !strings.HasPrefix(*f.Href, "The_") }},
		{`isNull(thumbnail_width) AND year >= 1990`, "", func(f film) bool { return f.Width == nil && f.Year >= 1990 }},
		{`thumbnail_width > 250`, "", func(f film) bool { return at(f.Width, 0) > 250 }},
		{`NOT thumbnail_width > 250`, "", func(f film) bool { return at(f.Width, math.MaxInt) <= 250 }},
		{`thumbnail_width != 220 AND thumbnail_height <= 350`, "", func(f film) bool { return at(f.Width, 220) != 220 && at(f.Height, 999) <= 350 }},
		{`startsWith(title, "The ")`, "", func(f film) bool { return strings.HasPrefix(f.Title, "The ") }},
		{`endsWith(title, "2")`, "", func(f film) bool { return strings.HasSuffix(f.Title, "2") }},
		{`contains(title, "*")`, "", func(f film) bool { return strings.Contains(f.Title, "*") }},
		{`contains(title, "%") OR contains(title, "_")`, "", func(f film) bool { return strings.ContainsAny(f.Title, "%_") }},
		{`contains(title, "é")`, "", func(f film) bool { return strings.Contains(f.Title, "é") }},
		{`icontains(title, "HEAT")`, "", func(f film) bool { return strings.Contains(strings.ToLower(f.Title), "heat") }},
		{`lower(title) = "heat"`, "", func(f film) bool { return strings.EqualFold(f.Title, "heat") }},
		{`title >= "Z"`, "", func(f film) bool { return f.Title >= "Z" }},
		{`len(title) <= 4`, "", func(f film) bool { return utf8.RuneCountInString(f.Title) <= 4 }},
		{`matches(title, "^[A-Z]\\*[A-Z]")`, "", func(f film) bool {
			return len(f.Title) > 2 && f.Title[0] >= 'A' && f.Title[0] <= 'Z' && f.Title[1] == '*' && f.Title[2] >= 'A' && f.Title[2] <= 'Z'
		}},
		{`matches(title, "[0-9]+$")`, "", func(f film) bool { c := f.Title[len(f.Title)-1]; return c >= '0' && c <= '9' }},
		{"", "american", func(f film) bool { return f.says("american") }},
		{"", `"new york"`, func(f film) bool { return f.says("new", "york") }},
		{"", `film "based on" novel`, func(f film) bool { return f.says("film") && f.says("based", "on") && f.says("novel") }},
		{"", "direct*", func(f film) bool { return f.begins("direct") }},
		{`genres:"Horror" AND year >= 2000`, `american`, func(f film) bool { return has(f.Genres, "Horror") && f.Year >= 2000 && f.says("american") }},
	}
}

// TestFilmsAreFoundAsReadFromTheFile imports the films and asks some forty
// questions: the answers come from the file.
func TestFilmsAreFoundAsReadFromTheFile(t *testing.T) {
	t.Parallel()
	path, all := readFilms(t)
	p := apitest.Launch(t, "--models", apitest.WriteModels(t, map[string]string{"films": filmModel}), "--data-dir", t.TempDir(), "--log-level", "error")
	c := apitest.NewClient(t, p.URL)
	begun := time.Now()
	out := ok(t, "", "import", "films", path, "--url", c.URL)
	t.Logf("%s in %s", strings.TrimSpace(out), time.Since(begun))
	if n := total(t, c, "films"); n != len(all) {
		t.Fatalf("%d films, the file has %d", n, len(all))
	}
	answered := 0
	for _, x := range filmQuestions(busiest(all)) {
		var want []string
		slices.SortStableFunc(all, func(a, b film) int { return cmp.Or(cmp.Compare(b.Year, a.Year), cmp.Compare(a.Title, b.Title)) })
		for _, f := range all {
			if x.is(f) {
				want = append(want, fmt.Sprintf("%s (%d)", f.Title, f.Year))
			}
		}
		if got := walkFilms(t, c, x.filter, x.q); !slices.Equal(got, want) {
			t.Errorf("%s %s: %d films, want %d", x.filter, x.q, len(got), len(want))
		}
		asked := url.Values{}
		if x.filter != "" {
			asked.Set("filter", x.filter)
		}
		if x.q != "" {
			asked.Set("q", x.q)
		}
		n := c.Get(t, "/v1/films:count?"+asked.Encode()).Want(t, 200).Int("/count")
		if n != len(want) {
			t.Errorf("%s %s: count %d, want %d", x.filter, x.q, n, len(want))
		}
		answered += len(want)
	}
	t.Logf("%d films in the answers", answered)
	aggregateFilms(t, c, all)
}

// walkFilms pages through a search, newest films first.
func walkFilms(t *testing.T, c *apitest.Client, filter, q string) (out []string) {
	t.Helper()
	for token := ""; ; {
		body := map[string]any{"order_by": "year desc, title", "page_size": 700, "returns": []string{"data"}, "fields": []string{"title", "year"}}
		for name, value := range map[string]string{"filter": filter, "q": q, "page_token": token} {
			if value != "" {
				body[name] = value
			}
		}
		r := c.Post(t, "/v1/films:search", body).Want(t, 200)
		var page struct {
			Items []struct{ Data film }
			Next  string `json:"next_page_token"`
		}
		if err := json.Unmarshal(r.Body, &page); err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Items {
			out = append(out, fmt.Sprintf("%s (%d)", i.Data.Title, i.Data.Year))
		}
		if token = page.Next; token == "" {
			return out
		}
	}
}

// aggregateFilms compares groups by year and by genre.
func aggregateFilms(t *testing.T, c *apitest.Client, all []film) {
	t.Helper()
	type sums struct{ n, width, widths, highest int }
	years, genres := map[string]*sums{}, map[string]*sums{}
	add := func(to map[string]*sums, key string, f film) {
		if to[key] == nil {
			to[key] = &sums{}
		}
		s := to[key]
		s.n++
		s.highest = max(s.highest, at(f.Height, 0))
		if f.Width != nil {
			s.width += *f.Width
			s.widths++
		}
	}
	for _, f := range all {
		add(years, fmt.Sprint(f.Year), f)
		distinct := slices.Compact(slices.Sorted(slices.Values(f.Genres)))
		for _, g := range distinct {
			add(genres, g, f)
		}
		if len(distinct) == 0 {
			add(genres, "<nil>", f)
		}
	}
	for field, want := range map[string]map[string]*sums{"year": years, "genres": genres} {
		r := c.Get(t, "/v1/films:aggregate?group_by="+field+"&sum=thumbnail_width&avg=thumbnail_width&max=thumbnail_height&page_size=1000&order_by=count+desc").Want(t, 200)
		var answer struct {
			Groups []struct {
				Key      map[string]any
				N        int `json:"count"`
				Sum, Max map[string]*int
				Avg      map[string]*float64
			}
		}
		if err := json.Unmarshal(r.Body, &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Groups) != len(want) {
			t.Errorf("%d groups by %s, want %d", len(answer.Groups), field, len(want))
		}
		last := math.MaxInt
		for _, g := range answer.Groups {
			w := want[fmt.Sprint(g.Key[field])]
			if w == nil || g.N != w.n || g.N > last || at(g.Sum["thumbnail_width"], 0) != w.width || at(g.Max["thumbnail_height"], 0) != w.highest ||
				w.widths > 0 && *g.Avg["thumbnail_width"] != float64(w.width)/float64(w.widths) {
				t.Errorf("%v: %d %v %v %v, want %+v", g.Key, g.N, g.Sum, g.Avg, g.Max, w)
			}
			last = g.N
		}
	}
}

package query_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/autocrud-go/autocrud/pkg/query"
)

func TestThreeValuedLogic(t *testing.T) {
	row := query.Values{
		"title": "Heat 100%", "year": int64(1), "score": 1.0, "open": true, "genres": []query.Value{"Drama", nil, "Crime"},
		"released": time.UnixMicro(5).UTC(), "meta.id": "a",
	}
	empty := query.Values{"meta.id": "a"}
	for _, c := range []struct {
		name, src string
		row       query.Row
		want      query.Truth
	}{
		{"AnIntegerEqualsItsFloat", `year = 1.0`, row, query.True},
		{"AFloatEqualsItsInteger", `score = 1`, row, query.True},
		{"MissingIsUnknown", `year = 1`, empty, query.Unknown},
		{"NotMissingIsUnknown", `NOT year = 1`, empty, query.Unknown},
		{"NotEqualOfMissingIsUnknown", `year != 1`, empty, query.Unknown},
		{"UnknownAndFalseIsFalse", `year = 1 AND isNull(meta.id)`, empty, query.False},
		{"UnknownAndTrueIsUnknown", `year = 1 AND isNull(year)`, empty, query.Unknown},
		{"UnknownOrTrueIsTrue", `year = 1 OR isNull(year)`, empty, query.True},
		{"UnknownOrFalseIsUnknown", `year = 1 OR isNull(meta.id)`, empty, query.Unknown},
		{"IsNullIsNeverUnknown", `NOT isNull(year)`, empty, query.False},
		{"PresenceIsNeverUnknown", `year:*`, empty, query.False},
		{"NotHasOnMissingListIsUnknown", `NOT genres:"x"`, empty, query.Unknown},
		{"NotHasOnListIsTrue", `NOT genres:"x"`, row, query.True},
		{"HasIsMembership", `genres:"Drama"`, row, query.True},
		{"HasIsNeverSubstring", `genres:"Dram"`, row, query.False},
		{"ListLengthCountsNullElements", `len(genres) = 3`, row, query.True},
		{"TextPredicateOnMissingIsUnknown", `contains(title, "x")`, empty, query.Unknown},
		{"InOnMissingIsUnknown", `NOT in(year, 1, 2)`, empty, query.Unknown},
		{"PercentIsOrdinary", `contains(title, "%")`, row, query.True},
		{"UnderscoreIsOrdinary", `contains(title, "_")`, row, query.False},
		{"LowerFolds", `lower(title) = "heat 100%"`, row, query.True},
		{"LowerFoldsTheConstantToo", `lower(title) = "HEAT 100%"`, row, query.True},
		{"ContainsFoldFoldsBoth", `icontains(title, "HEAT")`, row, query.True},
		{"AnElementContains", `contains(genres, "rim")`, row, query.True},
		{"AnElementContainsFolded", `icontains(genres, "RIM")`, row, query.True},
		{"AnElementMatches", `matches(genres, "^C.*e$")`, row, query.True},
		{"AnElementBegins", `startsWith(genres, "Dra")`, row, query.True},
		{"AnElementEnds", `endsWith(genres, "ama")`, row, query.True},
		{"NoElementMatches", `matches(genres, "^rim")`, row, query.False},
		{"NotNoElementMatchesIsTrue", `NOT matches(genres, "^rim")`, row, query.True},
		{"AMatchDoesNotGoOverElements", `contains(genres, "aC")`, row, query.False},
		{"NullElementsHoldNothing", `contains(genres, "")`, query.Values{"genres": []query.Value{nil}}, query.False},
		{"AnEmptyListHasNoElementThatMatches", `matches(genres, "")`, query.Values{"genres": []query.Value{}}, query.False},
		{"OfAMissingListItIsUnknown", `NOT matches(genres, "x")`, empty, query.Unknown},
		{"MatchesIsUnanchored", `matches(title, "a.?\\s")`, row, query.True},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := query.Eval(parse(t, c.src), c.row); got != c.want {
				t.Errorf("%s is %s, want %s", c.src, got, c.want)
			}
		})
	}
}

func TestIntegersAndFloatsCompareExactly(t *testing.T) {
	score := query.Field{Name: "score", Kind: query.Number}
	for _, c := range []struct {
		row  query.Value
		op   query.Op
		to   query.Value
		want query.Truth
	}{
		{float64(1 << 53), query.Equal, int64(1<<53 + 1), query.False},
		{float64(1 << 53), query.Less, int64(1<<53 + 1), query.True},
		{int64(math.MaxInt64), query.Less, float64(1 << 63), query.True},
		{int64(math.MinInt64), query.Equal, float64(-1 << 63), query.True},
		{int64(-1), query.Less, -0.5, query.True},
		{int64(0), query.Greater, -0.5, query.True},
		{int64(5), query.Less, math.Inf(1), query.True},
		{math.Copysign(0, -1), query.Equal, int64(0), query.True},
	} {
		e := query.Compare{Field: score, Op: c.op, Value: c.to}
		if got := query.Eval(e, query.Values{"score": c.row}); got != c.want {
			t.Errorf("%v %v %v is %s", c.row, c.op, c.to, got)
		}
	}
}

func TestFoldIsOnePerOrbitAndIdempotent(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		f := query.Fold(string(r))
		if query.Fold(f) != f {
			t.Errorf("%U folds to %q, which folds on", r, f)
		}
		if o := unicode.SimpleFold(r); query.Fold(string(o)) != f {
			t.Errorf("%U and %U are one letter but fold apart", r, o)
		}
	}
	if got := query.Fold("ÀΣςK İıß"); got != "àσσk İıß" {
		t.Errorf("got %q", got)
	}
}

func TestWordsFoldCaseAndAccents(t *testing.T) {
	got := query.Words("L'Été, naïve café—Ångström 42nd Straße!")
	want := strings.Fields("l ete naive cafe angstrom 42nd straße")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	if again := query.Words(strings.Join(got, " ")); !reflect.DeepEqual(again, got) {
		t.Errorf("words of words: %q", again)
	}
}

func TestParseText(t *testing.T) {
	got, err := query.ParseText(`Spider-Man "The Dark  Knight" caf* * -`)
	want := []query.Phrase{{Words: []string{"spider"}}, {Words: []string{"man"}}, {Words: []string{"the", "dark", "knight"}}, {Words: []string{"caf"}, Prefix: true}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := query.ParseText(`a "b`); err == nil {
		t.Error("an open quote is accepted")
	}
}

func TestScriptsWithoutSpacesAreCutIntoPairs(t *testing.T) {
	for text, want := range map[string]string{
		"ABC株式会社":     "abc 株式 式会 会社 社",
		"会":           "会",
		"会社、東京 2024年": "会社 社 東京 京 2024 年",
		"カード":         "カー ート ト",
		"회사에서 일":      "회사에서 일",
		"สวัสดี":      "สว วส สด ด",
	} {
		if got := strings.Join(query.Words(text), " "); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for src, want := range map[string][]query.Phrase{
		"会社":           {{Words: []string{"会社"}}},
		"会":            {{Words: []string{"会"}, Prefix: true}},
		"株式会社*":        {{Words: []string{"株式", "式会", "会社"}}},
		"ABC株式":        {{Words: []string{"abc"}}, {Words: []string{"株式"}}},
		"株式ab*":        {{Words: []string{"株式"}}, {Words: []string{"ab"}, Prefix: true}},
		`"会社 ABC 東京都"`: {{Words: []string{"会社", "社", "abc", "東京", "京都"}}},
		`"abc 会"`:      {{Words: []string{"abc", "会"}, Prefix: true}},
		" 😀 !":         nil,
	} {
		if got, err := query.ParseText(src); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", src, got, err)
		}
	}
}

func TestCursorSurvivesTheRoundTripExactly(t *testing.T) {
	k := query.NewCursors([]byte("key"))
	c := query.Cursor{ID: "x", Values: []query.Value{nil, "é\"", int64(math.MinInt64), 0.1, true, time.UnixMicro(-1).UTC()}}
	got, err := k.Decode(k.Encode(c, "b"), "b", nil)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Fatalf("got %#v, %v", got, err)
	}
}

func TestCursorOfAnotherListIsToldFromAForeignOne(t *testing.T) {
	k := query.NewCursors([]byte("key"))
	order := query.Order{{Field: query.Field{Name: "year", Kind: query.Integer}}}
	c := query.Cursor{ID: "x", Values: []query.Value{int64(1)}}
	token := k.Encode(c, "b")
	if _, err := k.Decode(token, "other", order); !errors.Is(err, query.ErrOtherCursor) {
		t.Errorf("other binding: %v", err)
	}
	if _, err := k.Decode(token, "b", append(order, order...)); !errors.Is(err, query.ErrOtherCursor) {
		t.Errorf("other order: %v", err)
	}
	if _, err := query.NewCursors([]byte("k2")).Decode(token, "b", order); !errors.Is(err, query.ErrForeignCursor) {
		t.Errorf("other key: %v", err)
	}
	for i := range len(token) {
		flipped := token[:i] + string('A'+(token[i]+1)%26) + token[i+1:]
		if flipped == token {
			continue
		}
		if _, err := k.Decode(flipped, "b", order); !errors.Is(err, query.ErrForeignCursor) {
			t.Errorf("altered at %d: %v", i, err)
		}
	}
}

func TestTheLongestOrderFitsAToken(t *testing.T) {
	c := query.Cursor{ID: strings.Repeat("i", 128)}
	for range query.MaxTerms {
		c.Values = append(c.Values, strings.Repeat("x", 2000))
	}
	k := query.NewCursors(nil)
	if _, err := k.Decode(k.Encode(c, ""), "", nil); err != nil {
		t.Error(err)
	}
}

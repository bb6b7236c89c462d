package storagetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// asked holds the index and the evaluator to the ids that each filter finds.
func asked(t *testing.T, x storage.Index, rows map[string]query.Values, answers [][2]string) {
	t.Helper()
	define(t, x, movies())
	var all []query.Row
	var changes []storage.IndexChange
	for _, id := range sortedKeys(rows) {
		c := change(uint64(len(changes)+1), id, storage.Created, rows[id])
		c.Event.Meta.Seq = c.Event.Seq
		changes = append(changes, c)
		all = append(all, resourceRow{&c.Event.Meta, rows[id]})
	}
	apply(t, x, changes...)
	byID := order(t, "meta.id")
	for _, a := range answers {
		s := storage.Search{Filter: filter(t, a[0]), Order: byID, Limit: 100}
		if got := strings.Join(ids(t, x, s), " "); got != a[1] {
			t.Errorf("%s finds %q, want %q", a[0], got, a[1])
		}
		if got := strings.Join(reference(all, s.Filter, byID), " "); got != a[1] {
			t.Errorf("the evaluator: %s finds %q, want %q", a[0], got, a[1])
		}
	}
}

func sortedKeys(m map[string]query.Values) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// foldedText: lower() folds what it is compared with as it folds the field, so
// that a text equals itself in all its forms.
func foldedText(t *testing.T, x storage.Index) {
	rows := map[string]query.Values{}
	for i, s := range []string{"5 µm", "5 ΜM", "λόγος", "ΛΌΓΟΣ", "ſet", "SET", "K", "\u212A", "ß", "ẞ", "İ", "ı", "i", "straße"} {
		rows[fmt.Sprintf("r%02d", i)] = query.Values{"title": s}
	}
	asked(t, x, rows, [][2]string{
		{`lower(title) = "5 µm"`, "r00 r01"},
		{`lower(title) = "5 μm"`, "r00 r01"},
		{`lower(title) = "λόγος"`, "r02 r03"},
		{`lower(title) = "ΛΌΓΟΣ"`, "r02 r03"},
		{`lower(title) != "λόγος" AND startsWith(lower(title), "λ")`, ""},
		{`lower(title) = "ſet"`, "r04 r05"},
		{`in(lower(title), "Set", "k")`, "r04 r05 r06 r07"},
		{`lower(title) = "ß"`, "r08 r09"},
		{`lower(title) = "İ"`, "r10"},
		{`lower(title) = "ı"`, "r11"},
		{`lower(title) = "I"`, "r12"},
		{`startsWith(lower(title), "ΛΌ")`, "r02 r03"},
		{`endsWith(lower(title), "ς")`, "r02 r03"},
		{`contains(lower(title), "RAẞ")`, "r13"},
		{`icontains(title, "µM")`, "r00 r01"},
		{`matches(title, "(?i)^5 µm$")`, "r00 r01"},
		{`matches(lower(title), "^5 µM$")`, "r00 r01"},
		{`matches(lower(title), "ς$|^[S]")`, "r02 r03 r04 r05 r13"},
		{`lower(title) >= "ſ" AND lower(title) < "T"`, "r04 r05 r13"},
		{`NOT lower(title) = "ſet" AND in(title, "SET", "K")`, "r06"},
	})
}

// numbersEqualThemselves: whatever a number is written as, it equals what was
// stored from the same text.
func numbersEqualThemselves(t *testing.T, x storage.Index) {
	rows := map[string]query.Values{
		"a": {"year": int64(1<<53 + 1), "score": float64(1<<53 + 1), "marks": []query.Value{float64(1<<53 + 1)}},
		"b": {"year": int64(1<<53 + 2), "score": float64(1<<53 + 2), "marks": []query.Value{float64(1<<53 + 2)}},
		"c": {"year": int64(math.MaxInt64), "score": float64(math.MaxInt64), "marks": []query.Value{}},
		"d": {"year": int64(math.MinInt64), "score": float64(1234567890123456789)},
		"e": {"year": int64(100), "score": 0.1, "marks": []query.Value{0.1}},
	}
	asked(t, x, rows, [][2]string{
		// a number is a 64-bit float, and so is what it is compared with
		{`score = 1234567890123456789`, "d"},
		{`score != 1234567890123456789`, "a b c e"},
		{`in(score, 1234567890123456789, 0.1)`, "d e"},
		{`score <= 1234567890123456789`, "a b d e"},
		{`score < 1234567890123456789`, "a b e"},
		{`score >= 1234567890123456789`, "c d"},
		{`score = 9007199254740993`, "a"},
		{`score = 9007199254740992`, "a"},
		{`score = 9007199254740993.0`, "a"},
		{`score = 9007199254740994`, "b"},
		{`score = 9223372036854775807`, "c"},
		{`score = 9223372036854775808`, "c"},
		{`score < 9223372036854775807`, "a b d e"},
		{`score = 0.1000000000000000055511151231257827`, "e"},
		{`marks:9007199254740993`, "a"},
		{`marks:9007199254740993 OR marks:0.1`, "a e"},
		// an integer is exact, and so is what it is compared with
		{`year = 9007199254740993`, "a"},
		{`year = 9007199254740993.0`, "a"},
		{`year = 9.007199254740993e15`, "a"},
		{`year != 9007199254740993.0`, "b c d e"},
		{`in(year, 9007199254740993.0, 9223372036854775807.0)`, "a c"},
		{`year < 9007199254740993.5`, "a d e"},
		{`year > 9007199254740993.5`, "b c"},
		{`year = 9007199254740993.5`, ""},
		{`year != 9007199254740993.5`, "a b c d e"},
		{`year > 9223372036854775806.5`, "c"},
		{`year >= 9223372036854775806.5`, "c"},
		{`year <= 9223372036854775807.5`, "a b c d e"},
		{`year > 9223372036854775807.5`, ""},
		{`year < -9223372036854775807.5`, "d"},
		{`year <= -9223372036854775808.5`, ""},
		{`year > -9223372036854775808.5`, "a b c d e"},
		{`year > -9223372036854775809`, "a b c d e"},
		{`year = -9223372036854775808`, "d"},
		{`year = 1e2`, "e"},
		{`year = 1000000000000000000000e-19`, "e"},
		{`year > 1e-400 AND year < 101`, "e"},
		{`NOT year = 99.99999999999999999999999`, "a b c d e"},
		{`year > 99.99999999999999999999999 AND year < 100.00000000000000000000001`, "e"},
		{`len(marks) > 0.99999999999999999999999`, "a b e"},
	})
}

// fieldsCompare: a field compares with another one of its row as with a value.
func fieldsCompare(t *testing.T, x storage.Index) {
	rows := map[string]query.Values{
		"a": {"title": "a", "year": int64(5), "score": 5.0, "released": epoch.Add(2 * time.Second), "genres": []query.Value{"x"}},
		"b": {"title": "B", "year": int64(6), "score": 5.5, "released": epoch, "open": true, "genres": []query.Value{}},
		"c": {"title": "ς", "year": int64(1<<53 + 1), "score": float64(1 << 53), "released": epoch.Add(time.Hour)},
		"d": {"year": int64(math.MinInt64)},
		"e": {"score": -1.5, "open": false},
	}
	asked(t, x, rows, [][2]string{
		{`year = score`, "a c"}, // beside a float an integer is the nearest one
		{`year != score`, "b"},
		{`year > score`, "b"},
		{`score <= year`, "a b c"},
		{`NOT year > score`, "a c"},
		{`NOT (year = score OR year < score)`, "b"},
		{`year < year`, ""},
		{`year = year`, "a b c d"},
		{`isNull(score) OR year >= score`, "a b c d"},
		{`title = meta.id`, "a"},
		{`lower(title) = lower(meta.id)`, "a b"},
		{`title > meta.id`, "c"},
		{`released > meta.created_at`, "a c"},
		{`released <= meta.updated_at`, "b"},
		{`len(genres) < len(title)`, "b"},
		{`len(title) = len(meta.id)`, "a b c"},
		{`open = meta.deleted`, "e"},
		{`meta.revision_count < meta.seq`, "b c d e"},
	})
}

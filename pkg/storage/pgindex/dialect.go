package pgindex

import (
	"fmt"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// dialect is Postgres. Text columns have the collation "C", which in UTF8 is
// the order of code points.
type dialect struct{}

// Placeholder tells the type: what the server guesses depends on the place.
func (dialect) Placeholder(n int, v query.Value) string {
	switch v.(type) {
	case string:
		return fmt.Sprintf("$%d::text", n)
	case float64:
		return fmt.Sprintf("$%d::float8", n)
	case bool:
		return fmt.Sprintf("$%d::boolean", n)
	case []int64:
		return fmt.Sprintf("$%d::bigint[]", n)
	}
	return fmt.Sprintf("$%d::bigint", n)
}

func (dialect) Arg(v query.Value) any {
	if t, ok := v.(time.Time); ok {
		return query.Micros(t)
	}
	return v
}

func (dialect) Float(number string) string { return "(" + number + ")::float8" }

func (dialect) Length(text string) string { return "char_length(" + text + ")" }

func (dialect) EndsWith(text, suffix string, n int) string {
	return fmt.Sprintf("right(%s, %d) = %s", text, n, suffix)
}

func (dialect) Contains(text, part string) string { return "strpos(" + text + ", " + part + ") > 0" }

func (dialect) Fold(text string) string { return foldName + "(" + text + ")" }

func (dialect) Pattern(p string) string { return advanced(p) }

func (dialect) Matches(text, pattern string) string { return text + " ~ " + pattern }

func (dialect) Member(c sqlrender.Column, _ []query.Value, placeholders []string) string {
	if len(placeholders) == 1 {
		return c.SQL + " @> ARRAY[" + placeholders[0] + "]"
	}
	return c.SQL + " && ARRAY[" + strings.Join(placeholders, ", ") + "]"
}

func (d dialect) NotMember(c sqlrender.Column, placeholders []string) string {
	return "NOT (" + d.Member(c, nil, placeholders) + ")"
}

func (dialect) AnyElement(c sqlrender.Column, cond func(element string) string) string {
	return "EXISTS (SELECT 1 FROM unnest(" + c.SQL + ") AS u(e) WHERE " + cond("u.e") + ")"
}

func (dialect) ListLength(c sqlrender.Column) string { return "cardinality(" + c.SQL + ")" }

// Sort says NULLS LAST also of columns without null, as their indexes do.
func (dialect) Sort(expr string, desc, _ bool) string {
	if desc {
		return expr + " DESC NULLS LAST"
	}
	return expr
}

// Sum adds numbers in decimal, where nothing is rounded. They are taken by
// their shortest text, which is how they are written everywhere else. Reading
// that text is slow, so all below 10^9 are added as whole millionths, and the
// rest of those that have more digits is added in decimal. Up to 15 digits a
// decimal is the shortest one if it reads as the number, and a quotient of
// such integers is rounded as reading is (IEEE 754).
func (dialect) Sum(expr string, k query.Kind) string {
	if k != query.Number {
		return "sum(" + expr + ")::text"
	}
	text := strings.NewReplacer("$whole", "sum(CASE WHEN abs($v) < 1e9 THEN ($v * 1e6)::bigint END)",
		"$rest", "sum($v::text::numeric - CASE WHEN abs($v) < 1e9 THEN ($v * 1e6)::bigint * 0.000001 ELSE 0 END)"+
			" FILTER (WHERE CASE WHEN abs($v) < 1e9 THEN round($v * 1e6) / 1e6 <> $v ELSE true END)").Replace(
		"(CASE WHEN $whole IS NULL THEN $rest WHEN $rest IS NULL THEN $whole * 0.000001 ELSE $whole * 0.000001 + $rest END)::text")
	return strings.ReplaceAll(text, "$v", expr)
}

func (dialect) Extreme(expr string, k query.Kind, largest bool) string {
	switch {
	case k == query.Boolean && largest:
		return "bool_or(" + expr + ")"
	case k == query.Boolean:
		return "bool_and(" + expr + ")"
	case largest:
		return "max(" + expr + ")"
	}
	return "min(" + expr + ")"
}

func (dialect) Elements(t sqlrender.Table, c sqlrender.Column, name string) string {
	return fmt.Sprintf("LEFT JOIN LATERAL (SELECT DISTINCT u.e AS %s FROM unnest(%s.%s) AS u(e) WHERE u.e IS NOT NULL) AS of_%s ON true", name, t.Name, c.SQL, name)
}

// Period counts with Go's offsets of the zone, which come along: the database's
// own time zones may be others.
func (dialect) Period(expr string, p query.Period, arg func(query.Value) string) string {
	changes, offsets, begin, length := query.Offsets(p.Zone)
	seconds := strings.ReplaceAll("(($t - mod(mod($t, 1000000) + 1000000, 1000000)) / 1000000)", "$t", expr)
	offset := fmt.Sprint(offsets[0], "::bigint")
	if len(changes) > 0 {
		offset = strings.NewReplacer("$s", seconds, "$begin", fmt.Sprint(begin), "$length", fmt.Sprint(length), "$changes", arg(changes), "$offsets", arg(offsets)).Replace(
			"($offsets)[width_bucket(CASE WHEN $s < $begin + $length THEN $s ELSE $begin + mod($s - $begin, $length) END, $changes) + 1]")
	}
	local := "(" + seconds + " + " + offset + ")"
	if p.Unit == query.Hour {
		begin := fmt.Sprintf("(%s - mod(mod(%s, 3600) + 3600, 3600) - %s)", local, local, offset)
		return fmt.Sprintf("(%s * %d + %s + %d)", begin, query.HourStep, offset, query.HourZero)
	}
	unit := map[query.Unit]string{query.Year: "year", query.Month: "month", query.Week: "week", query.Day: "day"}[p.Unit]
	return fmt.Sprintf("extract(epoch FROM date_trunc('%s', timestamp 'epoch' + %s * interval '1 second'))::bigint", unit, local)
}

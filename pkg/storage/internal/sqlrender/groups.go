package sqlrender

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Groups writes one statement. Its columns are the keys, the count, a sum for
// each of Sum, a sum and a number of values for each of Avg, the extremes of
// Min and Max, then extra, which are the same for all rows.
func (r *Renderer) Groups(a storage.Aggregation, where []string, extra ...string) string {
	from := r.t.from()
	var inner, outer, by []string
	add := func(expr, name string) {
		inner = append(inner, expr+" AS "+name)
		outer = append(outer, name)
	}
	for i, f := range a.By {
		c := r.column(f)
		expr := c.SQL
		if f.List {
			expr = fmt.Sprintf("e%d", i)
			from += " " + r.d.Elements(r.t, c, expr)
		}
		if p := a.Period(i); p.Unit != 0 {
			if n, dates := p.Dates(); dates {
				expr = fmt.Sprintf("substr(%s, 1, %d)", expr, n)
			} else {
				expr = r.d.Period(expr, p, r.Arg)
			}
		}
		add(expr, fmt.Sprintf("k%d", i))
		by = append(by, expr)
	}
	add("count(*)", "n")
	for i, f := range a.Sum {
		add(r.d.Sum(r.column(f).SQL, f.Kind), fmt.Sprintf("s%d", i))
	}
	for i, f := range a.Avg {
		c := r.column(f).SQL
		add(r.d.Sum(c, f.Kind), fmt.Sprintf("a%d", i))
		add("count("+c+")", fmt.Sprintf("c%d", i))
	}
	for i, f := range a.Min {
		add(r.d.Extreme(r.column(f).SQL, f.Kind, false), fmt.Sprintf("l%d", i))
	}
	for i, f := range a.Max {
		add(r.d.Extreme(r.column(f).SQL, f.Kind, true), fmt.Sprintf("h%d", i))
	}
	text := fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(inner, ", "), from, balanced(where, " AND "))
	if len(by) > 0 {
		text += " GROUP BY " + strings.Join(by, ", ")
	}
	text = fmt.Sprintf("SELECT %s FROM (%s) AS g", strings.Join(append(outer, extra...), ", "), text)
	terms := a.Terms()
	if a.After != nil {
		text += " WHERE " + r.afterGroup(a, terms, a.After.Values)
	}
	var sorts []string
	for _, t := range terms {
		sorts = append(sorts, r.d.Sort(groupKey(t), t.Desc, t.Key >= 0))
	}
	if len(sorts) > 0 {
		text += " ORDER BY " + strings.Join(sorts, ", ")
	}
	return text + fmt.Sprintf(" LIMIT %d", a.Limit+1)
}

// Combinations writes the statement that counts how many combinations of elements
// Groups would look at; it has no text for an aggregation by fewer than two lists.
func (r *Renderer) Combinations(a storage.Aggregation, where []string) string {
	var factors []string
	for _, f := range a.By {
		if f.List {
			n := r.d.ListLength(r.column(f))
			factors = append(factors, fmt.Sprintf("CAST(CASE WHEN %s > 1 THEN %s ELSE 1 END AS double precision)", n, n))
		}
	}
	if len(factors) < 2 {
		return ""
	}
	return fmt.Sprintf("SELECT coalesce(sum(%s), 0) FROM %s WHERE %s", strings.Join(factors, " * "), r.t.from(), balanced(where, " AND "))
}

// TooMany refuses to look at more combinations than an aggregation may.
func TooMany(n float64) error {
	if n <= storage.MaxCombinations {
		return nil
	}
	return &query.Error{Detail: fmt.Sprintf("group_by: the lists have %.0f combinations of elements, more than %d: group by fewer lists, or narrow the filter", n, storage.MaxCombinations)}
}

func groupKey(t storage.GroupTerm) string {
	if t.Key < 0 {
		return "n"
	}
	return fmt.Sprintf("k%d", t.Key)
}

// afterGroup is the condition that a group comes after the cursor.
func (r *Renderer) afterGroup(a storage.Aggregation, terms []storage.GroupTerm, values []query.Value) string {
	if len(terms) == 0 || len(values) == 0 {
		return never
	}
	k, v := groupKey(terms[0]), values[0]
	rest := r.afterGroup(a, terms[1:], values[1:])
	if v == nil {
		return "(" + k + " IS NULL AND " + rest + ")"
	}
	op := " > "
	if terms[0].Desc {
		op = " < "
	}
	cond := "(" + k + op + r.Arg(v)
	if terms[0].Key >= 0 {
		cond += " OR " + k + " IS NULL"
	}
	return cond + " OR (" + k + " = " + r.Arg(v) + " AND " + rest + "))"
}

// GroupColumns is how many columns Groups has, without extra.
func GroupColumns(a storage.Aggregation) int {
	return len(a.By) + 1 + len(a.Sum) + 2*len(a.Avg) + len(a.Min) + len(a.Max)
}

// ReadGroup makes a group of a row of Groups.
func ReadGroup(a storage.Aggregation, row []any) (g storage.Group, err error) {
	next := func() any {
		v := row[0]
		row = row[1:]
		return v
	}
	for i, f := range a.By {
		kind := f.Kind
		if a.Period(i).Zone != nil {
			kind = query.Integer
		}
		g.Key = append(g.Key, Value(kind, next()))
	}
	g.Count, _ = next().(int64)
	for _, f := range a.Sum {
		sum, err := exactSum(next())
		if err != nil {
			return g, err
		}
		g.Sum = append(g.Sum, sumValue(sum, f.Kind))
	}
	for range a.Avg {
		sum, err := exactSum(next())
		if err != nil {
			return g, err
		}
		n, _ := next().(int64)
		var v query.Value
		if sum != nil && n > 0 {
			f, _ := sum.Quo(sum, new(big.Rat).SetInt64(n)).Float64()
			v = plain(f)
		}
		g.Avg = append(g.Avg, v)
	}
	for _, f := range a.Min {
		g.Min = append(g.Min, Value(f.Kind, next()))
	}
	for _, f := range a.Max {
		g.Max = append(g.Max, Value(f.Kind, next()))
	}
	return g, nil
}

// GroupCursor is the place after a group.
func GroupCursor(a storage.Aggregation, g storage.Group) *query.Cursor {
	c := &query.Cursor{}
	for _, t := range a.Terms() {
		if t.Key < 0 {
			c.Values = append(c.Values, g.Count)
		} else {
			c.Values = append(c.Values, g.Key[t.Key])
		}
	}
	return c
}

// Value gives what a database returned its kind again.
func Value(k query.Kind, v any) query.Value {
	switch x := v.(type) {
	case []byte:
		return string(x)
	case int64:
		switch k {
		case query.Time:
			return time.UnixMicro(x).UTC()
		case query.Boolean:
			return x != 0
		case query.Number:
			return float64(x)
		}
	case float64:
		return plain(x)
	}
	return v
}

// plain is the one zero.
func plain(f float64) float64 {
	if f == 0 {
		return 0
	}
	return f
}

// exactSum reads what Dialect.Sum wrote; nil is the sum of nothing.
func exactSum(v any) (*big.Rat, error) {
	var text string
	switch x := v.(type) {
	case nil:
		return nil, nil
	case int64:
		return new(big.Rat).SetInt64(x), nil
	case string:
		text = x
	case []byte:
		text = string(x)
	}
	high, low, parts := strings.Cut(text, " ")
	sum, ok := new(big.Rat).SetString(high)
	if ok && parts {
		var l *big.Rat
		if l, ok = new(big.Rat).SetString(low); ok {
			sum.Add(sum.Mul(sum, new(big.Rat).SetInt64(1<<32)), l)
		}
	}
	if !ok {
		return nil, fmt.Errorf("%q is no sum", text)
	}
	return sum, nil
}

func sumValue(sum *big.Rat, k query.Kind) any {
	if sum == nil {
		return nil
	}
	if k == query.Integer {
		if n := sum.Num(); !n.IsInt64() {
			return json.Number(n.String())
		}
		return sum.Num().Int64()
	}
	f, _ := sum.Float64()
	if math.IsInf(f, 0) {
		return json.Number(new(big.Float).SetPrec(64).SetRat(sum).Text('e', 16))
	}
	return plain(f)
}

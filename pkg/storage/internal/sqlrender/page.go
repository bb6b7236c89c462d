package sqlrender

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
)

// Page asks for the rows after a place in an order.
type Page struct {
	Where  []string // conditions, all of which hold; written with this Renderer
	Whole  bool     // one range of all: for conditions too long to be written several times
	If     string   // when it is not true, Others find the rows; empty: always
	Others []Finding
	Order  query.Order
	After  *query.Cursor
	Limit  int
	Wide   []string // columns of the table that are read for found rows only
	Extra  []string // expressions that are the same for all rows
}

// Finding is another way to find the rows of a page, taken when If is true: all
// rows of its conditions are sorted. It suits conditions that few rows meet.
type Finding struct {
	With  *Renderer // of the same statement
	Where []string  // written with it
	If    string
}

// Page writes one statement. Its columns are the sort keys of Order, as many
// as there are, then Wide, then Extra.
//
// In a table with a Key the rows are found first, by keys only, and joined with
// their wide columns afterwards: what has to be sorted stays small. The place is found by ranges
// of the first key, one limited select for each, so that a deep page costs as
// much as the first one: the rest of the rows that share the cursor's first
// value, the values after it, the rows without a value. The ranges follow each
// other in the order, and databases work the parts of a UNION ALL off in turn,
// so once one has filled the page the next ones are not looked at.
func (r *Renderer) Page(p Page) string {
	keys := r.keys(p.Order)
	var parts []part
	if p.Whole {
		parts = []part{r.rest(keys, p.After)}
	} else {
		parts = r.ranges(keys, p.After)
	}
	if r.t.Key == "" && len(parts) == 1 && len(p.Others) == 0 {
		return r.flat(p, keys, parts[0])
	}
	var branches []string
	for _, c := range parts {
		branches = append(branches, "SELECT * FROM ("+r.branch(p, p.Where, p.If, keys, c)+") AS b")
	}
	for _, o := range p.Others {
		k := o.With.keys(p.Order)
		branches = append(branches, "SELECT * FROM ("+o.With.branch(p, o.Where, o.If, k, o.With.rest(k, p.After))+") AS b")
	}
	found := strings.Join(branches, " UNION ALL ")
	if len(branches) > 1 { // one after the other, until there are enough
		found = fmt.Sprintf("SELECT * FROM (%s) AS u LIMIT %d", found, p.Limit)
	}
	from, wide := "p", ""
	if r.t.Key != "" {
		from, wide = "w", fmt.Sprintf(" CROSS JOIN %s AS w ON w.%s = p.kkey", r.t.Name, r.t.Key) // the found rows come first
	}
	var cols []string
	for i := range p.Order {
		cols = append(cols, fmt.Sprintf("p.k%d", i))
	}
	for _, w := range p.Wide {
		cols = append(cols, from+"."+w)
	}
	cols = append(cols, p.Extra...)
	text := fmt.Sprintf("SELECT %s FROM (%s) AS p%s", strings.Join(cols, ", "), found, wide)
	if r.t.Key == "" || len(branches) == 1 { // else it would sort whole rows that are in order
		text += " ORDER BY " + r.sorts("p", keys)
	}
	return text + fmt.Sprintf(" LIMIT %d", p.Limit)
}

// sorts is the order of found rows.
func (r *Renderer) sorts(of string, keys []key) string {
	var out []string
	for i, k := range keys {
		name := fmt.Sprintf("%s.k%d", of, i)
		if k.id {
			name = of + ".kid"
		}
		out = append(out, r.d.Sort(name, k.desc, k.nullable))
	}
	return strings.Join(out, ", ")
}

// Count writes the statement that counts the matches.
func (r *Renderer) Count(where []string) string {
	return "SELECT count(*) FROM " + r.t.from() + " WHERE " + balanced(where, " AND ")
}

// key is one sort key, the last of which is the id.
type key struct {
	sql            string
	desc, nullable bool
	id             bool
	kind           query.Kind
	value          query.Value // of the cursor
}

// keys are the order's terms and the id. Nothing after the id can matter.
func (r *Renderer) keys(o query.Order) []key {
	var keys []key
	for _, t := range o {
		c := r.column(t.Field)
		k := key{sql: c.SQL, desc: t.Desc, nullable: c.Nullable, kind: t.Field.Kind, id: t.Field.Name == query.IDField}
		keys = append(keys, k)
		if k.id {
			return keys
		}
	}
	return append(keys, key{sql: r.t.ID, id: true, kind: query.Text})
}

// part is one range of the first key.
type part struct {
	cond  string // empty: everything
	fixed int    // how many leading keys are the same for all its rows
	whole bool   // it also holds rows without a value of the first key
}

// ranges cuts what lies after the cursor by the first key.
func (r *Renderer) ranges(keys []key, after *query.Cursor) []part {
	if after == nil {
		return r.everything(keys)
	}
	place(keys, after)
	first := keys[0]
	if first.id {
		return []part{{cond: r.beyond(first)}}
	}
	if first.value == nil {
		return []part{{cond: first.sql + " IS NULL AND " + r.after(keys[1:]), fixed: 1}}
	}
	parts := []part{
		{cond: first.sql + " = " + r.cursorArg(first) + " AND " + r.after(keys[1:]), fixed: 1},
		{cond: r.beyond(first)},
	}
	if first.nullable {
		parts = append(parts, part{cond: first.sql + " IS NULL", fixed: 1})
	}
	return parts
}

// everything is the first page. With further keys it asks for a value that is
// at least the lowest: that says nothing, but makes a planner walk the first
// key's index and sort within equal values where it would else sort all rows.
func (r *Renderer) everything(keys []key) []part {
	first := keys[0]
	if len(keys) == 1 || keys[1].id {
		return []part{{whole: true}}
	}
	parts := []part{{cond: first.sql + " >= " + r.Arg(lowest[first.kind])}}
	if first.nullable {
		parts = append(parts, part{cond: first.sql + " IS NULL", fixed: 1})
	}
	return parts
}

var lowest = map[query.Kind]query.Value{
	query.Text: "", query.Boolean: false, query.Number: math.Inf(-1),
	query.Integer: int64(math.MinInt64), query.Time: time.UnixMicro(math.MinInt64),
}

// beyond is the condition that the key has a value after the cursor's.
func (r *Renderer) beyond(k key) string {
	if k.desc {
		return k.sql + " < " + r.cursorArg(k)
	}
	return k.sql + " > " + r.cursorArg(k)
}

// after is the condition that a row comes after the cursor by these keys.
func (r *Renderer) after(keys []key) string {
	k := keys[0]
	if k.id {
		return r.beyond(k)
	}
	if k.value == nil {
		return "(" + k.sql + " IS NULL AND " + r.after(keys[1:]) + ")"
	}
	cond := "(" + r.beyond(k)
	if k.nullable {
		cond += " OR " + k.sql + " IS NULL"
	}
	return cond + " OR (" + k.sql + " = " + r.cursorArg(k) + " AND " + r.after(keys[1:]) + "))"
}

// cursorArg passes a cursor's value with the type of its column.
func (r *Renderer) cursorArg(k key) string {
	_, v, verdict := exact(k.kind, query.Equal, k.value)
	if verdict != depends {
		v = k.value
	}
	return r.Arg(v)
}

// flat is the page as one plain select: a planner that is asked each time takes
// half as long over it as over a nested one.
func (r *Renderer) flat(p Page, keys []key, in part) string {
	var cols []string
	for _, t := range p.Order {
		cols = append(cols, r.column(t.Field).SQL)
	}
	return r.limited(p, slices.Concat(cols, p.Wide, p.Extra), p.Where, p.If, keys, in)
}

// branch is the limited select of one range, by keys only.
func (r *Renderer) branch(p Page, conditions []string, onlyIf string, keys []key, in part) string {
	cols := append([]string{r.t.ID + " AS kid"}, p.Wide...)
	if r.t.Key != "" {
		cols = []string{r.t.Key + " AS kkey", r.t.ID + " AS kid"}
	}
	for i, t := range p.Order {
		cols = append(cols, fmt.Sprintf("%s AS k%d", r.column(t.Field).SQL, i))
	}
	return r.limited(p, cols, conditions, onlyIf, keys, in)
}

// limited selects the columns of one range in its order.
func (r *Renderer) limited(p Page, cols, conditions []string, onlyIf string, keys []key, in part) string {
	where := append([]string{}, conditions...)
	if in.cond != "" {
		where = append([]string{in.cond}, where...)
	}
	var sorts []string
	for i, k := range keys {
		if i < in.fixed {
			continue
		}
		sorts = append(sorts, r.d.Sort(k.sql, k.desc, k.nullable && (i > 0 || in.whole)))
	}
	if len(where) == 0 {
		where = []string{always}
	}
	limit := fmt.Sprint(p.Limit)
	if onlyIf != "" {
		limit = fmt.Sprintf("CASE WHEN %s THEN %d ELSE 0 END", onlyIf, p.Limit)
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %s",
		strings.Join(cols, ", "), r.t.from(), strings.Join(where, " AND "), strings.Join(sorts, ", "), limit)
}

// rest is everything after the cursor, in one part.
func (r *Renderer) rest(keys []key, after *query.Cursor) part {
	if after == nil {
		return part{whole: true}
	}
	place(keys, after)
	return part{cond: r.after(keys), whole: true}
}

// place gives the keys the cursor's values.
func place(keys []key, after *query.Cursor) {
	for i := range keys {
		if keys[i].id {
			keys[i].value = after.ID
		} else if i < len(after.Values) {
			keys[i].value = after.Values[i]
		}
	}
}

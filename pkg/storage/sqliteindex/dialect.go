package sqliteindex

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// dialect is SQLite. Text compares by bytes of UTF-8, which is the order of
// code points; folding and patterns are our own functions.
type dialect struct {
	table string // quoted, whose rows are filtered
	// fromElements are the elements few rows have; nil: start from any.
	fromElements map[element]bool
	// plain adds integers as they are, which fails beyond 64 bits.
	plain bool
}

// element is a value in a list's table.
type element struct {
	members string
	value   query.Value
}

func (dialect) Placeholder(n int, _ query.Value) string { return "?" + strconv.Itoa(n) }

func (dialect) Arg(v query.Value) any {
	switch v := v.(type) {
	case time.Time:
		return query.Micros(v)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	}
	return v
}

func (dialect) Float(number string) string { return "CAST(" + number + " AS REAL)" }

func (dialect) Length(text string) string { return "length(" + text + ")" }

func (dialect) EndsWith(text, suffix string, n int) string {
	return fmt.Sprintf("substr(%s, -%d) = %s", text, n, suffix)
}

func (dialect) Contains(text, part string) string { return "instr(" + text + ", " + part + ") > 0" }

func (dialect) Fold(text string) string { return "autocrud_fold(" + text + ")" }

func (dialect) Pattern(p string) string { return p }

func (dialect) Matches(text, pattern string) string {
	return "autocrud_matches(" + text + ", " + pattern + ")"
}

// Member starts from the elements where that is worth it, and looks each row
// of another walk up in them where it is not.
func (d dialect) Member(c sqlrender.Column, values []query.Value, placeholders []string) string {
	if d.fromElements == nil || len(values) == 1 && d.fromElements[element{c.Members, values[0]}] {
		return "rid IN (SELECT rid FROM " + c.Members + " WHERE " + among("v", placeholders) + ")"
	}
	return d.lookUp(c, placeholders) + " = 1"
}

func (d dialect) NotMember(c sqlrender.Column, placeholders []string) string {
	return d.lookUp(c, placeholders) + " IS NULL"
}

func (d dialect) lookUp(c sqlrender.Column, placeholders []string) string {
	return "(SELECT 1 FROM " + c.Members + " AS m WHERE " + among("m.v", placeholders) + " AND m.rid = " + d.table + ".rid)"
}

func among(v string, placeholders []string) string {
	if len(placeholders) == 1 {
		return v + " = " + placeholders[0]
	}
	return v + " IN (" + strings.Join(placeholders, ", ") + ")"
}

// AnyElement looks the elements of all rows through once, not those of each row.
func (dialect) AnyElement(c sqlrender.Column, cond func(element string) string) string {
	return "rid IN (SELECT rid FROM " + c.Members + " WHERE " + cond("v") + ")"
}

// ListLength is the column itself: the row holds how many elements there are.
func (dialect) ListLength(c sqlrender.Column) string { return c.SQL }

func (dialect) Sort(expr string, desc, nullable bool) string {
	switch {
	case desc: // null is the smallest and so comes last
		return expr + " DESC"
	case nullable:
		return expr + " ASC NULLS LAST"
	}
	return expr
}

// register adds our functions to the driver, which is one per process.
var register = sync.OnceValue(func() error {
	if err := registerSum(); err != nil {
		return err
	}
	err := sqlite.RegisterDeterministicScalarFunction("autocrud_fold", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		if s, ok := args[0].(string); ok {
			return query.Fold(s), nil
		}
		return nil, nil
	})
	if err != nil {
		return err
	}
	if err := sqlite.RegisterDeterministicScalarFunction("autocrud_period", 3, periodKey); err != nil {
		return err
	}
	return sqlite.RegisterDeterministicScalarFunction("autocrud_matches", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		s, ok := args[0].(string)
		pattern, ok2 := args[1].(string)
		if !ok || !ok2 {
			return nil, nil
		}
		re, err := query.CompileRegexp(pattern)
		if err != nil {
			return nil, err
		}
		if re.MatchString(s) {
			return int64(1), nil
		}
		return int64(0), nil
	})
})

// Sum adds integers in two halves, which cannot overflow below 2^31 rows.
func (d dialect) Sum(expr string, k query.Kind) string {
	switch {
	case k == query.Number:
		return "autocrud_sum(" + expr + ")"
	case d.plain:
		return "sum(" + expr + ")"
	}
	return fmt.Sprintf("sum(%s >> 32) || ' ' || sum(%s & 4294967295)", expr, expr)
}

func (dialect) Extreme(expr string, _ query.Kind, largest bool) string {
	if largest {
		return "max(" + expr + ")"
	}
	return "min(" + expr + ")"
}

func (dialect) Elements(t sqlrender.Table, c sqlrender.Column, name string) string {
	return fmt.Sprintf("LEFT JOIN (SELECT v AS %s, rid AS of_%s FROM %s) ON of_%s = %s.rid", name, name, c.Members, name, t.Name)
}

func (dialect) Period(expr string, p query.Period, arg func(query.Value) string) string {
	return "autocrud_period(" + expr + ", " + arg(int64(p.Unit)) + ", " + arg(p.Zone.String()) + ")"
}

// locations are the zones that were asked for, by name.
var locations sync.Map

func periodKey(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	at, ok := args[0].(int64)
	unit, _ := args[1].(int64)
	name, _ := args[2].(string)
	if !ok {
		return nil, nil
	}
	zone, known := locations.Load(name)
	if !known {
		loc, err := time.LoadLocation(name)
		if err != nil {
			return nil, err
		}
		zone, _ = locations.LoadOrStore(name, loc)
	}
	return query.Period{Unit: query.Unit(unit), Zone: zone.(*time.Location)}.Key(at), nil
}

package sqliteindex

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"math/bits"
	"slices"
	"strconv"

	"modernc.org/sqlite"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// Aggregate implements storage.Index.
func (x *Index) Aggregate(ctx context.Context, a storage.Aggregation) (out storage.Groups, err error) {
	a.Limit = max(a.Limit, 1)
	err = x.answer(ctx, a.Type, func(t *writable) error {
		defer x.reading()()
		if err := x.combinations(ctx, t, a); err != nil {
			return err
		}
		err := x.groups(ctx, t, a, true, &out)
		var sql *sqlite.Error
		if errors.As(err, &sql) && ctx.Err() == nil { // a sum beyond 64 bits, or else the same again
			err = x.groups(ctx, t, a, false, &out)
		}
		return err
	})
	if err != nil {
		return storage.Groups{}, fmt.Errorf("sqliteindex: aggregate %s: %w", a.Type, err)
	}
	return out, nil
}

// combinations refuses an aggregation by lists that multiply to too much.
func (x *Index) combinations(ctx context.Context, t *writable, a storage.Aggregation) error {
	s, err := t.search(storage.Search{Type: a.Type, View: a.View, Filter: a.Filter, Text: a.Text, Deletion: a.Deletion, Order: newest})
	if err != nil {
		return err
	}
	text := s.r.Combinations(a, s.conditions(s.r))
	if text == "" {
		return nil
	}
	args, err := s.r.Args()
	if err != nil {
		return err
	}
	stmt, done, err := x.prepared.get(ctx, text)
	if err != nil {
		return err
	}
	defer done()
	var n float64
	if err := stmt.QueryRowContext(ctx, args...).Scan(&n); err != nil {
		return err
	}
	return sqlrender.TooMany(n)
}

// groups asks once; plain sums of integers cost less and may fail.
func (x *Index) groups(ctx context.Context, t *writable, a storage.Aggregation, plain bool, out *storage.Groups) error {
	s, err := t.search(storage.Search{Type: a.Type, View: a.View, Filter: a.Filter, Text: a.Text, Deletion: a.Deletion, Order: newest})
	if err != nil {
		return err
	}
	*out = storage.Groups{Applied: x.applied.Load()}
	s.r = s.r.As(dialect{table: t.view.Name, plain: plain}, s.inRowOrder(a))
	text := s.r.Groups(a, s.conditions(s.r))
	args, err := s.r.Args()
	if err != nil {
		return err
	}
	return x.readGroups(ctx, a, text, args, out)
}

// inRowOrder hides the indexes of the keys, unless one index has all there is
// to read: to walk along a key and look each row up costs more than to read all
// rows as they lie and sort the keys.
func (s *search) inRowOrder(a storage.Aggregation) sqlrender.Table {
	if len(a.By) == 1 && s.Filter == nil && s.Text == "" {
		other := func(f query.Field) bool { return f != a.By[0] }
		if !slices.ContainsFunc(slices.Concat(a.Sum, a.Avg, a.Min, a.Max), other) {
			return s.view
		}
	}
	view := s.view
	view.Columns = maps.Clone(view.Columns)
	for _, f := range a.By {
		if c := view.Columns[f.Name]; c.Members == "" && c.SQL != "" {
			c.SQL = "+" + c.SQL
			view.Columns[f.Name] = c
		}
	}
	return view
}

func (x *Index) readGroups(ctx context.Context, a storage.Aggregation, text string, args []any, out *storage.Groups) error {
	stmt, done, err := x.prepared.get(ctx, text)
	if err != nil {
		return err
	}
	defer done()
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := make([]any, sqlrender.GroupColumns(a))
	var dest []any
	for i := range row {
		dest = append(dest, &row[i])
	}
	for rows.Next() {
		if n := len(out.Groups); n == a.Limit {
			out.Next = sqlrender.GroupCursor(a, out.Groups[n-1])
			break
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		g, err := sqlrender.ReadGroup(a, row)
		if err != nil {
			return err
		}
		out.Groups = append(out.Groups, g)
	}
	return rows.Err()
}

// registerSum adds autocrud_sum, which adds numbers in decimal, where nothing
// is rounded.
func registerSum() error {
	return sqlite.RegisterFunction("autocrud_sum", &sqlite.FunctionImpl{NArgs: 1, Deterministic: true,
		MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) {
			return &decimalSum{}, nil
		}})
}

// decimalSum holds a sum of 128 bits for each power of ten.
type decimalSum struct {
	byPower map[int]*wide128
	text    [32]byte
}

type wide128 struct {
	high int64
	low  uint64
}

func (w *wide128) add(n int64) {
	low, carry := bits.Add64(w.low, uint64(n), 0)
	high, _ := bits.Add64(uint64(w.high), uint64(n>>63), carry)
	w.low, w.high = low, int64(high)
}

// Step implements sqlite.AggregateFunction.
func (d *decimalSum) Step(_ *sqlite.FunctionContext, args []driver.Value) error {
	switch v := args[0].(type) {
	case float64:
		d.add(v)
	case int64:
		d.add(float64(v))
	}
	return nil
}

func (d *decimalSum) add(v float64) {
	n, power := int64(v), 0
	if float64(n) != v || n > 1<<53 || n < -1<<53 {
		n, power = d.decimal(v)
	}
	if d.byPower == nil {
		d.byPower = map[int]*wide128{}
	}
	w := d.byPower[power]
	if w == nil {
		w = &wide128{}
		d.byPower[power] = w
	}
	w.add(n)
}

// decimal is the shortest n * 10^power that reads as v.
func (d *decimalSum) decimal(v float64) (n int64, power int) {
	b := strconv.AppendFloat(d.text[:0], v, 'e', -1, 64)
	negative, exponent := false, 0
	for i, c := range b {
		switch {
		case c == '-' && i == 0:
			negative = true
		case c == '.':
			exponent = i + 1
		case c == 'e':
			if exponent > 0 {
				power = -(i - exponent)
			}
			e, _ := strconv.Atoi(string(b[i+1:]))
			power += e
			if negative {
				n = -n
			}
			return n, power
		default:
			n = n*10 + int64(c-'0')
		}
	}
	return n, power
}

// WindowInverse implements sqlite.AggregateFunction.
func (d *decimalSum) WindowInverse(*sqlite.FunctionContext, []driver.Value) error {
	return fmt.Errorf("autocrud_sum is no window function")
}

// WindowValue implements sqlite.AggregateFunction.
func (d *decimalSum) WindowValue(*sqlite.FunctionContext) (driver.Value, error) {
	if d.byPower == nil {
		return nil, nil
	}
	sum := new(big.Rat)
	for power, w := range d.byPower {
		n := new(big.Int).Lsh(big.NewInt(w.high), 64)
		n.Add(n, new(big.Int).SetUint64(w.low))
		part := new(big.Rat).SetInt(n)
		ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(power, -power))), nil)
		if power < 0 {
			part.Quo(part, new(big.Rat).SetInt(ten))
		} else {
			part.Mul(part, new(big.Rat).SetInt(ten))
		}
		sum.Add(sum, part)
	}
	return sum.RatString(), nil
}

// Final implements sqlite.AggregateFunction.
func (d *decimalSum) Final(*sqlite.FunctionContext) {}

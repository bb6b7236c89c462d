package pgindex

import (
	"context"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// Aggregate implements storage.Index.
func (x *Index) Aggregate(ctx context.Context, a storage.Aggregation) (out storage.Groups, err error) {
	a.Limit = max(a.Limit, 1)
	err = x.reading(ctx, a.Type, func(ctx context.Context, t *writable) error {
		s, err := t.search(storage.Search{Type: a.Type, View: a.View, Filter: a.Filter, Text: a.Text, Deletion: a.Deletion, Order: newest})
		if err != nil {
			return err
		}
		if err := x.combinations(ctx, s, a); err != nil {
			return err
		}
		out = storage.Groups{Applied: x.applied.Load()}
		text := s.r.Groups(a, s.where, position)
		args, err := s.r.Args()
		if err != nil {
			return err
		}
		return x.readGroups(ctx, a, text, args, &out)
	})
	if err != nil {
		return storage.Groups{}, fmt.Errorf("pgindex: aggregate %s: %w", a.Type, err)
	}
	return out, nil
}

// combinations refuses an aggregation by lists that multiply to too much.
func (x *Index) combinations(ctx context.Context, s *search, a storage.Aggregation) error {
	text := s.r.Combinations(a, s.where)
	if text == "" {
		return nil
	}
	args, err := s.r.Args()
	if err != nil {
		return err
	}
	var n float64
	if err := x.pool.QueryRow(ctx, text, append([]any{planned}, args...)...).Scan(&n); err != nil {
		return err
	}
	return sqlrender.TooMany(n)
}

func (x *Index) readGroups(ctx context.Context, a storage.Aggregation, text string, args []any, out *storage.Groups) error {
	rows, err := x.pool.Query(ctx, text, append([]any{planned}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := make([]any, sqlrender.GroupColumns(a))
	var dest []any
	for i := range row {
		dest = append(dest, &row[i])
	}
	dest = append(dest, &out.Applied)
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
	rows.Close()
	x.saw(out.Applied)
	return rows.Err()
}

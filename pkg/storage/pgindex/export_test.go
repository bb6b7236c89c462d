package pgindex

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Plan is what Postgres says it will do for a page.
func (x *Index) Plan(ctx context.Context, q storage.Search) (text, plan string, err error) {
	t, err := x.table(ctx, q.Type)
	if err != nil {
		return "", "", err
	}
	s, err := t.search(q)
	if err != nil {
		return "", "", err
	}
	text, args, err := s.page()
	if err != nil {
		return "", "", err
	}
	rows, err := x.pool.Query(ctx, "EXPLAIN "+text, args...)
	if err != nil {
		return text, "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return text, strings.Join(lines, "\n"), err
}

package sqliteindex

import (
	"context"
	"fmt"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// Due implements storage.Index.
func (x *Index) Due(ctx context.Context, until time.Time, limit int) (out []storage.Due, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sqliteindex: what is due: %w", x.classify(err))
		}
	}()
	defer x.reading()()
	var tables []string
	for _, of := range *x.tables.Load() {
		if of.serving != nil {
			tables = append(tables, of.serving.view.Name)
		}
	}
	var metas []string
	for _, text := range sqltables.DueStatements(tables, "?1", "?2") {
		found, err := x.due(ctx, text, query.Micros(until), limit)
		if err != nil {
			return nil, err
		}
		metas = append(metas, found...)
	}
	return sqltables.DueOf(metas, limit)
}

func (x *Index) due(ctx context.Context, text string, until int64, limit int) (metas []string, err error) {
	stmt, done, err := x.prepared.get(ctx, text)
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := stmt.QueryContext(ctx, until, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var meta string
		var at int64
		if err := rows.Scan(&meta, &at); err != nil {
			return nil, err
		}
		metas = append(metas, meta)
	}
	return metas, rows.Err()
}

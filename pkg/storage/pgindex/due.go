package pgindex

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// Due implements storage.Index.
func (x *Index) Due(ctx context.Context, until time.Time, limit int) ([]storage.Due, error) {
	var metas []string
	for _, text := range sqltables.DueStatements(x.answering(ctx), "$1::bigint", "$2::bigint") {
		limited, cancel := x.limited(ctx)
		rows, err := x.pool.Query(limited, text, query.Micros(until), limit)
		var meta string
		var at int64
		if err == nil {
			_, err = pgx.ForEachRow(rows, []any{&meta, &at}, func() error {
				metas = append(metas, meta)
				return nil
			})
		}
		cancel()
		if err != nil {
			x.loaded.Store(0) // a table may have been replaced by another process
			return nil, fmt.Errorf("pgindex: what is due: %w", classify(ctx, err))
		}
	}
	return sqltables.DueOf(metas, limit)
}

// answering are the tables that answer, as far as this process knows.
func (x *Index) answering(ctx context.Context) (names []string) {
	lacks := x.loaded.Load() == 0
	for _, of := range *x.tables.Load() {
		lacks = lacks || of.serving == nil
	}
	if lacks && time.Since(time.Unix(0, x.loaded.Load())) > reloading {
		_ = x.reload(ctx) // what answers already is asked all the same
	}
	for _, of := range *x.tables.Load() {
		if of.serving != nil {
			names = append(names, of.serving.view.Name)
		}
	}
	return names
}

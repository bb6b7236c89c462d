package sqliteindex

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// second makes the second row of a resource what a change says, before its first row
// is written; stale tells that the rows are as new as the change.
func (w *writer) second(ctx context.Context, b *storage.Batch, c *storage.IndexChange) (stale bool, err error) {
	held, err := w.held(ctx, c.Event.Meta.ID)
	if err != nil {
		return false, err
	}
	p := sqltables.Part(c, held[0], held[1])
	if p.Drop {
		if err := w.remove(ctx, held[1].Key); err != nil {
			return false, err
		}
	}
	if p.Keep || p.Write {
		w.parted = true
	}
	if p.Keep {
		_, err := w.part.ExecContext(ctx, held[0].Key)
		return false, err
	}
	if !p.Write {
		return p.Stale, nil
	}
	shown, err := b.ShownBy(ctx, c)
	if err != nil || shown == nil {
		return false, err
	}
	if err := w.write(ctx, shown, apart); err != nil {
		return false, fmt.Errorf("what is published: %w", err)
	}
	return false, nil
}

// held are the first and the second row of a resource.
func (w *writer) held(ctx context.Context, id string) (held [2]sqltables.Held, err error) {
	rows, err := w.both.QueryContext(ctx, id)
	if err != nil {
		return held, err
	}
	defer rows.Close()
	for rows.Next() {
		var h sqltables.Held
		var second int
		if err := rows.Scan(&h.Key, &second, &h.Seq, &h.Event); err != nil {
			return held, err
		}
		held[second] = h
	}
	return held, rows.Err()
}

// remove deletes a row and all that hangs on it.
func (w *writer) remove(ctx context.Context, rid int64) error {
	statements := []*sql.Stmt{w.lose}
	for _, l := range w.lists {
		statements = append(statements, l.remove)
	}
	if w.unword != nil {
		statements = append(statements, w.unword)
	}
	for _, s := range statements {
		if _, err := s.ExecContext(ctx, rid); err != nil {
			return err
		}
	}
	return nil
}

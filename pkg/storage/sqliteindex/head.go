package sqliteindex

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// Head implements storage.Index. A purged resource has a head, whose event
// tells so: a create needs its place in the log.
func (x *Index) Head(ctx context.Context, typ, id string) (row storage.Row, err error) {
	defer wrapRead(&err, "head", typ, id)
	var state int
	var header []byte
	err = x.one(ctx, typ, id, "JOIN events AS e ON e.seq = w.seq WHERE w.id = ?1 AND w.second = 0", ", e.header, (SELECT applied FROM position)", append(rowTargets(&row, &state), &header, &row.AsOf)...)
	if err != nil {
		return storage.Row{}, err
	}
	row.Deleted = state == deleted
	row.Event, err = sqltables.Event(header, row.Seq)
	return row, err
}

// Heads implements storage.Index.
func (x *Index) Heads(ctx context.Context, typ string, ids []string) (out []*storage.Event, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sqliteindex: heads of %s: %w", typ, err)
		}
	}()
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	err = x.answer(ctx, typ, func(t *writable) error {
		defer x.reading()()
		out = nil
		stmt, done, err := x.prepared.get(ctx, "SELECT e.seq, e.header, w.content"+
			" FROM json_each(?1) AS j CROSS JOIN "+t.view.Name+" AS w ON w.id = j.value AND w.second = 0 CROSS JOIN events AS e ON e.seq = w.seq")
		if err != nil {
			return err
		}
		defer done()
		rows, err := stmt.QueryContext(ctx, string(list))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var seq uint64
			var header, content []byte
			if err := rows.Scan(&seq, &header, &content); err != nil {
				return err
			}
			e, err := sqltables.Event(header, seq)
			if err != nil {
				return err
			}
			e.Content = content
			out = append(out, e)
		}
		return rows.Err()
	})
	return out, err
}

// Read implements storage.Index. A purged resource is not found.
func (x *Index) Read(ctx context.Context, typ, id string) (row storage.Row, err error) {
	defer wrapRead(&err, "read", typ, id)
	var state int
	err = x.one(ctx, typ, id, "WHERE w.id = ?1 AND w.second = 0", "", rowTargets(&row, &state)...)
	if err == nil && state == purged {
		err = storage.ErrNotFound
	}
	if err != nil {
		return storage.Row{}, err
	}
	row.Deleted = state == deleted
	return row, nil
}

func wrapRead(err *error, op, typ, id string) {
	if *err != nil {
		*err = fmt.Errorf("sqliteindex: %s %s/%s: %w", op, typ, id, *err)
	}
}

// rowTargets are where the columns of one scans to.
func rowTargets(row *storage.Row, state *int) []any {
	return []any{&row.ID, &row.Seq, state, &row.EventID, (*[]byte)(&row.Meta), (*[]byte)(&row.Revision), &row.Ref, &row.Content}
}

func (x *Index) one(ctx context.Context, typ, id, rest, more string, dest ...any) error {
	return x.answer(ctx, typ, func(t *writable) error {
		defer x.reading()()
		stmt, done, err := x.prepared.get(ctx, "SELECT w.id, w.seq, w.deleted, w.event_id, w.meta, w.revision, w.ref, w.content"+more+
			" FROM "+t.view.Name+" AS w "+rest)
		if err != nil {
			return err
		}
		defer done()
		err = stmt.QueryRowContext(ctx, id).Scan(dest...)
		if errors.Is(err, sql.ErrNoRows) {
			return storage.ErrNotFound
		}
		return err
	})
}

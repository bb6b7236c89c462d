package sqliteindex

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// Events implements storage.Index. It knows the history of every type, defined
// or not.
func (x *Index) Events(ctx context.Context, q storage.EventQuery) (out []storage.Past, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sqliteindex: events of %s/%s: %w", q.Type, q.ID, x.classify(err))
		}
	}()
	text, args := eventsSQL(q)
	defer x.reading()()
	stmt, done, err := x.prepared.get(ctx, text)
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq uint64
		var header []byte
		if err := rows.Scan(&seq, &header); err != nil {
			return nil, err
		}
		e, err := sqltables.Event(header, seq)
		if err != nil {
			return nil, err
		}
		out = append(out, storage.Past{Seq: seq, Event: e})
	}
	return out, errors.Join(rows.Err(), x.filling())
}

// eventsSQL walks the index (type, id, seq, wrote) in either direction, or without
// an id the primary key.
func eventsSQL(q storage.EventQuery) (string, []any) {
	where := []string{"true"}
	var args []any
	add := func(cond string, arg any) {
		where = append(where, cond)
		args = append(args, arg)
	}
	switch {
	case q.Type != "" && q.ID != "":
		add("type = ?", q.Type)
		add("id = ?", q.ID)
	case q.Type != "":
		add("+type = ?", q.Type) // of some sequences: the order is that of the log
	case q.ID != "":
		add("id = ?", q.ID)
	}
	direction := ""
	if q.Descending {
		direction = " DESC"
	}
	switch {
	case q.After > 0 && q.Descending:
		add("seq < ?", int64(q.After))
	case q.After > 0 || q.Span > 0: // a sequence that is none, in a damaged index, is not asked for
		add("seq > ?", int64(q.After))
	}
	if q.Span > 0 && q.Descending {
		add("seq >= ?", max(int64(q.After)-int64(q.Span), 1))
	} else if q.Span > 0 {
		add("seq <= ?", int64(q.After)+int64(q.Span))
	}
	if !q.Until.IsZero() {
		add("at <= ?", query.Micros(q.Until))
	}
	if !q.Since.IsZero() {
		add("at >= ?", query.Micros(q.Since))
	}
	for _, b := range q.Holding() {
		add("instr(header, ?) > 0", b)
	}
	if q.Wrote > 0 {
		add("wrote = ?", int64(q.Wrote))
	}
	if q.Written {
		where = append(where, "wrote > 0")
	}
	text := "SELECT seq, header FROM events WHERE " + strings.Join(where, " AND ") + " ORDER BY seq" + direction
	if q.Limit > 0 {
		text += " LIMIT ?"
		args = append(args, int64(q.Limit))
	}
	return text, args
}

// Keyed implements storage.Index.
func (x *Index) Keyed(ctx context.Context, principal, key string) (past storage.Past, err error) {
	defer func() {
		if err != nil {
			past, err = storage.Past{}, fmt.Errorf("sqliteindex: event of a key: %w", x.classify(err))
		}
	}()
	defer x.reading()()
	stmt, done, err := x.prepared.get(ctx, "SELECT seq, header FROM events WHERE keyed = ?1 ORDER BY seq DESC LIMIT 1")
	if err != nil {
		return past, err
	}
	defer done()
	var header []byte
	err = stmt.QueryRowContext(ctx, keyed(principal, key)).Scan(&past.Seq, &header)
	if errors.Is(err, sql.ErrNoRows) {
		if err = x.filling(); err == nil {
			err = storage.ErrNotFound
		}
	}
	if err != nil {
		return past, err
	}
	past.Event, err = sqltables.Event(header, past.Seq)
	return past, err
}

// Holders implements storage.Index.
func (x *Index) Holders(ctx context.Context, digest, typ, id string, limit int) (out []storage.Holder, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sqliteindex: holders: %w", x.classify(err))
		}
	}()
	text, args := "SELECT type, id FROM holders WHERE digest = ?", []any{digest}
	if typ != "" {
		text, args = text+" AND type = ? AND id = ?", append(args, typ, id)
	}
	defer x.reading()()
	stmt, done, err := x.prepared.get(ctx, text+" ORDER BY type, id LIMIT ?")
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := stmt.QueryContext(ctx, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h storage.Holder
		if err := rows.Scan(&h.Type, &h.ID); err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, errors.Join(rows.Err(), x.filling())
}

package pgindex

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// Head implements storage.Index. A purged resource has a head, whose event
// tells so: a create needs its place in the log.
func (x *Index) Head(ctx context.Context, typ, id string) (row storage.Row, err error) {
	var header []byte
	state, err := x.one(ctx, typ, id, "JOIN events AS e ON e.seq = w.seq WHERE w.id = $1 AND w.second = 0", ", e.header, "+position, &row, &header, &row.AsOf)
	if err == nil {
		row.Deleted = state == deleted
		row.Event, err = sqltables.Event(header, row.Seq)
	}
	if err != nil {
		return storage.Row{}, fmt.Errorf("pgindex: head %s/%s: %w", typ, id, err)
	}
	return row, nil
}

// Heads implements storage.Index.
func (x *Index) Heads(ctx context.Context, typ string, ids []string) (out []*storage.Event, err error) {
	err = x.reading(ctx, typ, func(ctx context.Context, t *writable) error {
		rows, err := x.pool.Query(ctx, "SELECT e.seq, e.header, w.content FROM "+t.view.Name+" AS w JOIN events AS e ON e.seq = w.seq WHERE w.id = ANY($1) AND w.second = 0", ids)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (*storage.Event, error) {
			var seq uint64
			var header, content []byte
			if err := r.Scan(&seq, &header, &content); err != nil {
				return nil, err
			}
			e, err := sqltables.Event(header, seq)
			if err == nil {
				e.Content = content
			}
			return e, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pgindex: heads of %s: %w", typ, err)
	}
	return out, nil
}

// Read implements storage.Index. A purged resource is not found.
func (x *Index) Read(ctx context.Context, typ, id string) (row storage.Row, err error) {
	state, err := x.one(ctx, typ, id, "WHERE w.id = $1 AND w.second = 0", "", &row)
	if err == nil && state == purged {
		err = storage.ErrNotFound
	}
	if err != nil {
		return storage.Row{}, fmt.Errorf("pgindex: read %s/%s: %w", typ, id, err)
	}
	row.Deleted = state == deleted
	return row, nil
}

func (x *Index) one(ctx context.Context, typ, id, rest, more string, row *storage.Row, also ...any) (state int, err error) {
	err = x.reading(ctx, typ, func(ctx context.Context, t *writable) error {
		*row = storage.Row{}
		dest := append([]any{&row.ID, &row.Seq, &state, &row.EventID, (*[]byte)(&row.Meta), (*[]byte)(&row.Revision), &row.Ref, &row.Content}, also...)
		err := x.pool.QueryRow(ctx, "SELECT w."+strings.Join(wide, ", w.")+more+" FROM "+t.view.Name+" AS w "+rest, id).Scan(dest...)
		if errors.Is(err, pgx.ErrNoRows) {
			return storage.ErrNotFound
		}
		return err
	})
	return state, err
}

// Events implements storage.Index. It knows the history of every type, defined
// or not.
func (x *Index) Events(ctx context.Context, q storage.EventQuery) (out []storage.Past, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("pgindex: events of %s/%s: %w", q.Type, q.ID, classify(ctx, err))
		}
	}()
	text, args := eventsSQL(q)
	limited, cancel := x.limited(ctx)
	defer cancel()
	rows, err := x.pool.Query(limited, whole("seq, header", text)+" ORDER BY e.seq"+direction(q), args...)
	if err != nil {
		return nil, err
	}
	var filling bool
	var seq *uint64
	var header []byte
	_, err = pgx.ForEachRow(rows, []any{&filling, &seq, &header}, func() error {
		if seq == nil || filling {
			return nil
		}
		e, err := sqltables.Event(header, *seq)
		out = append(out, storage.Past{Seq: *seq, Event: e})
		return err
	})
	if err == nil && filling {
		err = storage.ErrNotReady
	}
	return out, err
}

// whole reads these columns and, before them, whether the index is being built
// from nothing. There is a row also when nothing is found.
func whole(columns, text string) string {
	return "SELECT p.applied < p.fill, e." + strings.ReplaceAll(columns, ", ", ", e.") + " FROM position AS p LEFT JOIN LATERAL (" + text + ") AS e ON true"
}

func direction(q storage.EventQuery) string {
	if q.Descending {
		return " DESC"
	}
	return ""
}

// eventsSQL walks the index (type, id, seq, wrote) in either direction, or without
// an id the primary key.
func eventsSQL(q storage.EventQuery) (string, []any) {
	where := []string{"true"}
	var args []any
	add := func(cond string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(cond, len(args)))
	}
	if q.Type != "" {
		add("type = $%d", q.Type)
	}
	if q.ID != "" {
		add("id = $%d", q.ID)
	}
	switch {
	case q.After > 0 && q.Descending:
		add("seq < $%d", int64(q.After))
	case q.After > 0 || q.Span > 0: // a sequence that is none, in a damaged index, is not asked for
		add("seq > $%d", int64(q.After))
	}
	if q.Span > 0 && q.Descending {
		add("seq >= $%d", max(int64(q.After)-int64(q.Span), 1))
	} else if q.Span > 0 {
		add("seq <= $%d", int64(q.After)+int64(q.Span))
	}
	if !q.Until.IsZero() {
		add("at <= $%d", query.Micros(q.Until))
	}
	if !q.Since.IsZero() {
		add("at >= $%d", query.Micros(q.Since))
	}
	for _, b := range q.Holding() {
		add("position($%d::bytea in header) > 0", b)
	}
	if q.Wrote > 0 {
		add("wrote = $%d", int64(q.Wrote))
	}
	if q.Written {
		where = append(where, "wrote > 0")
	}
	text := "SELECT seq, header FROM events WHERE " + strings.Join(where, " AND ") + " ORDER BY seq" + direction(q)
	if q.Limit > 0 {
		args = append(args, int64(q.Limit))
		text += fmt.Sprintf(" LIMIT $%d", len(args))
	}
	return text, args
}

// keyed is how an event is found by its idempotency key.
func keyed(principal, key string) string { return clean(principal + "\n" + key) }

// Keyed implements storage.Index.
func (x *Index) Keyed(ctx context.Context, principal, key string) (past storage.Past, err error) {
	var filling bool
	var seq *uint64
	var header []byte
	limited, cancel := x.limited(ctx)
	defer cancel()
	err = x.pool.QueryRow(limited, whole("seq, header", "SELECT seq, header FROM events WHERE keyed = $1 ORDER BY seq DESC LIMIT 1"), keyed(principal, key)).Scan(&filling, &seq, &header)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = storage.ErrNotReady // the position was removed
	case err != nil:
		err = classify(ctx, err)
	case filling:
		err = storage.ErrNotReady
	case seq == nil:
		err = storage.ErrNotFound
	default:
		past.Seq = *seq
		past.Event, err = sqltables.Event(header, past.Seq)
	}
	if err != nil {
		return storage.Past{}, fmt.Errorf("pgindex: event of a key: %w", err)
	}
	return past, nil
}

// Holders implements storage.Index.
func (x *Index) Holders(ctx context.Context, digest, typ, id string, limit int) (out []storage.Holder, err error) {
	limited, cancel := x.limited(ctx)
	defer cancel()
	rows, err := x.pool.Query(limited, whole("type, id", `SELECT type, id FROM holders WHERE digest = $1 AND ($2 = '' OR type = $2 AND id = $3) ORDER BY type, id LIMIT $4`)+" ORDER BY e.type, e.id",
		digest, typ, id, limit)
	var filling bool
	var t, i *string
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&filling, &t, &i}, func() error {
			if t != nil {
				out = append(out, storage.Holder{Type: *t, ID: *i})
			}
			return nil
		})
	}
	if err == nil && filling {
		err = storage.ErrNotReady
	}
	if err != nil {
		return nil, fmt.Errorf("pgindex: holders: %w", classify(ctx, err))
	}
	return out, nil
}

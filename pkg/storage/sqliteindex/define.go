package sqliteindex

import (
	"context"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Define implements storage.Index. A type stays fresh until a batch through
// the position that the index had when its table was made was applied again:
// a replay that was cut short starts over.
func (x *Index) Define(ctx context.Context, defs []storage.Definition) (fresh []string, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	usable := map[string]*table{}
	for _, d := range defs {
		usable[d.Type] = newTable(d)
	}
	err = x.inTransaction(ctx, func(ctx context.Context) error {
		fresh = nil
		for _, d := range defs {
			isFresh, err := x.defineOne(ctx, usable[d.Type], x.applied.Load())
			if err != nil {
				return fmt.Errorf("define %s: %w", d.Type, err)
			}
			if isFresh {
				fresh = append(fresh, d.Type)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sqliteindex: %w", err)
	}
	if err := x.prepareWriters(ctx, usable); err != nil {
		return nil, fmt.Errorf("sqliteindex: %w", err)
	}
	x.prepared.clear()
	x.tables.Store(&usable)
	return fresh, nil
}

// defineOne makes the table if it is missing and drops those of the type's
// other definitions.
func (x *Index) defineOne(ctx context.Context, t *table, applied uint64) (fresh bool, err error) {
	old, err := x.strings(ctx, "SELECT name FROM definitions WHERE type = ?1 AND name <> ?2", t.def.Type, t.name)
	if err != nil {
		return false, err
	}
	for _, name := range old {
		if err := x.dropTable(ctx, name); err != nil {
			return false, err
		}
	}
	var exists, fill int64
	err = x.conn.QueryRowContext(ctx, "SELECT count(*), coalesce(max(fill), 0) FROM definitions WHERE name = ?1", t.name).Scan(&exists, &fill)
	if err != nil || exists == 1 {
		return fill > 0, err
	}
	for _, s := range t.create() {
		if _, err := x.conn.ExecContext(ctx, s); err != nil {
			return false, err
		}
	}
	_, err = x.conn.ExecContext(ctx, "INSERT INTO definitions VALUES (?1, ?2, ?3)", t.name, t.def.Type, int64(applied))
	return true, err
}

func (x *Index) dropTable(ctx context.Context, name string) error {
	names, err := x.strings(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return err
	}
	for _, s := range dropStatements(names, name) {
		if _, err := x.conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	_, err = x.conn.ExecContext(ctx, "DELETE FROM definitions WHERE name = ?1", name)
	return err
}

// Reset implements storage.Index. The types that were defined stay so, with
// empty tables.
func (x *Index) Reset(ctx context.Context, identity string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closeWriters()
	tables := *x.tables.Load()
	err := x.inTransaction(ctx, func(ctx context.Context) error {
		all, err := x.strings(ctx, "SELECT name FROM definitions")
		if err != nil {
			return err
		}
		for _, name := range all {
			if err := x.dropTable(ctx, name); err != nil {
				return err
			}
		}
		if _, err := x.conn.ExecContext(ctx, "DELETE FROM events"); err != nil {
			return err
		}
		if _, err := x.conn.ExecContext(ctx, "UPDATE position SET identity = ?1, applied = 0", identity); err != nil {
			return err
		}
		for _, t := range tables {
			if _, err := x.defineOne(ctx, t, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sqliteindex: reset: %w", err)
	}
	x.applied.Store(0)
	x.identity.Store(&identity)
	x.prepared.clear()
	return x.prepareWriters(ctx, tables)
}

// strings reads a column of text on the writing connection.
func (x *Index) strings(ctx context.Context, query string, args ...any) (out []string, err error) {
	rows, err := x.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// Types implements storage.Index. It jumps from type to type in the events;
// what a purge left behind is no resource.
func (x *Index) Types(ctx context.Context) (types []string, err error) {
	defer x.reading()()
	rows, err := x.reader.QueryContext(ctx, `
		WITH RECURSIVE each(type) AS (
			SELECT min(type) FROM events
			UNION ALL
			SELECT (SELECT min(type) FROM events WHERE type > each.type) FROM each WHERE each.type IS NOT NULL)
		SELECT type FROM each WHERE type IS NOT NULL AND EXISTS (SELECT 1 FROM events WHERE events.type = each.type AND wrote > -1)
		ORDER BY type`)
	if err != nil {
		return nil, fmt.Errorf("sqliteindex: types: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		types = append(types, s)
	}
	return types, rows.Err()
}

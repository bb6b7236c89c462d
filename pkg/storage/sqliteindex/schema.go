package sqliteindex

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// schema is the tables that a file has, and their definitions, on the writing connection.
type schema struct{ conn *sql.Conn }

func (x *Index) schema() schema { return schema{x.conn} }

// definitions reads what tables a type has.
func (sc schema) definitions(ctx context.Context, typ string) (out []sqltables.Row, err error) {
	rows, err := sc.conn.QueryContext(ctx, "SELECT name, definition, serving, fill, replayed FROM definitions WHERE type = ?1 ORDER BY serving DESC, name", typ)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d sqltables.Row
		var def []byte
		if err := rows.Scan(&d.Name, &def, &d.Serving, &d.Fill, &d.Replayed); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(def, &d.Definition); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Whole, err = sc.intact(ctx, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// intact reports whether the table of a row is there with all its parts, as this
// version of the package makes it.
func (sc schema) intact(ctx context.Context, r sqltables.Row) (bool, error) {
	t := tableNamed(r.Definition, r.Name)
	if t == nil {
		return false, nil
	}
	lacks, err := sc.lacks(ctx, t.names())
	return lacks == "", err
}

// strings reads a column of text on the writing connection.
func (sc schema) strings(ctx context.Context, query string, args ...any) (out []string, err error) {
	rows, err := sc.conn.QueryContext(ctx, query, args...)
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

// executeAll executes statements in their order.
func (sc schema) executeAll(ctx context.Context, statements []string) error {
	for _, s := range statements {
		if _, err := sc.conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// createTable makes a table that answers at once when there is nothing to fill
// it with.
func (sc schema) createTable(ctx context.Context, d storage.Definition, at sqltables.Position) (sqltables.Row, error) {
	t := newTable(d)
	r := sqltables.New(t.name, d, at)
	statements := t.create()
	if r.Indexed() {
		statements = append(statements, t.indexes()...)
	}
	if err := sc.executeAll(ctx, statements); err != nil {
		return r, err
	}
	def, err := json.Marshal(d)
	if err != nil {
		return r, err
	}
	_, err = sc.conn.ExecContext(ctx, "INSERT INTO definitions VALUES (?1, ?2, ?3, ?4, ?5, ?6)", r.Name, d.Type, def, r.Serving, int64(r.Fill), int64(r.Replayed))
	return r, err
}

// dropTable drops a table with its parts and its definition.
func (sc schema) dropTable(ctx context.Context, name string) error {
	names, err := sc.strings(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return err
	}
	for _, s := range dropStatements(names, name) {
		if _, err := sc.conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	_, err = sc.conn.ExecContext(ctx, "DELETE FROM definitions WHERE name = ?1", name)
	return err
}

// lacks names a table that is not there.
func (sc schema) lacks(ctx context.Context, names []string) (string, error) {
	there, err := sc.strings(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if !slices.Contains(there, name) {
			return name, nil
		}
	}
	return "", nil
}

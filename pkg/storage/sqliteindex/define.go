package sqliteindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// tables are those of one type. One answers; while the definition changes,
// another one is filled.
type tables struct {
	serving, building *writable
}

// writable is a table and where the values of a change go in it.
type writable struct {
	*table
	current storage.Definition // of the type; the table's own while it does not change
	fields  []int              // for each field of the table its place in Change.Values, -1: none
	texts   []int              // likewise for Change.Text
}

// fit finds the values of current in the table's definition: a field that is
// no longer there, or is of another kind now, gets none and is not asked for.
func fit(t *table, current storage.Definition) *writable {
	w := &writable{table: t, current: current}
	for i, f := range t.def.Fields {
		w.fields = append(w.fields, slices.Index(current.Fields, f))
		if w.fields[i] < 0 {
			delete(w.view.Columns, f.Name)
		}
	}
	for _, p := range t.def.FullText {
		w.texts = append(w.texts, slices.Index(current.FullText, p))
	}
	return w
}

// searchesText tells whether the table's text is that of the type as it is now.
func (w *writable) searchesText() bool {
	return w.fullText != "" && slices.Equal(w.def.FullText, w.current.FullText)
}

// defined is a row of the definitions table.
type defined struct {
	name           string
	def            storage.Definition
	serving        bool
	fill, replayed uint64
}

// Define implements storage.Index.
func (x *Index) Define(ctx context.Context, defs []storage.Definition) (fresh []storage.Fresh, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := map[string]*tables{}
	err = x.inTransaction(ctx, func(ctx context.Context) error {
		for _, d := range defs {
			of, f, err := x.defineOne(ctx, d, x.applied.Load())
			if err != nil {
				return fmt.Errorf("define %s: %w", d.Type, err)
			}
			all[d.Type] = of
			if f != nil {
				fresh = append(fresh, *f)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sqliteindex: %w", err)
	}
	x.defs = slices.Clone(defs)
	if err := x.use(ctx, all); err != nil {
		return nil, fmt.Errorf("sqliteindex: %w", err)
	}
	return fresh, nil
}

// use makes these tables the ones that are written and searched.
func (x *Index) use(ctx context.Context, all map[string]*tables) error {
	if err := x.prepareWriters(ctx, all); err != nil {
		return err
	}
	x.prepared.clear()
	x.tables.Store(&all)
	return nil
}

// definitions reads what tables a type has.
func (x *Index) definitions(ctx context.Context, typ string) (out []defined, err error) {
	rows, err := x.conn.QueryContext(ctx, "SELECT name, definition, serving, fill, replayed FROM definitions WHERE type = ?1 ORDER BY serving DESC, name", typ)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d defined
		var def []byte
		if err := rows.Scan(&d.name, &def, &d.serving, &d.fill, &d.replayed); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(def, &d.def); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// defineOne makes the type's table if it is missing, keeps the one that answers
// and drops the others.
func (x *Index) defineOne(ctx context.Context, d storage.Definition, applied uint64) (*tables, *storage.Fresh, error) {
	t := newTable(d)
	there, err := x.definitions(ctx, d.Type)
	if err != nil {
		return nil, nil, err
	}
	own := slices.IndexFunc(there, func(o defined) bool { return o.name == t.name })
	current := own >= 0 && there[own].serving
	out := &tables{}
	for _, o := range there {
		switch {
		case o.name == t.name:
		case o.serving && !current && applied > 0 && newTable(o.def).name == o.name:
			out.serving = fit(newTable(o.def), d)
		default:
			if err := x.dropTable(ctx, o.name); err != nil {
				return nil, nil, err
			}
		}
	}
	if current {
		out.serving = fit(t, d)
		return out, nil, nil
	}
	fresh := storage.Fresh{Type: d.Type, Through: applied}
	if own >= 0 {
		fresh.Replayed, fresh.Through = there[own].replayed, there[own].fill
	} else if err := x.createTable(ctx, t, applied); err != nil {
		return nil, nil, err
	}
	if fresh.Through == 0 {
		out.serving = fit(t, d)
		return out, nil, nil
	}
	out.building = fit(t, d)
	return out, &fresh, nil
}

func (x *Index) createTable(ctx context.Context, t *table, applied uint64) error {
	for _, s := range t.create() {
		if _, err := x.conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	def, err := json.Marshal(t.def)
	if err != nil {
		return err
	}
	_, err = x.conn.ExecContext(ctx, "INSERT INTO definitions VALUES (?1, ?2, ?3, ?4, ?5, 0)", t.name, t.def.Type, def, applied == 0, int64(applied))
	return err
}

// filled notes how far the tables of fresh types are and makes those that are
// full answer.
func (x *Index) filled(ctx context.Context, b storage.Batch) (next map[string]*tables, err error) {
	all := *x.tables.Load()
	for _, typ := range b.Replay {
		of := all[typ]
		if of == nil || of.building == nil {
			continue
		}
		var full bool
		err := x.conn.QueryRowContext(ctx, "UPDATE definitions SET replayed = max(replayed, ?1), serving = max(replayed, ?1) >= fill WHERE name = ?2 RETURNING serving",
			int64(b.Through), of.building.name).Scan(&full)
		if err != nil {
			return nil, err
		}
		if full {
			if next == nil {
				next = maps.Clone(all)
			}
			next[typ] = &tables{serving: of.building}
		}
	}
	return next, nil
}

// switchOver searches the filled tables from now on, and only then drops those
// they replace: a search under way begins again if it was too late. What a
// crash leaves is dropped by Define.
func (x *Index) switchOver(ctx context.Context, next map[string]*tables) error {
	old := *x.tables.Load()
	if err := x.use(ctx, next); err != nil {
		return err
	}
	return x.inTransaction(ctx, func(ctx context.Context) error {
		for typ, of := range old {
			if of.serving != nil && of.serving != next[typ].serving {
				if err := x.dropTable(ctx, of.serving.name); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// answer runs fn with the table that answers for the type, once more when
// another one took over meanwhile.
func (x *Index) answer(ctx context.Context, typ string, fn func(*writable) error) error {
	t, err := x.table(ctx, typ)
	if err != nil {
		return err
	}
	err = fn(t)
	if err != nil && ctx.Err() == nil {
		now, tableErr := x.table(ctx, typ)
		if tableErr != nil {
			return fmt.Errorf("%w: %w", tableErr, err)
		}
		if now != t {
			err = fn(now)
		}
	}
	if errors.Is(err, sqlrender.ErrNoColumn) {
		return x.building(ctx, typ)
	}
	return err
}

// table is the one that answers for a type, or a *storage.BuildError when it
// has yet to be filled.
func (x *Index) table(ctx context.Context, typ string) (*writable, error) {
	if of := (*x.tables.Load())[typ]; of != nil && of.serving != nil {
		return of.serving, nil
	}
	return nil, x.building(ctx, typ)
}

// building tells how far the type's new table is.
func (x *Index) building(ctx context.Context, typ string) error {
	of := (*x.tables.Load())[typ]
	if of == nil || of.building == nil {
		return fmt.Errorf("type %q: %w", typ, storage.ErrNotReady)
	}
	f := storage.Fresh{Type: typ}
	defer x.reading()()
	err := x.reader.QueryRowContext(ctx, "SELECT replayed, fill FROM definitions WHERE name = ?1", of.building.name).Scan(&f.Replayed, &f.Through)
	if err != nil {
		return fmt.Errorf("type %q: %w: %w", typ, storage.ErrNotReady, err)
	}
	return &storage.BuildError{Fresh: f}
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
	all := map[string]*tables{}
	err := x.inTransaction(ctx, func(ctx context.Context) error {
		names, err := x.strings(ctx, "SELECT name FROM definitions")
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := x.dropTable(ctx, name); err != nil {
				return err
			}
		}
		if _, err := x.conn.ExecContext(ctx, "DELETE FROM events; DELETE FROM holders"); err != nil {
			return err
		}
		if _, err := x.conn.ExecContext(ctx, "UPDATE position SET identity = ?1, applied = 0", identity); err != nil {
			return err
		}
		for _, d := range x.defs {
			if all[d.Type], _, err = x.defineOne(ctx, d, 0); err != nil {
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
	return x.use(ctx, all)
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

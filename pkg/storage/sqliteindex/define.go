package sqliteindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// tables are those of one type. One answers; while the definition changes,
// another one is filled.
type tables struct {
	serving, building *writable
}

// writable is a table and where the values of a change go in it.
type writable struct {
	*table
	follows bool               // it is filled by what is applied, until the position reaches fill
	fill    uint64             //
	current storage.Definition // of the type; the table's own while it does not change
	fields  []int              // for each field of the table its place in Change.Values, -1: none
	texts   []int              // likewise for Change.Text
}

// fit finds the values of current in the table's definition: a field that is
// no longer there, or is of another kind now, gets none and is not asked for.
func fit(t *table, current storage.Definition) *writable {
	w := &writable{table: t, current: current}
	w.fields, w.texts = sqltables.Fit(t.def, current)
	for i, f := range t.def.Fields {
		if w.fields[i] < 0 {
			delete(w.view.Columns, f.Name)
		}
	}
	if sqltables.MarksAnew(t.def, current) {
		delete(w.view.Columns, storage.UnfitField)
	}
	return w
}

// searchesText reports whether the table's text is that of the type as it is now.
func (w *writable) searchesText() bool {
	return w.fullText != "" && slices.Equal(w.def.FullText, w.current.FullText)
}

// written gives the table of a row the values of current.
func written(r sqltables.Row, current storage.Definition) *writable {
	w := fit(tableNamed(r.Definition, r.Name), current)
	w.follows, w.fill = r.Follows(), r.Fill
	return w
}

// tablesOf are the tables that were chosen, for the definition.
func tablesOf(c sqltables.Tables, d storage.Definition) *tables {
	out := &tables{}
	if c.Serving != nil {
		out.serving = written(*c.Serving, d)
	}
	if c.Building != nil {
		out.building = written(*c.Building, d)
	}
	return out
}

// Define implements storage.Index.
func (x *Index) Define(ctx context.Context, defs []storage.Definition) (fresh []storage.PendingBuild, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("sqliteindex: define: %w", x.classify(err))
		}
	}()
	if err := x.recover(ctx); err != nil {
		return nil, err
	}
	all := map[string]*tables{}
	err = x.inTransaction(ctx, func(ctx context.Context) error {
		if err := x.dropAbsent(ctx, defs); err != nil {
			return err
		}
		for _, d := range defs {
			of, f, err := x.defineOne(ctx, d, sqltables.Position{Applied: x.applied.Load(), Fill: x.fill.Load()})
			if err != nil {
				return fmt.Errorf("%s: %w", d.Type, err)
			}
			all[d.Type] = of
			if f != nil {
				fresh = append(fresh, *f)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	x.defs, x.stale = slices.Clone(defs), false
	return fresh, x.use(ctx, all)
}

// dropAbsent drops the tables of types that are not defined: nothing will be
// written to them.
func (x *Index) dropAbsent(ctx context.Context, defs []storage.Definition) error {
	types, err := x.schema().strings(ctx, "SELECT DISTINCT type FROM definitions")
	if err != nil {
		return err
	}
	for _, typ := range types {
		if slices.ContainsFunc(defs, func(d storage.Definition) bool { return d.Type == typ }) {
			continue
		}
		names, err := x.schema().strings(ctx, "SELECT name FROM definitions WHERE type = ?1", typ)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := x.schema().dropTable(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
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

// defineOne keeps the type's table that answers and the one that is being
// filled for this definition, makes what is missing and drops the others. A
// table of which a part was removed is none.
func (x *Index) defineOne(ctx context.Context, d storage.Definition, at sqltables.Position) (*tables, *storage.PendingBuild, error) {
	rows, err := x.schema().definitions(ctx, d.Type)
	if err != nil {
		return nil, nil, err
	}
	chosen := sqltables.Choose(rows, d, at)
	for _, r := range chosen.Drop {
		if err := x.schema().dropTable(ctx, r.Name); err != nil {
			return nil, nil, err
		}
	}
	if chosen.Make {
		r, err := x.schema().createTable(ctx, d, at)
		if err != nil {
			return nil, nil, err
		}
		chosen.Made(r)
	}
	return tablesOf(chosen, d), chosen.Pending(), nil
}

// filled notes how far the tables of fresh types are and makes those that are
// full answer.
func (x *Index) filled(ctx context.Context, b storage.Batch, applied uint64) (next map[string]*tables, err error) {
	all := *x.tables.Load()
	for typ, of := range all {
		if of.building == nil || !of.building.follows && !slices.Contains(b.Replay, typ) || of.building.follows && len(b.Replay) > 0 {
			continue
		}
		to := b.Through
		if of.building.follows {
			if to = max(applied, b.Through); to < of.building.fill {
				continue
			}
			if err := x.schema().executeAll(ctx, of.building.indexes()); err != nil {
				return nil, err
			}
		}
		var full bool
		err := x.conn.QueryRowContext(ctx, "UPDATE definitions SET replayed = max(replayed, ?1), serving = max(replayed, ?1) >= fill WHERE name = ?2 RETURNING serving",
			int64(to), of.building.name).Scan(&full)
		if err != nil {
			return nil, err
		}
		if full {
			if next == nil {
				next = maps.Clone(all)
			}
			serving := *of.building
			serving.follows = false
			next[typ] = &tables{serving: &serving}
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
				if err := x.schema().dropTable(ctx, of.serving.name); err != nil {
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
	if err != nil && ctx.Err() == nil && x.tookAway(ctx, t) {
		err = fmt.Errorf("%w: %w", storage.ErrNotReady, err)
	}
	return x.classify(err)
}

// tookAway reports whether the table was dropped by another program.
func (x *Index) tookAway(ctx context.Context, t *writable) bool {
	defer x.reading()()
	var there bool
	err := x.reader.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)", t.name).Scan(&there)
	return err == nil && !there
}

// table is the one that answers for a type, or a *storage.BuildError when it
// has yet to be filled.
func (x *Index) table(ctx context.Context, typ string) (*writable, error) {
	if of := (*x.tables.Load())[typ]; of != nil && of.serving != nil {
		return of.serving, nil
	}
	return nil, x.building(ctx, typ)
}

// building is the progress of the type's new table.
func (x *Index) building(ctx context.Context, typ string) error {
	of := (*x.tables.Load())[typ]
	if of == nil || of.building == nil {
		return fmt.Errorf("type %q: %w", typ, storage.ErrNotReady)
	}
	f := storage.PendingBuild{Type: typ}
	defer x.reading()()
	err := x.reader.QueryRowContext(ctx, "SELECT "+howFar+" FROM definitions, position WHERE name = ?1", of.building.name).Scan(&f.Replayed, &f.Through)
	if err != nil {
		return fmt.Errorf("type %q: %w: %w", typ, storage.ErrNotReady, err)
	}
	return &storage.BuildError{PendingBuild: f}
}

// Reset implements storage.Index. The types that were defined stay so, with
// empty tables.
func (x *Index) Reset(ctx context.Context, identity string, through uint64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closeWriters()
	all := map[string]*tables{}
	before := x.fill.Swap(math.MaxUint64) // from before anything is gone
	err := x.inTransaction(ctx, func(ctx context.Context) error {
		if err := x.dropAbsent(ctx, nil); err != nil { // all
			return err
		}
		if _, err := x.conn.ExecContext(ctx, "DELETE FROM events; DELETE FROM holders; DELETE FROM pruned"); err != nil {
			return err
		}
		_, err := x.conn.ExecContext(ctx, "UPDATE position SET identity = ?1, applied = 0, fill = ?2", identity, int64(through))
		for _, d := range x.defs {
			if err == nil {
				all[d.Type], _, err = x.defineOne(ctx, d, sqltables.Position{Fill: through})
			}
		}
		return err
	})
	if err != nil {
		x.fill.Store(before)
		return fmt.Errorf("sqliteindex: reset: %w", x.classify(err))
	}
	x.applied.Store(0)
	x.fill.Store(through)
	x.identity.Store(&identity)
	return x.use(ctx, all)
}

// Rebuild implements storage.Index.
func (x *Index) Rebuild(ctx context.Context, defs []storage.Definition) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := sqltables.Position{Applied: x.applied.Load(), Fill: x.fill.Load()}
	err := x.whole()
	if err != nil || at.Applied == 0 {
		return err
	}
	err = x.inTransaction(ctx, func(ctx context.Context) error {
		for _, d := range defs {
			if err := x.rebuildOne(ctx, d, at); err != nil {
				return fmt.Errorf("%s: %w", d.Type, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sqliteindex: rebuild: %w", x.classify(err))
	}
	x.stale = true
	return nil
}

func (x *Index) rebuildOne(ctx context.Context, d storage.Definition, at sqltables.Position) error {
	rows, err := x.schema().definitions(ctx, d.Type)
	if err != nil {
		return err
	}
	drop, ok := sqltables.Anew(rows)
	if !ok {
		return nil
	}
	for _, r := range drop {
		if err := x.schema().dropTable(ctx, r.Name); err != nil {
			return err
		}
	}
	_, err = x.schema().createTable(ctx, d, at)
	return err
}

// howFar a table is and how far it has to get.
const howFar = "CASE WHEN replayed < definitions.fill THEN replayed ELSE min(applied, definitions.fill) END, definitions.fill"

// notInUse are the tables that do not answer yet. One that is full does once the
// one it replaces is gone: until then searches may still be answered by that.
const notInUse = `FROM definitions, position WHERE NOT serving OR EXISTS (SELECT 1 FROM definitions AS before
	WHERE before.type = definitions.type AND before.serving AND before.rowid < definitions.rowid)`

// Building implements storage.Index.
func (x *Index) Building(ctx context.Context) (out []storage.PendingBuild, err error) {
	defer x.reading()()
	if err := x.whole(); err != nil {
		return nil, err
	}
	rows, err := x.reader.QueryContext(ctx, "SELECT type, "+howFar+" "+notInUse+" ORDER BY type")
	if err != nil {
		return nil, fmt.Errorf("sqliteindex: read the tables being built: %w", x.classify(err))
	}
	defer rows.Close()
	for rows.Next() {
		var f storage.PendingBuild
		if err := rows.Scan(&f.Type, &f.Replayed, &f.Through); err != nil {
			return nil, fmt.Errorf("sqliteindex: read the tables being built: %w", x.classify(err))
		}
		out = append(out, f)
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
		return nil, fmt.Errorf("sqliteindex: types: %w", x.classify(err))
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, fmt.Errorf("sqliteindex: types: %w", x.classify(err))
		}
		types = append(types, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sqliteindex: types: %w", x.classify(err))
	}
	return types, nil
}

package pgindex

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/storage"
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
	current storage.Definition // of the type; the table's own while it is not changing
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
	w.fullText = w.fullText && slices.Equal(t.def.FullText, current.FullText)
	return w
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

// place is a row of the position table.
type place struct {
	identity string
	sqltables.Position
}

// Define implements storage.Index. It also makes the fixed tables when they
// were dropped.
func (x *Index) Define(ctx context.Context, defs []storage.Definition) (fresh []storage.PendingBuild, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("pgindex: define: %w", classify(ctx, err))
		}
	}()
	if err := x.migrate(ctx); err != nil {
		return nil, err
	}
	all := map[string]*tables{}
	err = pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		if err := x.begin(ctx, tx); err != nil {
			return err
		}
		at, err := lockPosition(ctx, tx)
		if err != nil {
			return err
		}
		if err := dropAbsent(ctx, tx, defs); err != nil {
			return err
		}
		for _, d := range defs {
			of, f, err := x.defineOne(ctx, tx, d, at.Position)
			if err != nil {
				return fmt.Errorf("type %s: %w", d.Type, err)
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
	x.defs = slices.Clone(defs)
	x.own(all)
	return fresh, nil
}

// dropAbsent drops the tables of types that are not defined, since nothing will
// be written to them, and forgets those that were dropped.
func dropAbsent(ctx context.Context, tx pgx.Tx, defs []storage.Definition) error {
	rows, err := tx.Query(ctx, "SELECT name FROM definitions WHERE NOT type = ANY($1) OR to_regclass(quote_ident(name)) IS NULL", typesOf(defs))
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := dropTable(ctx, tx, name); err != nil {
			return err
		}
	}
	return nil
}

func typesOf(defs []storage.Definition) []string {
	out := make([]string, len(defs))
	for i, d := range defs {
		out[i] = d.Type
	}
	return out
}

// lockPosition makes other writers wait until the transaction ends.
func lockPosition(ctx context.Context, tx pgx.Tx) (p place, err error) {
	err = tx.QueryRow(ctx, "SELECT identity, applied, fill FROM position FOR UPDATE").Scan(&p.identity, &p.Applied, &p.Fill)
	return p, err
}

// begin is how every transaction that changes tables begins.
func (x *Index) begin(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
		return err
	}
	return x.lock(ctx, tx)
}

// definitions reads what tables a type has. A table that was dropped is
// none.
func definitions(ctx context.Context, tx pgx.Tx, typ string) ([]sqltables.Row, error) {
	rows, err := tx.Query(ctx, `SELECT name, definition, serving, fill, replayed FROM definitions
		WHERE type = $1 AND to_regclass(quote_ident(name)) IS NOT NULL ORDER BY serving DESC, name`, typ)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d sqltables.Row, err error) {
		var def []byte
		if err = row.Scan(&d.Name, &def, &d.Serving, &d.Fill, &d.Replayed); err == nil {
			err = json.Unmarshal(def, &d.Definition)
			d.Whole = tableNamed(d.Definition, d.Name) != nil
		}
		return d, err
	})
}

// defineOne keeps the type's table that answers and the one that is being
// filled for this definition, makes what is missing and drops the others.
func (x *Index) defineOne(ctx context.Context, tx pgx.Tx, d storage.Definition, at sqltables.Position) (*tables, *storage.PendingBuild, error) {
	rows, err := definitions(ctx, tx, d.Type)
	if err != nil {
		return nil, nil, err
	}
	chosen := sqltables.Choose(rows, d, at)
	for _, r := range chosen.Drop {
		if err := dropTable(ctx, tx, r.Name); err != nil {
			return nil, nil, err
		}
	}
	if chosen.Make {
		r, err := createTable(ctx, tx, d, at)
		if err != nil {
			return nil, nil, err
		}
		chosen.Made(r)
	}
	return tablesOf(chosen, d), chosen.Pending(), nil
}

// createTable makes a table that answers at once when there is nothing to fill
// it with.
func createTable(ctx context.Context, tx pgx.Tx, d storage.Definition, at sqltables.Position) (sqltables.Row, error) {
	t := newTable(d)
	r := sqltables.New(t.name, d, at)
	statements := t.create()
	if r.Indexed() {
		statements = append(statements, t.indexes()...)
	}
	if err := executeAll(ctx, tx, statements); err != nil {
		return r, err
	}
	def, err := json.Marshal(d)
	if err != nil {
		return r, err
	}
	_, err = tx.Exec(ctx, "INSERT INTO definitions VALUES ($1, $2, $3, $4, $5, $6)", r.Name, d.Type, def, r.Serving, int64(r.Fill), int64(r.Replayed))
	return r, err
}

func executeAll(ctx context.Context, tx pgx.Tx, statements []string) error {
	for _, s := range statements {
		if _, err := tx.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func dropTable(ctx context.Context, tx pgx.Tx, name string) error {
	if _, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+quote(name)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM definitions WHERE name = $1", name)
	return err
}

// switchOver makes the filled tables answer and drops those they replace.
func (x *Index) switchOver(ctx context.Context, tx pgx.Tx, filled []string) (map[string]*tables, error) {
	if len(filled) == 0 {
		return nil, nil
	}
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = 0"); err != nil {
		return nil, err
	}
	next := map[string]*tables{}
	for typ, of := range *x.tables.Load() {
		next[typ] = of
		if of.building == nil || !slices.Contains(filled, of.building.name) {
			continue
		}
		serving := *of.building
		serving.follows = false
		next[typ] = &tables{serving: &serving}
		if of.serving != nil {
			if err := dropTable(ctx, tx, of.serving.name); err != nil {
				return nil, err
			}
		}
	}
	_, err := tx.Exec(ctx, "UPDATE definitions SET serving = true WHERE name = ANY($1)", filled)
	return next, err
}

// Rebuild implements storage.Index. The next Apply finds tables that it
// does not know and defines again, so nothing is written to the old tables that
// the new ones would lack.
func (x *Index) Rebuild(ctx context.Context, defs []storage.Definition) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	err := pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		if err := x.begin(ctx, tx); err != nil {
			return err
		}
		at, err := lockPosition(ctx, tx)
		if err != nil || at.Applied == 0 {
			return err
		}
		for _, d := range defs {
			if err := rebuildOne(ctx, tx, d, at.Position); err != nil {
				return fmt.Errorf("type %s: %w", d.Type, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("pgindex: rebuild: %w", classify(ctx, err))
	}
	return nil
}

func rebuildOne(ctx context.Context, tx pgx.Tx, d storage.Definition, at sqltables.Position) error {
	rows, err := definitions(ctx, tx, d.Type)
	if err != nil {
		return err
	}
	drop, ok := sqltables.Anew(rows)
	if !ok {
		return nil
	}
	for _, r := range drop {
		if err := dropTable(ctx, tx, r.Name); err != nil {
			return err
		}
	}
	_, err = createTable(ctx, tx, d, at)
	return err
}

// Building implements storage.Index.
func (x *Index) Building(ctx context.Context) ([]storage.PendingBuild, error) {
	limited, cancel := x.limited(ctx)
	defer cancel()
	rows, err := x.pool.Query(limited, "SELECT type, "+howFar+" FROM definitions, position WHERE NOT serving ORDER BY type")
	if err != nil {
		return nil, fmt.Errorf("pgindex: read the tables being built: %w", classify(ctx, err))
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storage.PendingBuild])
	if err != nil {
		return nil, fmt.Errorf("pgindex: read the tables being built: %w", classify(ctx, err))
	}
	return out, nil
}

// howFar a table is and how far it has to get.
const howFar = "CASE WHEN replayed < definitions.fill THEN replayed ELSE least(applied, definitions.fill) END, definitions.fill"

// Reset implements storage.Index. The types that were defined stay so, with
// empty tables.
func (x *Index) Reset(ctx context.Context, identity string, through uint64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := map[string]*tables{}
	err := pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		if err := x.begin(ctx, tx); err != nil {
			return err
		}
		if _, err := lockPosition(ctx, tx); err != nil {
			return err
		}
		if err := dropAbsent(ctx, tx, nil); err != nil { // all
			return err
		}
		if _, err := tx.Exec(ctx, "TRUNCATE events, holders, pruned"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE position SET identity = $1, applied = 0, fill = $2", identity, int64(through))
		for _, d := range x.defs {
			if err == nil {
				all[d.Type], _, err = x.defineOne(ctx, tx, d, sqltables.Position{Fill: through})
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("pgindex: reset: %w", classify(ctx, err))
	}
	x.applied.Store(0)
	x.identity.Store(&identity)
	x.own(all)
	return nil
}

// own are the tables that this process writes; x.mu is held.
func (x *Index) own(all map[string]*tables) {
	x.owned = tableNames(all)
	x.tables.Store(&all)
}

// owns reports whether these are the tables that this process defined. What it
// learned from another process since, for reading, is not what it writes.
func (x *Index) owns(names []string) bool {
	slices.Sort(names)
	return slices.Equal(names, x.owned)
}

func tableNames(all map[string]*tables) (names []string) {
	for _, of := range all {
		for _, t := range []*writable{of.serving, of.building} {
			if t != nil {
				names = append(names, t.name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// reload finds out which tables answer now, after another process changed
// them.
func (x *Index) reload(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := map[string]*tables{}
	err := pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		for _, d := range x.defs {
			there, err := definitions(ctx, tx, d.Type)
			if err != nil {
				return err
			}
			of := &tables{}
			for _, o := range there {
				switch {
				case !o.Whole:
				case o.Serving:
					of.serving = written(o, d)
				case o.Definition.Hash == d.Hash:
					of.building = written(o, d)
				}
			}
			all[d.Type] = of
		}
		return nil
	})
	if err == nil {
		x.tables.Store(&all)
	}
	x.loaded.Store(time.Now().UnixNano())
	return err
}

// reloading is how often, at most, a process looks whether another one has
// filled a table.
const reloading = 100 * time.Millisecond

// table is the one that answers for a type, or a *storage.BuildError when it
// has yet to be filled.
func (x *Index) table(ctx context.Context, typ string) (*writable, error) {
	of := (*x.tables.Load())[typ]
	if (of == nil || of.serving == nil) && time.Since(time.Unix(0, x.loaded.Load())) > reloading {
		if err := x.reload(ctx); err != nil {
			return nil, classify(ctx, err)
		}
		of = (*x.tables.Load())[typ]
	}
	if of != nil && of.serving != nil {
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
	err := x.pool.QueryRow(ctx, "SELECT "+howFar+" FROM definitions, position WHERE name = $1", of.building.name).Scan(&f.Replayed, &f.Through)
	if err != nil {
		return fmt.Errorf("type %q: %w: %w", typ, storage.ErrNotReady, err)
	}
	return &storage.BuildError{PendingBuild: f}
}

// noText reports whether the type has no full text at all, now or soon.
func (w *writable) noText() bool { return len(w.current.FullText) == 0 }

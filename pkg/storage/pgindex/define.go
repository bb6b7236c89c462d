package pgindex

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/storage"
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
	for _, f := range t.def.Fields {
		w.fields = append(w.fields, slices.Index(current.Fields, f))
	}
	for _, p := range t.def.FullText {
		w.texts = append(w.texts, slices.Index(current.FullText, p))
	}
	for i, f := range t.def.Fields {
		if w.fields[i] < 0 {
			delete(w.view.Columns, f.Name)
		}
	}
	w.fullText = w.fullText && slices.Equal(t.def.FullText, current.FullText)
	return w
}

// defined is a row of the definitions table. One that is not serving is filled
// by replay batches until replayed reaches fill; one that is replayed when it is
// made, because the index is empty, until the position does.
type defined struct {
	name           string
	def            storage.Definition
	serving        bool
	fill, replayed uint64
}

// table is nil when another version of this package made it.
func (o defined) table() *table { return tableNamed(o.def, o.name) }

// writable gives the table the values of current.
func (o defined) writable(current storage.Definition) *writable {
	w := fit(o.table(), current)
	w.follows, w.fill = !o.serving && o.replayed >= o.fill, o.fill
	return w
}

// place is a row of the position table.
type place struct {
	identity      string
	applied, fill uint64
}

// Define implements storage.Index. It also makes the fixed tables when they
// were dropped.
func (x *Index) Define(ctx context.Context, defs []storage.Definition) (fresh []storage.Fresh, err error) {
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
			of, f, err := x.defineOne(ctx, tx, d, at)
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
// be written to them, and forgets those that somebody dropped.
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

// lockPosition makes whoever writes wait until the transaction ends.
func lockPosition(ctx context.Context, tx pgx.Tx) (p place, err error) {
	err = tx.QueryRow(ctx, "SELECT identity, applied, fill FROM position FOR UPDATE").Scan(&p.identity, &p.applied, &p.fill)
	return p, err
}

// begin is how every transaction that changes tables begins.
func (x *Index) begin(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
		return err
	}
	return x.lock(ctx, tx)
}

// definitions reads what tables a type has. A table that somebody dropped is
// none.
func definitions(ctx context.Context, tx pgx.Tx, typ string) ([]defined, error) {
	rows, err := tx.Query(ctx, `SELECT name, definition, serving, fill, replayed FROM definitions
		WHERE type = $1 AND to_regclass(quote_ident(name)) IS NOT NULL ORDER BY serving DESC, name`, typ)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d defined, err error) {
		var def []byte
		if err = row.Scan(&d.name, &def, &d.serving, &d.fill, &d.replayed); err == nil {
			err = json.Unmarshal(def, &d.def)
		}
		return d, err
	})
}

// defineOne keeps the type's table that answers and the one that is being
// filled for this definition, makes what is missing and drops the others.
func (x *Index) defineOne(ctx context.Context, tx pgx.Tx, d storage.Definition, at place) (*tables, *storage.Fresh, error) {
	there, err := definitions(ctx, tx, d.Type)
	if err != nil {
		return nil, nil, err
	}
	out := &tables{}
	fresh := storage.Fresh{Type: d.Type}
	for _, o := range there {
		same := o.table() != nil && o.def.Hash == d.Hash
		switch {
		case o.serving && o.table() != nil && (same || at.applied > 0):
			out.serving = o.writable(d)
		case !o.serving && same && out.building == nil:
			out.building, fresh.Replayed, fresh.Through = o.writable(d), o.replayed, o.fill
		default:
			if err := dropTable(ctx, tx, o.name); err != nil {
				return nil, nil, err
			}
		}
	}
	if out.building == nil && (out.serving == nil || out.serving.def.Hash != d.Hash) {
		o, err := createTable(ctx, tx, d, at)
		if err != nil {
			return nil, nil, err
		}
		if o.serving {
			out.serving = o.writable(d)
			return out, nil, nil
		}
		out.building, fresh.Replayed, fresh.Through = o.writable(d), o.replayed, o.fill
	}
	if out.building == nil || out.building.follows {
		return out, nil, nil
	}
	return out, &fresh, nil
}

// createTable makes a table that answers at once when there is nothing to fill
// it with.
func createTable(ctx context.Context, tx pgx.Tx, d storage.Definition, at place) (defined, error) {
	t := newTable(d)
	o := defined{name: t.name, def: d, fill: at.applied}
	if at.applied == 0 {
		o.serving, o.fill, o.replayed = at.fill == 0, at.fill, at.fill
	}
	statements := t.create()
	if at.applied > 0 || o.serving { // else they are made at once when it is full, which costs less
		statements = append(statements, t.indexes()...)
	}
	if err := executeAll(ctx, tx, statements); err != nil {
		return o, err
	}
	def, err := json.Marshal(d)
	if err != nil {
		return o, err
	}
	_, err = tx.Exec(ctx, "INSERT INTO definitions VALUES ($1, $2, $3, $4, $5, $6)", o.name, d.Type, def, o.serving, int64(o.fill), int64(o.replayed))
	return o, err
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

// Rebuild implements storage.Index. Whoever applies next finds tables that it
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
		if err != nil || at.applied == 0 {
			return err
		}
		for _, d := range defs {
			if err := rebuildOne(ctx, tx, d, at); err != nil {
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

func rebuildOne(ctx context.Context, tx pgx.Tx, d storage.Definition, at place) error {
	there, err := definitions(ctx, tx, d.Type)
	if err != nil || !slices.ContainsFunc(there, func(o defined) bool { return o.serving }) {
		return err
	}
	for _, o := range there {
		if !o.serving {
			if err := dropTable(ctx, tx, o.name); err != nil {
				return err
			}
		}
	}
	_, err = createTable(ctx, tx, d, at)
	return err
}

// Building implements storage.Index.
func (x *Index) Building(ctx context.Context) ([]storage.Fresh, error) {
	limited, cancel := x.limited(ctx)
	defer cancel()
	rows, err := x.pool.Query(limited, "SELECT type, "+howFar+" FROM definitions, position WHERE NOT serving ORDER BY type")
	if err != nil {
		return nil, fmt.Errorf("pgindex: what is being built: %w", classify(ctx, err))
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storage.Fresh])
	if err != nil {
		return nil, fmt.Errorf("pgindex: what is being built: %w", classify(ctx, err))
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
		if _, err := tx.Exec(ctx, "TRUNCATE events, holders"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE position SET identity = $1, applied = 0, fill = $2", identity, int64(through))
		for _, d := range x.defs {
			if err == nil {
				all[d.Type], _, err = x.defineOne(ctx, tx, d, place{fill: through})
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
				case o.table() == nil:
				case o.serving:
					of.serving = o.writable(d)
				case o.def.Hash == d.Hash:
					of.building = o.writable(d)
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

// building tells how far the type's new table is.
func (x *Index) building(ctx context.Context, typ string) error {
	of := (*x.tables.Load())[typ]
	if of == nil || of.building == nil {
		return fmt.Errorf("type %q: %w", typ, storage.ErrNotReady)
	}
	f := storage.Fresh{Type: typ}
	err := x.pool.QueryRow(ctx, "SELECT "+howFar+" FROM definitions, position WHERE name = $1", of.building.name).Scan(&f.Replayed, &f.Through)
	if err != nil {
		return fmt.Errorf("type %q: %w: %w", typ, storage.ErrNotReady, err)
	}
	return &storage.BuildError{Fresh: f}
}

// noText tells that the type has no full text at all, now or soon.
func (w *writable) noText() bool { return len(w.current.FullText) == 0 }

package pgindex

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

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

// defined is a row of the definitions table.
type defined struct {
	name           string
	def            storage.Definition
	serving        bool
	fill, replayed uint64
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
		var applied uint64
		if err := tx.QueryRow(ctx, "SELECT applied FROM position FOR UPDATE").Scan(&applied); err != nil {
			return err
		}
		for _, d := range defs {
			of, f, err := x.defineOne(ctx, tx, d, applied)
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
	x.tables.Store(&all)
	return fresh, nil
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

// defineOne makes the type's table if it is missing, keeps the one that answers
// and drops the others.
func (x *Index) defineOne(ctx context.Context, tx pgx.Tx, d storage.Definition, applied uint64) (*tables, *storage.Fresh, error) {
	t := newTable(d)
	there, err := definitions(ctx, tx, d.Type)
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
			if err := dropTable(ctx, tx, o.name); err != nil {
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
	} else if err := x.createTable(ctx, tx, t, applied); err != nil {
		return nil, nil, err
	}
	if fresh.Through == 0 {
		out.serving = fit(t, d)
		return out, nil, nil
	}
	out.building = fit(t, d)
	return out, &fresh, nil
}

func (x *Index) createTable(ctx context.Context, tx pgx.Tx, t *table, applied uint64) error {
	for _, s := range t.create() {
		if _, err := tx.Exec(ctx, s); err != nil {
			return err
		}
	}
	def, err := json.Marshal(t.def)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO definitions VALUES ($1, $2, $3, $4, $5, 0)
		ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, serving = excluded.serving, fill = excluded.fill, replayed = 0`,
		t.name, t.def.Type, def, applied == 0, int64(applied))
	return err
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
	next := map[string]*tables{}
	for typ, of := range *x.tables.Load() {
		next[typ] = of
		if of.building == nil || !slices.Contains(filled, of.building.name) {
			continue
		}
		next[typ] = &tables{serving: of.building}
		if of.serving != nil {
			if err := dropTable(ctx, tx, of.serving.name); err != nil {
				return nil, err
			}
		}
	}
	_, err := tx.Exec(ctx, "UPDATE definitions SET serving = true WHERE name = ANY($1)", filled)
	return next, err
}

// Reset implements storage.Index. The types that were defined stay so, with
// empty tables.
func (x *Index) Reset(ctx context.Context, identity string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := map[string]*tables{}
	err := pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		if err := x.begin(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT 1 FROM position FOR UPDATE"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT name FROM definitions")
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
		if _, err := tx.Exec(ctx, "TRUNCATE events, holders"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE position SET identity = $1, applied = 0", identity); err != nil {
			return err
		}
		for _, d := range x.defs {
			if all[d.Type], _, err = x.defineOne(ctx, tx, d, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("pgindex: reset: %w", classify(ctx, err))
	}
	x.applied.Store(0)
	x.identity.Store(&identity)
	x.tables.Store(&all)
	return nil
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
				t := newTable(o.def)
				switch {
				case t.name != o.name:
				case o.serving:
					of.serving = fit(t, d)
				case o.name == newTable(d).name:
					of.building = fit(t, d)
				}
			}
			all[d.Type] = of
		}
		return nil
	})
	if err == nil {
		x.tables.Store(&all)
	}
	return err
}

// table is the one that answers for a type, or a *storage.BuildError when it
// has yet to be filled.
func (x *Index) table(ctx context.Context, typ string) (*writable, error) {
	of := (*x.tables.Load())[typ]
	switch {
	case of != nil && of.serving != nil:
		return of.serving, nil
	case of != nil && of.building != nil:
		return nil, x.building(ctx, typ)
	}
	return nil, fmt.Errorf("type %q: %w", typ, storage.ErrNotReady)
}

// building tells how far the type's new table is.
func (x *Index) building(ctx context.Context, typ string) error {
	of := (*x.tables.Load())[typ]
	if of == nil || of.building == nil {
		return fmt.Errorf("type %q: %w", typ, storage.ErrNotReady)
	}
	f := storage.Fresh{Type: typ}
	err := x.pool.QueryRow(ctx, "SELECT replayed, fill FROM definitions WHERE name = $1", of.building.name).Scan(&f.Replayed, &f.Through)
	if err != nil {
		return fmt.Errorf("type %q: %w: %w", typ, storage.ErrNotReady, err)
	}
	return &storage.BuildError{Fresh: f}
}

// noText tells that the type has no full text at all, now or soon.
func (w *writable) noText() bool { return len(w.current.FullText) == 0 }

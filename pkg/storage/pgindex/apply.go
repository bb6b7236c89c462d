package pgindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// purge marks the event of a purge in events.wrote: what came before it in its
// resource must not come back.
const purge = -1

// applyTimeout ends a batch whatever its caller does.
const applyTimeout = 2 * time.Minute

// indexTimeout ends one that also makes the indexes of tables.
const indexTimeout = time.Hour

// Apply implements storage.Index. It holds the row of the
// position, so two indexers take turns and a stale one is refused.
func (x *Index) Apply(ctx context.Context, b storage.Batch) (err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("pgindex: apply through %d: %w", b.Through, err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	timeout := applyTimeout
	if x.finishes(b) {
		timeout = indexTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	writes, err := x.sort(b)
	if err != nil {
		return err
	}
	var next map[string]*tables
	err = pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		applied, err := x.lockForWriting(ctx, tx)
		if err != nil {
			return err
		}
		if err := writes.dropErased(ctx, tx, applied); err != nil {
			return err
		}
		for _, r := range writes.rows {
			if err := r.part(ctx, tx, &b); err != nil {
				return err
			}
		}
		if err := writes.send(ctx, tx, b, applied, x.replaying(b)); err != nil {
			return err
		}
		if err := prune(ctx, tx, b); err != nil {
			return err
		}
		if err := x.drop(ctx, tx, b.Dropped); err != nil {
			return err
		}
		next, err = x.filled(ctx, tx, b, applied)
		return err
	})
	if err != nil {
		return classify(ctx, err)
	}
	if next != nil {
		x.own(next)
	}
	if len(b.Replay) == 0 {
		x.saw(b.Through)
	}
	x.analyze(ctx, writes)
	return nil
}

// drop takes tombstones away, and the rows that hold nothing else.
func (x *Index) drop(ctx context.Context, tx pgx.Tx, dropped []uint64) error {
	if len(dropped) == 0 {
		return nil
	}
	seqs := make([]int64, len(dropped))
	for i, seq := range dropped {
		seqs[i] = int64(seq)
	}
	rows, err := tx.Query(ctx, "DELETE FROM events WHERE seq = ANY($1) AND wrote = $2 RETURNING type, id, seq", seqs, purge)
	if err != nil {
		return err
	}
	ids, at := map[string][]string{}, map[string][]int64{}
	var typ, id string
	var seq int64
	if _, err := pgx.ForEachRow(rows, []any{&typ, &id, &seq}, func() error {
		ids[typ], at[typ] = append(ids[typ], id), append(at[typ], seq)
		return nil
	}); err != nil {
		return err
	}
	for typ := range ids {
		of := (*x.tables.Load())[typ]
		if of == nil {
			continue
		}
		for _, t := range []*writable{of.serving, of.building} {
			if t == nil {
				continue
			}
			_, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %s AS r USING unnest($1::text[], $2::bigint[]) AS d(id, seq) WHERE r.id = d.id AND r.second = 0 AND r.seq = d.seq AND r.state = %d", t.view.Name, purged),
				ids[typ], at[typ])
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// lockForWriting locks the position and checks that it is the one this index was
// defined with, that all its tables are there, and no others.
func (x *Index) lockForWriting(ctx context.Context, tx pgx.Tx) (applied uint64, err error) {
	var names []string
	for _, d := range x.defs {
		of := (*x.tables.Load())[d.Type]
		if of == nil || of.serving == nil && of.building == nil {
			return 0, fmt.Errorf("%w: the table of %s is gone", storage.ErrNotReady, d.Type)
		}
		for _, t := range []*writable{of.serving, of.building} {
			if t != nil {
				names = append(names, t.name)
			}
		}
	}
	if !x.owns(names) {
		return 0, fmt.Errorf("%w: the tables were defined by another process", storage.ErrNotReady)
	}
	// The lock is taken by a statement of its own: what the next one sees begins
	// after the process that held it, which may have made tables.
	if _, err := tx.Exec(ctx, "SELECT FROM position FOR UPDATE"); err != nil {
		return 0, err
	}
	var identity string
	var there, others int
	err = tx.QueryRow(ctx, `SELECT identity, applied, (SELECT count(*) FROM unnest($1::text[]) AS t WHERE to_regclass(quote_ident(t)) IS NOT NULL),
		(SELECT count(*) FROM definitions WHERE NOT name = ANY($1)) FROM position`, names).Scan(&identity, &applied, &there, &others)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, storage.ErrNotReady
	}
	if err != nil {
		return 0, err
	}
	if there != len(names) || others > 0 {
		return 0, fmt.Errorf("%w: %d of %d tables are there, and %d others", storage.ErrNotReady, there, len(names), others)
	}
	if known := *x.identity.Load(); identity != known || applied < x.applied.Load() {
		return 0, fmt.Errorf("%w: it is of log %q at %d, not of %q at %d", storage.ErrNotReady, identity, applied, known, x.applied.Load())
	}
	return applied, nil
}

// filled notes how far the tables of fresh types are and switches over to
// those that are full.
func (x *Index) filled(ctx context.Context, tx pgx.Tx, b storage.Batch, applied uint64) (map[string]*tables, error) {
	if len(b.Replay) == 0 {
		return x.followed(ctx, tx, max(applied, b.Through))
	}
	building := x.replaying(b)
	rows, err := tx.Query(ctx, "UPDATE definitions SET replayed = greatest(replayed, $1) WHERE name = ANY($2) RETURNING name, replayed >= fill", int64(b.Through), building)
	if err != nil {
		return nil, err
	}
	var full []string
	var name string
	var is bool
	seen := 0
	if _, err := pgx.ForEachRow(rows, []any{&name, &is}, func() error {
		seen++
		if is {
			full = append(full, name)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if seen != len(building) {
		return nil, fmt.Errorf("%w: another definition was made", storage.ErrNotReady)
	}
	return x.switchOver(ctx, tx, full)
}

// replaying names the tables that a replay batch fills.
func (x *Index) replaying(b storage.Batch) (names []string) {
	for typ, of := range *x.tables.Load() {
		if of.building != nil && !of.building.follows && slices.Contains(b.Replay, typ) {
			names = append(names, of.building.name)
		}
	}
	return names
}

// followed switches over to the tables that the position has filled.
func (x *Index) followed(ctx context.Context, tx pgx.Tx, applied uint64) (map[string]*tables, error) {
	var full []string
	for _, of := range *x.tables.Load() {
		t := of.building
		if t == nil || !t.follows || applied < t.fill {
			continue
		}
		full = append(full, t.name)
		finish := append([]string{"SET LOCAL statement_timeout = 0"}, t.indexes()...)
		if err := executeAll(ctx, tx, append(finish, "ANALYZE "+t.view.Name)); err != nil {
			return nil, err
		}
	}
	return x.switchOver(ctx, tx, full)
}

// finishes reports whether a batch makes the indexes of whole tables.
func (x *Index) finishes(b storage.Batch) bool {
	for _, of := range *x.tables.Load() {
		if of.building != nil && of.building.follows && b.Through >= of.building.fill {
			return true
		}
	}
	return false
}

// writes is a batch in the form it is sent in.
type writes struct {
	events []*storage.IndexChange
	purges []*storage.IndexChange
	rows   []*rows
}

// rows are the newest changes of the resources of one table.
type rows struct {
	to      *writable
	changes []*storage.IndexChange
}

// sort finds the newest change of each resource and checks all values, so that
// nothing is sent of a batch that cannot be written.
func (x *Index) sort(b storage.Batch) (*writes, error) {
	w := &writes{}
	type resource struct{ typ, id string }
	newest := map[resource]*storage.IndexChange{}
	for i := range b.Changes {
		c := &b.Changes[i]
		w.events = append(w.events, c)
		if c.Event.Action == storage.Purged {
			w.purges = append(w.purges, c)
		}
		key := resource{c.Event.Meta.Type, c.Event.Meta.ID}
		if o := newest[key]; o == nil || c.Event.Seq >= o.Event.Seq {
			newest[key] = c
		}
	}
	all := *x.tables.Load()
	byTable := map[*writable]*rows{}
	for i := range b.Changes {
		c := &b.Changes[i]
		typ, id := c.Event.Meta.Type, c.Event.Meta.ID
		of := all[typ]
		if of == nil || id == "" || newest[resource{typ, id}] != c {
			continue
		}
		for _, t := range []*writable{of.serving, of.building} {
			if t == nil || len(b.Replay) > 0 && (t == of.serving || !slices.Contains(b.Replay, typ)) {
				continue
			}
			if byTable[t] == nil {
				byTable[t] = &rows{to: t}
				w.rows = append(w.rows, byTable[t])
			}
			byTable[t].changes = append(byTable[t].changes, c)
		}
	}
	for _, r := range w.rows {
		d := x.definition(r.to.def.Type)
		for _, c := range r.changes {
			if err := check(d, c); err != nil {
				return nil, fmt.Errorf("event %d: %w", c.Event.Seq, err)
			}
		}
	}
	return w, nil
}

func (x *Index) definition(typ string) storage.Definition {
	for _, d := range x.defs {
		if d.Type == typ {
			return d
		}
	}
	return storage.Definition{}
}

// send writes the batch; the server answers once for all statements.
func (w *writes) send(ctx context.Context, tx pgx.Tx, b storage.Batch, applied uint64, replaying []string) error {
	batch := &pgx.Batch{}
	if len(w.events) > 0 {
		text := insertEvents + "DO NOTHING"
		if len(b.Replay) > 0 {
			text = insertEvents + repairEvents
		}
		batch.Queue(text, eventArgs(w.events)...)
	}
	if len(replaying) > 0 {
		batch.Queue(dropUnlogged, replaying, int64(b.Through), seqsOf(w.events))
	}
	for _, c := range w.purges {
		batch.Queue("DELETE FROM events WHERE type = $1 AND id = $2 AND seq < $3", c.Event.Meta.Type, c.Event.Meta.ID, int64(c.Event.Seq))
		batch.Queue("DELETE FROM holders WHERE type = $1 AND id = $2", c.Event.Meta.Type, c.Event.Meta.ID)
		batch.Queue("DELETE FROM pruned WHERE type = $1 AND id = $2 AND seq < $3", c.Event.Meta.Type, c.Event.Meta.ID, int64(c.Event.Seq))
	}
	if digests, types, ids := holders(w.events); len(digests) > 0 {
		batch.Queue("INSERT INTO holders SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING", digests, types, ids)
	}
	for _, r := range w.rows {
		if len(r.changes) == 0 {
			continue
		}
		args, err := r.to.args(r.changes, false)
		if err != nil {
			return err
		}
		batch.Queue(r.to.upsert, args...)
	}
	if len(b.Replay) == 0 && b.Through > applied {
		batch.Queue("UPDATE position SET applied = greatest(applied, $1)", int64(b.Through))
	}
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, batch).Close()
}

const (
	insertEvents = `INSERT INTO events AS e SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::text[], $7::bytea[], $8::text[]) ON CONFLICT (seq) `
	// A replay makes an event that differs what it is in the log ...
	repairEvents = `DO UPDATE SET type = excluded.type, id = excluded.id, wrote = excluded.wrote, at = excluded.at, damaged = excluded.damaged, header = excluded.header, keyed = excluded.keyed
		WHERE (e.type, e.id, e.wrote, e.at, e.damaged, e.header, e.keyed) IS DISTINCT FROM (excluded.type, excluded.id, excluded.wrote, excluded.at, excluded.damaged, excluded.header, excluded.keyed)`
	// ... and takes away what is not in the log, of the part that it is about.
	dropUnlogged = `DELETE FROM events AS e USING definitions AS d
		WHERE d.name = ANY($1) AND e.type = d.type AND (e.seq > d.replayed OR d.replayed = 0) AND e.seq <= least(d.fill, $2) AND NOT e.seq = ANY($3)
		AND NOT EXISTS (SELECT 1 FROM pruned AS p WHERE p.type = e.type AND p.id = e.id AND p.seq > e.seq)`
)

func seqsOf(changes []*storage.IndexChange) []int64 {
	out := make([]int64, len(changes))
	for i, c := range changes {
		out[i] = int64(c.Event.Seq)
	}
	return out
}

// dropErased leaves out what is delivered again and was purged since.
func (w *writes) dropErased(ctx context.Context, tx pgx.Tx, applied uint64) error {
	var types, ids []string
	var seqs []int64
	for _, c := range w.events {
		if c.Event.Seq <= applied {
			types, ids, seqs = append(types, c.Event.Meta.Type), append(ids, c.Event.Meta.ID), append(seqs, int64(c.Event.Seq))
		}
	}
	if len(seqs) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT u.seq FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u(type, id, seq)
		WHERE EXISTS (SELECT 1 FROM events AS e WHERE e.type = u.type AND e.id = u.id AND e.seq > u.seq AND e.wrote = -1)`, types, ids, seqs)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(found) == 0 {
		return err
	}
	erased := map[uint64]bool{}
	for _, seq := range found {
		erased[uint64(seq)] = true
	}
	keep := func(in []*storage.IndexChange) (out []*storage.IndexChange) {
		for _, c := range in {
			if !erased[c.Event.Seq] {
				out = append(out, c)
			}
		}
		return out
	}
	w.events, w.purges = keep(w.events), keep(w.purges)
	for _, r := range w.rows {
		r.changes = keep(r.changes)
	}
	return nil
}

func eventArgs(changes []*storage.IndexChange) []any {
	n := len(changes)
	seqs, types, ids, wrote, at := make([]int64, n), make([]string, n), make([]string, n), make([]int32, n), make([]int64, n)
	damaged, headers, keys := make([]*string, n), make([][]byte, n), make([]*string, n)
	for i, c := range changes {
		e := c.Event
		seqs[i], types[i], ids[i], wrote[i], at[i], headers[i] = int64(e.Seq), e.Meta.Type, e.Meta.ID, int32(e.Changed()), query.Micros(e.At), e.Header
		if e.Action == storage.Purged {
			wrote[i] = purge
		}
		if c.Damaged != "" {
			s := clean(c.Damaged)
			damaged[i] = &s
		}
		if e.Idempotency != nil {
			s := keyed(e.Principal, e.Idempotency.Key)
			keys[i] = &s
		}
		if len(e.Header) == 0 {
			headers[i] = []byte("{}")
		}
	}
	return []any{seqs, types, ids, wrote, at, damaged, headers, keys}
}

// holders are the binaries that events refer to. What came before a purge in
// its resource holds nothing any more.
func holders(changes []*storage.IndexChange) (digests, types, ids []string) {
	for i, c := range changes {
		m := c.Event.Meta
		purged := func(o *storage.IndexChange) bool {
			return o.Event.Action == storage.Purged && o.Event.Meta.Type == m.Type && o.Event.Meta.ID == m.ID && o.Event.Seq > c.Event.Seq
		}
		if len(c.Event.Binaries) == 0 || slices.ContainsFunc(changes[i:], purged) {
			continue
		}
		for _, d := range c.Event.Binaries {
			digests, types, ids = append(digests, d), append(types, m.Type), append(ids, m.ID)
		}
	}
	return digests, types, ids
}

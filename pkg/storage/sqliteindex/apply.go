package sqliteindex

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// fixedStatements write the tables that every index has.
type fixedStatements struct {
	event, repair, erased, erase, dropped, position, hold, release *sql.Stmt
}

// purge marks the event of a purge in events.wrote: what came before it in its
// resource must not come back.
const purge = -1

func (x *Index) prepareFixed(ctx context.Context) (err error) {
	for _, s := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&x.fixed.event, "INSERT OR IGNORE INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"},
		// A replay makes an event that differs what it is in the log.
		{&x.fixed.repair, `INSERT INTO events AS e VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (seq) DO UPDATE
			SET type = excluded.type, id = excluded.id, wrote = excluded.wrote, at = excluded.at, damaged = excluded.damaged, header = excluded.header, keyed = excluded.keyed
			WHERE (e.type, e.id, e.wrote, e.at, e.header) IS NOT (excluded.type, excluded.id, excluded.wrote, excluded.at, excluded.header)
			OR e.damaged IS NOT excluded.damaged OR e.keyed IS NOT excluded.keyed`},
		{&x.fixed.erased, "SELECT count(*) FROM (SELECT 1 FROM events WHERE type = ?1 AND id = ?2 AND seq > ?3 AND wrote = -1 LIMIT 1)"},
		{&x.fixed.erase, "DELETE FROM events WHERE type = ?1 AND id = ?2 AND seq < ?3"},
		{&x.fixed.dropped, "DELETE FROM events WHERE seq = ?1 AND wrote = -1 RETURNING type, id"},
		{&x.fixed.hold, "INSERT OR IGNORE INTO holders VALUES (?1, ?2, ?3)"},
		{&x.fixed.release, "DELETE FROM holders WHERE type = ?1 AND id = ?2"},
		{&x.fixed.position, "UPDATE position SET applied = max(applied, ?1)"},
	} {
		if *s.to, err = x.conn.PrepareContext(ctx, s.text); err != nil {
			return err
		}
	}
	return nil
}

func (f *fixedStatements) close() {
	for _, s := range []*sql.Stmt{f.event, f.repair, f.erased, f.erase, f.dropped, f.position, f.hold, f.release} {
		if s != nil {
			s.Close()
		}
	}
}

// Apply implements storage.Index.
func (x *Index) Apply(ctx context.Context, b storage.Batch) (err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("sqliteindex: apply through %d: %w", b.Through, x.classify(err))
		}
	}()
	if err := x.whole(); err != nil {
		return err
	}
	if x.stale {
		return fmt.Errorf("%w: there are tables that are not defined yet", storage.ErrNotReady)
	}
	applied := x.applied.Load()
	if len(b.Changes) == 0 && len(b.Replay) == 0 && len(b.Dropped) == 0 && len(b.Pruned) == 0 && b.Through <= applied {
		rinse(ctx, x)
		return errors.Join(ctx.Err(), x.look(ctx))
	}
	erased := len(b.Pruned) > 0
	newest := newestOf(b.Changes)
	var next map[string]*tables
	var shifts []*shift
	if len(b.Replay) == 0 { // else no table that answers is changed
		if shifts, err = x.totals.shifts(newest); err != nil {
			return err
		}
	}
	err = x.inTransaction(ctx, func(ctx context.Context) error {
		if err := countAll(ctx, shifts, -1); err != nil {
			return err
		}
		for i := range b.Changes {
			c := &b.Changes[i]
			last := newest[resource{c.Event.Meta.Type, c.Event.Meta.ID}] == i
			if err := x.applyOne(ctx, &b, c, applied, last); err != nil {
				return fmt.Errorf("event %d: %w", c.Event.Seq, err)
			}
			erased = erased || c.Event.Action == storage.Purged
		}
		err := prune(ctx, x, b)
		if err == nil {
			err = drop(ctx, x, b.Dropped)
		}
		if err == nil {
			err = countAll(ctx, shifts, 1)
		}
		switch {
		case err != nil:
		case len(b.Replay) > 0:
			err = dropUnlogged(ctx, x, b)
		default:
			_, err = x.fixed.position.ExecContext(ctx, int64(b.Through))
		}
		if err == nil {
			next, err = x.filled(ctx, b, applied)
		}
		return err
	})
	if err != nil {
		x.totals.clear() // it may have been written all the same
		return err
	}
	x.totals.move(shifts)
	if next != nil {
		if err := x.switchOver(ctx, next); err != nil {
			return fmt.Errorf("switch over: %w", err)
		}
	}
	if len(b.Replay) == 0 {
		x.applied.Store(max(applied, b.Through))
	}
	if erased && x.path != "" {
		x.stained = true
		rinse(ctx, x)
	}
	return nil
}

// newestOf is the newest change of each resource.
func newestOf(changes []storage.IndexChange) map[resource]int {
	newest := make(map[resource]int, len(changes))
	for i := range changes {
		e := changes[i].Event
		key := resource{e.Meta.Type, e.Meta.ID}
		if j, ok := newest[key]; !ok || e.Seq >= changes[j].Event.Seq {
			newest[key] = i
		}
	}
	return newest
}

// rinse empties the write-ahead log, in which what was erased still is. A reader may
// keep part of it alive: then it is tried again when there is nothing else to do.
func rinse(ctx context.Context, x *Index) {
	if !x.stained {
		return
	}
	var busy, pages, done int
	_, _ = x.conn.ExecContext(ctx, "PRAGMA busy_timeout = 50") // writes wait meanwhile
	err := x.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &done)
	_, _ = x.conn.ExecContext(ctx, "PRAGMA busy_timeout = 10000")
	x.stained = err != nil || busy != 0
}

// drop takes tombstones away, and the rows that hold nothing else.
func drop(ctx context.Context, x *Index, seqs []uint64) error {
	for _, seq := range seqs {
		var r resource
		err := x.fixed.dropped.QueryRowContext(ctx, int64(seq)).Scan(&r.typ, &r.id)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		for _, w := range x.writing[r.typ] {
			if _, err := w.drop.ExecContext(ctx, r.id, int64(seq)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropUnlogged takes events away that are not in the log, of the part that the
// replay is about.
func dropUnlogged(ctx context.Context, x *Index, b storage.Batch) error {
	seqs := make([]uint64, len(b.Changes))
	for i, c := range b.Changes {
		seqs[i] = c.Event.Seq
	}
	logged, err := json.Marshal(seqs)
	if err != nil {
		return err
	}
	for typ, of := range *x.tables.Load() {
		if of.building == nil || of.building.follows || !slices.Contains(b.Replay, typ) {
			continue
		}
		_, err := x.conn.ExecContext(ctx, `DELETE FROM events WHERE type = ?1 AND seq > (SELECT iif(replayed = 0, -1e18, replayed) FROM definitions WHERE name = ?2)
			AND seq <= min(?3, ?4) AND seq NOT IN (SELECT value FROM json_each(?5))
			AND NOT EXISTS (SELECT 1 FROM pruned AS p WHERE p.type = events.type AND p.id = events.id AND p.seq > events.seq)`, typ, of.building.name, int64(b.Through), int64(of.building.fill), string(logged))
		if err != nil {
			return err
		}
	}
	return nil
}

type resource struct{ typ, id string }

// applyOne writes one event and, for the newest of its resource in the batch,
// the row.
func (x *Index) applyOne(ctx context.Context, b *storage.Batch, c *storage.IndexChange, applied uint64, newest bool) error {
	e, replay := c.Event, b.Replay
	seq, wrote := int64(e.Seq), int64(e.Changed())
	if e.Seq <= applied { // seen before, unless its table is new
		var n int
		if err := x.fixed.erased.QueryRowContext(ctx, e.Meta.Type, e.Meta.ID, seq).Scan(&n); err != nil || n > 0 {
			return err
		}
	}
	if e.Action == storage.Purged {
		wrote = purge
		if _, err := x.fixed.erase.ExecContext(ctx, e.Meta.Type, e.Meta.ID, seq); err != nil {
			return err
		}
		if _, err := x.fixed.release.ExecContext(ctx, e.Meta.Type, e.Meta.ID); err != nil {
			return err
		}
		if _, err := x.conn.ExecContext(ctx, "DELETE FROM pruned WHERE type = ?1 AND id = ?2 AND seq < ?3", e.Meta.Type, e.Meta.ID, seq); err != nil {
			return err
		}
	}
	for _, digest := range e.Binaries {
		if _, err := x.fixed.hold.ExecContext(ctx, digest, e.Meta.Type, e.Meta.ID); err != nil {
			return err
		}
	}
	header := e.Header
	if len(header) == 0 {
		header = []byte("{}")
	}
	write := x.fixed.event
	if len(replay) > 0 {
		write = x.fixed.repair
	}
	_, err := write.ExecContext(ctx, seq, e.Meta.Type, e.Meta.ID, wrote, query.Micros(e.At), orNull(c.Damaged), header, orNull(keyOf(e)))
	if err != nil || !newest || e.Meta.ID == "" {
		return err
	}
	of := (*x.tables.Load())[e.Meta.Type]
	for _, w := range x.writing[e.Meta.Type] {
		if len(replay) > 0 && (w.t == of.serving || !slices.Contains(replay, e.Meta.Type)) {
			continue
		}
		if err := w.apply(ctx, b, c); err != nil {
			return err
		}
	}
	return nil
}

// keyOf is how an event is found by its idempotency key.
func keyOf(e *storage.Event) string {
	if e.Idempotency == nil {
		return ""
	}
	return keyed(e.Principal, e.Idempotency.Key)
}

func keyed(principal, key string) string { return principal + "\n" + key }

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// stateOf is the deleted column of the first row of a change.
func stateOf(e *storage.Event) int {
	switch {
	case e.Action == storage.Purged:
		return purged
	case e.Meta.Deleted:
		return deleted
	case e.ShowsItself():
		return live
	}
	return ahead
}

// rowArgs are the values of table.columns.
func (t *writable) rowArgs(c *storage.IndexChange, state int) ([]any, error) {
	e := c.Event
	if len(c.Values) != len(t.current.Fields) && c.Damaged == "" && e.Action != storage.Purged {
		return nil, fmt.Errorf("%d values for %d fields", len(c.Values), len(t.current.Fields))
	}
	m := e.PublishedMeta()
	meta, revision := m.AppendJSON(make([]byte, 0, 700)), e.Revision.AppendJSON(make([]byte, 0, 500))
	second := 0
	if state == apart {
		second = 1
	}
	args := make([]any, 0, len(t.columns))
	args = append(args, m.ID, second, e.ID, int64(e.Seq), int64(state), query.Micros(m.CreatedAt), m.CreatedBy,
		query.Micros(m.UpdatedAt), m.UpdatedBy, string(m.Status), int64(m.RevisionCount), m.SchemaVersion)
	if t.def.Marks {
		args = append(args, dialect{}.Arg(c.Unfit && state != purged))
	}
	if t.def.Job {
		args = append(args, jobArgs(m.Job)...)
	}
	args = append(args, scheduleArgs(m.Scheduled)...)
	for i, f := range t.def.Fields {
		var v query.Value
		if at := t.fields[i]; at >= 0 && at < len(c.Values) && state != purged {
			v = c.Values[at]
		}
		a, err := columnValue(f, v)
		if err != nil {
			return nil, err
		}
		args = append(args, a)
	}
	var content any
	if c.Content != nil && state != purged {
		content = c.Content
	}
	return append(args, e.Ref, string(meta), string(revision), content), nil
}

func jobArgs(j *storage.Job) []any {
	if j == nil {
		return make([]any, len(jobColumns))
	}
	return []any{string(j.State), int64(j.Attempts), j.Queue, query.Micros(j.RunAt), int64(j.Priority)}
}

func scheduleArgs(s *storage.Scheduled) []any {
	if s == nil {
		return make([]any, len(scheduleColumns))
	}
	return []any{query.Micros(s.At), string(s.Action), s.By}
}

// columnValue is the value in the field's column: the value, or a list's length.
func columnValue(f query.Field, v query.Value) (any, error) {
	if v == nil {
		return nil, nil
	}
	if f.List {
		l, ok := v.([]query.Value)
		if !ok {
			return nil, fmt.Errorf("field %s: a list is needed, not %T", f.Name, v)
		}
		return int64(len(l)), nil
	}
	return scalar(f, v)
}

// scalar checks that a value is of the field's kind: SQLite would store any.
func scalar(f query.Field, v query.Value) (any, error) {
	switch x := v.(type) {
	case string:
		if f.Kind == query.Text {
			return x, nil
		}
	case int64:
		if f.Kind == query.Integer {
			return x, nil
		}
		if f.Kind == query.Number {
			return float64(x), nil
		}
	case float64:
		if f.Kind == query.Number {
			return x, nil
		}
	case bool:
		if f.Kind == query.Boolean {
			return dialect{}.Arg(x), nil
		}
	case time.Time:
		if f.Kind == query.Time {
			return query.Micros(x), nil
		}
	}
	return nil, fmt.Errorf("field %s of kind %s cannot hold %T", f.Name, f.Kind, v)
}

// updates is the SET list of an upsert.
func (t *table) updates() string {
	var set []string
	for _, c := range t.columns {
		if c != "id" && c != "second" {
			set = append(set, c+" = excluded."+c)
		}
	}
	return strings.Join(set, ", ")
}

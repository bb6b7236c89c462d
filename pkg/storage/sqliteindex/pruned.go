package sqliteindex

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// Pruned implements storage.Index.
func (x *Index) Pruned(ctx context.Context, typ, id string) (p *storage.Pruned, err error) {
	defer func() {
		if err != nil {
			p, err = nil, fmt.Errorf("sqliteindex: what was pruned of %s/%s: %w", typ, id, x.classify(err))
		}
	}()
	defer x.reading()()
	stmt, done, err := x.prepared.get(ctx, "SELECT seq, through, kept FROM pruned WHERE type = ?1 AND id = ?2")
	if err != nil {
		return nil, err
	}
	defer done()
	p = &storage.Pruned{Type: typ, ID: id}
	var kept []byte
	err = stmt.QueryRowContext(ctx, typ, id).Scan(&p.Seq, &p.Through, &kept)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, x.filling()
	}
	if err != nil {
		return nil, err
	}
	return p, json.Unmarshal(kept, &p.Except)
}

// prune notes what is not kept any more, and what of the history is not in the log.
func prune(ctx context.Context, x *Index, b storage.Batch) error {
	for _, e := range b.History {
		var purgedSince int
		if err := x.fixed.erased.QueryRowContext(ctx, e.Meta.Type, e.Meta.ID, int64(e.Seq)).Scan(&purgedSince); err != nil {
			return err
		}
		if purgedSince > 0 {
			continue
		}
		if _, err := x.fixed.event.ExecContext(ctx, int64(e.Seq), e.Meta.Type, e.Meta.ID, int64(e.Changed()), query.Micros(e.At), nil, e.Header, orNull(keyOf(e))); err != nil {
			return err
		}
	}
	for _, p := range b.Pruned {
		if err := pruneOne(ctx, x, p); err != nil {
			return fmt.Errorf("what was pruned of %s/%s: %w", p.Type, p.ID, err)
		}
	}
	return nil
}

func pruneOne(ctx context.Context, x *Index, p *storage.Pruned) error {
	var purgedSince int
	if err := x.fixed.erased.QueryRowContext(ctx, p.Type, p.ID, int64(p.Seq)).Scan(&purgedSince); err != nil || purgedSince > 0 {
		return err
	}
	kept, err := json.Marshal(append([]int{}, p.Except...))
	if err != nil {
		return err
	}
	_, err = x.conn.ExecContext(ctx, `INSERT INTO pruned VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (type, id) DO UPDATE
		SET seq = excluded.seq, through = excluded.through, kept = excluded.kept WHERE excluded.seq > pruned.seq`, p.Type, p.ID, int64(p.Seq), p.Through, string(kept))
	if err != nil {
		return err
	}
	var held int
	if err := x.conn.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM holders WHERE type = ?1 AND id = ?2 LIMIT 1)", p.Type, p.ID).Scan(&held); err != nil || held == 0 {
		return err
	}
	return rehold(ctx, x, p)
}

// rehold makes the binaries that a resource holds those of the revisions that are kept.
func rehold(ctx context.Context, x *Index, p *storage.Pruned) error {
	rows, err := x.conn.QueryContext(ctx, `SELECT seq, header FROM events WHERE type = ?1 AND id = ?2 AND instr(header, '"binaries"') > 0`, p.Type, p.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	var held []string
	for rows.Next() {
		var seq uint64
		var header []byte
		if err := rows.Scan(&seq, &header); err != nil {
			return err
		}
		e, err := sqltables.Event(header, seq)
		if err != nil {
			return err
		}
		if !p.Covers(e) {
			held = append(held, e.Binaries...)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if _, err := x.fixed.release.ExecContext(ctx, p.Type, p.ID); err != nil {
		return err
	}
	for _, digest := range held {
		if _, err := x.fixed.hold.ExecContext(ctx, digest, p.Type, p.ID); err != nil {
			return err
		}
	}
	return nil
}

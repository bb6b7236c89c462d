package pgindex

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// Pruned implements storage.Index.
func (x *Index) Pruned(ctx context.Context, typ, id string) (p *storage.Pruned, err error) {
	defer func() {
		if err != nil {
			p, err = nil, fmt.Errorf("pgindex: what was pruned of %s/%s: %w", typ, id, classify(ctx, err))
		}
	}()
	limited, cancel := x.limited(ctx)
	defer cancel()
	var filling bool
	var seq *uint64
	var through *int
	var kept []int
	text := "SELECT seq, through, kept FROM pruned WHERE type = $1 AND id = $2"
	if err := x.pool.QueryRow(limited, whole("seq, through, kept", text), typ, id).Scan(&filling, &seq, &through, &kept); err != nil {
		return nil, err
	}
	switch {
	case filling:
		return nil, storage.ErrNotReady
	case seq == nil:
		return nil, nil
	}
	return &storage.Pruned{Type: typ, ID: id, Seq: *seq, Through: *through, Except: kept}, nil
}

// prune notes what is not kept any more, and what of the history is not in the log.
func prune(ctx context.Context, tx pgx.Tx, b storage.Batch) error {
	history := make([]*storage.IndexChange, 0, len(b.History))
	for _, e := range b.History {
		ok, err := purgedSince(ctx, tx, e.Meta.Type, e.Meta.ID, e.Seq)
		if err != nil {
			return err
		}
		if !ok {
			history = append(history, &storage.IndexChange{Event: e})
		}
	}
	if len(history) > 0 {
		if _, err := tx.Exec(ctx, insertEvents+"DO NOTHING", eventArgs(history)...); err != nil {
			return err
		}
	}
	for _, p := range b.Pruned {
		if err := pruneOne(ctx, tx, p); err != nil {
			return fmt.Errorf("what was pruned of %s/%s: %w", p.Type, p.ID, err)
		}
	}
	return nil
}

// purgedSince reports whether a resource was purged after a place in the log.
func purgedSince(ctx context.Context, tx pgx.Tx, typ, id string, seq uint64) (purged bool, err error) {
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM events WHERE type = $1 AND id = $2 AND seq > $3 AND wrote = $4)", typ, id, int64(seq), purge).Scan(&purged)
	return purged, err
}

func pruneOne(ctx context.Context, tx pgx.Tx, p *storage.Pruned) error {
	if gone, err := purgedSince(ctx, tx, p.Type, p.ID, p.Seq); err != nil || gone {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO pruned AS p VALUES ($1, $2, $3, $4, $5) ON CONFLICT (type, id) DO UPDATE
		SET seq = excluded.seq, through = excluded.through, kept = excluded.kept WHERE excluded.seq > p.seq`, p.Type, p.ID, int64(p.Seq), p.Through, append([]int{}, p.Except...))
	if err != nil {
		return err
	}
	return rehold(ctx, tx, p)
}

// rehold makes the binaries that a resource holds those of the revisions that are kept.
func rehold(ctx context.Context, tx pgx.Tx, p *storage.Pruned) error {
	var one int
	err := tx.QueryRow(ctx, "SELECT 1 FROM holders WHERE type = $1 AND id = $2 LIMIT 1", p.Type, p.ID).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT seq, header FROM events WHERE type = $1 AND id = $2 AND position('"binaries"'::bytea IN header) > 0`, p.Type, p.ID)
	if err != nil {
		return err
	}
	held := map[string]bool{}
	var seq uint64
	var header []byte
	if _, err := pgx.ForEachRow(rows, []any{&seq, &header}, func() error {
		e, err := sqltables.Event(header, seq)
		if err != nil {
			return err
		}
		if !p.Covers(e) {
			for _, d := range e.Binaries {
				held[d] = true
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM holders WHERE type = $1 AND id = $2", p.Type, p.ID); err != nil {
		return err
	}
	for digest := range held {
		if _, err := tx.Exec(ctx, "INSERT INTO holders VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", digest, p.Type, p.ID); err != nil {
			return err
		}
	}
	return nil
}

package pgindex

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// part makes the second rows of resources what their changes say, before the first
// rows are written.
func (r *rows) part(ctx context.Context, tx pgx.Tx, b *storage.Batch) error {
	if len(r.changes) == 0 {
		return nil
	}
	if p := r.to.parted; !p.asked {
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+r.to.view.Name+" WHERE second = 1)").Scan(&p.yes); err != nil {
			return err
		}
		p.asked = true
	}
	if !r.to.parted.yes && !slices.ContainsFunc(r.changes, sqltables.Parts) {
		return nil
	}
	r.to.parted.yes = true
	held, err := r.held(ctx, tx)
	if err != nil {
		return err
	}
	var drop, keep []string
	var write []*storage.IndexChange
	for _, c := range r.changes {
		id := c.Event.Meta.ID
		p := sqltables.Part(c, held[id][0], held[id][1])
		if p.Drop {
			drop = append(drop, id)
		}
		if p.Keep {
			keep = append(keep, id)
		}
		if !p.Write {
			continue
		}
		shown, err := b.ShownBy(ctx, c)
		if err != nil {
			return fmt.Errorf("what is published of %s: %w", id, err)
		}
		if shown != nil {
			write = append(write, shown)
		}
	}
	return r.rearrange(ctx, tx, drop, keep, write)
}

// held are the first and the second rows of the resources.
func (r *rows) held(ctx context.Context, tx pgx.Tx) (map[string][2]sqltables.Held, error) {
	ids := make([]string, len(r.changes))
	for i, c := range r.changes {
		ids[i] = c.Event.Meta.ID
	}
	found, err := tx.Query(ctx, "SELECT id, second, seq, event_id FROM "+r.to.view.Name+" WHERE id = ANY($1)", ids)
	if err != nil {
		return nil, err
	}
	held := map[string][2]sqltables.Held{}
	var id string
	var second int
	var h sqltables.Held
	_, err = pgx.ForEachRow(found, []any{&id, &second, &h.Seq, &h.Event}, func() error {
		both := held[id]
		both[second] = h
		held[id] = both
		return nil
	})
	return held, err
}

func (r *rows) rearrange(ctx context.Context, tx pgx.Tx, drop, keep []string, write []*storage.IndexChange) error {
	name := r.to.view.Name
	if len(drop) > 0 {
		if _, err := tx.Exec(ctx, "DELETE FROM "+name+" WHERE second = 1 AND id = ANY($1)", drop); err != nil {
			return err
		}
	}
	if len(keep) > 0 {
		if _, err := tx.Exec(ctx, fmt.Sprintf("UPDATE %s SET second = 1, state = %d WHERE second = 0 AND id = ANY($1)", name, apart), keep); err != nil {
			return err
		}
	}
	if len(write) == 0 {
		return nil
	}
	args, err := r.to.args(write, true)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, r.to.upsert, args...)
	return err
}

package sqliteindex

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqltables"
)

// writer holds the prepared statements that write one type's table.
type writer struct {
	t      *writable
	upsert *sql.Stmt
	find   *sql.Stmt // only where elements or words hang on the row
	lists  []listWriter
	unword *sql.Stmt
	words  *sql.Stmt
	drop   *sql.Stmt // of a tombstone, on which nothing hangs

	parted           bool // a resource has a second row, or had one
	both, part, lose *sql.Stmt
}

type listWriter struct {
	at            int
	remove, entry *sql.Stmt
}

func (x *Index) prepareWriters(ctx context.Context, all map[string]*tables) error {
	x.closeWriters()
	for typ, of := range all {
		for _, t := range []*writable{of.serving, of.building} {
			if t == nil {
				continue
			}
			w, err := x.prepareWriter(ctx, t)
			if err != nil {
				return fmt.Errorf("prepare %s: %w", typ, err)
			}
			x.writing[typ] = append(x.writing[typ], w)
		}
	}
	return nil
}

func (x *Index) closeWriters() {
	x.totals.clear()
	for _, of := range x.writing {
		for _, w := range of {
			w.close()
		}
	}
	x.writing = map[string][]*writer{}
}

func (x *Index) prepareWriter(ctx context.Context, t *writable) (w *writer, err error) {
	w = &writer{t: t}
	prepare := func(text string) *sql.Stmt {
		if err != nil {
			return nil
		}
		var s *sql.Stmt
		s, err = x.conn.PrepareContext(ctx, text)
		return s
	}
	if err := x.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+t.view.Name+" WHERE second = 1)").Scan(&w.parted); err != nil {
		return nil, err
	}
	w.both = prepare("SELECT rid, second, seq, event_id FROM " + t.view.Name + " WHERE id = ?1")
	w.part = prepare(fmt.Sprintf("UPDATE %s SET second = 1, deleted = %d WHERE rid = ?1", t.view.Name, apart))
	w.lose = prepare("DELETE FROM " + t.view.Name + " WHERE rid = ?1")
	w.upsert = prepare(fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (id, second) DO UPDATE SET %s WHERE excluded.seq > seq",
		t.view.Name, strings.Join(t.columns, ", "), placeholders(len(t.columns)), t.updates()))
	w.drop = prepare(fmt.Sprintf("DELETE FROM %s WHERE id = ?1 AND seq = ?2 AND deleted = %d", t.view.Name, purged))
	if len(t.lists) > 0 || t.fullText != "" {
		w.find = prepare("SELECT rid, seq FROM " + t.view.Name + " WHERE id = ?1 AND second = ?2")
	}
	for _, l := range t.lists {
		w.lists = append(w.lists, listWriter{
			at:     l.at,
			remove: prepare("DELETE FROM " + l.name + " WHERE rid = ?1"),
			entry:  prepare("INSERT OR IGNORE INTO " + l.name + " (v, rid) VALUES (?1, ?2)"),
		})
	}
	if t.fullText != "" {
		var cols []string
		for i := range t.def.FullText {
			cols = append(cols, fmt.Sprintf("w%d", i))
		}
		w.unword = prepare("DELETE FROM " + t.fullText + " WHERE rowid = ?1")
		w.words = prepare(fmt.Sprintf("INSERT INTO %s (rowid, %s) VALUES (%s)", t.fullText, strings.Join(cols, ", "), placeholders(len(cols)+1)))
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func (w *writer) close() {
	all := []*sql.Stmt{w.upsert, w.find, w.unword, w.words, w.drop, w.both, w.part, w.lose}
	for _, l := range w.lists {
		all = append(all, l.remove, l.entry)
	}
	for _, s := range all {
		if s != nil {
			s.Close()
		}
	}
}

// apply writes the rows of a resource unless they are newer already.
func (w *writer) apply(ctx context.Context, b *storage.Batch, c *storage.IndexChange) error {
	if w.parted || sqltables.Parts(c) {
		if stale, err := w.second(ctx, b, c); stale || err != nil {
			return err
		}
	}
	return w.write(ctx, c, stateOf(c.Event))
}

// write writes one row unless it is newer already.
func (w *writer) write(ctx context.Context, c *storage.IndexChange, state int) error {
	args, err := w.t.rowArgs(c, state)
	if err != nil {
		return err
	}
	var rid, seq int64
	if w.find != nil {
		err := w.find.QueryRowContext(ctx, c.Event.Meta.ID, args[1]).Scan(&rid, &seq)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if seq >= int64(c.Event.Seq) {
			return nil
		}
	}
	result, err := w.upsert.ExecContext(ctx, args...)
	if err != nil || w.find == nil {
		return err
	}
	existed := rid != 0
	if !existed {
		if rid, err = result.LastInsertId(); err != nil {
			return err
		}
	}
	if err := w.elements(ctx, c, rid, existed); err != nil {
		return err
	}
	return w.text(ctx, c, rid, existed)
}

// elements writes the lists' elements anew.
func (w *writer) elements(ctx context.Context, c *storage.IndexChange, rid int64, existed bool) error {
	for _, l := range w.lists {
		if existed {
			if _, err := l.remove.ExecContext(ctx, rid); err != nil {
				return err
			}
		}
		at := w.t.fields[l.at]
		if at < 0 || at >= len(c.Values) || c.Event.Action == storage.Purged {
			continue
		}
		elements, _ := c.Values[at].([]query.Value)
		for _, v := range elements {
			if v == nil {
				continue
			}
			a, err := scalar(w.t.def.Fields[l.at], v)
			if err != nil {
				return err
			}
			if _, err := l.entry.ExecContext(ctx, a, rid); err != nil {
				return err
			}
		}
	}
	return nil
}

// text writes the words anew.
func (w *writer) text(ctx context.Context, c *storage.IndexChange, rid int64, existed bool) error {
	if w.words == nil {
		return nil
	}
	if existed {
		if _, err := w.unword.ExecContext(ctx, rid); err != nil {
			return err
		}
	}
	if c.Event.Action == storage.Purged {
		return nil
	}
	args := []any{rid}
	for _, i := range w.t.texts {
		text := ""
		if i >= 0 && i < len(c.Text) {
			text = strings.Join(query.Words(c.Text[i]), " ")
		}
		args = append(args, text)
	}
	_, err := w.words.ExecContext(ctx, args...)
	return err
}

package sqliteindex

import (
	"context"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Plan is what SQLite says it will do for a page.
func (x *Index) Plan(ctx context.Context, q storage.Search) (text, plan string, err error) {
	t, err := x.table(ctx, q.Type)
	if err != nil {
		return "", "", err
	}
	s, err := t.search(q)
	if err != nil {
		return "", "", err
	}
	text, args, err := s.page(t)
	if err != nil {
		return "", "", err
	}
	rows, err := x.reader.QueryContext(ctx, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		return text, "", err
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var a, b, c int
		var step string
		if err := rows.Scan(&a, &b, &c, &step); err != nil {
			return text, "", err
		}
		steps = append(steps, step)
	}
	return text, strings.Join(steps, "\n"), rows.Err()
}

// SetFew changes what counts as few rows.
func SetFew(n int) { few = n }

// Statements is how many statements its readers have run.
func (x *Index) Statements() int64 {
	x.prepared.mu.Lock()
	defer x.prepared.mu.Unlock()
	return x.prepared.runs
}

// SetWorthKeeping changes how long counting takes at least for a number to be kept.
func SetWorthKeeping(d time.Duration) { worthKeeping = d }

// Kept is how many numbers of matches are kept as rows change.
func (x *Index) Kept() int {
	x.totals.mu.Lock()
	defer x.totals.mu.Unlock()
	return len(x.totals.kept)
}

// KeepAtAllCost makes what is kept stay, however long that takes.
func (x *Index) KeepAtAllCost() {
	x.totals.mu.Lock()
	defer x.totals.mu.Unlock()
	for _, t := range x.totals.kept {
		t.cost = time.Hour
	}
}

// CountAnew counts the matches, whatever is kept.
func (x *Index) CountAnew(ctx context.Context, q storage.Search) (n int64, err error) {
	err = x.answer(ctx, q.Type, func(t *writable) error {
		defer x.reading()()
		text, args, err := t.counting(q)
		if err == nil {
			n, err = x.count(ctx, text, args)
		}
		return err
	})
	return n, err
}

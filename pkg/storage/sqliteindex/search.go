package sqliteindex

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// wide are the columns of a storage.Row, content last.
var wide = []string{"id", "seq", "deleted", "event_id", "meta", "revision", "ref", "content"}

// relevance is the order of a full-text search without another one. The best
// score is the smallest.
var relevance = query.Order{{Field: query.Field{Name: "relevance", Kind: query.Number}}}

// newest is the order of a list without another one.
var newest = query.Order{{Field: query.Field{Name: "meta.created_at", Kind: query.Time}, Desc: true}}

// search is one Search on its way to SQL.
type search struct {
	storage.Search
	view   sqlrender.Table
	where  []string // but the filter
	r      *sqlrender.Renderer
	ways   []way // of finding the rows, besides walking along the order
	with   string
	unless string // when the walk is taken; empty: always
}

// Search implements storage.Index.
func (x *Index) Search(ctx context.Context, q storage.Search) (page storage.Page, err error) {
	q.Limit = max(q.Limit, 1)
	err = x.answer(ctx, q.Type, func(t *writable) error {
		defer x.reading()()
		s, err := t.search(q)
		if err != nil {
			return err
		}
		page = storage.Page{Total: -1, Applied: x.applied.Load()}
		text, args, err := s.page(t)
		if err != nil {
			return err
		}
		if err := x.readPage(ctx, s, text, args, &page); err != nil || !q.Total {
			return err
		}
		page.Total, err = x.total(ctx, t, q)
		return err
	})
	if err != nil {
		return storage.Page{}, fmt.Errorf("sqliteindex: search %s: %w", q.Type, err)
	}
	return page, nil
}

// search resolves the order and the conditions of q.
func (t *writable) search(q storage.Search) (*search, error) {
	s := &search{Search: q, view: t.view}
	phrases, err := query.ParseText(q.Text)
	if err != nil {
		return nil, err
	}
	if q.Text != "" && len(t.current.FullText) == 0 {
		return nil, &query.Error{Detail: "the type " + q.Type + " has no full-text fields"}
	}
	if q.Text != "" && !t.searchesText() {
		return nil, fmt.Errorf("%w of its full text", sqlrender.ErrNoColumn)
	}
	if len(s.Order) == 0 {
		s.Order = newest
		if len(phrases) > 0 {
			s.Order = relevance
			s.rank(t)
		}
	}
	s.r = sqlrender.New(dialect{table: t.view.Name}, s.view)
	switch {
	case len(phrases) > 0:
		s.match(t, phrases)
	case q.Text != "": // no words: nothing is found
		s.where = append(s.where, "1=0")
	}
	switch {
	case q.View == storage.PublishedView:
		s.where = append(s.where, fmt.Sprintf("deleted IN (%d, %d)", live, apart))
	case q.Deletion == storage.LiveAndDeleted:
		s.where = append(s.where, fmt.Sprintf("deleted < %d", purged))
	case q.Deletion == storage.OnlyDeleted:
		s.where = append(s.where, fmt.Sprintf("deleted = %d", deleted))
	default:
		s.where = append(s.where, fmt.Sprintf("deleted <= %d", live))
	}
	return s, nil
}

// rank makes the score a column of what is searched.
func (s *search) rank(t *writable) {
	s.view.Columns = maps.Clone(s.view.Columns)
	s.view.Columns["relevance"] = sqlrender.Column{SQL: "score"}
	s.view.From = fmt.Sprintf("(SELECT rowid AS fid, bm25(%s) AS score FROM %s WHERE %s MATCH ?1) JOIN %s ON rid = fid",
		t.fullText, t.fullText, t.fullText, t.view.Name)
}

// match adds the full-text condition as the first argument. The words hold letters and digits only,
// so they need no escape.
func (s *search) match(t *writable, phrases []query.Phrase) {
	parts := make([]string, len(phrases))
	for i, p := range phrases {
		parts[i] = `"` + strings.Join(p.Words, " ") + `"`
		if p.Prefix {
			parts[i] += " *"
		}
	}
	expr := s.r.Arg(strings.Join(parts, " AND "))
	if s.view.From == "" {
		s.where = append(s.where, fmt.Sprintf("rid IN (SELECT rowid FROM %s WHERE %s MATCH %s)", t.fullText, t.fullText, expr))
	}
}

// page writes the statement: one row more than asked tells whether there is
// another page.
func (s *search) page(t *writable) (string, []any, error) {
	cols := wide
	if s.Bare {
		cols = append(append([]string{}, wide[:len(wide)-1]...), "rid")
	}
	if s.Text == "" {
		s.choose(t)
	}
	p := sqlrender.Page{Where: s.conditions(s.r), Whole: s.isLong(), If: s.unless, Order: s.Order, After: s.After, Limit: s.Limit + 1, Wide: cols}
	for _, w := range s.ways {
		p.Others = append(p.Others, sqlrender.Finding{With: w.r, Where: s.conditions(w.r), If: w.onlyIf})
	}
	text := s.with + s.r.Page(p)
	args, err := s.r.Args()
	return text, args, err
}

// conditions are all that must hold, written with r.
func (s *search) conditions(r *sqlrender.Renderer) []string {
	if s.Filter == nil {
		return s.where
	}
	return append(slices.Clone(s.where), r.Where(s.Filter))
}

func (x *Index) readPage(ctx context.Context, s *search, text string, args []any, page *storage.Page) error {
	stmt, done, err := x.prepared.get(ctx, text)
	if err != nil {
		return err
	}
	defer done()
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	keys := make([]any, len(s.Order))
	last := make([]any, len(s.Order))
	var size int64
	for rows.Next() {
		var row storage.Row
		var state int
		var content any = &row.Content
		if s.Bare {
			content = new(int64)
		}
		var dest []any
		for i := range keys {
			dest = append(dest, &keys[i])
		}
		dest = append(dest, &row.ID, &row.Seq, &state, &row.EventID, (*[]byte)(&row.Meta), (*[]byte)(&row.Revision), &row.Ref, content)
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		row.Deleted = state == deleted
		more := row.Bytes(s.Bare)
		if s.Full(page, size, more) {
			page.Next = &query.Cursor{Values: cursorValues(s.Order, last), ID: page.Rows[len(page.Rows)-1].ID}
			break
		}
		size += more
		page.Rows = append(page.Rows, row)
		copy(last, keys)
	}
	return rows.Err()
}

// cursorValues gives the columns' values their kinds again.
func cursorValues(order query.Order, from []any) []query.Value {
	out := make([]query.Value, len(from))
	for i, v := range from {
		switch n, _ := v.(int64); order[i].Field.Kind {
		case query.Time:
			if v != nil {
				out[i] = time.UnixMicro(n).UTC()
			}
		case query.Boolean:
			if v != nil {
				out[i] = n != 0
			}
		default:
			out[i] = v
		}
	}
	return out
}

// counting writes the statement that counts the matches.
func (t *writable) counting(q storage.Search) (string, []any, error) {
	q.After, q.Order = nil, newest
	s, err := t.search(q)
	if err != nil {
		return "", nil, err
	}
	text := s.r.Count(s.conditions(s.r))
	args, err := s.r.Args()
	return text, args, err
}

// count runs a statement of counting.
func (x *Index) count(ctx context.Context, text string, args []any) (n int64, err error) {
	stmt, done, err := x.prepared.get(ctx, text)
	if err != nil {
		return 0, err
	}
	defer done()
	err = stmt.QueryRowContext(ctx, args...).Scan(&n)
	return n, err
}

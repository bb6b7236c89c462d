package pgindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/internal/sqlrender"
)

// wide are the columns of a storage.Row, content last.
var wide = []string{"id", "seq", "state", "event_id", "meta", "revision", "ref", "content"}

// relevance is the order of a full-text search without another one.
var relevance = query.Order{{Field: query.Field{Name: "relevance", Kind: query.Number}, Desc: true}}

// newest is the order of a list without another one.
var newest = query.Order{{Field: query.Field{Name: "meta.created_at", Kind: query.Time}, Desc: true}}

// position is read by the same statement as the rows, so that both are of one
// moment.
const position = "(SELECT applied FROM position)"

// search is one Search on its way to SQL.
type search struct {
	storage.Search
	where []string
	query string // placeholder of the tsquery
	owned bool   // there is an index for the lists of a creator
	r     *sqlrender.Renderer
}

// Search implements storage.Index.
func (x *Index) Search(ctx context.Context, q storage.Search) (page storage.Page, err error) {
	q.Limit = max(q.Limit, 1)
	err = x.reading(ctx, q.Type, func(ctx context.Context, t *writable) error {
		s, err := t.search(q)
		if err != nil {
			return err
		}
		page = storage.Page{Total: -1, Applied: x.applied.Load()}
		text, args, err := s.page()
		if err != nil {
			return err
		}
		if err := x.readPage(ctx, s, text, args, &page); err != nil || !q.Total {
			return err
		}
		page.Total, err = x.count(ctx, t, q)
		return err
	})
	if err != nil {
		return storage.Page{}, fmt.Errorf("pgindex: search %s: %w", q.Type, err)
	}
	return page, nil
}

// reading runs fn with the table that answers. When another process has
// changed the tables meanwhile, it runs once more with the right one.
func (x *Index) reading(ctx context.Context, typ string, fn func(context.Context, *writable) error) error {
	limited, cancel := x.limited(ctx)
	defer cancel()
	t, err := x.table(limited, typ)
	if err != nil {
		return err
	}
	err = fn(limited, t)
	if isMissing(err) && x.reload(limited) == nil {
		now, tableErr := x.table(limited, typ)
		if tableErr != nil {
			return tableErr
		}
		if now.name != t.name {
			err = fn(limited, now)
		}
	}
	if errors.Is(err, sqlrender.ErrNoColumn) {
		return x.building(limited, typ)
	}
	var refused *query.Error
	if errors.As(err, &refused) {
		return err
	}
	return classify(ctx, err)
}

// search resolves the order and the conditions of q.
func (t *writable) search(q storage.Search) (*search, error) {
	s := &search{Search: q, owned: t.def.Owned}
	phrases, err := query.ParseText(q.Text)
	if err != nil {
		return nil, err
	}
	if q.Text != "" && !t.fullText {
		if t.noText() {
			return nil, &query.Error{Detail: "the type " + q.Type + " has no full-text fields"}
		}
		return nil, fmt.Errorf("%w of full text", sqlrender.ErrNoColumn)
	}
	view := t.view
	if len(s.Order) == 0 {
		s.Order = newest
		if len(phrases) > 0 {
			s.Order = relevance
			view.Columns = maps.Clone(view.Columns)
			view.Columns["relevance"] = sqlrender.Column{SQL: "ts_rank(words, $1::text::tsquery)::float8"}
		}
	}
	s.r = sqlrender.New(dialect{}, view)
	switch {
	case len(phrases) > 0:
		s.query = s.r.Arg(tsquery(phrases))
		s.match(t, phrases)
	case q.Text != "": // no words: nothing is found
		s.where = append(s.where, "1=0")
	}
	if q.View == storage.PublishedView {
		s.where = append(s.where, fmt.Sprintf("state IN (%d, %d)", live, apart))
	} else {
		s.where = append(s.where, states[q.Deletion])
	}
	if q.Filter != nil {
		s.where = append(s.where, s.r.Where(q.Filter))
	}
	return s, nil
}

var states = map[storage.Deletion]string{
	storage.Live:           fmt.Sprintf("state <= %d", live),
	storage.LiveAndDeleted: fmt.Sprintf("state < %d", purged),
	storage.OnlyDeleted:    fmt.Sprintf("state = %d", deleted),
}

// page writes the statement: one row more than asked tells whether there is
// another page.
func (s *search) page() (string, []any, error) {
	cols := wide
	if s.Bare {
		cols = cols[:len(wide)-1]
	}
	text := s.r.Page(sqlrender.Page{Where: s.where, Order: s.Order, After: s.After, Limit: s.Limit + 1, Wide: cols, Extra: []string{position}})
	args, err := s.r.Args()
	if (s.Filter != nil || s.Text != "") && !s.settled() {
		args = append([]any{planned}, args...)
	}
	return text, args, err
}

// settled reports whether one plan is right for all values: there is an index that has
// the field that is compared and then the order, as there is for lists of one's
// own. To plan takes longer than to run then.
func (s *search) settled() bool {
	c, ok := s.Filter.(query.Compare)
	if !ok || s.Text != "" || c.Op != query.Equal || c.Via != query.Plain || c.Field.List {
		return false
	}
	own := s.owned && c.Field.Name == "meta.created_by" && len(s.Order) == 1 && s.Order[0] == newest[0]
	return own || s.Order[0].Field.Name == c.Field.Name
}

func (x *Index) readPage(ctx context.Context, s *search, text string, args []any, page *storage.Page) error {
	rows, err := x.pool.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	keys := make([]any, len(s.Order))
	last := make([]any, len(s.Order))
	var row storage.Row
	var state int
	var size int64
	var dest []any
	for i := range keys {
		dest = append(dest, &keys[i])
	}
	dest = append(dest, &row.ID, &row.Seq, &state, &row.EventID, (*[]byte)(&row.Meta), (*[]byte)(&row.Revision), &row.Ref)
	if !s.Bare {
		dest = append(dest, &row.Content)
	}
	dest = append(dest, &page.Applied)
	_, err = pgx.ForEachRow(rows, dest, func() error {
		if page.Next != nil { // what follows is not kept
			return nil
		}
		more := row.Bytes(s.Bare)
		if s.Full(page, size, more) {
			page.Next = &query.Cursor{Values: cursorValues(s.Order, last), ID: page.Rows[len(page.Rows)-1].ID}
			return nil
		}
		size += more
		row.Deleted = state == deleted
		page.Rows = append(page.Rows, row)
		row = storage.Row{}
		copy(last, keys)
		return nil
	})
	x.saw(page.Applied)
	return err
}

// cursorValues gives the columns' values their kinds again.
func cursorValues(order query.Order, from []any) []query.Value {
	out := make([]query.Value, len(from))
	for i, v := range from {
		out[i] = v
		if n, ok := v.(int64); ok && order[i].Field.Kind == query.Time {
			out[i] = time.UnixMicro(n).UTC()
		}
	}
	return out
}

// count is a second statement; what is written between the two may show.
func (x *Index) count(ctx context.Context, t *writable, q storage.Search) (n int64, err error) {
	q.After, q.Order = nil, newest
	s, err := t.search(q)
	if err != nil {
		return 0, err
	}
	text := s.r.Count(s.where)
	args, err := s.r.Args()
	if err != nil {
		return 0, err
	}
	err = x.pool.QueryRow(ctx, text, append([]any{planned}, args...)...).Scan(&n)
	return n, err
}

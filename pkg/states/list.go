package states

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// ListOptions of a search. The zero value lists everything that is live, newest
// first.
type ListOptions struct {
	Filter      string
	OrderBy     string
	Text        string // full text
	Page        PageOptions
	Deletion    storage.Deletion // in the published view there are live resources only
	View        storage.View
	Total       bool
	Bare        bool // leave out the data
	Consistency Consistency
	MinSeq      uint64
}

// List is a page of resources. It may have fewer than were asked for although
// there are more, when they are large: NextPageToken alone tells the end.
type List struct {
	Items         []*Resource
	NextPageToken string
	Total         int64  // -1 unless asked for
	IndexSeq      uint64 // the index when it was read
}

// List searches a type.
func (rd *Reads) List(ctx context.Context, typ string, o ListOptions) (*List, error) {
	t, err := rd.States.Type(typ)
	if err != nil {
		return nil, err
	}
	s, binding, err := rd.Search(ctx, t, o)
	if err != nil {
		return nil, err
	}
	if x := rd.Guard.accessIn(ctx, t, s.View); x != nil && len(x.EverHidden("list")) > 0 {
		s.Bare, o.Bare = false, false // the hash is that of what is shown
	}
	strategy := rd.Guard.strategies.Of(t)
	if strategy.ShowsInLists || t.WritesOnly() || model.Marks(t) {
		s.Bare, o.Bare = false, false // what is shown is made of the data; the hash is that of what is shown
	}
	if err := rd.States.Freshen(ctx, o.Consistency, o.MinSeq); err != nil {
		return nil, err
	}
	begun := time.Now()
	page, err := WhenBuilt(ctx, o.Consistency, func() (storage.Page, error) { return rd.index.Search(ctx, s) })
	if err != nil {
		return nil, err
	}
	rd.walks.note(t, s, time.Since(begun))
	out := &List{Total: page.Total, IndexSeq: page.Applied, Items: make([]*Resource, len(page.Rows))}
	if page.Next != nil {
		out.NextPageToken = rd.cursors.Encode(*page.Next, binding)
	}
	if err := rd.fill(policy.AsProgram(ctx), t, s.View, page.Rows, out.Items, o.Bare); err != nil {
		return nil, err
	}
	out.Items = rd.Guard.readAgain(ctx, t, s.View, "list", page.Rows, out.Items)
	if err := rd.Guard.redactAll(ctx, t, s.View, "list", out.Items); err != nil {
		return nil, err
	}
	if strategy.ShowsInLists {
		for _, r := range out.Items {
			if err := strategy.Show(ctx, r, Showing{InList: true}); err != nil {
				return nil, err
			}
		}
	}
	return out, rd.Guard.TellRead(ctx, t, "list", idsOf(out.Items)...)
}

func idsOf(items []*Resource) []string {
	ids := make([]string, len(items))
	for i, r := range items {
		ids[i] = r.ID
	}
	return ids
}

// maxConstants is how many values a filter and the rules for its caller have
// together. Each becomes up to two arguments of a statement, of which SQLite takes
// 32,766.
const maxConstants = 2 * query.MaxConstants

// Searchable are the fields that the actor may ask about in a view.
func (rd *Reads) Searchable(ctx context.Context, t *model.Type, view storage.View, action string) query.Fields {
	if x := rd.Guard.accessIn(ctx, t, view); x != nil {
		return x.Fields(action)
	}
	return t.Definition().QueryFields()
}

// Search turns the options into a query of the index, checked against the type
// and limited to what the actor may list.
func (rd *Reads) Search(ctx context.Context, t *model.Type, o ListOptions) (storage.Search, string, error) {
	asked := o.View
	o.View = rd.Guard.ViewOn(ctx, t, "list", asked)
	if err := rd.Guard.mayIn(ctx, t, "list", o.View); err != nil {
		return storage.Search{}, "", err
	}
	if o.View == storage.PublishedView {
		if err := rd.Guard.pinned(ctx, t, "list", asked != o.View && o.Deletion != storage.Live); err != nil {
			return storage.Search{}, "", err
		}
		o.Deletion = storage.Live
	}
	fields := rd.Searchable(ctx, t, o.View, "list")
	s := storage.Search{Type: t.Name, View: o.View, Text: o.Text, Deletion: o.Deletion, Total: o.Total, Bare: o.Bare, Limit: o.Page.Limit(), MaxBytes: MaxPageBytes}
	var err error
	if strings.TrimSpace(o.Filter) != "" {
		if s.Filter, err = query.Parse(fields, o.Filter, query.Options{Now: rd.o.Now()}); err != nil {
			return s, "", fault.Errorf(fault.InvalidFilter, "filter: %v", err)
		}
	}
	phrases, err := query.ParseText(o.Text)
	if err != nil {
		return s, "", fault.Errorf(fault.InvalidFilter, "q: %v", err)
	}
	if o.Text != "" && len(t.Definition().FullText) == 0 {
		return s, "", fault.Errorf(fault.InvalidFilter, "q: the type %s has no full-text fields", t.Name)
	}
	if x := rd.Guard.accessIn(ctx, t, o.View); x != nil && o.Text != "" {
		for _, path := range t.Definition().FullText {
			if policy.Touches(path, x.EverHidden("list")) {
				return s, "", fault.Errorf(fault.InvalidFilter, "q: a full-text field of %s is hidden from you", t.Name)
			}
		}
	}
	if len(phrases) == 0 { // nothing is asked for
		s.Text, o.Text = "", ""
	}
	if s.Order, err = query.ParseOrder(fields, o.OrderBy); err != nil {
		return s, "", fault.Errorf(fault.InvalidFilter, "order_by: %v", err)
	}
	s.Filter = rd.Guard.narrowIn(ctx, t, o.View, "list", s.Filter)
	if n := query.Constants(s.Filter); n > maxConstants {
		return s, "", fault.Errorf(fault.InvalidFilter, "filter: with the rules for you it has %d values, more than %d", n, maxConstants)
	}
	if len(s.Order) == 0 && o.Text == "" {
		created, _ := fields.Lookup("meta.created_at")
		s.Order = query.Order{{Field: created, Desc: true}}
	}
	binding := strings.Join([]string{"list", t.Name, t.Definition().Hash, o.Filter, o.OrderBy, o.Text, string('0' + rune(o.Deletion) + 4*rune(o.View))}, "\x00")
	if o.Page.Token != "" {
		c, err := rd.cursors.Decode(o.Page.Token, binding, s.Order)
		if err != nil {
			return s, "", fault.Errorf(fault.InvalidPageToken, "%v", err)
		}
		s.After = &c
	}
	return s, binding, nil
}

// parallelReads bounds how many objects one list reads at a time.
const parallelReads = 8

// Fill makes the answers of rows. Content too large for its row is read from
// its object; a resource that changed meanwhile is answered as it is now. What no
// migration fits has a problem in the place of its data.
func (rd *Reads) Fill(ctx context.Context, typ string, rows []storage.Row, items []*Resource, bare bool) error {
	t, err := rd.States.Type(typ)
	if err != nil {
		return err
	}
	return rd.fill(ctx, t, storage.HeadView, rows, items, bare)
}

// fill is Fill of rows that a search of a view found.
func (rd *Reads) fill(ctx context.Context, t *model.Type, view storage.View, rows []storage.Row, items []*Resource, bare bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, row := range rows {
		items[i] = &Resource{Meta: row.Meta, Revision: row.Revision, Data: row.Content, ID: row.ID,
			EventID: row.EventID, Seq: row.Seq, Deleted: row.Deleted}
		if t.Job != nil {
			rd.o.Live.onto(t.Name, items[i])
		}
		if row.Content != nil || bare {
			err := migrateItem(t, items[i])
			if err == nil && items[i].Problem != nil && model.Marks(t) {
				items[i], err = rd.again(ctx, t, view, row)
			}
			if err != nil {
				return err
			}
			continue
		}
		g.Go(func() error {
			b, err := rd.blobs.Get(ctx, row.Ref)
			if err == nil {
				items[i].Data = b
				err = migrateItem(t, items[i])
			}
			if err == nil && (items[i].Problem == nil || !model.Marks(t)) {
				return nil
			}
			if err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrCorrupt) {
				return StoreError(err)
			}
			r, err := rd.again(ctx, t, view, row)
			if err == nil {
				items[i] = r
			}
			return err
		})
	}
	return g.Wait()
}

// again reads a resource that changed since its row was found.
func (rd *Reads) again(ctx context.Context, t *model.Type, view storage.View, row storage.Row) (*Resource, error) {
	if view == storage.PublishedView {
		return rd.getPublished(ctx, t, row.ID, GetOptions{})
	}
	return rd.rowResource(ctx, row, Key{t.Name, row.ID})
}

// migrateItem is migrateRow for one of many: what no migration fits has a problem
// in the place of its data.
func migrateItem(t *model.Type, r *Resource) error {
	err := migrateRow(t, r)
	if fault.CodeOf(err) != fault.InvalidState {
		return err
	}
	errors.As(err, &r.Problem)
	r.Data = nil
	return nil
}

// migrateRow migrates the data of an answer made from an index row.
func migrateRow(t *model.Type, r *Resource) error {
	if r.Data == nil {
		return nil
	}
	if err := judgeRow(t, r); err != nil {
		return err
	}
	if len(t.Migrations) > 0 {
		var meta struct {
			Version string `json:"schema_version"`
		}
		if err := json.Unmarshal(r.Meta, &meta); err != nil {
			return err
		}
		data, err := t.Current(r.Data, meta.Version)
		if err != nil {
			return err
		}
		r.Data = data
	}
	if r.Data = t.Conceal(r.Data); !t.WritesOnly() {
		return nil
	}
	var err error
	r.Revision, err = rehash(r.Revision, r.Data)
	return err
}

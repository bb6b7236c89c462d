package states

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// Redacted limits an answer to what the actor sees of it. Hash and size are those
// of what is shown: the hash of hidden values would let them be guessed.
func (gd *Guard) Redacted(ctx context.Context, t *model.Type, action string, r *Resource) (*Resource, error) {
	return gd.redactedIn(ctx, t, storage.HeadView, action, r)
}

// redactedIn is Redacted of what a view shows.
func (gd *Guard) redactedIn(ctx context.Context, t *model.Type, view storage.View, action string, r *Resource) (*Resource, error) {
	x := gd.accessIn(ctx, t, view)
	if x == nil || r == nil {
		return r, nil
	}
	v, err := viewOf(t, r)
	if err != nil {
		return nil, err
	}
	var data []byte
	if !x.On(action, v).Allowed {
		data = []byte("{}")
	} else if hide := x.Hidden(action, v); len(hide) > 0 {
		data = Redact(r.Data, hide)
	} else {
		return r, nil
	}
	out := *r
	out.Data = data
	if out.Meta, err = t.CoveredMeta(r.Meta, data); err != nil {
		return nil, err
	}
	out.Revision, err = rehash(r.Revision, data)
	return &out, err
}

// viewOf is a resource as rules are asked about it.
func viewOf(t *model.Type, r *Resource) (*View, error) {
	e := &storage.Event{Seq: r.Seq}
	if err := json.Unmarshal(r.Meta, &e.Meta); err != nil {
		return nil, err
	}
	v := NewView(t, e, r.Data)
	v.told = true
	return v, nil
}

func rehash(revision json.RawMessage, data []byte) (json.RawMessage, error) {
	if len(revision) == 0 {
		return revision, nil
	}
	var rev storage.Revision
	if err := json.Unmarshal(revision, &rev); err != nil {
		return nil, err
	}
	rev.Hash, rev.Size = model.HashOf(data), len(data)
	return json.Marshal(rev)
}

// Narrow limits a search to what an action is allowed on.
func (gd *Guard) Narrow(ctx context.Context, t *model.Type, action string, e query.Expr) query.Expr {
	return gd.narrowIn(ctx, t, storage.HeadView, action, e)
}

// narrowIn is Narrow of a search of a view.
func (gd *Guard) narrowIn(ctx context.Context, t *model.Type, view storage.View, action string, e query.Expr) query.Expr {
	if x := gd.accessIn(ctx, t, view); x != nil {
		if !x.May(action).Allowed {
			return query.Const{Value: false}
		}
		return policy.AllOf(e, x.Rows(action))
	}
	return e
}

// readAgain leaves out of a page what changed between the search and the reading
// of its content to something that the actor may not see.
func (gd *Guard) readAgain(ctx context.Context, t *model.Type, view storage.View, action string, rows []storage.Row, items []*Resource) []*Resource {
	x := gd.accessIn(ctx, t, view)
	if x == nil {
		return items
	}
	out := items[:0]
	for i, r := range items {
		if r.EventID != rows[i].EventID {
			if v, err := viewOf(t, r); err != nil || !x.On(action, v).Allowed {
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// redactAll limits the answers of a search, which found only what may be seen.
func (gd *Guard) redactAll(ctx context.Context, t *model.Type, view storage.View, action string, items []*Resource) (err error) {
	x := gd.accessIn(ctx, t, view)
	if x == nil || len(x.EverHidden(action)) == 0 {
		return nil
	}
	for i, r := range items {
		if items[i], err = gd.redactedIn(ctx, t, view, action, r); err != nil {
			return err
		}
	}
	return nil
}

// Watched tells a watch what its actor may see of the states of a view; nil: all of
// them, because no policy is in force.
func (gd *Guard) Watched(view storage.View) Visible {
	if gd.o.Access == nil {
		return nil
	}
	return func(ctx context.Context, e *storage.Event, content json.RawMessage) (json.RawMessage, bool) {
		return gd.watched(ctx, view, e, content)
	}
}

// watched tells a watch what its actor may see of a state, which is asked for
// every event anew.
func (gd *Guard) watched(ctx context.Context, view storage.View, e *storage.Event, content json.RawMessage) (json.RawMessage, bool) {
	t := gd.types.Named(e.Meta.Type)
	if t == nil {
		return nil, false
	}
	x := gd.accessIn(ctx, t, view)
	if x == nil {
		return content, true
	}
	if !x.May("watch").Allowed {
		return nil, false
	}
	if content == nil { // gone: only a caller that sees everything sees that
		return nil, x.Rows("watch") == nil
	}
	v := NewView(t, e, content)
	v.told = true
	if !x.On("watch", v).Allowed {
		return nil, false
	}
	if hide := x.Hidden("watch", v); len(hide) > 0 {
		return Redact(content, hide), true
	}
	return content, true
}

// Watchable reports whether the newest state of a resource may be watched as well:
// a state of the past is shown only to a caller that may see what became of it.
func (gd *Guard) Watchable(ctx context.Context, t *model.Type, s *View) (bool, error) {
	x := gd.AccessTo(ctx, t)
	if x == nil || x.Rows("watch") == nil {
		return true, nil
	}
	head, err := gd.States.Head(ctx, Key{t.Name, s.Event.Meta.ID}, false)
	if err != nil || head.Seq() <= s.Event.Seq {
		return err == nil, err
	}
	if !head.Exists() {
		return false, nil
	}
	v, err := gd.ViewOf(ctx, t, head.Event)
	return err == nil && x.On("watch", v).Allowed, err
}

// PolicyVersion moves when the rights of a caller can have changed.
func (gd *Guard) PolicyVersion() uint64 {
	if gd.o.Access == nil {
		return 0
	}
	return gd.o.Access.Version.Load()
}

// readableEvents lists for a limited actor the events of a resource that it may read, from
// after a sequence on, at most limit of them; at is how far it looked.
func (gd *Guard) readableEvents(ctx context.Context, x *policy.Permissions, id string, after uint64, limit int) (out []storage.Past, at uint64, err error) {
	for looked := 0; ; {
		events, err := gd.index.Events(ctx, storage.EventQuery{Type: x.Type.Name, ID: id, After: after, Limit: max(limit, DefaultPageSize)})
		if err != nil {
			return nil, 0, StoreError(err)
		}
		for _, p := range events {
			if ok, err := gd.readablePast(ctx, x, p.Event); err != nil {
				return nil, 0, err
			} else if ok {
				out = append(out, p)
			}
			if after = p.Seq; len(out) == limit {
				return out, after, nil
			}
		}
		if looked += len(events); len(events) < max(limit, DefaultPageSize) {
			return out, 0, nil
		}
		if looked >= maxLooked {
			return out, after, nil
		}
	}
}

// maxLooked bounds how many events of others one page is looked for among.
const maxLooked = 10_000

// readablePast reports whether a state of the past may be read. What was erased
// cannot be judged any more, so only a caller that sees every row is told of it.
func (gd *Guard) readablePast(ctx context.Context, x *policy.Permissions, e *storage.Event) (bool, error) {
	if e.Action == storage.Purged {
		return x.Rows("read") == nil, nil
	}
	content, err := gd.States.Shown(ctx, x.Type, e)
	if fault.CodeOf(err) == fault.Pruned {
		return x.Rows("read") == nil, nil
	}
	if err != nil {
		return false, err
	}
	return x.On("read", NewView(x.Type, e, content)).Allowed, nil
}

// shownRevision is a revision as the actor sees it; ok is false when it may not.
func (gd *Guard) shownRevision(ctx context.Context, t *model.Type, s State, e *storage.Event) (rev storage.Revision, ok bool, err error) {
	x := gd.AccessTo(ctx, t)
	if x == nil {
		if !t.WritesOnly() {
			return e.Revision, true, nil
		}
		content, err := gd.States.Shown(ctx, t, e)
		return t.Rehashed(e.Revision, t.Conceal(content)), true, err
	}
	was := *e
	was.Meta = s.Event.Meta
	content, err := gd.States.Shown(ctx, t, e)
	if err != nil {
		return rev, false, err
	}
	v := NewView(t, &was, content)
	if !x.On("read", v).Allowed {
		return rev, false, nil
	}
	content = t.Conceal(content)
	rev = t.Rehashed(e.Revision, content)
	if hide := x.Hidden("read", v); len(hide) > 0 {
		data := Redact(content, hide)
		rev.Hash, rev.Size = model.HashOf(data), len(data)
	}
	return rev, true, nil
}

// MayOpen reports whether a revision that the actor may read refers to a binary
// in what is shown of it.
func (gd *Guard) MayOpen(ctx context.Context, t *model.Type, s State, digest string) (bool, error) {
	x := gd.AccessTo(ctx, t)
	if x == nil {
		return true, nil
	}
	if x.Pinned("read") {
		return gd.opensPublished(ctx, t, s.Event, digest)
	}
	holds := func(e *storage.Event) (bool, error) {
		if !slices.Contains(e.Binaries, digest) {
			return false, nil
		}
		was := *e
		was.Meta = s.Event.Meta
		content, err := gd.States.Shown(ctx, t, e)
		if fault.CodeOf(err) == fault.Pruned {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		v := NewView(t, &was, content)
		return x.On("read", v).Allowed && slices.Contains(t.Digests(Redact(content, x.Hidden("read", v))), digest), nil
	}
	if ok, err := holds(s.Event); ok || err != nil {
		return ok, err
	}
	for after := uint64(0); ; {
		events, err := gd.index.Events(ctx, storage.EventQuery{Type: t.Name, ID: s.Event.Meta.ID, After: after, Written: true, Limit: MaxPageSize})
		if err != nil {
			return false, StoreError(err)
		}
		for _, past := range events {
			if ok, err := holds(past.Event); ok || err != nil {
				return ok, err
			}
			after = past.Seq
		}
		if len(events) < MaxPageSize {
			return false, nil
		}
	}
}

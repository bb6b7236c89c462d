package commit

import (
	"context"
	"fmt"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// What follows a delete (a cascade, or a reference that is emptied) is the deed of the
// actor that deletes. It is carried out later, when no request waits for an answer, so
// whether the actor may do it to every resource that refers is asked before the
// delete is committed.

// The most resources that are looked for behind one delete, and the most of which
// the rules have to be asked one by one.
const (
	maxFollowing = 10_000
	maxOneByOne  = 1_000
)

// mayFollow refuses the delete or purge of a resource when its actor may not do
// what follows to a resource that refers to it, directly or through others. It says
// that there is one, as a restrict reference does, and not which.
func (cl *Claims) mayFollow(ctx context.Context, e *storage.Event, u *unit) error {
	f := following{m: cl, u: u, purge: e.Action == storage.Purged, seen: map[states.Key]bool{}}
	target := states.Key{Type: e.Meta.Type, ID: e.Meta.ID}
	if !f.limits(ctx, target.Type, map[string]bool{}) {
		return nil
	}
	state, err := cl.log.State(ctx)
	if err != nil {
		return err
	}
	if err := cl.progress.Wait(ctx, max(state.Last, cl.recent.Last())); err != nil {
		return err
	}
	f.queue = []followed{{target, e.Meta.RevisionCount}}
	for len(f.queue) > 0 {
		next := f.queue[0]
		f.queue = f.queue[1:]
		for _, r := range states.ReferrersTo(cl.types, next.Type) {
			if !r.Carries() {
				continue
			}
			why, err := f.look(ctx, r, next)
			if err != nil {
				return err
			}
			if why != "" {
				return policy.Denied(ctx, cl.types.Named(target.Type), target.ID, r.Right(f.purge), policy.Decision{Why: why})
			}
		}
	}
	return nil
}

// following is one delete whose consequences are asked about.
type following struct {
	m     *Claims
	u     *unit
	purge bool
	queue []followed
	seen  map[states.Key]bool
}

// followed is a resource that is deleted, with how many revisions it has had.
type followed struct {
	states.Key
	revisions int
}

// limits reports whether a rule limits what may follow a delete in a type.
func (f *following) limits(ctx context.Context, typ string, seen map[string]bool) bool {
	if seen[typ] {
		return false
	}
	seen[typ] = true
	for _, r := range states.ReferrersTo(f.m.types, typ) {
		if r.Carries() && (f.limited(ctx, r) || r.Ref.OnDelete == model.Cascade && f.limits(ctx, r.Type.Name, seen)) {
			return true
		}
	}
	return false
}

// limited reports whether a rule limits what may be done to the referrers by a field.
func (f *following) limited(ctx context.Context, r states.Referrer) bool {
	x := f.m.Guard.AccessTo(ctx, r.Type)
	if x == nil {
		return false
	}
	action := r.Right(f.purge)
	return !x.May("read").Allowed || !x.May(action).Allowed || x.Rows("read") != nil || x.Rows(action) != nil || x.AsksFor(action, r.Path)
}

// look asks about everything that refers to a resource by one field, and puts what
// is deleted with it on the queue. why tells what is not allowed.
func (f *following) look(ctx context.Context, r states.Referrer, target followed) (why string, err error) {
	const notYours = "something refers to it that would be deleted or changed with it, which you may not do"
	q := storage.Search{Type: r.Type.Name, Filter: f.others(r, target), Order: f.m.States.ByID(r.Type), Limit: states.MaxPageSize, Bare: true}
	if f.purge && r.Ref.OnDelete == model.Cascade {
		q.Deletion = storage.LiveAndDeleted
	}
	x, action := f.m.Guard.AccessTo(ctx, r.Type), r.Right(f.purge)
	if f.limited(ctx, r) {
		for _, c := range f.own(r, target) {
			if v := states.NewView(r.Type, c.event, c.content); !x.On("read", v).Allowed || !x.On(action, v).Allowed {
				return notYours, nil
			}
		}
		if r.Ref.OnDelete == model.SetNull && x.AsksFor(action, r.Path) {
			return f.oneByOne(ctx, x, r, target, q, notYours)
		}
		all, err := f.count(ctx, q)
		if err != nil || all == 0 {
			return "", err
		}
		may := query.Expr(query.Const{Value: false})
		if x.May("read").Allowed && x.May(action).Allowed {
			may = policy.AllOf(q.Filter, x.Rows("read"), x.Rows(action))
		}
		allowed := q
		allowed.Filter = may
		n, err := f.count(ctx, allowed)
		if err != nil || n < all {
			return notYours, err
		}
	}
	if r.Ref.OnDelete != model.Cascade || !f.limits(ctx, r.Type.Name, map[string]bool{}) {
		return "", nil
	}
	return f.enqueue(ctx, q, r.Type.Name)
}

// others is what refers to the target, but for what the same unit changes.
func (f *following) others(r states.Referrer, target followed) query.Expr {
	in := query.In{}
	in.Field, _ = r.Type.Definition().QueryFields().Lookup("meta.id")
	for k := range f.u.changes {
		if k.Type == r.Type.Name {
			in.Values = append(in.Values, k.ID)
		}
	}
	if len(in.Values) == 0 {
		return r.Filter(target.ID, target.revisions)
	}
	return policy.AllOf(r.Filter(target.ID, target.revisions), query.Not{Term: in})
}

// own is what the same unit changes and that refers to the target afterwards.
func (f *following) own(r states.Referrer, target followed) (out []change) {
	for k, c := range f.u.changes {
		if k.Type == r.Type.Name && k != target.Key && refersIn(r, c, target.ID) {
			out = append(out, c)
		}
	}
	return out
}

func (f *following) count(ctx context.Context, q storage.Search) (int64, error) {
	g, err := f.m.index.Aggregate(ctx, storage.Aggregation{Type: q.Type, Filter: q.Filter, Deletion: q.Deletion, Limit: 1})
	if err != nil {
		return 0, states.StoreError(err)
	}
	if len(g.Groups) == 0 {
		return 0, nil
	}
	return g.Groups[0].Count, nil
}

// oneByOne asks the rules about each resource as it is and as it is without the
// reference, for rules that ask for the reference itself.
func (f *following) oneByOne(ctx context.Context, x *policy.Permissions, r states.Referrer, target followed, q storage.Search, notYours string) (string, error) {
	q.Limit = maxOneByOne
	page, err := f.m.index.Search(ctx, q)
	if err != nil {
		return "", states.StoreError(err)
	}
	if page.Next != nil {
		return fmt.Sprintf("over %d resources refer to it, and your rules ask for the reference itself; delete them in parts, or ask an admin", maxOneByOne), nil
	}
	for _, row := range page.Rows {
		s, err := f.m.States.Head(ctx, states.Key{Type: r.Type.Name, ID: row.ID}, false)
		if err != nil {
			return "", err
		}
		if !s.Exists() || s.Event.Meta.Deleted {
			continue
		}
		v, err := f.m.Guard.ViewOf(ctx, r.Type, s.Event)
		if err != nil {
			return "", err
		}
		tree, err := model.DecodeJSON(v.Content)
		if err != nil {
			return "", err
		}
		cleared, found := r.Clear(tree, target.ID)
		if !found {
			continue
		}
		kept := append(x.Hidden("read", v), append(x.Hidden("update", v), x.Readonly("update", v)...)...)
		after := states.NewView(r.Type, s.Event, model.AppendCanonical(nil, cleared))
		if !x.On("read", v).Allowed || !x.On("update", v).Allowed || !x.On("update", after).Allowed || policy.Touches(r.Path, kept) {
			return notYours, nil
		}
	}
	return "", nil
}

// enqueue looks further behind what is deleted as well.
func (f *following) enqueue(ctx context.Context, q storage.Search, typ string) (string, error) {
	for {
		page, err := f.m.index.Search(ctx, q)
		if err != nil {
			return "", states.StoreError(err)
		}
		for _, row := range page.Rows {
			k := states.Key{Type: typ, ID: row.ID}
			if f.seen[k] {
				continue
			}
			if f.seen[k] = true; len(f.seen) > maxFollowing {
				return fmt.Sprintf("over %d resources would be deleted with it, and your rules have to be asked about what refers to them; delete them in parts, or ask an admin", maxFollowing), nil
			}
			f.queue = append(f.queue, followed{k, states.MaxRevisionRefs})
		}
		if q.After = page.Next; q.After == nil {
			return "", nil
		}
	}
}

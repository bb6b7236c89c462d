package retention

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// referrer is a field that refers to revisions of another type.
type referrer struct {
	typ  *model.Type
	path string
}

// referrers are the fields that refer to revisions of a type.
func (k *Keeper) referrers(target string) (out []referrer) {
	for _, t := range k.o.Types.All() {
		for _, path := range slices.Sorted(maps.Keys(t.Refs)) {
			if ref := t.Refs[path]; ref.Revision && ref.Type == target {
				out = append(out, referrer{t, path})
			}
		}
	}
	return out
}

// askedAtOnce is how many revisions are asked about at a time.
const askedAtOnce = 200

// spareReferred takes out the revisions that a resource refers to, also a deleted one:
// it can be restored.
func (k *Keeper) spareReferred(ctx context.Context, t *model.Type, id string, due map[int]bool) error {
	for _, r := range k.referrers(t.Name) {
		numbers := slices.Sorted(maps.Keys(due))
		for some := range slices.Chunk(numbers, askedAtOnce) {
			if found, err := k.refers(ctx, r, id, some); err != nil {
				return err
			} else if !found {
				continue
			}
			for _, n := range some {
				found, err := k.refers(ctx, r, id, []int{n})
				if err != nil {
					return err
				}
				if found {
					delete(due, n)
				}
			}
		}
	}
	return nil
}

// refers reports whether any resource refers to one of some revisions.
func (k *Keeper) refers(ctx context.Context, r referrer, id string, numbers []int) (bool, error) {
	fields := r.typ.Definition().QueryFields()
	f, _ := fields.Lookup(r.path)
	byID, _ := fields.Lookup("meta.id")
	var filter query.Expr
	if f.List {
		any := query.Or{}
		for _, n := range numbers {
			any.Terms = append(any.Terms, query.Has{Field: f, Value: fmt.Sprintf("%s:%d", id, n)})
		}
		filter = any
	} else {
		in := query.In{Field: f}
		for _, n := range numbers {
			in.Values = append(in.Values, fmt.Sprintf("%s:%d", id, n))
		}
		filter = in
	}
	page, err := k.o.Index.Search(ctx, storage.Search{Type: r.typ.Name, Filter: filter, Order: query.Order{{Field: byID}}, Limit: 1, Deletion: storage.LiveAndDeleted, Bare: true})
	return len(page.Rows) > 0, err
}

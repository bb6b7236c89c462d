package states

import (
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/model/registry"
	"github.com/autocrud-go/autocrud/pkg/query"
)

// A referrer is a field of a type that refers to another type.
type Referrer struct {
	Type *model.Type
	Path string
	Ref  model.Ref
}

// ReferrersTo lists the fields that refer to a type.
func ReferrersTo(types *registry.Types, target string) (out []Referrer) {
	for _, t := range types.All() {
		for path, ref := range t.Refs {
			if ref.Type == target {
				out = append(out, Referrer{t, path, ref})
			}
		}
	}
	return out
}

// ByID is the order of a type by its ids.
func (st *States) ByID(t *model.Type) query.Order {
	f, _ := t.Definition().QueryFields().Lookup("meta.id")
	return query.Order{{Field: f}}
}

// MaxRevisionRefs bounds how many revisions of a target a list of revision
// references is searched for.
const MaxRevisionRefs = 900

// Filter matches the sources of a target that has had so many revisions.
func (r Referrer) Filter(id string, revisions int) query.Expr {
	f, _ := r.Type.Definition().QueryFields().Lookup(r.Path)
	switch {
	case !f.List && !r.Ref.Revision:
		return query.Compare{Field: f, Op: query.Equal, Value: id}
	case !f.List:
		return query.Or{Terms: []query.Expr{query.Compare{Field: f, Op: query.Equal, Value: id},
			query.TextMatch{Field: f, Match: query.StartsWith, Pattern: id + ":"}}}
	case !r.Ref.Revision || revisions == 0:
		return query.Has{Field: f, Value: id}
	}
	any := query.Or{Terms: []query.Expr{query.Has{Field: f, Value: id}}}
	for n := revisions; n > 0 && n > revisions-MaxRevisionRefs; n-- {
		any.Terms = append(any.Terms, query.Has{Field: f, Value: RevisionID(id, n)})
	}
	return any
}

// Carries reports whether a delete of the target is carried on to the source.
func (r Referrer) Carries() bool {
	return r.Ref.OnDelete == model.Cascade || r.Ref.OnDelete == model.SetNull
}

// Clear returns the document without references to the id, and whether there
// were any.
func (r Referrer) Clear(tree any, id string) (any, bool) {
	found := false
	refers := func(v any) bool {
		s, ok := v.(string)
		if !ok {
			return false
		}
		got, _, ok := r.Ref.Target(s)
		return ok && got == id
	}
	var walk func(v any, names []string) any
	nullable := r.Type.Nullable(r.Path)
	walk = func(v any, names []string) any {
		switch v := v.(type) {
		case []any:
			out := []any{}
			for _, x := range v {
				if len(names) == 0 && refers(x) {
					found = true
					continue
				}
				out = append(out, walk(x, names))
			}
			return out
		case map[string]any:
			if len(names) == 0 {
				return v
			}
			out := make(map[string]any, len(v))
			for k, x := range v {
				if k == names[0] {
					before := found
					if x = walk(x, names[1:]); x == nil && found != before && !nullable {
						continue // optional, but not null
					}
				}
				out[k] = x
			}
			return out
		}
		if len(names) == 0 && refers(v) {
			found = true
			return nil
		}
		return v
	}
	return walk(tree, model.SplitPath(r.Path)), found
}

// Right is the right that what follows needs on a referring resource.
func (r Referrer) Right(purge bool) string {
	switch {
	case r.Ref.OnDelete == model.SetNull:
		return "update"
	case purge:
		return "purge"
	}
	return "delete"
}

package commit

import (
	"context"
	"errors"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// errOtherModel asks for the same write once more: its type has another model since it
// was begun.
var errOtherModel = errors.New("the type has another model now")

// plannedBy is Planned for a plan that was made by a model, which may be an older one:
// what it makes has to fit the one in force.
func (wr *Writer) plannedBy(ctx context.Context, made, t *model.Type, p Plan, s states.State) (Step, error) {
	next, err := wr.Planned(ctx, t, p, s)
	if err != nil || next.Event == nil || !next.put || made == t {
		return next, err
	}
	tree, err := model.DecodeJSON(next.Content)
	if err == nil {
		tree, err = t.Migrate(tree, next.Event.Revision.SchemaVersion)
	}
	if err == nil {
		err = t.Fits(tree)
	}
	return next, err
}

// byOtherModels reports whether a unit was staged by models that are not in force.
func (wr *Writer) byOtherModels(u *unit) bool {
	for k, c := range u.changes {
		if wr.types.Named(k.Type) != c.typ {
			return true
		}
	}
	return false
}

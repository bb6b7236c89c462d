package openapi

import (
	"slices"

	"github.com/autocrud-go/autocrud/pkg/model"
)

// Named are the types with these names, in the order of types. A name that none has
// is refused, with what may have been meant.
func Named(types []*model.Type, names []string, refuse func(format string, args ...any)) []*model.Type {
	var known []string
	for _, t := range types {
		known = append(known, t.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			refuse("types: there is no type %q%s", name, model.Hint(name, known))
		}
	}
	return slices.DeleteFunc(slices.Clone(types), func(t *model.Type) bool { return !slices.Contains(names, t.Name) })
}

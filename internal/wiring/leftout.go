package wiring

import (
	"slices"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// The names of the program that came after applications might have used them. There
// the application's wins.
var (
	laterTypes   = []string{policy.Users}
	laterActions = []string{"prune", "publish", "unpublish", "preview"}
)

// leftOut tells what of the program is not served because an application uses its name.
func leftOut(types []*model.Type, actions []*resource.Action) (what []string) {
	for _, t := range types {
		if slices.Contains(laterTypes, t.Name) && !t.Builtin {
			what = append(what, "the built-in type "+t.Name)
		}
	}
	for _, a := range actions {
		if slices.Contains(laterActions, a.Name) {
			what = append(what, "the operation :"+a.Name+" of "+a.Type)
		}
	}
	return what
}

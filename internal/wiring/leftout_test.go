package wiring

import (
	"slices"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/policy"
	"github.com/autocrud-go/autocrud/pkg/resource"
)

// An application's own names win, and what is not served for that is told.
func TestWhatIsLeftOutForAnApplication(t *testing.T) {
	builtin, err := policy.UserType()
	if err != nil {
		t.Fatal(err)
	}
	stamp := &resource.Action{Type: "films", Name: "stamp"}
	if what := leftOut([]*model.Type{builtin, {Name: "films"}}, []*resource.Action{stamp}); len(what) != 0 {
		t.Errorf("left out: %v", what)
	}
	want := []string{"the built-in type users", "the operation :prune of films"}
	if what := leftOut([]*model.Type{{Name: "users"}}, []*resource.Action{stamp, {Type: "films", Name: "prune"}}); !slices.Equal(what, want) {
		t.Errorf("left out: %v, want %v", what, want)
	}
}

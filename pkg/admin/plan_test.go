package admin_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/model/plan"
	"github.com/autocrud-go/autocrud/pkg/states"
)

// TestAPlanSuggestsIndexesThatListsNeed: what was seen while the server ran is told of the
// models that it is asked about, until they have it.
func TestAPlanSuggestsIndexesThatListsNeed(t *testing.T) {
	const schema = "\nschema: {type: object, properties: {status: {type: string}, views: {type: integer}}}\n"
	types := testenv.Types(t, "name: posts\nindex: [status, views]"+schema)
	s := testenv.Open(t, t.TempDir(), types, testenv.StackOptions{Memory: true, Manager: func(o *states.Options) { o.FarWalk = time.Nanosecond }})
	planned := func(index string) plan.TypePlan {
		t.Helper()
		r, err := s.Manager.Admin.Plan(t.Context(), testenv.Types(t, "name: posts\nindex: "+index+schema), nil, nil)
		if err != nil || len(r.Types) != 1 || r.Breaks() {
			t.Fatalf("%+v, %v", r, err)
		}
		return r.Types[0]
	}
	if p := planned("[status, views]"); len(p.Suggestions) > 0 {
		t.Errorf("suggested before any list: %+v", p.Suggestions)
	}
	for range 3 {
		if _, err := s.Manager.List(t.Context(), "posts", states.ListOptions{Filter: `status = "a"`, OrderBy: "views desc"}); err != nil {
			t.Fatal(err)
		}
	}
	p := planned("[status, views]")
	if len(p.Suggestions) != 1 || !reflect.DeepEqual(p.Suggestions[0].Index, []string{"status", "-views"}) || p.Suggestions[0].Lists != 3 ||
		!strings.Contains(strings.Join(plan.Lines(p), "\n"), "suggestion: index: [[status, -views]]: 3 lists") {
		t.Errorf("suggested are %+v: %v", p.Suggestions, plan.Lines(p))
	}
	if p := planned("[[status, -views]]"); len(p.Suggestions) > 0 {
		t.Errorf("suggested to a model that has it: %+v", p.Suggestions)
	}
}

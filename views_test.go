package autocrud_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/autocrud-go/autocrud"
	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/job"
	"github.com/autocrud-go/autocrud/pkg/jobs"
	"github.com/autocrud-go/autocrud/pkg/notify"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/upkeep"
)

// What handlers and actions are given has no way to what the program alone does: no
// backup is restored, no job claimed, no check of a built-in type replaced.
func TestHandlersReachOperationsOnly(t *testing.T) {
	view := reflect.TypeFor[*resource.Manager]()
	for _, holder := range []reflect.Type{reflect.TypeFor[job.Job[struct{}]](), reflect.TypeFor[job.Attempt](), reflect.TypeFor[autocrud.ActionCall[struct{}]]()} {
		if f, ok := holder.FieldByName("Manager"); !ok || f.Type != view {
			t.Errorf("%s has %v, want the Manager", holder, f.Type)
		}
	}
	for i := range view.Elem().NumField() {
		if f := view.Elem().Field(i); f.IsExported() {
			t.Errorf("the Manager shows %s", f.Name)
		}
	}
	for part, shared := range map[reflect.Type][]string{
		reflect.TypeFor[*admin.Admin]():          nil,
		reflect.TypeFor[*notify.AfterHooks]():    nil,
		reflect.TypeFor[*notify.WebhookAccess](): nil,
		reflect.TypeFor[*upkeep.BulkChanges]():   {"QueueBulk"},
		reflect.TypeFor[*upkeep.Upkeep]():        {"Purge"},
		reflect.TypeFor[*jobs.Jobs]():            {"Cancel", "Rerun", "Logs"},
		reflect.TypeFor[states.Strategies]():     nil,
	} {
		for i := range part.NumMethod() {
			name := part.Method(i).Name
			if _, there := view.MethodByName(name); there && !slices.Contains(shared, name) {
				t.Errorf("the Manager has %s of %s", name, part)
			}
		}
	}
	if _, there := view.MethodByName("Register"); there {
		t.Error("the Manager takes strategies from applications")
	}
}

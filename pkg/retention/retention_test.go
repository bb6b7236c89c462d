package retention_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/model"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/retention"
	"github.com/autocrud-go/autocrud/pkg/states"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// world is a store whose clock is moved by hand.
type world struct {
	t    *testing.T
	s    *testenv.Stack
	days atomic.Int64
	typ  *model.Type
}

var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func notes(t *testing.T, retention string) *model.Type {
	t.Helper()
	return testenv.Types(t, "name: notes\nschema: {type: object, properties: {n: {type: integer}, of: {type: string}}}\nretention: "+retention+"\nrefs: {of: {type: notes, revision: true}}\n")[0]
}

func open(t *testing.T, keeps string) *world {
	t.Helper()
	w := &world{t: t, typ: notes(t, keeps)}
	w.s = testenv.Open(t, t.TempDir(), []*model.Type{w.typ}, testenv.StackOptions{Memory: true, Manager: func(o *resource.Options) {
		o.Now = func() time.Time { return epoch.AddDate(0, 0, int(w.days.Load())) }
	}})
	return w
}

func (w *world) keeper() *retention.Keeper { return w.s.Manager.Upkeep.Retention }

// write makes the next revision of a resource, on a day.
func (w *world) write(day int, id, data string, status storage.Status) {
	w.t.Helper()
	w.days.Store(int64(day))
	ctx := w.t.Context()
	_, err := w.s.Manager.Create(ctx, "notes", testenv.Doc(w.t, data), resource.CreateOptions{ID: id, Status: status})
	if fault.CodeOf(err) == fault.AlreadyExists {
		_, _, err = w.s.Manager.Update(ctx, "notes", id, testenv.Doc(w.t, data), resource.UpdateOptions{Status: status})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// on makes it a day on which the index holds all that was written.
func (w *world) on(day int) {
	w.t.Helper()
	w.days.Store(int64(day))
	state, err := w.s.Log.State(w.t.Context())
	if err == nil {
		err = w.s.Manager.States.WaitIndexed(w.t.Context(), state.Last)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// keep does what is due on a day.
func (w *world) keep(day int) {
	w.t.Helper()
	w.on(day)
	if err := w.keeper().Keep(w.t.Context(), w.typ); err != nil {
		w.t.Fatal(err)
	}
}

// kept are the numbers of the revisions of a resource that are left.
func (w *world) kept(id string) []int {
	w.t.Helper()
	list, err := w.s.Manager.Revisions(w.t.Context(), "notes", id, false, states.PageOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []int
	for _, r := range list.Items {
		out = append(out, r.Number)
	}
	slices.Sort(out)
	return out
}

func (w *world) wantKept(what, id string, numbers ...int) {
	w.t.Helper()
	if got := w.kept(id); !slices.Equal(got, numbers) {
		w.t.Errorf("%s: of %s there are %v, want %v", what, id, got, numbers)
	}
}

// TestRevisionsGrowOld: by the clock alone, and never HEAD nor what is needed.
func TestRevisionsGrowOld(t *testing.T) {
	w := open(t, "{days: 10}")
	for day, n := range []int{0, 5, 8} {
		w.write(n, "a", fmt.Sprintf(`{"n":%d}`, day), storage.Stable)
	}
	w.write(0, "draft", `{"n":1}`, storage.Stable)
	w.write(1, "draft", `{"n":2}`, storage.Draft)
	w.write(2, "draft", `{"n":3}`, storage.Draft)
	w.write(0, "target", `{"n":1}`, storage.Stable)
	w.write(1, "target", `{"n":2}`, storage.Stable)
	w.write(1, "target", `{"n":3}`, storage.Stable)
	w.write(1, "refers", `{"of":"target:2"}`, storage.Stable)
	w.keep(10)
	w.wantKept("within ten days", "a", 1, 2, 3)
	w.keep(11)
	w.wantKept("on the eleventh", "a", 2, 3)
	if _, err := w.s.Manager.Get(t.Context(), "notes", "a", states.GetOptions{Revision: 1}); fault.CodeOf(err) != fault.Pruned {
		t.Errorf("what is too old is read: %v", err)
	}
	w.keep(16)
	w.wantKept("on the sixteenth", "a", 3)
	w.keep(400)
	w.wantKept("HEAD stays", "a", 3)
	w.wantKept("the newest stable one stays, and HEAD", "draft", 1, 3)
	w.wantKept("what is referred to stays", "target", 2, 3)
	if r, err := w.s.Manager.Get(t.Context(), "notes", "a", states.GetOptions{}); err != nil || string(r.Data) != `{"n":2}` {
		t.Errorf("HEAD is %v, %v", r, err)
	}
	if v, err := w.s.Manager.Admin.Verify(t.Context(), func(f admin.Finding) { t.Errorf("verify: %+v", f) }); err != nil || v.Findings > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

// TestNumberAndAge: what either does not keep is pruned.
func TestNumberAndAge(t *testing.T) {
	w := open(t, "{revisions: 3, days: 10}")
	for day := range 6 {
		w.write(2*day, "a", fmt.Sprintf(`{"n":%d}`, day), storage.Stable)
	}
	due := func(day, revisions, resources int) {
		t.Helper()
		w.on(day)
		if n, of, err := w.keeper().Due(t.Context(), w.typ, w.typ.Retention); err != nil || n != revisions || of != resources {
			t.Errorf("on day %d there are %d due of %d, %v; want %d of %d", day, n, of, err, revisions, resources)
		}
	}
	due(10, 3, 1)
	w.keep(10)
	w.wantKept("of six on one day", "a", 4, 5, 6)
	due(16, 0, 0)
	due(17, 1, 1)
	w.keep(17)
	w.wantKept("one of the three is too old", "a", 5, 6)
}

// TestALookGoesOnOverOtherTypes: models that are read again do not begin the look at every
// resource anew; another retention does.
func TestALookGoesOnOverOtherTypes(t *testing.T) {
	w := open(t, "{revisions: 2}")
	for _, id := range []string{"a", "b", "c"} {
		for n := range 4 {
			w.write(0, id, fmt.Sprintf(`{"n":%d}`, n), storage.Stable)
		}
	}
	w.on(0)
	w.keeper().StandAt(w.typ, "b")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	use := func(keeps string) *model.Type {
		typ := notes(t, keeps)
		if err := w.s.Manager.Use([]*model.Type{typ}, nil); err != nil {
			t.Fatal(err)
		}
		return typ
	}
	typ := use("{revisions: 2}")
	go func() { ended <- w.keeper().Run(ctx) }()
	looked := func() {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !w.keeper().Looked(typ); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the look does not end")
			}
		}
	}
	looked()
	w.wantKept("after b", "c", 3, 4)
	w.wantKept("before it", "a", 1, 2, 3, 4)
	typ = use("{revisions: 2}")
	typ = use("{revisions: 3}")
	looked()
	w.wantKept("by another retention", "a", 2, 3, 4)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

package resource_test

import (
	"encoding/json"
	"fmt"
	"sort"
	"testing"

	"pgregory.net/rapid"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/fault"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

const modelModel = `
name: things
schema: {type: object, required: [n], additionalProperties: false, properties: {n: {type: integer}, slug: {type: [string, "null"]}}}
index: [n]
unique: [slug]
`

// modelThing is what a thing must be, in a few lines.
type modelThing struct {
	revs    []modelRev
	head    int // number of the current revision
	deleted bool
	history []storage.Action
}

type modelRev struct {
	n      int
	slug   string
	status storage.Status
	parent int
}

func (r modelRev) doc() string {
	if r.slug == "" {
		return fmt.Sprintf(`{"n":%d}`, r.n)
	}
	return fmt.Sprintf(`{"n":%d,"slug":%q}`, r.n, r.slug)
}

func (m *modelThing) cur() *modelRev { return &m.revs[m.head-1] }

// machine drives the Manager and the model side by side.
type machine struct {
	s      *testenv.Stack
	t      *testing.T
	things map[string]*modelThing
	before map[string]bool // ids with an earlier life, of which the tombstone stays
}

func (m *machine) id(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id")
}

func (m *machine) slugTaken(id, slug string) bool {
	for other, x := range m.things {
		if other != id && !x.deleted && slug != "" && x.cur().slug == slug {
			return true
		}
	}
	return false
}

func (m *machine) draw(t *rapid.T) modelRev {
	return modelRev{n: rapid.IntRange(0, 3).Draw(t, "n"), slug: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "slug"),
		status: rapid.SampledFrom([]storage.Status{storage.Draft, storage.Stable}).Draw(t, "status")}
}

func (m *machine) check(t *rapid.T, op string, err error, want fault.Code) bool {
	if got := fault.CodeOf(err); got != want || err != nil && got == "" {
		t.Fatalf("%s: got %v, the model says %q", op, err, want)
	}
	return want == ""
}

func (m *machine) Create(t *rapid.T) {
	id, r := m.id(t), m.draw(t)
	want := fault.Code("")
	switch {
	case m.things[id] != nil:
		want = fault.AlreadyExists
	case m.slugTaken(id, r.slug):
		want = fault.UniqueConflict
	}
	_, err := m.s.Manager.Create(m.t.Context(), "things", testenv.Doc(m.t, r.doc()), resource.CreateOptions{ID: id, Status: r.status})
	if m.check(t, "create", err, want) {
		x := &modelThing{revs: []modelRev{r}, head: 1}
		if m.before[id] {
			x.history = append(x.history, storage.Purged)
		}
		x.history = append(x.history, storage.Created)
		m.things[id] = x
	}
}

// exists is what every operation on a live thing begins with.
func (m *machine) exists(id string) (x *modelThing, code fault.Code) {
	x = m.things[id]
	switch {
	case x == nil:
		return nil, fault.NotFound
	case x.deleted:
		return x, fault.Deleted
	}
	return x, ""
}

// revise is what an update, an edit in place or a patch does to the model.
func (m *machine) revise(id string, r modelRev, inPlace, setStatus bool) (want fault.Code, apply func()) {
	x, want := m.exists(id)
	nothing := func() {}
	if want != "" {
		return want, nothing
	}
	c := x.cur()
	same := c.n == r.n && c.slug == r.slug
	switch {
	case inPlace && c.status != storage.Draft:
		return fault.InvalidState, nothing
	case same && (!setStatus || r.status == c.status):
		return "", nothing
	case m.slugTaken(id, r.slug):
		return fault.UniqueConflict, nothing
	case inPlace:
		return "", func() {
			c.n, c.slug = r.n, r.slug
			if setStatus {
				c.status = r.status
			}
			x.history = append(x.history, storage.Modified)
		}
	case same && r.status == storage.Stable:
		return "", func() { c.status = storage.Stable; x.history = append(x.history, storage.StatusChanged) }
	}
	if !setStatus {
		r.status = storage.Stable
	}
	r.parent = x.head
	return "", func() {
		x.revs = append(x.revs, r)
		x.head = len(x.revs)
		x.history = append(x.history, storage.Updated)
	}
}

func (m *machine) Update(t *rapid.T) {
	id, r := m.id(t), m.draw(t)
	inPlace, setStatus := rapid.Bool().Draw(t, "inPlace"), rapid.Bool().Draw(t, "setStatus")
	want, apply := m.revise(id, r, inPlace, setStatus)
	o := resource.UpdateOptions{InPlace: inPlace}
	if setStatus {
		o.Status = r.status
	}
	_, _, err := m.s.Manager.Update(m.t.Context(), "things", id, testenv.Doc(m.t, r.doc()), o)
	if m.check(t, "update", err, want) {
		apply()
	}
}

func (m *machine) Patch(t *rapid.T) {
	id, n := m.id(t), rapid.IntRange(0, 3).Draw(t, "n")
	r := modelRev{n: n}
	if x := m.things[id]; x != nil {
		r.slug = x.cur().slug
	}
	want, apply := m.revise(id, r, false, false)
	_, err := m.s.Manager.Patch(m.t.Context(), "things", id, resource.Patch{Kind: resource.MergePatch, Body: testenv.Doc(m.t, fmt.Sprintf(`{"n":%d}`, n))}, resource.UpdateOptions{})
	if m.check(t, "patch", err, want) {
		apply()
	}
}

func (m *machine) Delete(t *rapid.T) {
	id := m.id(t)
	x, want := m.exists(id)
	_, err := m.s.Manager.Delete(m.t.Context(), "things", id, resource.Match{})
	if m.check(t, "delete", err, want) {
		x.deleted = true
		x.history = append(x.history, storage.Deleted)
	}
}

func (m *machine) Restore(t *rapid.T) {
	id := m.id(t)
	x, want := m.exists(id)
	if want == fault.Deleted {
		if want = ""; m.slugTaken(id, x.cur().slug) {
			want = fault.UniqueConflict
		}
	}
	_, err := m.s.Manager.Restore(m.t.Context(), "things", id, resource.Match{})
	if m.check(t, "restore", err, want) && x.deleted {
		x.deleted = false
		x.history = append(x.history, storage.Restored)
	}
}

func (m *machine) Switch(t *rapid.T) {
	id, to := m.id(t), rapid.IntRange(1, 4).Draw(t, "to")
	x, want := m.exists(id)
	switch {
	case want != "":
	case to > len(x.revs):
		want = fault.UnknownRevision
	case to != x.head && m.slugTaken(id, x.revs[to-1].slug):
		want = fault.UniqueConflict
	}
	_, err := m.s.Manager.Switch(m.t.Context(), "things", id, to, resource.Match{})
	if m.check(t, "switch", err, want) && to != x.head {
		x.head = to
		x.history = append(x.history, storage.Switched)
	}
}

func (m *machine) SetStatus(t *rapid.T) {
	id, status := m.id(t), rapid.SampledFrom([]storage.Status{storage.Draft, storage.Stable}).Draw(t, "status")
	r := modelRev{status: status}
	if x := m.things[id]; x != nil {
		r.n, r.slug = x.cur().n, x.cur().slug
	}
	want, apply := m.revise(id, r, false, true)
	_, err := m.s.Manager.SetStatus(m.t.Context(), "things", id, status, resource.Match{})
	if m.check(t, "status", err, want) {
		apply()
	}
}

func (m *machine) Purge(t *rapid.T) {
	id := m.id(t)
	want := fault.Code("")
	if m.things[id] == nil {
		want = fault.NotFound
	}
	_, err := m.s.Manager.Upkeep.Purge(m.t.Context(), "things", id, resource.Match{})
	if m.check(t, "purge", err, want) {
		delete(m.things, id)
		m.before[id] = true
	}
}

// Check compares everything that can be observed.
func (m *machine) Check(t *rapid.T) {
	var live []string
	for id, x := range m.things {
		m.checkThing(t, id, x)
		if !x.deleted {
			live = append(live, id)
		}
	}
	sort.Strings(live)
	l, err := m.s.Manager.List(m.t.Context(), "things", resource.ListOptions{OrderBy: "meta.id", Total: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range l.Items {
		got = append(got, r.ID)
		if want := m.things[r.ID].cur().doc(); string(r.Data) != want {
			t.Fatalf("%s is listed as %s, the model says %s", r.ID, r.Data, want)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(live) || int(l.Total) != len(live) {
		t.Fatalf("listed %v of %d, the model says %v", got, l.Total, live)
	}
}

func (m *machine) checkThing(t *rapid.T, id string, x *modelThing) {
	ctx := m.t.Context()
	r, err := m.s.Manager.Get(ctx, "things", id, resource.GetOptions{IncludeDeleted: true})
	if err != nil {
		t.Fatal(err)
	}
	var meta storage.Meta
	if err := json.Unmarshal(r.Meta, &meta); err != nil {
		t.Fatal(err)
	}
	if string(r.Data) != x.cur().doc() || meta.Deleted != x.deleted || meta.RevisionCount != len(x.revs) || meta.Status != x.cur().status ||
		meta.CurrentRevision != fmt.Sprintf("%s:%d", id, x.head) {
		t.Fatalf("%s: %s %+v, the model says %+v", id, r.Data, meta, x)
	}
	l, err := m.s.Manager.Revisions(ctx, "things", id, false, resource.PageOptions{Size: 1000})
	if err != nil || len(l.Items) != len(x.revs) {
		t.Fatalf("%s: %d revisions, %v; the model says %d", id, len(l.Items), err, len(x.revs))
	}
	for i, got := range l.Items {
		want, number := x.revs[len(x.revs)-1-i], len(x.revs)-i
		parent := ""
		if got.Parent != nil {
			parent = *got.Parent
		}
		wantParent := ""
		if want.parent > 0 {
			wantParent = fmt.Sprintf("%s:%d", id, want.parent)
		}
		old, err := m.s.Manager.Get(ctx, "things", id, resource.GetOptions{Revision: number, IncludeDeleted: true})
		if err != nil || got.Number != number || got.Status != want.status || parent != wantParent || string(old.Data) != want.doc() {
			t.Fatalf("%s:%d is %+v, %v; the model says %+v", id, number, got, err, want)
		}
	}
	h, err := m.s.Manager.History(ctx, "things", id, resource.PageOptions{Size: 1000})
	if err != nil || len(h.Items) != len(x.history) {
		t.Fatalf("%s: history %v %v, the model says %v", id, h, err, x.history)
	}
	for i, got := range h.Items {
		if got.Action != x.history[i] {
			t.Fatalf("%s: event %d is %s, the model says %s", id, i, got.Action, x.history[i])
		}
	}
}

// Random sequences of all operations do what the model says, after each step.
func TestManagerDoesWhatTheModelSays(t *testing.T) {
	t.Run("disk", func(t *testing.T) { runMachine(t, testenv.StackOptions{}) })
	t.Run("memory", func(t *testing.T) { runMachine(t, testenv.StackOptions{Memory: true}) })
}

func runMachine(t *testing.T, o testenv.StackOptions) {
	s := testenv.Open(t, t.TempDir(), testenv.Types(t, modelModel), o)
	before := map[string]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{s: s, t: t, things: map[string]*modelThing{}, before: before}
		for _, id := range []string{"a", "b", "c"} { // what the sequence before left
			_, err := s.Manager.Upkeep.Purge(t.Context(), "things", id, resource.Match{})
			if err != nil && fault.CodeOf(err) != fault.NotFound {
				rt.Fatal(err)
			}
			before[id] = before[id] || err == nil
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.Create, "update": m.Update, "patch": m.Patch, "delete": m.Delete, "restore": m.Restore,
			"switch": m.Switch, "status": m.SetStatus, "purge": m.Purge, "": m.Check,
		})
	})
}

package tests_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autocrud-go/autocrud/internal/apitest"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
)

// The writes of Go code: the methods of the Manager and of its typed view.

// goThing is a resource as typed Go code has it.
type goThing map[string]any

// calls are the methods that write a resource.
func (k *kind) calls() []*operation {
	like := map[string]change{}
	for _, o := range k.writes() {
		like[strings.TrimPrefix(o.name, k.name+" ")] = *o.change
	}
	type call func(ctx context.Context, m *resource.Manager, typ, id string, doc content, match resource.Match) error
	var rows []*operation
	add := func(name, of string, fn call) {
		ch := like[of]
		ch.wire, ch.status, ch.call, ch.unmatched = nil, false, fn, ch.makes
		rows = append(rows, k.row("Go "+name, ch))
		method, _, _ := strings.Cut(name, " ")
		rows[len(rows)-1].of = []string{"Go " + method}
	}
	add("Manager.Create", "POST", func(ctx context.Context, m *resource.Manager, typ, id string, doc content, _ resource.Match) error {
		_, err := m.Create(ctx, typ, anyMap(doc), resource.CreateOptions{ID: id})
		return err
	})
	add("Manager.Update", "PUT", func(ctx context.Context, m *resource.Manager, typ, id string, doc content, match resource.Match) error {
		_, _, err := m.Update(ctx, typ, id, anyMap(doc), resource.UpdateOptions{IfMatch: match})
		return err
	})
	add("Manager.Update in place", "PUT mode=modify", func(ctx context.Context, m *resource.Manager, typ, id string, doc content, match resource.Match) error {
		_, _, err := m.Update(ctx, typ, id, anyMap(doc), resource.UpdateOptions{IfMatch: match, InPlace: true})
		return err
	})
	add("Manager.Patch", "PATCH merge", func(ctx context.Context, m *resource.Manager, typ, id string, doc content, match resource.Match) error {
		_, err := m.Patch(ctx, typ, id, resource.Patch{Kind: resource.MergePatch, Body: anyMap(doc)}, resource.UpdateOptions{IfMatch: match})
		return err
	})
	add("Manager.Delete", "DELETE", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.Delete(ctx, typ, id, match)
		return err
	})
	add("Manager.Restore", ":restore", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.Restore(ctx, typ, id, match)
		return err
	})
	add("Manager.RestoreAs", ":restore of a revision", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.RestoreAs(ctx, typ, id, resource.RestoreOptions{Revision: 1, IfMatch: match})
		return err
	})
	add("Manager.Switch", ":switch", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.Switch(ctx, typ, id, 1, match)
		return err
	})
	add("Manager.SetStatus", ":status stable", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.SetStatus(ctx, typ, id, storage.Stable, match)
		return err
	})
	add("Manager.Publish", ":publish", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.Publish(ctx, typ, id, match)
		return err
	})
	add("Manager.Unpublish", ":unpublish", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.Unpublish(ctx, typ, id, match)
		return err
	})
	later := resource.When{At: time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)}
	add("Manager.PublishAt", ":publish at a time", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.PublishAt(ctx, typ, id, later, match)
		return err
	})
	add("Manager.UnpublishAt", ":unpublish at a time", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.UnpublishAt(ctx, typ, id, later, match)
		return err
	})
	add("Manager.Release", "release", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.Release(ctx, []resource.PublishItem{{Type: typ, ID: id, IfMatch: match}}, resource.When{})
		return err
	})
	add("Manager.Purge", ":purge", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		_, err := m.Purge(ctx, typ, id, match)
		return err
	})
	add("Manager.Batch", "PUT", func(ctx context.Context, m *resource.Manager, typ, id string, doc content, match resource.Match) error {
		_, err := m.Batch(ctx, []resource.BatchOperation{{Op: "update", Type: typ, ID: id, Data: anyMap(doc), IfMatch: match}}, true)
		return err
	})
	add("Typed.Create", "POST", func(ctx context.Context, m *resource.Manager, typ, id string, doc content, _ resource.Match) error {
		_, err := resource.For[goThing](m, typ).Create(ctx, goThing(doc), resource.CreateOptions{ID: id})
		return err
	})
	add("Typed.Update", "PUT", func(ctx context.Context, m *resource.Manager, typ, id string, doc content, match resource.Match) error {
		_, err := resource.For[goThing](m, typ).Update(ctx, id, goThing(doc), resource.UpdateOptions{IfMatch: match})
		return err
	})
	add("Typed.Patch", "PATCH merge", func(ctx context.Context, m *resource.Manager, typ, id string, doc content, match resource.Match) error {
		_, err := resource.For[goThing](m, typ).Patch(ctx, id, resource.Patch{Kind: resource.MergePatch, Body: anyMap(doc)}, resource.UpdateOptions{IfMatch: match})
		return err
	})
	add("Typed.Delete", "DELETE", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
		return resource.For[goThing](m, typ).Delete(ctx, id, match)
	})
	if k.job {
		add("Manager.Cancel", ":cancel", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
			_, err := m.Cancel(ctx, typ, id, match)
			return err
		})
		add("Manager.Rerun", ":rerun", func(ctx context.Context, m *resource.Manager, typ, id string, _ content, match resource.Match) error {
			_, err := m.Rerun(ctx, typ, id, match)
			return err
		})
	}
	return rows
}

// there is what the program says there is: the operations of its document, those of
// a batch and of a bulk change, the methods of Go, the commands.
func (w *world) there(t testing.TB) (names []string) {
	t.Helper()
	for _, op := range w.admin.Doc.Operations {
		names = append(names, op.ID)
	}
	for _, op := range enumOf(t, w.admin.Doc, "batch", "operations/items/op") {
		names = append(names, "batch op "+op)
	}
	for _, op := range append(enumOf(t, w.admin.Doc, "things.bulk", "op"), enumOf(t, w.admin.Doc, "tasks.bulk", "op")...) {
		names = append(names, "bulk op "+op)
	}
	for _, method := range methodsOf(reflect.TypeFor[resource.Domain](), map[reflect.Type]bool{}) {
		names = append(names, "Go Manager."+method)
	}
	for i := range reflect.TypeFor[resource.Typed[goThing]]().NumMethod() {
		names = append(names, "Go Typed."+reflect.TypeFor[resource.Typed[goThing]]().Method(i).Name)
	}
	for line := range strings.Lines(apitest.Run(t, "", "--help").Stdout) {
		if word := strings.Fields(line); strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") && len(word) > 0 && !strings.HasPrefix(word[0], "-") {
			names = append(names, "command "+word[0])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// methodsOf are the methods of the Manager and of every part beside it.
func methodsOf(domain reflect.Type, seen map[reflect.Type]bool) (names []string) {
	for i := range domain.NumField() {
		f := domain.Field(i)
		switch {
		case !f.IsExported() || seen[f.Type]:
			continue
		case f.Type.Kind() == reflect.Struct && isRoom(f.Type.PkgPath()) && f.Name != "Core":
			names = append(names, methodsOf(f.Type, seen)...)
		case f.Type.Kind() == reflect.Pointer && isRoom(f.Type.Elem().PkgPath()):
			for m := range f.Type.NumMethod() {
				names = append(names, f.Type.Method(m).Name)
			}
		}
		seen[f.Type] = true
	}
	return names
}

// isRoom reports whether a package is a room of the domain.
func isRoom(path string) bool {
	_, name, _ := strings.Cut(path, "/autocrud/pkg/")
	return slices.Contains([]string{"states", "commit", "rights", "jobs", "upkeep", "notify", "admin", "publishing", "resource"}, name)
}

// enumOf is the list of values that a property of an operation's body may have.
func enumOf(t testing.TB, doc *apitest.Document, id, property string) (values []string) {
	t.Helper()
	for _, op := range doc.Operations {
		if op.ID != id {
			continue
		}
		values = append(values, doc.Enum(op, property)...)
	}
	if len(values) == 0 {
		t.Fatalf("%s has no list of values for %s", id, property)
	}
	return values
}

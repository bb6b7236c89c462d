package resource_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/admin"
	"github.com/autocrud-go/autocrud/pkg/resource"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
)

// fallen answers for one resource as an index does that was put back to what it was
// before, beneath a program that runs.
type fallen struct {
	storage.Index
	row  storage.Row
	back atomic.Bool // it is itself again
}

func (f *fallen) Head(ctx context.Context, typ, id string) (storage.Row, error) {
	if id == f.row.ID && !f.back.Load() {
		return f.row, nil
	}
	return f.Index.Head(ctx, typ, id)
}

// What was written is not written over because an index knows less than it did: the
// log decides what a change follows, also where it compares no more than its own end.
// An index that lies about a resource and not about how far it is makes a revision
// twice, and verify finds that.
func TestAnIndexThatFellBackLosesNoWrite(t *testing.T) {
	for name, lies := range map[string]bool{"an older state": false, "a damaged one": true} {
		t.Run(name, func(t *testing.T) { fallBack(t, lies) })
	}
}

func fallBack(t *testing.T, lies bool) {
	dir, types := t.TempDir(), testenv.Types(t, notes)
	s := testenv.Open(t, dir, types, testenv.StackOptions{})
	write := func(s *testenv.Stack, id, text string) {
		t.Helper()
		if _, _, err := s.Manager.Update(t.Context(), "notes", id, map[string]any{"text": text}, resource.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	indexed := func(s *testenv.Stack) {
		t.Helper()
		if _, err := s.Manager.List(t.Context(), "notes", resource.ListOptions{Consistency: resource.Strong}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Manager.Create(t.Context(), "notes", map[string]any{"text": "first"}, resource.CreateOptions{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	indexed(s)
	row, err := s.Index.Head(t.Context(), "notes", "a")
	if err != nil {
		t.Fatal(err)
	}
	write(s, "a", "second")
	indexed(s)
	s.Stop()
	index, err := sqliteindex.Open(t.Context(), filepath.Join(dir, "index.sqlite"), sqliteindex.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if lies {
		row.AsOf = 1 << 40
	}
	below := &fallen{Index: index, row: row}
	s = testenv.Open(t, dir, types, testenv.StackOptions{Index: below})
	indexed(s)
	write(s, "a", "third")
	indexed(s)
	past, err := s.Index.Events(t.Context(), storage.EventQuery{Type: "notes", ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range past {
		got = append(got, p.Event.Revision.ID)
	}
	want := []string{"a:1", "a:2", "a:3"}
	if lies {
		want = []string{"a:1", "a:2", "a:2"}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the revisions are %v, want %v", got, want)
	}
	below.back.Store(true)
	found := 0
	if _, err := s.Manager.Admin.Verify(t.Context(), func(admin.Finding) { found++ }); err != nil || found > 0 != lies {
		t.Errorf("verify finds %d, %v", found, err)
	}
}

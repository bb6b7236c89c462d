package sqliteindex_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/autocrud-go/autocrud/pkg/query"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
	"github.com/autocrud-go/autocrud/pkg/storage/storagetest"
)

func open(t testing.TB, path string) *sqliteindex.Index {
	t.Helper()
	x, err := sqliteindex.Open(t.Context(), path, sqliteindex.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestIndexInAFile(t *testing.T) {
	storagetest.TestIndex(t, func(t *testing.T) storage.Index {
		name := "index ?#%.db"
		if runtime.GOOS == "windows" {
			name = "index #%.db" // no file there is called ?
		}
		return open(t, filepath.Join(t.TempDir(), name))
	})
}

func TestIndexInMemory(t *testing.T) {
	storagetest.TestIndex(t, func(t *testing.T) storage.Index { return open(t, ":memory:") })
}

// TestIndexThatWalksOrders takes every condition for a common one.
func TestIndexThatWalksOrders(t *testing.T) {
	sqliteindex.SetFew(0)
	defer sqliteindex.SetFew(1000)
	storagetest.TestIndex(t, func(t *testing.T) storage.Index { return open(t, ":memory:") })
}

// TestPurgeLeavesNoBytes looks for what was erased in every file of the index.
func TestPurgeLeavesNoBytes(t *testing.T) {
	dir := t.TempDir()
	x := open(t, filepath.Join(dir, "index.db"))
	defer x.Close()
	def := storage.Definition{Type: "notes", Hash: "1", FullText: []string{"body"}, Fields: []query.Field{
		{Name: "title", Kind: query.Text}, {Name: "tags", Kind: query.Text, List: true}}}
	if _, err := x.Define(t.Context(), []storage.Definition{def}); err != nil {
		t.Fatal(err)
	}
	if err := x.Reset(t.Context(), "log", 0); err != nil {
		t.Fatal(err)
	}
	note := func(seq uint64, id string, action storage.Action, word string) {
		t.Helper()
		e := &storage.Event{ID: id + word, Action: action, Seq: seq, Wrote: 1, Principal: word, Meta: storage.Meta{Type: "notes", ID: id, RevisionCount: 1}}
		if _, err := e.Encode(); err != nil {
			t.Fatal(err)
		}
		c := storage.IndexChange{Event: e, Values: []query.Value{word, []query.Value{word}}, Text: []string{word}, Content: []byte(word)}
		if err := x.Apply(t.Context(), storage.Batch{Changes: []storage.IndexChange{c}, Through: seq}); err != nil {
			t.Fatal(err)
		}
	}
	found := func(word string) (in []string) {
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte(word)) {
				in = append(in, f)
			}
		}
		return in
	}
	note(1, "a", storage.Created, "ordinary")
	note(2, "b", storage.Created, "confidential")
	note(3, "b", storage.Updated, "clandestine")
	if len(found("confidential")) == 0 {
		t.Fatal("the test does not see what is there")
	}
	note(4, "b", storage.Purged, "gone")
	for _, word := range []string{"confidential", "clandestine"} {
		if in := found(word); in != nil {
			t.Errorf("%s is still in %v", word, in)
		}
	}
	if len(found("ordinary")) == 0 {
		t.Error("another resource was erased too")
	}
}

// TestAnIndexIsThereAfterReopening: rows, history and position survive Close,
// and the type is not fresh.
func TestAnIndexIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	x := open(t, path)
	fill(t, x, 10, true)
	x.Close()
	x = open(t, path)
	defer x.Close()
	fresh, err := x.Define(t.Context(), []storage.Definition{articles(true)})
	if err != nil || len(fresh) != 0 {
		t.Fatalf("fresh %v, %v", fresh, err)
	}
	page, err := x.Search(t.Context(), storage.Search{Type: "articles", Limit: 100})
	if err != nil || len(page.Rows) != 10 || page.Applied != 10 {
		t.Fatalf("%d rows through %d, %v", len(page.Rows), page.Applied, err)
	}
}

func FuzzSearch(f *testing.F) {
	x := open(f, ":memory:")
	defer x.Close()
	storagetest.Fuzz(f, x)
}

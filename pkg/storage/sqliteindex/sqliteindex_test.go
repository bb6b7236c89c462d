package sqliteindex_test

import (
	"path/filepath"
	"testing"

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
		return open(t, filepath.Join(t.TempDir(), "index ?#%.db"))
	})
}

func TestIndexInMemory(t *testing.T) {
	storagetest.TestIndex(t, func(t *testing.T) storage.Index { return open(t, ":memory:") })
}

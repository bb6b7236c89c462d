package pgindex_test

import (
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
	"github.com/autocrud-go/autocrud/pkg/storage/storagetest"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func open(t testing.TB, url string) *pgindex.Index {
	t.Helper()
	x, err := pgindex.Open(t.Context(), url, pgindex.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestIndex(t *testing.T) {
	storagetest.TestIndex(t, func(t *testing.T) storage.Index { return open(t, testenv.Postgres(t)) })
}

func FuzzSearch(f *testing.F) {
	x := open(f, testenv.Postgres(f))
	defer x.Close()
	storagetest.Fuzz(f, x)
}

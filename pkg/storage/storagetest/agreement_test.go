package storagetest_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/autocrud-go/autocrud/internal/testenv"
	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/pgindex"
	"github.com/autocrud-go/autocrud/pkg/storage/sqliteindex"
	"github.com/autocrud-go/autocrud/pkg/storage/storagetest"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// TestSQLitePostgresAndTheEvaluatorAgree asks 4,000 random searches, or 20 times
// AUTOCRUD_TEST_SEARCHES; fewer in short mode and under the race detector.
func TestSQLitePostgresAndTheEvaluatorAgree(t *testing.T) {
	each := 200
	if n, err := strconv.Atoi(os.Getenv("AUTOCRUD_TEST_SEARCHES")); err == nil {
		each = n
	}
	if testing.Short() || storagetest.Race {
		each = 100
	}
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			lite, err := sqliteindex.Open(t.Context(), ":memory:", sqliteindex.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer lite.Close()
			pg, err := pgindex.Open(t.Context(), testenv.Postgres(t), pgindex.Options{Conns: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer pg.Close()
			storagetest.Agree(t, map[string]storage.Index{"SQLite": lite, "Postgres": pg}, seed, each)
		})
	}
}
